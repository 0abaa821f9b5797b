import math

import numpy as np

from helpers.drills.spec import Case, Drill


def binary_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple:
    """Compute the loss of a network that says yes or no, the binary cross-entropy, and the gradient
    with which backpropagation starts.

    `logits` has the shape (n, 1), as a layer of one unit gives them, before the sigmoid; `labels`
    has the shape (n,), ints or floats from 0 to 1. A label may lie between the two, such as 0.9
    after label smoothing. With p = 1 / (1 + exp(−logit)), the loss of an example is

        −label · log p − (1 − label) · log(1 − p)

    with the natural logarithm. Return (loss, gradient): the mean over the n examples, and its
    gradient with respect to the logits, in their shape, (n, 1). n is at least 1. Logits of ±1000
    occur: nothing may overflow, and the loss of a confident wrong example is its true one, about
    1000. The arguments stay as they are.
    """
    y = labels.reshape(logits.shape)  # (n, 1): with (n,) the two would make a table
    # −log p = log(1 + exp(−x)), and −log(1 − p) = log(1 + exp(x))
    losses = y * np.logaddexp(0, -logits) + (1 - y) * np.logaddexp(0, logits)
    p = np.exp(-np.logaddexp(0, -logits))
    return losses.mean(), (p - y) / len(y)


def with_the_absolute_value(logits, labels):
    x = logits.ravel()
    small = np.exp(-np.abs(x))
    losses = np.maximum(x, 0) - x * labels + np.log1p(small)
    p = np.exp(np.minimum(x, 0)) / (1 + small)
    return losses.mean(), np.stack([p - labels], axis=1) / len(x)


def as_a_softmax_of_two_classes(logits, labels):
    loss, gradient = 0.0, []
    for (x,), y in zip(logits.tolist(), labels.tolist(), strict=True):
        top = max(x, 0)  # the logits of yes and no are x and 0
        log_sum = top + math.log(math.exp(x - top) + math.exp(-top))
        loss += log_sum - y * x
        gradient.append([(math.exp(x - log_sum) - y) / len(labels)])
    return loss / len(labels), np.array(gradient)


def _sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2


def _losses(x, y):
    return y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)


def _both(x, y):
    """Loss and gradient of logits and labels of shape (n,)."""
    return _losses(x, y).mean(), (_sigmoid(x) - y)[:, None] / len(x)


def _right_gradient(logits, labels):
    return _both(logits[:, 0], labels)[1]


def _of_probabilities(p, y):
    with np.errstate(all="ignore"):
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def n_by_n(logits, labels):
    """A column, (n, 1), and a row, (n,), make a table of n · n: each logit is asked to please all
    labels at once, in the loss and in the gradient. Flatten the logits, or make a column of the
    labels."""
    return _losses(logits, labels).mean(), (_sigmoid(logits) - labels) / len(labels)


def n_by_n_losses(logits, labels):
    """Your gradient is right, but the loss is a mean of n · n numbers, every logit with every
    label: a column and a row make a table. It falls until all logits say the mean label."""
    return _losses(logits, labels).mean(), _right_gradient(logits, labels)


def n_by_n_gradient(logits, labels):
    """Your loss is right, and your gradient has n columns: p is (n, 1) there, the labels are (n,).
    It needs the shape of the logits."""
    return _both(logits[:, 0], labels)[0], (_sigmoid(logits) - labels) / len(labels)


def exp_overflows(logits, labels):
    """log(1 + exp(x)) is infinite from x = 710 on. For a large x it is x itself: take the larger
    part out of the logarithm, or use `np.logaddexp`."""
    x = logits[:, 0]
    with np.errstate(all="ignore"):
        losses = labels * np.log(1 + np.exp(-x)) + (1 - labels) * np.log(1 + np.exp(x))
    return losses.mean(), _right_gradient(logits, labels)


def probability_first(logits, labels):
    """You compute p first. From a logit of 37 on it rounds to 1, log(1 − p) is −inf, and 0 times
    that is NaN. Put the sigmoid into the logarithm: −log p = log(1 + exp(−x))."""
    return _of_probabilities(_sigmoid(logits[:, 0]), labels), _right_gradient(logits, labels)


