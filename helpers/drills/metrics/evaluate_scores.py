import numpy as np

from helpers.drills.spec import Case, Drill


def evaluate_scores(y_true: np.ndarray, scores: np.ndarray, threshold: float) -> dict:
    """Report the five numbers by which a classifier is usually judged.

    `y_true` holds 0 and 1, shape (n,); both occur. `scores`, (n,), are finite numbers, higher
    meaning "more likely positive". An example is *called* positive where its score is at least
    `threshold`, which need not be 0.5, and negative elsewhere. Return a dict of five numbers:

    "accuracy": the share of examples that are called what they are; "precision": the share of
    positive ones among those called positive, 0 where none is; "recall": the share of those called
    positive among the positive ones; "f1": the harmonic mean of precision P and recall R, 2PR / (P
    + R), 0 where both are 0; "auc": the chance that a random positive example has a higher score
    than a random negative one, where a tie of their scores counts one half.
    """
    positive = y_true == 1
    called = scores >= threshold
    hits = np.sum(called & positive)
    precision = hits / max(called.sum(), 1)  # none called, no hits: 0 / 1
    recall = hits / positive.sum()
    gap = scores[positive][:, None] - scores[~positive]  # every positive against every negative
    return {
        "accuracy": np.mean(called == positive),
        "precision": precision,
        "recall": recall,
        "f1": 2 * hits / (called.sum() + positive.sum()),  # equals 2PR / (P + R)
        "auc": np.mean(gap > 0) + np.mean(gap == 0) / 2,
    }


def from_the_four_counts(y_true, scores, threshold):
    tp = fp = fn = tn = 0
    for truth, score in zip(y_true.tolist(), scores.tolist(), strict=True):
        if score >= threshold:
            tp, fp = tp + truth, fp + 1 - truth
        else:
            fn, tn = fn + truth, tn + 1 - truth
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn)
    won = 0.0
    for score in scores[y_true == 1]:
        for other in scores[y_true == 0]:
            won += 1.0 if score > other else 0.5 if score == other else 0.0
    return {
        "accuracy": (tp + tn) / len(y_true),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if tp else 0.0,
        "auc": won / ((tp + fn) * (fp + tn)),
    }


def with_ranks(y_true, scores, threshold):
    called = (scores >= threshold).astype(int)
    counts = np.bincount(2 * y_true + called, minlength=4)
    (tn, fp), (fn, tp) = counts.reshape(2, 2)
    _, group, size = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[group]  # a group of ties shares its mean rank
    positives, negatives = tp + fn, tn + fp
    below = rank[y_true == 1].sum() - positives * (positives + 1) / 2
    precision = tp / (tp + fp) if tp + fp else 0
    return {
        "accuracy": (tp + tn) / counts.sum(),
        "precision": precision,
        "recall": tp / positives,
        "f1": tp / (tp + (fp + fn) / 2),
        "auc": below / (positives * negatives),
    }


def as_given(y_true, scores, threshold):
    """This is the code as given, or both its bugs are still in it: with an accuracy of 0.95, a
    precision of 0.1 and a recall of 0.5 it reports an F1 of 0.66. And move the threshold: the AUC
    moves with it."""
    # All metrics get the same predictions.
    predictions = (scores >= threshold).astype(int)

    hits = np.sum((predictions == 1) & (y_true == 1))
    accuracy = np.mean(predictions == y_true)
    precision = hits / max(predictions.sum(), 1)
    recall = hits / y_true.sum()
    total = accuracy + recall
    f1 = 2 * accuracy * recall / total if total else 0.0

    gap = predictions[y_true == 1][:, None] - predictions[y_true == 0]
    auc = np.mean((gap > 0) + 0.5 * (gap == 0))
    return {
        "accuracy": accuracy,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "auc": auc,
    }


def _changed(y_true, scores, threshold, **others):
    return evaluate_scores(y_true, scores, threshold) | others


def _harmonic(a, b):
    return 2 * a * b / (a + b) if a + b else 0.0


def auc_still_of_the_labels(y_true, scores, threshold):
    """F1 is right now; the AUC is still that of labels, cut at the threshold: a curve with one
    corner. Rank the scores themselves."""
    return _changed(y_true, scores, threshold, auc=as_given(y_true, scores, threshold)["auc"])


def f1_still_with_the_accuracy(y_true, scores, threshold):
    """The AUC is right now; F1 is still made of the accuracy and the recall. Where positives are
    rare the accuracy is high whatever the model does. Take the precision."""
    return _changed(y_true, scores, threshold, f1=as_given(y_true, scores, threshold)["f1"])


def f1_of_accuracy_and_precision(y_true, scores, threshold):
    """Your F1 leaves out the recall: it is made of accuracy and precision. It is the harmonic mean
    of precision and recall."""
    right = evaluate_scores(y_true, scores, threshold)
    return right | {"f1": _harmonic(right["accuracy"], right["precision"])}


def arithmetic_mean_for_f1(y_true, scores, threshold):
    """Your F1 is half the sum of precision and recall. A model that calls everything positive would
    get more than one half: take the harmonic mean, which is low as soon as one of them is."""
    right = evaluate_scores(y_true, scores, threshold)
    return right | {"f1": (right["precision"] + right["recall"]) / 2}


def f1_averaged_over_both_classes(y_true, scores, threshold):
    """You average the F1 of the positive class with that of the negative one: the macro average.
    Here the positive class alone is reported."""
    right = evaluate_scores(y_true, scores, threshold)
    called = scores >= threshold
    of_negatives = 2 * np.sum(~called & (y_true == 0)) / (np.sum(~called) + np.sum(y_true == 0))
    return right | {"f1": (right["f1"] + of_negatives) / 2}


