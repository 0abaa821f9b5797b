import numpy as np

from helpers.drills.probes import slope
from helpers.drills.spec import Case, Drill


def cross_entropy(logits: np.ndarray, labels: np.ndarray, ignore_index: int) -> tuple:
    """Compute the loss that trains every classifier and language model, softmax cross-entropy, and
    its gradient by hand.

    `logits` has shape (n, classes), any finite numbers, ±1000 included; `labels` holds class
    numbers, shape (n,), or `ignore_index` where there is nothing to learn (padding). The loss of a
    row is minus the logarithm of the softmax probability of its label. Return (loss, gradient): the
    mean over the rows that are not ignored, and its gradient with respect to the logits, shape (n,
    classes), zero in ignored rows. If all rows are ignored, both are 0. Nothing may overflow.
    """
    kept = labels != ignore_index
    count = max(kept.sum(), 1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = np.exp(log_probability)  # softmax …
    rows = np.flatnonzero(kept)
    gradient[rows, labels[rows]] -= 1  # … minus the one-hot label
    losses = -log_probability[rows, labels[rows]]
    return losses.sum() / count, gradient * kept[:, None] / count


def row_by_row(logits, labels, ignore_index):
    loss, gradient, count = 0.0, np.zeros(logits.shape), 0
    for i, label in enumerate(labels):
        if label == ignore_index:
            continue
        top = max(logits[i])
        log_sum = top + np.log(sum(np.exp(value - top) for value in logits[i]))
        loss += log_sum - logits[i, label]
        gradient[i] = np.exp(logits[i] - log_sum)
        gradient[i, label] -= 1
        count += 1
    return (loss / count, gradient / count) if count else (loss, gradient)


def with_logaddexp(logits, labels, ignore_index):
    kept = labels != ignore_index
    if not kept.any():
        return 0.0, np.zeros_like(logits)
    log_sum = np.logaddexp.reduce(logits, axis=1)
    one_hot = labels[:, None] == np.arange(logits.shape[1])
    own = np.where(one_hot, logits, 0).sum(axis=1)
    gradient = np.where(kept[:, None], np.exp(logits - log_sum[:, None]) - one_hot, 0)
    return np.mean((log_sum - own)[kept]), gradient / kept.sum()


def logarithm_of_the_softmax(logits, labels, ignore_index):
    """You take the logarithm of the softmax. A confident wrong logit has a probability that rounds
    to 0, and its logarithm is −inf. Stay with logarithms: shifted − log(sum(exp(shifted)))."""
    gradient = cross_entropy(logits, labels, ignore_index)[1]
    kept = labels != ignore_index
    shifted = logits - logits.max(axis=1, keepdims=True)
    softmax = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    own = softmax[np.flatnonzero(kept), labels[kept]]
    return (-np.log(own).mean() if kept.any() else 0.0), gradient


def small_number_in_the_logarithm(logits, labels, ignore_index):
    """You add a small number inside the logarithm. It hides the −inf and caps the loss, so that a
    confident mistake costs too little. Stay with logarithms: shifted − log(sum(exp(shifted)))."""
    gradient = cross_entropy(logits, labels, ignore_index)[1]
    kept = labels != ignore_index
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = exponents / exponents.sum(axis=1, keepdims=True)
    losses = -np.log(softmax[np.flatnonzero(kept), labels[kept]] + 1e-12)
    return losses.sum() / max(kept.sum(), 1), gradient


def exponent_overflows(logits, labels, ignore_index):
    """exp(1000) is infinite, and inf / inf is NaN. Subtract each row's maximum first: the softmax
    does not change."""
    kept = labels != ignore_index
    if not kept.any():
        return 0.0, np.zeros(logits.shape)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = np.flatnonzero(kept)
    loss = -np.log(softmax[rows, labels[rows]]).mean()
    softmax[rows, labels[rows]] -= 1
    return loss, np.where(kept[:, None], softmax, 0) / kept.sum()


def maximum_of_the_whole_batch(logits, labels, ignore_index):
    """You subtract the maximum of the whole batch. A row that lies far below it underflows to
    log(0): subtract each row's own maximum."""
    kept = labels != ignore_index
    if not kept.any():
        return 0.0, np.zeros(logits.shape)
    exponents = np.exp(logits - logits.max())
    total = exponents.sum(axis=1, keepdims=True)
    rows = np.flatnonzero(kept)
    own = (logits - logits.max())[rows, labels[rows]]
    gradient = exponents / total
    gradient[rows, labels[rows]] -= 1
    loss = np.mean(np.log(total[rows, 0]) - own)
    return loss, np.where(kept[:, None], gradient, 0) / kept.sum()


def ignored_rows_in_the_denominator(logits, labels, ignore_index):
    """You divide by the number of all rows. Ignored rows then pull the loss down, the more the more
    padding a batch has: divide by the number of rows that count."""
    loss, gradient = cross_entropy(logits, labels, ignore_index)
    share = np.mean(labels != ignore_index)
    return loss * share, gradient * share


def gradient_not_divided(logits, labels, ignore_index):
    """Your gradient lacks the 1 / n of the mean: it is that of the summed loss, and grows with the
    batch."""
    loss, gradient = cross_entropy(logits, labels, ignore_index)
    return loss, gradient * max(np.sum(labels != ignore_index), 1)


def sum_for_mean(logits, labels, ignore_index):
    """You sum over the rows, in the loss and in the gradient. Take the mean over those that
    count."""
    loss, gradient = cross_entropy(logits, labels, ignore_index)
    count = max(np.sum(labels != ignore_index), 1)
    return loss * count, gradient * count


def label_not_subtracted(logits, labels, ignore_index):
    """Your gradient is the softmax alone. Subtract 1 at the label: only that pulls its logit up."""
    loss, gradient = cross_entropy(logits, labels, ignore_index)
    rows = np.flatnonzero(labels != ignore_index)
    gradient[rows, labels[rows]] += 1 / max(len(rows), 1)
    return loss, gradient


def gradient_points_the_other_way(logits, labels, ignore_index):
    """Your gradient has the wrong sign: it is softmax − label, which gradient *descent*
    subtracts."""
    loss, gradient = cross_entropy(logits, labels, ignore_index)
    return loss, -gradient


def ignored_rows_have_a_gradient(logits, labels, ignore_index):
    """Ignored rows have a gradient in your answer, so the model learns from padding. Set these rows
    to zero."""
    loss, gradient = cross_entropy(logits, labels, ignore_index)
    kept = labels != ignore_index
    softmax = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    return loss, np.where(kept[:, None], gradient, softmax / max(kept.sum(), 1))


def all_ignored_is_nan(logits, labels, ignore_index):
    """When every row is ignored you divide 0 by 0, and the NaN destroys the model at its next step.
    Return 0 for both."""
    if np.all(labels == ignore_index):
        return np.nan, np.full(logits.shape, np.nan)
    return cross_entropy(logits, labels, ignore_index)


def softmax_down_the_columns(logits, labels, ignore_index):
    """Your softmax runs over the examples instead of the classes: axis 1 has to sum to one."""
    kept = labels != ignore_index
    rows, count = np.flatnonzero(kept), max(kept.sum(), 1)
    log_probability = logits - np.logaddexp.reduce(logits, axis=0)
    gradient = np.exp(log_probability)
    gradient[rows, labels[rows]] -= 1
    loss = -log_probability[rows, labels[rows]].sum() / count
    return loss, np.where(kept[:, None], gradient, 0) / count


def observe(answer, logits, labels, ignore_index):
    """The two values, and whether the gradient is the slope of the answer's own loss."""
    result = answer(logits, labels, ignore_index)
    if not isinstance(result, tuple | list) or len(result) != 2:
        return {"two values are returned": False}
    loss, gradient = result
    seen = {"two values are returned": True, "the loss": loss, "the gradient": gradient}
    if np.abs(logits).max() < 10:  # beyond, the differences drown in rounding
        # An answer may compute in float32: the step, and what can be asked, follow its rounding.
        single = getattr(loss, "dtype", None) == np.float32
        unit, tolerance = (2.0**-23, 1e-3) if single else (2.0**-52, 1e-6)
        measured = slope(lambda x: float(answer(x, labels, ignore_index)[0]), logits, unit)
        same_shape = np.shape(gradient) == measured.shape
        matches = same_shape and np.allclose(gradient, measured, 0, tolerance)
        seen["the gradient is the slope of your own loss"] = matches
    return seen


def cases(rng):
    ignore = -1
    yield Case("two rows", (np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0]]), np.array([0, 2]), ignore))
    yield Case(
        "an ignored row", (np.array([[2.0, 1.0], [0.5, 1.0]]), np.array([0, ignore]), ignore)
    )
    yield Case("all rows ignored", (np.array([[2.0, 1.0], [0.5, 1.0]]), np.full(2, ignore), ignore))
    yield Case(
        "a confident wrong logit", (np.array([[1000.0, 0.0], [0.0, 2.0]]), np.array([1, 1]), ignore)
    )
    yield Case(
        "one row far below", (np.array([[1000.0, 998.0], [-1.0, 0.5]]), np.array([0, 0]), ignore)
    )
    yield Case("class 0 is padding", (rng.normal(size=(3, 4)), np.array([3, 0, 1]), 0))
    yield Case("padding beyond the classes", (rng.normal(size=(3, 4)), np.array([3, 255, 1]), 255))
    yield Case("padding of −100", (rng.normal(size=(3, 4)), np.array([3, -100, 1]), -100))
    for n, classes in ((5, 3), (7, 2), (4, 6)):
        labels = rng.integers(0, classes, n)
        labels[::3] = ignore
        yield Case(
            f"{n} random rows, {classes} classes", (rng.normal(size=(n, classes)), labels, ignore)
        )


