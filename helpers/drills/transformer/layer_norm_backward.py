import numpy as np

from helpers.drills.spec import Case, Drill


def layer_norm_backward(
    x: np.ndarray, gamma: np.ndarray, epsilon: float, upstream: np.ndarray
) -> tuple:
    """Compute the gradients of layer norm by hand, without a tape.

    Forward, each row by itself: n = (x − mean) / √(variance + epsilon), and y = gamma · n + beta,
    number by number. Mean and variance are those of the row, along the last axis; the variance is
    the mean of the squared differences from the mean. `x` has the shape (rows, width), `gamma` and
    beta (width,); epsilon > 0; both lengths are at least 1, all arrays are float64.

    Some loss L, a single number, depends on y. `upstream`, shape (rows, width), is dL/dy; whatever
    the loss averages over is in it already: add no factor of your own. Return the tuple (dL/dx,
    dL/dgamma, dL/dbeta), of the shapes (rows, width), (width,) and (width,). The mean and the
    variance depend on x too. beta itself is not needed. Leave the arguments alone.
    """
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + epsilon)
    n = centred / deviation
    dn = upstream * gamma
    through_mean = dn.mean(axis=1, keepdims=True)
    through_variance = n * np.mean(dn * n, axis=1, keepdims=True)
    dx = (dn - through_mean - through_variance) / deviation
    return dx, np.sum(upstream * n, axis=0), np.sum(upstream, axis=0)


def step_by_step(x, gamma, epsilon, upstream):
    # Each line backwards: first n = centred · inverse, then the variance, then the mean.
    width = x.shape[1]
    centred = x - np.sum(x, axis=1)[:, None] / width
    variance = np.sum(centred * centred, axis=1)[:, None] / width
    inverse = (variance + epsilon) ** -0.5
    dn = upstream * gamma
    dinverse = np.sum(dn * centred, axis=1)[:, None]
    dvariance = dinverse * -(inverse**3) / 2
    dcentred = dn * inverse + dvariance * 2 * centred / width
    dx = dcentred - np.sum(dcentred, axis=1)[:, None] / width
    ones = np.ones(len(x))
    return dx, ones @ (upstream * centred * inverse), ones @ upstream


def by_the_jacobian_of_each_row(x, gamma, epsilon, upstream):
    width = len(gamma)
    dx, dgamma, dbeta = [], np.zeros(width), np.zeros(width)
    for row, d in zip(x, upstream, strict=True):
        deviation = (row.var() + epsilon) ** 0.5
        n = (row - row.mean()) / deviation
        jacobian = (np.eye(width) - (1 + np.outer(n, n)) / width) / deviation  # dn_i / dx_j
        dx.append(jacobian @ (gamma * d))
        dgamma += d * n
        dbeta += d
    return np.array(dx), dgamma, dbeta


def with_a_complex_step(x, gamma, epsilon, upstream):
    # f(a + iε) = f(a) + iε f'(a): exact to rounding, for nothing is subtracted.
    given = [np.array(a, complex) for a in (x, gamma, gamma)]  # any beta gives the same gradients
    gradients = [np.empty(array.shape) for array in given]
    for array, gradient in zip(given, gradients, strict=True):
        for place in np.ndindex(array.shape):
            array[place] += 1e-30j
            rows, scale, shift = given
            centred = rows - rows.mean(axis=1, keepdims=True)
            n = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + epsilon)
            gradient[place] = np.sum(upstream * (scale * n + shift)).imag / 1e-30
            array[place] -= 1e-30j
    return tuple(gradients)


def _backward(x, gamma, epsilon, upstream, mean=1.0, variance=1.0, ddof=0, beside=0.0):
    """The backward pass with its two terms weighted, and another deviation."""
    deviation = np.sqrt(x.var(axis=1, ddof=ddof, keepdims=True) + epsilon) + beside
    n = (x - x.mean(axis=1, keepdims=True)) / deviation
    dn = upstream * gamma
    dx = dn - mean * dn.mean(axis=1, keepdims=True)
    dx = dx - variance * n * np.mean(dn * n, axis=1, keepdims=True)
    return dx / deviation, np.sum(upstream * n, axis=0), np.sum(upstream, axis=0)


def statistics_constant(x, gamma, epsilon, upstream):
    """You go back through the fraction as if mean and variance were constants. They move with every
    number of the row, and each gives a term of its own."""
    return _backward(x, gamma, epsilon, upstream, mean=0, variance=0)


def mean_constant(x, gamma, epsilon, upstream):
    """You take the mean as a constant; the variance is right. A number moves its row's mean by
    1 / width, and with it every other number of the row."""
    return _backward(x, gamma, epsilon, upstream, mean=0)


def variance_constant(x, gamma, epsilon, upstream):
    """You take the variance as a constant; the mean is right. A number also moves what the whole
    row is divided by."""
    return _backward(x, gamma, epsilon, upstream, variance=0)


def variance_term_added(x, gamma, epsilon, upstream):
    """Your term of the variance has the wrong sign: a larger variance makes the fraction
    smaller."""
    return _backward(x, gamma, epsilon, upstream, variance=-1)


