"""What the drills on algorithms, on boxes in images, and four bug hunts call right is what the
field's libraries compute; and the bug hunts show the symptoms that their diagnoses name."""

import functools
import itertools
import random
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from scipy.stats import chi2_contingency
from sklearn import metrics
from sklearn.neighbors import NearestNeighbors

from helpers.drills.algorithms.cosine_top_k import cosine_top_k
from helpers.drills.algorithms.levenshtein_distance import levenshtein_distance
from helpers.drills.algorithms.lru_cache import lru_cache
from helpers.drills.algorithms.reservoir_sample import reservoir_sample
from helpers.drills.algorithms.shuffle_stream import shuffle_stream
from helpers.drills.algorithms.trie_completions import trie_completions
from helpers.drills.generative import scale_pixels as unscaled
from helpers.drills.generative.scale_pixels import scale_pixels
from helpers.drills.images.intersection_over_union import intersection_over_union, random_boxes
from helpers.drills.images.non_maximum_suppression import non_maximum_suppression
from helpers.drills.metrics import evaluate_scores as same_predictions
from helpers.drills.metrics.evaluate_scores import evaluate_scores
from helpers.drills.probes import Stream, frequencies
from helpers.drills.recurrent import last_state as padding_read
from helpers.drills.recurrent.last_state import last_state
from helpers.drills.training import train_with_validation as without_copies
from helpers.drills.training.train_with_validation import Training, train_with_validation
from helpers.drills.verdict import show

SEEDS = st.integers(0, 2**32 - 1)
CHANCE = 1e-6  # a right answer fails as rarely as this, if its generator were drawn anew


def close(got, expected, tolerance=1e-12):
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


def same_distribution(ours: Counter, theirs: Counter) -> bool:
    outcomes = sorted(ours | theirs)
    table = [[counter[outcome] for outcome in outcomes] for counter in (ours, theirs)]
    return chi2_contingency(table).pvalue > CHANCE


# ---- reservoir_sample ---------------------------------------------------------------------------
@pytest.mark.parametrize(("n", "k"), [(6, 1), (7, 3), (6, 5)])
def test_reservoir_sample_draws_as_random_sample_does(n, k):
    rng, theirs = np.random.default_rng(n), random.Random(n)
    ours = Counter(tuple(sorted(reservoir_sample(iter(range(n)), k, rng))) for _ in range(6_000))
    library = Counter(tuple(sorted(theirs.sample(range(n), k))) for _ in range(6_000))
    assert same_distribution(ours, library)


@given(st.integers(0, 60), st.integers(1, 20), SEEDS)
def test_a_reservoir_holds_no_more_than_its_sample(n, k, seed):
    stream = Stream(range(n))
    sample = reservoir_sample(stream, k, np.random.default_rng(seed))
    assert len(set(sample)) == min(n, k) and set(sample) <= set(range(n))
    assert stream.read == n and stream.ended and stream.most <= k + 2


# ---- shuffle_stream -----------------------------------------------------------------------------
def test_shuffle_stream_gives_orders_as_often_as_tf_data():
    import tensorflow as tf

    calls = 2_500
    dataset = tf.data.Dataset.range(5).shuffle(3, seed=1).repeat(calls).batch(5)
    library = Counter(tuple(order.tolist()) for order in dataset.as_numpy_iterator())
    rng = np.random.default_rng(1)
    ours = Counter(tuple(shuffle_stream(range(5), 3, rng)) for _ in range(calls))
    assert len(library) == 3 * 3 * 6 and same_distribution(ours, library)


@given(st.integers(0, 50), st.integers(1, 12), SEEDS)
def test_no_item_of_the_shuffled_stream_is_lost_or_comes_too_early(n, size, seed):
    out = list(shuffle_stream(iter(range(n)), size, np.random.default_rng(seed)))
    assert sorted(out) == list(range(n))
    assert all(item < place + size for place, item in enumerate(out))


def test_an_endless_stream_can_be_shuffled():
    shuffled = shuffle_stream(itertools.count(), 10, np.random.default_rng(0))
    first = list(itertools.islice(shuffled, 100))
    assert len(set(first)) == 100 and first != sorted(first)


