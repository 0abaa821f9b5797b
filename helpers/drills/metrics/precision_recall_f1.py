import numpy as np

from helpers.drills.spec import Case, Drill


def precision_recall_f1(
    y_true: np.ndarray, y_pred: np.ndarray, n_classes: int, average: str
) -> tuple:
    """Compute precision, recall and F1 for every class, or averaged in one of three ways.

    `y_true` and `y_pred` hold class numbers from 0 to `n_classes` − 1, shape (n,). For one class,
    precision is the share of right ones among those predicted, recall the share of found ones among
    those that are there, F1 = 2PR / (P + R); zero over zero is 0 in all three.

    Return (precision, recall, f1). `average` is "none": three arrays of shape (n_classes,);
    "macro": the plain mean of each array over all n_classes, those that never occur included;
    "weighted": the mean weighted by how often a class truly occurs; "micro": hits, predictions and
    occurrences are summed over the classes first. There is at least one example.
    """
    classes = np.arange(n_classes)[:, None]
    hits = ((y_true == classes) & (y_pred == classes)).sum(axis=1)  # (n_classes,)
    predicted, support = (y_pred == classes).sum(axis=1), (y_true == classes).sum(axis=1)
    if average == "micro":
        hits, predicted, support = hits.sum(), predicted.sum(), support.sum()
    precision = hits / np.maximum(predicted, 1)  # without predictions there are no hits: 0 / 1
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(predicted + support, 1)  # equals 2PR / (P + R)
    if average == "macro":
        return precision.mean(), recall.mean(), f1.mean()
    if average == "weighted":
        share = support / len(y_true)
        return precision @ share, recall @ share, f1 @ share
    return precision, recall, f1


def by_a_loop(y_true, y_pred, n_classes, average):
    def ratio(numerator, denominator):
        return numerator / denominator if denominator else 0.0

    counts = []
    for c in range(n_classes):
        hit = sum(t == c == p for t, p in zip(y_true, y_pred, strict=True))
        counts.append((hit, sum(p == c for p in y_pred), sum(t == c for t in y_true)))
    if average == "micro":
        counts = [tuple(map(sum, zip(*counts, strict=True)))]
        average = "macro"  # the mean of one
    rows = []
    for hit, predicted, support in counts:
        p, r = ratio(hit, predicted), ratio(hit, support)
        rows.append((p, r, ratio(2 * p * r, p + r)))
    columns = tuple(zip(*rows, strict=True))
    if average == "none":
        return columns
    weights = [1 if average == "macro" else support for _, _, support in counts]
    return tuple(float(np.average(column, weights=weights)) for column in columns)


def by_a_matrix(y_true, y_pred, n_classes, average):
    matrix = np.zeros((n_classes, n_classes))
    np.add.at(matrix, (y_true, y_pred), 1)
    diagonal, columns, rows = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    if average == "micro":
        accuracy = diagonal.sum() / matrix.sum()
        return accuracy, accuracy, accuracy
    p, r = diagonal / np.maximum(columns, 1), diagonal / np.maximum(rows, 1)
    f = 2 * p * r / np.where(p + r == 0, 1, p + r)
    if average == "none":
        return p, r, f
    weights = rows if average == "weighted" else None
    return tuple(np.average(values, weights=weights) for values in (p, r, f))


def _per_class(y_true, y_pred, n_classes):
    return precision_recall_f1(y_true, y_pred, n_classes, "none")


def precision_and_recall_exchanged(y_true, y_pred, n_classes, average):
    """You divide by the wrong sum: precision divides by what was *predicted*, recall by what truly
    *occurs*. Yours are exchanged."""
    precision, recall, f1 = precision_recall_f1(y_true, y_pred, n_classes, average)
    return recall, precision, f1


