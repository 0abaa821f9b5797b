import math

import numpy as np

from helpers.drills.spec import Case, Drill


def discriminator_loss(real_logits: np.ndarray, fake_logits: np.ndarray) -> float:
    """Compute what the discriminator of a GAN minimises: the cross-entropy of telling real from
    fake, straight from its logits.

    `real_logits` are the discriminator's outputs for real examples, shape (n,) or (n, 1),
    `fake_logits` those for generated ones, (m,) or (m, 1); n and m are at least 1 and may differ.
    With D = sigmoid(logit), the probability of being real, return

        mean over the real of −log D  +  mean over the fake of −log(1 − D)

    with the natural logarithm: the sum of two means, not halved. Logits of ±10,000 occur. Nothing
    may overflow, and a confident error costs what the formula says: a fake with the logit 10,000
    costs 10,000.
    """
    # −log sigmoid(x) = log(1 + exp(−x)), and 1 − sigmoid(x) = sigmoid(−x)
    real_loss = np.logaddexp(0, -real_logits).mean()
    fake_loss = np.logaddexp(0, fake_logits).mean()
    return real_loss + fake_loss


def example_by_example(real_logits, fake_logits):
    def softplus(x):
        return max(x, 0) + math.log1p(math.exp(-abs(x)))

    real = [softplus(-x) for x in real_logits.ravel()]
    fake = [softplus(x) for x in fake_logits.ravel()]
    return sum(real) / len(real) + sum(fake) / len(fake)


def weighted_cross_entropy(real_logits, fake_logits):
    n, m = len(real_logits), len(fake_logits)
    x = np.concatenate([real_logits, fake_logits]).ravel()
    label, weight = np.repeat([1, 0], [n, m]), np.repeat([1 / n, 1 / m], [n, m])
    return weight @ (np.maximum(x, 0) - x * label + np.log1p(np.exp(-abs(x))))


def _sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2


def _of_probabilities(real, fake):
    with np.errstate(divide="ignore"):
        return -np.log(real).mean() - np.log(1 - fake).mean()


def sigmoid_then_logarithm(real_logits, fake_logits):
    """You take the logarithm of a finished sigmoid. In a confident error it has rounded to 0 or 1,
    and the loss is infinite. Write −log sigmoid(x) as one function of the logit."""
    return _of_probabilities(_sigmoid(real_logits), _sigmoid(fake_logits))


def probabilities_clipped(real_logits, fake_logits):
    """You clip the probabilities before the logarithm. Nothing is infinite, but a confident error
    costs 16 at most, whatever its logit. Work with the logits."""
    limits = 1e-7, 1 - 1e-7
    real, fake = np.clip(_sigmoid(real_logits), *limits), np.clip(_sigmoid(fake_logits), *limits)
    return _of_probabilities(real, fake)


def small_number_in_the_logarithm(real_logits, fake_logits):
    """You add a small number inside the logarithm: it caps the cost of a confident error, and
    shifts every other. Work with the logits."""
    real, fake = _sigmoid(real_logits), _sigmoid(fake_logits)
    return -np.log(real + 1e-8).mean() - np.log(1 - fake + 1e-8).mean()


def exponent_overflows(real_logits, fake_logits):
    """log(1 + exp(x)) is the right function, but exp(10000) is infinite. `np.logaddexp` computes
    the same without the overflow, or take out the larger of 0 and x first."""
    with np.errstate(over="ignore"):
        return np.log1p(np.exp(-real_logits)).mean() + np.log1p(np.exp(fake_logits)).mean()


def logits_clipped(real_logits, fake_logits):
    """You clip the logits. Nothing overflows, but beyond the limit a worse error costs no more, and
    has no gradient. Rewrite log(1 + exp(x)) so that no large number is exponentiated."""
    return discriminator_loss(np.clip(real_logits, -100, 100), np.clip(fake_logits, -100, 100))


def labels_swapped(real_logits, fake_logits):
    """You reward the discriminator for calling the real ones fake and the fakes real. A high logit
    means real: it is cheap for real examples, dear for fakes."""
    return discriminator_loss(fake_logits, real_logits)


def fakes_called_real(real_logits, fake_logits):
    """You give the fakes the label of the real ones. The discriminator then calls everything real,
    at a loss of 0. For the fakes it is −log(1 − D)."""
    return discriminator_loss(real_logits, -fake_logits)


def to_be_maximised(real_logits, fake_logits):
    """Your sign is that of the game's value, which the discriminator maximises. A loss is
    minimised: turn the sign."""
    return -discriminator_loss(real_logits, fake_logits)


