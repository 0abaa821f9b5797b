import numpy as np

from helpers.drills.spec import Case, Drill


def average_precision(y_true: np.ndarray, scores: np.ndarray) -> float:
    """Compute the average precision, AP: the area under the precision-recall curve as a sum of
    steps, which measures a ranking where positives are rare.

    `y_true` holds 0 and 1, shape (n,), n ≥ 1; `scores` any finite numbers, shape (n,), higher
    meaning "more likely positive". Take each distinct score, in descending order, as threshold:
    an example is chosen when its score ≥ the threshold, so tied examples are chosen together. With
    P_i the precision and R_i the recall at threshold i, and R_0 = 0 before the first, return the
    float AP = Σ (R_i − R_(i−1)) · P_i. Without any positive example, return 0.0.
    """
    order = np.argsort(-scores)
    last_of_tie = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(y_true[order])[last_of_tie]
    if hits[-1] == 0:
        return 0.0
    precision = hits / (last_of_tie + 1)  # hits among the examples chosen so far
    gain = np.diff(hits, prepend=0) / hits[-1]
    return float(np.sum(gain * precision))


def threshold_by_threshold(y_true, scores):
    area, found = 0.0, 0
    for threshold in np.unique(scores)[::-1]:
        chosen = y_true[scores >= threshold]
        area += (sum(chosen) - found) * sum(chosen) / len(chosen)
        found = sum(chosen)
    return area / found if found else 0


def precision_at_each_positive(y_true, scores):
    positive, everything = np.sort(scores[y_true == 1]), np.sort(scores)
    if len(positive) == 0:
        return 0.0
    hits = len(positive) - np.searchsorted(positive, positive)
    chosen = len(scores) - np.searchsorted(everything, positive)
    return np.mean(hits / chosen)


def _curve(y_true, scores):
    """Precision and recall at each threshold, or None without positives."""
    thresholds = np.unique(scores)[::-1]
    chosen = scores >= thresholds[:, None]  # (thresholds, n)
    hits = chosen[:, y_true == 1].sum(axis=1)
    return (hits / chosen.sum(axis=1), hits / hits[-1]) if hits[-1] else None


def trapezoids_for_steps(y_true, scores):
    """You join the points by straight lines (trapezoids). Precision does not move in a straight
    line between two thresholds, and the area comes out wrong: take each step of recall times the
    precision at its end."""
    if not (curve := _curve(y_true, scores)):
        return 0.0
    precision, recall = np.append(1, curve[0]), np.append(0, curve[1])
    return np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2)