def probability_clipped(logits, labels):
    """You clip p away from 0 and 1 before the logarithm, as Keras does without `from_logits`. No
    loss is then above 16, while a sure and wrong logit of 1000 costs 1000. Compute it from the
    logit."""
    p = np.clip(_sigmoid(logits[:, 0]), 1e-7, 1 - 1e-7)
    return _of_probabilities(p, labels), _right_gradient(logits, labels)


def small_number_added_to_p(logits, labels):
    """You add a small number to the probabilities in the logarithm. It keeps infinity away, and a
    confident mistake cheap: the loss stays below 28. Compute from the logit."""
    p = _sigmoid(logits[:, 0])
    losses = labels * np.log(p + 1e-12) + (1 - labels) * np.log(1 - p + 1e-12)
    return -losses.mean(), _right_gradient(logits, labels)


def sigmoid_overflows(logits, labels):
    """Your loss is right, but the p of your gradient is inf / inf at a logit of 1000: exp(x) / (1 +
    exp(x)). Divide by 1 + exp(−x) instead, where infinity gives 0."""
    x = logits[:, 0]
    with np.errstate(all="ignore"):
        p = np.exp(x) / (1 + np.exp(x))
    return _losses(x, labels).mean(), (p - labels)[:, None] / len(x)


def sigmoid_twice(logits, labels):
    """You put the logits through a sigmoid, and your formula does it once more. Even a sure and
    right answer then costs 0.31. Hand the logits in as they are."""
    return _both(_sigmoid(logits[:, 0]), labels)


def softmax_of_one_unit(logits, labels):
    """You take a softmax over the one unit of the layer: a single number is always 100 % of itself,
    so p is 1 whatever the model says. One unit goes with a sigmoid."""
    return np.mean(labels * 0.0), (1 - labels)[:, None] / len(labels)


def only_the_yes_part(logits, labels):
    """Your loss is −label · log p and no more, so an example with the label 0 costs nothing, and a
    model that always says yes is perfect. The second term is for these."""
    return np.mean(labels * np.logaddexp(0, -logits[:, 0])), _right_gradient(logits, labels)


def labels_rounded(logits, labels):
    """You turn the labels into 0 or 1 with a threshold. A label of 0.9 is nine parts yes and one
    part no: weigh both terms."""
    return _both(logits[:, 0], (labels > 0.5).astype(float))


def labels_cut_to_ints(logits, labels):
    """You make the labels ints, or ask whether they are 1, and 0.9 becomes 0: smoothed yes-examples
    are taught to be no. Keep them as floats."""
    return _both(logits[:, 0], labels.astype(int))


def yes_and_no_exchanged(logits, labels):
    """You have exchanged the labels' roles: a high logit is punished where the label is 1. Check
    with one example: logit 1000, label 1, and the loss is 0."""
    return _both(logits[:, 0], 1 - labels)


def minus_forgotten(logits, labels):
    """You have lost the minus: minimised, your loss drives the probability of every right label to
    0."""
    loss, gradient = _both(logits[:, 0], labels)
    return -loss, gradient


def in_bits(logits, labels):
    """You use `log2`. Its loss is in bits, 1.44 times that of Keras, which takes the natural
    logarithm, as asked here."""
    loss, gradient = _both(logits[:, 0], labels)
    return loss / np.log(2), gradient


def both_summed(logits, labels):
    """Loss and gradient are n times too large: a learning rate found for 32 examples diverges with
    256. Divide both by n."""
    loss, gradient = _both(logits[:, 0], labels)
    return loss * len(labels), gradient * len(labels)


def gradient_without_the_mean(logits, labels):
    """Your loss is a mean, and your gradient p − label, that of one example's own loss. In the mean
    each example has a share of 1 / n."""
    loss, gradient = _both(logits[:, 0], labels)
    return loss, gradient * len(labels)


