import numpy as np

from helpers.drills.spec import Case, Drill


def log_loss(y_true: np.ndarray, logits: np.ndarray) -> float:
    """Compute the log loss of a binary classifier from its logits, the number that training
    minimises and that punishes confident errors.

    `y_true` holds 0 and 1, shape (n,). `logits` are any finite numbers, ±1000 included, of shape
    (n,), or of shape (n, 1) as a network with one output gives them. The probability of class 1 is
    1 / (1 + exp(−logit)). Return the mean over the examples of −log(probability of the true class),
    one float, natural logarithm, without overflow and without cutting probabilities off; a tiny
    loss keeps its digits.
    """
    z = logits.ravel()  # (n, 1) against (n,) would be broadcast to (n, n)
    return np.mean(np.maximum(z, 0) - z * y_true + np.log1p(np.exp(-np.abs(z))))


def with_logaddexp(y_true, logits):
    return np.logaddexp(0, np.where(y_true == 1, -logits.ravel(), logits.ravel())).mean()


def number_by_number(y_true, logits):
    total = 0.0
    for label, logit in zip(y_true, np.ravel(logits), strict=True):
        margin = logit if label == 1 else -logit
        total += max(-margin, 0) + np.log1p(np.exp(-abs(margin)))
    return total / len(y_true)


def _from_probability(y_true, probability):
    with np.errstate(all="ignore"):
        own = np.where(y_true == 1, probability, 1 - probability)
        return -np.log(own).mean()


def through_the_sigmoid(y_true, logits):
    """You compute the probability and take its logarithm. For a confident error it rounds to 0, and
    the loss is infinite: use log1p(exp(−|z|)), in which nothing over- or underflows."""
    with np.errstate(all="ignore"):
        return _from_probability(y_true, 1 / (1 + np.exp(-logits.ravel())))


def zero_times_infinity(y_true, logits):
    """You compute the probability and take both logarithms. Where p rounds to 1, (1 − y)·log(1 − p)
    is 0 times minus infinity: NaN, even for a right answer. Work on the logits."""
    z = logits.ravel()
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-z))
        return -np.mean(y_true * np.log(p) + (1 - y_true) * np.log(1 - p))


def tiny_losses_lost(y_true, logits):
    """Your formula is right, but log(1 + x) is 0 as soon as x is below 1e-16, so tiny losses
    vanish: `log1p(x)` keeps them."""
    z = logits.ravel()
    return np.mean(np.maximum(z, 0) - z * y_true + np.log(1 + np.exp(-np.abs(z))))


def probabilities_cut_at_1e_15(y_true, logits):
    """You cut the probabilities at 1e-15, so no error costs more than 34.5: two models, one of them
    absurdly sure, look the same. From logits nothing needs to be cut."""
    with np.errstate(all="ignore"):
        probability = np.clip(1 / (1 + np.exp(-logits.ravel())), 1e-15, 1 - 1e-15)
    return _from_probability(y_true, probability)


def probabilities_cut_at_1e_7(y_true, logits):
    """You cut the probabilities at 1e-7, as Keras does when it is given probabilities, so no error
    costs more than 16.1. From logits nothing needs to be cut."""
    with np.errstate(all="ignore"):
        probability = np.clip(1 / (1 + np.exp(-logits.ravel())), 1e-7, 1 - 1e-7)
    return _from_probability(y_true, probability)


def exponent_of_z_overflows(y_true, logits):
    """log(1 + exp(z)) overflows for a large z, where it is z itself. Take the exponential of −|z|,
    and add max(z, 0)."""
    z = logits.ravel()
    with np.errstate(all="ignore"):
        return np.mean(np.log1p(np.exp(z)) - z * y_true)


def every_pair_of_rows(y_true, logits):
    """Labels of shape (n,) against logits of shape (n, 1) give n × n losses, every label against
    every logit, and the mean hides it. Bring both to one shape first."""
    return np.mean(np.logaddexp(0, logits) - logits * y_true)


def logarithm_to_base_2(y_true, logits):
    """Your logarithm has base 2: that is bits, the statement asks for the natural logarithm."""
    return log_loss(y_true, logits) / np.log(2)


def summed_not_averaged(y_true, logits):
    """You return the sum over the examples: it grows with the test set. Take the mean."""
    return log_loss(y_true, logits) * len(y_true)


def classes_exchanged(y_true, logits):
    """Your loss is low where the model is wrong: a high logit speaks for class 1."""
    return log_loss(1 - y_true, logits)


def only_the_positives(y_true, logits):
    """Your negatives cost nothing: −y·log(p) alone forgets the term (1 − y)·log(1 − p)."""
    return np.mean(y_true * np.logaddexp(0, -logits.ravel()))


def sign_missing(y_true, logits):
    """Your loss is negative: the logarithm of a probability is, and the minus is missing."""
    return -log_loss(y_true, logits)


def logits_taken_for_probabilities(y_true, logits):
    """You use the logits as if they were probabilities. They are any real numbers: the sigmoid
    belongs between."""
    return _from_probability(y_true, logits.ravel())


def cases(rng):
    yield Case("three examples", (np.array([1, 0, 1]), np.array([2.0, -1.0, 0.5])))
    yield Case(
        "a network's column of logits", (np.array([1, 0, 0]), np.array([[2.0], [-1.0], [1.5]]))
    )
    yield Case("sure and right", (np.array([1, 0, 1]), np.array([800.0, -50.0, 0.5])))
    yield Case("sure and wrong", (np.array([0, 1, 1]), np.array([1000.0, -1000.0, -720.0])))
    yield Case("all sure and right", (np.array([1, 0, 1]), np.array([30.0, -40.0, 35.0])))
    yield Case("no opinion", (np.array([0, 1]), np.zeros(2)))
    yield Case("one example", (np.array([0]), np.array([[0.7]])))
    for n in (7, 31):
        y_true = rng.integers(0, 2, n)
        yield Case(f"{n} random examples", (y_true, rng.normal(size=n) * 3))
        yield Case(f"a column of {n}", (y_true, rng.normal(size=(n, 1)) * 2))


DRILL = Drill(
    reference=log_loss,
    cases=cases,
    alternatives=(with_logaddexp, number_by_number),
    mistakes=(
        through_the_sigmoid,
        zero_times_infinity,
        tiny_losses_lost,
        probabilities_cut_at_1e_15,
        probabilities_cut_at_1e_7,
        exponent_of_z_overflows,
        every_pair_of_rows,
        logarithm_to_base_2,
        summed_not_averaged,
        classes_exchanged,
        only_the_positives,
        sign_missing,
        logits_taken_for_probabilities,
    ),
    hints=(
        "Write −log(sigmoid(z)) and −log(1 − sigmoid(z)) as log(1 + exp(…)). Which sign has z in "
        "each?",
        "Both are log(1 + exp(z)) − z·y. For large z the exponential overflows: take z out of the "
        "logarithm. And look at the shapes.",
        "The mean of max(z, 0) − z·y + log1p(exp(−|z|)), with the logits flattened to (n,).",
    ),
    explanation=(
        "log(1 + exp(z)) = max(z, 0) + log(1 + exp(−|z|)) for every z, and its exponent is never "
        "positive; `log1p` keeps the digits where the exponential is tiny. It is what "
        "`BinaryCrossentropy(from_logits=True)` computes. Asked next: what is the log loss of "
        "always saying the base rate, and what does an infinite loss on one example say?"
    ),
    difficulty=2,
    taught_in="02_evaluation_metrics, section 5",
)
