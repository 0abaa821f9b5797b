import numpy as np

from helpers.drills.spec import Case, Drill


def roc_points(y_true: np.ndarray, scores: np.ndarray) -> tuple:
    """Compute the points of the ROC curve: what share of the negatives, and of the positives, is
    called positive at each threshold.

    `y_true` holds 0 and 1, shape (n,); `scores` finite numbers, shape (n,). An example is called
    positive when its score is at least the threshold. Return (fpr, tpr, thresholds): thresholds are
    infinity, then every different score from high to low; fpr is the share of the negatives called
    positive, tpr that of the positives. So the curve starts in (0, 0) and ends in (1, 1).
    Points on a straight line between their neighbours may all be left out, as on a drawing; what
    scikit-learn returns by default, which leaves some of them out, is right too. With one class
    only raise ValueError.
    """
    order = np.argsort(-scores, kind="stable")
    sorted_scores, is_positive = scores[order], y_true[order] == 1
    if is_positive.all() or not is_positive.any():
        raise ValueError("a ROC curve needs both classes")
    last_of_tie = np.append(np.diff(sorted_scores) != 0, True)  # a tie is passed in one step
    hits = np.append(0, np.cumsum(is_positive)[last_of_tie])
    alarms = np.append(0, np.cumsum(~is_positive)[last_of_tie])
    thresholds = np.append(np.inf, sorted_scores[last_of_tie])
    return alarms / alarms[-1], hits / hits[-1], thresholds