def zero_over_zero_is_nan(y_true, y_pred, n_classes, average):
    """A class that is never predicted, or never occurs, gives 0 / 0, and your NaN then spoils every
    average. The statement sets it to 0."""
    precision, recall, f1 = map(np.array, _per_class(y_true, y_pred, n_classes))
    classes = np.arange(n_classes)
    precision[~np.isin(classes, y_pred)] = np.nan
    recall[~np.isin(classes, y_true)] = np.nan
    f1[np.isnan(precision + recall) | (precision + recall == 0)] = np.nan
    return _averaged(y_true, y_pred, n_classes, average, (precision, recall, f1))


def zero_over_zero_is_one(y_true, y_pred, n_classes, average):
    """You set 0 / 0 to 1, as if a class that is never predicted were predicted perfectly. The
    statement sets it to 0."""
    precision, recall, f1 = map(np.array, _per_class(y_true, y_pred, n_classes))
    classes = np.arange(n_classes)
    precision[~np.isin(classes, y_pred)] = 1
    recall[~np.isin(classes, y_true)] = 1
    f1 = 2 * precision * recall / np.where(precision + recall == 0, 1, precision + recall)
    return _averaged(y_true, y_pred, n_classes, average, (precision, recall, f1))


def _averaged(y_true, y_pred, n_classes, average, values):
    if average == "none":
        return values
    if average == "micro":
        return precision_recall_f1(y_true, y_pred, n_classes, "micro")
    weights = np.bincount(y_true, minlength=n_classes) if average == "weighted" else None
    return tuple(np.average(value, weights=weights) for value in values)


def macro_over_classes_that_occur(y_true, y_pred, n_classes, average):
    """Your macro average leaves out classes that occur neither in the truth nor in the predictions.
    Then a class absent from one test set makes two results incomparable: average over all."""
    values = _per_class(y_true, y_pred, n_classes)
    if average != "macro":
        return precision_recall_f1(y_true, y_pred, n_classes, average)
    present = np.isin(np.arange(n_classes), np.concatenate([y_true, y_pred]))
    return tuple(value[present].mean() for value in values)


def macro_over_true_classes(y_true, y_pred, n_classes, average):
    """Your macro average leaves out classes that never occur in the truth. A class that is only
    ever predicted, wrongly, then costs nothing: average over all n_classes."""
    if average != "macro":
        return precision_recall_f1(y_true, y_pred, n_classes, average)
    present = np.isin(np.arange(n_classes), y_true)
    return tuple(value[present].mean() for value in _per_class(y_true, y_pred, n_classes))


def f1_from_the_averages(y_true, y_pred, n_classes, average):
    """Your averaged F1 is the F1 of the averaged precision and the averaged recall. Average the
    classes' own F1: the other one can be high while every class is bad."""
    precision, recall, f1 = precision_recall_f1(y_true, y_pred, n_classes, average)
    if average in ("macro", "weighted"):
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return precision, recall, f1


def micro_and_macro_exchanged(y_true, y_pred, n_classes, average):
    """You give the macro average for micro, and the other way round. Micro sums the counts first,
    so that every *example* weighs the same; macro averages ratios: every *class* does."""
    other = {"micro": "macro", "macro": "micro"}.get(average, average)
    return precision_recall_f1(y_true, y_pred, n_classes, other)


def micro_given_for_macro(y_true, y_pred, n_classes, average):
    """You give the micro average for macro. Micro sums the counts first, so that every *example*
    weighs the same; macro averages ratios: every *class* does, the rare ones too."""
    average = "micro" if average == "macro" else average
    return precision_recall_f1(y_true, y_pred, n_classes, average)


def macro_given_for_micro(y_true, y_pred, n_classes, average):
    """You give the macro average for micro. Macro averages the classes' ratios; micro sums hits,
    predictions and occurrences over the classes first, and divides once."""
    average = "macro" if average == "micro" else average
    return precision_recall_f1(y_true, y_pred, n_classes, average)


def weighted_by_predictions(y_true, y_pred, n_classes, average):
    """You weight the classes by how often they are predicted. The weights are their support: how
    often they truly occur."""
    if average != "weighted":
        return precision_recall_f1(y_true, y_pred, n_classes, average)
    weights = np.bincount(y_pred, minlength=n_classes)
    return tuple(np.average(v, weights=weights) for v in _per_class(y_true, y_pred, n_classes))


