import math

import numpy as np

from helpers.drills.spec import Case, Drill


def masked_attention_weights(scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Turn scores of attention into weights where some keys are hidden, as padding is.

    `scores`, finite floats, has shape (batch, queries, keys). `mask`, booleans of the same shape,
    is True where the query may look at the key. The weights of a query are the softmax of its
    scores over the keys that it may look at. All other weights are exactly 0, whatever the hidden
    scores are. So each row sums to 1; only a row without a visible key is all zeros. Scores may be
    ±1000 or more, and must not overflow; a hidden score may lie thousands above the visible ones.
    Return an array of the shape of `scores`. Do not change the arguments.
    """
    visible = np.where(mask, scores, -np.inf)
    top = visible.max(axis=2, keepdims=True)
    top = np.where(np.isneginf(top), 0.0, top)  # −inf − (−inf) would be NaN
    weights = np.exp(visible - top)
    total = weights.sum(axis=2, keepdims=True)
    return weights / np.where(total == 0, 1.0, total)


def row_by_row(scores, mask):
    weights = np.zeros(scores.shape)
    for place in np.ndindex(scores.shape[:2]):
        seen = np.flatnonzero(mask[place])
        if len(seen):
            top = max(scores[place][seen].tolist())
            each = [math.exp(score - top) for score in scores[place][seen].tolist()]
            weights[place][seen] = np.array(each) / math.fsum(each)
    return weights


def with_logaddexp(scores, mask):
    visible = np.where(mask, scores, -np.inf)
    logarithm = np.logaddexp.reduce(visible, axis=2, keepdims=True)  # of the sum
    return np.exp(visible - np.maximum(logarithm, np.finfo(float).min))  # −inf, made finite


def _softmax(scores):
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    return weights / weights.sum(axis=2, keepdims=True)


def as_given(scores, mask):
    """This is the code as given, or its bug is still in it: add up the weights of a query that has
    hidden keys. And raise the score of a hidden key: the visible weights move, though nobody may
    look at it."""
    # The softmax, with the maximum subtracted.
    top = scores.max(axis=2, keepdims=True)
    weights = np.exp(scores - top)
    weights = weights / weights.sum(axis=2, keepdims=True)
    # Hidden keys get no weight.
    return weights * mask


def renormalised_after_the_softmax(scores, mask):
    """Each row is divided by what is left of it, which is right as long as something is left. Where
    a hidden score lies far above the visible ones, their weights are 0 before you divide. Hide
    before the maximum is taken."""
    weights = _softmax(scores) * mask
    total = weights.sum(axis=2, keepdims=True)
    return weights / np.where(total == 0, 1.0, total)


def renormalised_to_zero_over_zero(scores, mask):
    """Each row is divided by what is left of it. Where nothing is left, that is 0 / 0: in a row
    without a visible key, and where a hidden score lies so far above the visible ones that they
    have vanished before you divide."""
    weights = _softmax(scores) * mask
    with np.errstate(invalid="ignore"):
        return weights / weights.sum(axis=2, keepdims=True)


def renormalised_with_a_small_number(scores, mask):
    """Each row is divided by what is left of it and a small number, so that none sums to 1 any
    more, and where hidden scores are high it is far from it. Hide before the softmax instead."""
    weights = _softmax(scores) * mask
    return weights / (weights.sum(axis=2, keepdims=True) + 1e-9)


def renormalised_over_the_queries(scores, mask):
    """You divide what is left by its sum over the queries: columns sum to 1 now. And the hidden
    scores still count in the first softmax: hide before it."""
    weights = _softmax(scores) * mask
    total = weights.sum(axis=1, keepdims=True)
    return weights / np.where(total == 0, 1.0, total)


def hidden_scores_are_zero(scores, mask):
    """You multiply the scores by the mask, before the softmax. That is the right place and the
    wrong number: a score of 0 has the exponential 1, and hidden keys have weight again."""
    return _softmax(scores * mask)


def hidden_scores_are_zero_and_weights_too(scores, mask):
    """You multiply by the mask before the softmax and after it. A hidden score of 0 still has its
    share of the sum, exp(0) = 1. Which score has none?"""
    return _softmax(scores * mask) * mask


def nothing_to_see_gives_nan(scores, mask):
    """Rows with a visible key are right now. One without is NaN: all its scores are −inf, and −inf
    − (−inf) is no number. Zeros are asked for there."""
    with np.errstate(invalid="ignore"):
        return _softmax(np.where(mask, scores, -np.inf))


def nothing_to_see_is_uniform(scores, mask):
    """Rows with a visible key are right now. In one without, all scores are the same large negative
    number, and the weights are equal. Zeros are asked for there."""
    return _softmax(np.where(mask, scores, -1e9))


def mask_turned_round(scores, mask):
    """You hide before the softmax, but the wrong keys: here True means "may look"."""
    return masked_attention_weights(scores, ~mask)


def cases(rng):
    scores = np.array([[[0.0, 1.0, 2.0], [1.0, 1.0, -1.0]]])
    mask = np.array([[[True, True, False], [True, True, True]]])
    yield Case("two queries, one hidden key", (scores, mask))
    mask = np.array([[[False, False, False], [False, True, True]]])
    yield Case("a query that may look at nothing", (scores, mask))
    yield Case("all visible", (scores, np.ones((1, 2, 3), bool)))
    yield Case("nothing visible", (scores, np.zeros((1, 2, 3), bool)))
    for shape in [(2, 3, 5), (3, 4, 4), (1, 6, 3), (4, 1, 7)]:
        mask = rng.random(shape) < 0.6
        note = f"{shape[0]} × {shape[1]} random queries, {shape[2]} keys"
        yield Case(note, (2 * rng.normal(size=shape), mask))
    out = [False, True, True]
    large = np.array(
        [[[2000.0, 0.5, 1.0], [1000.0, 1000.5, 999.0]], [[0.0, -1000, -1001], [5, 3, 4]]]
    )
    note = "hidden scores a thousand above the visible ones"
    # Rounding in a logarithm near 1000 is a thousand times that in a number near 1.
    yield Case(note, (large, np.array([[out, out], [out, [False] * 3]])), condition=10)
    yield Case("scores of ±1000, all visible", (large, np.ones((2, 2, 3), bool)), condition=10)


DRILL = Drill(
    reference=masked_attention_weights,
    cases=cases,
    given=as_given,
    alternatives=(row_by_row, with_logaddexp),
    mistakes=(
        as_given,
        renormalised_after_the_softmax,
        renormalised_to_zero_over_zero,
        renormalised_with_a_small_number,
        renormalised_over_the_queries,
        hidden_scores_are_zero,
        hidden_scores_are_zero_and_weights_too,
        nothing_to_see_gives_nan,
        nothing_to_see_is_uniform,
        mask_turned_round,
    ),
    hints=(
        "Run it on one row of equal scores, half of them hidden. What do the weights sum to, and "
        "who has the rest?",
        "The hidden scores take part in the sum that the softmax divides by. They have to be out "
        "before it, maximum and all: which score has the exponential 0? And what then becomes of a "
        "row that has no other scores?",
        "np.where(mask, scores, -np.inf) first; subtract each row's maximum, or 0 where that is "
        "−inf; exp; divide by the row's sum, or by 1 where that is 0.",
    ),
    explanation=(
        "A softmax is a division by a sum over all keys: what is to be out must be out of the sum, "
        "so the mask belongs before it (as in Vaswani and others, 2017, Attention Is All You Need, "
        "section 3.2.3). Multiplied afterwards, texts of a padded batch get smaller outputs the "
        "more padding they have, and a model learns that. Asked next: −inf or −1e9? −1e9 gives no "
        "NaN, but hides only what it is far below, turns a row without visible keys into a "
        "mean over hidden ones, and is −inf in float16, whose largest number is 65,504."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 1",
)