def terms_summed_over_the_row(x, gamma, epsilon, upstream):
    """You sum where the terms of mean and variance need a mean over the row: one number moves the
    mean by 1 / width of itself."""
    width = x.shape[1]
    return _backward(x, gamma, epsilon, upstream, mean=width, variance=width)


def gamma_left_out_of_dx(x, gamma, epsilon, upstream):
    """Your gradient of x is without gamma. On the way from y to n it is multiplied by gamma."""
    dx = layer_norm_backward(x, np.ones_like(gamma), epsilon, upstream)[0]
    return dx, *layer_norm_backward(x, gamma, epsilon, upstream)[1:]


def gamma_multiplied_last(x, gamma, epsilon, upstream):
    """You multiply by gamma at the end. The gradient meets gamma first and the row's means
    afterwards, and the two do not commute."""
    dx, *others = gamma_left_out_of_dx(x, gamma, epsilon, upstream)
    return gamma * dx, *others


def dgamma_from_x(x, gamma, epsilon, upstream):
    """In the gradient of gamma you use x. gamma is multiplied with the normalised x."""
    dx, _, dbeta = layer_norm_backward(x, gamma, epsilon, upstream)
    return dx, np.sum(upstream * x, axis=0), dbeta


def parameters_averaged(x, gamma, epsilon, upstream):
    """You average the gradients of gamma and beta over the rows. If the loss is a mean, `upstream`
    holds that factor already: sum."""
    dx, *others = layer_norm_backward(x, gamma, epsilon, upstream)
    return dx, *(gradient / len(x) for gradient in others)


def divided_by_width_minus_one(x, gamma, epsilon, upstream):
    """Your variance is divided by width − 1. The one of the forward pass is the mean square, over
    width."""
    with np.errstate(all="ignore"):
        return _backward(x, gamma, epsilon, upstream, ddof=1)


def epsilon_beside_the_root(x, gamma, epsilon, upstream):
    """You add epsilon to the standard deviation. In the forward pass it is added to the variance,
    under the root."""
    with np.errstate(all="ignore"):
        return _backward(x, gamma, 0.0, upstream, beside=epsilon)


def epsilon_left_out(x, gamma, epsilon, upstream):
    """You leave epsilon out: the gradient is that of another function, and infinite where the
    numbers of a row are equal."""
    with np.errstate(all="ignore"):
        return _backward(x, gamma, 0.0, upstream)


def cases(rng):
    x, upstream = np.array([[1.0, 1.0, 4.0], [0.0, 6.0, 9.0]]), np.array([[1.0, 0, 0], [0, 2, -1]])
    yield Case("two rows of three", (x, np.array([2.0, 1.0, 4.0]), 2.0, upstream))
    yield Case("rows of one number", (x[:, :1], np.array([2.0]), 0.25, upstream[:, :1] + 0.5))
    equal = np.array([[3.0, 3.0, 3.0, 3.0], [2.0, 1.0, 0.0, 2.0], [1.0, 5.0, 4.0, 0.0]])
    yield Case("a row of equal numbers", (equal, rng.normal(size=4), 0.01, rng.normal(size=(3, 4))))
    for rows, width, size, epsilon in [
        (1, 5, 1, 1e-3),
        (4, 3, 2, 1e-5),
        (5, 7, 0.3, 0.1),
        (2, 6, 3, 1),
    ]:
        x, upstream = size * rng.normal(1, 1, (rows, width)), rng.normal(size=(rows, width))
        note = f"{rows} random rows of {width} numbers"
        yield Case(note, (x, rng.normal(size=width), epsilon, upstream))


DRILL = Drill(
    reference=layer_norm_backward,
    cases=cases,
    alternatives=(step_by_step, by_the_jacobian_of_each_row, with_a_complex_step),
    mistakes=(
        statistics_constant,
        mean_constant,
        variance_constant,
        variance_term_added,
        terms_summed_over_the_row,
        gamma_left_out_of_dx,
        gamma_multiplied_last,
        dgamma_from_x,
        parameters_averaged,
        divided_by_width_minus_one,
        epsilon_beside_the_root,
        epsilon_left_out,
    ),
    hints=(
        "Write n = centred / deviation. A number of x reaches n three ways: by itself, by the "
        "mean, and by the variance.",
        "gamma and beta first: their gradients are sums over the rows. Then dn = upstream · gamma. "
        "From dn subtract one term for the mean and one for the variance; both are means over "
        "the row.",
        "dx = (dn − mean(dn) − n · mean(dn · n)) / √(variance + epsilon), the means along axis 1.",
    ),
    explanation=(
        "Layer norm (Ba, Kiros and Hinton, 2016, Layer Normalization) changes nothing when a "
        "constant is added to a row, and next to nothing when the row is stretched. So the "
        "gradient has no part along those two directions: the two terms subtracted are its "
        "projections onto the ones and onto n. Asked next: how do you test it without a library? "
        "Each row of dx sums to 0, its product with n is near 0 for a small epsilon, and central "
        "finite differences in float64 agree to nine digits. In float32 they would not."
    ),
    difficulty=3,
    taught_in="05_bert_from_scratch, section 3",
)
