import numpy as np

from helpers.drills.spec import Case, Drill


def hinge_losses(real_logits: np.ndarray, fake_logits: np.ndarray) -> tuple:
    """Compute the two losses of a GAN with the hinge, in which the discriminator stops pushing at
    examples that it already places well.

    `real_logits` and `fake_logits` are the discriminator's outputs, as they leave its last layer,
    for real and generated examples: high means real. Both have the shape (batch,) or (batch, 1);
    their batches may differ in length. The discriminator's loss is the mean over the real examples
    of max(0, 1 − logit), plus the mean over the generated ones of max(0, 1 + logit). The
    generator's loss has no hinge: minus the mean of the generated examples' logits. Return
    (discriminator loss, generator loss), two numbers.
    """
    real_part = np.maximum(0, 1 - real_logits).mean()
    fake_part = np.maximum(0, 1 + fake_logits).mean()
    return real_part + fake_part, -fake_logits.mean()


def example_by_example(real_logits, fake_logits):
    real, fake = real_logits.ravel().tolist(), fake_logits.ravel().tolist()
    real_part = sum(max(0.0, 1 - logit) for logit in real) / len(real)
    fake_part = sum(max(0.0, 1 + logit) for logit in fake) / len(fake)
    return real_part + fake_part, sum(-logit for logit in fake) / len(fake)


def with_absolute_values(real_logits, fake_logits):
    # A number plus its absolute value is twice the number, or 0.
    real_gap, fake_gap = 1 - real_logits, fake_logits + 1
    twice = np.mean(real_gap + np.abs(real_gap)) + np.mean(fake_gap + np.abs(fake_gap))
    return twice / 2, np.mean(-fake_logits)


def _both(real_logits, fake_logits, real_gap, fake_gap):
    return real_gap.mean() + fake_gap.mean(), -fake_logits.mean()


def hinge_in_the_generators_loss(real_logits, fake_logits):
    """Your generator's loss has a hinge, max(0, 1 − logit). A generator that fools the
    discriminator by more than the margin would then learn nothing: leave its loss linear."""
    discriminator, _ = hinge_losses(real_logits, fake_logits)
    return discriminator, np.maximum(0, 1 - fake_logits).mean()


def minus_the_discriminators_hinge(real_logits, fake_logits):
    """Your generator's loss is minus the discriminator's hinge on generated examples. Where the
    discriminator is sure, below −1, the generator would get no gradient, and there it needs it
    most: take minus the mean of the logits."""
    discriminator, _ = hinge_losses(real_logits, fake_logits)
    return discriminator, -np.maximum(0, 1 + fake_logits).mean()


def generator_with_the_wrong_sign(real_logits, fake_logits):
    """Your generator's loss is the mean of its logits: minimised, it makes the discriminator surer
    that they are fake. High means real: put a minus before it."""
    discriminator, generator = hinge_losses(real_logits, fake_logits)
    return discriminator, -generator


def real_and_fake_exchanged(real_logits, fake_logits):
    """Your discriminator's loss takes the real examples for generated ones and the other way round:
    1 + logit and 1 − logit are exchanged. High means real."""
    real_gap, fake_gap = np.maximum(0, 1 + real_logits), np.maximum(0, 1 - fake_logits)
    return _both(real_logits, fake_logits, real_gap, fake_gap)


def margin_missing(real_logits, fake_logits):
    """Your hinge opens at 0: the margin of 1 is missing. A discriminator that says 0 for everything
    would then have no loss at all."""
    real_gap, fake_gap = np.maximum(0, -real_logits), np.maximum(0, fake_logits)
    return _both(real_logits, fake_logits, real_gap, fake_gap)


def minimum_for_maximum(real_logits, fake_logits):
    """You take the minimum of 0 and the gap. That rewards the examples that are far on the right
    side and lets the wrong ones go: take the maximum. (The paper writes −min(0, logit − 1), with a
    minus and the gap turned round.)"""
    real_gap, fake_gap = np.minimum(0, 1 - real_logits), np.minimum(0, 1 + fake_logits)
    return _both(real_logits, fake_logits, real_gap, fake_gap)


def hinge_after_the_mean(real_logits, fake_logits):
    """You average the logits first and take the hinge of the mean. Examples far on the right side
    then pay for the wrong ones: the hinge is for each example, the mean comes after it."""
    real_gap = np.maximum(0, 1 - real_logits.mean())
    fake_gap = np.maximum(0, 1 + fake_logits.mean())
    return _both(real_logits, fake_logits, real_gap, fake_gap)


def squared_hinge(real_logits, fake_logits):
    """You square the hinge. That is a loss for classifiers too; the game has the plain one."""
    real_gap, fake_gap = np.maximum(0, 1 - real_logits) ** 2, np.maximum(0, 1 + fake_logits) ** 2
    return _both(real_logits, fake_logits, real_gap, fake_gap)


def no_hinge_at_all(real_logits, fake_logits):
    """Your discriminator's loss has no hinge: it is that of a Wasserstein critic, without a bound.
    Cut each example's part off at 0."""
    return fake_logits.mean() - real_logits.mean(), -fake_logits.mean()


