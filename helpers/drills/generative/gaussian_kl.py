import math

import numpy as np

from helpers.drills.spec import Case, Drill


def gaussian_kl(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """Compute the part of a variational autoencoder's loss that keeps its codes near a standard
    Gaussian, from which new codes are drawn later.

    `mean` and `log_variance` have shape (batch, latent): the encoder's outputs. Row i describes the
    Gaussian q whose dimensions are independent, with the means mean[i] and the variances
    exp(log_variance[i]); the logarithm is natural. Return, for every row, the Kullback-Leibler
    divergence KL(q ‖ p) = E_q[log q(z) − log p(z)] from p = N(0, I), in nats, summed over the
    latent dimensions: shape (batch,). Do not average over the batch. Log-variances lie between
    −2000, where the variance itself is 0 in float64 and the result finite all the same, and 100.
    """
    per_dimension = (mean**2 + np.exp(log_variance) - 1 - log_variance) / 2  # (batch, latent)
    return per_dimension.sum(axis=1)


def number_by_number(mean, log_variance):
    result = []
    for means, logs in zip(mean.tolist(), log_variance.tolist(), strict=True):
        parts = (m * m + math.exp(s) - s - 1 for m, s in zip(means, logs, strict=True))
        result.append(sum(parts) / 2)
    return result


def as_the_paper_has_it(mean, log_variance):
    return -0.5 * np.sum(1 + log_variance - np.square(mean) - np.exp(log_variance), axis=1)


def entropy_and_cross_entropy(mean, log_variance):
    sigma = np.exp(log_variance / 2)
    cross_entropy = (mean**2 + sigma**2) / 2  # without log(2 pi) / 2, which stands in both
    entropy = (1 + log_variance) / 2
    return np.einsum("bl->b", cross_entropy - entropy)


def taken_for_the_log_of_the_deviation(mean, log_variance):
    """You take log_variance for the logarithm of the standard deviation, and square its
    exponential. It is the logarithm of the variance: exp(log_variance) is σ² already."""
    return gaussian_kl(mean, 2 * log_variance)


def deviation_for_the_variance(mean, log_variance):
    """Where the variance belongs you have the standard deviation, exp(log_variance / 2). E[z²] is
    mean² + variance."""
    return 0.5 * np.sum(mean**2 + np.exp(log_variance / 2) - 1 - log_variance, axis=1)


def logarithm_of_the_deviation(mean, log_variance):
    """You subtract log σ where log σ² belongs: half of it is missing."""
    return 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance / 2, axis=1)


def taken_for_the_variance(mean, log_variance):
    """You take log_variance for the variance, and its logarithm is NaN where it is negative. The
    encoder's output is any number; its exponential is the variance."""
    with np.errstate(all="ignore"):
        return 0.5 * np.sum(mean**2 + log_variance - 1 - np.log(log_variance), axis=1)


def taken_for_the_deviation(mean, log_variance):
    """You take log_variance for the standard deviation, and square it. Its exponential is the
    variance."""
    variance = log_variance**2
    with np.errstate(all="ignore"):
        return 0.5 * np.sum(mean**2 + variance - 1 - np.log(variance), axis=1)


def logarithm_of_an_exponential(mean, log_variance):
    """You compute the variance and then its logarithm. At −2000 the variance is 0, and log 0 is
    −inf. You were given the logarithm: use it."""
    with np.errstate(divide="ignore"):
        log_sigma = np.log(np.exp(log_variance / 2))
    return 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - 2 * log_sigma, axis=1)


def number_added_in_the_logarithm(mean, log_variance):
    """You take the logarithm of the variance plus a small number. Small variances then all look
    alike, and the penalty for them is too low. The logarithm is given: use it."""
    variance = np.exp(log_variance)
    return 0.5 * np.sum(mean**2 + variance - 1 - np.log(variance + 1e-8), axis=1)


def mean_over_the_dimensions(mean, log_variance):
    """You average over the latent dimensions. The divergences of independent dimensions add up:
    averaged, the term loses weight against the reconstruction as the code grows."""
    return gaussian_kl(mean, log_variance) / mean.shape[1]


def averaged_over_the_batch(mean, log_variance):
    """You average over the batch. One number per row is asked for, shape (batch,)."""
    return gaussian_kl(mean, log_variance).mean()


def summed_over_the_batch_axis(mean, log_variance):
    """You sum over the batch, axis 0, and return one number per latent dimension. The dimensions
    are axis 1."""
    return gaussian_kl(mean.T, log_variance.T)


def not_summed(mean, log_variance):
    """You return one number per latent dimension of each row. Sum them: axis 1."""
    return 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)


def direction_reversed(mean, log_variance):
    """You compute KL(p ‖ q), the expectation under the standard Gaussian, in which one divides by
    the variance of q. Here the expectation is under q, the encoder's Gaussian."""
    with np.errstate(all="ignore"):
        precision = np.exp(-log_variance)
    return 0.5 * np.sum((1 + mean**2) * precision - 1 + log_variance, axis=1)


