import math

import numpy as np

from helpers.drills.spec import Case, Drill


def real_or_fake_loss(real_logits: np.ndarray, fake_logits: np.ndarray, smoothing: float) -> float:
    """Compute the loss of a GAN's discriminator over real and fake images in one batch, with
    one-sided label smoothing: the real ones get a label a little below 1, so that the discriminator
    does not grow too sure of them.

    `real_logits`, shape (n, 1), and `fake_logits`, shape (m, 1), are the discriminator's outputs
    before the sigmoid, as a layer of one unit gives them; n and m are at least 1 and may differ. A
    high logit means real. 0 ≤ smoothing < 1. A real image has the label 1 − smoothing, a fake one
    the label 0. The loss of an image with the logit x and the label y is the cross-entropy, natural
    logarithm:

        −y · log sigmoid(x) − (1 − y) · log(1 − sigmoid(x))

    Return its mean over all n + m images: one mean, in which every image counts the same. Logits of
    ±10,000 occur, and nothing may overflow.
    """
    logits = np.concatenate([real_logits, fake_logits])
    labels = np.concatenate([np.ones_like(real_logits), np.zeros_like(fake_logits)])
    labels *= 1 - smoothing  # leaves the zeros of the fakes as they are
    # −log sigmoid(x) = log(1 + exp(−x)), and −log(1 − sigmoid(x)) = log(1 + exp(x))
    losses = labels * np.logaddexp(0, -logits) + (1 - labels) * np.logaddexp(0, logits)
    return losses.mean()


def image_by_image(real_logits, fake_logits, smoothing):
    def softplus(x):
        return max(x, 0) + math.log1p(math.exp(-abs(x)))

    total = 0.0
    for x in real_logits.ravel():
        total += (1 - smoothing) * softplus(-x) + smoothing * softplus(x)
    for x in fake_logits.ravel():
        total += softplus(x)
    return total / (len(real_logits) + len(fake_logits))


def softplus_less_the_labelled_logit(real_logits, fake_logits, smoothing):
    x = np.vstack([real_logits, fake_logits]).ravel()
    labels = np.repeat([1 - smoothing, 0], [len(real_logits), len(fake_logits)])
    return np.mean(np.logaddexp(0, x) - labels * x)


def _loss(logits, labels):
    losses = labels * np.logaddexp(0, -logits) + (1 - labels) * np.logaddexp(0, logits)
    return losses.mean()


def _with_labels(real_logits, fake_logits, real_label, fake_label):
    labels = np.repeat([[real_label], [fake_label]], [len(real_logits), len(fake_logits)], axis=0)
    return _loss(np.concatenate([real_logits, fake_logits]), labels)


def as_given(real_logits, fake_logits, smoothing):
    """This is the code as given, or its bug is still in it: train a discriminator with it, at
    smoothing 0. Its loss falls to 0 against any generator, noise too, it calls everything real, and
    the generator learns nothing."""
    logits = np.concatenate([real_logits, fake_logits])
    is_real = np.ones_like(logits)
    labels = is_real * (1 - smoothing)  # one-sided: 0 stays 0

    def softplus(x):  # log(1 + exp(x)), without overflow
        return np.logaddexp(0, x)

    # −log sigmoid(x) = softplus(−x), and −log(1 − sigmoid(x)) = softplus(x)
    losses = labels * softplus(-logits) + (1 - labels) * softplus(logits)
    return losses.mean()


def labels_swapped(real_logits, fake_logits, smoothing):
    """Real and fake now differ, but the wrong way round: the fakes have the label of the real ones,
    and the real ones 0. A high logit means real."""
    return _with_labels(real_logits, fake_logits, 0, 1 - smoothing)


def everything_called_fake(real_logits, fake_logits, smoothing):
    """Now every image has the label 0, the real ones too: a discriminator that calls everything
    fake has no loss. The two halves of the batch need different labels."""
    return _with_labels(real_logits, fake_logits, 0, 0)


def fakes_smoothed_too(real_logits, fake_logits, smoothing):
    """The fakes have the label `smoothing`. The best discriminator then gives that, not 0, where
    only fakes are, and a bad fake has no reason to move. The smoothing is one-sided: fakes have
    0."""
    return _with_labels(real_logits, fake_logits, 1 - smoothing, smoothing)


def fakes_smoothed_instead(real_logits, fake_logits, smoothing):
    """You smooth the labels of the fakes, and leave those of the real ones at 1. It is the real
    ones whose label is lowered; fakes have 0."""
    return _with_labels(real_logits, fake_logits, 1, smoothing)


def smoothed_towards_a_half(real_logits, fake_logits, smoothing):
    """Your labels are drawn towards 1/2 from both sides, as Keras's `label_smoothing` does it. Here
    real images have 1 − smoothing, the whole of it, and fakes 0."""
    return _with_labels(real_logits, fake_logits, 1 - smoothing / 2, smoothing / 2)


def smoothing_left_out(real_logits, fake_logits, smoothing):
    """Your labels are 1 and 0: the smoothing is lost. Real images have the label 1 − smoothing."""
    return _with_labels(real_logits, fake_logits, 1, 0)


def real_label_is_the_smoothing(real_logits, fake_logits, smoothing):
    """The real images have the label `smoothing`, almost that of a fake. It says how much is taken
    away: 1 − smoothing."""
    return _with_labels(real_logits, fake_logits, smoothing, 0)