def test_a_sorted_file_stays_nearly_sorted_with_a_small_buffer():
    """As the explanation says: batches of one class."""
    shuffled = shuffle_stream(range(4_000), 100, np.random.default_rng(0))
    batches = np.reshape([number // 1_000 for number in shuffled], (125, 32))
    assert np.mean(np.ptp(batches, axis=1) == 0) > 0.5


# ---- lru_cache ----------------------------------------------------------------------------------
@given(st.lists(st.integers(0, 9)), st.integers(0, 6))
def test_lru_cache_hits_where_that_of_functools_does(keys, capacity):
    computed = []
    library = functools.lru_cache(maxsize=capacity)(lambda key: computed.append(key))
    hits = []
    for key in keys:
        before = len(computed)
        library(key)
        hits.append(len(computed) == before)
    operations = [[("get", key), ("put", key, key)] for key in keys]
    answers = lru_cache(tuple(itertools.chain(*operations)), capacity)
    assert [answer is not None for answer in answers] == hits


OPERATIONS = st.one_of(
    st.tuples(st.just("get"), st.integers(0, 6)),
    st.tuples(st.just("put"), st.integers(0, 6), st.integers(0, 99)),
)


@given(st.lists(OPERATIONS, max_size=60), st.integers(0, 5))
def test_lru_cache_holds_the_keys_used_last(operations, capacity):
    """By definition: of all uses so far, the last ones of the keys that are in the cache."""
    uses, answers = [], []  # the newest first, each key once
    for operation in operations:
        held = dict(uses)
        key = operation[1]
        if operation[0] == "get":
            answers.append(held.get(key))
        if operation[0] == "put" or key in held:
            value = operation[-1] if operation[0] == "put" else held[key]
            uses = [(key, value), *((k, v) for k, v in uses if k != key)][:capacity]
    assert lru_cache(tuple(operations), capacity) == answers


# ---- cosine_top_k -------------------------------------------------------------------------------
@given(st.integers(1, 6), st.integers(1, 30), st.integers(1, 8), SEEDS, st.data())
def test_cosine_top_k_equals_scikit_learn(m, n, d, seed, data):
    rng, k = np.random.default_rng(seed), data.draw(st.integers(1, n))
    queries, documents = rng.normal(size=(m, d)), rng.normal(size=(n, d))
    indices, similarities = cosine_top_k(queries, documents, k)
    library = NearestNeighbors(metric="cosine", algorithm="brute").fit(documents)
    distances, neighbours = library.kneighbors(queries, k)
    close(similarities, 1 - distances)
    if d > 1:  # on a line every cosine is 1 or −1, and all are ties
        np.testing.assert_array_equal(indices, neighbours)


@given(st.integers(1, 5), st.integers(1, 20), SEEDS)
def test_cosine_top_k_with_ties_and_zeros_sorts_the_similarities_of_scikit_learn(m, n, seed):
    rng = np.random.default_rng(seed)
    sizes = np.array([0.0, 0.25, 1.0, 2.0])  # of signs in four dimensions: all numbers are exact
    queries, documents = (
        rng.choice([-1.0, 1.0], (count, 4)) * rng.choice(sizes, (count, 1)) for count in (m, n)
    )
    indices, similarities = cosine_top_k(queries, documents, n)
    table = metrics.pairwise.cosine_similarity(queries, documents)
    expected = [sorted(range(n), key=lambda j: (-row[j], j)) for row in table.tolist()]
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(similarities, np.take_along_axis(table, indices, axis=1))


# ---- levenshtein_distance -----------------------------------------------------------------------
@given(st.text("abcd ", max_size=15), st.text("abcd ", max_size=15))
def test_levenshtein_distance_of_texts_equals_rapidfuzz(first, second):
    assert levenshtein_distance(first, second) == Levenshtein.distance(first, second)


LISTS = st.lists(st.sampled_from(["a", "ab", "b", 1, 2, 12]), max_size=12)


@given(LISTS, LISTS)
def test_levenshtein_distance_of_lists_equals_rapidfuzz(first, second):
    assert levenshtein_distance(first, second) == Levenshtein.distance(first, second)


# ---- trie_completions ---------------------------------------------------------------------------
WORDS = st.lists(
    st.tuples(st.text("abA模", min_size=1, max_size=4), st.integers(1, 3)), min_size=1, max_size=30
)


@given(WORDS, st.text("abA模", max_size=3), st.integers(1, 8))
def test_trie_completions_equal_a_table_of_pandas(pairs, prefix, k):
    table = pd.DataFrame(pairs, columns=["word", "used"]).groupby("word", as_index=False).sum()
    table = table[table["word"].str.startswith(prefix)]
    table = table.sort_values(["used", "word"], ascending=[False, True])
    words, counts = map(list, zip(*pairs, strict=True))
    assert trie_completions(words, counts, prefix, k) == table["word"].head(k).tolist()


# ---- intersection_over_union, non_maximum_suppression -------------------------------------------
@given(st.integers(1, 8), st.integers(1, 8), SEEDS)
def test_intersection_over_union_equals_keras(keras, m, n, seed):
    rng = np.random.default_rng(seed)
    boxes, others = random_boxes(rng, m), random_boxes(rng, n)
    others[: n // 2] = boxes[rng.integers(0, m, n // 2)]  # some are equal
    library = keras.utils.bounding_boxes.compute_iou(boxes, others, "xyxy")
    close(
        intersection_over_union(boxes, others), np.asarray(library), 1e-4
    )  # it computes in float32


@given(st.integers(1, 5), SEEDS)
def test_intersection_over_union_is_a_share_of_points(m, seed):
    """Whole coordinates: count the unit squares that are in both, and in one of them."""
    boxes = np.round(random_boxes(np.random.default_rng(seed), m, 6.0))
    x, y = np.meshgrid(np.arange(6) + 0.5, np.arange(6) + 0.5)
    inside = np.array([(x1 < x) & (x < x2) & (y1 < y) & (y < y2) for x1, y1, x2, y2 in boxes])
    both = (inside[:, None] & inside).sum(axis=(2, 3))
    either = (inside[:, None] | inside).sum(axis=(2, 3))
    close(intersection_over_union(boxes, boxes), both / np.maximum(either, 1))


@given(st.integers(1, 40), st.floats(0.05, 0.95), SEEDS)
def test_non_maximum_suppression_equals_tensorflow(n, threshold, seed):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    boxes = random_boxes(rng, n).astype(np.float32)
    scores = rng.permutation(n).astype(np.float32)
    library = tf.image.non_max_suppression(boxes, scores, n, threshold)
    assert non_maximum_suppression(boxes, scores, threshold) == library.numpy().tolist()


# ---- evaluate_scores ----------------------------------------------------------------------------
@st.composite
def scored(draw):
    n, rng = draw(st.integers(2, 40)), np.random.default_rng(draw(SEEDS))
    y_true = rng.permutation(np.arange(n) < draw(st.integers(1, n - 1))).astype(int)
    return y_true, rng.integers(0, 9, n) / 4 + y_true / 2, draw(st.integers(-1, 12)) / 4


@given(scored())
def test_evaluate_scores_equals_scikit_learn(data):
    y_true, scores, threshold = data
    labels = (scores >= threshold).astype(int)
    expected = {
        "accuracy": metrics.accuracy_score(y_true, labels),
        "precision": metrics.precision_score(y_true, labels, zero_division=0),
        "recall": metrics.recall_score(y_true, labels),
        "f1": metrics.f1_score(y_true, labels, zero_division=0),
        "auc": metrics.roc_auc_score(y_true, scores),
    }
    assert evaluate_scores(*data) == pytest.approx(expected, abs=1e-12)
    # The symptoms: an AUC of labels is the mean of recall and specificity.
    wrong = same_predictions.as_given(*data)
    recall, specificity = labels[y_true == 1].mean(), 1 - labels[y_true == 0].mean()
    close(wrong["auc"], metrics.roc_auc_score(y_true, labels))
    close(wrong["auc"], (recall + specificity) / 2)


def test_f1_as_given_lies_above_precision_and_recall():
    y_true = (np.arange(1_000) < 10).astype(int)
    scores = np.isin(np.arange(1_000), [*range(5), *range(10, 55)]).astype(float)
    wrong = same_predictions.as_given(y_true, scores, 0.5)
    assert (wrong["accuracy"], wrong["precision"], wrong["recall"]) == (0.95, 0.1, 0.5)
    close(wrong["f1"], 0.66, 0.005)
    moved = [same_predictions.as_given(y_true, scores, t)["auc"] for t in (0.0, 0.5)]
    assert moved[0] != moved[1]


def test_scikit_learn_refuses_scores_where_it_needs_labels():
    with pytest.raises(ValueError, match="mix of binary and continuous"):
        metrics.f1_score([0, 1, 1], [0.2, 0.7, 0.4])


# ---- scale_pixels -------------------------------------------------------------------------------
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), SEEDS)
def test_scale_pixels_equals_keras(keras, batch, height, width, seed):
    images = np.random.default_rng(seed).integers(0, 256, (batch, height, width)).astype(np.uint8)
    library = keras.layers.Flatten()(keras.layers.Rescaling(1 / 127.5, offset=-1)(images))
    close(scale_pixels(images), np.asarray(library), 1e-6)  # its factor is float32


def test_a_row_as_given_shows_a_little_of_all_images():
    images = np.repeat(np.arange(64, dtype=np.uint8), 784).reshape(64, 28, 28)  # one grey each
    assert set(unscaled.as_given(images)[0]) == set(range(64))
    assert unscaled.as_given(images).max() > 1, "brighter than a tanh can be"


# ---- last_state ---------------------------------------------------------------------------------
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3), SEEDS)
def test_last_state_equals_a_layer_of_keras_with_a_mask(keras, batch, time, units, seed):
    rng = np.random.default_rng(seed)
    x, mask = rng.normal(size=(batch, time, 2)), rng.random((batch, time)) < 0.6
    layer = keras.layers.SimpleRNN(units, return_sequences=True, return_state=True)
    states, last = (np.array(value) for value in layer(x, mask=mask))
    states[~mask] = np.nan
    close(last_state(states, mask), last)


