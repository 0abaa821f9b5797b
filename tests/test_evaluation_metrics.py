"""The metrics that notebook 02 writes by hand equal the libraries', on any input."""

from math import comb

import numpy as np
import pytest
import sacrebleu
from hypothesis import assume, given
from hypothesis import strategies as st
from notebook_functions import notebook_functions
from rapidfuzz.distance import LCSseq
from scipy import optimize, stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

IMPORTS = """
from collections import Counter
from math import exp, log
import numpy as np
"""

notebook = notebook_functions("02_evaluation_metrics", IMPORTS)
CLOSE = {"rel": 1e-12, "abs": 1e-12}


@st.composite
def scored(draw, classes=(0, 1), both=True):
    """Labels, and scores in steps of 1/8, so that ties are common and sums exact."""
    n = draw(st.integers(2, 40))
    y = np.array(draw(st.lists(st.sampled_from(classes), min_size=n, max_size=n)))
    score = np.array(draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))) / 8
    assume(not both or len(set(y.tolist())) == 2)
    return y, score


labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


# ---- counts and thresholds ---------------------------------------------------------------------
@given(labels)
def test_confusion_matrix(pairs):
    y_true, y_pred = np.transpose(pairs)
    theirs = metrics.confusion_matrix(y_true, y_pred, labels=range(5))
    assert (notebook.confusion_matrix(y_true, y_pred, 5) == theirs).all()


@given(scored(both=False))
def test_precision_recall_f1(data):
    y, score = data
    predicted = (score > 0.5).astype(int)
    ours = notebook.precision_recall_f1(notebook.confusion_matrix(y, predicted))
    theirs = metrics.precision_recall_fscore_support(
        y, predicted, labels=[0, 1], zero_division=0, average=None
    )
    assert ours == pytest.approx([values[1] for values in theirs[:3]], **CLOSE)
    assert notebook.harmonic(*ours[:2]) == pytest.approx(ours[2], **CLOSE)


@given(scored(both=False))
def test_cost(data):
    y, score = data
    counts = metrics.confusion_matrix(y, score >= 0.5, labels=[0, 1])
    expected = (10 * counts[1, 0] + counts[0, 1]) / len(y)
    assert notebook.cost(y, score, 0.5) == pytest.approx(expected, **CLOSE)


@given(scored())
def test_cost_at_the_share_of_the_data_is_the_cost(data):
    y, score = data
    ours = notebook.cost_at_share(y, score, 0.5, y.mean())
    assert ours == pytest.approx(notebook.cost(y, score, 0.5), **CLOSE)


# ---- curves ------------------------------------------------------------------------------------
@given(scored())
def test_roc_curve_and_its_area(data):
    y, score = data
    fpr, tpr = notebook.roc_curve(y, score)
    theirs = metrics.roc_curve(y, score, drop_intermediate=False)
    assert np.allclose(fpr, theirs[0], rtol=0, atol=1e-12)
    assert np.allclose(tpr, theirs[1], rtol=0, atol=1e-12)
    assert notebook.area(fpr, tpr) == pytest.approx(metrics.roc_auc_score(y, score), **CLOSE)


@given(scored(both=False))
def test_average_precision(data):
    y, score = data
    if y.any():
        expected = metrics.average_precision_score(y, score)
    else:
        expected = 0.0
    assert notebook.average_precision(y, score) == pytest.approx(expected, **CLOSE)


# ---- intervals ---------------------------------------------------------------------------------
@given(scored())
def test_delong(data):
    y, score = data
    positive, negative = score[y == 1], score[y == 0]
    beats = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    auc = beats.mean()
    assume(min(beats.shape) > 1)
    assert notebook.delong(y, score)[0] == pytest.approx(auc, **CLOSE)
    error = np.sqrt(
        np.var(beats.mean(axis=1), ddof=1) / len(positive)
        + np.var(beats.mean(axis=0), ddof=1) / len(negative)
    )
    assert notebook.delong(y, score)[1] == pytest.approx(error, **CLOSE)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=20), st.integers(0, 99))
def test_bootstrap(values, seed):
    values = np.array(values, float)
    ours = notebook.bootstrap(np.mean, values, resamples=50, level=0.9, seed=seed)
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(50)]
    assert ours == pytest.approx(np.percentile(means, [5, 95]), **CLOSE)


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(0).normal(size=200)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", rng=0).confidence_interval
    assert notebook.bootstrap(np.mean, values, resamples=9_999) == pytest.approx(theirs, abs=0.01)


def test_examples_needed():
    assert [notebook.examples_needed(0.85, d) for d in (0.01, 0.02, 0.05)] == [4899, 1225, 196]


# ---- calibration -------------------------------------------------------------------------------
@given(scored(both=False), st.sampled_from([1, 2, 4, 8]))
def test_calibration_error(data, n_bins):
    y, score = data
    edges = np.linspace(0, 1, n_bins + 1)  # NumPy's last bin holds 1, as ours does
    sums = [np.histogram(score, edges, weights=weights)[0] for weights in (y, score)]
    expected = np.abs(sums[0] - sums[1]).sum() / len(y)
    assert notebook.calibration_error(y, score, n_bins) == pytest.approx(expected, **CLOSE)


@given(scored(both=False))
def test_log_loss(data):
    y, score = data
    logits = 8 * score - 4
    expected = metrics.log_loss(y, 1 / (1 + np.exp(-logits)), labels=[0, 1])
    assert notebook.log_loss(y, logits) == pytest.approx(expected, **CLOSE)


