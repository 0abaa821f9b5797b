import math

import numpy as np

from helpers.drills.spec import Case, Drill


def generator_loss(fake_logits: np.ndarray) -> tuple:
    """Compute the loss that the generator of a GAN minimises, the non-saturating one, and the
    gradient with which backpropagation into discriminator and generator starts.

    `fake_logits`, shape (n,) or (n, 1) with n at least 1, are the discriminator's outputs for
    generated examples; D = sigmoid(logit) is the probability that it gives to being real. The loss
    is the mean of −log D, with the natural logarithm: the cross-entropy with the label "real".
    Return (loss, gradient): the mean, and its gradient with respect to the logits, in their shape.
    Logits of ±10,000 occur: nothing may overflow, and a fake with the logit −10,000 costs 10,000.
    """
    loss = np.logaddexp(0, -fake_logits).mean()  # −log sigmoid(x) = log(1 + exp(−x))
    doubt = np.exp(-np.logaddexp(0, fake_logits))  # 1 − sigmoid(x), near 1 for a fake seen through
    return loss, -doubt / len(fake_logits)


def example_by_example(fake_logits):
    loss, gradient = 0.0, []
    for x in fake_logits.ravel().tolist():
        small = math.exp(-abs(x))
        loss += max(0, -x) + math.log1p(small)
        gradient.append(-math.exp(-max(0, x)) / (1 + small))
    n = len(gradient)
    return loss / n, np.reshape(gradient, fake_logits.shape) / n


def with_tanh(fake_logits):
    n = len(fake_logits)
    loss = np.maximum(-fake_logits, 0) + np.log1p(np.exp(-np.abs(fake_logits)))
    return loss.mean(), (np.tanh(fake_logits / 2) - 1) / (2 * n)


def _sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2


def saturating_loss(fake_logits):
    """You minimise log(1 − D), the loss of the minimax game. Where the discriminator sees through a
    fake, as it does at first, its gradient is almost 0. Minimise −log D instead."""
    return -np.logaddexp(0, fake_logits).mean(), -_sigmoid(fake_logits) / len(fake_logits)


def gradient_of_the_saturating_loss(fake_logits):
    """Your loss is the right one, your gradient belongs to log(1 − D): it is almost 0 for a fake
    that is seen through, and large for one that passes. It should be the other way round."""
    return generator_loss(fake_logits)[0], saturating_loss(fake_logits)[1]


def labels_of_the_discriminator(fake_logits):
    """You use the label "fake", as the discriminator does. The generator then learns to be caught.
    It wants its examples to be called real: −log D."""
    return np.logaddexp(0, fake_logits).mean(), _sigmoid(fake_logits) / len(fake_logits)


def gradient_points_the_other_way(fake_logits):
    """Your gradient has the wrong sign. The loss falls as a logit rises, so the gradient is
    negative; gradient *descent* subtracts it."""
    loss, gradient = generator_loss(fake_logits)
    return loss, -gradient


def to_be_maximised(fake_logits):
    """You return mean log D, which the generator maximises. A loss is minimised: turn the sign, of
    the gradient too."""
    loss, gradient = generator_loss(fake_logits)
    return -loss, -gradient


def gradient_not_divided(fake_logits):
    """Your gradient lacks the 1 / n of the mean: it is that of the summed loss."""
    loss, gradient = generator_loss(fake_logits)
    return loss, gradient * len(fake_logits)


def summed(fake_logits):
    """You add over the examples: loss and gradient grow with the batch. Take the mean."""
    loss, gradient = generator_loss(fake_logits)
    return loss * len(fake_logits), gradient * len(fake_logits)


def gradient_with_respect_to_the_probability(fake_logits):
    """Your gradient, −1 / (n · D), is that with respect to the probability, and grows without
    bound. With respect to the logit it goes on through the sigmoid, times D · (1 − D)."""
    with np.errstate(divide="ignore"):
        return generator_loss(fake_logits)[0], -1 / _sigmoid(fake_logits) / len(fake_logits)


def slope_of_the_sigmoid_twice(fake_logits):
    """You multiply D − 1 by the slope of the sigmoid, D · (1 − D). That slope is in it already: D −
    1 *is* the gradient with respect to the logit."""
    loss, gradient = generator_loss(fake_logits)
    probability = _sigmoid(fake_logits)
    return loss, gradient * probability * (1 - probability)


def gradient_is_the_probability(fake_logits):
    """Your gradient is the probability, D / n. The label has to be taken off: D − 1."""
    return generator_loss(fake_logits)[0], _sigmoid(fake_logits) / len(fake_logits)