def test_padding_moves_the_state_as_given():
    rng = np.random.default_rng(0)
    states, mask = rng.normal(size=(3, 5, 2)), np.ones((3, 5), bool)
    longer = np.concatenate([states, rng.normal(size=(3, 4, 2))], axis=1)
    padded = np.concatenate([mask, np.zeros((3, 4), bool)], axis=1)
    np.testing.assert_array_equal(last_state(longer, padded), last_state(states, mask))
    assert np.all(padding_read.as_given(longer, padded) != padding_read.as_given(states, mask))


# ---- train_with_validation ----------------------------------------------------------------------
LOSSES = st.lists(
    st.one_of(st.integers(0, 6).map(lambda n: n / 4), st.just(float("nan"))), max_size=14
)


@functools.cache
def tiny_model(keras):
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])


@given(st.integers(0, 6).map(lambda n: n / 4), LOSSES, st.integers(1, 4))
def test_train_with_validation_stops_and_restores_as_keras_does(keras, first, rest, patience):
    losses = [first, *rest]
    training = Training(losses, (2,), (3, 1))
    weights, epoch = train_with_validation(
        training.train_epoch, training.validation_loss, len(losses), patience
    )
    model = tiny_model(keras)
    callback = keras.callbacks.EarlyStopping(
        "val_loss", patience=patience, restore_best_weights=True
    )
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    for trained, loss in enumerate(losses, start=1):
        model.set_weights([np.full((1, 1), trained), np.zeros(1)])
        callback.on_epoch_end(trained - 1, {"val_loss": loss})
        if model.stop_training:
            break
    callback.on_train_end()
    assert len(training.after) == trained
    assert epoch == model.get_weights()[0].item()
    for array, expected in zip(weights, training.after[epoch - 1], strict=True):
        np.testing.assert_array_equal(array, expected)


