import numpy as np

from helpers.drills.spec import Case, Drill


def batch_norm_backward(
    x: np.ndarray, gamma: np.ndarray, epsilon: float, upstream: np.ndarray
) -> tuple:
    """Compute the gradients of batch normalisation in training, by hand.

    Forward, each feature by itself: n = (x − mean) / √(variance + epsilon), and y = gamma · n +
    beta. `x` is float64, rows of shape (m, features) or images of shape (m, height, width,
    features); `gamma` and beta have the shape (features,), epsilon > 0. Mean and variance of a
    feature are those of the batch, taken over all axes but the last; the variance is the mean of
    the squared distances from the mean.

    Some loss L, a single number, depends on y. `upstream`, of the shape of x, is dL/dy; whatever
    the loss averages over is in it already: add no factor of your own. Return the tuple (dL/dx,
    dL/dgamma, dL/dbeta), of the shapes of x, gamma and gamma. Every number of a feature moves the
    feature's mean and variance, and through them the outputs of the whole batch. beta itself is
    not needed. Leave the arguments alone.
    """
    axes = tuple(range(x.ndim - 1))
    deviation = np.sqrt(x.var(axis=axes) + epsilon)
    n = (x - x.mean(axis=axes)) / deviation
    dgamma = np.sum(upstream * n, axis=axes)
    dbeta = np.sum(upstream, axis=axes)
    numbers = x.size / x.shape[-1]  # of one feature, in the batch
    dx = gamma / deviation * (upstream - (dbeta + n * dgamma) / numbers)
    return dx, dgamma, dbeta


def line_by_line(x, gamma, epsilon, upstream):
    # The forward pass as a chain of small steps, and each of them backwards.
    rows, d = x.reshape(-1, len(gamma)), upstream.reshape(-1, len(gamma))
    count = len(rows)
    centred = rows - np.add.reduce(rows) / count
    variance = np.add.reduce(centred**2) / count
    inverse = 1 / np.sqrt(variance + epsilon)
    dn = d * gamma
    dinverse = np.add.reduce(dn * centred)
    dvariance = -dinverse * inverse**3 / 2
    dcentred = dn * inverse + 2 / count * centred * dvariance
    dmean = -np.add.reduce(dcentred)
    dx = dcentred + dmean / count
    return dx.reshape(x.shape), np.add.reduce(d * centred * inverse), np.add.reduce(d)


def by_projections(x, gamma, epsilon, upstream):
    """Feature by feature: what changes only the mean, or only the size, is projected out."""
    results = [np.empty_like(x), np.empty_like(gamma), np.empty_like(gamma)]
    for f, scale in enumerate(gamma):
        values, d = x[..., f].ravel(), upstream[..., f].ravel()
        deviation = (values.var() + epsilon) ** 0.5
        n = (values - values.mean()) / deviation
        inside = d - d.mean() - n * (n @ d) / len(n)
        results[0][..., f] = (scale * inside / deviation).reshape(x.shape[:-1])
        results[1][f], results[2][f] = n @ d, d.sum()
    return tuple(results)


def with_a_complex_step(x, gamma, epsilon, upstream):
    # f(a + iε) = f(a) + iε f'(a): exact to rounding, for nothing is subtracted.
    given = [np.array(a, complex) for a in (x, gamma, gamma)]  # any beta gives the same gradients
    gradients = [np.empty(array.shape) for array in given]
    for array, gradient in zip(given, gradients, strict=True):
        for place in np.ndindex(array.shape):
            array[place] += 1e-30j
            rows = given[0].reshape(-1, len(gamma))
            centred = rows - rows.mean(axis=0)
            n = centred / np.sqrt((centred**2).mean(axis=0) + epsilon)
            y = (given[1] * n + given[2]).reshape(x.shape)
            gradient[place] = np.sum(upstream * y).imag / 1e-30
            array[place] -= 1e-30j
    return tuple(gradients)


def _backward(x, gamma, epsilon, upstream, mean=1.0, variance=1.0, ddof=0, beside=0.0):
    """The gradients with both terms weighted, and another deviation."""
    axes = tuple(range(x.ndim - 1))
    with np.errstate(all="ignore"):
        numbers = np.float64(x.size / x.shape[-1])
        deviation = np.sqrt(x.var(axis=axes) * numbers / (numbers - ddof) + epsilon) + beside
        n = (x - x.mean(axis=axes)) / deviation
        dgamma, dbeta = np.sum(upstream * n, axis=axes), np.sum(upstream, axis=axes)
        terms = (mean * dbeta + variance * n * dgamma) / numbers
        return gamma / deviation * (upstream - terms), dgamma, dbeta


