import numpy as np

from helpers.drills.spec import Case, Drill


def discriminator_step(
    real: np.ndarray, fake: np.ndarray, w: np.ndarray, b: float, learning_rate: float
) -> tuple:
    """Train a GAN's discriminator for one step of gradient descent, with the gradient by hand. It
    is the smallest there is: a logistic regression that tells real from fake.

    `real`, shape (n, features), and `fake`, shape (m, features), hold one example a row; n and m
    are at least 1 and may differ. The logits are x @ w + b, with `w` of shape (features,) and `b` a
    number, and D = sigmoid(logit) is the probability of being real. The loss is

        mean over the real of −log D  +  mean over the fake of −log(1 − D)

    the sum of two means, natural logarithm. Return (w, b) after one step, both from the gradient at
    the old w and b: old value − learning_rate · gradient. Logits of ±10,000 must not give NaN. The
    fakes are data here: where they come from does not matter. The arguments stay as they are.
    """

    def sigmoid(x):
        return (1 + np.tanh(x / 2)) / 2

    # The gradient of each mean with respect to its logits: sigmoid − label, divided by the number.
    d_real = (sigmoid(real @ w + b) - 1) / len(real)
    d_fake = sigmoid(fake @ w + b) / len(fake)
    d_w = d_real @ real + d_fake @ fake
    d_b = d_real.sum() + d_fake.sum()
    return w - learning_rate * d_w, b - learning_rate * d_b


def as_one_weighted_batch(real, fake, w, b, learning_rate):
    n, m = len(real), len(fake)
    x = np.column_stack([np.vstack([real, fake]), np.ones(n + m)])
    label, weight = np.repeat([1, 0], [n, m]), np.repeat([1 / n, 1 / m], [n, m])
    both = np.append(w, b)  # the bias as the weight of a feature that is always 1
    probability = np.exp(-np.logaddexp(0, -(x @ both)))
    both = both - learning_rate * (x.T @ (weight * (probability - label)))
    return both[:-1], both[-1]


def example_by_example(real, fake, w, b, learning_rate):
    new_w, new_b = np.array(w), b
    for examples, label in ((real, 1), (fake, 0)):
        for x in examples:
            logit = w @ x + b
            probability = np.exp(min(logit, 0)) / (1 + np.exp(-abs(logit)))
            step = learning_rate * (label - probability) / len(examples)
            new_w += step * x
            new_b += step
    return new_w, new_b


def _sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2


def _halves(real, fake, w, b):
    """The gradients with respect to w and b of the real and of the fake half of the loss."""
    d_real = (_sigmoid(real @ w + b) - 1) / len(real)
    d_fake = _sigmoid(fake @ w + b) / len(fake)
    return (d_real @ real, d_real.sum()), (d_fake @ fake, d_fake.sum())


def _moved(w, b, d_w, d_b, learning_rate):
    return w - learning_rate * d_w, b - learning_rate * d_b


def gradient_ascent(real, fake, w, b, learning_rate):
    """You add the gradient, and the loss grows. Descent subtracts it. If you think of the game's
    value, which is maximised: that is minus this loss."""
    return discriminator_step(real, fake, w, b, -learning_rate)


def fakes_left_out(real, fake, w, b, learning_rate):
    """You learn from the real examples alone: soon everything is called real. Add the gradient of
    the fakes."""
    return _moved(w, b, *_halves(real, fake, w, b)[0], learning_rate)


def real_left_out(real, fake, w, b, learning_rate):
    """You learn from the fakes alone: soon everything is called fake. Add the gradient of the real
    ones."""
    return _moved(w, b, *_halves(real, fake, w, b)[1], learning_rate)


def labels_swapped(real, fake, w, b, learning_rate):
    """You give the real examples the label 0 and the fakes 1. D is the probability of being real:
    it is the other way round."""
    return discriminator_step(fake, real, w, b, learning_rate)


def fakes_called_real(real, fake, w, b, learning_rate):
    """You give the fakes the label 1, as the generator's step does. In the discriminator's own step
    they have the label 0."""
    (real_w, real_b), _ = _halves(real, fake, w, b)
    (fake_w, fake_b), _ = _halves(fake, real, w, b)
    return _moved(w, b, real_w + fake_w, real_b + fake_b, learning_rate)


def summed(real, fake, w, b, learning_rate):
    """Your gradient is that of the sums over the batches: the step grows with their size. Divide
    each half by the number of its examples."""
    (real_w, real_b), (fake_w, fake_b) = _halves(real, fake, w, b)
    n, m = len(real), len(fake)
    return _moved(w, b, n * real_w + m * fake_w, n * real_b + m * fake_b, learning_rate)


def one_mean_over_both(real, fake, w, b, learning_rate):
    """You divide both halves by the number of all examples. The larger batch then counts for more,
    and batches of equal size count half. Each half has a mean of its own."""
    return summed(real, fake, w, b, learning_rate / (len(real) + len(fake)))


def halved(real, fake, w, b, learning_rate):
    """Your step is half as long: you average the two means. Here they are added."""
    return discriminator_step(real, fake, w, b, learning_rate / 2)


