import numpy as np

from helpers.drills.spec import Case, Drill


def reverse_diffusion_step(
    x_t: np.ndarray, predicted_noise: np.ndarray, t: int, betas: np.ndarray, noise: np.ndarray
) -> np.ndarray:
    """Take one step of sampling from a diffusion model: remove a little of the noise that the
    network sees in an image, and add a little fresh noise.

    `betas`, shape (steps,), are the variances of the noise that each step of the forward process
    adds, between 0 and 1, both excluded; `t` is an int from 0 to steps − 1, counted from 0, and
    sampling goes from steps − 1 down. With alpha_t = 1 − beta_t and abar_t = alpha_0 · alpha_1 ·
    … · alpha_t, return

        (x_t − beta_t / √(1 − abar_t) · predicted_noise) / √alpha_t + sigma_t · noise

    in the shape of `x_t`. The step at t = 0 is the last: it adds no noise. `predicted_noise` is the
    network's output and `noise` a fresh draw from N(0, I), both in the shape of x_t, any shape.
    For sigma_t² take beta_t, or the variance of the posterior, (1 − abar_(t−1)) / (1 − abar_t) ·
    beta_t: either is right, the same at every t (the examples show the first).
    """
    alpha_bar = np.prod(1 - betas[: t + 1])
    denoised = x_t - betas[t] / np.sqrt(1 - alpha_bar) * predicted_noise
    mean = denoised / np.sqrt(1 - betas[t])
    if t == 0:
        return mean
    return mean + np.sqrt(betas[t]) * noise


def variance_of_the_posterior(x_t, predicted_noise, t, betas, noise):
    alpha_bars = np.concatenate([[1], np.cumprod(1 - betas)])  # before the first step, and after t
    share = (1 - alpha_bars[t]) / (1 - alpha_bars[t + 1])  # 0 at t = 0
    return _mean(x_t, predicted_noise, t, betas) + np.sqrt(share * betas[t]) * noise


def through_the_clean_image(x_t, predicted_noise, t, betas, noise):
    alphas = 1 - betas
    bars = np.cumprod(alphas)
    before = bars[t - 1] if t > 0 else 1
    x_0 = (x_t - np.sqrt(1 - bars[t]) * predicted_noise) / np.sqrt(bars[t])
    # The posterior's mean weighs the estimate of the clean image against the noisy one.
    of_x_0 = np.sqrt(before) * betas[t] / (1 - bars[t])
    of_x_t = np.sqrt(alphas[t]) * (1 - before) / (1 - bars[t])
    return of_x_0 * x_0 + of_x_t * x_t + (t > 0) * np.sqrt(betas[t]) * noise


def with_a_table(x_t, predicted_noise, t, betas, noise):
    alpha_bar, table = 1.0, []
    for beta in betas.tolist():
        alpha_bar *= 1 - beta
        table.append((beta * (1 - alpha_bar) ** -0.5, (1 - beta) ** -0.5, beta**0.5))
    of_noise, scale, sigma = table[t]
    step = scale * (x_t - of_noise * predicted_noise)
    return step + sigma * noise if t else step


def _mean(x_t, predicted_noise, t, betas, alpha_bar=None):
    """The step without fresh noise; `alpha_bar` replaces the right one."""
    if alpha_bar is None:
        alpha_bar = np.cumprod(1 - betas)[t]
    with np.errstate(all="ignore"):
        scaled = betas[t] / np.sqrt(1 - alpha_bar) * predicted_noise
        return (x_t - scaled) / np.sqrt(1 - betas[t])


def _sigma(t, betas):
    return np.sqrt(betas[t]) if t > 0 else 0.0


def noise_at_the_last_step(x_t, predicted_noise, t, betas, noise):
    """You add noise at t = 0 as well. The last step gives the image that one looks at: it stays
    grainy. There the mean alone is returned."""
    return _mean(x_t, predicted_noise, t, betas) + np.sqrt(betas[t]) * noise


def steps_counted_from_one(x_t, predicted_noise, t, betas, noise):
    """You add no noise at t = 1. In the paper steps count from 1; here from 0, and only t = 0 is
    the last."""
    sigma = np.sqrt(betas[t]) if t > 1 else 0
    return _mean(x_t, predicted_noise, t, betas) + sigma * noise