def halves_taken_to_be_equal(real_logits, fake_logits, smoothing):
    """You call the first half of the batch real. The two batches may differ in size: the first n
    images are real, however many follow."""
    logits = np.concatenate([real_logits, fake_logits])
    half = len(logits) // 2
    return _with_labels(logits[:half], logits[half:], 1 - smoothing, 0)


def every_logit_meets_every_label(real_logits, fake_logits, smoothing):
    """Your labels are right, but of shape (n + m,), and the logits are (n + m, 1): NumPy makes a
    table of all pairs of them, and its mean is that of labels dealt out blindly. Give both the same
    shape."""
    labels = np.repeat([1 - smoothing, 0], [len(real_logits), len(fake_logits)])
    return _loss(np.concatenate([real_logits, fake_logits]), labels)


def only_the_term_of_the_ones(real_logits, fake_logits, smoothing):
    """Your labels are right, but the second term of the cross-entropy is missing: an image with the
    label 0 then costs nothing, and the fakes are not there at all."""
    labels = np.repeat([1 - smoothing, 0], [len(real_logits), len(fake_logits)])
    logits = np.concatenate([real_logits, fake_logits])[:, 0]
    return (labels * np.logaddexp(0, -logits)).mean()


def two_means_added(real_logits, fake_logits, smoothing):
    """You add the mean over the real and the mean over the fakes, as the formula of the game has
    it. Here it is one mean over the whole batch."""
    real = _with_labels(real_logits, real_logits[:0], 1 - smoothing, 0)
    return real + np.logaddexp(0, fake_logits).mean()


def sigmoid_then_logarithm(real_logits, fake_logits, smoothing):
    """You take logarithms of finished probabilities: at a logit of ±10,000 that is 0 times
    infinity, NaN, or infinity. The given code had that right: write it as a function of the
    logit."""
    labels = np.repeat([1 - smoothing, 0], [len(real_logits), len(fake_logits)])[:, None]
    probability = (1 + np.tanh(np.concatenate([real_logits, fake_logits]) / 2)) / 2
    with np.errstate(all="ignore"):
        losses = labels * np.log(probability) + (1 - labels) * np.log(1 - probability)
    return -losses.mean()


def sigmoid_applied_twice(real_logits, fake_logits, smoothing):
    """You take the sigmoid first, and the formula takes it again: no fake then costs less than
    0.69. The given code had that right: the arguments are logits, and go in as they are."""
    real, fake = ((1 + np.tanh(x / 2)) / 2 for x in (real_logits, fake_logits))
    return _with_labels(real, fake, 1 - smoothing, 0)


def cases(rng):
    real, fake = np.array([[2.0], [1.0]]), np.array([[0.5], [-1.0]])
    yield Case("two real, two fake, no smoothing", (real, fake, 0.0))
    yield Case("the same, smoothing 0.1", (real, fake, 0.1))
    real, fake = np.full((2, 1), 1e4), np.full((3, 1), -1e4)
    yield Case("sure and right, ±10,000", (real, fake, 0.25))
    yield Case("sure and wrong, ±10,000", (-real, -fake, 0.25))
    yield Case("one real, one fake", (np.array([[0.3]]), np.array([[-0.7]]), 0.2))
    for n, m, smoothing in [(5, 3, 0.1), (4, 7, 0.0), (7, 31, 0.3)]:
        logits = rng.normal(1, 2, (n, 1)), rng.normal(-0.5, 2, (m, 1))
        yield Case(f"{n} real and {m} fake, smoothing {smoothing:g}", (*logits, smoothing))


DRILL = Drill(
    reference=real_or_fake_loss,
    cases=cases,
    given=as_given,
    alternatives=(image_by_image, softplus_less_the_labelled_logit),
    mistakes=(
        as_given,
        labels_swapped,
        everything_called_fake,
        fakes_smoothed_too,
        fakes_smoothed_instead,
        smoothed_towards_a_half,
        smoothing_left_out,
        real_label_is_the_smoothing,
        halves_taken_to_be_equal,
        every_logit_meets_every_label,
        only_the_term_of_the_ones,
        two_means_added,
        sigmoid_then_logarithm,
        sigmoid_applied_twice,
    ),
    hints=(
        "Exchange real_logits and fake_logits: a loss that tells real from fake must change. Print "
        "the labels.",
        "`np.ones_like(logits)` is as long as the whole batch. Which images are real? And mind the "
        "shape: labels of shape (n + m,) against logits of shape (n + m, 1) make a table.",
        "labels = np.concatenate([np.ones_like(real_logits), np.zeros_like(fake_logits)]), times "
        "1 − smoothing. The rest of the given code is right.",
    ),
    explanation=(
        "With one label for all, a large bias is the whole solution: the loss falls to 0, which "
        "looks like success, and with a flat discriminator the generator has no direction. A "
        "healthy discriminator's loss is well above 0; here 0.69 is no idea at all. One-sided "
        "smoothing is from Salimans et al. (2016): with the label s for fakes the best D would be "
        "((1 − s) · p_real + s · p_fake) / (p_real + p_fake), which is s, not 0, where only fakes "
        "are. Asked next: what becomes of this batch if the discriminator has BatchNorm? Real and "
        "fake share their statistics."
    ),
    difficulty=1,
    taught_in="04_generative_adversarial_networks, section 2",
)
