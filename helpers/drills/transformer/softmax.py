import math

import numpy as np

from helpers.drills.spec import Case, Drill


def softmax(scores: np.ndarray, axis: int = -1) -> np.ndarray:
    """Turn scores into weights that are not negative and sum to 1: the last step of a classifier,
    and the middle one of attention.

    `scores`, floats, has one axis or more. `axis` is the one along which the weights sum to 1; it
    may be counted from the end, and is at least 1 long. Return an array of the same shape: the
    exponential of each score, divided by the sum of the exponentials along `axis`. Every slice
    along the axis counts on its own: scores of ±1000 must not overflow, and slices whose scores
    lie thousands apart must all be right. A score of −inf is ruled out: its weight is 0. Where all
    scores of a slice are −inf, all its weights are 0, not NaN. No score is +inf or NaN. Do not
    change `scores`.
    """
    top = scores.max(axis=axis, keepdims=True)
    top = np.where(np.isneginf(top), 0.0, top)  # −inf − (−inf) would be NaN
    weights = np.exp(scores - top)  # none above 1
    total = weights.sum(axis=axis, keepdims=True)
    return weights / np.where(total == 0, 1.0, total)


def slice_by_slice(scores, axis=-1):
    def one(row):
        top = max(row)
        if top == -math.inf:
            return np.zeros(len(row))
        weights = [math.exp(score - top) for score in row]
        return np.array(weights) / math.fsum(weights)

    return np.apply_along_axis(one, axis, scores)


def with_logaddexp(scores, axis=-1):
    logarithm = np.logaddexp.reduce(scores, axis=axis, keepdims=True)  # of the sum
    return np.exp(scores - np.maximum(logarithm, np.finfo(float).min))  # −inf, made finite


def _quotient(weights, axis):
    """Divided by the sums; a sum of 0 leaves the weights as they are."""
    total = weights.sum(axis=axis, keepdims=True)
    return weights / np.where(total == 0, 1.0, total)


def one_maximum_for_all(scores, axis=-1):
    """You subtract the largest score of the whole array. In a slice of far smaller scores every
    exponential is then 0, and no weights are left. Each slice needs its own maximum."""
    top = scores.max()
    return _quotient(np.exp(scores - (top if np.isfinite(top) else 0.0)), axis)


def one_maximum_for_all_and_zero_over_zero(scores, axis=-1):
    """You subtract the largest score of the whole array. In a slice of far smaller scores every
    exponential is then 0, and 0 / 0 is NaN. Each slice needs its own maximum; and a slice that is
    ruled out altogether is asked for as zeros."""
    with np.errstate(invalid="ignore"):
        weights = np.exp(scores - scores.max())
        return weights / weights.sum(axis=axis, keepdims=True)


def exponent_overflows(scores, axis=-1):
    """You take the exponential of the scores as they are: exp(1000) is infinite, and inf / inf is
    NaN. A number subtracted from all scores of a slice cancels: choose it so that none is above
    0."""
    with np.errstate(all="ignore"):
        return _quotient(np.exp(scores), axis)


def mean_subtracted(scores, axis=-1):
    """You subtract the mean. A score far above it still overflows, and one −inf makes the mean −inf
    too. Subtract what leaves no score above 0."""
    with np.errstate(all="ignore"):
        return _quotient(np.exp(scores - scores.mean(axis=axis, keepdims=True)), axis)


def last_axis_whatever_is_asked(scores, axis=-1):
    """You always sum along the last axis. `axis` says which one, in the maximum and in the sum."""
    return softmax(scores, -1)


def one_distribution_over_everything(scores, axis=-1):
    """You sum over the whole array, so that all its weights together make 1. Each slice along
    `axis` has a sum of its own."""
    return softmax(scores.ravel(), 0).reshape(scores.shape)


def sums_without_their_axis(scores, axis=-1):
    """You lose the axis in the sum: broadcasting then divides along another one, which is wrong in
    a square and fails in most other shapes. Keep the axis, with length 1."""
    top = scores.max(axis=axis, keepdims=True)
    weights = np.exp(scores - np.where(np.isneginf(top), 0.0, top))
    total = weights.sum(axis=axis)
    return weights / np.where(total == 0, 1.0, total)


def excluded_slice_is_nan(scores, axis=-1):
    """A slice that is ruled out altogether comes out as NaN: −inf − (−inf), or 0 / 0. It is asked
    for as zeros; one NaN would spread through everything that follows."""
    with np.errstate(invalid="ignore"):
        weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
        return weights / weights.sum(axis=axis, keepdims=True)


