"""What the drills on training call right is what Keras and TensorFlow compute."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from helpers.drills.probes import slope
from helpers.drills.training.accumulate_gradients import SquaredError, accumulate_gradients
from helpers.drills.training.adamw_step import adamw_step, as_keras_does
from helpers.drills.training.clip_by_global_norm import clip_by_global_norm
from helpers.drills.training.cross_entropy import cross_entropy
from helpers.drills.training.warmup_cosine import warmup_cosine

IGNORE = -1


def close(got, expected, scale=1.0):
    """Both agree to 1e-12 of the size of what went in: sums may cancel."""
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12 * scale)


# Below 1e-100 squares underflow, and a norm of zero is no longer the sign of a zero gradient.
NUMBERS = st.floats(-1e3, 1e3).map(lambda x: x if abs(x) > 1e-100 else 0.0)
GRADIENTS = st.lists(
    st.none() | arrays(float, array_shapes(max_dims=3, max_side=4), elements=NUMBERS)
)


@st.composite
def schedules(draw):
    warmup_steps, decay_steps = draw(st.integers(0, 40)), draw(st.integers(1, 60))
    return warmup_steps, warmup_steps + decay_steps, draw(st.floats(1e-5, 1.0))


@settings(max_examples=25)
@given(schedules())
def test_warmup_cosine_equals_keras_whose_warm_up_is_one_step_late(keras, schedule):
    warmup_steps, total_steps, peak = schedule
    # Keras takes milliseconds for a step: so a few of them, the borders among them.
    steps = {0, warmup_steps - 1, warmup_steps, (warmup_steps + total_steps) // 2, total_steps - 1}
    start, target = (np.array(rate) for rate in (0.0 if warmup_steps else peak, peak))
    library = keras.optimizers.schedules.CosineDecay(
        start, total_steps - warmup_steps, warmup_target=target, warmup_steps=warmup_steps
    )
    for step in sorted({*steps, total_steps, total_steps + 9} - {-1}):
        late = step + 1 if step < warmup_steps else step  # Keras's first step has the rate 0
        close(warmup_cosine(step, *schedule), float(library(late)), peak)


@given(schedules())
def test_warmup_cosine_climbs_to_the_peak_and_falls_to_zero(schedule):
    warmup_steps, total_steps, peak = schedule
    rates = [warmup_cosine(step, *schedule) for step in range(total_steps + 3)]
    assert np.all(np.diff(rates[:warmup_steps]) > 0) and np.all(np.diff(rates[warmup_steps:]) <= 0)
    assert rates[warmup_steps] == peak and max(rates) <= peak * (1 + 1e-15)
    assert rates[0] > 0 and rates[total_steps:] == [0.0] * 3


@given(GRADIENTS, st.floats(1e-3, 1e3))
def test_clip_by_global_norm_equals_tensorflows(keras, gradients, limit):
    import tensorflow as tf

    clipped, norm = clip_by_global_norm(gradients, limit)
    assert [g is None for g in clipped] == [g is None for g in gradients]
    if all(g is None for g in gradients):  # TensorFlow has no norm of nothing
        assert norm == 0
        return
    expected, expected_norm = tf.clip_by_global_norm(gradients, limit)
    close(norm, expected_norm)
    for got, array in zip(clipped, expected, strict=True):
        if got is not None:
            close(got, array, limit)


@given(GRADIENTS, st.floats(1e-3, 1e3))
def test_clipped_gradients_are_within_the_limit_and_short_ones_as_they_were(gradients, limit):
    clipped, norm = clip_by_global_norm(gradients, limit)
    assert clip_by_global_norm(clipped, limit)[1] <= limit * (1 + 1e-12)
    if norm <= limit:
        for got, given_ in zip(clipped, gradients, strict=True):
            assert got is given_ is None or np.array_equal(got, given_)


# Keras takes its settings through float32, whatever it computes in: these survive that.
def setting(low, high):
    return st.floats(low, high, width=32)


@settings(max_examples=20)
@given(
    start=arrays(float, (2, 3), elements=st.floats(-5, 5)),
    gradients=arrays(float, (4, 2, 3), elements=st.floats(-1e2, 1e2) | st.just(0.0)),
    rates=st.tuples(setting(2**-13, 0.5), setting(0.5, 0.9375), setting(0.75, 0.9990234375)),
    epsilon=st.floats(1e-8, 0.1),
    decay=setting(2**-10, 0.5),
)
def test_adamw_step_equals_keras(keras, start, gradients, rates, epsilon, decay):
    """In Keras's convention as it is; in the paper's once epsilon is brought out of the correction:
    m̂ / (√v̂ + ε) = m̂ · √(1 − beta_2^step) / (√v + ε · √(1 − beta_2^step))."""
    for answer in (as_keras_does, adamw_step):
        optimizer = keras.optimizers.AdamW(rates[0], decay, *rates[1:], epsilon=epsilon)
        variable = keras.Variable(start)
        weight, m, v = start, np.zeros_like(start), np.zeros_like(start)
        for step, gradient in enumerate(gradients, start=1):
            if answer is adamw_step:
                optimizer.epsilon = epsilon * math.sqrt(1 - rates[2] ** step)
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
            weight, m, v = answer(weight, gradient, m, v, step, *rates, epsilon, decay)
            close(weight, variable.numpy(), 10)


@st.composite
def pieces(draw):
    features = draw(st.integers(1, 4))
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    numbers = arrays(float, (sum(lengths), features), elements=st.floats(-10, 10))
    slopes = arrays(float, features, elements=st.floats(-3, 3))
    batches = np.split(draw(numbers), np.cumsum(lengths)[:-1])
    return [draw(slopes), np.array(draw(st.floats(-3, 3)))], batches


@given(pieces())
def test_accumulated_gradients_equal_the_large_batchs(data):
    parameters, batches = data
    before = [p.copy() for p in parameters]
    got = accumulate_gradients(SquaredError(len(parameters[0])), parameters, batches)
    whole = SquaredError(len(parameters[0]))(parameters, np.concatenate(batches))
    for one, other in zip(got, whole, strict=True):
        close(one, other, 1e3)
    for one, other in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_gradient_that_is_accumulated_is_that_of_the_squared_error():
    rng = np.random.default_rng(0)
    batch, parameters = rng.normal(size=(5, 3)), [rng.normal(size=3), np.array(0.7)]

    def loss(slopes, bias):
        return float(np.mean((bias + batch @ slopes) ** 2) / 2)

    got = SquaredError(3)(parameters, batch)
    np.testing.assert_allclose(got[0], slope(lambda x: loss(x, parameters[1]), parameters[0]))
    np.testing.assert_allclose(got[1], slope(lambda x: loss(parameters[0], x), parameters[1]))


@st.composite
def classified(draw, largest=1000.0):
    n, classes = draw(st.integers(1, 6)), draw(st.integers(2, 5))
    logits = draw(arrays(float, (n, classes), elements=st.floats(-largest, largest)))
    labels = draw(arrays(int, n, elements=st.integers(IGNORE, classes - 1)))
    return logits, labels


@given(classified())
def test_cross_entropy_and_its_gradient_equal_keras(keras, data):
    import tensorflow as tf

    logits, labels = data
    loss, gradient = cross_entropy(logits, labels, IGNORE)
    library = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORE)
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        expected = library(labels, variable)
    close(loss, expected, 1e3)
    close(gradient, tape.gradient(expected, variable))


@given(classified(largest=5.0))
def test_gradient_of_the_cross_entropy_is_its_slope(data):
    logits, labels = data
    _, gradient = cross_entropy(logits, labels, IGNORE)
    measured = slope(lambda x: float(cross_entropy(x, labels, IGNORE)[0]), logits)
    np.testing.assert_allclose(gradient, measured, rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [1.0, 1e4, 1e8])
def test_slope_is_the_derivative(size):
    x = size * np.array([[0.3, -1.2, 2.5], [-0.9, 0.7, -0.1]])
    got = slope(lambda y: float(np.sum(np.sin(y / size) * [[1], [2]])), x)
    np.testing.assert_allclose(got * size, np.cos(x / size) * [[1], [2]], rtol=0, atol=2e-9)


def test_slope_takes_whole_numbers_and_leaves_them_alone():
    x = np.array([1, 2, 3])
    np.testing.assert_allclose(slope(lambda y: float(np.sum(y**2)), x), [2, 4, 6], rtol=1e-9)
    assert x.tolist() == [1, 2, 3] and x.dtype.kind == "i"