def cut_at_one_half(y_true, scores, threshold):
    """You cut the scores at 0.5, by rounding or by habit. The threshold is an argument: it follows
    from what the two errors cost."""
    return evaluate_scores(y_true, scores, 0.5)


def score_on_the_threshold_negative(y_true, scores, threshold):
    """A score equal to the threshold is called negative in yours. At least the threshold is
    enough: >=, not >."""
    return evaluate_scores(y_true, scores, np.nextafter(threshold, np.inf))


def precision_and_recall_exchanged(y_true, scores, threshold):
    """You have exchanged precision and recall. Precision divides the hits by those that are called
    positive, recall by those that are."""
    right = evaluate_scores(y_true, scores, threshold)
    return right | {"precision": right["recall"], "recall": right["precision"]}


def nothing_called_positive_is_nan(y_true, scores, threshold):
    """Where nothing is called positive you divide 0 by 0. The precision is 0 there, by the
    statement, and F1 with it."""
    right = evaluate_scores(y_true, scores, threshold)
    if np.any(scores >= threshold):
        return right
    return right | {"precision": np.nan, "f1": np.nan}


def nothing_called_positive_is_perfect(y_true, scores, threshold):
    """Where nothing is called positive your precision is 1: no alarm, none of them false. The
    statement takes the other convention, 0."""
    right = evaluate_scores(y_true, scores, threshold)
    return right if np.any(scores >= threshold) else right | {"precision": 1.0}


def ties_lost_in_the_auc(y_true, scores, threshold):
    """Your AUC compares the scores with > alone. A positive and a negative with the same score
    count one half."""
    gap = scores[y_true == 1][:, None] - scores[y_true == 0]
    return _changed(y_true, scores, threshold, auc=np.mean(gap > 0))


def auc_of_what_is_called_positive(y_true, scores, threshold):
    """Your AUC ranks only the examples above the threshold, as if the others had no score. It
    knows no threshold: rank all of them."""
    kept = np.where(scores >= threshold, scores, -np.inf)
    positive, negative = kept[y_true == 1][:, None], kept[y_true == 0]
    won = np.mean(positive > negative) + np.mean(positive == negative) / 2
    return _changed(y_true, scores, threshold, auc=won)


def cases(rng):
    y_true, scores = np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.4, 0.3, 0.2])
    yield Case("five examples", (y_true, scores, 0.5))
    yield Case("another threshold", (y_true, scores, 0.25))
    yield Case("one is called positive", (y_true, scores, 0.85))
    yield Case("a score on the threshold", (y_true, scores, 0.4))
    yield Case("nothing is called positive", (y_true, scores, 1.5))
    yield Case("all are called positive", (y_true, scores, -1.0))
    yield Case("called the wrong way round", (1 - y_true, np.array([5, -4, 3, -2, -1]) / 2, 0.0))
    tied = np.array([0.5, 0.5, 0.7, 0.1, 0.7, 0.5])
    yield Case("equal scores", (np.array([1, 0, 1, 0, 0, 1]), tied, 0.6))
    for n, share, threshold in ((31, 0.5, 0.3), (57, 0.2, 0.9), (200, 0.04, 1.2)):
        y_true = rng.permutation(np.arange(n) < share * n).astype(int)
        scores = np.round(rng.normal(size=n) + y_true, 1)
        note = f"{n} examples, {y_true.sum()} positive, threshold {threshold}"
        yield Case(note, (y_true, scores, threshold))


DRILL = Drill(
    reference=evaluate_scores,
    cases=cases,
    given=as_given,
    alternatives=(from_the_four_counts, with_ranks),
    mistakes=(
        as_given,
        auc_still_of_the_labels,
        f1_still_with_the_accuracy,
        f1_of_accuracy_and_precision,
        arithmetic_mean_for_f1,
        f1_averaged_over_both_classes,
        cut_at_one_half,
        score_on_the_threshold_negative,
        precision_and_recall_exchanged,
        nothing_called_positive_is_nan,
        nothing_called_positive_is_perfect,
        ties_lost_in_the_auc,
        auc_of_what_is_called_positive,
    ),
    hints=(
        "Two of the five numbers are wrong. Which of the five may depend on the threshold, and "
        "which may not?",
        "A mean lies between what it is the mean of. Compare F1 with precision and recall. And "
        "what can a ranking see of scores that have become 0 and 1?",
        "f1 = 2PR / (P + R) with the precision in the place of the accuracy, 0 where both are 0; "
        "and gap = scores[y_true == 1][:, None] − scores[y_true == 0], of scores, not of "
        "predictions.",
    ),
    explanation=(
        "Four of these numbers judge decisions and need labels; the AUC judges a ranking and needs "
        "scores. From labels it is (recall + specificity) / 2, a number that looks like an AUC and "
        "moves with the threshold; the other way round, scores in place of labels, scikit-learn's "
        "`f1_score` refuses. F1 with the accuracy in it is high wherever positives are rare, since "
        "nearly everything is called negative, and rightly. Articles on interviews have both "
        "mistakes. Asked next: which of the five would you optimise where 1 in 1,000 is positive? "
        "Precision at the recall that is needed, or the average precision; accuracy is 0.999 for "
        "doing nothing."
    ),
    difficulty=1,
    taught_in="02_evaluation_metrics, section 2",
)
