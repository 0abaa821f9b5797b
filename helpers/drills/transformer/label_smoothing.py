import numpy as np

from helpers.drills.spec import Case, Drill


def label_smoothing(logits: np.ndarray, labels: np.ndarray, epsilon: float) -> float:
    """Compute the cross-entropy of a classifier with smoothed labels, which keeps it from growing
    ever surer of its training data.

    `logits` has shape (n, classes), n at least 1 and classes at least 2; `labels`, ints of shape
    (n,), are the true classes; 0 ≤ epsilon ≤ 1. The target of a row is a distribution: epsilon is
    spread evenly over *all* classes, the true one among them, so that each has epsilon / classes,
    and the true class has 1 − epsilon besides. (Some texts spread epsilon over the other classes
    only: that is not meant here.) The loss of a row is −Σ target · log p over the classes, in nats,
    where p is the softmax of its logits. Return the mean over the n rows, one float. The logits are
    finite, ±1000 included: nothing may overflow or become log(0). The arguments must not change.
    """
    n, classes = logits.shape
    targets = np.full((n, classes), epsilon / classes)
    targets[np.arange(n), labels] += 1 - epsilon

    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -np.sum(targets * log_p, axis=1).mean()


def class_by_class(logits, labels, epsilon):
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        top = max(row)
        log_sum = top + np.log(sum(np.exp(value - top) for value in row))
        for place, value in enumerate(row):
            target = epsilon / len(row)
            if place == label:
                target += 1 - epsilon
            total += target * (log_sum - value)
    return total / len(labels)


def mixture_of_two_losses(logits, labels, epsilon):
    surprise = np.logaddexp.reduce(logits, axis=1, keepdims=True) - logits  # −log p
    own = surprise[np.arange(len(labels)), labels]
    return (1 - epsilon) * own.mean() + epsilon * surprise.mean()


def _log_p(logits):
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def _loss(logits, labels, true, other):
    """The loss where the true class has the target `true`, and each of the others `other`."""
    own = labels[:, None] == np.arange(logits.shape[1])
    return -np.sum(np.where(own, true, other) * _log_p(logits), axis=1).mean()


def true_class_left_at_one(logits, labels, epsilon):
    """Your true class has 1 + epsilon / classes: you add the even share without taking epsilon away
    first, so that a target sums to 1 + epsilon. Keep 1 − epsilon of the label."""
    share = epsilon / logits.shape[1]
    return _loss(logits, labels, 1 + share, share)


def true_class_gets_the_share_twice(logits, labels, epsilon):
    """Your true class has 1 − epsilon + 2 · epsilon / classes: the even share is added there twice.
    Each class gets it once; a target sums to 1."""
    share = epsilon / logits.shape[1]
    return _loss(logits, labels, 1 - epsilon + 2 * share, share)


def true_class_without_its_share(logits, labels, epsilon):
    """Your true class has 1 − epsilon, and the others epsilon / classes each: the true class lacks
    its own share, and a target sums to less than 1."""
    return _loss(logits, labels, 1 - epsilon, epsilon / logits.shape[1])


def spread_over_the_other_classes(logits, labels, epsilon):
    """You spread epsilon over the classes − 1 others. That is the other convention; here epsilon is
    spread over all classes, the true one too."""
    return _loss(logits, labels, 1 - epsilon, epsilon / (logits.shape[1] - 1))


def epsilon_on_every_class(logits, labels, epsilon):
    """Every class gets epsilon instead of its share of it. Divide by the number of classes: the sum
    over a row has to be 1."""
    return _loss(logits, labels, 1.0, epsilon)


def epsilon_exchanged(logits, labels, epsilon):
    """You give epsilon to the label and 1 − epsilon to all classes evenly: with epsilon = 0 the
    labels have no influence. Exchange the two."""
    return label_smoothing(logits, labels, 1 - epsilon)


def model_smoothed(logits, labels, epsilon):
    """You mix the model's probability with the even one, and take its logarithm. It is the label
    that is smoothed: the logarithm is taken first, and the mean over classes after it."""
    mixed = (1 - epsilon) * np.exp(_log_p(logits)) + epsilon / logits.shape[1]
    with np.errstate(divide="ignore"):
        return -np.log(mixed[np.arange(len(labels)), labels]).mean()


def not_smoothed(logits, labels, epsilon):
    """You compute the plain cross-entropy: epsilon has no influence on it."""
    return label_smoothing(logits, labels, 0.0)


