import numpy as np

from helpers.drills.spec import Case, Drill


def generator_step(
    z: np.ndarray,
    A: np.ndarray,
    c: np.ndarray,
    w: np.ndarray,
    b: float,
    learning_rate: float,
) -> tuple:
    """Train a GAN's generator for one step of gradient descent: the gradient comes to it through
    the discriminator, and the discriminator stays as it is. Both are linear, the gradient is by
    hand.

    The generator makes fake = z @ A + c from noise `z`, shape (batch, latent), with `A` of shape
    (latent, features) and `c` of shape (features,). The discriminator's logits are fake @ w + b,
    with `w` of shape (features,) and `b` a number, and D = sigmoid(logit) is the probability of
    being real. The generator's loss is the non-saturating one: the mean over the batch of −log D,
    natural logarithm. A and c make one step, both from the gradient at the old values: old value −
    learning_rate · gradient. Return (A, c, w, b), with w and b unchanged. Logits of ±10,000 must
    not give NaN. The arguments stay as they are: return new arrays for A and c.
    """

    def sigmoid(x):
        return (1 + np.tanh(x / 2)) / 2

    fake = z @ A + c
    d_logits = (sigmoid(fake @ w + b) - 1) / len(z)  # the label is 1: to be called real
    d_fake = np.outer(d_logits, w)  # (batch, features): back through the discriminator
    return A - learning_rate * z.T @ d_fake, c - learning_rate * d_fake.sum(axis=0), w, b


def example_by_example(z, A, c, w, b, learning_rate):
    new_A, new_c = np.array(A), np.array(c)
    for noise in z:
        logit = (noise @ A + c) @ w + b
        doubt = np.exp(-np.logaddexp(0, logit))  # 1 − D
        new_c += learning_rate / len(z) * doubt * w
        new_A += learning_rate / len(z) * doubt * noise[:, None] * w
    return new_A, new_c, w, b


def with_the_bias_as_a_row_of_ones(z, A, c, w, b, learning_rate):
    inputs = np.column_stack([z, np.ones(len(z))])
    both = np.vstack([A, c])  # (latent + 1, features)
    logits = inputs @ (both @ w) + b
    # Every row of the gradient is a multiple of w.
    doubt = np.exp(-np.logaddexp(0, logits))
    both = both + learning_rate * np.multiply.outer((doubt[:, None] * inputs).mean(axis=0), w)
    return both[:-1], both[-1], w, b


def _sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2


def _d_logits(z, A, c, w, b):
    return (_sigmoid((z @ A + c) @ w + b) - 1) / len(z)


def _through(d_logits, z, A, c, w, b, learning_rate):
    """The step with another gradient with respect to the logits."""
    d_fake = np.outer(d_logits, w)
    return A - learning_rate * z.T @ d_fake, c - learning_rate * d_fake.sum(axis=0), w, b


def discriminator_moved_too(z, A, c, w, b, learning_rate):
    """You update all that the loss depends on, w and b too. The discriminator then learns to be
    fooled, and no longer tells the generator anything. Use it, and leave it as it is."""
    A_new, c_new, _, _ = generator_step(z, A, c, w, b, learning_rate)
    d_logits = _d_logits(z, A, c, w, b)
    d_w = d_logits @ (z @ A + c)
    return A_new, c_new, w - learning_rate * d_w, b - learning_rate * d_logits.sum()


def only_the_discriminator_moved(z, A, c, w, b, learning_rate):
    """You update w and b with the generator's loss, and not A and c. It should be the other way
    round: the gradient passes through the discriminator and moves the generator."""
    return A, c, *discriminator_moved_too(z, A, c, w, b, learning_rate)[2:]


def discriminator_trained_as_well(z, A, c, w, b, learning_rate):
    """You let the discriminator learn from these fakes, with the label 0, in the same step. That
    is its own turn, and needs real examples too. In the generator's turn it stays as it is."""
    A_new, c_new, _, _ = generator_step(z, A, c, w, b, learning_rate)
    d_logits = _d_logits(z, A, c, w, b) + 1 / len(z)
    d_w = d_logits @ (z @ A + c)
    return A_new, c_new, w - learning_rate * d_w, b - learning_rate * d_logits.sum()


def saturating_loss(z, A, c, w, b, learning_rate):
    """You minimise log(1 − D). Where a fake is seen through its gradient is almost 0, and the
    generator learns nothing when it has most to learn. Minimise −log D."""
    return _through(-_sigmoid((z @ A + c) @ w + b) / len(z), z, A, c, w, b, learning_rate)


def labels_of_the_discriminator(z, A, c, w, b, learning_rate):
    """You use the label 0, as the discriminator does, and the generator learns to be caught. It
    wants its fakes to be called real: the label is 1."""
    return _through(_sigmoid((z @ A + c) @ w + b) / len(z), z, A, c, w, b, learning_rate)


def gradient_ascent(z, A, c, w, b, learning_rate):
    """You add the gradient, and D falls. Descent subtracts the gradient of −log D, which is
    negative: the logits rise."""
    return generator_step(z, A, c, w, b, -learning_rate)


