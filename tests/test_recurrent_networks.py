"""What notebook 03 writes by hand: gradients, cells and samplers, on any input."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_functions import notebook_functions

from helpers.drills.recurrent.bigram_model import bigram_model
from helpers.drills.recurrent.temperature_probabilities import temperature_probabilities
from helpers.drills.recurrent.top_k_probabilities import top_k_probabilities
from helpers.drills.recurrent.top_p_probabilities import top_p_probabilities
from helpers.drills.recurrent.truncated_bptt import truncated_bptt

IMPORTS = """
import re
import numpy as np
from scipy.special import expit, log_softmax, softmax
"""
notebook = notebook_functions("03_recurrent_networks", IMPORTS)
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(*[st.integers(1, 5)] * 4)  # batch, time, inputs, units
FEW = settings(max_examples=25, deadline=None)


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


def states(sizes: tuple, seed: int, blocks: int) -> tuple:
    """A random input, and weights for a layer whose gates lie side by side in so many blocks."""
    batch, time, inputs, units = sizes
    rng = np.random.default_rng(seed)
    x = 2 * rng.normal(size=(batch, time, inputs))
    weights = [rng.normal(size=(n, blocks * units)) for n in (inputs, units)]
    return rng, x, weights, rng.normal(size=blocks * units)


# ---- cells -------------------------------------------------------------------------------------
@FEW
@given(SIZES, SEEDS)
def test_rnn_forward_equals_keras(keras, sizes, seed):
    _, x, (W_x, W_h), b = states(sizes, seed, 1)
    layer = keras.layers.SimpleRNN(sizes[3], return_sequences=True)
    layer.build(x.shape)
    layer.set_weights([W_x, W_h, b])
    ours = notebook.rnn_forward(x, np.zeros((sizes[0], sizes[3])), W_x, W_h, b)
    close(ours[:, 1:], layer(x))


@FEW
@given(SIZES, SEEDS)
def test_lstm_forward_equals_keras(keras, sizes, seed):
    _, x, (W_x, W_h), b = states(sizes, seed, 4)
    layer = keras.layers.LSTM(sizes[3], return_sequences=True)
    layer.build(x.shape)
    layer.set_weights([W_x, W_h, b])
    close(notebook.lstm_forward(x, W_x, W_h, b), layer(x))


@FEW
@given(SIZES, SEEDS)
def test_gru_step_equals_keras(keras, sizes, seed):
    rng, x, (W_x, W_h), b = states(sizes, seed, 3)
    b, h = np.stack([b, rng.normal(size=b.shape)]), rng.normal(size=(sizes[0], sizes[3]))
    cell = keras.layers.GRUCell(sizes[3])
    cell.build((None, sizes[2]))
    cell.set_weights([W_x, W_h, b])
    close(notebook.gru_step(x[:, 0], h, W_x, W_h, b), cell(x[:, 0], h)[0])


# ---- gradients ---------------------------------------------------------------------------------
@FEW
@given(SIZES, SEEDS)
def test_gradients_by_hand_equal_the_tapes(sizes, seed):
    import tensorflow as tf

    batch, time, inputs, units = sizes
    rng = np.random.default_rng(seed)
    shapes = {
        "W_x": (inputs, units),
        "W_h": (units, units),
        "b": units,
        "W_y": (units, 3),
        "b_y": 3,
    }
    p = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    x, targets = rng.normal(size=(batch, time, inputs)), rng.integers(0, 3, (batch, time))
    loss, by_hand = notebook.gradients_by_hand(p, x, targets)

    v = {name: tf.Variable(value) for name, value in p.items()}
    with tf.GradientTape() as tape:
        h, losses = tf.zeros((batch, units), tf.float64), []
        for t in range(time):
            h = tf.tanh(x[:, t] @ v["W_x"] + h @ v["W_h"] + v["b"])
            z = h @ v["W_y"] + v["b_y"]
            losses.append(tf.nn.sparse_softmax_cross_entropy_with_logits(targets[:, t], z))
        expected = tf.reduce_mean(losses)
    gradients = tape.gradient(expected, v)
    close(loss, expected)
    for name in p:
        close(by_hand[name], gradients[name])


@FEW
@given(SIZES, SEEDS)
def test_the_whole_window_is_no_truncation(sizes, seed):
    rng, x, (W_x, W_h), b = states(sizes, seed, 1)
    h = notebook.rnn_forward(x, np.zeros((sizes[0], sizes[3])), W_x, W_h, b)
    d_outputs = np.zeros_like(h[:, 1:])
    d_outputs[:, -1] = rng.normal(size=d_outputs[:, -1].shape)
    _, expected, _ = truncated_bptt(x, h[:, 0], W_x, W_h, b, d_outputs, sizes[1])
    close(notebook.truncated(x, h, W_h, d_outputs[:, -1], sizes[1]), expected)


@given(st.floats(2, 6), st.floats(-4, 0))
def test_the_cliffs_gradient_is_that_of_its_loss(w, b):
    _, dw, db = notebook.one_unit(w, b, steps=7)
    e = 1e-5
    slopes = [
        (
            notebook.one_unit(w + e * i, b + e * j, 7)[0]
            - notebook.one_unit(w - e * i, b - e * j, 7)[0]
        )
        / (2 * e)
        for i, j in ((1, 0), (0, 1))
    ]
    np.testing.assert_allclose([dw, db], slopes, rtol=1e-5, atol=1e-8)


@given(st.integers(1, 70), st.integers(1, 4), SEEDS)
def test_scan_equals_one_step_after_the_other(time, units, seed):
    rng = np.random.default_rng(seed)
    f, u = rng.normal(size=(time, units)), rng.normal(size=(time, units))
    h, expected = np.zeros(units), []
    for t in range(time):
        h = f[t] * h + u[t]
        expected.append(h)
    before = f.copy(), u.copy()
    np.testing.assert_allclose(notebook.scan(f, u), expected, rtol=1e-9, atol=1e-9)
    assert np.array_equal(before, (f, u))


# ---- language model ----------------------------------------------------------------------------
LOGITS = st.integers(1, 4), st.integers(1, 9), SEEDS


def logits(rows: int, vocabulary: int, seed: int) -> np.ndarray:
    return 3 * np.random.default_rng(seed).normal(size=(rows, vocabulary))


@given(*LOGITS, st.floats(0.05, 20))
def test_temperature_is_the_drills(rows, vocabulary, seed, temperature):
    z = logits(rows, vocabulary, seed)
    expected = temperature_probabilities(z, temperature)
    close(notebook.next_probabilities(z, temperature), expected)


@given(*LOGITS, st.integers(1, 12))
def test_top_k_is_the_drills(rows, vocabulary, seed, k):
    z = logits(rows, vocabulary, seed)
    close(notebook.next_probabilities(z, top_k=k), top_k_probabilities(z, k))


@given(*LOGITS, st.floats(0.01, 0.999), st.floats(0.2, 5))
def test_top_p_follows_the_temperature(rows, vocabulary, seed, p, temperature):
    z = logits(rows, vocabulary, seed)
    expected = top_p_probabilities(temperature_probabilities(z, temperature), p)
    close(notebook.next_probabilities(z, temperature, top_p=p), expected)


@given(*LOGITS, st.integers(1, 9), st.floats(0.01, 0.999))
def test_top_p_looks_at_what_top_k_has_left(rows, vocabulary, seed, k, p):
    z = logits(rows, vocabulary, seed)
    expected = top_p_probabilities(top_k_probabilities(z, k), p)
    close(notebook.next_probabilities(z, top_k=k, top_p=p), expected)


@given(*LOGITS, st.integers(1, 9), st.floats(0, 1))
def test_probabilities_are_a_distribution_over_what_was_kept(rows, vocabulary, seed, k, p):
    z = logits(rows, vocabulary, seed)
    got = notebook.next_probabilities(z, 1.3, k, p)
    close(got.sum(axis=1), 1)
    assert (got >= 0).all() and ((got > 0).sum(axis=1) <= k).all()
    assert (got.argmax(axis=1) == z.argmax(axis=1)).all()


@given(
    st.lists(st.lists(st.integers(1, 4), min_size=3, max_size=3), min_size=1), st.floats(0.01, 2)
)
def test_additive_smoothing_is_the_drills(sequences, alpha):
    pairs = np.zeros((5, 5))
    rows = np.array([[0, *sequence] for sequence in sequences])
    np.add.at(pairs, (rows[:, :-1], rows[:, 1:]), 1)
    notebook.additive.__globals__.update(pairs=pairs, V=5)  # the cell's names, for all functions
    close(notebook.additive(alpha), bigram_model(sequences, 5, alpha, 0))
    close(notebook.discounted().sum(axis=1), 1)


@given(st.text("ab\n", max_size=12), st.text("ab", max_size=6))
def test_longest_overlap_equals_all_substrings(library, text):
    notebook.longest_overlap.__globals__["library_text"] = library
    n = len(text)
    runs = [j - i for i in range(n) for j in range(i + 1, n + 1) if text[i:j] in library]
    assert notebook.longest_overlap(text) == max(runs, default=0)