def summed_over_the_rows(logits, labels, epsilon):
    """You return the sum over the rows: it grows with the batch. Take the mean."""
    return label_smoothing(logits, labels, epsilon) * len(labels)


def averaged_over_the_classes_too(logits, labels, epsilon):
    """You take the mean over rows *and* classes. Over the classes it is a sum: only the rows are
    averaged."""
    return label_smoothing(logits, labels, epsilon) / logits.shape[1]


def exponent_overflows(logits, labels, epsilon):
    """exp(1000) is infinite. Subtract each row's largest logit first: the softmax does not
    change."""
    with np.errstate(all="ignore"):
        log_p = np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
        own = log_p[np.arange(len(labels)), labels]
        return -((1 - epsilon) * own.mean() + epsilon * log_p.mean())


def logarithm_of_the_softmax(logits, labels, epsilon):
    """You take the logarithm of a finished softmax. A small probability has become 0, and with
    smoothed labels every class counts: one of them makes the loss infinite. Simplify log softmax
    first."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    with np.errstate(all="ignore"):
        log_p = np.log(p / p.sum(axis=1, keepdims=True))
        own = log_p[np.arange(len(labels)), labels]
        return -((1 - epsilon) * own.mean() + epsilon * log_p.mean())


def cases(rng):
    logits, labels = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 3.0]]), np.array([0, 1])
    yield Case("two rows, three classes, a tenth", (logits, labels, 0.1))
    for epsilon in (0.0, 0.5, 1.0):
        yield Case(f"the same, epsilon = {epsilon:g}", (logits, labels, epsilon))
    yield Case("two classes", (np.array([[0.0, 2.0]]), np.array([1]), 0.2))
    # A loss of 0.3 as the difference of numbers near 1000 has three digits less.
    near = np.array([[1000.0, 999.0, 1000.5], [-1001.0, -1000.0, -999.5]])
    yield Case("all logits large, and all far below zero", (near, np.array([0, 1]), 0.1), 1000.0)
    sure = np.array([[1000.0, 0.0, -1000.0, 1.0], [0.5, 1000.0, 0.0, 0.0]])
    yield Case("sure of the right classes, and smoothed", (sure, np.array([0, 1]), 0.1))
    yield Case("sure of the wrong classes", (sure, np.array([3, 2]), 0.3))
    yield Case("one row surer than the other", (logits[::-1] * 4, labels, 0.25))
    for n, classes, epsilon in ((1, 5, 0.1), (7, 3, 0.3), (5, 11, 0.15), (13, 6, 0.02)):
        logits, labels = 2 * rng.normal(size=(n, classes)), rng.integers(0, classes, n)
        yield Case(f"{n} random rows of {classes} classes", (logits, labels, epsilon))


DRILL = Drill(
    reference=label_smoothing,
    cases=cases,
    alternatives=(class_by_class, mixture_of_two_losses),
    mistakes=(
        true_class_left_at_one,
        true_class_gets_the_share_twice,
        true_class_without_its_share,
        spread_over_the_other_classes,
        epsilon_on_every_class,
        epsilon_exchanged,
        model_smoothed,
        not_smoothed,
        summed_over_the_rows,
        averaged_over_the_classes_too,
        exponent_overflows,
        logarithm_of_the_softmax,
    ),
    hints=(
        "Write down the target of one row for three classes and epsilon = 0.3. What does it sum "
        "to?",
        "Fill an array of the shape of the logits with epsilon / classes, and add 1 − epsilon at "
        "the true classes. Then it is an ordinary cross-entropy.",
        "`targets = np.full(logits.shape, epsilon / classes)`; `targets[np.arange(n), labels] += "
        "1 - epsilon`. log p is shifted − log Σ exp(shifted), where the row's maximum is "
        "subtracted; sum −targets · log p over axis 1, and take the mean.",
    ),
    explanation=(
        "Szegedy et al. (2016, Rethinking the Inception Architecture for Computer Vision). By "
        "linearity it is (1 − epsilon) times the plain loss plus epsilon times the mean of −log p "
        "over all classes, which is least when all logits are equal. The loss no longer falls to "
        "0: its floor is the entropy of the target. Asked next: which logits are best? The true "
        "one stands a finite distance above the rest, log((1 − epsilon) · classes / epsilon + 1), "
        "where plain cross-entropy wants it infinite. And when does it harm? A teacher trained so "
        "distils worse (Müller et al., 2019, When Does Label Smoothing Help?)."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 6",
)
