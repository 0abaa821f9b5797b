"""The transformer by hand: equal to KerasHub's and Keras's own, masked, cached, and refused."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from helpers.transformer import (
    Attention,
    Block,
    Decoder,
    Encoder,
    FeedForward,
    causal_mask,
    classifier,
    from_keras_hub,
    gelu,
    gpt,
    gpt_norm,
    paired_weights,
)

TOLERANCE = dict(rtol=1e-5, atol=1e-5)


def scattered(model):
    """The model with weights far from their start, so that no part is near zero."""
    for number, weight in enumerate(model.weights):
        noise = np.random.default_rng(number).normal(size=weight.shape)
        weight.assign(weight.numpy() + 0.3 * noise)
    return model


@pytest.fixture(scope="module")
def bert():
    sizes = dict(num_layers=2, num_heads=3, hidden_dim=24, intermediate_dim=40)
    return scattered(
        keras_hub.models.BertBackbone(vocabulary_size=31, max_sequence_length=9, **sizes)
    )


@pytest.fixture(scope="module")
def gpt2():
    sizes = dict(num_layers=2, num_heads=3, hidden_dim=24, intermediate_dim=40)
    return scattered(
        keras_hub.models.GPT2Backbone(vocabulary_size=31, max_sequence_length=9, **sizes)
    )


@pytest.fixture
def inputs():
    generator = np.random.default_rng(7)
    return {
        "token_ids": generator.integers(0, 31, (4, 7)),
        "segment_ids": generator.integers(0, 2, (4, 7)),
        "padding_mask": (np.arange(7) < np.array([[7], [4], [1], [6]])).astype(int),
    }


# --- equal to the libraries


def test_the_encoder_gives_the_hidden_states_of_kerashub(bert, inputs):
    ours = from_keras_hub(bert)
    expected = bert(inputs)["sequence_output"]
    np.testing.assert_allclose(ours(inputs), expected, **TOLERANCE)
    pooler = bert.get_layer("pooled_dense").count_params()  # of BERT's second objective
    assert ours.count_params() == bert.count_params() - pooler


def test_the_masked_language_model_gives_the_logits_of_kerashub(bert, inputs):
    theirs = scattered(keras_hub.models.BertMaskedLM(bert))
    ours = from_keras_hub(theirs)
    inputs["mask_positions"] = np.array([[1, 6], [3, 0], [0, 0], [2, 5]])
    np.testing.assert_allclose(ours(inputs), theirs(inputs), **TOLERANCE)


def test_the_decoder_gives_the_logits_of_kerashub(gpt2, inputs):
    ours = from_keras_hub(gpt2)
    ids = inputs["token_ids"]
    hidden_state = gpt2({"token_ids": ids, "padding_mask": np.ones_like(ids)})
    expected = gpt2.token_embedding(hidden_state, reverse=True)
    np.testing.assert_allclose(ours(ids), expected, **TOLERANCE)
    assert ours.count_params() == gpt2.count_params()


def test_the_gradients_are_those_of_kerashub(bert, inputs):
    ours = from_keras_hub(bert)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(ours(inputs) ** 3)
    mine = tape.gradient(loss, ours.weights)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(bert(inputs)["sequence_output"] ** 3)
    pairs = list(paired_weights(ours, bert))
    theirs = tape.gradient(loss, [other.value for _, other in pairs])
    place = {weight.path: number for number, weight in enumerate(ours.weights)}
    theirs = [tf.convert_to_tensor(gradient) for gradient in theirs]
    # Against the largest: that of a key's bias is 0, for it adds the same to all scores of a query.
    scale = max(np.abs(gradient).max() for gradient in theirs)
    for (weight, _), other in zip(pairs, theirs, strict=True):
        gradient = tf.convert_to_tensor(mine[place[weight.path]])
        other = tf.reshape(other, gradient.shape)
        np.testing.assert_allclose(gradient, other, rtol=1e-3, atol=1e-6 * scale)


def test_another_model_is_refused():
    with pytest.raises(TypeError, match="model is a Sequential: BertBackbone"):
        from_keras_hub(keras.Sequential())


@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_grouped_heads_equal_keras(key_heads):
    x = np.random.default_rng(0).normal(size=(2, 5, 16)).astype("float32")
    ours, theirs = (
        Attention(16, 4, key_heads=key_heads),
        keras.layers.GroupQueryAttention(4, 4, key_heads),
    )
    ours(x), theirs(x, x)
    scattered(theirs)
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        mine.assign(np.reshape(other, mine.shape))
    np.testing.assert_allclose(ours(x), theirs(x, x), **TOLERANCE)


def test_gelu_is_the_tanh_form():
    x = np.linspace(-4, 4, 33)
    expected = x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    np.testing.assert_allclose(gelu(x), expected, atol=1e-6)
    np.testing.assert_allclose(gelu(x), keras.activations.gelu(x, approximate=True), atol=1e-6)


# --- who sees whom


@pytest.mark.parametrize(("queries", "keys", "start"), [(4, 4, 0), (1, 6, 3), (2, 5, 3)])
def test_a_query_sees_itself_and_what_stands_before(queries, keys, start):
    expected = [[key <= start + query for key in range(keys)] for query in range(queries)]
    np.testing.assert_array_equal(causal_mask(queries, keys, start), expected)


def test_padding_changes_no_real_token(bert, inputs):
    encoder = from_keras_hub(bert)
    before = encoder(inputs)[1, :4]
    inputs["token_ids"][1, 4:] = 17
    np.testing.assert_allclose(encoder(inputs)[1, :4], before, **TOLERANCE)
    alone = {name: value[1:2, :4] for name, value in inputs.items()}
    np.testing.assert_allclose(encoder(alone)[0], before, **TOLERANCE)


def test_the_decoder_does_not_see_the_future(gpt2, inputs):
    decoder, ids = from_keras_hub(gpt2), inputs["token_ids"]
    before = decoder(ids)
    ids[:, 4] = (ids[:, 4] + 1) % 31
    after = decoder(ids)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert (np.abs(before[:, 4:] - after[:, 4:]).max(axis=(0, 2)) > 1e-3).all()


def test_the_weights_of_attention_are_shares():
    attention = Attention(12, 3)
    query, key = np.random.default_rng(0).normal(size=(2, 2, 3, 5, 4)).astype("float32")
    shares = np.array(attention.look(query, key, causal_mask(5, 5)))
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-6)
    assert (shares[..., ~np.tri(5, dtype=bool)] == 0).all()


# --- the cache


def rotate(x, start):
    """Turn pairs of coordinates by the token's place: enough to see whether `start` arrives."""
    angle = tf.cast(start + tf.range(tf.shape(x)[2]), x.dtype)[:, None]
    a, b = tf.split(x, 2, axis=-1)
    return tf.concat(
        [a * tf.cos(angle) - b * tf.sin(angle), a * tf.sin(angle) + b * tf.cos(angle)], -1
    )


