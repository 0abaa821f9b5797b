import numpy as np

from helpers.drills.spec import Case, Drill


def alternating_step(
    real: np.ndarray,
    z_d: np.ndarray,
    z_g: np.ndarray,
    A: np.ndarray,
    c: np.ndarray,
    w: np.ndarray,
    b: float,
    learning_rate: float,
) -> tuple:
    """Train a tiny GAN for one round: the discriminator makes a step against the generator as it
    is, then the generator makes a step against the discriminator that has just learnt.

    The generator is fake = z @ A + c, with noise z of shape (batch, latent), `A` (latent, features)
    and `c` (features,). The discriminator's logits are x @ w + b, with `w` (features,) and `b` a
    number; D = sigmoid(logit) is the probability of being real. A step is gradient descent: old
    value − learning_rate · gradient, with natural logarithms in the losses.

    The discriminator's turn comes first, with `real`, shape (n, features), and the fakes of `z_d`,
    (m, latent). Its loss is the mean over the real of −log D plus the mean over the fakes of −log(1
    − D). w and b make a step; A and c stay.

    The generator's turn follows, with new fakes of `z_g`, (k, latent), and the w and b of the first
    turn. Its loss is the mean over these fakes of −log D. A and c make a step; w and b stay.

    n, m and k may differ. Return (A, c, w, b) after both turns. The arguments stay as they are.
    """

    def sigmoid(x):
        return (1 + np.tanh(x / 2)) / 2

    # The discriminator's turn: labels 1 for the real, 0 for the fakes.
    fake = z_d @ A + c
    d_real = (sigmoid(real @ w + b) - 1) / len(real)
    d_fake = sigmoid(fake @ w + b) / len(fake)
    w = w - learning_rate * (d_real @ real + d_fake @ fake)
    b = b - learning_rate * (d_real.sum() + d_fake.sum())

    # The generator's turn: label 1 for the fakes, through a discriminator that stands still.
    d_logits = (sigmoid((z_g @ A + c) @ w + b) - 1) / len(z_g)
    d_fake = np.outer(d_logits, w)  # (k, features)
    return A - learning_rate * z_g.T @ d_fake, c - learning_rate * d_fake.sum(axis=0), w, b


def example_by_example(real, z_d, z_g, A, c, w, b, learning_rate):
    def probability(logit):
        return np.exp(-np.logaddexp(0, -logit))

    new_w, new_b = np.array(w), b
    for x in real:
        step = learning_rate * (1 - probability(x @ w + b)) / len(real)
        new_w, new_b = new_w + step * x, new_b + step
    for noise in z_d:
        x = noise @ A + c
        step = learning_rate * probability(x @ w + b) / len(z_d)
        new_w, new_b = new_w - step * x, new_b - step
    new_A, new_c = np.array(A), np.array(c)
    for noise in z_g:
        step = learning_rate * probability(-(noise @ A + c) @ new_w - new_b) / len(z_g)
        new_A += step * noise[:, None] * new_w
        new_c += step * new_w
    return new_A, new_c, new_w, new_b


def with_biases_as_further_weights(real, z_d, z_g, A, c, w, b, learning_rate):
    def with_ones(x):
        return np.column_stack([x, np.ones(len(x))])

    def sigmoid(x):
        return np.exp(-np.logaddexp(0, -x))

    generator, discriminator = np.vstack([A, c]), np.append(w, b)
    real, fake = with_ones(real), with_ones(with_ones(z_d) @ generator)
    away, towards = sigmoid(fake @ discriminator), sigmoid(-(real @ discriminator))
    discriminator += learning_rate * (towards @ real / len(real) - away @ fake / len(fake))
    *w, b = discriminator
    noise = with_ones(z_g)
    doubt = sigmoid(-(noise @ generator @ w + b))
    generator += learning_rate * np.outer(doubt @ noise / len(noise), w)
    return generator[:-1], generator[-1], w, b


def _sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2