def alpha_for_the_product(x_t, predicted_noise, t, betas, noise):
    """You have alpha_t where the cumulative product abar_t belongs. The network predicts the noise
    of all steps up to t together, and its size is √(1 − abar_t)."""
    mean = _mean(x_t, predicted_noise, t, betas, alpha_bar=1 - betas[t])
    return mean + _sigma(t, betas) * noise


def product_ends_too_early(x_t, predicted_noise, t, betas, noise):
    """Your cumulative product leaves out step t: it is abar_(t−1), and at t = 0 you divide by 0.
    The product includes alpha_t: a slice up to t + 1."""
    mean = _mean(x_t, predicted_noise, t, betas, alpha_bar=np.prod(1 - betas[:t]))
    return mean + _sigma(t, betas) * noise


def product_ends_too_late(x_t, predicted_noise, t, betas, noise):
    """Your cumulative product goes one step too far. It ends with alpha_t."""
    mean = _mean(x_t, predicted_noise, t, betas, alpha_bar=np.prod(1 - betas[: t + 2]))
    return mean + _sigma(t, betas) * noise


def product_from_the_end(x_t, predicted_noise, t, betas, noise):
    """Your cumulative product runs from step t to the end. Noise gathers from step 0: multiply
    alpha_0 to alpha_t, though sampling goes the other way."""
    mean = _mean(x_t, predicted_noise, t, betas, alpha_bar=np.prod(1 - betas[t:]))
    return mean + _sigma(t, betas) * noise


def product_of_the_betas(x_t, predicted_noise, t, betas, noise):
    """You multiply betas. What is left of the image after each step is a share of alpha: multiply
    1 − beta."""
    mean = _mean(x_t, predicted_noise, t, betas, alpha_bar=np.prod(betas[: t + 1]))
    return mean + _sigma(t, betas) * noise


def variance_for_the_deviation(x_t, predicted_noise, t, betas, noise):
    """You divide beta_t by 1 − abar_t. Its root is meant: the predicted noise has variance 1, and
    √(1 − abar_t) is its size in the image."""
    denoised = x_t - betas[t] / (1 - np.prod(1 - betas[: t + 1])) * predicted_noise
    return denoised / np.sqrt(1 - betas[t]) + _sigma(t, betas) * noise


def root_of_alpha_missing(x_t, predicted_noise, t, betas, noise):
    """You divide by alpha_t. The forward step multiplied the image by √alpha_t: divide by that."""
    mean = _mean(x_t, predicted_noise, t, betas) / np.sqrt(1 - betas[t])
    return mean + _sigma(t, betas) * noise


def forward_scale(x_t, predicted_noise, t, betas, noise):
    """You multiply by √alpha_t, as the forward step does. Going back, divide: otherwise the image
    fades to grey."""
    mean = _mean(x_t, predicted_noise, t, betas) * (1 - betas[t])
    return mean + _sigma(t, betas) * noise


def divided_by_the_product(x_t, predicted_noise, t, betas, noise):
    """You divide by √abar_t, which undoes the fading of all steps at once. One step is taken:
    √alpha_t."""
    alphas = 1 - betas[: t + 1]
    mean = _mean(x_t, predicted_noise, t, betas) * np.sqrt(alphas[t] / np.prod(alphas))
    return mean + _sigma(t, betas) * noise


def not_scaled_up(x_t, predicted_noise, t, betas, noise):
    """You remove noise and do not divide by √alpha_t: the image stays as faded as the forward step
    made it."""
    mean = _mean(x_t, predicted_noise, t, betas) * np.sqrt(1 - betas[t])
    return mean + _sigma(t, betas) * noise


def predicted_noise_added(x_t, predicted_noise, t, betas, noise):
    """You add the predicted noise. Take it away: the image would get noisier at every step."""
    return _mean(x_t, -predicted_noise, t, betas) + _sigma(t, betas) * noise


def all_noise_removed_at_once(x_t, predicted_noise, t, betas, noise):
    """You remove all the noise and estimate the clean image in one jump. The network cannot see it
    from there; take a small step, of beta_t / √(1 − abar_t)."""
    alpha_bar = np.prod(1 - betas[: t + 1])
    x_0 = (x_t - np.sqrt(1 - alpha_bar) * predicted_noise) / np.sqrt(alpha_bar)
    return x_0 + _sigma(t, betas) * noise