def one_half_after_the_other(real, fake, w, b, learning_rate):
    """You make two steps: one on the real batch, and one on the fakes with the w and b that it
    left. Take both gradients at the old w and b, and make one step."""
    w, b = fakes_left_out(real, fake, w, b, learning_rate)
    return real_left_out(real, fake, w, b, learning_rate)


def bias_after_the_weights(real, fake, w, b, learning_rate):
    """You compute the gradient of b with the new w. Both gradients belong to the old values:
    compute both, then step."""
    w, _ = discriminator_step(real, fake, w, b, learning_rate)
    _, b = discriminator_step(real, fake, w, b, learning_rate)
    return w, b


def bias_left_out(real, fake, w, b, learning_rate):
    """Your logits lack b: they are x @ w + b."""
    w, step = discriminator_step(real, fake, w, 0, learning_rate)
    return w, b + step


def bias_not_moved(real, fake, w, b, learning_rate):
    """You return b as it was. It is added to every logit, so its gradient is the sum of theirs."""
    return discriminator_step(real, fake, w, b, learning_rate)[0], b


def slope_of_the_sigmoid_as_well(real, fake, w, b, learning_rate):
    """You multiply sigmoid − label by the slope of the sigmoid, D · (1 − D). For the cross-entropy
    that slope has cancelled; it stays for the squared error, and stops a confident error from
    being mended."""
    d_real = (_sigmoid(real @ w + b) - 1) / len(real)
    d_fake = _sigmoid(fake @ w + b) / len(fake)
    d_real *= _sigmoid(real @ w + b) * (1 - _sigmoid(real @ w + b))
    d_fake *= _sigmoid(fake @ w + b) * (1 - _sigmoid(fake @ w + b))
    d_w, d_b = d_real @ real + d_fake @ fake, d_real.sum() + d_fake.sum()
    return _moved(w, b, d_w, d_b, learning_rate)


def exponent_overflows(real, fake, w, b, learning_rate):
    """exp(x) / (1 + exp(x)) is inf / inf = NaN at a logit of 10,000. Write the sigmoid with tanh,
    or with exp(−x)."""
    with np.errstate(all="ignore"):
        real_exp, fake_exp = np.exp(real @ w + b), np.exp(fake @ w + b)
        d_real = (real_exp / (1 + real_exp) - 1) / len(real)
        d_fake = fake_exp / (1 + fake_exp) / len(fake)
    d_w, d_b = d_real @ real + d_fake @ fake, d_real.sum() + d_fake.sum()
    return _moved(w, b, d_w, d_b, learning_rate)


def cases(rng):
    real, fake = np.array([[1.0, 2.0], [2.0, 0.0]]), np.array([[0.0, -1.0]])
    yield Case("two real, one fake", (real, fake, np.array([0.5, -0.5]), 0.25, 0.5))
    real, fake = np.array([[1e4], [-1e4], [0.5]]), np.array([[1e4], [-1e4]])
    yield Case("logits of ±10,000", (real, fake, np.array([1.0]), 0.5, 0.1))
    real, fake = rng.normal(1, 1, (3, 2)), rng.normal(-0.5, 1, (4, 2))
    yield Case("a discriminator that starts at zero", (real, fake, np.zeros(2), 0.0, 0.1))
    for n, m, features in [(1, 1, 3), (5, 3, 2), (7, 31, 4)]:
        real, fake = rng.normal(1, 1, (n, features)), rng.normal(-0.5, 1, (m, features))
        w, b = rng.normal(size=features), rng.normal()
        note = f"{n} real and {m} fake of {features} features, random"
        yield Case(note, (real, fake, w, b, rng.uniform(0.1, 1)))


DRILL = Drill(
    reference=discriminator_step,
    cases=cases,
    alternatives=(as_one_weighted_batch, example_by_example),
    mistakes=(
        gradient_ascent,
        fakes_left_out,
        real_left_out,
        labels_swapped,
        fakes_called_real,
        summed,
        one_mean_over_both,
        halved,
        one_half_after_the_other,
        bias_after_the_weights,
        bias_left_out,
        bias_not_moved,
        slope_of_the_sigmoid_as_well,
        exponent_overflows,
    ),
    hints=(
        "It is logistic regression on two batches. What is the gradient of a cross-entropy with "
        "respect to the logit, for the label 1 and for the label 0?",
        "sigmoid − label, divided by the size of its batch: that makes d_real and d_fake. From a "
        "logit to w goes the example x, from a logit to b goes 1.",
        "d_real = (sigmoid(real @ w + b) − 1) / n, d_fake = sigmoid(fake @ w + b) / m. The "
        "gradient of w is real.T @ d_real + fake.T @ d_fake, that of b the sum of both. Subtract "
        "learning_rate times each; sigmoid(x) = (1 + tanh(x / 2)) / 2.",
    ),
    explanation=(
        "The step raises the logits of real examples and lowers those of fakes, each in proportion "
        "to how wrong it is: 1 − D for a real one, D for a fake. An example that is judged rightly "
        "and surely moves nothing. In a framework the same needs the fakes cut off from the "
        "generator, or its variables left out of the update: here they are data. Asked next: how "
        "many such steps for one of the generator? Goodfellow et al. (2014) write k and take 1."
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 2",
)
