"""What the drills on losses, splits, intervals, calibration and text call right is what
scikit-learn, SciPy, NumPy and sacreBLEU compute."""

import math
from collections import Counter

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from sklearn import metrics

from helpers.drills.metrics.bleu_precision import bleu_precision
from helpers.drills.metrics.bootstrap_interval import bootstrap_interval
from helpers.drills.metrics.expected_calibration_error import expected_calibration_error
from helpers.drills.metrics.log_loss import log_loss
from helpers.drills.metrics.perplexity import perplexity
from helpers.drills.metrics.stratified_split import stratified_split

CLOSE = {"rel": 1e-12, "abs": 1e-12}
seeds = st.integers(0, 2**32 - 1)


@st.composite
def labelled_logits(draw, largest):
    """0 and 1 with logits, in a row or in a column."""
    n = draw(st.integers(1, 25))
    y_true = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    logits = draw(st.lists(st.floats(-largest, largest), min_size=n, max_size=n))
    return y_true, np.array(logits).reshape(draw(st.sampled_from([(n,), (n, 1)])))


# Beyond a logit of 5 the library, which is given probabilities, has lost more than three digits.
@given(labelled_logits(largest=5))
def test_log_loss_equals_scikit_learns(data):
    y_true, logits = data
    expected = metrics.log_loss(y_true, special.expit(logits.ravel()), labels=[0, 1])
    assert log_loss(y_true, logits) == pytest.approx(expected, **CLOSE)


@given(labelled_logits(largest=1e6))
def test_log_loss_is_exact_for_any_logit(data):
    y_true, logits = data
    expected = -special.log_expit(np.where(y_true == 1, 1, -1) * logits.ravel()).mean()
    assert log_loss(y_true, logits) == pytest.approx(expected, rel=1e-12, abs=1e-300)


# Shares in eighths: class counts times the share, and the halves that are rounded up, are exact.
@given(
    st.lists(st.integers(0, 5), max_size=60).map(lambda labels: np.array(labels, int)),
    st.integers(0, 8),
    seeds,
)
def test_split_takes_the_stated_number_of_every_class_and_can_be_repeated(labels, eighths, seed):
    train, test = stratified_split(labels, eighths / 8, np.random.default_rng(seed))
    again = stratified_split(labels, eighths / 8, np.random.default_rng(seed))
    assert [part.tolist() for part in again] == [train.tolist(), test.tolist()]
    assert sorted([*train, *test]) == list(range(len(labels)))
    taken = Counter(labels[test].tolist())
    for label, count in Counter(labels.tolist()).items():
        assert taken[label] == (count * eighths + 4) // 8


def test_split_draws_every_example_equally_often():
    labels = np.repeat([0, 1, 2], [12, 8, 4])
    repeats = 400
    taken = np.zeros(len(labels))
    for seed in range(repeats):
        taken[stratified_split(labels, 0.25, np.random.default_rng(seed))[1]] += 1
    deviation = math.sqrt(repeats * 0.25 * 0.75)
    assert np.abs(taken - repeats * 0.25).max() < 4 * deviation


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=20),
    st.integers(2, 40),  # SciPy's standard error of a single one warns
    st.floats(0.01, 0.99),
    seeds,
)
def test_bootstrap_interval_equals_scipys(pairs, n_resamples, level, seed):
    def mean_product(y_true, y_pred):
        return np.mean(y_true * y_pred)

    y_true, y_pred = np.array(pairs, float).T
    expected = stats.bootstrap(
        (y_true, y_pred),
        mean_product,
        n_resamples=n_resamples,
        confidence_level=level,
        paired=True,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    rng = np.random.default_rng(seed)
    got = bootstrap_interval(mean_product, y_true, y_pred, n_resamples, level, rng)
    assert got == pytest.approx(tuple(expected), **CLOSE)


# With a power of two the edges of NumPy's bins are exact, and it closes them as the statement does:
# on the left, the last one on both sides.
@given(
    st.lists(
        st.tuples(st.floats(0, 1) | st.integers(0, 16).map(lambda k: k / 16), st.booleans()),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from([1, 2, 4, 8, 16]),
)
def test_expected_calibration_error_equals_that_of_numpys_histograms(pairs, n_bins):
    confidence, correct = np.array(pairs, float).T

    def per_bin(weights):
        return np.histogram(confidence, n_bins, (0, 1), weights=weights)[0]

    count = per_bin(None)
    used = count > 0
    gap = np.abs(per_bin(correct)[used] / count[used] - per_bin(confidence)[used] / count[used])
    expected = np.average(gap, weights=count[used])
    assert expected_calibration_error(confidence, correct, n_bins) == pytest.approx(
        expected, **CLOSE
    )


@st.composite
def padded_texts(draw):
    """Logits of any size, token ids, and a mask with at least one real token, anywhere."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5)))
    rng = np.random.default_rng(draw(seeds))
    logits = rng.normal(size=shape) + draw(st.sampled_from([0, 1000, -1000]))
    mask = rng.integers(0, 2, shape[:2])
    mask[0, -1] = 1
    return logits, rng.integers(0, shape[2], shape[:2]), mask


@given(padded_texts())
def test_perplexity_equals_that_of_scipys_log_softmax(data):
    logits, token_ids, mask = data
    own = [
        special.log_softmax(logits[place])[token_ids[place]]
        for place in np.ndindex(mask.shape)
        if mask[place]
    ]
    assert perplexity(*data) == pytest.approx(math.exp(-math.fsum(own) / len(own)), **CLOSE)


@given(padded_texts(), st.sampled_from([-1e300, 0.0, 1e300]))
def test_perplexity_does_not_see_what_the_padding_holds(data, filling):
    logits, token_ids, mask = data
    other = np.where(mask[..., None] == 1, logits, filling)
    assert perplexity(other, np.where(mask == 1, token_ids, 0), mask) == perplexity(*data)


@given(st.integers(1, 50))
def test_perplexity_of_no_idea_is_the_size_of_the_vocabulary(size):
    logits, token_ids = np.zeros((2, 3, size)), np.zeros((2, 3), int)
    assert perplexity(logits, token_ids, np.ones((2, 3), int)) == pytest.approx(size, **CLOSE)


tokens = st.lists(st.sampled_from(["a", "b", "aa"]), max_size=12)


@given(tokens, st.lists(tokens, min_size=1, max_size=4), st.integers(1, 4))
def test_bleu_precision_equals_sacrebleus(candidate, references, n):
    library = sacrebleu.BLEU(tokenize="none", smooth_method="none", force=True)
    score = library.corpus_score([" ".join(candidate)], [[" ".join(r)] for r in references])
    matches, total = score.counts[n - 1], score.totals[n - 1]
    expected = matches / total if total else 0.0
    assert bleu_precision(candidate, references, n) == pytest.approx(expected, **CLOSE)
