"""What the drills on the losses and steps of a GAN call right is what Keras and TensorFlow compute,
and the bugs that they hand out have the symptoms that they name."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.drills.generative.alternating_step import alternating_step
from helpers.drills.generative.alternating_step import as_given as alternating_as_given
from helpers.drills.generative.discriminator_loss import discriminator_loss
from helpers.drills.generative.discriminator_step import discriminator_step
from helpers.drills.generative.generator_loss import generator_loss
from helpers.drills.generative.generator_step import generator_step
from helpers.drills.generative.real_or_fake_loss import as_given as loss_as_given
from helpers.drills.generative.real_or_fake_loss import real_or_fake_loss
from helpers.drills.probes import slope

LOGITS = arrays(
    float, st.tuples(st.integers(1, 9)), elements=st.floats(-1e4, 1e4, allow_subnormal=False)
)
MODERATE = arrays(float, st.tuples(st.integers(1, 9)), elements=st.floats(-20, 20))


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@st.composite
def games(draw):
    """real, two batches of noise, the parameters A, c, w, b, and a learning rate."""
    n, m, k, latent, features = (draw(st.integers(1, 5)) for _ in range(5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.sampled_from([0.0, 1.0, 100.0]))  # of w: no idea, moderate, saturated
    return (
        rng.normal(1, 1, (n, features)),
        rng.normal(size=(m, latent)),
        rng.normal(size=(k, latent)),
        (
            rng.normal(size=(latent, features)),
            rng.normal(size=features),
            size * rng.normal(size=features),
            rng.normal(),
        ),
        rng.uniform(0.01, 1),
    )


def losses_of(keras, real, z, A, c, w, b):
    """The discriminator's and the generator's loss, as TensorFlow's tutorial has them."""
    import tensorflow as tf

    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    real_logits = tf.linalg.matvec(tf.constant(real), w) + b
    fake_logits = tf.linalg.matvec(z @ A + c, w) + b
    d_loss = bce(tf.ones_like(real_logits), real_logits)
    d_loss += bce(tf.zeros_like(fake_logits), fake_logits)
    return d_loss, bce(tf.ones_like(fake_logits), fake_logits)


def step_of_tensorflow(keras, real, z, parameters, learning_rate, loss, moved):
    """The parameters after gradient descent on one of the two losses, for those that may move."""
    import tensorflow as tf

    variables = [tf.Variable(value, dtype="float64") for value in parameters]
    with tf.GradientTape() as tape:
        value = losses_of(keras, real, z, *variables)[loss]
    chosen = [variables[place] for place in moved]
    for variable, gradient in zip(chosen, tape.gradient(value, chosen), strict=True):
        variable.assign_sub(learning_rate * gradient)
    return [variable.numpy() for variable in variables]


@settings(max_examples=30)
@given(LOGITS, LOGITS)
def test_discriminator_loss_equals_keras(keras, real_logits, fake_logits):
    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    ones, zeros = np.ones(real_logits.shape), np.zeros(fake_logits.shape)
    expected = bce(ones, real_logits) + bce(zeros, fake_logits)
    close(discriminator_loss(real_logits, fake_logits), expected)
    columns = real_logits[:, None], fake_logits[:, None]
    close(discriminator_loss(*columns), expected)


@settings(max_examples=30)
@given(LOGITS)
def test_generator_loss_equals_keras_and_its_tape(keras, fake_logits):
    import tensorflow as tf

    variable = tf.Variable(fake_logits)
    with tf.GradientTape() as tape:
        bce = keras.losses.BinaryCrossentropy(from_logits=True)
        expected = bce(tf.ones_like(variable), variable)
    loss, gradient = generator_loss(fake_logits)
    close(loss, expected)
    close(gradient, tape.gradient(expected, variable))


