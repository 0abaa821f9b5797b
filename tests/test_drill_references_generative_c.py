"""What the drills on measures, transposed convolutions, VAEs and diffusion call right is what SciPy
or Keras computes, what integration gives, or what holds of the distributions."""

import itertools

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.drills.generative import gaussian_kl as kl_module
from helpers.drills.generative import reverse_diffusion_step as step_module
from helpers.drills.generative.frechet_distance import frechet_distance
from helpers.drills.generative.gaussian_kl import gaussian_kl
from helpers.drills.generative.noisy_image import noisy_image
from helpers.drills.generative.reverse_diffusion_step import reverse_diffusion_step
from helpers.drills.generative.sample_precision_recall import sample_precision_recall
from helpers.drills.generative.transposed_convolution_size import transposed_convolution_size


def close(got, expected, scale=1.0):
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12 * scale)


seeds = st.integers(0, 2**32).map(np.random.default_rng)


def rotation(rng, d):
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def exact_sample(rng, n, mean, deviations):
    """n examples whose mean and standard deviations are those given, without any correlation."""
    noise = rng.normal(size=(n, len(mean)))
    white = np.linalg.qr(noise - noise.mean(axis=0))[0] * np.sqrt(n - 1)
    return white * deviations + mean


# ---- frechet_distance ---------------------------------------------------------------------------
@given(seeds, st.integers(1, 5), st.integers(0, 30), st.integers(0, 30))
def test_frechet_distance_equals_the_formula_with_scipys_root(rng, d, n, m):
    # Twice as many examples as features and more: the root is then well conditioned.
    real = rng.normal(size=(2 * d + 4 + n, d)) + 1
    fake = rng.normal(size=(2 * d + 4 + m, d)) * rng.uniform(0.5, 2, d)
    C1, C2 = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, fake))
    root = scipy.linalg.sqrtm(C1 @ C2).real
    expected = np.sum((real.mean(0) - fake.mean(0)) ** 2) + np.trace(C1 + C2 - 2 * root)
    close(frechet_distance(real, fake), expected, np.trace(C1 + C2))


@given(seeds, st.integers(1, 6))
def test_frechet_distance_of_gaussians_with_common_axes_is_known(rng, d):
    mu1, mu2 = rng.normal(size=(2, d))
    spread1, spread2 = rng.uniform(0, 3, (2, d))
    axes = rotation(rng, d)
    real = exact_sample(rng, 20, mu1, spread1) @ axes
    fake = exact_sample(rng, 9, mu2, spread2) @ axes
    expected = np.sum((mu1 - mu2) ** 2) + np.sum((spread1 - spread2) ** 2)
    close(frechet_distance(real, fake), expected, 10 * d)


@given(seeds, st.integers(2, 5), st.integers(2, 5), st.integers(1, 4))
def test_frechet_distance_of_few_examples_does_not_see_empty_dimensions(rng, n, m, d):
    real, fake = rng.normal(size=(n, d)), rng.normal(size=(m, d)) + 1
    axes = rotation(rng, 30)[:d]  # the same examples, turned into 30 dimensions
    close(frechet_distance(real @ axes, fake @ axes), frechet_distance(real, fake), 10 * d)


@given(seeds, st.integers(2, 40), st.integers(1, 20))
def test_frechet_distance_of_a_set_from_itself_is_zero(rng, n, d):
    real = rng.normal(size=(n, d))
    assert abs(frechet_distance(real, rng.permutation(real))) < 1e-12 * d