def sigmoid_applied_twice(real_logits, fake_logits):
    """You take the sigmoid, and treat its result as a logit once more: no example can cost less
    than 0.31 if it is real, or 0.69 if it is fake. The loss takes the logits as they come."""
    return discriminator_loss(_sigmoid(real_logits), _sigmoid(fake_logits))


def fakes_left_out(real_logits, fake_logits):
    """You look at the real examples alone. A discriminator that calls everything real is then
    perfect: add the mean over the fakes."""
    return np.logaddexp(0, -real_logits).mean()


def real_left_out(real_logits, fake_logits):
    """You look at the fakes alone. A discriminator that calls everything fake is then perfect: add
    the mean over the real ones."""
    return np.logaddexp(0, fake_logits).mean()


def summed(real_logits, fake_logits):
    """You add over the examples: the loss, and the step with it, grows with the batch. Take the
    mean of each batch."""
    return np.logaddexp(0, -real_logits).sum() + np.logaddexp(0, fake_logits).sum()


def one_mean_over_both(real_logits, fake_logits):
    """You take one mean over all examples. The larger batch then counts for more, and batches of
    equal size count half. Take two means, and add them."""
    both = np.concatenate([-real_logits, fake_logits])
    return np.logaddexp(0, both).mean()


def halved(real_logits, fake_logits):
    """You return half of it. Some do; asked for is the sum of the two means, as in the formula of
    the game."""
    return discriminator_loss(real_logits, fake_logits) / 2


def batches_paired(real_logits, fake_logits):
    """You add the losses of real and fake element by element, as if they were pairs. The batches
    may differ in size: take each mean first, and add two numbers."""
    return (np.logaddexp(0, -real_logits) + np.logaddexp(0, fake_logits)).mean()


def cases(rng):
    yield Case("two real, three fake", (np.array([2.0, 0.5]), np.array([-1.0, 0.0, 0.5])))
    yield Case("no idea at all", (np.zeros(3), np.zeros(4)))
    # Numbers that are exact, so that the way to them does not show: 0.0 or a half of 10,000.
    sure = np.array([1e4, 1e4])
    yield Case("sure and right, ±10,000", (sure, -np.array([1e4, 1e4, 1e4])))
    yield Case("sure and wrong, ±10,000", (-sure, np.array([1e4, 1e4, 1e4])))
    mixed = np.array([-1e4, 1e4, 0.5]), np.array([1e4, -1e4])
    yield Case("logits of ±10,000, some right and some wrong", mixed)
    yield Case("logits of ±40", (np.array([40.0, -40]), np.array([40.0, -40, 1, 40])))
    yield Case("one real, one fake", (np.array([0.3]), np.array([0.8])))
    for n, m in [(5, 3), (7, 31)]:
        logits = rng.normal(1, 2, n), rng.normal(-0.5, 2, m)
        yield Case(f"{n} real and {m} fake, random", logits)
    columns = rng.normal(size=(6, 1)), rng.normal(size=(4, 1))
    yield Case("columns, as a layer of one unit gives them", columns)


DRILL = Drill(
    reference=discriminator_loss,
    cases=cases,
    alternatives=(example_by_example, weighted_cross_entropy),
    mistakes=(
        sigmoid_then_logarithm,
        probabilities_clipped,
        small_number_in_the_logarithm,
        exponent_overflows,
        logits_clipped,
        labels_swapped,
        fakes_called_real,
        to_be_maximised,
        sigmoid_applied_twice,
        fakes_left_out,
        real_left_out,
        summed,
        one_mean_over_both,
        halved,
        batches_paired,
    ),
    hints=(
        "Two cross-entropies: real examples have the label 1, fakes the label 0. Write −log "
        "sigmoid(x) without the sigmoid.",
        "−log sigmoid(x) = log(1 + exp(−x)), and −log(1 − sigmoid(x)) = log(1 + exp(x)). The "
        "exponential of 10,000 must not occur: log(1 + exp(x)) = log(exp(0) + exp(x)).",
        "`np.logaddexp(0, x)` is log(1 + exp(x)), and overflows nowhere. Its mean at −real_logits, "
        "plus its mean at fake_logits.",
    ),
    explanation=(
        "This is minus the value of the game in Goodfellow et al. (2014), in which the "
        "discriminator maximises E[log D(real)] + E[log(1 − D(fake))]. Where it does its best, D "
        "= p_real / (p_real + p_fake); where that is 1/2 everywhere the loss is 2 log 2 ≈ 1.386, "
        "the number to look for in a log: a discriminator that knows nothing is there as well. "
        "Keras's BinaryCrossentropy(from_logits=True) gives each of the two means. Asked next: "
        "the loss has gone to 0, is that good news? Not for the generator."
    ),
    difficulty=1,
    taught_in="04_generative_adversarial_networks, section 1",
)