def sigmoid_before_the_hinge(real_logits, fake_logits):
    """You send the logits through a sigmoid first. Between 0 and 1 nothing ever passes the margin:
    the hinge takes the logits as they are."""
    real, fake = ((1 + np.tanh(logits / 2)) / 2 for logits in (real_logits, fake_logits))
    return hinge_losses(real, fake)


def softplus_for_the_hinge(real_logits, fake_logits):
    """You take log(1 + exp(·)), the loss of the classic game. The hinge is exactly 0 beyond the
    margin: max(0, 1 − logit) and max(0, 1 + logit)."""
    real_gap, fake_gap = np.logaddexp(0, -real_logits), np.logaddexp(0, fake_logits)
    return _both(real_logits, fake_logits, real_gap, fake_gap)


def half_of_both_means(real_logits, fake_logits):
    """You take half of the sum of both means. Some training loops do; here the discriminator's loss
    is the sum."""
    discriminator, generator = hinge_losses(real_logits, fake_logits)
    return discriminator / 2, generator


def one_mean_over_both_batches(real_logits, fake_logits):
    """You put both batches together and take one mean. Each has its own mean, and the two are
    added: the game weighs real and generated alike, whatever their numbers."""
    gaps = [1 - real_logits.ravel(), 1 + fake_logits.ravel()]
    return np.maximum(0, np.concatenate(gaps)).mean(), -fake_logits.mean()


def added_element_by_element(real_logits, fake_logits):
    """You add the two batches element by element before the mean. They may differ in length: take a
    mean of each, and add the means."""
    gaps = np.maximum(0, 1 - real_logits) + np.maximum(0, 1 + fake_logits)
    return gaps.mean(), -fake_logits.mean()


def summed_over_the_batch(real_logits, fake_logits):
    """You sum over the examples. Take the means, so that the losses do not grow with the batch."""
    real_gap, fake_gap = np.maximum(0, 1 - real_logits), np.maximum(0, 1 + fake_logits)
    return real_gap.sum() + fake_gap.sum(), -fake_logits.sum()


def one_loss_for_each_example(real_logits, fake_logits):
    """Your generator's loss is an array, one number for each example. A loss is one number: the
    mean over the batch is missing."""
    return hinge_losses(real_logits, fake_logits)[0], -fake_logits


def returned_in_the_other_order(real_logits, fake_logits):
    """You return the generator's loss first. Asked for is (discriminator loss, generator loss)."""
    return hinge_losses(real_logits, fake_logits)[::-1]


def cases(rng):
    real, fake = np.array([2.0, 0.5, -1.0]), np.array([-3.0, -0.5, 1.0])
    yield Case("three real and three generated examples", (real, fake))
    yield Case("every example beyond the margin", (np.array([1.5, 3.0]), np.array([-2.0, -4.0])))
    yield Case("a discriminator that says 0", (np.zeros(2), np.zeros(2)))
    yield Case("one example of each", (np.array([[0.25]]), np.array([[-0.75]])))
    yield Case("very sure, and wrong", (np.array([-1e6, 20.0]), np.array([1e6, -30.0])))
    for real, fake in [(5, 5), (7, 4), (3, 8)]:
        logits = 2 * rng.normal(size=(real + fake, 1)) + 0.3
        note = f"{real} real and {fake} generated examples, shape (batch, 1)"
        yield Case(note, (logits[:real], logits[real:]))


DRILL = Drill(
    reference=hinge_losses,
    cases=cases,
    alternatives=(example_by_example, with_absolute_values),
    mistakes=(
        hinge_in_the_generators_loss,
        minus_the_discriminators_hinge,
        generator_with_the_wrong_sign,
        real_and_fake_exchanged,
        margin_missing,
        minimum_for_maximum,
        hinge_after_the_mean,
        squared_hinge,
        no_hinge_at_all,
        sigmoid_before_the_hinge,
        softplus_for_the_hinge,
        half_of_both_means,
        one_mean_over_both_batches,
        added_element_by_element,
        summed_over_the_batch,
        one_loss_for_each_example,
        returned_in_the_other_order,
    ),
    hints=(
        "A real example is fine from which logit on? A generated one up to which? Beyond that "
        "its loss is 0, and before it grows in a straight line.",
        "`np.maximum` compares number by number, `max` whole things. Hinge first, mean second, "
        "for each batch on its own.",
        "np.maximum(0, 1 - real_logits).mean() + np.maximum(0, 1 + fake_logits).mean(), and "
        "-fake_logits.mean().",
    ),
    explanation=(
        "Beyond the margin an example gives the discriminator no gradient, so that it spends its "
        "weights on those that are still in doubt and its logits do not grow without end (Lim "
        "and Ye, 2017; Miyato et al., 2018). The generator's loss stays linear: its gradient is "
        "the same however sure the discriminator is, as with a Wasserstein critic. Asked next: "
        "what does spectral normalisation add to it? Without a bound on the slopes a larger "
        "scale of the last layer alone passes the margin."
    ),
    difficulty=1,
    taught_in="04_generative_adversarial_networks, section 6",
)
