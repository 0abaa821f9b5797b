"""What the drills on the vanilla recurrent network call right is what Keras and TensorFlow compute,
and, for gradients, what finite differences measure."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.drills.probes import slope
from helpers.drills.recurrent.rnn_backward import rnn_backward
from helpers.drills.recurrent.rnn_forward import rnn_forward
from helpers.drills.recurrent.rnn_step import rnn_step
from helpers.drills.recurrent.truncated_bptt import as_given, truncated_bptt


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@st.composite
def networks(draw):
    """x, h0, W_x, W_h, b, and the gradient of some loss with respect to the outputs."""
    batch, time, inputs, units = (draw(st.integers(1, 5)) for _ in range(4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.sampled_from([0.0, 0.1, 1.0]))  # of the recurrent weights: short to long memory
    return (
        rng.normal(size=(batch, time, inputs)),
        rng.uniform(-1, 1, (batch, units)),
        rng.normal(size=(inputs, units)),
        size * rng.normal(size=(units, units)),
        rng.normal(size=units),
        rng.normal(size=(batch, time, units)),
    )


def library_layer(keras, W_x, W_h, b):
    layer = keras.layers.SimpleRNN(
        len(b), return_sequences=True, return_state=True, dtype="float64"
    )
    layer.build((None, None, len(W_x)))
    layer.set_weights([W_x, W_h, b])
    return layer


@settings(max_examples=25, deadline=None)
@given(networks())
def test_rnn_step_equals_the_cell_of_keras(keras, network):
    x, h0, W_x, W_h, b, _ = network
    cell = keras.layers.SimpleRNNCell(len(b))
    cell.build((None, len(W_x)))
    cell.set_weights([W_x, W_h, b])
    output, (state,) = cell(x[:, 0], [h0])
    close(rnn_step(x[:, 0], h0, W_x, W_h, b), output)
    close(rnn_step(x[:, 0], h0, W_x, W_h, b), state)


@settings(max_examples=25, deadline=None)
@given(networks(), st.data())
def test_rnn_forward_equals_keras_under_any_mask(keras, network, data):
    x, h0, W_x, W_h, b, _ = network
    bits = st.lists(st.booleans(), min_size=x.shape[1], max_size=x.shape[1])
    mask = np.array([data.draw(bits) for _ in x])
    # Until the first real step, Keras's outputs are zeros, whatever the start state.
    started = np.logical_or.accumulate(mask, axis=1)[..., None]
    outputs, last = library_layer(keras, W_x, W_h, b)(x, mask=mask, initial_state=[h0])
    got_outputs, got_last = rnn_forward(x, mask, h0, W_x, W_h, b)
    close(np.where(started, got_outputs, 0), outputs)
    close(got_last, last)


@given(networks(), st.data())
def test_rnn_forward_does_not_see_where_the_padding_stands(network, data):
    x, h0, W_x, W_h, b, _ = network
    time = x.shape[1]
    padded_time = time + data.draw(st.integers(0, 4))
    _, expected = rnn_forward(x, np.ones(x.shape[:2], bool), h0, W_x, W_h, b)
    mask = np.zeros((len(x), padded_time), bool)
    padded = np.full((len(x), padded_time, x.shape[2]), np.nan)
    for row in range(len(x)):
        places = data.draw(st.permutations(range(padded_time)))[:time]
        mask[row, places] = True
        padded[row, mask[row]] = x[row]
    close(rnn_forward(padded, mask, h0, W_x, W_h, b)[1], expected)


@settings(max_examples=20, deadline=None)
@given(networks())
def test_rnn_backward_equals_the_gradient_tape(keras, network):
    import tensorflow as tf

    *given_arrays, d_outputs = network
    x, h, W_x, W_h, b = variables = [tf.Variable(array) for array in given_arrays]
    with tf.GradientTape() as tape:
        loss = 0.0
        for t in range(x.shape[1]):
            h = tf.tanh(x[:, t] @ W_x + h @ W_h + b)
            loss += tf.reduce_sum(h * d_outputs[:, t])
    for got, expected in zip(rnn_backward(*network), tape.gradient(loss, variables), strict=True):
        close(got, expected)


@settings(max_examples=25, deadline=None)
@given(networks())
def test_rnn_backward_is_the_slope_of_the_loss(network):
    *given_arrays, d_outputs = network
    everything = np.ones(d_outputs.shape[:2], bool)

    def loss(place, array):
        x, h0, W_x, W_h, b = (*given_arrays[:place], array, *given_arrays[place + 1 :])
        return float(np.sum(rnn_forward(x, everything, h0, W_x, W_h, b)[0] * d_outputs))

    for place, got in enumerate(rnn_backward(*network)):
        measured = slope(lambda array, place=place: loss(place, array), given_arrays[place])
        np.testing.assert_allclose(got, measured, rtol=1e-7, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(networks(), st.integers(1, 6))
def test_truncated_bptt_equals_a_tape_with_stopped_gradients(keras, network, window):
    import tensorflow as tf

    x, h, *weights, d_outputs = network
    W_x, W_h, b = weights = [tf.Variable(array) for array in weights]
    with tf.GradientTape() as tape:
        loss = 0.0
        for t in range(x.shape[1]):
            if t % window == 0:
                h = tf.stop_gradient(h)
            h = tf.tanh(x[:, t] @ W_x + h @ W_h + b)
            loss += tf.reduce_sum(h * d_outputs[:, t])
    expected = tape.gradient(loss, weights)
    for got, wanted in zip(truncated_bptt(*network, window), expected, strict=True):
        close(got, wanted)


@given(networks(), st.integers(1, 6))
def test_the_given_code_computes_the_full_gradient(network, window):
    """The symptom that the bug hunt names; and one window over all is full backpropagation."""
    full = rnn_backward(*network)[2:]
    one_window = truncated_bptt(*network, network[0].shape[1])
    found = as_given(*network, window)
    for expected, whole, got in zip(full, one_window, found, strict=True):
        close(whole, expected)
        close(got, expected)
