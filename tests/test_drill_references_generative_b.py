"""What the drills on critics, hinges and conditions call right is what Keras and TensorFlow
compute, and, for gradients, what finite differences measure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.drills.generative.conditional_input import conditional_input
from helpers.drills.generative.gradient_penalty import gradient_penalty
from helpers.drills.generative.hinge_losses import hinge_losses
from helpers.drills.generative.interpolated_gradient_norms import interpolated_gradient_norms
from helpers.drills.generative.label_planes import as_given as band_of_labels
from helpers.drills.generative.label_planes import label_planes
from helpers.drills.generative.spectral_norm import spectral_norm
from helpers.drills.probes import slope

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)


def close(got, expected, tolerance=1e-12):
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@st.composite
def critics(draw):
    """real, fake, epsilon, W, v: flat critics and steep ones."""
    batch, features, hidden = draw(sizes), draw(sizes), draw(sizes)
    rng = np.random.default_rng(draw(seeds))
    size = draw(st.sampled_from([0.1, 0.5, 1.0]))
    real, fake = rng.normal(size=(2, batch, features))
    W, v = size * rng.normal(size=(features, hidden)), rng.normal(size=hidden)
    return real, fake, rng.uniform(size=batch), W, v


@settings(max_examples=25)
@given(critics())
def test_gradient_penalty_equals_nested_tapes(keras, critic):
    import tensorflow as tf

    real, fake, epsilon, W, v = map(tf.constant, critic)
    with tf.GradientTape() as outer:
        outer.watch([W, v])
        points = epsilon[:, None] * real + (1 - epsilon[:, None]) * fake
        with tf.GradientTape() as inner:
            inner.watch(points)
            output = tf.linalg.matvec(tf.tanh(points @ W), v)
        norms = tf.norm(inner.gradient(output, points), axis=1)
        penalty = tf.reduce_mean((norms - 1) ** 2)
    dW, dv = outer.gradient(penalty, [W, v])
    for got, expected in zip(gradient_penalty(*critic), (penalty, dW, dv), strict=True):
        close(got, expected, 1e-11)  # a norm may be small, and it is divided by


@settings(max_examples=25)
@given(critics())
def test_gradient_penalty_has_the_slopes_that_finite_differences_measure(critic):
    real, fake, epsilon, W, v = critic
    points = epsilon[:, None] * real + (1 - epsilon[:, None]) * fake
    gradients = slope(lambda x: (np.tanh(x @ W) @ v).sum(), points)
    penalty, dW, dv = gradient_penalty(*critic)
    close(penalty, ((np.linalg.norm(gradients, axis=1) - 1) ** 2).mean(), 1e-7)
    if np.linalg.norm(gradients, axis=1).min() > 1e-2:  # far from the kink at a norm of 0
        close(dW, slope(lambda W: gradient_penalty(real, fake, epsilon, W, v)[0], W), 1e-6)
        close(dv, slope(lambda v: gradient_penalty(real, fake, epsilon, W, v)[0], v), 1e-6)


def test_gradient_penalty_leaves_an_example_of_norm_zero_out():
    real, fake = np.array([[900.0, 0.0], [0.2, 0.1]]), np.array([[800.0, 0.0], [0.4, -0.3]])
    W, v, epsilon = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([1.0, 0.5]), np.array([0.5, 0.3])
    penalty, dW, dv = gradient_penalty(real, fake, epsilon, W, v)
    alone = gradient_penalty(real[1:], fake[1:], epsilon[1:], W, v)
    close(penalty, (1 + alone[0]) / 2)
    close(dW, alone[1] / 2)
    close(dv, alone[2] / 2)


@settings(max_examples=25)
@given(critics())
def test_interpolated_gradient_norms_equal_those_of_the_penalty(critic):
    real, fake, epsilon, W, v = critic

    def critic_gradient(x):
        flat = x.reshape(len(x), -1)
        return ((1 - np.tanh(flat @ W) ** 2) * v @ W.T).reshape(x.shape)

    def as_images(x):
        return x.reshape(len(x), 1, -1, 1)

    norms = interpolated_gradient_norms(as_images(real), as_images(fake), epsilon, critic_gradient)
    close(((norms - 1) ** 2).mean(), gradient_penalty(*critic)[0])


@given(seeds, sizes, st.tuples(sizes, sizes, sizes))
def test_interpolated_gradient_norms_do_not_see_the_other_pairs(seed, batch, shape):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(2, batch, *shape))
    epsilon = rng.uniform(size=batch)
    norms = interpolated_gradient_norms(real, fake, epsilon, np.square)
    assert norms.shape == (batch,)
    for i in range(batch):
        point = epsilon[i] * real[i] + (1 - epsilon[i]) * fake[i]
        close(norms[i], np.sqrt((point**4).sum()))


@given(seeds, sizes, sizes)
def test_spectral_norm_converges_to_the_largest_singular_value(seed, rows, columns):
    rng = np.random.default_rng(seed)
    W, u = rng.normal(size=(rows, columns)), rng.normal(size=rows)
    left, values, _ = np.linalg.svd(W)
    few, _ = spectral_norm(W, u, 1)
    assert few <= values[0] * (1 + 1e-12)
    # Where the first two values are close, more rounds than these would be needed.
    if len(values) == 1 or values[1] < 0.9 * values[0]:
        sigma, u = spectral_norm(W, u, 300)
        close(sigma, values[0])
        close(np.abs(left[:, 0] @ u), 1)


@settings(max_examples=20)
@given(seeds, sizes, sizes, st.integers(1, 4))
def test_spectral_norm_equals_the_update_of_keras(keras, seed, inputs, units, rounds):
    rng = np.random.default_rng(seed)
    kernel, u = rng.normal(size=(inputs, units)), rng.normal(size=units)
    layer = keras.layers.SpectralNormalization(keras.layers.Dense(units), power_iterations=rounds)
    layer.build((None, inputs))
    layer.kernel.assign(kernel)
    layer.vector_u.assign(u[None])
    layer(np.ones((1, inputs)), training=True)
    # Keras multiplies rows by the kernel, so its matrix is ours transposed.
    sigma, last = spectral_norm(kernel.T, u, rounds)
    close(layer.vector_u, last[None])
    close(layer.kernel, kernel / sigma)


@given(seeds, sizes, st.tuples(sizes, sizes, sizes), st.integers(1, 12))
def test_conditional_input_is_the_image_and_its_label_at_every_pixel(seed, batch, shape, classes):
    rng = np.random.default_rng(seed)
    images, labels = rng.normal(size=(batch, *shape)), rng.integers(0, classes, batch)
    result = conditional_input(images, labels, classes)
    channels = shape[-1]
    np.testing.assert_array_equal(result[..., :channels], images)
    planes = result[..., channels:]
    np.testing.assert_array_equal(planes, label_planes(labels, *shape[:2], classes))
    assert (planes.sum(axis=-1) == 1).all()
    assert (planes.argmax(axis=-1) == labels[:, None, None]).all()


@given(st.integers(1, 5), st.integers())
def test_conditional_input_refuses_what_is_no_class(classes, label):
    images, labels = np.zeros((2, 1, 1, 1)), np.array([0, max(-(2**40), min(label, 2**40))])
    if 0 <= labels[1] < classes:
        assert conditional_input(images, labels, classes).shape == (2, 1, 1, 1 + classes)
    else:
        with pytest.raises(ValueError):
            conditional_input(images, labels, classes)


def test_repeat_without_an_axis_leaves_nine_tenths_of_the_pixels_empty():
    planes = band_of_labels(np.arange(10), 28, 28, 10)
    pixels = planes.any(axis=-1).reshape(10, 784)
    assert set(pixels.sum(axis=1)) == {79, 80}
    for band in pixels:  # without a gap
        first, last = np.flatnonzero(band)[[0, -1]]
        assert band[first : last + 1].all()
    assert len({band.argmax() for band in pixels}) == 10
    assert label_planes(np.arange(10), 28, 28, 10).any(axis=-1).all()


@settings(max_examples=25)
@given(seeds, sizes, sizes)
def test_hinge_losses_equal_keras(keras, seed, real, fake):
    rng = np.random.default_rng(seed)
    real_logits, fake_logits = 2 * rng.normal(size=(real, 1)), 2 * rng.normal(size=(fake, 1))
    hinge = keras.losses.Hinge(dtype="float64")
    discriminator, generator = hinge_losses(real_logits, fake_logits)
    on_real = hinge(np.ones_like(real_logits), real_logits)
    close(discriminator, on_real + hinge(-np.ones_like(fake_logits), fake_logits))
    close(generator, -fake_logits.mean())