def weights_ignored(y_true, y_pred, n_classes, average):
    """Your weighted average is the plain mean. Weight each class by its support."""
    average = "macro" if average == "weighted" else average
    return precision_recall_f1(y_true, y_pred, n_classes, average)


def f1_is_the_arithmetic_mean(y_true, y_pred, n_classes, average):
    """Your F1 is the arithmetic mean of precision and recall. F1 is the harmonic mean, which is low
    as soon as one of the two is."""
    precision, recall, _ = _per_class(y_true, y_pred, n_classes)
    if average == "micro":
        return precision_recall_f1(y_true, y_pred, n_classes, "micro")
    values = precision, recall, (precision + recall) / 2
    return _averaged(y_true, y_pred, n_classes, average, values)


def f1_of_accuracy_and_recall(y_true, y_pred, n_classes, average):
    """Your F1 combines accuracy with recall. It is the harmonic mean of *precision* and recall."""
    precision, recall, _ = _per_class(y_true, y_pred, n_classes)
    accuracy = np.mean(y_true == y_pred)
    f1 = 2 * accuracy * recall / np.where(accuracy + recall == 0, 1, accuracy + recall)
    if average == "micro":
        return precision_recall_f1(y_true, y_pred, n_classes, "micro")
    return _averaged(y_true, y_pred, n_classes, average, (precision, recall, f1))


def cases(rng):
    averages = ("none", "micro", "macro", "weighted")
    spam = np.array([1, 0, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 1, 0])
    absent = np.array([0, 0, 2, 2, 2, 0]), np.array([0, 2, 2, 2, 1, 2])
    never_right = np.array([0, 0, 1]), np.array([1, 1, 0])
    for average in averages:
        yield Case(f"two classes, {average}", (*spam, 2, average))
    for average in averages:
        yield Case(f"class 1 only predicted, class 3 absent, {average}", (*absent, 4, average))
    for average in averages:
        yield Case(f"nothing right, {average}", (*never_right, 2, average))
    for average in averages:
        yield Case(f"one of each class, {average}", (*np.array([[0, 1, 2], [0, 2, 1]]), 3, average))
    for n, n_classes in ((31, 3), (57, 5)):
        y_true = np.minimum(rng.integers(0, n_classes, n), rng.integers(0, n_classes, n))
        y_pred = np.where(rng.random(n) < 0.5, y_true, rng.integers(0, n_classes, n))
        for average in averages:
            yield Case(f"{n} random examples, {average}", (y_true, y_pred, n_classes, average))


DRILL = Drill(
    reference=precision_recall_f1,
    cases=cases,
    alternatives=(by_a_loop, by_a_matrix),
    mistakes=(
        precision_and_recall_exchanged,
        zero_over_zero_is_nan,
        zero_over_zero_is_one,
        macro_over_classes_that_occur,
        macro_over_true_classes,
        f1_from_the_averages,
        micro_and_macro_exchanged,
        micro_given_for_macro,
        macro_given_for_micro,
        weighted_by_predictions,
        weights_ignored,
        f1_is_the_arithmetic_mean,
        f1_of_accuracy_and_recall,
    ),
    hints=(
        "Three counts for each class are enough: hits, how often it is predicted, how often it "
        "occurs.",
        "Micro adds up these counts over the classes before it divides; macro divides first. Where "
        "both sides of a division are zero, the result is 0.",
        "precision = hits / predicted, recall = hits / support, f1 = 2·hits / (predicted + "
        "support), each with a denominator of at least 1; then the mean, or the dot product with "
        "support / n.",
    ),
    explanation=(
        "2PR / (P + R) with P = hits / predicted and R = hits / support is 2·hits / (predicted + "
        "support): no case distinction is left but a zero denominator. With one label for each "
        "example, micro precision, recall and F1 all equal the accuracy. Asked next: which average "
        "for rare classes (macro), and which one hides them (micro, weighted)?"
    ),
    difficulty=2,
    taught_in="02_evaluation_metrics, section 2",
)
