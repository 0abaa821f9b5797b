import numpy as np

from helpers.drills.spec import Case, Drill


def roc_auc(y_true: np.ndarray, scores: np.ndarray) -> float:
    """Compute the area under the ROC curve, AUC: the chance that a random positive example has a
    higher score than a random negative one, where a tie counts one half.

    `y_true` holds 0 and 1, shape (n,); `scores` any finite numbers, shape (n,), higher meaning
    "more likely positive". Return one float. With one class only the AUC is undefined: raise
    ValueError. The time must grow like n log n: 200,000 examples have two seconds.
    """
    y_true, scores = np.asarray(y_true), np.asarray(scores)
    positives = np.sum(y_true == 1)
    negatives = len(y_true) - positives
    if positives == 0 or negatives == 0:
        raise ValueError("AUC needs both classes")
    _, group, size = np.unique(scores, return_inverse=True, return_counts=True)
    rank = np.cumsum(size) - (size - 1) / 2  # the mean of the ranks that a group of ties shares
    rank_sum = rank[group][y_true == 1].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def by_searching(y_true, scores):
    y_true, scores = np.asarray(y_true), np.asarray(scores)
    positive, negative = scores[y_true == 1], np.sort(scores[y_true == 0])
    if not len(positive) or not len(negative):
        raise ValueError("one class only")
    below = np.searchsorted(negative, positive, side="left")
    up_to = np.searchsorted(negative, positive, side="right")
    return (below + up_to).sum() / 2 / (len(positive) * len(negative))


def by_trapezoids(y_true, scores):
    y_true, scores = np.asarray(y_true), np.asarray(scores)
    order = np.argsort(scores)[::-1]
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.concatenate([[0], np.cumsum(y_true[order] == 1)[last_of_tie]])
    alarms = np.concatenate([[0], np.cumsum(y_true[order] == 0)[last_of_tie]])
    if hits[-1] == 0 or alarms[-1] == 0:
        raise ValueError("one class only")
    area = np.sum(np.diff(alarms) * (hits[1:] + hits[:-1]) / 2)
    return area / (hits[-1] * alarms[-1])


