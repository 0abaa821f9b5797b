"""What the drills on LSTM, GRU, CTC and bigrams call right is what Keras, TensorFlow and a plain
enumeration compute."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.drills.recurrent.bigram_model import bigram_model
from helpers.drills.recurrent.ctc_collapse import ctc_collapse
from helpers.drills.recurrent.gru_cell import gru_cell
from helpers.drills.recurrent.lstm_cell import lstm_cell

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4))  # batch, inputs, units


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@st.composite
def steps(draw, bias_shape):
    """The input and the weights of a step; units last, to size the states. Some sums saturate."""
    batch, inputs, units = draw(SIZES)
    blocks = {1: 4, 2: 3}[len(bias_shape)]
    shape = [size or blocks * units for size in bias_shape]

    def numbers(*shape):
        return draw(arrays(float, shape, elements=st.floats(-3, 3)))

    x_t = numbers(batch, inputs) * draw(st.sampled_from([1, 1, 1e3]))
    weights = numbers(inputs, blocks * units), numbers(units, blocks * units), numbers(*shape)
    return x_t, numbers(batch, units), numbers(batch, units), weights


def built(cell, x_t, weights):
    cell.build(x_t.shape)
    cell.set_weights(weights)
    return cell


@settings(max_examples=25, deadline=None)
@given(steps((None,)))
def test_lstm_cell_equals_keras(keras, step):
    x_t, h, c, weights = step
    cell = built(keras.layers.LSTMCell(h.shape[1]), x_t, weights)
    output, (new_h, new_c) = cell(x_t, [h, c])
    got_h, got_c = lstm_cell(x_t, h, c, *weights)
    close(got_h, output)
    close(got_h, new_h)
    close(got_c, new_c)


@settings(max_examples=25, deadline=None)
@given(steps((2, None)))
def test_gru_cell_equals_keras(keras, step):
    x_t, h, _, weights = step
    layer = keras.layers.GRUCell(h.shape[1], reset_after=True)
    output, _ = built(layer, x_t, weights)(x_t, [h])
    close(gru_cell(x_t, h, *weights), output)


def test_steps_in_a_row_equal_keras_layers(keras):
    rng = np.random.default_rng(0)
    x, units = rng.normal(size=(3, 6, 2)), 5
    lstm, gru = keras.layers.LSTM(units), keras.layers.GRU(units)
    for layer in (lstm, gru):
        layer.build(x.shape)
        layer.set_weights([w + 0.1 * rng.normal(size=w.shape) for w in layer.get_weights()])
    expected = lstm(x), gru(x)
    h = c = state = np.zeros((3, units))
    for t in range(x.shape[1]):
        h, c = lstm_cell(x[:, t], h, c, *lstm.get_weights())
        state = gru_cell(x[:, t], state, *gru.get_weights())
    close(h, expected[0])
    close(state, expected[1])


@given(steps((None,)))
def test_an_lstm_with_forget_gate_open_and_input_gate_shut_keeps_its_memory(step):
    x_t, h, c, (W_x, W_h, _) = step
    b = np.repeat([-1e5, 1e5, 0, 0], h.shape[1])
    np.testing.assert_array_equal(lstm_cell(x_t, h, c, W_x, W_h, b)[1], c)


@given(steps((2, None)))
def test_a_gru_with_update_gate_open_keeps_its_state(step):
    x_t, h, _, (W_x, W_h, b) = step
    b[0] = np.repeat([1e5, 0, 0], h.shape[1])
    np.testing.assert_array_equal(gru_cell(x_t, h, W_x, W_h, b), h)


@st.composite
def paths(draw):
    classes = draw(st.integers(1, 4))
    labels = st.integers(0, classes - 1)
    return draw(st.lists(labels, min_size=1, max_size=12)), draw(labels), classes


@settings(max_examples=40, deadline=None)
@given(paths())
def test_ctc_collapse_equals_tensorflows_decoder(keras, data):
    import tensorflow as tf

    path, blank, classes = data
    logits = np.eye(classes, dtype="float32")[path][:, None]  # (time, batch, classes)
    (decoded,), _ = tf.nn.ctc_greedy_decoder(logits, [len(path)], blank_index=blank)
    assert ctc_collapse(path, blank) == decoded.values.numpy().tolist()


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(1, 3), st.integers(0, 2))))
def test_a_text_spread_over_frames_with_blanks_is_read_again(runs):
    """Each label for some frames, then some blanks: at least one between equal labels."""
    path = [9]
    for place, (label, frames, blanks) in enumerate(runs):
        again = runs[place + 1 : place + 2] and runs[place + 1][0] == label
        path += [label] * frames + [9] * max(blanks, int(bool(again)))
    labels = [label for label, *_ in runs]
    assert ctc_collapse(path, 9) == ctc_collapse(path[1:], 9) == labels


@pytest.mark.parametrize(("frames", "text"), [(4, (1, 1)), (5, (1, 2)), (5, (1, 2, 1)), (3, ())])
def test_as_many_paths_collapse_to_a_text_as_ctcs_recursion_counts(frames, text):
    paths = product(range(3), repeat=frames)
    found = sum(tuple(ctc_collapse(list(path), 0)) == text for path in paths)
    # Graves et al. (2006): how many paths end in each place of: blank, label, blank, ..., blank.
    places = [0] + [place for label in text for place in (label, 0)]
    ways = [1] + [0] * (len(places) - 1)
    if text:
        ways[1] = 1
    for _ in range(frames - 1):
        ways = [
            ways[s]
            + (ways[s - 1] if s > 0 else 0)
            + (ways[s - 2] if s > 1 and places[s] not in (0, places[s - 2]) else 0)
            for s in range(len(places))
        ]
    assert found == sum(ways[-2:])


@st.composite
def corpora(draw):
    size = draw(st.integers(2, 5))
    start_id = draw(st.integers(0, size - 1))
    tokens = st.integers(0, size - 1).filter(lambda token: token != start_id)
    return draw(st.lists(st.lists(tokens, max_size=8), max_size=5)), size, start_id


ALPHAS = st.sampled_from([0.0, 1e-3, 0.5, 1.0]) | st.floats(1e-6, 10)


@given(corpora(), ALPHAS)
def test_bigram_model_equals_a_count_of_pairs(corpus, alpha):
    sequences, size, start_id = corpus
    pairs = Counter()
    for token_ids in sequences:
        text = [start_id, *token_ids]
        pairs.update((text[i], text[i + 1]) for i in range(len(token_ids)))
    got = bigram_model(sequences, size, alpha, start_id)
    for previous, token in product(range(size), repeat=2):
        of_previous = sum(n for (before, _), n in pairs.items() if before == previous)
        below = of_previous + alpha * size
        expected = (pairs[previous, token] + alpha) / below if below else 1 / size
        assert got[previous, token] == pytest.approx(expected, rel=1e-12)


@given(corpora(), ALPHAS)
def test_rows_of_the_bigram_model_are_distributions(corpus, alpha):
    sequences, size, start_id = corpus
    got = bigram_model(sequences, size, alpha, start_id)
    assert got.shape == (size, size) and (got >= 0).all()
    close(got.sum(axis=1), 1)
    close(got, bigram_model(sequences[::-1], size, alpha, start_id))


@given(corpora())
def test_no_smoothing_is_the_limit_of_little_smoothing(corpus):
    sequences, size, start_id = corpus
    limit = bigram_model(sequences, size, 0.0, start_id)
    little = bigram_model(sequences, size, 1e-9, start_id)
    np.testing.assert_allclose(limit, little, rtol=0, atol=1e-7)


@given(corpora(), st.integers(0, 10**6))
def test_no_other_rows_make_the_text_more_likely_than_the_unsmoothed(corpus, seed):
    """The shares are the maximum-likelihood estimate."""
    sequences, size, start_id = corpus
    assume(any(sequences))
    other = np.random.default_rng(seed).dirichlet(np.ones(size), size)

    def loss(model):
        texts = ([start_id, *token_ids] for token_ids in sequences)
        return -sum(np.log(model[text[:-1], text[1:]]).sum() for text in texts)

    assert loss(bigram_model(sequences, size, 0.0, start_id)) <= loss(other) + 1e-9