def ties_ordered_by_position(y_true, scores):
    """You take tied examples one by one, in the order of the array, so another order of the same
    data gives another result. Let a whole group of ties in at once."""
    ranked = y_true[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return np.sum(precision * ranked) / max(np.sum(ranked), 1)


def ties_in_reverse_order(y_true, scores):
    """You turn an ascending sort round, and take tied examples one by one, the last of the array
    first. Let a whole group of ties in at once."""
    return ties_ordered_by_position(y_true[::-1], scores[::-1])


def positives_first_in_a_tie(y_true, scores):
    """Sorting pairs (score, label) puts the positives of a tie first: the most flattering order
    there is. Let a whole group of ties in at once."""
    order = np.lexsort((-y_true, -scores))
    return ties_ordered_by_position(y_true[order], scores[order])


def precision_interpolated(y_true, scores):
    """You replace each precision by the highest one at that recall or beyond, as object detection
    does (Pascal VOC from 2010). Take the precision as it is: the interpolated one is too kind."""
    if not (curve := _curve(y_true, scores)):
        return 0.0
    precision = np.maximum.accumulate(curve[0][::-1])[::-1]
    return np.sum(np.diff(curve[1], prepend=0) * precision)


def eleven_points(y_true, scores):
    """You average the interpolated precision at the recalls 0, 0.1, ..., 1, as Pascal VOC did in
    2007. Sum over the thresholds themselves, each weighted by its step of recall."""
    if not (curve := _curve(y_true, scores)):
        return 0.0
    precision, recall = curve
    return np.mean([precision[recall >= level].max() for level in np.arange(11) / 10])


def recall_steps_left_out(y_true, scores):
    """You average the precision over all thresholds. A threshold counts by the recall that it adds,
    and one at which no positive is found counts nothing: weight by R_i − R_(i−1)."""
    curve = _curve(y_true, scores)
    return np.mean(curve[0]) if curve else 0.0


def recall_for_its_steps(y_true, scores):
    """You weight each precision by the recall itself. Weight it by the step, the recall that this
    threshold adds to the one before: the steps add up to 1."""
    curve = _curve(y_true, scores)
    return np.sum(curve[0] * curve[1]) if curve else 0.0


def precision_before_the_step(y_true, scores):
    """You multiply each step of recall by the precision before it, starting with 1. Take the
    precision at the threshold that makes the step."""
    if not (curve := _curve(y_true, scores)):
        return 0.0
    return np.sum(np.diff(curve[1], prepend=0) * np.append(1, curve[0][:-1]))


def first_step_left_out(y_true, scores):
    """Your sum begins at the second threshold, so the recall that the first one gains is lost.
    Recall is 0 before the first threshold: start there."""
    if not (curve := _curve(y_true, scores)):
        return 0.0
    return np.sum(np.diff(curve[1]) * curve[0][1:])


def classes_exchanged(y_true, scores):
    """You take class 0 for the positive one. AP looks at the positives only, so the other class
    gives another number: the positives are the examples with `y_true` 1."""
    return average_precision(1 - y_true, scores)


def lowest_score_first(y_true, scores):
    """You begin with the lowest score, so your ranking is upside down. The highest score is the
    most likely positive: sort in descending order."""
    return average_precision(y_true, -scores)


def divided_by_all_examples(y_true, scores):
    """You divide by the number of all examples. Recall is a share of the positives: a perfect
    ranking must get 1, however rare the positives are."""
    return average_precision(y_true, scores) * np.mean(y_true)


def area_under_roc(y_true, scores):
    """You compute the area under the ROC curve. AP weights by steps of recall, and multiplies by
    precision, the share of positives among the chosen."""
    wins = scores[y_true == 1][:, None] - scores[y_true == 0]
    return np.mean((wins > 0) + (wins == 0) / 2) if wins.size else 0.0


def scores_made_labels(y_true, scores):
    """You cut the scores at 0.5 first, which leaves two thresholds of the whole curve. Rank the
    scores themselves."""
    return average_precision(y_true, (scores >= 0.5).astype(float))


def no_positive_is_nan(y_true, scores):
    """Without any positive example you divide zero by zero and return NaN. Return 0.0, as asked."""
    return average_precision(y_true, scores) if np.any(y_true) else np.nan


def cases(rng):
    yield Case("four examples", (np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])))
    yield Case(
        "ties across the classes", (np.array([1, 0, 1, 0, 0, 1]), np.array([3, 3, 5, 3, 1, 6]) / 8)
    )
    yield Case(
        "scores that are no probabilities", (np.array([0, 1, 1, 0]), np.array([-7.0, 3, -2, 1]))
    )
    yield Case("all scores equal", (np.array([0, 1, 1, 0, 1]), np.full(5, 0.7)))
    yield Case("a perfect ranking", (np.array([0, 0, 1, 0, 1]), np.array([2, 1, 5, 3, 4]) / 7))
    yield Case("a negative on top", (np.array([1, 0, 0, 1]), np.array([0.6, 0.9, 0.1, 0.2])))
    yield Case("no negative example", (np.ones(3, int), np.array([0.2, 0.9, 0.4])))
    yield Case("no positive example", (np.zeros(4, int), np.array([0.2, 0.9, 0.4, 0.4])))
    near = np.array([0, 1, 0, 1]), np.array([0.5, 0.5 - 1e-9, 0.25 + 1e-9, 0.25])
    yield Case("scores that nearly tie", near)
    for n in (7, 31, 57):
        y_true = rng.permutation(np.arange(n) % 3 == 0).astype(int)
        scores = (rng.integers(0, 9, n) + 3 * y_true) / 13
        yield Case(f"{n} random examples with ties", (y_true, scores))
    y_true = rng.permutation(np.arange(37) % 7 == 0).astype(int)
    yield Case("37 random examples, few positive", (y_true, rng.normal(size=37) + y_true))


DRILL = Drill(
    reference=average_precision,
    cases=cases,
    alternatives=(threshold_by_threshold, precision_at_each_positive),
    mistakes=(
        trapezoids_for_steps,
        ties_ordered_by_position,
        ties_in_reverse_order,
        positives_first_in_a_tie,
        precision_interpolated,
        eleven_points,
        recall_steps_left_out,
        recall_for_its_steps,
        precision_before_the_step,
        first_step_left_out,
        classes_exchanged,
        lowest_score_first,
        divided_by_all_examples,
        area_under_roc,
        scores_made_labels,
        no_positive_is_nan,
    ),
    hints=(
        "Go down the ranking. At which thresholds does recall rise, and what is the precision "
        "there?",
        "Sort the examples by score, highest first. The running sum of the positives, divided by "
        "how many examples are chosen, is the precision.",
        "Keep the running sum only where the next score is another one. Its differences (from 0 "
        "on), divided by the number of positives, are the steps of recall: multiply them by the "
        "precisions and add up.",
    ),
    explanation=(
        "Each positive adds a step of 1 / P to recall, so without ties AP is the mean precision "
        "at the ranks of the positives, as in information retrieval. Straight lines between the "
        "points of the curve promise precision that no threshold reaches (Davis and Goadrich, "
        "2006). A random ranking gets about the share of positives, not one half. Asked next: why "
        "does AP fall when negatives are added, and AUC stay?"
    ),
    difficulty=2,
    taught_in="02_evaluation_metrics, section 3",
)
