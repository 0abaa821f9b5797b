"""What the drills on batches and losses of sequences call right is what Keras computes, or what
counting by hand gives; and the bug hunts show the symptoms that their diagnoses name."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.drills.probes import slope
from helpers.drills.recurrent import loss_from_logits as double_softmax
from helpers.drills.recurrent import next_token_pairs as unshifted
from helpers.drills.recurrent import padded_perplexity as padding_counted
from helpers.drills.recurrent import stateful_batches as torn
from helpers.drills.recurrent.loss_from_logits import loss_from_logits
from helpers.drills.recurrent.next_token_pairs import next_token_pairs
from helpers.drills.recurrent.padded_perplexity import padded_perplexity
from helpers.drills.recurrent.sequence_cross_entropy import sequence_cross_entropy
from helpers.drills.recurrent.stateful_batches import stateful_batches


def close(got, expected, scale=1.0):
    """Both agree to 1e-12 of the size of what went in: sums may cancel."""
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12 * scale)


# ---- sequence_cross_entropy ---------------------------------------------------------------------
@st.composite
def sequences(draw, largest=1000.0):
    batch, time, vocabulary = draw(st.tuples(*[st.integers(1, 4)] * 2, st.integers(2, 5)))
    numbers = st.floats(-largest, largest)
    logits = draw(arrays(float, (batch, time, vocabulary), elements=numbers))
    targets = draw(arrays(int, (batch, time), elements=st.integers(0, vocabulary - 1)))
    return logits, targets, draw(arrays(bool, (batch, time)))


@settings(max_examples=50)
@given(sequences())
def test_sequence_cross_entropy_equals_keras(keras, data):
    logits, targets, mask = data
    library = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    expected = float(library(np.where(mask, targets, -1), logits))
    close(sequence_cross_entropy(logits, targets, mask), expected, 1e3)


@given(sequences(), st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(-9, 99))
def test_padding_changes_nothing_in_the_cross_entropy(data, strange_logit, strange_target):
    logits, targets, mask = data
    expected = sequence_cross_entropy(logits, targets, mask)
    logits, targets = logits.copy(), targets.copy()
    logits[~mask], targets[~mask] = strange_logit, strange_target
    assert sequence_cross_entropy(logits, targets, mask) == expected


@given(sequences(), st.randoms(use_true_random=False))
def test_where_a_token_stands_does_not_matter_to_the_cross_entropy(data, random):
    logits, targets, mask = data
    order = list(range(mask.size))
    random.shuffle(order)
    long = [x.reshape(1, mask.size, *x.shape[2:])[:, order] for x in (logits, targets, mask)]
    close(sequence_cross_entropy(*long), sequence_cross_entropy(logits, targets, mask), 1e3)


# ---- next_token_pairs ---------------------------------------------------------------------------
@given(
    st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=5),
    st.integers(2, 4),
    st.sampled_from([0, -1, 10]),
)
def test_next_token_pairs_are_all_neighbours_in_all_texts(texts, least, pad_id):
    time = max(least, *(len(text) for text in texts))
    token_ids = np.array([text + [pad_id] * (time - len(text)) for text in texts])
    inputs, targets, mask = next_token_pairs(token_ids, pad_id)
    assert inputs.shape == targets.shape == mask.shape == (len(texts), time - 1)
    for row, text in enumerate(texts):
        pairs = zip(inputs[row][mask[row]], targets[row][mask[row]], strict=True)
        assert list(pairs) == list(itertools.pairwise(text))
        assert inputs[row, 0] == token_ids[row, 0] and targets[row, -1] == token_ids[row, -1]


def test_a_model_that_copies_solves_the_pairs_as_given():
    token_ids = np.random.default_rng(0).integers(1, 50, (20, 30))
    inputs, targets, mask = unshifted.as_given(token_ids, 0)
    assert np.all(inputs[mask] == targets[mask])
    inputs, targets, mask = next_token_pairs(token_ids, 0)
    assert np.mean(inputs[mask] == targets[mask]) < 0.05


# ---- stateful_batches ---------------------------------------------------------------------------
SIZES = (
    st.integers(1, 60),
    st.integers(1, 4),
    st.integers(1, 5),
)  # tokens beyond a batch, its sizes


@given(*SIZES)
def test_stateful_batches_put_end_to_end_are_the_text(more, batch_size, length):
    n = batch_size * length + more
    token_ids = np.random.default_rng(n).integers(0, 9, n)
    inputs, targets = stateful_batches(token_ids, batch_size, length)
    used = inputs.size
    assert inputs.shape == targets.shape == (len(inputs), batch_size, length)
    assert used < n <= used + batch_size * length, "as many batches as there are tokens for"
    rows = [[inputs[:, row].ravel(), targets[:, row].ravel()] for row in range(batch_size)]
    read, expected = np.concatenate(rows, axis=1)
    np.testing.assert_array_equal(read, token_ids[:used])
    np.testing.assert_array_equal(expected, token_ids[1 : used + 1])


@given(*SIZES)
def test_a_state_that_is_kept_is_that_of_the_tokens_before(more, batch_size, length):
    """The state: the last token read. It has to be the one before the next batch's first."""
    inputs, _ = stateful_batches(np.arange(batch_size * length + more), batch_size, length)
    np.testing.assert_array_equal(inputs[1:, :, 0], inputs[:-1, :, -1] + 1)


