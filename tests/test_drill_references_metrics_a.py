"""What the drills on counts, curves and rankings call right is what scikit-learn computes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from helpers.drills.judge import find
from helpers.drills.metrics.average_precision import average_precision
from helpers.drills.metrics.confusion_counts import confusion_counts
from helpers.drills.metrics.precision_recall_f1 import precision_recall_f1
from helpers.drills.metrics.roc_points import corners_only, roc_points
from helpers.drills.metrics.top_k_accuracy import top_k_accuracy

# Where one class is missing, scikit-learn warns.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@st.composite
def predictions(draw):
    """True and predicted classes; some classes may never occur."""
    n_classes, n = draw(st.integers(1, 6)), draw(st.integers(1, 25))
    classes = st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n)
    return np.array(draw(classes)), np.array(draw(classes)), n_classes


@st.composite
def rankings(draw, both_classes=False):
    """0 and 1 with scores: from few values, for the ties, or any at all."""
    n = draw(st.integers(2, 25))
    y_true = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    if both_classes:
        y_true[:2] = [1, 0]
    # Bounded: scores are told apart by their difference, which must not overflow.
    score = draw(st.sampled_from([st.integers(-2, 2).map(float), st.floats(-1e6, 1e6)]))
    return np.array(y_true), np.array(draw(st.lists(score, min_size=n, max_size=n)))


@given(predictions())
def test_confusion_counts_equal_the_librarys(data):
    y_true, y_pred, n_classes = data
    expected = metrics.confusion_matrix(y_true, y_pred, labels=range(n_classes))
    np.testing.assert_array_equal(confusion_counts(y_true, y_pred, n_classes), expected)


@given(predictions(), st.sampled_from(["micro", "macro", "weighted", "none"]))
def test_precision_recall_f1_equal_the_librarys(data, average):
    y_true, y_pred, n_classes = data
    expected = metrics.precision_recall_fscore_support(
        y_true,
        y_pred,
        labels=range(n_classes),
        average=None if average == "none" else average,
        zero_division=0,
    )
    got = precision_recall_f1(y_true, y_pred, n_classes, average)
    for one, other in zip(got, expected[:3], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@given(rankings(both_classes=True))
def test_roc_points_equal_the_librarys_in_both_conventions(data):
    for reference, leave_out in ((roc_points, False), (corners_only, True)):
        expected = metrics.roc_curve(*data, drop_intermediate=leave_out)
        for one, other in zip(reference(*data), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@given(rankings(both_classes=True))
def test_area_under_the_roc_points_is_the_auc(data):
    fpr, tpr, _ = roc_points(*data)
    assert np.trapezoid(tpr, fpr) == pytest.approx(find("roc_auc").reference(*data), abs=1e-12)


@given(rankings())
def test_average_precision_equals_the_librarys(data):
    expected = metrics.average_precision_score(*data)
    assert average_precision(*data) == pytest.approx(expected, abs=1e-12)


@st.composite
def scored_classes(draw):
    n, n_classes = draw(st.integers(1, 12)), draw(st.integers(3, 7))
    row = st.lists(st.integers(-2, 2).map(float), min_size=n_classes, max_size=n_classes)
    scores = np.array(draw(st.lists(row, min_size=n, max_size=n)))
    labels = draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n))
    return scores, np.array(labels), draw(st.integers(1, n_classes + 1))


@given(scored_classes())
def test_top_k_accuracy_equals_the_librarys_once_ties_are_for_the_true_class(data):
    scores, labels, k = data
    decided = scores.copy()
    decided[np.arange(len(labels)), labels] += 0.5  # below the smallest gap, which is 1
    expected = metrics.top_k_accuracy_score(labels, decided, k=k, labels=range(scores.shape[1]))
    assert top_k_accuracy(scores, labels, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("y_true", [[0, 0, 0], [1, 1, 1]])
def test_roc_points_need_both_classes(y_true):
    for reference in (roc_points, corners_only):
        with pytest.raises(ValueError, match="class"):
            reference(np.array(y_true), np.array([0.1, 0.5, 0.5]))