def gradient_in_the_probability(logits, labels):
    """Your gradient is that with respect to p, (p − label) / (p · (1 − p)). The sigmoid's own slope
    takes the denominator away."""
    loss, gradient = _both(logits[:, 0], labels)
    p = _sigmoid(logits)
    with np.errstate(all="ignore"):
        return loss, gradient / (p * (1 - p))


def gradient_through_the_sigmoid_again(logits, labels):
    """You multiply p − label by the slope of the sigmoid, p · (1 − p). It is in there already;
    twice, a confident mistake would have no gradient."""
    loss, gradient = _both(logits[:, 0], labels)
    p = _sigmoid(logits)
    return loss, gradient * p * (1 - p)


def gradient_leads_down(logits, labels):
    """Your gradient is label − p. That is the way down; the gradient points up, and the optimizer
    puts the minus before it."""
    loss, gradient = _both(logits[:, 0], labels)
    return loss, -gradient


def cases(rng):
    yield Case("a yes and a no", (np.array([[2.0], [1.0]]), np.array([1, 0])))
    soft = np.array([[2.0], [-1.0], [0.5]]), np.array([0.9, 0.1, 0.3])
    yield Case("labels between 0 and 1", soft)
    large = np.array([[1000.0], [-1000.0], [1000.0]])
    yield Case("sure and right, ±1000", (large, np.array([1.0, 0.0, 1.0])))
    yield Case("sure and wrong, ±1000", (large, np.array([0.0, 1.0, 0.0])))
    yield Case("sure and wrong, at 50", (np.array([[50.0], [0.0]]), np.array([0, 1])))
    yield Case("sure, with soft labels", (large, np.array([0.75, 0.25, 0.5])))
    yield Case("no idea", (np.zeros((3, 1)), np.array([1, 0, 1])))
    yield Case("one example", (np.array([[-0.7]]), np.array([1.0])))
    for n in (7, 31):
        labels = rng.permutation(np.arange(n) % 2)
        yield Case(f"{n} random examples", (rng.normal(1, 3, (n, 1)), labels))
    yield Case("12 random soft labels", (rng.normal(0, 2, (12, 1)), rng.random(12)))


DRILL = Drill(
    reference=binary_cross_entropy,
    cases=cases,
    alternatives=(with_the_absolute_value, as_a_softmax_of_two_classes),
    mistakes=(
        n_by_n,
        n_by_n_losses,
        n_by_n_gradient,
        exp_overflows,
        probability_first,
        probability_clipped,
        small_number_added_to_p,
        sigmoid_overflows,
        sigmoid_twice,
        softmax_of_one_unit,
        only_the_yes_part,
        labels_rounded,
        labels_cut_to_ints,
        yes_and_no_exchanged,
        minus_forgotten,
        in_bits,
        both_summed,
        gradient_without_the_mean,
        gradient_in_the_probability,
        gradient_through_the_sigmoid_again,
        gradient_leads_down,
    ),
    hints=(
        "Look at the shapes first: what is (n, 1) minus (n,)? Then: what is −log p, written as a "
        "function of the logit alone, and what is its slope?",
        "−log p = log(1 + exp(−x)), and −log(1 − p) = log(1 + exp(x)): np.logaddexp(0, x) is that "
        "without overflow. The slope of the whole is p − label.",
        "With y = labels[:, None]: the mean of y · logaddexp(0, −x) + (1 − y) · logaddexp(0, x), "
        "and (p − y) / n, where p = 1 / (1 + exp(−x)) may warn, and is right.",
    ),
    explanation=(
        "Both terms together are max(x, 0) − x · label + log(1 + exp(−|x|)), which is what "
        "TensorFlow computes: the exponent is never positive. The slope is p − label, at most 1, "
        "so a confident mistake pulls with full force and never more. A loss from probabilities "
        "has lost the digits before it starts: in float32, 1 − p is 0 from a logit of 17 on. With "
        "soft labels the smallest loss is not 0 but the labels' own entropy. Asked next: why does "
        "a network that never learns sit at 0.69? That is log 2, the price of p = ½. And labels of "
        "(n,) against logits of (n, 1)? Keras's own loss mends the shapes; one written by hand "
        "does not."
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 1",
)