def sigmoid_applied_twice(fake_logits):
    """You take the sigmoid, and treat its result as a logit once more. No fake then costs more than
    0.69, however surely it is seen through. The loss takes the logits as they come."""
    return generator_loss(_sigmoid(fake_logits))


def sigmoid_then_logarithm(fake_logits):
    """You take the logarithm of a finished sigmoid. It has rounded to 0 where the logit is far
    below zero, and the loss is infinite. Write −log sigmoid(x) as one function of the logit."""
    with np.errstate(divide="ignore"):
        return -np.log(_sigmoid(fake_logits)).mean(), generator_loss(fake_logits)[1]


def probabilities_clipped(fake_logits):
    """You clip the probabilities before the logarithm: no fake costs more than 16, and those that
    cost most get no gradient from it. Work with the logits."""
    probability = np.clip(_sigmoid(fake_logits), 1e-7, 1 - 1e-7)
    gradient = np.where(probability == _sigmoid(fake_logits), probability - 1, 0)
    return -np.log(probability).mean(), gradient / len(fake_logits)


def exponent_overflows(fake_logits):
    """exp(10000) is infinite, and so is your loss; inf / inf in the gradient is NaN. `np.logaddexp`
    computes log(1 + exp(x)) without the overflow."""
    with np.errstate(all="ignore"):
        loss = np.log1p(np.exp(-fake_logits)).mean()
        probability = np.exp(fake_logits) / (1 + np.exp(fake_logits))
    return loss, (probability - 1) / len(fake_logits)


def score_itself(fake_logits):
    """You take −logit for the loss: that is the generator against a Wasserstein critic. Here the
    logit goes through −log sigmoid."""
    return -fake_logits.mean(), -np.ones(fake_logits.shape) / len(fake_logits)


def cases(rng):
    yield Case("one fake that passes, one that does not", (np.array([2.0, -1.0]),))
    yield Case("a discriminator with no idea", (np.zeros(5),))
    yield Case("every fake seen through, logits of −10,000", (np.full(3, -1e4),))
    yield Case("every fake passes, logits of 10,000", (np.full(3, 1e4),))
    yield Case("logits of ±10,000 and some between", (np.array([1e4, -1e4, 0.5, -1.5]),))
    yield Case("logits of ±40, and one between", (np.array([40.0, -40.0, 0.7]),))
    yield Case("one fake", (np.array([-0.4]),))
    yield Case("a column, as a layer of one unit gives it", (rng.normal(size=(4, 1)),))
    for n in (7, 31):
        yield Case(f"{n} random logits", (rng.normal(-0.5, 2, n),))


DRILL = Drill(
    reference=generator_loss,
    cases=cases,
    alternatives=(example_by_example, with_tanh),
    mistakes=(
        saturating_loss,
        gradient_of_the_saturating_loss,
        labels_of_the_discriminator,
        gradient_points_the_other_way,
        to_be_maximised,
        gradient_not_divided,
        summed,
        gradient_with_respect_to_the_probability,
        slope_of_the_sigmoid_twice,
        gradient_is_the_probability,
        sigmoid_applied_twice,
        sigmoid_then_logarithm,
        probabilities_clipped,
        exponent_overflows,
        score_itself,
    ),
    hints=(
        "It is a cross-entropy with one label for all. Which one: what does the generator want its "
        "examples to be called?",
        "−log sigmoid(x) = log(1 + exp(−x)), which `np.logaddexp` computes. The gradient of a "
        "cross-entropy with respect to the logit is sigmoid − label.",
        "Loss: the mean of `np.logaddexp(0, -fake_logits)`. Gradient: (sigmoid(fake_logits) − 1) / "
        "n, with a sigmoid that cannot overflow, such as (1 + tanh(x / 2)) / 2.",
    ),
    explanation=(
        "Both losses want the logit to rise. But the gradient of log(1 − D) is −D, which vanishes "
        "where the discriminator sees through the fake, and that of −log D is −(1 − D), which is "
        "strongest there. Goodfellow et al. (2014) propose it for the early steps, and it became "
        "the rule. Asked next: what does the generator then "
        "minimise against the best discriminator, no longer the Jensen–Shannon divergence? "
        "(Arjovsky and Bottou, 2017: a reversed KL less twice a Jensen–Shannon divergence.)"
    ),
    difficulty=1,
    taught_in="04_generative_adversarial_networks, section 1",
)