def test_the_weights_as_given_are_those_of_the_last_epoch():
    losses = [0.9, 0.6, 0.4, 0.29, 0.35, 0.41]
    training = Training(losses, (2,))
    weights, epoch = without_copies.as_given(
        training.train_epoch, training.validation_loss, 6, patience=2
    )
    assert epoch == 4
    np.testing.assert_array_equal(weights[0], training.after[-1][0])


# ---- what the drills on streams are judged with -------------------------------------------------
def test_a_stream_knows_how_many_items_are_held():
    stream = Stream([7, 8, 9])
    kept = [next(stream), next(stream)]
    assert kept == [7, 8] and (stream.read, stream.held, stream.most) == (2, 2, 2)
    del kept[0]
    assert list(map(int, stream)) == [9] and stream.ended
    assert (stream.read, stream.held, stream.most) == (3, 1, 2)


def test_frequencies_show_what_chance_does_not_explain():
    share = np.array([0.25, 0.25, 0.25, 0.25, 0.0, 0.0])
    assert frequencies(np.array([2_580, 3_000, 2_000, 0, 0, 1]), 10_000, share) == ["=+-0=+"]


def test_a_generator_is_shown_as_what_comes_out():
    assert show(number**2 for number in range(3)) == "[0, 1, 4]"
