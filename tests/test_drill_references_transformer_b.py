"""What the drills on the parts of a transformer's block call right is what Keras, KerasHub, SciPy
and TensorFlow compute, and, for gradients, what finite differences measure."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.drills.probes import slope
from helpers.drills.transformer.dropout_layer import as_given, dropout_layer
from helpers.drills.transformer.gelu import gelu, rough_sigmoid, with_tanh
from helpers.drills.transformer.layer_norm import layer_norm
from helpers.drills.transformer.layer_norm_backward import layer_norm_backward
from helpers.drills.transformer.rms_norm import rms_norm
from helpers.drills.transformer.rotary_embedding import (
    _frequency,
    _turned,
    halves_paired,
    rotary_embedding,
)
from helpers.drills.transformer.sinusoidal_positions import sines_in_front, sinusoidal_positions


def close(got, expected, tolerance=1e-12):
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


generators = st.integers(0, 2**32).map(np.random.default_rng)
shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


@settings(max_examples=25)
@given(generators, shapes, st.sampled_from([1e-5, 1e-3, 0.5]))
def test_layer_norm_equals_keras(keras, rng, shape, epsilon):
    x, (gamma, beta) = rng.normal(1, 2, shape), rng.normal(size=(2, shape[-1]))
    layer = keras.layers.LayerNormalization(epsilon=epsilon)
    layer.build((None, *shape))
    layer.set_weights([gamma, beta])
    # Keras computes the variance in one pass; with a small epsilon its rounding is amplified.
    close(layer(x[None])[0], layer_norm(x, gamma, beta, epsilon), 1e-9)


@given(generators, shapes, st.floats(-50, 50), st.floats(0.1, 10))
def test_layer_norm_sees_neither_shift_nor_scale(rng, shape, shift, scale):
    x, (gamma, beta) = rng.normal(size=shape), rng.normal(size=(2, shape[-1]))
    expected = layer_norm(x, gamma, beta, 0.01)
    close(layer_norm(scale * x + shift, gamma, beta, 0.01 * scale**2), expected, 1e-10)


@st.composite
def backward_arguments(draw):
    rng, (rows, width) = draw(generators), draw(st.tuples(st.integers(1, 4), st.integers(1, 6)))
    x, upstream = rng.normal(1, 2, (rows, width)), rng.normal(size=(rows, width))
    return x, rng.normal(size=width), draw(st.sampled_from([1e-3, 0.1, 1.0])), upstream


@settings(max_examples=25)
@given(backward_arguments())
def test_layer_norm_backward_equals_the_gradient_tape(keras, arguments):
    import tensorflow as tf

    x, gamma, epsilon, upstream = arguments
    variables = [tf.Variable(array) for array in (x, gamma, np.zeros_like(gamma))]
    with tf.GradientTape() as tape:
        rows, scale, shift = variables
        mean, variance = tf.nn.moments(rows, axes=[1], keepdims=True)
        y = tf.nn.batch_normalization(rows, mean, variance, shift, scale, epsilon)
        loss = tf.reduce_sum(y * upstream)
    expected = tape.gradient(loss, variables)
    for got, wanted in zip(layer_norm_backward(*arguments), expected, strict=True):
        close(got, wanted, 1e-10)


@settings(max_examples=25)
@given(backward_arguments())
def test_layer_norm_backward_is_the_slope_of_layer_norm(arguments):
    x, gamma, epsilon, upstream = arguments
    given_arrays = [x, gamma, np.ones_like(gamma)]

    def loss(place, array):
        inputs = [*given_arrays[:place], array, *given_arrays[place + 1 :]]
        return float(np.sum(layer_norm(*inputs, epsilon) * upstream))

    for place, got in enumerate(layer_norm_backward(*arguments)):
        measured = slope(lambda array, place=place: loss(place, array), given_arrays[place])
        # The third derivative, by which finite differences err, grows as the deviation shrinks.
        close(got, measured, 1e-5 if epsilon < 0.1 else 1e-7)


@given(backward_arguments())
def test_a_gradient_through_layer_norm_moves_no_row_along_its_mean(arguments):
    x, gamma, epsilon, _ = arguments
    dx = layer_norm_backward(*arguments)[0]
    close(dx.sum(axis=1), 0, 1e-10)
    # Along n it is damped by epsilon / (variance + epsilon): the explanation says "near 0".
    n = layer_norm(x, np.ones_like(gamma), 0.0, epsilon)
    through = np.sum(arguments[3] * gamma * n, axis=1)
    variance = x.var(axis=1)
    close(np.sum(dx * n, axis=1), through * epsilon / (variance + epsilon) ** 1.5, 1e-9)


@settings(max_examples=25)
@given(generators, shapes, st.sampled_from([1e-6, 1e-3, 0.5]))
def test_rms_norm_equals_keras(keras, rng, shape, epsilon):
    x, gamma = rng.normal(1, 2, shape), rng.normal(size=shape[-1])
    layer = keras.layers.RMSNormalization(epsilon=epsilon)
    layer.build((None, *shape))
    layer.set_weights([gamma])
    close(layer(x[None])[0], rms_norm(x, gamma, epsilon))


@given(generators, shapes)
def test_rms_norm_of_half_precision_is_that_of_the_same_numbers(rng, shape):
    half = rng.normal(0, 2000, shape).astype(np.float16)
    gamma = rng.normal(size=shape[-1])
    got = rms_norm(half, gamma, 1e-5)
    assert got.dtype == np.float64
    close(got, rms_norm(half.astype(float), gamma, 1e-5), 0)
    close(np.mean(rms_norm(half, np.ones(shape[-1]), 1e-12) ** 2, axis=-1), 1, 1e-9)


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 33))
def test_sinusoidal_positions_equal_keras_hub(keras, length, width):
    import keras_hub

    layer = keras_hub.layers.SinePositionEncoding(dtype="float64")
    # KerasHub's base passes through float32; the rotation below is the exact test.
    close(sinusoidal_positions(length, width), layer(np.zeros((1, length, width)))[0], 1e-6)


@given(st.integers(1, 40), st.integers(1, 33))
def test_sines_in_front_are_the_same_columns(length, width):
    table = sinusoidal_positions(length, width)
    close(sines_in_front(length, width), np.hstack([table[:, ::2], table[:, 1::2]]))


@given(st.integers(2, 30), st.integers(1, 16), st.integers(0, 29))
def test_moving_on_in_the_table_is_a_rotation(length, pairs, k):
    table = sinusoidal_positions(length + k, 2 * pairs)
    # (cos, sin) is the pair that turns forwards; the table has the sine in front.
    pointers = np.stack([table[:, 1::2], table[:, ::2]], axis=-1).reshape(length + k, 1, 2 * pairs)
    moved = rotary_embedding(pointers[None, :length], np.full(length, k))
    close(moved[0], pointers[k:], 1e-10)


@st.composite
def queries_and_keys(draw):
    rng, pairs = draw(generators), draw(st.integers(1, 8))
    query, key = rng.normal(size=(2, 1, 1, 1, 2 * pairs))
    return query, key, draw(st.sampled_from([10.0, 10_000.0, 500_000.0]))


@pytest.mark.parametrize("rotate", [rotary_embedding, halves_paired])
@given(queries_and_keys(), st.integers(0, 99), st.integers(0, 99), st.integers(1, 99))
def test_scores_depend_on_the_distance_alone(rotate, vectors, i, j, shift):
    query, key, base = vectors

    def score(i, j):
        turned = rotate(query, np.array([i]), base), rotate(key, np.array([j]), base)
        return np.sum(turned[0] * turned[1])

    close(score(i, j), score(i + shift, j + shift), 1e-10)
    close(score(i, i), np.sum(query * key), 1e-10)
    if query.shape[-1] == 2:  # the fast pair alone: another distance is another score
        assert abs(score(i, j) - score(i, j + 1)) > 1e-9


@settings(max_examples=25)
@given(generators, st.integers(1, 4), st.integers(1, 7), st.integers(1, 4), st.integers(1, 6))
def test_rotary_embedding_equals_keras_hub(keras, rng, batch, time, heads, pairs):
    import keras_hub

    x = rng.normal(size=(batch, time, heads, 2 * pairs))
    positions = rng.integers(0, 50, time)
    layer = keras_hub.layers.RotaryEmbedding(max_wavelength=500, dtype="float64")
    library = layer(x, positions=positions)
    close(halves_paired(x, positions, 500.0), library, 1e-4)  # its angles are in float32
    # The paper's pairs are the same, in another order of the columns.
    order = np.arange(2 * pairs).reshape(2, pairs).T.ravel()
    close(rotary_embedding(x[..., order], positions, 500.0), np.array(library)[..., order], 1e-4)


@given(generators, st.integers(1, 5), st.integers(1, 6))
def test_the_mistakes_of_rotary_embedding_start_from_what_is_right(rng, time, pairs):
    x, positions = rng.normal(size=(2, time, 3, 2 * pairs)), rng.integers(0, 50, time)
    close(_turned(x, positions, _frequency(x, 77.0)), rotary_embedding(x, positions, 77.0))


@given(generators, shapes)
def test_gelu_is_x_times_the_normal_distribution_function(rng, shape):
    x = rng.normal(0, 3, shape)
    close(gelu(x), x * stats.norm.cdf(x))


@settings(max_examples=25)
@given(generators, shapes)
def test_both_forms_of_gelu_equal_keras(keras, rng, shape):
    x = rng.normal(0, 3, shape)
    # Keras rounds a constant to float32; the test above is the exact one.
    close(gelu(x), keras.activations.gelu(x, approximate=False), 1e-7)
    close(with_tanh(x), keras.activations.gelu(x, approximate=True), 1e-7)


def test_the_forms_of_gelu_are_as_far_apart_as_the_drill_says():
    x = np.linspace(-8, 8, 100_001)
    assert 0.0004 < np.abs(with_tanh(x) - gelu(x)).max() < 0.0005
    assert 0.015 < np.abs(rough_sigmoid(x) - gelu(x)).max() < 0.0205


@settings(max_examples=25)
@given(generators, shapes, st.floats(0, 0.95), st.integers(0, 2**31 - 1))
def test_dropout_layer_equals_keras_with_its_mask(keras, rng, shape, rate, seed):
    kept = np.array(keras.random.dropout(np.ones(shape), rate, seed=seed)) != 0
    draws = np.where(kept, rng.uniform(rate, 1, shape), rate * rng.random(shape) * 0.99)
    x = rng.normal(size=shape)
    close(dropout_layer(x, rate, draws, True), keras.random.dropout(x, rate, seed=seed))
    layer = keras.layers.Dropout(rate)
    close(dropout_layer(x, rate, draws, False), layer(x, training=False), 0)


@given(generators, st.floats(0.01, 0.9))
def test_dropout_layer_keeps_the_expectation_and_the_given_code_its_symptom(rng, rate):
    x, draws = np.full(20_000, 3.0), rng.random((2, 20_000))
    spread = 3 * math.sqrt(rate / (1 - rate) / 20_000)  # of the mean
    assert abs(dropout_layer(x, rate, draws[0], True).mean() - 3) <= 6 * spread
    answers = [as_given(x, rate, row, False) for row in draws]
    assert not np.array_equal(*answers)
