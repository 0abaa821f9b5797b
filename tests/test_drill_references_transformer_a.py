"""What the drills on attention call right is what Keras, KerasHub, TensorFlow and SciPy compute."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.drills.transformer import attention_scores as scores_drill
from helpers.drills.transformer import masked_attention_weights as weights_drill
from helpers.drills.transformer import merge_heads as merge_drill
from helpers.drills.transformer.attention_scores import attention_scores
from helpers.drills.transformer.causal_mask import causal_mask
from helpers.drills.transformer.masked_attention_weights import masked_attention_weights
from helpers.drills.transformer.merge_heads import merge_heads
from helpers.drills.transformer.multi_head_attention import multi_head_attention
from helpers.drills.transformer.scaled_dot_product_attention import scaled_dot_product_attention
from helpers.drills.transformer.softmax import softmax

generators = st.integers(0, 2**32).map(np.random.default_rng)
sizes = st.integers(1, 5)
several = st.integers(2, 5)  # keys: Keras warns of a softmax over a single one


def close(got, expected, tolerance=1e-12):
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


# Keras rounds 1 / √d to float32 whatever the dtype: an error of 6e-8 of each score.
SCALE_IN_FLOAT32 = 1e-5


@given(generators, st.lists(sizes, min_size=1, max_size=4), st.data())
def test_softmax_equals_scipy(rng, shape, data):
    from scipy import special

    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    # Each slice has a level of its own, up to thousands from the others.
    level_shape = [1 if a == axis % len(shape) else n for a, n in enumerate(shape)]
    scores = rng.normal(size=shape) + rng.choice([-3000.0, 0.0, 3000.0], level_shape)
    scores[rng.random(shape) < 0.3] = -np.inf
    nothing = np.isneginf(scores).all(axis=axis, keepdims=True)
    expected = special.softmax(np.where(nothing, 0.0, scores), axis=axis)
    close(softmax(scores, axis), np.where(nothing, 0.0, expected))


@given(generators, st.lists(several, min_size=1, max_size=4))
def test_softmax_takes_the_last_axis_as_keras_does(keras, rng, shape):
    scores = 3 * rng.normal(size=shape)
    close(softmax(scores), keras.ops.softmax(scores))


@settings(max_examples=50)
@given(generators, sizes, sizes, several, sizes)
def test_attention_equals_keras_where_there_is_something_to_see(
    keras, rng, batch, queries, keys, d
):
    query = rng.normal(size=(batch, queries, d))
    key, value = rng.normal(size=(2, batch, keys, d))
    mask = rng.random((batch, queries, keys)) < 0.6
    # One head: (batch, time, 1, d), and the mask (batch, 1, queries, keys).
    expected = keras.ops.dot_product_attention(
        query[:, :, None], key[:, :, None], value[:, :, None], mask=mask[:, None]
    )
    expected = np.asarray(expected)[:, :, 0]
    got = scaled_dot_product_attention(query, key, value, mask)
    seen = mask.any(axis=2, keepdims=True)
    close(got, np.where(seen, expected, 0.0), SCALE_IN_FLOAT32)


@settings(max_examples=25)
@given(generators, sizes, several, sizes, st.integers(1, 4))
def test_multi_head_attention_equals_the_layer_of_keras(keras, rng, batch, time, d, heads):
    width = heads * d
    x = rng.normal(size=(batch, time, width))
    matrices = rng.normal(size=(4, width, width)) / width**0.5
    layer = keras.layers.MultiHeadAttention(heads, d, use_bias=False)
    layer.build(x.shape, x.shape)
    W_q, W_k, W_v, W_o = matrices
    in_heads = [W.reshape(width, heads, d) for W in (W_q, W_k, W_v)]
    layer.set_weights([*in_heads, W_o.reshape(heads, d, width)])
    close(multi_head_attention(x, *matrices, heads), layer(x, x), SCALE_IN_FLOAT32)


@given(st.integers(1, 8), st.integers(0, 8))
def test_causal_mask_equals_the_one_of_keras_hub(queries, cached):
    from keras_hub.src.layers.modeling.transformer_layer_utils import compute_causal_mask

    keys = cached + queries
    expected = compute_causal_mask(1, keys, queries, cache_index=cached)[0]
    np.testing.assert_array_equal(causal_mask(queries, keys), expected)


@settings(max_examples=25)
@given(generators, several, st.integers(0, 5))
def test_new_tokens_with_a_cache_get_what_the_whole_text_gives(keras, rng, queries, cached):
    query, key, value = rng.normal(size=(3, 2, cached + queries, 4))
    whole = keras.layers.Attention(use_scale=False)
    expected = whole([query, value, key / 2], use_causal_mask=True)  # √4 = 2
    new = np.broadcast_to(causal_mask(queries, cached + queries), (2, queries, cached + queries))
    close(scaled_dot_product_attention(query[:, cached:], key, value, new), expected[:, cached:])


@settings(max_examples=50)
@given(generators, sizes, sizes, several)
def test_masked_weights_equal_the_softmax_layer_of_keras(keras, rng, batch, queries, keys):
    scores = 3 * rng.normal(size=(batch, queries, keys))
    mask = rng.random(scores.shape) < 0.6
    seen = mask.any(axis=2, keepdims=True)
    expected = np.asarray(keras.layers.Softmax()(scores, mask=mask))
    close(masked_attention_weights(scores, mask), np.where(seen, expected, 0.0))


@given(generators, sizes, sizes, sizes)
def test_weights_do_not_hang_on_hidden_scores(rng, batch, queries, keys):
    scores, other = 3 * rng.normal(size=(2, batch, queries, keys))
    mask = rng.random(scores.shape) < 0.6
    weights = masked_attention_weights(scores, mask)
    np.testing.assert_array_equal(
        weights, masked_attention_weights(np.where(mask, scores, 5000 * other), mask)
    )
    close(weights.sum(axis=2), mask.any(axis=2))


def test_the_given_weights_do_not_sum_to_one():
    """The symptom that the bug hunt names."""
    scores = np.random.default_rng(0).normal(size=(2, 3, 5))
    mask = np.arange(5) < np.array([4, 3])[:, None, None]
    mask = np.broadcast_to(mask, scores.shape)
    assert weights_drill.as_given(scores, mask).sum(axis=2).max() < 0.99
    raised = weights_drill.as_given(np.where(mask, scores, scores + 1), mask)
    assert not np.allclose(raised, weights_drill.as_given(scores, mask))


@settings(max_examples=50)
@given(generators, sizes, sizes, sizes, several, sizes)
def test_attention_scores_equal_those_that_keras_takes_the_softmax_of(
    keras, rng, batch, heads, queries, keys, d
):
    query = rng.normal(size=(batch, heads, queries, d))
    key = rng.normal(size=(batch, heads, keys, d))
    layer = keras.layers.MultiHeadAttention(heads, d, use_bias=False)
    layer.build((batch, queries, 3), (batch, keys, 3))
    mixed = layer._compute_attention(
        query.swapaxes(1, 2), key.swapaxes(1, 2), key.swapaxes(1, 2), return_attention_scores=True
    )
    close(softmax(attention_scores(query, key)), mixed[1], SCALE_IN_FLOAT32)


@pytest.mark.parametrize("d", [4, 64, 1024])
def test_the_spread_of_scores_does_not_depend_on_d(d):
    """What the statement asks for, and the symptom that the bug hunt names."""
    query, key = np.random.default_rng(d).normal(size=(2, 4, 3, 60, d))
    assert attention_scores(query, key).std() == pytest.approx(1, abs=0.05)
    assert scores_drill.as_given(query, key).std() == pytest.approx(d**-0.5, rel=0.05)


@given(generators, sizes, sizes, sizes, sizes)
def test_merged_heads_times_a_matrix_is_the_output_layer_of_keras(
    keras, rng, batch, heads, time, d
):
    outputs, W = rng.normal(size=(batch, heads, time, d)), rng.normal(size=(heads, d, 3))
    layer = keras.layers.EinsumDense("abcd,cde->abe", output_shape=(None, 3))
    layer.build((batch, time, heads, d))
    layer.set_weights([W])
    close(merge_heads(outputs) @ W.reshape(heads * d, 3), layer(outputs.swapaxes(1, 2)))


def test_the_given_merge_lets_one_position_change_other_rows():
    """The symptom that the bug hunt names."""
    heads = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    changed = heads.copy()
    changed[:, :, -1] = 0

    def rows(merge):
        return np.flatnonzero((merge(heads) != merge(changed)).any(axis=(0, 2))).tolist()

    assert rows(merge_heads) == [4]
    assert rows(merge_drill.as_given) != [4]
    np.testing.assert_array_equal(merge_drill.as_given(heads[:, :1]), merge_heads(heads[:, :1]))
    one = heads[:, :, :1]
    np.testing.assert_array_equal(merge_drill.as_given(one), merge_heads(one))
