import numpy as np

from helpers.drills.spec import Case, Drill


def confusion_counts(y_true: np.ndarray, y_pred: np.ndarray, n_classes: int) -> np.ndarray:
    """Count how often each class was taken for which: the confusion matrix, from which accuracy,
    precision, recall and F1 all follow.

    `y_true` and `y_pred` hold class numbers from 0 to `n_classes` − 1, shape (n,). Return counts of
    shape (n_classes, n_classes): row = true class, column = predicted class. A class that never
    occurs has a row or a column of zeros. There may be no examples at all.
    """
    pair = n_classes * y_true + y_pred  # one number for each (true, predicted)
    return np.bincount(pair, minlength=n_classes**2).reshape(n_classes, n_classes)


def by_a_loop(y_true, y_pred, n_classes):
    counts = [[0] * n_classes for _ in range(n_classes)]
    for actual, guess in zip(y_true, y_pred, strict=True):
        counts[actual][guess] += 1
    return counts


def by_adding_at(y_true, y_pred, n_classes):
    counts = np.zeros((n_classes, n_classes), int)
    np.add.at(counts, (y_true, y_pred), 1)
    return counts


def by_comparing(y_true, y_pred, n_classes):
    classes = np.arange(n_classes)
    is_true, is_pred = y_true == classes[:, None], y_pred == classes[:, None]  # (n_classes, n)
    return is_true.astype(int) @ is_pred.astype(int).T


def rows_and_columns_exchanged(y_true, y_pred, n_classes):
    """Your rows are the predicted classes and your columns the true ones: here rows are the truth.
    Two libraries differ in this, so always say which is which."""
    return confusion_counts(y_pred, y_true, n_classes)


def repeated_pairs_counted_once(y_true, y_pred, n_classes):
    """A pair that occurs several times counts once: `counts[y_true, y_pred] += 1` reads all cells,
    adds one, and writes them back. Use `np.add.at`, `np.bincount` or a loop."""
    counts = np.zeros((n_classes, n_classes), int)
    counts[y_true, y_pred] += 1
    return counts


def only_classes_that_occur(y_true, y_pred, n_classes):
    """Your matrix has rows only for the classes in the data. A class that happens to be absent
    shifts all others, and two batches can no longer be added: use n_classes."""
    classes = np.unique(np.concatenate([y_true, y_pred]))
    lookup = {label: index for index, label in enumerate(classes)}
    true = np.array([lookup[label] for label in y_true], int)
    pred = np.array([lookup[label] for label in y_pred], int)
    return confusion_counts(true, pred, len(classes))


def largest_label_sets_the_size(y_true, y_pred, n_classes):
    """The size of your matrix comes from the largest label that occurs. When the last class is
    absent, its row and column are missing: use n_classes."""
    size = max([-1, *y_true, *y_pred]) + 1
    return confusion_counts(y_true, y_pred, size)


def rows_divided_by_their_sum(y_true, y_pred, n_classes):
    """You divide each row by its sum. Shares hide how many examples stand behind them, and an
    absent class becomes 0 / 0: return counts."""
    counts = confusion_counts(y_true, y_pred, n_classes)
    return counts / counts.sum(axis=1, keepdims=True)


def divided_by_the_number_of_examples(y_true, y_pred, n_classes):
    """You divide by the number of examples: return counts."""
    return confusion_counts(y_true, y_pred, n_classes) / len(y_true)


def positive_class_first(y_true, y_pred, n_classes):
    """Your classes run backwards, as in textbooks that put the positive class first. Here class 0
    has the first row and the first column."""
    return confusion_counts(y_true, y_pred, n_classes)[::-1, ::-1]


def classes_counted_from_one(y_true, y_pred, n_classes):
    """Your rows and columns are shifted by one, with class 0 wrapped round to the last: classes are
    counted from 0."""
    return np.roll(confusion_counts(y_true, y_pred, n_classes), (-1, -1), (0, 1))


def only_the_right_ones(y_true, y_pred, n_classes):
    """You count only the examples that are right. The errors off the diagonal are what the matrix
    is for."""
    return np.diag(np.bincount(y_true[y_true == y_pred], minlength=n_classes))


def cases(rng):
    yield Case("four examples of two classes", (np.array([1, 0, 1, 1]), np.array([1, 0, 0, 1]), 2))
    yield Case("three classes", (np.array([0, 1, 1, 2, 2, 2]), np.array([0, 0, 1, 1, 1, 2]), 3))
    yield Case("every error of one kind", (np.array([0, 0, 0, 1]), np.array([1, 1, 1, 1]), 2))
    yield Case("the last class never occurs", (np.array([0, 1, 1]), np.array([1, 1, 0]), 3))
    yield Case("the first class never occurs", (np.array([2, 1, 1]), np.array([1, 1, 2]), 3))
    yield Case("a class that is only predicted", (np.array([0, 2, 2]), np.array([0, 1, 2]), 3))
    yield Case("one class", (np.array([0, 0]), np.array([0, 0]), 1))
    yield Case("no examples", (np.array([], int), np.array([], int), 2))
    yield Case("three hundred of one kind", (np.full(300, 1), np.full(300, 1), 2))
    y_true, y_pred = np.array([1, 11, 0, 10]), np.array([11, 1, 10, 0])
    yield Case("twelve classes", (y_true, y_pred, 12))
    for n, n_classes in ((31, 3), (57, 5), (200, 7)):
        y_true, y_pred = rng.integers(0, n_classes, (2, n)) * rng.integers(0, 2, n)
        yield Case(f"{n} random examples of {n_classes} classes", (y_true, y_pred, n_classes))


DRILL = Drill(
    reference=confusion_counts,
    cases=cases,
    alternatives=(by_a_loop, by_adding_at, by_comparing),
    mistakes=(
        rows_and_columns_exchanged,
        repeated_pairs_counted_once,
        only_classes_that_occur,
        largest_label_sets_the_size,
        rows_divided_by_their_sum,
        divided_by_the_number_of_examples,
        positive_class_first,
        classes_counted_from_one,
        only_the_right_ones,
    ),
    hints=(
        "Start with zeros, and add one to a cell for each example. Which index is the truth?",
        "Without a loop, mind that indexing with arrays and `+=` counts a repeated pair once.",
        "Give each pair one number, `n_classes * y_true + y_pred`, count with "
        "`np.bincount(…, minlength=n_classes**2)`, and reshape.",
    ),
    explanation=(
        "A pair (true, predicted) is a two-digit number in base n_classes, so counting pairs is "
        "counting numbers, which `bincount` does in one pass; `minlength` keeps the cells of "
        "classes that never occur. Asked next: what do row sums (support) and column sums mean, "
        "and where are precision and recall in this matrix?"
    ),
    difficulty=1,
    taught_in="02_evaluation_metrics, section 1",
)