def frozen_statistics(x, gamma, epsilon, upstream):
    """Your gradient of x treats the batch's mean and variance as fixed numbers. That is right in
    evaluation, where they are fixed; in training both are computed from x, and each adds a path."""
    return _backward(x, gamma, epsilon, upstream, mean=0, variance=0)


def path_of_the_variance_missing(x, gamma, epsilon, upstream):
    """You go back through x itself and through the mean, and not through the variance. A number far
    from the mean widens the feature, and shrinks the outputs of all others."""
    return _backward(x, gamma, epsilon, upstream, variance=0)


def path_of_the_mean_missing(x, gamma, epsilon, upstream):
    """You go back through x itself and through the variance, and not through the mean. Whatever
    `upstream` is, each feature's gradients of x should add up to 0."""
    return _backward(x, gamma, epsilon, upstream, mean=0)


def one_over_the_count_missing(x, gamma, epsilon, upstream):
    """Your two paths through the statistics lack the factor 1 / count: a mean of N numbers moves by
    1 / N of what one of them moves, and so does a variance."""
    numbers = x.size / x.shape[-1]
    return _backward(x, gamma, epsilon, upstream, mean=numbers, variance=numbers)


def pixels_not_counted(x, gamma, epsilon, upstream):
    """Where statistics need 1 / N, your N is the number of images. A mean over height and width
    too has height · width times as many numbers in it."""
    pixels = x.size / x.shape[-1] / len(x)
    return _backward(x, gamma, epsilon, upstream, mean=pixels, variance=pixels)


def path_of_the_variance_reversed(x, gamma, epsilon, upstream):
    """You add the path through the variance where it has to be subtracted: the derivative of
    1 / √v is negative."""
    return _backward(x, gamma, epsilon, upstream, variance=-1)


def gamma_missing_in_dx(x, gamma, epsilon, upstream):
    """The gradient of x should grow with gamma, which multiplies n on the way to y. Yours does
    not."""
    dx = batch_norm_backward(x, np.ones_like(gamma), epsilon, upstream)[0]
    return dx, *batch_norm_backward(x, gamma, epsilon, upstream)[1:]


def dx_not_divided(x, gamma, epsilon, upstream):
    """You stop at the gradient of n. On to x it is still divided by √(variance + epsilon)."""
    dx, *others = batch_norm_backward(x, gamma, epsilon, upstream)
    return dx * np.sqrt(x.var(axis=tuple(range(x.ndim - 1))) + epsilon), *others


def gamma_meets_x(x, gamma, epsilon, upstream):
    """For gamma you sum upstream · x. In the forward pass gamma meets n, the normalised x."""
    dx, _, dbeta = batch_norm_backward(x, gamma, epsilon, upstream)
    return dx, np.sum(upstream * x, axis=tuple(range(x.ndim - 1))), dbeta


def gamma_meets_the_centred_x(x, gamma, epsilon, upstream):
    """For gamma you sum upstream · (x − mean), and leave out the division by the standard
    deviation."""
    dx, _, dbeta = batch_norm_backward(x, gamma, epsilon, upstream)
    axes = tuple(range(x.ndim - 1))
    return dx, np.sum(upstream * (x - x.mean(axis=axes)), axis=axes), dbeta


def gamma_in_dbeta(x, gamma, epsilon, upstream):
    """Your gradient of beta has a factor gamma. beta is added after gamma has multiplied: its
    gradient is the sum of `upstream` alone."""
    dx, dgamma, dbeta = batch_norm_backward(x, gamma, epsilon, upstream)
    return dx, dgamma, gamma * dbeta


def mean_for_the_parameters(x, gamma, epsilon, upstream):
    """You take the mean for gamma and beta where the sum belongs. One gamma serves the whole batch,
    and each use adds its share."""
    dx, *others = batch_norm_backward(x, gamma, epsilon, upstream)
    return dx, *(gradient * x.shape[-1] / x.size for gradient in others)


def summed_over_axis_0_only(x, gamma, epsilon, upstream):
    """For images you sum the gradients of gamma and beta over the batch and leave height and width.
    There is one gamma for each feature, not one for each pixel."""
    axes = tuple(range(x.ndim - 1))
    n = (x - x.mean(axis=axes)) / np.sqrt(x.var(axis=axes) + epsilon)
    dx = batch_norm_backward(x, gamma, epsilon, upstream)[0]
    return dx, np.sum(upstream * n, axis=0), np.sum(upstream, axis=0)


def pixels_normalised_apart(x, gamma, epsilon, upstream):
    """Your statistics of images are those of each pixel across the batch. A feature has one mean
    and one variance: over the batch, the height and the width."""
    flat = x.reshape(len(x), -1)
    scale = np.broadcast_to(gamma, x.shape[1:]).ravel()
    dx, *others = batch_norm_backward(flat, scale, epsilon, upstream.reshape(len(x), -1))
    return dx.reshape(x.shape), *(d.reshape(-1, len(gamma)).sum(axis=0) for d in others)


