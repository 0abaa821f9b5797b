"""What the drills on layers call right is what Keras and TensorFlow compute, and their tapes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.drills.images.convolution_backward import convolution_backward
from helpers.drills.images.convolution_im2col import convolution_im2col
from helpers.drills.images.max_pool import max_pool
from helpers.drills.probes import slope
from helpers.drills.training.batch_norm_backward import batch_norm_backward
from helpers.drills.training.batch_norm_forward import batch_norm_forward
from helpers.drills.training.inverted_dropout import inverted_dropout
from helpers.drills.training.numerical_gradient import SumOfCubes, Waves, numerical_gradient

seeds = st.integers(0, 2**32 - 1)


def close(got, expected, tolerance=1e-11):
    """Both agree to 1e-11 of the largest number expected: sums may cancel."""
    expected = np.asarray(expected)
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale)


# ---- batch_norm_forward, batch_norm_backward ----------------------------------------------------
@st.composite
def batches(draw):
    """x, gamma, beta and epsilon: rows or images, one of them too."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=2))
    if draw(st.booleans()):
        sizes[1:1] = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    rng = np.random.default_rng(draw(seeds))
    x = rng.normal(size=sizes) * rng.uniform(0.3, 3) + rng.normal()
    gamma, beta = rng.normal(size=(2, sizes[-1]))
    return x, gamma, beta, draw(st.sampled_from([1e-3, 0.1, 1.0]))


@settings(max_examples=30)
@given(batches(), st.floats(0, 1), seeds)
def test_batch_norm_forward_equals_kerass_layer(keras, batch, momentum, seed):
    x, gamma, beta, epsilon = batch
    rng = np.random.default_rng(seed)
    mean, variance = rng.normal(size=len(gamma)), rng.uniform(0.2, 3, len(gamma))
    layer = keras.layers.BatchNormalization(momentum=momentum, epsilon=epsilon)
    layer.build(x.shape)
    layer.set_weights([gamma, beta, mean, variance])
    for training in (True, False, True):
        expected = layer(x, training=training)
        args = x, gamma, beta, mean, variance, momentum, epsilon, training
        y, mean, variance = batch_norm_forward(*args)
        close(y, expected)
        close(mean, layer.moving_mean)
        close(variance, layer.moving_variance)


@settings(max_examples=30)
@given(batches(), seeds)
def test_batch_norm_backward_equals_a_tape_through_kerass_layer(keras, batch, seed):
    import tensorflow as tf

    x, gamma, beta, epsilon = batch
    upstream = np.random.default_rng(seed).normal(size=x.shape)
    layer = keras.layers.BatchNormalization(epsilon=epsilon)
    layer.build(x.shape)
    layer.set_weights([gamma, beta, 0 * beta, 0 * beta])
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(variable, training=True) * upstream)
    sources = [variable, layer.gamma.value, layer.beta.value]
    got = batch_norm_backward(x, gamma, epsilon, upstream)
    for mine, expected in zip(got, tape.gradient(loss, sources), strict=True):
        close(mine, expected)


@given(batches(), seeds)
def test_gradients_of_a_feature_sum_to_zero_and_one_row_gets_none(batch, seed):
    x, gamma, _, epsilon = batch
    upstream = np.random.default_rng(seed).normal(size=x.shape)
    dx, _, _ = batch_norm_backward(x, gamma, epsilon, upstream)
    close(dx.sum(axis=tuple(range(x.ndim - 1))), 0 * gamma)
    if x.size == len(gamma):
        close(dx, 0 * dx)


# ---- inverted_dropout ---------------------------------------------------------------------------
@settings(max_examples=20)
@given(st.sampled_from([0.0, 0.1, 0.5, 0.9]), seeds)
def test_inverted_dropout_has_the_values_and_the_shares_of_kerass_layer(keras, rate, seed):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    x, upstream = rng.uniform(1, 2, (2, 50, 40))
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        output = keras.layers.Dropout(rate, seed=seed % 2**31)(variable, training=True)
        loss = tf.reduce_sum(output * upstream)
    gradient = np.array(tape.gradient(loss, variable))
    for y, dx in [(output.numpy(), gradient), inverted_dropout(x, upstream, rate, True, rng)]:
        kept = y != 0
        close(y[kept], x[kept] / (1 - rate))
        close(dx, upstream * kept / (1 - rate))
        assert abs(np.mean(kept) - (1 - rate)) <= 6 * np.sqrt(rate * (1 - rate) / x.size)