def excluded_slice_is_uniform(scores, axis=-1):
    """A slice that is ruled out altogether gets equal weights, as a large negative number in the
    place of −inf gives them. Nothing may be chosen there: zeros."""
    return softmax(np.maximum(scores, -1e9), axis)


def small_number_in_the_denominator(scores, axis=-1):
    """You add a small number to the sum, against 0 / 0, so that no slice sums to 1 any more.
    Treat a sum of 0 apart, and leave the others as they are."""
    top = scores.max(axis=axis, keepdims=True)
    weights = np.exp(scores - np.where(np.isneginf(top), 0.0, top))
    return weights / (weights.sum(axis=axis, keepdims=True) + 1e-9)


def cases(rng):
    scores = np.array([[0.0, 1.0, 2.0], [0.5, 0.5, -1.5]])
    yield Case("two rows, the last axis by default", (scores,))
    yield Case("the same, down the columns", (scores, 0))
    yield Case("a square, axis 1", (rng.normal(size=(3, 3)), 1))
    yield Case("a square, axis 0", (rng.normal(size=(3, 3)), 0))
    yield Case("one axis", (np.array([0.25, -1.0, 2.0, 0.5, 1.0]), 0))
    yield Case("an axis of length 1", (np.array([[-3.0], [2.0], [-np.inf]]), 1))
    out = -np.inf
    excluded = np.array([[out, 0.5, out, 1.0], [out, out, out, out], [2.0, out, 0.0, -0.5]])
    yield Case("scores of −inf, and a row of nothing else", (excluded,))
    columns = np.array([[out, 1.0, out], [out, 0.0, 0.5], [out, out, out], [out, 2.0, -1.0]])
    yield Case("scores of −inf, and a column of nothing else", (columns, 0))
    large = np.array([[1000.0, 1000.5, 999.0], [-1000.5, -1001.0, -1000.0], [0.5, 0.0, -0.25]])
    # Rounding in a logarithm near 1000 is a thousand times that in a number near 1.
    yield Case("rows of ±1000", (large,), condition=10)
    yield Case("columns of ±1000", (large.T, -2), condition=10)
    gaps = np.array([[-3000.0, 0.5, 1.0, -2000.0], [0.25, -900.0, -1.0, -0.5]])
    yield Case("gaps of thousands within a row", (gaps, -1))
    for axis in (0, 1, 2, -1, -2):
        yield Case(f"shape (4, 3, 5), axis {axis}", (2 * rng.normal(size=(4, 3, 5)), axis))
    yield Case("shape (2, 3, 1, 7), axis -3", (rng.normal(size=(2, 3, 1, 7)), -3))


DRILL = Drill(
    reference=softmax,
    cases=cases,
    alternatives=(slice_by_slice, with_logaddexp),
    mistakes=(
        one_maximum_for_all,
        one_maximum_for_all_and_zero_over_zero,
        exponent_overflows,
        mean_subtracted,
        last_axis_whatever_is_asked,
        one_distribution_over_everything,
        sums_without_their_axis,
        excluded_slice_is_nan,
        excluded_slice_is_uniform,
        small_number_in_the_denominator,
    ),
    hints=(
        "exp(s − c) / Σ exp(s − c) is the same for every c. Which c keeps all exponentials finite, "
        "and at least one of them away from 0?",
        "The maximum of each slice, with keepdims=True, so that it broadcasts back. What is that "
        "maximum where all scores are −inf, and what is the sum then?",
        "top = scores.max(axis=axis, keepdims=True), with 0 in the place of −inf; weights = "
        "np.exp(scores − top); divide by their sum along the axis, or by 1 where that is 0.",
    ),
    explanation=(
        "After subtracting the maximum the largest exponential is exp(0) = 1: nothing overflows, "
        "and the sum is at least 1, unless all is ruled out. John Bridle named the function and "
        "brought it to networks (1990, Probabilistic Interpretation of Feedforward Classification "
        "Network Outputs). Asked next: if the maximum cancels, why not any large number, and does "
        "the gradient have to pass through it? A number far above the slice's maximum makes every "
        "exponential 0; and since the result does not depend on what is subtracted, its gradient "
        "with respect to that is 0, so it may be treated as a constant."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 1",
)