@given(MODERATE)
def test_gradient_of_the_generator_is_the_slope_of_its_loss(fake_logits):
    measured = slope(lambda logits: generator_loss(logits)[0], fake_logits)
    np.testing.assert_allclose(generator_loss(fake_logits)[1], measured, rtol=1e-7, atol=1e-8)


@settings(max_examples=30)
@given(games())
def test_steps_equal_the_gradient_tape(keras, game):
    real, z, _, parameters, learning_rate = game
    A, c, w, b = parameters
    expected = step_of_tensorflow(keras, real, z, parameters, learning_rate, 0, (2, 3))
    for got, value in zip(
        discriminator_step(real, z @ A + c, w, b, learning_rate), expected[2:], strict=True
    ):
        close(got, value)
    expected = step_of_tensorflow(keras, real, z, parameters, learning_rate, 1, (0, 1))
    for got, value in zip(generator_step(z, *parameters, learning_rate), expected, strict=True):
        close(got, value)


@settings(max_examples=30)
@given(games())
def test_alternating_step_equals_two_tapes(keras, game):
    real, z_d, z_g, parameters, learning_rate = game
    between = step_of_tensorflow(keras, real, z_d, parameters, learning_rate, 0, (2, 3))
    expected = step_of_tensorflow(keras, real, z_g, between, learning_rate, 1, (0, 1))
    got = alternating_step(real, z_d, z_g, *parameters, learning_rate)
    for one, other in zip(got, expected, strict=True):
        close(one, other)


@settings(max_examples=30)
@given(games())
def test_the_given_round_moves_all_variables_in_the_generators_turn(keras, game):
    real, z_d, z_g, parameters, learning_rate = game
    between = step_of_tensorflow(keras, real, z_d, parameters, learning_rate, 0, (2, 3))
    expected = step_of_tensorflow(keras, real, z_g, between, learning_rate, 1, (0, 1, 2, 3))
    got = alternating_as_given(real, z_d, z_g, *parameters, learning_rate)
    for one, other in zip(got, expected, strict=True):
        close(one, other)


def test_the_given_round_loses_what_the_discriminator_learns():
    """The symptom that the bug hunt names: seen after some rounds, on the images of the first
    turn."""
    rng = np.random.default_rng(0)
    parameters, learning_rate = (0.1 * np.eye(2), np.zeros(2), np.zeros(2), 0.0), 0.3
    for _ in range(50):
        real, z_d, z_g = rng.normal(3, 1, (64, 2)), *rng.normal(size=(2, 64, 2))
        A, c, w, b = parameters
        fake = z_d @ A + c
        own = discriminator_step(real, fake, w, b, learning_rate)
        parameters = alternating_as_given(real, z_d, z_g, *parameters, learning_rate)
        before, after_its_turn, at_the_end = (
            discriminator_loss(real @ w + b, fake @ w + b) for w, b in ((w, b), own, parameters[2:])
        )
    assert after_its_turn < before
    assert before - at_the_end < 0.1 * (before - after_its_turn)


@settings(max_examples=30)
@given(LOGITS, LOGITS, st.floats(0, 0.9))
def test_real_or_fake_loss_equals_keras(keras, real_logits, fake_logits, smoothing):
    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    labels = np.repeat([1 - smoothing, 0.0], [len(real_logits), len(fake_logits)])
    expected = bce(labels, np.concatenate([real_logits, fake_logits]))
    close(real_or_fake_loss(real_logits[:, None], fake_logits[:, None], smoothing), expected)


@given(MODERATE, MODERATE, st.floats(0, 0.9))
def test_the_given_loss_does_not_tell_real_from_fake(real_logits, fake_logits, smoothing):
    """The symptom that the bug hunt names: it falls to 0 where everything is called real."""
    real, fake = real_logits[:, None], fake_logits[:, None]
    close(loss_as_given(real, fake, smoothing), loss_as_given(fake, real, smoothing))
    assert loss_as_given(real + 100, fake + 100, 0.0) < 1e-30