def ties_ordered_by_position(y_true, scores):
    """Your AUC orders tied scores by their position in the array. Average their ranks, or move
    along the curve once for a whole group of ties."""
    if len(set(y_true)) < 2:
        raise ValueError
    rank = np.empty(len(scores))
    rank[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1)
    positives = np.sum(y_true)
    negatives = len(y_true) - positives
    return (rank[y_true == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives)


def ties_count_nothing(y_true, scores):
    """A positive and a negative with the same score count 0 in your AUC: they count one half.
    `>` alone forgets them."""
    if len(set(y_true)) < 2:
        raise ValueError
    negative = np.sort(scores[y_true == 0])
    return np.searchsorted(negative, scores[y_true == 1], side="left").mean() / len(negative)


def ties_count_as_wins(y_true, scores):
    """A positive and a negative with the same score count 1 in your AUC: they count one half.
    `>=` takes them all as won."""
    if len(set(y_true)) < 2:
        raise ValueError
    negative = np.sort(scores[y_true == 0])
    return np.searchsorted(negative, scores[y_true == 1], side="right").mean() / len(negative)


def classes_exchanged(y_true, scores):
    """You compute the chance that a *negative* outranks a positive: 1 minus the AUC. Exchange the
    classes, or sort the other way."""
    return roc_auc(1 - y_true, scores)


def folded_at_one_half(y_true, scores):
    """You return the larger of AUC and 1 − AUC. An AUC below one half is a finding: the scores rank
    the wrong way round, or the labels are flipped. Do not hide it."""
    return max(roc_auc(y_true, scores), 1 - roc_auc(y_true, scores))


def ranks_from_zero(y_true, scores):
    """Your ranks start at 0, while P(P + 1) / 2 is the sum of ranks that start at 1: the result is
    too small by 1 / N."""
    return roc_auc(y_true, scores) - 1 / np.sum(y_true == 0)


def scores_made_labels(y_true, scores):
    """You cut the scores at 0.5 before ranking them. The AUC of hard labels sees one corner of the
    curve only: rank the scores themselves."""
    return roc_auc(y_true, (scores >= 0.5).astype(int))


def one_class_is_zero(y_true, scores):
    """With one class only you return a number. There is no pair to compare, so no number is right:
    raise ValueError."""
    return 0.0 if len(set(y_true)) < 2 else roc_auc(y_true, scores)


def one_class_is_one_half(y_true, scores):
    """With one class only you return 0.5, as if the scores had been tested and found useless. There
    is no pair to compare: raise ValueError."""
    return 0.5 if len(set(y_true)) < 2 else roc_auc(y_true, scores)


def one_class_is_nan(y_true, scores):
    """With one class only you divide zero by zero and return NaN, which then travels through every
    mean that it meets. Raise ValueError."""
    return float("nan") if len(set(y_true)) < 2 else roc_auc(y_true, scores)


def every_pair_compared(y_true, scores):
    """Right on small inputs, but you compare every positive with every negative: time and memory
    grow like the square of n. Sort once instead: ranks give the same number in n log n."""
    if len(set(y_true)) < 2:
        raise ValueError
    gap = scores[y_true == 1][:, None] - scores[y_true == 0][None, :]
    return np.mean((gap > 0) + 0.5 * (gap == 0))


def cases(rng):
    yield Case("four examples", (np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])))
    yield Case(
        "ties across the classes", (np.array([1, 0, 1, 0, 0]), np.array([3, 3, 5, 3, 1]) / 8)
    )
    yield Case("a positive after its tie", (np.array([0, 1, 0, 1]), np.array([0.7, 0.7, 0.3, 0.7])))
    y_true, scores = np.array([0, 1, 1, 0, 0]), np.array([-7.0, 3, -2, 5, -4])
    yield Case("a negative on top, and scores that are no probabilities", (y_true, scores))
    y_true, scores = np.array([1, 0, 1, 0, 0]), np.array([0.3, 0.9, 0.1, 0.2, 0.8])
    yield Case("a ranking worse than chance", (y_true, scores))
    yield Case("all scores equal", (np.array([0, 1, 1, 0, 1]), np.full(5, 0.7)))
    yield Case("no negative example", (np.ones(3, int), np.array([0.2, 0.9, 0.4])))
    yield Case("no positive example", (np.zeros(4, int), np.array([0.2, 0.9, 0.4, 0.4])))
    for n in (7, 31, 57):
        y_true = rng.permutation(np.arange(n) % 3 == 0).astype(int)
        yield Case(
            f"{n} random examples with ties", (y_true, rng.integers(0, 8, n) / 7 + 2 / 7 * y_true)
        )
    n = 200_000
    y_true = rng.integers(0, 2, n)
    scores = np.round(rng.normal(size=n) + y_true, 4) + 1e-5
    yield Case("200,000 examples", (y_true, scores), seconds=2)


DRILL = Drill(
    reference=roc_auc,
    cases=cases,
    alternatives=(by_searching, by_trapezoids),
    mistakes=(
        ties_ordered_by_position,
        ties_count_nothing,
        ties_count_as_wins,
        classes_exchanged,
        folded_at_one_half,
        ranks_from_zero,
        scores_made_labels,
        one_class_is_zero,
        one_class_is_one_half,
        one_class_is_nan,
        every_pair_compared,
    ),
    hints=(
        "Count won pairs: for each positive, how many negatives score lower? How much is a tie?",
        "Sort all scores once. The rank of a positive says how many examples it outranks, "
        "positives included.",
        "Give tied scores the mean of their ranks (`np.unique` with `return_inverse` and "
        "`return_counts`). AUC = (sum of the positives' ranks − P(P + 1) / 2) / (P · N).",
    ),
    explanation=(
        "A positive's rank counts the examples at or below it. Summed over the positives, that is "
        "the number of won pairs plus the pairs of positives among themselves, P(P + 1) / 2 of "
        "them. What remains, over all P · N pairs, is the AUC: the Mann-Whitney U statistic, "
        "scaled (Hanley and McNeil, 1982). Mean ranks give a tie its half."
    ),
    difficulty=2,
    taught_in="02_evaluation_metrics, section 3",
)
