"""What the drills on adapting, decoding and aligning a transformer call right is what Keras and
KerasHub compute."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.drills.judge import judge
from helpers.drills.transformer.cached_attention import as_given, cached_attention
from helpers.drills.transformer.dpo_loss import dpo_loss
from helpers.drills.transformer.gpt_parameters import gpt_parameters
from helpers.drills.transformer.grouped_query_attention import grouped_query_attention
from helpers.drills.transformer.key_value_cache_step import key_value_cache_step
from helpers.drills.transformer.lora_forward import lora_forward
from helpers.drills.transformer.weight_decay_names import weight_decay_names

seeds = st.integers(0, 2**32).map(np.random.default_rng)
sizes = st.integers(1, 5)


# Keras holds the scale of attention in float32, also in a float64 model: sizes whose roots it holds
# without rounding.
head_sizes = st.sampled_from([1, 4, 16])


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)


@settings(max_examples=25)
@given(sizes, sizes, sizes, st.sampled_from([1, 2, 4]), st.integers(1, 32), seeds)
def test_lora_forward_equals_the_dense_layer_of_keras(keras, batch, n, m, rank, alpha, rng):
    x, W = rng.normal(size=(batch, n)), rng.normal(size=(n, m))
    # Keras adds the update up in float32: with eighths, and such ranks, nothing is rounded.
    A, B = rng.integers(-8, 9, (n, rank)) / 8, rng.integers(-8, 9, (rank, m)) / 8
    layer = keras.layers.Dense(m, use_bias=False)
    layer.build((None, n))
    layer.kernel.assign(W)
    layer.enable_lora(rank, lora_alpha=alpha)
    layer.lora_kernel_a.assign(A)
    layer.lora_kernel_b.assign(B)
    y, merged = lora_forward(x, W, A, B, alpha)
    close(y, layer(x))
    close(merged, layer(np.eye(n)))
    close(x @ merged, y)


def test_weight_decay_names_spares_biases_and_normalisation_of_a_bert(keras):
    import keras_hub

    bert = keras_hub.models.BertBackbone(
        vocabulary_size=30, num_layers=2, num_heads=3, hidden_dim=12, intermediate_dim=20,
        max_sequence_length=8,
    )  # fmt: skip
    norms = [w for layer in bert._flatten_layers() for w in layer.weights
             if isinstance(layer, keras.layers.LayerNormalization)]  # fmt: skip
    biases = [getattr(layer, "bias", None) for layer in bert._flatten_layers()]
    spared = {w.path for w in [*norms, *biases] if w is not None}
    everything = {w.path: tuple(w.shape) for w in bert.trainable_variables}
    assert len(everything) == len(bert.trainable_variables)
    assert weight_decay_names(everything) == sorted(set(everything) - spared)
    assert any(len(everything[path]) == 2 for path in spared), "a bias of attention has two axes"


def test_weight_decay_names_are_what_adamw_shrinks(keras):
    """With gradients of zero only decay moves a variable. Keras looks for the patterns of what it
    leaves out in TensorFlow's name: the whole path, with ":0" behind it."""
    model = keras.Sequential([
        keras.Input((4,), dtype="int32"), keras.layers.Embedding(9, 6, name="bias_free"),
        keras.layers.Dense(5, name="debias"), keras.layers.LayerNormalization(axis=[-2, -1]),
        keras.layers.RMSNormalization(), keras.layers.Dense(2, name="beta"),
    ])  # fmt: skip
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=[r"/(bias|gamma|beta|scale)(:0)?$"])
    variables = model.trainable_variables
    optimizer.apply([np.zeros(v.shape) for v in variables], variables)
    shrunk = sorted(v.path for v in variables if np.all(np.asarray(v) < 1))
    unmoved = [v.path for v in variables if np.all(np.asarray(v) == 1)]
    assert shrunk and unmoved and len(shrunk) + len(unmoved) == len(variables)
    assert weight_decay_names({v.path: tuple(v.shape) for v in variables}) == shrunk


@settings(max_examples=15)
@given(sizes, sizes, head_sizes, st.integers(1, 6), seeds)
def test_key_value_cache_step_equals_the_cached_attention_of_keras_hub(
    keras, batch, heads, d, capacity, rng
):
    import keras_hub

    width = 4
    layer = keras_hub.layers.CachedMultiHeadAttention(heads, d, use_bias=False)
    layer.build((batch, 1, width), (batch, 1, width))
    kernels = [rng.normal(size=w.shape) for w in layer.weights]
    layer.set_weights(kernels)
    W_q, W_k, W_v, W_o = (np.asarray(dense.kernel) for dense in (
        layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense))  # fmt: skip
    keys, values = rng.normal(size=(2, batch, heads, capacity, d))
    cache = np.stack([keys, values], axis=1).transpose(0, 1, 3, 2, 4)
    for used in range(capacity):
        x = rng.normal(size=(batch, 1, width))
        mask = np.broadcast_to(np.arange(capacity) <= used, (batch, 1, capacity))
        expected, cache = layer(x, x, attention_mask=mask, cache=cache, cache_update_index=used)
        new = [np.einsum("bw,whd->bhd", x[:, 0], W) for W in (W_q, W_k, W_v)]
        output, keys, values = key_value_cache_step(*new, keys, values, used)
        close(np.einsum("bhd,hdw->bw", output, W_o), expected[:, 0])
        both = np.asarray(cache).transpose(1, 0, 3, 2, 4)
        close([keys, values], both)


def texts(shortest=1):
    """Queries, keys and values of whole texts."""
    shapes = st.tuples(st.just(3), sizes, st.integers(shortest, 8), head_sizes)
    return st.builds(lambda shape, rng: rng.normal(size=shape), shapes, seeds)