def rows_normalised(x, gamma, epsilon, upstream):
    """These are the gradients of layer normalisation: your mean and variance run along the
    features. Here they run down the batch."""
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)
    n = (x - x.mean(axis=-1, keepdims=True)) / deviation
    dn = upstream * gamma
    dx = dn - dn.mean(axis=-1, keepdims=True) - n * np.mean(dn * n, axis=-1, keepdims=True)
    axes = tuple(range(x.ndim - 1))
    return dx / deviation, np.sum(upstream * n, axis=axes), np.sum(upstream, axis=axes)


def count_minus_one(x, gamma, epsilon, upstream):
    """Your variance divides by the count minus one, as for an estimate from a sample. Batch
    normalisation divides by the count; a batch of one row would be 0 / 0."""
    return _backward(x, gamma, epsilon, upstream, ddof=1)


def epsilon_next_to_the_root(x, gamma, epsilon, upstream):
    """You divide by √variance + epsilon. The forward pass divides by √(variance + epsilon)."""
    return _backward(x, gamma, 0.0, upstream, beside=epsilon)


def epsilon_forgotten_in_dx(x, gamma, epsilon, upstream):
    """Your gradients are without epsilon. A feature that is the same in all rows has variance 0,
    and they become 0 / 0."""
    return _backward(x, gamma, 0.0, upstream)


def cases(rng):
    x, upstream = np.array([[0.0], [3.0], [6.0]]), np.array([[9.0], [0.0], [3.0]])
    yield Case("three rows of one feature", (x, np.array([3.0]), 3.0, upstream))
    yield Case("one row", (x[1:].T, np.array([2.0, 3.0]), 0.25, upstream[1:].T))
    equal = rng.normal(size=(4, 3))
    equal[:, 1] = 2
    args = equal, rng.normal(size=3), 0.01, rng.normal(size=(4, 3))
    yield Case("a feature that is the same in all rows", args)
    for shape, size, epsilon in [
        ((5, 2), 1, 1e-3),
        ((4, 4), 2, 0.3),
        ((3, 7), 0.3, 0.05),
        ((2, 3, 1, 2), 1, 0.1),
        ((3, 2, 4, 3), 2, 1e-3),
    ]:
        x, upstream = size * rng.normal(1, 1, shape), rng.normal(0.3, 1, shape)
        what = "rows" if len(shape) == 2 else "images"
        args = x, rng.normal(size=shape[-1]), epsilon, upstream
        yield Case(f"random {what} of shape {shape}", args)


DRILL = Drill(
    reference=batch_norm_backward,
    cases=cases,
    alternatives=(line_by_line, by_projections, with_a_complex_step),
    mistakes=(
        frozen_statistics,
        path_of_the_variance_missing,
        path_of_the_mean_missing,
        one_over_the_count_missing,
        pixels_not_counted,
        path_of_the_variance_reversed,
        gamma_missing_in_dx,
        dx_not_divided,
        gamma_meets_x,
        gamma_meets_the_centred_x,
        gamma_in_dbeta,
        mean_for_the_parameters,
        summed_over_axis_0_only,
        pixels_normalised_apart,
        rows_normalised,
        count_minus_one,
        epsilon_next_to_the_root,
        epsilon_forgotten_in_dx,
    ),
    hints=(
        "Draw the graph of one feature: x goes into n by itself, through the mean, and through the "
        "variance. Three paths, three terms. What would be the gradient if only the first "
        "existed?",
        "dgamma = Σ upstream · n and dbeta = Σ upstream, over all axes but the last. The terms of "
        "mean and variance can be written with these two sums.",
        "dx = gamma / √(variance + epsilon) · (upstream − dbeta / N − n · dgamma / N), where N "
        "counts what the mean is taken over.",
    ),
    explanation=(
        "A shift of a whole feature changes nothing, and a stretch next to nothing. So dx has no "
        "part along the ones, and next to none along n: what is subtracted are the projections on "
        "both (Ioffe and Szegedy, 2015, section 3, gives the long form). In a batch of one row "
        "nothing is left, and dx is 0. Asked next: what is the gradient in evaluation, or in a "
        "frozen layer? gamma · upstream / √(variance + epsilon): the statistics are constants "
        "there. And why do the gradients of a convolution's bias vanish before this layer? Each "
        "feature's dx sums to 0, so such a bias learns nothing and is left out."
    ),
    difficulty=3,
    taught_in="04_generative_adversarial_networks, section 5",
)