def slope_of_the_sigmoid_as_well(z, A, c, w, b, learning_rate):
    """You multiply D − 1 by the slope of the sigmoid, D · (1 − D). That slope has cancelled
    already: D − 1 *is* the gradient with respect to the logit."""
    D = _sigmoid((z @ A + c) @ w + b)
    return _through((D - 1) * D * (1 - D) / len(z), z, A, c, w, b, learning_rate)


def weights_of_the_discriminator_left_out(z, A, c, w, b, learning_rate):
    """You hand the gradient of the logit to every feature as it is. On its way back through
    fake @ w it is multiplied by w: each feature gets its own weight's share."""
    d_fake = np.outer(_d_logits(z, A, c, w, b), np.ones(len(w)))
    return A - learning_rate * z.T @ d_fake, c - learning_rate * d_fake.sum(axis=0), w, b


def noise_forgotten(z, A, c, w, b, learning_rate):
    """In the gradient of A you forget z: all its rows move alike, as c does. A row of A meets one
    column of z."""
    ones = np.ones(z.shape)
    A_new = A - learning_rate * ones.T @ np.outer(_d_logits(z, A, c, w, b), w)
    return A_new, *generator_step(z, A, c, w, b, learning_rate)[1:]


def gradient_of_A_transposed(z, A, c, w, b, learning_rate):
    """Your gradient of A has the shape (features, latent). Where the two are equal nothing
    complains, and the step is wrong: it is z.T @ d_fake, in the shape of A."""
    d_fake = np.outer(_d_logits(z, A, c, w, b), w)
    A_new = A - learning_rate * d_fake.T @ z
    return A_new, *generator_step(z, A, c, w, b, learning_rate)[1:]


def summed(z, A, c, w, b, learning_rate):
    """Your gradient lacks the 1 / n of the mean: the step grows with the batch."""
    return generator_step(z, A, c, w, b, learning_rate * len(z))


def bias_of_the_generator_left_out(z, A, c, w, b, learning_rate):
    """Your fakes lack c: they are z @ A + c."""
    A_new, step, w, b = generator_step(z, A, np.zeros(len(c)), w, b, learning_rate)
    return A_new, c + step, w, b


def bias_of_the_discriminator_left_out(z, A, c, w, b, learning_rate):
    """Your logits lack b: they are fake @ w + b."""
    return *generator_step(z, A, c, w, 0, learning_rate)[:3], b


def exponent_overflows(z, A, c, w, b, learning_rate):
    """exp(x) / (1 + exp(x)) is inf / inf = NaN at a logit of 10,000. Write the sigmoid with tanh,
    or with exp(−x)."""
    with np.errstate(all="ignore"):
        exponential = np.exp((z @ A + c) @ w + b)
        d_logits = (exponential / (1 + exponential) - 1) / len(z)
    return _through(d_logits, z, A, c, w, b, learning_rate)


def cases(rng):
    z, A, c = np.array([[1.0], [-0.5]]), np.array([[0.5, 1.5]]), np.array([0.0, 0.5])
    yield Case("one latent number, two features", (z, A, c, np.array([2.0, -1.0]), 0.5, 0.5))
    z, A, c = np.array([[1e4], [-1e4], [0.5]]), np.array([[1.0]]), np.array([0.25])
    yield Case("logits of ±10,000", (z, A, c, np.array([1.0]), 0.5, 0.1))
    for batch, latent, features in [(1, 2, 3), (4, 3, 3), (5, 2, 4), (31, 4, 2)]:
        z, A = rng.normal(0.3, 1, (batch, latent)), rng.normal(size=(latent, features))
        c, w, b = rng.normal(size=features), rng.normal(size=features), rng.normal()
        note = f"batch of {batch}, {latent} latent numbers, {features} features"
        yield Case(note, (z, A, c, w, b, rng.uniform(0.1, 0.8)))


DRILL = Drill(
    reference=generator_step,
    cases=cases,
    alternatives=(example_by_example, with_the_bias_as_a_row_of_ones),
    mistakes=(
        discriminator_moved_too,
        only_the_discriminator_moved,
        discriminator_trained_as_well,
        saturating_loss,
        labels_of_the_discriminator,
        gradient_ascent,
        slope_of_the_sigmoid_as_well,
        weights_of_the_discriminator_left_out,
        noise_forgotten,
        gradient_of_A_transposed,
        summed,
        bias_of_the_generator_left_out,
        bias_of_the_discriminator_left_out,
        exponent_overflows,
    ),
    hints=(
        "Forward to the logits, then back the same way: from the loss to the logits, from the "
        "logits to the fakes, from the fakes to A and c. Which of these parts move?",
        "The gradient with respect to the logits is (sigmoid − 1) / batch. A fake's feature "
        "reaches the logit through its weight in w: that gives d_fake, shape (batch, features).",
        "d_fake = np.outer(d_logits, w). A moves by −learning_rate · z.T @ d_fake, c by "
        "−learning_rate · the column sums of d_fake; w and b are returned as they came.",
    ),
    explanation=(
        "The discriminator is differentiated, not trained: its weights carry the gradient back and "
        "say which way every feature has to go to look real. So w stands in the gradient, and a "
        "discriminator with w = 0 teaches nothing. In TensorFlow ask the tape for the gradients of "
        "the generator's variables only; in PyTorch the backward pass fills the discriminator's "
        "gradients too, so clear them before its next step. Asked next: why must the fakes not be "
        "detached here, while in the discriminator's step they should be?"
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 2",
)