def modern():
    attention = Attention(16, 4, key_heads=2, rotate=rotate, bias=False)
    block = Block(attention, FeedForward(16, 24), gpt_norm, norm_first=True)
    return Decoder(31, 16, [block])


@pytest.mark.parametrize("make", [lambda: gpt(31, 2, 16, 4, 24, 12), modern])
@pytest.mark.parametrize("chunks", [[1] * 7, [4, 1, 2], [7]])
def test_the_cache_changes_nothing(make, chunks, inputs):
    decoder, ids = scattered(make()), inputs["token_ids"]
    step = tf.function(lambda ids, cache, start: decoder(ids, cache=cache, start=start))
    cache, start, pieces = decoder.empty_cache(4, 12), 0, []
    for size in chunks:
        part = tf.constant(ids[:, start : start + size])
        logits, cache = step(part, cache, tf.constant(start))
        pieces.append(logits)
        start += size
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), decoder(ids), **TOLERANCE)


def test_an_empty_cache_has_room_for_each_key_head():
    cache = modern().empty_cache(3, 20)
    assert [part.shape for part in cache[0]] == [(3, 2, 20, 4)] * 2


def test_places_reach_the_rotation(inputs):
    decoder, ids = scattered(modern()), inputs["token_ids"]
    cache = decoder.empty_cache(4, 20)
    _, cache = decoder(ids, cache=cache, start=0)
    right, _ = decoder(ids[:, :1], cache=cache, start=7)
    wrong, _ = decoder(ids[:, :1], cache=cache, start=8)
    assert np.abs(right - wrong).max() > 1e-3


# --- training and what is refused


def test_dropout_is_on_in_training_only(inputs):
    encoder = Encoder(31, 1, 16, 2, 32, 9, dropout=0.5)
    np.testing.assert_array_equal(encoder(inputs), encoder(inputs))
    assert np.abs(encoder(inputs, training=True) - encoder(inputs)).max() > 0.1


def test_a_classifier_averages_over_real_tokens(bert, inputs):
    encoder = from_keras_hub(bert)
    model = classifier(encoder, classes=3)
    kernel = model.layers[-1].kernel.numpy()
    mask = inputs["padding_mask"][:, :, None]
    mean = (encoder(inputs) * mask).numpy().sum(axis=1) / mask.sum(axis=1)
    np.testing.assert_allclose(model(inputs), mean @ kernel, **TOLERANCE)
    assert set(map(id, encoder.weights)) < set(map(id, model.trainable_weights))


@pytest.mark.parametrize("half", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_stays_finite(half, inputs):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(half)
    try:
        encoder, decoder = Encoder(31, 1, 16, 2, 32, 9), gpt(31, 1, 16, 2, 32, 9)
        for outputs in (encoder(inputs), decoder(inputs["token_ids"])):
            assert outputs.dtype == half.removeprefix("mixed_")
            assert np.isfinite(tf.cast(outputs, "float32")).all()
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("sizes", [(10, 3, None), (12, 4, 3)])
def test_heads_that_do_not_divide(sizes):
    width, heads, key_heads = sizes
    with pytest.raises(ValueError, match=f"heads must divide width.*{width=}, {heads=}"):
        Attention(width, heads, key_heads=key_heads)


def test_texts_that_are_too_long(bert, gpt2, inputs):
    longer = {name: np.ones((2, 10), int) for name in inputs}
    with pytest.raises(ValueError, match="texts of 10 tokens; max_length is 9"):
        from_keras_hub(bert)(longer)
    with pytest.raises(ValueError, match="texts of 10 tokens; max_length is 9"):
        from_keras_hub(gpt2)(longer["token_ids"])