@given(st.integers(0, 999), st.floats(0.3, 6))
def test_fit_temperature(seed, true_temperature):
    rng = np.random.default_rng(seed)
    calm = rng.normal(size=400) * 2
    y = (rng.random(400) < 1 / (1 + np.exp(-calm))).astype(int)
    logits = calm * true_temperature
    best = optimize.minimize_scalar(
        lambda t: notebook.log_loss(y, logits / np.exp(t)), bounds=(-3, 3), method="bounded"
    )
    assert notebook.fit_temperature(y, logits) == pytest.approx(np.exp(best.x), rel=0.03)


# ---- text --------------------------------------------------------------------------------------
text = st.text(alphabet="的房间很好", max_size=12)


@given(text.filter(bool), text.filter(bool))
def test_bleu(candidate, reference):
    theirs = sacrebleu.sentence_bleu(
        candidate, [reference], tokenize="char", smooth_method="none", use_effective_order=False
    )
    assert notebook.bleu(candidate, reference) == pytest.approx(theirs.score, rel=1e-9, abs=1e-9)


def test_bleu_of_nothing():
    assert notebook.bleu("", "好") == 0.0


@given(text, text)
def test_rouge_l(candidate, reference):
    common = LCSseq.similarity(candidate, reference)
    assert notebook.common_subsequence(candidate, reference) == common
    if common:
        precision, recall = common / len(candidate), common / len(reference)
        expected = 200 * precision * recall / (precision + recall)
        assert notebook.rouge_l(candidate, reference) == pytest.approx(expected, **CLOSE)
    else:
        assert notebook.rouge_l(candidate, reference) == 0.0


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=30))
def test_perplexity(probabilities):
    expected = 1 / stats.gmean(probabilities)
    assert notebook.perplexity(probabilities) == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 40), st.data())
def test_pass_at_k(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    expected = 1 - comb(n - c, k) / comb(n, k)
    assert notebook.pass_at_k(n, c, k) == pytest.approx(expected, **CLOSE)


@given(scored(both=False))
def test_population_stability_of_equal_samples_is_zero(data):
    _, score = data
    assert notebook.population_stability(score, score[::-1]) == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 999), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_at_new_share(seed, old, new):
    """Bayes' rule: reweigh each class by its new share over its old one."""
    score = np.random.default_rng(seed).uniform(0.01, 0.99, 20)
    positive, negative = score * new / old, (1 - score) * (1 - new) / (1 - old)
    expected = positive / (positive + negative)
    assert np.allclose(notebook.at_new_share(score, old, new), expected, rtol=1e-12, atol=0)


@given(st.integers(0, 999), st.sampled_from([2, 5, 10]))
def test_population_stability(seed, n_bins):
    rng = np.random.default_rng(seed)
    expected, actual = rng.integers(0, 9, 100) / 8, rng.random(57)  # ties: bins of unequal share
    edges = np.quantile(expected, np.arange(1, n_bins) / n_bins)
    numbers = [[int(np.sum(edges < value)) for value in x] for x in (expected, actual)]
    counts = [np.array([bins.count(k) + 0.5 for k in range(n_bins)]) for bins in numbers]
    p, q = (count / count.sum() for count in counts)
    symmetric_divergence = stats.entropy(p, q) + stats.entropy(q, p)
    ours = notebook.population_stability(expected, actual, n_bins)
    assert ours == pytest.approx(symmetric_divergence, **CLOSE)


@given(scored(both=False), st.sampled_from([4, 8]))
def test_reliability(data, n_bins):
    y, score = data
    score = score * 0.9 + 0.03  # off the edges, where conventions differ
    mean_score, share, count = notebook.reliability(y, score, n_bins)
    theirs = calibration_curve(y, score, n_bins=n_bins) if len(set(y)) == 2 else None
    if theirs is not None:
        assert np.allclose(share, theirs[0], rtol=0, atol=1e-12)
        assert np.allclose(mean_score, theirs[1], rtol=0, atol=1e-12)
    assert count.sum() == len(y)


@given(
    st.text(alphabet="的房间很好", min_size=5, max_size=12),
    st.integers(0, 3),
    st.text(alphabet="房很", max_size=6),
)
def test_bleu_of_a_candidate_that_repeats_the_reference(reference, cut, more):
    candidate = reference[cut:] + more  # shorter, as long, or longer, and rarely without a match
    theirs = sacrebleu.sentence_bleu(
        candidate, [reference], tokenize="char", smooth_method="none", use_effective_order=False
    )
    assert notebook.bleu(candidate, reference) == pytest.approx(theirs.score, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("label", [0, 1])
def test_roc_curve_of_one_class_has_no_rate_of_the_other(label):
    with np.errstate(invalid="ignore"):
        fpr, tpr = notebook.roc_curve(np.full(3, label), np.array([0.5, 0.5, 1.0]))
    known, undefined = (tpr, fpr) if label else (fpr, tpr)
    assert known.tolist() == [0, 1 / 3, 1] and np.isnan(undefined).all()  # as scikit-learn's


@given(st.integers(0, 99))
def test_fit_temperature_finds_the_grid_point_next_to_the_minimum(seed):
    rng = np.random.default_rng(seed)
    calm = rng.normal(size=400) * 2
    y = (rng.random(400) < 1 / (1 + np.exp(-calm))).astype(int)
    best = optimize.minimize_scalar(
        lambda t: notebook.log_loss(y, 3 * calm / np.exp(t)), bounds=(-3, 3), method="bounded"
    )
    assert abs(np.log(notebook.fit_temperature(y, 3 * calm)) - best.x) <= 0.0101