# ---- sample_precision_recall --------------------------------------------------------------------
@given(seeds, st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_precision_and_recall_equal_those_by_scipys_trees(rng, k, d, integers):
    n, m = rng.integers(k + 1, 20, 2)
    real, fake = rng.normal(size=(n, d)), rng.normal(size=(m, d)) + 0.5
    if integers:  # many ties and copies
        real, fake = np.round(2 * real), np.round(2 * fake)

    def share(points, centres):
        radii = scipy.spatial.KDTree(centres).query(centres, [k + 1])[0][:, 0]
        # Radii are roots: a rounding error must not decide whether a tie is inside.
        held = scipy.spatial.KDTree(points).query_ball_point(centres, radii + 1e-9)
        return len(set(itertools.chain(*held))) / len(points)

    close(sample_precision_recall(real, fake, k), (share(fake, real), share(real, fake)))


@given(seeds, st.integers(1, 3))
def test_a_copy_of_the_data_has_both_in_full_and_one_picture_hardly_any_recall(rng, k):
    real = rng.normal(size=(12, 3))
    assert sample_precision_recall(real, real[::-1], k) == (1, 1)
    assert sample_precision_recall(real, np.repeat(real[:1], 8, axis=0), k) == (1, 1 / 12)


# ---- transposed_convolution_size ----------------------------------------------------------------
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_transposed_convolution_size_is_that_of_keras(keras, padding):
    for kernel, stride in itertools.product(range(1, 6), range(1, 6)):
        layer = keras.layers.Conv1DTranspose(1, kernel, stride, padding)
        for size in (1, 2, 5):
            expected = (1, transposed_convolution_size(size, kernel, stride, padding), 1)
            assert tuple(layer.compute_output_shape((1, size, 1))) == expected
            assert layer(np.ones((1, size, 1))).shape == expected


def test_transposed_convolution_size_refuses_what_keras_refuses(keras):
    for padding in ("full", "causal"):
        with pytest.raises(ValueError, match="padding"):
            transposed_convolution_size(5, 3, 2, padding)
        with pytest.raises(ValueError, match="padding"):
            keras.layers.Conv1DTranspose(1, 3, 2, padding)(np.ones((1, 5, 1)))


# ---- gaussian_kl --------------------------------------------------------------------------------
def log_density(z, mean, log_variance):
    return -0.5 * (np.log(2 * np.pi) + log_variance + (z - mean) ** 2 / np.exp(log_variance))


@given(seeds, st.integers(1, 5), st.integers(1, 5))
def test_gaussian_kl_equals_the_integral_in_the_direction_that_is_named(rng, batch, latent):
    mean, log_variance = rng.normal(size=(2, batch, latent))
    # Exact for the quadratic polynomials that both logarithms are.
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    weights = weights / weights.sum()

    def gap(z):
        mu, s = mean[..., None], log_variance[..., None]
        return log_density(z, mu, s) - log_density(z, 0, 0)

    of_q = mean[..., None] + np.exp(log_variance[..., None] / 2) * nodes
    close(gaussian_kl(mean, log_variance), (gap(of_q) @ weights).sum(axis=1), 100 * latent)
    reversed_kl = kl_module.direction_reversed(mean, log_variance)
    close(reversed_kl, (-gap(nodes) @ weights).sum(axis=1), 100 * latent)


# ---- the two of diffusion -----------------------------------------------------------------------
schedules = st.lists(st.floats(1e-4, 0.9), min_size=1, max_size=30).map(np.array)


@given(seeds, schedules)
def test_noisy_image_has_the_mean_and_the_variance_of_the_chain(rng, betas):
    t = rng.integers(0, len(betas), 5)
    x_0 = rng.normal(size=(5, 2, 3, 1))
    mean, variance = x_0.copy(), np.zeros(x_0.shape)
    for image, last in enumerate(t):
        for beta in betas[: last + 1]:
            mean[image] *= np.sqrt(1 - beta)
            variance[image] = (1 - beta) * variance[image] + beta
    close(noisy_image(x_0, t, betas, 0 * x_0), mean)
    close(noisy_image(0 * x_0, t, betas, np.ones(x_0.shape)) ** 2, variance)


@given(seeds, schedules)
def test_a_reverse_step_with_the_true_noise_has_the_mean_and_variance_of_bayes_rule(rng, betas):
    t = int(rng.integers(len(betas)))
    x_0, noise = rng.normal(size=(2, 1, 3, 2, 1))
    x_t = noisy_image(x_0, np.array([t]), betas, noise)
    if t == 0:
        close(reverse_diffusion_step(x_t, noise, t, betas, noise), x_0, 10 / betas[0])
        return
    # What is known of x_(t-1) from x_0, times what is known of it from x_t: precisions add.
    before = np.prod(1 - betas[:t])
    of_x_0, of_x_t = 1 / (1 - before), (1 - betas[t]) / betas[t]
    mean = (of_x_0 * np.sqrt(before) * x_0 + of_x_t * x_t / np.sqrt(1 - betas[t])) / (
        of_x_0 + of_x_t
    )
    fresh = rng.normal(size=x_0.shape)
    for step, variance in [
        (reverse_diffusion_step, betas[t]),
        (step_module.variance_of_the_posterior, 1 / (of_x_0 + of_x_t)),
    ]:
        close(step(x_t, noise, t, betas, 0 * fresh), mean, 1e3)
        close(step(x_t, noise, t, betas, fresh), mean + np.sqrt(variance) * fresh, 1e3)


@settings(max_examples=20)
@given(seeds)
def test_a_sampler_that_knows_the_noise_of_gaussian_data_ends_with_their_variance(rng):
    # The best prediction for data from N(0, 4 I) is known; the posterior's step is linear in x, so
    # that variances can be followed without a sample.
    betas = np.linspace(1e-4, 0.05, 300) * rng.uniform(0.8, 1.2)
    bars, variance = np.cumprod(1 - betas), 1.0
    one, none = np.ones(1), np.zeros(1)
    for t in reversed(range(len(betas))):
        predicted = np.sqrt(1 - bars[t]) / (4 * bars[t] + 1 - bars[t]) * one
        slope = step_module.reverse_diffusion_step(one, predicted, t, betas, none)[0]
        added = step_module.reverse_diffusion_step(none, none, t, betas, one)[0]
        variance = slope**2 * variance + added**2
    assert variance == pytest.approx(4, rel=0.05)