def _discriminators_turn(real, z, A, c, w, b, learning_rate):
    """w and b after it."""
    fake = z @ A + c
    d_real = (_sigmoid(real @ w + b) - 1) / len(real)
    d_fake = _sigmoid(fake @ w + b) / len(fake)
    d_w, d_b = d_real @ real + d_fake @ fake, d_real.sum() + d_fake.sum()
    return w - learning_rate * d_w, b - learning_rate * d_b


def _generators_turn(z, A, c, w, b, learning_rate, d_logits=lambda D: D - 1):
    """A and c after it, and w and b too, as if they were to be moved by the generator's loss."""
    fake = z @ A + c
    d_logits = d_logits(_sigmoid(fake @ w + b)) / len(z)
    d_fake = np.outer(d_logits, w)
    A, c = A - learning_rate * z.T @ d_fake, c - learning_rate * d_fake.sum(axis=0)
    return A, c, w - learning_rate * d_logits @ fake, b - learning_rate * d_logits.sum()


def as_given(real, z_d, z_g, A, c, w, b, learning_rate):
    """This is the code as given, or its bug is still in it: measure the discriminator's loss on the
    images of its turn, with the w and b that its turn leaves and with those that are returned.
    After some rounds, nearly all that it learns in its turn is lost again by the end."""

    def sigmoid(x):
        return (1 + np.tanh(x / 2)) / 2

    # The discriminator's turn
    fake = z_d @ A + c
    d_real = (sigmoid(real @ w + b) - 1) / len(real)
    d_fake = sigmoid(fake @ w + b) / len(fake)
    w = w - learning_rate * (d_real @ real + d_fake @ fake)
    b = b - learning_rate * (d_real.sum() + d_fake.sum())

    # The generator's turn
    fake = z_g @ A + c
    d_logits = (sigmoid(fake @ w + b) - 1) / len(fake)
    d_fake = np.outer(d_logits, w)
    parameters = A, c, w, b
    gradients = z_g.T @ d_fake, d_fake.sum(axis=0), d_logits @ fake, d_logits.sum()
    return tuple(p - learning_rate * g for p, g in zip(parameters, gradients, strict=True))


def only_the_weights_held(real, z_d, z_g, A, c, w, b, learning_rate):
    """w stays in the generator's turn now, but b still moves with the generator's loss: it grows
    until everything is called real. Both belong to the discriminator."""
    w, b = _discriminators_turn(real, z_d, A, c, w, b, learning_rate)
    A, c, _, b = _generators_turn(z_g, A, c, w, b, learning_rate)
    return A, c, w, b


def discriminator_never_moved(real, z_d, z_g, A, c, w, b, learning_rate):
    """Now the discriminator moves in neither turn. It has to make its own step, with its own loss;
    only the generator's turn leaves it alone."""
    return *_generators_turn(z_g, A, c, w, b, learning_rate)[:2], w, b


def discriminators_step_thrown_away(real, z_d, z_g, A, c, w, b, learning_rate):
    """The generator learns from the new discriminator, but you return the old w and b: it starts
    again in every round. Return those of its turn."""
    new_w, new_b = _discriminators_turn(real, z_d, A, c, w, b, learning_rate)
    return *_generators_turn(z_g, A, c, new_w, new_b, learning_rate)[:2], w, b


def old_discriminator_judges(real, z_d, z_g, A, c, w, b, learning_rate):
    """Your generator learns from the discriminator as it was before the round: both step at once.
    Here they alternate: the generator's turn takes the w and b of the first."""
    new = _discriminators_turn(real, z_d, A, c, w, b, learning_rate)
    return *_generators_turn(z_g, A, c, w, b, learning_rate)[:2], *new


def generator_first(real, z_d, z_g, A, c, w, b, learning_rate):
    """Your generator has its turn first. The discriminator begins, with the fakes of the generator
    as it is at the start of the round."""
    A, c, _, _ = _generators_turn(z_g, A, c, w, b, learning_rate)
    return A, c, *_discriminators_turn(real, z_d, A, c, w, b, learning_rate)


def generator_moved_in_both_turns(real, z_d, z_g, A, c, w, b, learning_rate):
    """You move A and c in the discriminator's turn as well, with its loss: the generator learns
    there to be caught. In the first turn the fakes are data: A and c stay."""
    new = _discriminators_turn(real, z_d, A, c, w, b, learning_rate)
    A, c, _, _ = _generators_turn(z_d, A, c, w, b, learning_rate, lambda D: D)
    return *_generators_turn(z_g, A, c, *new, learning_rate)[:2], *new