def in_chunks(function, text, lengths):
    """The outputs of a text read in chunks of these lengths, again and again."""
    query, key, value = text
    keys = values = key[:, :0]
    outputs, start = [], 0
    while start < query.shape[1]:
        chunk = slice(start, start + lengths[len(outputs) % len(lengths)])
        output, keys, values = function(query[:, chunk], key[:, chunk], value[:, chunk], keys,
                                        values)  # fmt: skip
        outputs.append(output)
        start = chunk.stop
    return np.concatenate(outputs, axis=1), keys, values


def causal_attention(keras, text):
    """The attention of Keras over the whole text, in one head."""
    query, key, value = (array[:, :, None] for array in text)
    return np.asarray(keras.ops.dot_product_attention(query, key, value, is_causal=True))[:, :, 0]


@settings(max_examples=25)
@given(texts(), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_cached_attention_in_chunks_equals_keras_on_the_whole_text(keras, text, lengths):
    output, keys, values = in_chunks(cached_attention, text, lengths)
    close(output, causal_attention(keras, text))
    close([keys, values], text[1:])


@settings(max_examples=25)
@given(texts(shortest=2))
def test_the_given_code_forgets_all_but_the_first_token(keras, text):
    """The symptom that the bug hunt names: right at once, and wrong token by token."""
    length = text.shape[2]
    close(in_chunks(as_given, text, [length])[0], causal_attention(keras, text))
    one_by_one = in_chunks(as_given, text, [1])[0]
    close(one_by_one, np.repeat(text[2][:, :1], length, axis=1))
    assert not np.allclose(one_by_one, causal_attention(keras, text))


@settings(max_examples=15)
@given(sizes, sizes, st.integers(1, 3), sizes, head_sizes, seeds)
def test_grouped_query_attention_equals_the_layer_of_keras(
    keras, batch, groups, shared_by, time, d, rng
):
    width = 4
    layer = keras.layers.GroupQueryAttention(d, groups * shared_by, groups, use_bias=False)
    layer.build((batch, time, width), (batch, time, width))
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    x, y = rng.normal(size=(2, batch, time, width))
    kernels = [layer._query_dense.kernel, layer._key_dense.kernel, layer._value_dense.kernel]
    query, key, value = (
        np.einsum("btw,whd->bhtd", of, np.asarray(W))
        for of, W in zip((x, y, y), kernels, strict=True)
    )
    got = grouped_query_attention(query, key, value)
    expected = layer(x, y)
    W_o = np.asarray(layer._output_dense.kernel)
    close(np.einsum("bhtd,hdw->btw", got, W_o), expected)


pairs = st.builds(
    lambda size, spread, rng: rng.normal(-50, spread, size=(4, size)),
    sizes, st.sampled_from([0.1, 3.0, 1_000.0]), seeds,
)  # fmt: skip


@settings(max_examples=50)
@given(pairs, st.sampled_from([0.05, 0.3, 1, 2.5]))
def test_dpo_loss_equals_keras_logistic_regression_on_the_rewards(keras, pairs, beta):
    """The probability that the chosen answer is preferred is a sigmoid, and the label is 1."""
    import tensorflow as tf

    arrays = [tf.Variable(array) for array in pairs]
    with tf.GradientTape() as tape:
        rewards = [beta * (arrays[i] - arrays[i + 2]) for i in range(2)]
        logits = (rewards[0] - rewards[1])[:, None]
        loss = keras.losses.BinaryCrossentropy(from_logits=True)(np.ones(logits.shape), logits)
    close(dpo_loss(*pairs, beta), loss)
    # A step against the gradient raises what was chosen and lowers what was rejected.
    chosen, rejected = tape.gradient(loss, arrays[:2])
    assert np.all(np.asarray(chosen) <= 0) and np.all(np.asarray(rejected) >= 0)


@given(pairs, st.sampled_from([0.05, 1]))
def test_dpo_loss_sees_only_what_the_policy_gained(pairs, beta):
    policy, reference = pairs[:2], pairs[2:]
    close(dpo_loss(*policy, *policy, beta), np.log(2))
    shift = np.arange(pairs.shape[1])  # answers that are less probable for both models
    expected = dpo_loss(*policy, *reference, beta)
    close(dpo_loss(*policy - shift, *reference - shift, beta), expected)


@settings(max_examples=8)
@given(st.integers(2, 60), st.integers(1, 20), st.integers(1, 3), st.integers(1, 3),
       st.integers(1, 5), st.integers(1, 30))  # fmt: skip
def test_gpt_parameters_are_those_of_keras_hub(
    keras, vocabulary_size, max_length, layers, heads, head_size, hidden
):
    import keras_hub

    width = heads * head_size
    model = keras_hub.models.GPT2Backbone(
        vocabulary_size, layers, heads, width, hidden, max_sequence_length=max_length
    )
    assert gpt_parameters(vocabulary_size, max_length, layers, width, hidden) == (
        model.count_params()
    )


def test_gpt_parameters_of_the_published_model():
    assert gpt_parameters(50257, 1024, 12, 768, 3072) == 124_439_808


def test_arguments_changed_in_place_are_noticed():
    """No known mistake of their own: the judge says so for every drill."""

    def cache(query, key, value, keys, values, used):
        output, new_keys, new_values = key_value_cache_step(query, key, value, keys, values, used)
        keys[:], values[:] = new_keys, new_values
        return output, keys, values

    def merge(x, W, A, B, alpha):
        y, W[:] = lora_forward(x, W, A, B, alpha)
        return y, W

    for name, answer in (("key_value_cache_step", cache), ("lora_forward", merge)):
        verdict = judge(name, answer)
        assert verdict.status == "wrong"
        assert "changes its argument" in verdict.message