@given(st.floats(0, 0.99), seeds)
def test_inverted_dropout_is_the_identity_in_evaluation(rate, seed):
    x, upstream = np.random.default_rng(seed).normal(size=(2, 3, 4))
    y, dx = inverted_dropout(x, upstream, rate, False, np.random.default_rng(seed))
    assert np.array_equal(y, x) and np.array_equal(dx, upstream)


@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_inverted_dropout_keeps_the_mean_of_every_number(rate):
    rng = np.random.default_rng(0)
    x = np.array([[1.0, -2.0, 0.0], [4.0, 0.5, 3.0]])
    calls = np.array([inverted_dropout(x, x, rate, True, rng) for _ in range(20_000)])
    spread = np.abs(x) * np.sqrt(rate / (1 - rate) / len(calls))
    assert np.all(np.abs(calls.mean(axis=0) - x) <= 5 * spread)


# ---- numerical_gradient -------------------------------------------------------------------------
@settings(max_examples=20)
@given(seeds, st.integers(1, 3), st.integers(1, 4))
def test_numerical_gradient_equals_a_tape(keras, seed, rows, columns):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    x, W = rng.normal(size=(rows, columns)), rng.normal(size=(columns, 3))

    def loss(values):
        return tf.reduce_sum(tf.tanh(values @ W) ** 2) + tf.reduce_sum(tf.sin(values))

    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        result = loss(variable)
    exact = np.array(tape.gradient(result, variable))
    gradient, error = numerical_gradient(lambda x: float(loss(x)), x, exact)
    close(gradient, exact, 1e-8)
    assert error * np.linalg.norm(exact) <= 1e-8


@given(seeds, st.floats(0.01, 10))
def test_error_of_a_claim_that_is_off_by_a_factor(seed, factor):
    rng = np.random.default_rng(seed)
    f, x = Waves(rng, (2, 2)), rng.normal(size=(2, 2))
    exact = f.slope(x)
    _, error = numerical_gradient(f, x, factor * exact)
    expected = abs(factor - 1) / max(factor, 1)
    # Far above zero, and sometimes flat: rounding is measured against the slopes.
    assert abs(error - expected) <= 1e-7 / np.linalg.norm(exact)


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_slopes_that_the_judge_knows_are_those_of_its_functions(size):
    rng = np.random.default_rng(1)
    f, x = Waves(rng, (2, 3), size, offset=0.0), size * rng.normal(size=(2, 3))
    np.testing.assert_allclose(f.slope(x), slope(f, x), rtol=0, atol=1e-8)
    np.testing.assert_allclose(SumOfCubes().slope(x / size), slope(SumOfCubes(), x / size), 1e-8)


# ---- convolution_im2col, convolution_backward, max_pool -----------------------------------------
@st.composite
def convolutions(draw):
    """images, kernel, stride, padding; the kernel fits in at least once."""
    n, channels, filters = (draw(st.integers(1, 3)) for _ in range(3))
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding, stride = draw(st.integers(0, 2)), draw(st.integers(1, 3))
    height, width = (
        draw(st.integers(max(1, size - 2 * padding), size + 5)) for size in (rows, columns)
    )
    rng = np.random.default_rng(draw(seeds))
    kernel = rng.normal(size=(rows, columns, channels, filters))
    return rng.normal(size=(n, height, width, channels)), kernel, stride, padding


def padded(images, padding, value=0.0):
    border = (padding, padding)
    return np.pad(images, ((0, 0), border, border, (0, 0)), constant_values=value)


@settings(max_examples=40)
@given(convolutions())
def test_convolution_im2col_equals_tensorflows(keras, convolution):
    import tensorflow as tf

    images, kernel, stride, padding = convolution
    borders = [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]
    close(convolution_im2col(*convolution), tf.nn.conv2d(images, kernel, stride, borders))


