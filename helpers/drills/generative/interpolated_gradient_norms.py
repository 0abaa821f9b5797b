from collections.abc import Callable

import numpy as np

from helpers.drills.spec import Case, Drill


def interpolated_gradient_norms(
    real: np.ndarray, fake: np.ndarray, epsilon: np.ndarray, critic_gradient: Callable
) -> np.ndarray:
    """Measure how steep a critic is between real and fake images: the norms that the gradient
    penalty of WGAN-GP pulls towards 1.

    `real` and `fake`, floats of shape (batch, height, width, channels), form pairs: real[i] with
    fake[i]. `epsilon`, (batch,), has one weight for each pair, between 0 and 1. The point of pair i
    is the image epsilon[i] · real[i] + (1 − epsilon[i]) · fake[i], with the same weight for all its
    numbers. `critic_gradient(x)` takes images of shape (n, height, width, channels), any n ≥ 1, and
    returns an array of the same shape: for each image the gradient of the critic's output for it,
    with respect to it. No image influences the gradient of another. Return an array (batch,): for
    each pair the Euclidean norm, over all numbers of an image, of the gradient at its point. (In
    the example the critic is the sum of x³ / 3 over an image, so its gradient is x².)
    """
    weight = epsilon[:, None, None, None]  # (batch, 1, 1, 1)
    gradients = critic_gradient(weight * real + (1 - weight) * fake)
    return np.sqrt((gradients**2).sum(axis=(1, 2, 3)))


def pair_by_pair(real, fake, epsilon, critic_gradient):
    norms = []
    for one, other, mix in zip(real, fake, epsilon, strict=True):
        point = mix * one + (1 - mix) * other
        norms.append(np.linalg.norm(critic_gradient(point[None]).ravel()))
    return np.array(norms)


def with_the_batch_at_the_end(real, fake, epsilon, critic_gradient):
    points = (fake.T + epsilon * (real.T - fake.T)).T  # .T turns the axes round
    return np.array([np.linalg.norm(gradient.ravel()) for gradient in critic_gradient(points)])


def as_given(real, fake, epsilon, critic_gradient):
    """This is the code as given, or its bug is still in it: change the weight of the last pair and
    leave all else alone, and the norms of other pairs change with it. One pair on its own comes out
    right. How can that be?"""
    batch = len(real)
    # One weight for each number of each image. Broadcasting begins at the last axis: put the
    # batch there, then bring it to the front.
    weights = np.broadcast_to(epsilon, (*real.shape[1:], batch))
    weights = weights.reshape(real.shape)
    # The points on the lines between the pairs.
    points = weights * real + (1 - weights) * fake
    gradients = critic_gradient(points)
    # One norm for each image, over all its numbers.
    flat = gradients.reshape(batch, -1)
    return np.sqrt((flat**2).sum(axis=1))


def _gradients(real, fake, epsilon, critic_gradient):
    weight = epsilon[:, None, None, None]
    return critic_gradient(weight * real + (1 - weight) * fake)


def _norms(gradients):
    return np.sqrt((gradients**2).sum(axis=(1, 2, 3)))


def one_weight_for_all_pairs(real, fake, epsilon, critic_gradient):
    """You mix all pairs with the first weight. Pair i has its own, epsilon[i]: it should be the
    same within an image, and not from image to image."""
    return _norms(_gradients(real, fake, np.full_like(epsilon, epsilon[0]), critic_gradient))


def mean_weight_for_all_pairs(real, fake, epsilon, critic_gradient):
    """You mix all pairs with the mean of epsilon. Pair i has its own weight, epsilon[i]: the points
    are to lie all along the lines, not at one distance."""
    return _norms(_gradients(real, fake, np.full_like(epsilon, epsilon.mean()), critic_gradient))


def weights_along_the_channels(real, fake, epsilon, critic_gradient):
    """You multiply by epsilon as it is. Its axis then meets the last axis of the images: where
    there are as many channels as pairs, each channel gets a weight, and elsewhere it fails. Give
    epsilon three axes of length 1 behind its own."""
    return _norms(critic_gradient(epsilon * real + (1 - epsilon) * fake))


def weights_along_the_columns(real, fake, epsilon, critic_gradient):
    """You give epsilon one axis more, (batch, 1), as for rows of features. In images it then runs
    along the width, or fails. Images have three axes behind the batch: (batch, 1, 1, 1)."""
    weight = epsilon[:, None]
    return _norms(critic_gradient(weight * real + (1 - weight) * fake))


def real_and_fake_exchanged(real, fake, epsilon, critic_gradient):
    """You weight the fake images with epsilon and the real ones with 1 − epsilon. Here epsilon = 1
    is the real image."""
    return _norms(_gradients(fake, real, epsilon, critic_gradient))


def taken_at_the_real_images(real, fake, epsilon, critic_gradient):
    """You take the gradient at the real images. It is wanted at the points between real and
    fake."""
    return _norms(critic_gradient(real))


def taken_at_the_fake_images(real, fake, epsilon, critic_gradient):
    """You take the gradient at the fake images. It is wanted at the points between real and
    fake."""
    return _norms(critic_gradient(fake))