def test_a_state_that_is_kept_is_of_no_use_to_the_batches_as_given():
    inputs, targets = torn.as_given(np.arange(1001), 10, 5)
    right = stateful_batches(np.arange(1001), 10, 5)
    assert sorted(inputs.ravel()) == sorted(right[0].ravel()), "no token is lost"
    np.testing.assert_array_equal(targets, inputs + 1)
    assert np.mean(inputs[1:, :, 0] == inputs[:-1, :, -1] + 1) < 0.05


# ---- loss_from_logits ---------------------------------------------------------------------------
@st.composite
def output_layers(draw, largest=1000.0):
    n, units, vocabulary = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(2, 5))
    h = draw(arrays(float, (n, units), elements=st.floats(-1, 1)))
    W = draw(arrays(float, (units, vocabulary), elements=st.floats(-largest, largest)))
    b = draw(arrays(float, vocabulary, elements=st.floats(-largest, largest)))
    return h, W, b, draw(arrays(int, n, elements=st.integers(0, vocabulary - 1)))


def of_keras(keras, h, W, b, targets, activation):
    """The loss that takes logits, and its gradient with respect to what it is given."""
    import tensorflow as tf

    library = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # A variable does not know that it comes from a softmax, which Keras would undo.
    given_ = tf.Variable(keras.activations.get(activation)(tf.constant(h @ W + b)))
    with tf.GradientTape() as tape:
        loss = library(targets, given_)
    return loss, tape.gradient(loss, given_)


@settings(max_examples=50)
@given(output_layers())
def test_loss_from_logits_and_its_gradient_equal_keras(keras, data):
    for answer, activation in [(loss_from_logits, None), (double_softmax.as_given, "softmax")]:
        loss, gradient = answer(*data)
        expected, expected_gradient = of_keras(keras, *data, activation)
        close(loss, expected, 4e3)
        close(gradient, expected_gradient, 4e3)  # of logits near 4,000 the last digits are lost


@given(output_layers(largest=5.0))
def test_gradient_of_the_loss_from_logits_is_its_slope(data):
    h, W, b, targets = data
    logits = h @ W + b
    still = np.eye(len(b))  # an output layer that hands on what it gets
    measured = slope(
        lambda x: float(loss_from_logits(x, still, np.zeros(len(b)), targets)[0]), logits
    )
    np.testing.assert_allclose(loss_from_logits(*data)[1], measured, rtol=0, atol=1e-9)


@pytest.mark.parametrize("vocabulary", [2, 30, 10_000])
def test_a_softmax_too_many_has_a_floor(vocabulary):
    targets = np.arange(2)
    layer = np.eye(2), 1000 * np.eye(2, vocabulary), np.zeros(vocabulary)
    assert loss_from_logits(*layer, targets)[0] == 0
    close(double_softmax.as_given(*layer, targets)[0], math.log(1 + (vocabulary - 1) / math.e))


def test_keras_undoes_a_softmax_too_many_only_where_it_sees_it(keras):
    targets = np.arange(2)
    layer = np.eye(2), 100 * np.eye(2, 3), np.zeros(3)
    library = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    probability = keras.activations.softmax(keras.ops.convert_to_tensor(layer[0] @ layer[1]))
    with pytest.warns(UserWarning, match="does not represent logits"):
        close(float(library(targets, probability)), loss_from_logits(*layer, targets)[0])
    reshaped = keras.ops.reshape(probability, (2, 3))
    close(float(library(targets, reshaped)), double_softmax.as_given(*layer, targets)[0])


# ---- padded_perplexity --------------------------------------------------------------------------
@st.composite
def batches(draw):
    shapes = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=4))
    losses = [draw(arrays(float, shape, elements=st.floats(0, 20))) for shape in shapes]
    masks = [draw(arrays(bool, shape)) for shape in shapes]
    masks[0][0, 0] = True  # else there is nothing to report
    return losses, masks


@settings(max_examples=50)
@given(batches())
def test_padded_perplexity_equals_keras_where_the_losses_have_one_axis(keras, data):
    mean, over_time_first = (keras.metrics.Mean(dtype="float64") for _ in range(2))
    for loss, mask in zip(*data, strict=True):
        mean.update_state(loss.ravel(), sample_weight=mask.ravel())
        over_time_first.update_state(loss, sample_weight=mask)
    close(padded_perplexity(*data), math.exp(mean.result()))
    wrong = padding_counted.averaged_over_time_first(*data)
    close(wrong, math.exp(over_time_first.result()))


@given(batches(), st.integers(1, 9), st.floats(allow_nan=True))
def test_more_padding_and_other_batches_change_no_perplexity(data, columns, anything):
    losses, masks = data
    expected = padded_perplexity(losses, masks)
    edge = [(0, 0), (columns, 0)]
    padded = [np.pad(loss, edge, constant_values=anything) for loss in losses]
    close(padded_perplexity(padded, [np.pad(mask, edge) for mask in masks]), expected)
    rows = [row[None] for loss in losses for row in loss]
    close(padded_perplexity(rows, [row[None] for mask in masks for row in mask]), expected)


def test_padding_flatters_the_perplexity_as_given():
    rng = np.random.default_rng(0)
    losses, masks = [rng.gamma(2.0, size=(3, 8))], [np.ones((3, 8), bool)]
    once = padding_counted.as_given(losses, masks)
    twice = padding_counted.as_given(
        [np.pad(losses[0], [(0, 0), (0, 8)])], [np.pad(masks[0], [(0, 0), (0, 8)])]
    )
    close(twice, math.sqrt(once))