def generator_never_moved(real, z_d, z_g, A, c, w, b, learning_rate):
    """Now the generator gets no gradient at all: you cut the fakes off from it, or the gradient at
    the discriminator. It passes through w, and stops there only for w and b."""
    return A, c, *_discriminators_turn(real, z_d, A, c, w, b, learning_rate)


def noise_of_the_first_turn_again(real, z_d, z_g, A, c, w, b, learning_rate):
    """Your generator learns from the fakes that the discriminator has learnt from. They have noise
    of their own: `z_g`."""
    return alternating_step(real, z_d, z_d, A, c, w, b, learning_rate)


def saturating_loss(real, z_d, z_g, A, c, w, b, learning_rate):
    """Your generator minimises log(1 − D), whose gradient is almost 0 where a fake is seen through.
    The given code had that right: −log D."""
    new = _discriminators_turn(real, z_d, A, c, w, b, learning_rate)
    return *_generators_turn(z_g, A, c, *new, learning_rate, lambda D: -D)[:2], *new


def generator_learns_to_be_caught(real, z_d, z_g, A, c, w, b, learning_rate):
    """Your generator minimises −log(1 − D), the discriminator's loss: it helps where it should
    deceive. The given code had that right: −log D."""
    new = _discriminators_turn(real, z_d, A, c, w, b, learning_rate)
    return *_generators_turn(z_g, A, c, *new, learning_rate, lambda D: D)[:2], *new


def cases(rng):
    real, z_d, z_g = np.array([[2.0], [3.0]]), np.array([[1.0], [-1.0]]), np.array([[0.5]])
    parameters = np.array([[1.0]]), np.array([0.0]), np.array([0.5]), -0.5
    yield Case("one latent number, one feature", (real, z_d, z_g, *parameters, 0.5))
    for n, m, k, latent, features in [(1, 1, 1, 2, 3), (3, 4, 5, 3, 3), (7, 5, 31, 2, 4)]:
        real = rng.normal(1, 1, (n, features))
        z_d, z_g = rng.normal(size=(m, latent)), rng.normal(size=(k, latent))
        A, c = rng.normal(size=(latent, features)), rng.normal(size=features)
        w, b = rng.normal(size=features), rng.normal()
        note = f"{n} real, {m} and {k} fake of {features} features, random"
        yield Case(note, (real, z_d, z_g, A, c, w, b, rng.uniform(0.1, 0.8)))


DRILL = Drill(
    reference=alternating_step,
    cases=cases,
    given=as_given,
    alternatives=(example_by_example, with_biases_as_further_weights),
    mistakes=(
        as_given,
        only_the_weights_held,
        discriminator_never_moved,
        discriminators_step_thrown_away,
        old_discriminator_judges,
        generator_first,
        generator_moved_in_both_turns,
        generator_never_moved,
        noise_of_the_first_turn_again,
        saturating_loss,
        generator_learns_to_be_caught,
    ),
    hints=(
        "Call it twice with different z_g, everything else the same. Which of the four results may "
        "depend on z_g, and which do?",
        "w and b make two steps: one with their own loss, and one with the generator's, which is "
        "small where D calls the fakes real. What does the second do to a discriminator?",
        "Compute the generator's gradients as they are, through w and b, but step with A and c "
        "only. Return w and b as the first turn left them.",
    ),
    explanation=(
        "The generator's loss depends on all four, and its gradient with respect to w is a recipe "
        "for a discriminator that is easier to fool. So each turn differentiates through both "
        "networks and moves one. In Keras the bug is `tape.gradient(loss, all_variables)`, or a "
        "stacked model that was compiled while the discriminator was trainable; in PyTorch it is "
        "one optimiser for both, or gradients left over that are not cleared. Nothing raises an "
        "error. Asked next: simultaneous steps or alternating ones, and which of them spiral away "
        "on the game x · y (Mescheder et al., 2018)? Only the simultaneous ones."
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 2",
)