def corners_only(y_true, scores):
    """The same without points on a straight line, as scikit-learn draws it."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(y_true[order] == 1)[last_of_tie]
    alarms = np.cumsum(y_true[order] == 0)[last_of_tie]
    if hits[-1] == 0 or alarms[-1] == 0:
        raise ValueError("one class only")
    turns = np.logical_or(np.diff(hits, 2), np.diff(alarms, 2)) if len(hits) > 2 else []
    keep = np.concatenate([[True], turns, [True]])[: len(hits)].astype(bool)
    hits, alarms = np.append(0, hits[keep]), np.append(0, alarms[keep])
    thresholds = np.append(np.inf, scores[order][last_of_tie][keep])
    return alarms / alarms[-1], hits / hits[-1], thresholds


def all_corners_only(y_true, scores):
    """The same without any point on a straight line."""
    fpr, tpr, thresholds = roc_points(y_true, scores)
    alarms = np.rint(fpr * np.sum(y_true == 0)).astype(int)  # whole numbers: exact comparisons
    hits = np.rint(tpr * np.sum(y_true == 1)).astype(int)
    along, up = np.diff(alarms), np.diff(hits)
    keep = np.ones(len(hits), bool)
    keep[1:-1] = along[:-1] * up[1:] != along[1:] * up[:-1]
    return fpr[keep], tpr[keep], thresholds[keep]


def threshold_by_threshold(y_true, scores):
    positive, negative = scores[y_true == 1], scores[y_true == 0]
    if not len(positive) or not len(negative):
        raise ValueError("one class only")
    thresholds = [np.inf, *sorted(set(scores.tolist()), reverse=True)]
    fpr = [np.mean(negative >= threshold) for threshold in thresholds]
    tpr = [np.mean(positive >= threshold) for threshold in thresholds]
    return fpr, tpr, thresholds


def by_searching(y_true, scores):
    positive, negative = np.sort(scores[y_true == 1]), np.sort(scores[y_true == 0])
    if min(len(positive), len(negative)) == 0:
        raise ValueError("one class only")
    thresholds = np.append(np.inf, np.unique(scores)[::-1])
    tpr = 1 - np.searchsorted(positive, thresholds) / len(positive)
    return 1 - np.searchsorted(negative, thresholds) / len(negative), tpr, thresholds


def a_point_for_every_example(y_true, scores):
    """Your curve has a point for every example, also inside a group of tied scores. No threshold
    can split a tie: pass the whole group in one step, or the area depends on the order of the
    file."""
    if len(set(y_true)) < 2:
        raise ValueError
    order = np.argsort(-scores, kind="stable")
    tpr = np.append(0, np.cumsum(y_true[order] == 1)) / np.sum(y_true == 1)
    fpr = np.append(0, np.cumsum(y_true[order] == 0)) / np.sum(y_true == 0)
    return fpr, tpr, np.append(np.inf, scores[order])


def first_point_missing(y_true, scores):
    """Your curve does not start in (0, 0): add the threshold infinity, at which nothing is called
    positive. Without it the area is too small."""
    fpr, tpr, thresholds = roc_points(y_true, scores)
    return fpr[1:], tpr[1:], thresholds[1:]


def first_threshold_is_the_maximum_plus_one(y_true, scores):
    """Your first threshold is the largest score plus one. Old versions of scikit-learn did so; the
    statement, and newer ones, say infinity, which no score can reach."""
    fpr, tpr, thresholds = roc_points(y_true, scores)
    return fpr, tpr, np.append(scores.max() + 1, thresholds[1:])


def from_low_to_high(y_true, scores):
    """Your thresholds run from low to high, so the curve runs from (1, 1) to (0, 0) and its area
    comes out negative. Sort from high to low."""
    fpr, tpr, thresholds = roc_points(y_true, scores)
    return fpr[::-1], tpr[::-1], thresholds[::-1]


def axes_exchanged(y_true, scores):
    """You return (tpr, fpr): the false positive rate comes first, it is the horizontal axis."""
    fpr, tpr, thresholds = roc_points(y_true, scores)
    return tpr, fpr, thresholds


def threshold_itself_excluded(y_true, scores):
    """You call an example positive when its score is *above* the threshold. At least the threshold
    is meant: `>=`, so that the lowest threshold reaches (1, 1)."""
    if len(set(y_true)) < 2:
        raise ValueError
    _, _, thresholds = roc_points(y_true, scores)
    above = scores[:, None] > thresholds
    return above[y_true == 0].mean(axis=0), above[y_true == 1].mean(axis=0), thresholds


def divided_by_all_examples(y_true, scores):
    """You divide by the number of all examples. A rate is a share of its own class: divide the hits
    by the positives, the false alarms by the negatives."""
    fpr, tpr, thresholds = roc_points(y_true, scores)
    return fpr * np.mean(y_true == 0), tpr * np.mean(y_true == 1), thresholds


def precision_for_the_false_positive_rate(y_true, scores):
    """Your first array is a share of the *predicted* positives. The false positive rate is a share
    of the *negatives*, whatever was predicted."""
    fpr, tpr, thresholds = roc_points(y_true, scores)
    alarms, hits = fpr * np.sum(y_true == 0), tpr * np.sum(y_true == 1)
    return alarms / np.maximum(alarms + hits, 1), tpr, thresholds


def one_class_gives_nan(y_true, scores):
    """With one class only you divide by zero and return NaN. Raise ValueError: there is no
    curve."""
    if len(set(y_true)) == 2:
        return roc_points(y_true, scores)
    thresholds = np.append(np.inf, np.unique(scores)[::-1])
    above = (scores[:, None] >= thresholds).mean(axis=0)
    empty = np.full(len(thresholds), np.nan)
    return (empty, above, thresholds) if y_true[0] else (above, empty, thresholds)


def cases(rng):
    yield Case("four examples", (np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])))
    yield Case(
        "ties across the classes", (np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.75, 0.25]))
    )
    yield Case(
        "a positive at the bottom", (np.array([0, 1, 0, 0, 1]), np.array([4.0, -1, 2, 3, 7]))
    )
    yield Case("all scores equal", (np.array([0, 1, 1]), np.full(3, 0.7)))
    y_true, scores = np.array([0, 1, 0, 1, 0, 1]), np.array([3.0, 3, 1, 1, 1, 1])
    yield Case("one slope of unequal steps", (y_true, scores))
    yield Case("a perfect ranking", (np.array([0, 0, 1, 1, 1]), np.array([1.0, 2, 3, 4, 5])))
    yield Case("no negative example", (np.ones(3, int), np.array([0.25, 0.75, 0.5])))
    yield Case("no positive example", (np.zeros(3, int), np.array([0.25, 0.75, 0.75])))
    near = np.array([0, 1, 0, 1]), np.array([0.5, 0.5 - 1e-9, 0.25 + 1e-9, 0.25])
    yield Case("scores that nearly tie", near)
    for n in (7, 31, 57):
        y_true = rng.permutation(np.arange(n) % 3 == 0).astype(int)
        yield Case(f"{n} random examples with ties", (y_true, (rng.integers(0, 9, n) + y_true) / 8))


DRILL = Drill(
    reference=roc_points,
    cases=cases,
    alternatives=(threshold_by_threshold, by_searching),
    conventions=(corners_only, all_corners_only),
    mistakes=(
        a_point_for_every_example,
        first_point_missing,
        first_threshold_is_the_maximum_plus_one,
        from_low_to_high,
        axes_exchanged,
        threshold_itself_excluded,
        divided_by_all_examples,
        precision_for_the_false_positive_rate,
        one_class_gives_nan,
    ),
    hints=(
        "Sort by score, from high to low, and lower the threshold past one example after the "
        "other.",
        "Running counts of positives and of negatives give hits and false alarms. Which positions "
        "in the sorted order are real thresholds, when scores are tied?",
        "Keep the positions where the next score differs, and the last; put (0, 0) with threshold "
        "infinity in front; divide each count by its last value.",
    ),
    explanation=(
        "Lowering the threshold past a positive is a step up, past a negative a step to the right; "
        "the cumulative sums are these steps. A group of ties is passed at once, so its step is "
        "slanted (Fawcett, 2006). Asked next: what does the curve look like for a random score, "
        "and why does it not depend on the share of positives?"
    ),
    difficulty=2,
    taught_in="02_evaluation_metrics, section 3",
)