def gradients_mixed(real, fake, epsilon, critic_gradient):
    """You take the gradients at both ends and mix them. A critic is no straight line: mix the
    images, and take the gradient there."""
    weight = epsilon[:, None, None, None]
    return _norms(weight * critic_gradient(real) + (1 - weight) * critic_gradient(fake))


def norms_mixed(real, fake, epsilon, critic_gradient):
    """You take the norms at both ends and mix them. Mix the images, and take the gradient and its
    norm there."""
    at_real, at_fake = _norms(critic_gradient(real)), _norms(critic_gradient(fake))
    return epsilon * at_real + (1 - epsilon) * at_fake


def norm_over_the_channels_only(real, fake, epsilon, critic_gradient):
    """You take a norm for each pixel, over its channels. An image has one gradient, of height ·
    width · channels numbers, and one norm."""
    return np.linalg.norm(_gradients(real, fake, epsilon, critic_gradient), axis=-1)


def norms_of_pixels_averaged(real, fake, epsilon, critic_gradient):
    """You take a norm for each pixel, over its channels, and average them. The norm of an image
    sums the squares of all its numbers before the root."""
    gradients = _gradients(real, fake, epsilon, critic_gradient)
    return np.linalg.norm(gradients, axis=-1).mean(axis=(1, 2))


def one_norm_over_the_whole_batch(real, fake, epsilon, critic_gradient):
    """You return one norm of the whole batch's gradients. Each image has its own."""
    return np.linalg.norm(_gradients(real, fake, epsilon, critic_gradient))


def root_of_the_mean_square(real, fake, epsilon, critic_gradient):
    """You average the squares over an image before the root. A norm sums them: with the mean, large
    images would count as flat."""
    gradients = _gradients(real, fake, epsilon, critic_gradient)
    return np.sqrt((gradients**2).mean(axis=(1, 2, 3)))


def squares_without_the_root(real, fake, epsilon, critic_gradient):
    """You return the sums of the squares. The norm is the root of that."""
    return interpolated_gradient_norms(real, fake, epsilon, critic_gradient) ** 2


class TanhCritic:
    """The gradient of f(x) = tanh(x @ W) @ v by each image, all its numbers in a row."""

    def __init__(self, rng, numbers, hidden):
        self.W = rng.normal(size=(numbers, hidden)) / numbers**0.5
        self.v = rng.normal(size=hidden)

    def __call__(self, x):
        slope = 1 - np.tanh(x.reshape(len(x), -1) @ self.W) ** 2
        return ((slope * self.v) @ self.W.T).reshape(x.shape)


def cases(rng):
    real = np.array([[[[1.0], [2.0]]], [[[3.0], [0.0]]]])
    fake = np.array([[[[0.0], [4.0]]], [[[1.0], [2.0]]]])
    note = "two pairs of images of 1 × 2 pixels, one channel"
    yield Case(note, (real, fake, np.array([0.5, 1.0]), np.square))
    for note, shape in [
        ("one pair", (1, 2, 3, 2)),
        ("as many pairs as channels", (3, 4, 2, 3)),
        ("as many pairs as columns", (4, 3, 4, 2)),
        ("five pairs, one channel", (5, 4, 3, 1)),
        ("seven pairs, three channels", (7, 3, 5, 3)),
    ]:
        real, fake = rng.normal(size=(2, *shape))
        critic = TanhCritic(rng, real[0].size, 4)
        yield Case(note, (real, fake, rng.uniform(size=len(real)), critic))


DRILL = Drill(
    reference=interpolated_gradient_norms,
    cases=cases,
    given=as_given,
    alternatives=(pair_by_pair, with_the_batch_at_the_end),
    mistakes=(
        as_given,
        one_weight_for_all_pairs,
        mean_weight_for_all_pairs,
        weights_along_the_channels,
        weights_along_the_columns,
        real_and_fake_exchanged,
        taken_at_the_real_images,
        taken_at_the_fake_images,
        gradients_mixed,
        norms_mixed,
        norm_over_the_channels_only,
        norms_of_pixels_averaged,
        one_norm_over_the_whole_batch,
        root_of_the_mean_square,
        squares_without_the_root,
    ),
    hints=(
        "No image influences the gradient of another, so a weight that changes another pair's "
        "norm must have changed that pair's point. Which lines make the points?",
        "Run the lines before the points on epsilon = [0, 1] and images of 2 × 2 pixels. Every "
        "number of the first image should have the weight 0. Does `reshape` bring an axis to the "
        "front?",
        "`reshape` cuts the same row of numbers into other lengths; it moves no axis. Let "
        "broadcasting do it: epsilon.reshape(-1, 1, 1, 1) is one weight for each image, and the "
        "rest of the code may stay.",
    ),
    explanation=(
        "With axes of length 1, (batch, 1, 1, 1), each weight reaches all numbers of its image "
        "and no others. Mixed number by number, the points fill the box between two images "
        "instead of the line, and the penalty then holds where no best critic has slope 1 "
        "(Gulrajani et al., 2017, proposition 1); the training goes on, a little worse, and "
        "nobody sees why. To move an axis is `transpose` or `moveaxis`. Asked next: why does the "
        "code work with a single pair, and what should a test of it have looked like?"
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 6",
)