def sign_turned(mean, log_variance):
    """Your result is negative: that is the term of the bound which one maximises. A divergence is
    never below 0; the loss adds it."""
    return -gaussian_kl(mean, log_variance)


def one_missing(mean, log_variance):
    """The −1 per dimension is missing. Try mean 0 and variance 1: there q = p, and the divergence
    is 0."""
    return 0.5 * np.sum(mean**2 + np.exp(log_variance) - log_variance, axis=1)


def one_subtracted_once(mean, log_variance):
    """You subtract 1 from the sum, once. It belongs to each latent dimension: inside the sum."""
    return 0.5 * (np.sum(mean**2 + np.exp(log_variance) - log_variance, axis=1) - 1)


def half_missing(mean, log_variance):
    """The factor ½ is missing. It comes from the exponent of the Gaussian, −z² / 2."""
    return 2 * gaussian_kl(mean, log_variance)


def mean_not_squared(mean, log_variance):
    """You add the mean as it is. It enters squared, as a distance from 0 does: codes must not be
    pulled to minus infinity."""
    return 0.5 * np.sum(mean + np.exp(log_variance) - 1 - log_variance, axis=1)


def mean_left_out(mean, log_variance):
    """The mean is missing. Then only the spread of the codes is kept in check, not their place."""
    return gaussian_kl(0 * mean, log_variance)


def variance_left_out(mean, log_variance):
    """The variance itself is missing: your result falls without limit as log_variance grows. E[z²]
    is mean² + variance."""
    return 0.5 * np.sum(mean**2 - 1 - log_variance, axis=1)


def cases(rng):
    mean = np.array([[0.0, 0.0], [1.0, -2.0]])
    log_variance = np.array([[0.0, 0.0], [0.5, -1.0]])
    yield Case("a standard Gaussian and another, two dimensions", (mean, log_variance))
    yield Case("variance 1, means that cancel", (np.array([[3.0, -3, 2]]), np.zeros((1, 3))))
    yield Case("mean 0, variances of 4 and ¼", (np.zeros((1, 2)), np.log([[4.0, 0.25]])))
    tiny = np.array([[-2000.0, 1.0], [-30.0, -700.0], [-1.0, -25.0]])
    yield Case("variances near 0, and one that is 0 in float64", (rng.normal(size=(3, 2)), tiny))
    yield Case("large variances", (np.array([[5.0], [-50.0]]), np.array([[100.0], [7.0]])))
    yield Case("as many rows as dimensions", (rng.normal(size=(3, 3)), rng.normal(size=(3, 3))))
    for batch, latent in [(7, 4), (5, 31), (1, 11), (9, 1)]:
        note = f"batch of {batch}, {latent} latent dimension{'s' if latent > 1 else ''}"
        yield Case(note, (rng.normal(size=(batch, latent)), 2 * rng.normal(size=(batch, latent))))


DRILL = Drill(
    reference=gaussian_kl,
    cases=cases,
    alternatives=(number_by_number, as_the_paper_has_it, entropy_and_cross_entropy),
    mistakes=(
        taken_for_the_log_of_the_deviation,
        deviation_for_the_variance,
        logarithm_of_the_deviation,
        taken_for_the_variance,
        taken_for_the_deviation,
        logarithm_of_an_exponential,
        number_added_in_the_logarithm,
        mean_over_the_dimensions,
        averaged_over_the_batch,
        summed_over_the_batch_axis,
        not_summed,
        direction_reversed,
        sign_turned,
        one_missing,
        one_subtracted_once,
        half_missing,
        mean_not_squared,
        mean_left_out,
        variance_left_out,
    ),
    hints=(
        "Independent dimensions: the divergence is a sum over them. For one, write down log q(z) − "
        "log p(z) and take its expectation, with E_q[z²] = mean² + σ².",
        "In one dimension E_q[(z − mean)² / (2σ²)] is ½, so the divergence is ½ (mean² + σ² − 1 − "
        "log σ²). What are σ² and log σ² in terms of log_variance?",
        "½ (mean² + exp(log_variance) − 1 − log_variance), summed along axis 1.",
    ),
    explanation=(
        "The closed form is in appendix B of Kingma and Welling (2014). Encoders give the "
        "logarithm of the variance because any real number is one, and because small variances "
        "then do not underflow. At mean 0 and variance 1 the term is 0 with slope 0; a dimension "
        "that stays there carries nothing (posterior collapse). Asked next: why not KL(p ‖ q)? The "
        "bound on the likelihood has the expectation under q. And sum or mean? Summed, as is the "
        "log-likelihood of the pixels; averaging one of the two silently reweighs them (a β-VAE)."
    ),
    difficulty=1,
    taught_in="04_generative_adversarial_networks, section 7",
)
