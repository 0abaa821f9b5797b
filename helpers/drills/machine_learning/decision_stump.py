import itertools

import numpy as np

from helpers.drills.spec import Case, Drill


def decision_stump(X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple:
    """Find the best decision stump, a tree of one question, for weighted examples: the weak learner
    of AdaBoost.

    `X` has the shape (n, d), one example a row; `y`, shape (n,), holds −1 and +1; `weights`, shape
    (n,), are not negative and sum to 1. A stump has a feature, a threshold and a polarity, +1 or
    −1: it predicts the polarity where that feature of an example is *above* the threshold, and
    minus the polarity elsewhere. Its error is the sum of the weights of the examples that it gets
    wrong. The thresholds of a feature are the midpoints between neighbouring different values of
    it, (lower + upper) / 2; at least one feature has two different values.

    Return (feature, threshold, polarity, error) of the stump with the smallest error. Of several,
    take the one with the lowest feature; of these, with the lowest threshold; of these, with the
    polarity +1. All weights given are multiples of 2^−20, so that sums of them are exact, in any
    order, and equal errors are equal. The time must grow like d · n log n: 40,000 examples of 4
    features have 3 seconds.
    """
    best = (np.inf,)
    for feature, column in enumerate(X.T):
        order = np.argsort(column)
        x, signed = column[order], np.where(y == 1, weights, -weights)[order]
        # Polarity +1. Below all examples, the threshold makes every negative one wrong. Passing an
        # example turns its prediction to −1: wrong if it is positive, right if negative.
        above = weights[y == -1].sum() + np.cumsum(signed)[:-1]
        errors = np.minimum(above, 1 - above)  # polarity −1 is right where +1 is wrong
        errors[x[:-1] == x[1:]] = np.inf  # equal values cannot be told apart
        place = errors.argmin()  # the first, so the lowest threshold
        if errors[place] < best[0]:
            polarity = 1 if above[place] <= 0.5 else -1
            best = errors[place], feature, (x[place] + x[place + 1]) / 2, polarity
    error, feature, threshold, polarity = best
    return feature, threshold, polarity, error


def by_weights_of_each_value(X, y, weights):
    stumps = []
    for feature in range(X.shape[1]):
        values, group = np.unique(X[:, feature], return_inverse=True)
        positive, negative = (np.bincount(group, weights * (y == side)) for side in (1, -1))
        below = np.cumsum(positive - negative)[:-1] + negative.sum()  # the error of polarity +1
        both = np.stack([below, 1 - below], axis=1)
        if both.size:
            place, turned = divmod(int(both.argmin()), 2)
            threshold = values[place : place + 2].mean()
            stumps.append((both.min(), feature, threshold, -1 if turned else 1))
    error, feature, threshold, polarity = min(stumps)
    return feature, threshold, polarity, error


def example_after_example(X, y, weights):
    best = None
    for feature in range(X.shape[1]):
        examples = sorted(zip(X[:, feature].tolist(), y.tolist(), weights.tolist(), strict=True))
        error = sum(weight for _, side, weight in examples if side == -1)
        for (value, side, weight), (following, _, _) in itertools.pairwise(examples):
            error += side * weight
            if value == following:
                continue
            for polarity, own in ((1, error), (-1, 1 - error)):
                if best is None or own < best[3]:
                    best = feature, (value + following) / 2, polarity, own
    return best


def _errors(x, y, weights, thresholds):
    """The error of polarity +1 at each threshold: +1 where x is above it."""
    order = np.argsort(x)
    start = weights[y < 0].sum()
    sums = np.concatenate([[start], start + np.cumsum((weights * y)[order])])
    return sums[np.searchsorted(x[order], thresholds, side="right")]


def _midpoints(x):
    values = np.unique(x)
    return (values[:-1] + values[1:]) / 2


def _stumps(X, y, weights, thresholds_of=_midpoints):
    """All stumps as arrays (error, feature, threshold, polarity), in the order of the ties."""
    parts = []
    for feature, x in enumerate(X.T):
        thresholds = thresholds_of(x)
        above = _errors(x, y, weights, thresholds)
        both = np.stack([above, weights.sum() - above], axis=1).ravel()
        twice = np.repeat(thresholds, 2)
        parts.append([both, np.full(len(both), feature), twice, np.tile([1, -1], len(thresholds))])
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _chosen(stumps, place):
    error, feature, threshold, polarity = (part[place] for part in stumps)
    return int(feature), threshold, int(polarity), error


def _first_best(stumps):
    return _chosen(stumps, stumps[0].argmin())


def weights_ignored(X, y, weights):
    """You count the wrong examples, each the same. The examples that the stumps before got wrong
    weigh more, and that is what makes this one differ from them: add up weights."""
    ones = np.ones(len(y))  # whole numbers until the end, so that equal counts are equal
    feature, threshold, polarity, count = _first_best(_stumps(X, y, ones))
    return feature, threshold, polarity, count / len(y)


def found_without_weights(X, y, weights):
    """You choose the stump by the number of its errors, and weigh them only in what you return.
    The smallest *weighted* error decides."""
    feature, threshold, polarity, _ = weights_ignored(X, y, weights)
    above = _errors(X[:, feature], y, weights, threshold)
    return feature, threshold, polarity, above if polarity > 0 else 1 - above


def values_for_thresholds(X, y, weights):
    """Your thresholds are the values themselves. They split these examples as well, but a new one
    is between two of them: take the midpoint of neighbouring values."""
    return _first_best(_stumps(X, y, weights, np.unique))


def midpoints_in_the_order_of_the_rows(X, y, weights):
    """You take midpoints of values that are neighbours in the array. Neighbours in size are meant:
    sort the feature first."""
    return _first_best(_stumps(X, y, weights, lambda x: (x[:-1] + x[1:]) / 2))


def midpoints_of_equal_values(X, y, weights):
    """You take the midpoint of two equal values for a threshold: it is that value, and says nothing
    that the next midpoint does not. Only different values have one between them."""

    def thresholds_of(x):
        x = np.sort(x)
        return (x[:-1] + x[1:]) / 2

    return _first_best(_stumps(X, y, weights, thresholds_of))


def equal_values_torn_apart(X, y, weights):
    """Your running sum is read after every example, also between two with the same value. No
    threshold can send these to different sides: read it only where the value changes."""
    best = (np.inf,)
    for feature, column in enumerate(X.T):
        order = np.argsort(column, kind="stable")
        x = column[order]
        above = weights[y < 0].sum() + np.cumsum((weights * y)[order])[:-1]
        errors = np.minimum(above, 1 - above)
        place = errors.argmin()
        if errors[place] < best[0]:
            polarity = 1 if above[place] <= 0.5 else -1
            best = errors[place], feature, (x[place] + x[place + 1]) / 2, polarity
    return *best[1:], best[0]


def one_polarity_only(X, y, weights):
    """Your stumps all predict +1 above the threshold. Where large values mean −1, the other way
    round is better: its error is 1 minus this one."""
    stumps = _stumps(X, y, weights)
    return _first_best([part[stumps[3] > 0] for part in stumps])


def polarity_the_other_way(X, y, weights):
    """Your polarity is that of Viola and Jones, who predict +1 *below* the threshold for +1. Here
    it is what the stump says above it."""
    feature, threshold, polarity, error = decision_stump(X, y, weights)
    return feature, threshold, -polarity, error


def weight_of_the_right_ones(X, y, weights):
    """You add the weights of the examples that are *right*, and take the smallest sum: the worst
    stump. Compare with `!=`."""
    error, *others = _stumps(X, y, weights)
    return _first_best([1 - error, *others])


def zeros_for_negatives(X, y, weights):
    """Your stumps predict 0 and 1, and the labels are −1 and +1: every negative counts as wrong.
    Predict −1 for the other side."""
    stumps = _stumps(X, y, weights * (y > 0))
    stumps[0] = stumps[0] + weights[y < 0].sum()
    return _first_best(stumps)


def first_feature_only(X, y, weights):
    """You look at the first feature alone, or go back to it for each new one: try them all, and
    keep the best of all."""
    return decision_stump(X[:, :1], y, weights)


def best_forgotten_at_each_feature(X, y, weights):
    """You begin each feature with no best stump, so that of the last feature comes back. The best
    so far has to survive from one feature to the next."""
    features = [j for j in range(X.shape[1]) if len(np.unique(X[:, j])) > 1]
    _, threshold, polarity, error = decision_stump(X[:, features[-1:]], y, weights)
    return features[-1], threshold, polarity, error


def last_of_equal_ones(X, y, weights):
    """Of equally good stumps you keep the last: `<=` lets an equal one replace the best. The first
    has it, with `<`."""
    stumps = _stumps(X, y, weights)
    return _chosen(stumps, np.flatnonzero(stumps[0] == stumps[0].min())[-1])


def lowest_threshold_before_lowest_feature(X, y, weights):
    """Of equally good stumps you take the lowest threshold of any feature, as `min` does with
    (error, threshold, feature). The lowest feature comes first."""
    error, feature, threshold, polarity = stumps = _stumps(X, y, weights)
    return _chosen(stumps, np.lexsort((-polarity, feature, threshold, error))[0])


def polarity_minus_before_plus(X, y, weights):
    """Where both polarities are equally good, at an error of ½, you take −1, as `min` does with a
    tuple. +1 comes first."""
    error, feature, threshold, polarity = stumps = _stumps(X, y, weights)
    return _chosen(stumps, np.lexsort((polarity, threshold, feature, error))[0])


def lowest_impurity(X, y, weights):
    """You choose the split by Gini impurity, as a tree does that grows on. AdaBoost wants the
    smallest weighted error, which may be at another split."""
    stumps = _stumps(X, y, weights)
    error, feature, threshold, _ = stumps
    impurity = np.empty(len(error))
    for j in np.unique(feature):
        left = _errors(X[:, j], y, weights * (y > 0), threshold[feature == j])  # positives below
        rest = _errors(X[:, j], y, weights * (y < 0), threshold[feature == j])  # negatives above
        positives, negatives = weights[y > 0].sum(), weights[y < 0].sum()
        sides = (left, negatives - rest), (positives - left, rest)
        impurity[feature == j] = sum(2 * p * n / np.where(p + n, p + n, 1) for p, n in sides)
    best = np.flatnonzero(impurity <= impurity.min() + 1e-12)[0] // 2 * 2
    return _chosen(stumps, best + (error[best] > 0.5))


def every_threshold_tried_anew(X, y, weights):
    """Right on small data, but you go through all examples for each threshold: n · n for every
    feature. Sort once; passing one example changes the error by its own weight."""
    best = (np.inf,)
    for feature, x in enumerate(X.T):
        for threshold in _midpoints(x):
            for polarity in (1, -1):
                error = weights[np.where(x > threshold, polarity, -polarity) != y].sum()
                if error < best[0]:
                    best = error, feature, threshold, polarity
    return *best[1:], best[0]


def cases(rng):
    def random_weights(n):
        return rng.multinomial(2**10, np.full(n, 1 / n)) / 2**10

    X, y = np.array([[1.0], [2.0], [4.0], [5.0]]), np.array([1, -1, 1, 1])
    even = np.full(4, 0.25)
    yield Case("four examples, one feature", (X, y, np.array([0.25, 0.5, 0.125, 0.125])))
    yield Case("the same, all weights equal", (X, y, even))
    yield Case("a perfect split, +1 below", (X, np.array([1, 1, -1, -1]), even))
    X = np.array([[0.0, 9.0], [0.0, 6.0], [1.0, 3.0], [1.0, 1.0]])
    yield Case("two features that split alike", (X, np.array([-1, -1, 1, 1]), even))
    yield Case("the same, lower values first", (X[:, ::-1], np.array([-1, -1, 1, 1]), even))
    X = np.array([[3.0, 2.0], [3.0, 1.0], [3.0, 2.0], [3.0, 2.0]])
    yield Case("a feature that is constant", (X, np.array([1, -1, -1, 1]), even))
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    yield Case("none better than chance", (X, np.array([1, -1, -1, 1]), even))
    X = np.array([[1.0], [2.0], [2.0], [2.0], [3.0]])
    y, uneven = np.array([1, 1, -1, -1, -1]), np.array([1, 3, 1, 1, 2]) / 8
    yield Case("a value that three examples share", (X, y, uneven))
    X = np.array([[2.0], [1.0], [2.0], [4.0]])
    yield Case("equal values before the best threshold", (X, np.array([-1, -1, -1, 1]), even))
    X, y = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([-1, 1, -1, 1])
    yield Case("examples without weight", (X, y, np.array([0.0, 0.5, 0.0, 0.5])))
    for n, d in ((7, 2), (31, 3), (56, 5)):
        X = rng.integers(0, 9, (n, d)) / 4 if d == 3 else rng.normal(size=(n, d))
        y = np.where(X[:, -1] * (-1) ** d + 0.7 * rng.normal(size=n) > 0.3, 1, -1)
        yield Case(f"{n} random examples of {d} features", (X, y, random_weights(n)))
    X = rng.normal(size=(40_000, 4))
    y = np.where(X[:, 2] + rng.normal(size=40_000) > 0.5, 1, -1)
    weights = rng.multinomial(2**20, np.full(40_000, 1 / 40_000)) / 2**20
    yield Case("40,000 examples", (X, y, weights), seconds=3)


DRILL = Drill(
    reference=decision_stump,
    cases=cases,
    alternatives=(by_weights_of_each_value, example_after_example),
    mistakes=(
        weights_ignored,
        found_without_weights,
        values_for_thresholds,
        midpoints_in_the_order_of_the_rows,
        midpoints_of_equal_values,
        equal_values_torn_apart,
        one_polarity_only,
        polarity_the_other_way,
        weight_of_the_right_ones,
        zeros_for_negatives,
        first_feature_only,
        best_forgotten_at_each_feature,
        last_of_equal_ones,
        lowest_threshold_before_lowest_feature,
        polarity_minus_before_plus,
        lowest_impurity,
        every_threshold_tried_anew,
    ),
    hints=(
        "Take one feature, sorted, and polarity +1. Which examples are wrong when the threshold is "
        "below all of them? What changes when it passes one?",
        "A positive example that the threshold passes adds its weight to the error, a negative one "
        "takes it away: a running sum of weights · y. And polarity −1? It is wrong where +1 is "
        "right.",
        "above = weight of all negatives + np.cumsum(weights · y, sorted)[:-1]; errors = "
        "np.minimum(above, 1 − above), infinite where two neighbours are equal; argmin takes the "
        "first. Keep the best over the features with `<`.",
    ),
    explanation=(
        "Sorting costs n log n for each feature, and then every threshold is one addition. "
        "AdaBoost (Freund and Schapire, 1997) gives the stump the vote ½ · ln((1 − error) / error) "
        "and raises the weights of the examples that it got wrong until its own error is exactly "
        "½: the next stump has to be another one. Asked next: why is it enough to beat chance? "
        "Each stump multiplies the bound on the training error by 2 · √(error · (1 − error)), "
        "which is below 1. And what hurts it? Wrong labels: they gain weight round after round."
    ),
    difficulty=3,
    taught_in="09_mock_interview, section 3",
)