DRILL = Drill(
    reference=cross_entropy,
    cases=cases,
    observe=observe,
    alternatives=(row_by_row, with_logaddexp),
    mistakes=(
        logarithm_of_the_softmax,
        small_number_in_the_logarithm,
        exponent_overflows,
        maximum_of_the_whole_batch,
        ignored_rows_in_the_denominator,
        gradient_not_divided,
        sum_for_mean,
        label_not_subtracted,
        gradient_points_the_other_way,
        ignored_rows_have_a_gradient,
        all_ignored_is_nan,
        softmax_down_the_columns,
    ),
    hints=(
        "log softmax = logit − log(sum of exp): subtract each row's maximum before exp, and never "
        "take the logarithm of a probability.",
        "The gradient of a row's loss is its softmax, less 1 at the label. What does the mean do "
        "to it, and what do ignored rows get?",
        "count = number of labels that are not ignore_index, at least 1. loss = −(log softmax at "
        "the labels).sum() / count; gradient = (softmax − one-hot) / count, rows of ignored "
        "labels 0.",
    ),
    explanation=(
        "The derivative of log(sum(exp)) is the softmax, that of the label's own logit is 1: "
        "hence softmax − one-hot, for which the softmax is never divided by anything small. The "
        "shift by the row's maximum cancels in exact arithmetic, and keeps exp below 1. Asked "
        "next: why do libraries want logits (`from_logits=True`), and what happens when softmax "
        "is applied twice?"
    ),
    difficulty=3,
    taught_in="01_training_pipeline, section 5",
)