def variance_times_noise(x_t, predicted_noise, t, betas, noise):
    """You multiply the fresh noise by the variance. To have the variance sigma_t², noise from
    N(0, I) is multiplied by sigma_t."""
    return _mean(x_t, predicted_noise, t, betas) + _sigma(t, betas) ** 2 * noise


def noise_divided_too(x_t, predicted_noise, t, betas, noise):
    """You divide the fresh noise by √alpha_t as well. It is added after the division."""
    sigma = _sigma(t, betas) / np.sqrt(1 - betas[t])
    return _mean(x_t, predicted_noise, t, betas) + sigma * noise


def never_any_fresh_noise(x_t, predicted_noise, t, betas, noise):
    """You never add fresh noise. Then all samples drift to the same blur: this is no deterministic
    sampler, which would need another formula. Only the last step goes without."""
    return _mean(x_t, predicted_noise, t, betas)


def old_noise_for_fresh(x_t, predicted_noise, t, betas, noise):
    """You put the predicted noise back where fresh noise belongs. Use `noise`."""
    return _mean(x_t, predicted_noise, t, betas) + _sigma(t, betas) * predicted_noise


def cases(rng):
    x_t, predicted = np.array([[1.0, -0.5], [0.25, 2]]), np.array([[0.5, -1.0], [0, 1.5]])
    noise, betas = np.array([[-1.0, 0.5], [2, 0.75]]), np.array([0.1, 0.2, 0.4])
    for t, note in [(1, "the second of three steps"), (2, "the third"), (0, "the first")]:
        full = f"{note}, where sampling {'ends' if t == 0 else 'begins' if t == 2 else 'goes on'}"
        yield Case(full, (x_t, predicted, t, betas, noise))

    def images(*shape):
        return (rng.normal(size=shape) for _ in range(3))

    for shape, steps, t in [((3, 5, 4, 1), 7, 4), ((2, 3, 3, 3), 11, 1), ((7,), 5, 0)]:
        x_t, predicted, noise = images(*shape)
        note = f"shape {shape}, t = {t} of {steps} unequal steps"
        yield Case(note, (x_t, predicted, t, rng.uniform(0.02, 0.6, steps), noise))
    for t in (0, 1, 99):
        x_t, predicted, noise = images(4, 3)
        note = f"t = {t} of 100 steps from 1e-4 to 0.02"
        yield Case(note, (x_t, predicted, t, np.linspace(1e-4, 0.02, 100), noise))


DRILL = Drill(
    reference=reverse_diffusion_step,
    cases=cases,
    conventions=(variance_of_the_posterior,),
    alternatives=(through_the_clean_image, with_a_table),
    mistakes=(
        noise_at_the_last_step,
        steps_counted_from_one,
        alpha_for_the_product,
        product_ends_too_early,
        product_ends_too_late,
        product_from_the_end,
        product_of_the_betas,
        variance_for_the_deviation,
        root_of_alpha_missing,
        forward_scale,
        divided_by_the_product,
        not_scaled_up,
        predicted_noise_added,
        all_noise_removed_at_once,
        variance_times_noise,
        noise_divided_too,
        never_any_fresh_noise,
        old_noise_for_fresh,
    ),
    hints=(
        "Three numbers are needed at step t: beta_t, alpha_t = 1 − beta_t, and the product of all "
        "alphas up to and including that of step t. Which appears where?",
        "np.prod(1 − betas[: t + 1]) is abar_t. The predicted noise is weighed with beta_t / √(1 − "
        "abar_t), and the difference divided by √alpha_t. What is special about t = 0?",
        "mean = (x_t − betas[t] / np.sqrt(1 − abar) * predicted_noise) / np.sqrt(1 − betas[t]); "
        "return the mean at t = 0, otherwise mean + np.sqrt(betas[t]) * noise.",
    ),
    explanation=(
        "This is algorithm 2 of Ho, Jain and Abbeel (2020). The formula is the mean of x_(t−1), "
        "given x_t and the clean image, with the network's estimate put in for the clean image; "
        "sigma_t² = beta_t is right for data that are Gaussian noise themselves, and the "
        "posterior's variance for data of a single point; the paper found both alike. Asked next: "
        "why not jump to the clean image at once? The estimate is a mean over all images that may "
        "be behind x_t: a blur. And how does DDIM (Song et al., 2021) take fewer steps? It keeps "
        "the estimate of the clean image, and adds back the predicted noise instead of fresh noise."
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 7",
)