@settings(max_examples=20)
@given(convolutions())
def test_convolution_im2col_equals_kerass_layer(keras, convolution):
    images, kernel, stride, padding = convolution
    layer = keras.layers.Conv2D(kernel.shape[3], kernel.shape[:2], stride, use_bias=False)
    wide = padded(images, padding)
    layer.build(wide.shape)
    layer.set_weights([kernel])
    close(convolution_im2col(*convolution), layer(wide))


@settings(max_examples=40)
@given(convolutions(), seeds)
def test_convolution_backward_equals_a_tape(keras, convolution, seed):
    import tensorflow as tf

    images, kernel, stride, padding = convolution
    borders = [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]
    sources = [tf.Variable(images), tf.Variable(kernel), tf.Variable(np.zeros(kernel.shape[3]))]
    with tf.GradientTape() as tape:
        output = tf.nn.conv2d(sources[0], sources[1], stride, borders) + sources[2]
        upstream = np.random.default_rng(seed).normal(size=output.shape)
        loss = tf.reduce_sum(output * upstream)
    got = convolution_backward(*convolution, upstream)
    for mine, expected in zip(got, tape.gradient(loss, sources), strict=True):
        close(mine, expected)


@given(convolutions(), seeds)
def test_convolution_backward_is_the_adjoint_of_convolution_im2col(convolution, seed):
    """⟨upstream, forward(images)⟩ = ⟨gradient of images, images⟩, and of the kernel likewise."""
    images, kernel, _, _ = convolution
    output = convolution_im2col(*convolution)
    upstream = np.random.default_rng(seed).normal(size=output.shape)
    d_images, d_kernel, _ = convolution_backward(*convolution, upstream)
    for gradient, array in ((d_images, images), (d_kernel, kernel)):
        close(np.sum(gradient * array), np.sum(upstream * output))


@st.composite
def pools(draw):
    """images, window, stride, padding: all pixels different, half of them negative."""
    n, channels = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    window, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding = draw(st.integers(0, window // 2))
    height, width = (draw(st.integers(max(1, window - 2 * padding), window + 5)) for _ in range(2))
    rng = np.random.default_rng(draw(seeds))
    shape = n, height, width, channels
    size = math.prod(shape)
    images = (rng.permutation(size) - size // 2).reshape(shape).astype(float)
    return images, window, stride, padding


def upstream_for(images, window, stride, padding, seed):
    down, across = ((size + 2 * padding - window) // stride + 1 for size in images.shape[1:3])
    shape = len(images), down, across, images.shape[3]
    return np.random.default_rng(seed).normal(size=shape)


@settings(max_examples=40)
@given(pools(), seeds)
def test_max_pool_equals_tensorflow_and_its_tape(keras, pool, seed):
    import tensorflow as tf

    images, window, stride, padding = pool
    upstream = upstream_for(*pool, seed)
    variable = tf.Variable(images)
    borders = [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]
    with tf.GradientTape() as tape:
        wide = tf.pad(variable, borders, constant_values=-1e300)
        expected = tf.nn.max_pool2d(wide, window, stride, "VALID")
        loss = tf.reduce_sum(expected * upstream)
    output, d_images = max_pool(*pool, upstream)
    close(output, expected)
    close(d_images, tape.gradient(loss, variable))


@given(pools(), seeds, st.integers(1, 4))
def test_a_tie_goes_to_the_pixel_that_wins_once_later_ones_are_lowered(pool, seed, values):
    """Pixels of few values; lowered by a little in reading order, they tie no more."""
    images, window, stride, padding = pool
    few = images % values
    lowered = few - np.arange(images[0, :, :, 0].size).reshape(images.shape[1:3])[..., None] / 1e3
    upstream = upstream_for(*pool, seed)
    output, d_images = max_pool(few, window, stride, padding, upstream)
    close(output, np.ceil(max_pool(lowered, window, stride, padding, upstream)[0]))
    close(d_images, max_pool(lowered, window, stride, padding, upstream)[1])


@given(pools(), seeds)
def test_what_comes_back_from_a_max_pool_is_what_went_in(pool, seed):
    upstream = upstream_for(*pool, seed)
    _, d_images = max_pool(*pool, upstream)
    close(d_images.sum(axis=(1, 2)), upstream.sum(axis=(1, 2)))
