import numpy as np

from helpers.drills.spec import Case, Drill


def noisy_image(x_0: np.ndarray, t: np.ndarray, betas: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Noise a batch of images as the forward process of a diffusion model does, all steps in one
    jump: these are the inputs on which the denoising network trains.

    `x_0` are the clean images, shape (batch, height, width, channels), and `noise` is a draw from
    N(0, I) of that shape. `betas`, shape (steps,), are the variances of the noise that each step
    adds, between 0 and 1, both excluded; `t`, ints of shape (batch,) from 0 to steps − 1, says for
    each image which step it is to be at. Steps count from 0, and t = 0 is the image after the first
    of them. With abar_t = (1 − beta_0) · (1 − beta_1) · … · (1 − beta_t) for each image's own t,
    return √abar_t · x_0 + √(1 − abar_t) · noise, in the shape of x_0. This has the distribution
    that step after step, x ← √(1 − beta) · x + √beta · (fresh noise), would give.
    """
    alpha_bar = np.cumprod(1 - betas)[t]  # (batch,)
    alpha_bar = alpha_bar[:, None, None, None]  # one number for each image
    return np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * noise


def image_by_image(x_0, t, betas, noise):
    images = []
    for image, step, one_noise in zip(x_0, t, noise, strict=True):
        left = np.prod(1 - betas[: step + 1])
        images.append(left**0.5 * image + (1 - left) ** 0.5 * one_noise)
    return np.stack(images)


def by_einsum(x_0, t, betas, noise):
    signal, spread = [1.0], [0.0]  # what each step leaves of the image, and the noise's variance
    for beta in betas:
        signal.append(signal[-1] * np.sqrt(1 - beta))
        spread.append((1 - beta) * spread[-1] + beta)
    of_image, of_noise = np.array(signal)[t + 1], np.sqrt(spread)[t + 1]
    return np.einsum("b,bhwc->bhwc", of_image, x_0) + np.einsum("b,bhwc->bhwc", of_noise, noise)


def _mixed(alpha_bar, x_0, noise):
    alpha_bar = np.reshape(alpha_bar, (-1, 1, 1, 1))
    return np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * noise


def _bars(t, betas):
    return np.cumprod(1 - betas)[t].reshape(-1, 1, 1, 1)


def one_number_for_each_channel(x_0, t, betas, noise):
    """You multiply shape (batch,) with images: NumPy lines it up with the *last* axis, so that each
    channel, not each image, gets its own t. It runs only where the sizes happen to fit. Give it
    three axes of length 1 at the end."""
    bars = np.cumprod(1 - betas)[t]
    return np.sqrt(bars) * x_0 + np.sqrt(1 - bars) * noise


def one_number_for_each_row(x_0, t, betas, noise):
    """You give the numbers two more axes, and NumPy lines them up with the height: each pixel row
    gets its own t. It runs only where the sizes happen to fit. Three axes are needed: height, width
    and channels."""
    bars = np.cumprod(1 - betas)[t][:, None, None]
    return np.sqrt(bars) * x_0 + np.sqrt(1 - bars) * noise


def one_number_for_each_column(x_0, t, betas, noise):
    """You give the numbers one more axis, and NumPy lines them up with the width: each pixel column
    gets its own t. It runs only where the sizes happen to fit. Three axes are needed: height, width
    and channels."""
    bars = np.cumprod(1 - betas)[t][:, None]
    return np.sqrt(bars) * x_0 + np.sqrt(1 - bars) * noise


def same_t_for_all(x_0, t, betas, noise):
    """You noise all images as far as the first. Each has its own t, so that a batch shows the
    network many levels of noise."""
    return _mixed(_bars(t[:1], betas), x_0, noise)


def betas_not_accumulated(x_0, t, betas, noise):
    """You add the noise of step t alone. The image has gone through all steps up to t: take the
    cumulative product of 1 − beta."""
    return _mixed(1 - betas[t], x_0, noise)


def product_of_the_betas(x_0, t, betas, noise):
    """You multiply betas. Each step leaves the share 1 − beta of the image: multiply those."""
    return _mixed(np.cumprod(betas)[t], x_0, noise)


def betas_summed(x_0, t, betas, noise):
    """You take 1 minus the sum of the betas. That is near only while the sum is small, and falls
    below 0 later. Shares multiply: the cumulative product of 1 − beta."""
    with np.errstate(invalid="ignore"):
        return _mixed(1 - np.cumsum(betas)[t], x_0, noise)


def product_of_all_steps(x_0, t, betas, noise):
    """You multiply over all steps, whatever t is. Every image is then noised to the end. Take the
    product up to its own t."""
    return _mixed(np.full(len(t), np.prod(1 - betas)), x_0, noise)


def product_from_the_end(x_0, t, betas, noise):
    """Your product runs from step t to the end. It runs from step 0 to step t."""
    return _mixed(np.cumprod((1 - betas)[::-1])[::-1][t], x_0, noise)


def one_step_too_few(x_0, t, betas, noise):
    """Your product leaves out step t, so that t = 0 is the clean image, with nothing to denoise.
    Here t = 0 is the image after the first step."""
    return _mixed(np.append(1, np.cumprod(1 - betas))[t], x_0, noise)


def index_runs_backwards_past_zero(x_0, t, betas, noise):
    """You look up t − 1. At t = 0 that is index −1, the last: the image drowns in noise. Steps
    count from 0 here, and the index is t."""
    return _mixed(_bars(t - 1, betas), x_0, noise)


def one_step_too_many(x_0, t, betas, noise):
    """Your product takes in one step too many. It ends with 1 − beta_t."""
    bars = [np.prod(1 - betas[: step + 2]) for step in t]
    return _mixed(bars, x_0, noise)


def roots_missing(x_0, t, betas, noise):
    """You mix with abar and 1 − abar. These are variances, or shares of them: the factors are their
    roots. Yours shrink the whole, and the variance is not preserved."""
    bars = _bars(t, betas)
    return bars * x_0 + (1 - bars) * noise


def root_of_the_noise_missing(x_0, t, betas, noise):
    """Your noise is too weak: it is multiplied by the variance 1 − abar_t. Multiply by its root."""
    bars = _bars(t, betas)
    return np.sqrt(bars) * x_0 + (1 - bars) * noise


def root_of_the_image_missing(x_0, t, betas, noise):
    """Your image is too faint: it is multiplied by abar_t. Multiply by its root."""
    bars = _bars(t, betas)
    return bars * x_0 + np.sqrt(1 - bars) * noise


def factors_add_up_to_one(x_0, t, betas, noise):
    """Your factors add up to 1: √abar_t and 1 − √abar_t. It is their squares that do, since
    variances of independent parts add."""
    of_image = np.sqrt(_bars(t, betas))
    return of_image * x_0 + (1 - of_image) * noise


def image_at_full_strength(x_0, t, betas, noise):
    """You add noise to the image without fading it. Its variance then grows with t; times √abar_t
    it stays what it was."""
    return x_0 + np.sqrt(1 - _bars(t, betas)) * noise


def image_and_noise_exchanged(x_0, t, betas, noise):
    """You have the two factors the wrong way round: more image at later steps. The image gets
    √abar_t, which falls."""
    return noisy_image(noise, t, betas, x_0)


def one_noise_for_every_step(x_0, t, betas, noise):
    """You go step after step and add the same noise each time. Steps of *fresh* noise partly
    cancel; yours add up, and the variance is too large. Jump at once."""
    images = []
    for x, step, one_noise in zip(x_0, t, noise, strict=True):
        for beta in betas[: step + 1]:
            x = np.sqrt(1 - beta) * x + np.sqrt(beta) * one_noise
        images.append(x)
    return np.array(images)


def cases(rng):
    x_0 = np.array([1.0, 0.5, -1, 0.25]).reshape(2, 1, 2, 1)
    noise = np.array([0.5, -1, 2, 1.5]).reshape(2, 1, 2, 1)
    betas = np.array([0.1, 0.2, 0.4])
    yield Case("two images of two pixels, steps 1 and 2", (x_0, np.array([1, 2]), betas, noise))
    yield Case("the same at steps 0 and 0", (x_0, np.array([0, 0]), betas, noise))

    def images(*shape):
        return rng.normal(size=shape), rng.normal(size=shape)

    for size in (2, 3):  # here a wrong axis fits
        x_0, noise = images(size, size, size, size)
        t = np.array([3, 0, 1])[:size]
        note = f"{size} images of {size} × {size} pixels and {size} channels"
        yield Case(note, (x_0, t, np.array([0.05, 0.3, 0.15, 0.5]), noise))
    for shape, steps in [((7, 2, 3, 1), 11), ((5, 4, 2, 3), 6), ((1, 3, 5, 2), 9)]:
        x_0, noise = images(*shape)
        note = "{} images of {} × {} pixels, channels: {}".format(*shape)
        t = rng.integers(0, steps, shape[0])
        yield Case(note, (x_0, t, rng.uniform(0.02, 0.6, steps), noise))
    x_0, noise = images(4, 2, 2, 1)
    t = np.array([0, 99, 30, 30])
    yield Case("100 steps from 1e-4 to 0.02", (x_0, t, np.linspace(1e-4, 0.02, 100), noise))


DRILL = Drill(
    reference=noisy_image,
    cases=cases,
    alternatives=(image_by_image, by_einsum),
    mistakes=(
        one_number_for_each_channel,
        one_number_for_each_row,
        one_number_for_each_column,
        same_t_for_all,
        betas_not_accumulated,
        product_of_the_betas,
        betas_summed,
        product_of_all_steps,
        product_from_the_end,
        one_step_too_few,
        index_runs_backwards_past_zero,
        one_step_too_many,
        roots_missing,
        root_of_the_noise_missing,
        root_of_the_image_missing,
        factors_add_up_to_one,
        image_at_full_strength,
        image_and_noise_exchanged,
        one_noise_for_every_step,
    ),
    hints=(
        "What does one step leave of the image's variance? What do two, and t + 1 of them?",
        "np.cumprod(1 − betas)[t] has shape (batch,), the images have four axes. NumPy lines up "
        "axes from the last; where do the missing ones go?",
        "alpha_bar = np.cumprod(1 − betas)[t][:, None, None, None]; then np.sqrt(alpha_bar) * x_0 "
        "+ np.sqrt(1 − alpha_bar) * noise.",
    ),
    explanation=(
        "Each step multiplies what is left of the image by √(1 − beta), and the noises of all "
        "steps, being independent Gaussians, add up to one of variance 1 − abar_t (Sohl-Dickstein "
        "et al., 2015; Ho, Jain and Abbeel, 2020). So a training step needs one jump, not t of "
        "them: draw t, draw noise, jump, and predict the noise. Images scaled to variance 1 keep "
        "it, so the network sees inputs of one size at every t. Asked next: what must abar be at "
        "the last step? Near 0, or sampling starts from noise that training never showed."
    ),
    difficulty=1,
    taught_in="04_generative_adversarial_networks, section 7",
)
