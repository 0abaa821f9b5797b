import numpy as np

from helpers.drills.spec import Case, Drill


def layer_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float) -> np.ndarray:
    """Normalise each token's vector by itself, as every block of a transformer does: layer norm.

    `x`, float64, has the shape (..., width): any number of axes in front, none too, and every
    length at least 1. Each vector along the last axis is treated alone: subtract its mean, and
    divide by √(variance + epsilon), where the variance is the mean of the squared differences from
    the mean, over width and not width − 1. Then multiply by `gamma` and add `beta`, both of shape
    (width,), number by number. epsilon > 0, so that a vector of equal numbers becomes `beta`. The
    mean may be far larger than the spread around it: the variance has to be exact there too.
    Return an array of the shape of x, and leave the arguments alone.
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centred**2, axis=-1, keepdims=True)
    return gamma * centred / np.sqrt(variance + epsilon) + beta


def vector_by_vector(x, gamma, beta, epsilon):
    result = np.empty(x.shape)
    for place in np.ndindex(x.shape[:-1]):
        vector = x[place].tolist()
        mean = sum(vector) / len(vector)
        variance = sum((number - mean) ** 2 for number in vector) / len(vector)
        for i, number in enumerate(vector):
            result[place][i] = gamma[i] * (number - mean) / (variance + epsilon) ** 0.5 + beta[i]
    return result


def as_a_projection(x, gamma, beta, epsilon):
    # Subtracting the mean is a product with a matrix, and what is left is brought to one length.
    width = x.shape[-1]
    centred = x @ (np.eye(width) - 1 / width)
    length = np.sqrt(np.einsum("...i,...i->...", centred, centred) + width * epsilon)
    return centred * np.sqrt(width) / length[..., None] * gamma + beta


def _normalised(x, gamma, beta, epsilon, axis=-1, ddof=0):
    variance = x.var(axis=axis, ddof=ddof, keepdims=True)
    return gamma * (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(variance + epsilon) + beta


def divided_by_width_minus_one(x, gamma, beta, epsilon):
    """You divide the squared differences by width − 1, as statistics does for a sample, and a
    vector of one number has no variance at all. Here the vector is all there is: its mean square,
    divided by width."""
    with np.errstate(all="ignore"):
        return _normalised(x, gamma, beta, epsilon, ddof=1)


def epsilon_beside_the_root(x, gamma, beta, epsilon):
    """You add epsilon to the standard deviation. It belongs to the variance, under the root: where
    the spread is small the two differ a great deal."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return gamma * centred / (x.std(axis=-1, keepdims=True) + epsilon) + beta


def sample_deviation_plus_epsilon(x, gamma, beta, epsilon):
    """You divide by a standard deviation taken over width − 1, and add epsilon to it, as the
    Annotated Transformer does. That is another function than that of the paper and of the
    libraries: take the variance over width, and put epsilon under the root."""
    with np.errstate(all="ignore"):
        deviation = x.std(axis=-1, ddof=1, keepdims=True) + epsilon
        return gamma * (x - x.mean(axis=-1, keepdims=True)) / deviation + beta


def epsilon_left_out(x, gamma, beta, epsilon):
    """You leave epsilon out, and a vector of equal numbers becomes 0 / 0. Add it to the
    variance."""
    with np.errstate(all="ignore"):
        return _normalised(x, gamma, beta, 0.0)


def over_the_batch(x, gamma, beta, epsilon):
    """You take mean and variance along axis 0, over the examples: that is batch norm, and one
    example changes what another becomes. Each vector has statistics of its own: the last axis."""
    return _normalised(x, gamma, beta, epsilon, axis=0)


def over_everything(x, gamma, beta, epsilon):
    """You take one mean and one variance for the whole array. Each vector along the last axis needs
    its own."""
    return _normalised(x, gamma, beta, epsilon, axis=None)


def over_all_axes_but_the_first(x, gamma, beta, epsilon):
    """You normalise each example as a whole: all its tokens share one mean and one variance. That
    is layer norm for images. In a transformer each token has its own: the last axis alone."""
    return _normalised(x, gamma, beta, epsilon, axis=tuple(range(1, x.ndim)) or -1)


def root_left_out(x, gamma, beta, epsilon):
    """You divide by the variance. Dividing by its root is what brings the spread to 1."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return gamma * centred / (x.var(axis=-1, keepdims=True) + epsilon) + beta


def mean_left_in(x, gamma, beta, epsilon):
    """You divide x as it is. Subtract the mean above the fraction too, and not in the variance
    only."""
    return gamma * x / np.sqrt(x.var(axis=-1, keepdims=True) + epsilon) + beta


def gamma_and_beta_exchanged(x, gamma, beta, epsilon):
    """You multiply by beta and add gamma. gamma is the scale, beta the shift."""
    return _normalised(x, beta, gamma, epsilon)


def shift_scaled_too(x, gamma, beta, epsilon):
    """You add beta before you multiply by gamma, and so scale the shift. Scale first, then
    shift."""
    return _normalised(x, gamma, gamma * beta, epsilon)


def variance_by_subtraction(x, gamma, beta, epsilon):
    """You compute the variance as the mean of the squares minus the square of the mean. Where the
    mean is large these are two huge numbers, and their difference loses its digits. Subtract the
    mean first, then square."""
    mean = x.mean(axis=-1, keepdims=True)
    variance = np.mean(x**2, axis=-1, keepdims=True) - mean**2
    with np.errstate(all="ignore"):
        return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def cases(rng):
    x, scale, shift = np.array([[1.0, 1.0, 4.0], [0.0, 6.0, 9.0]]), [2.0, 1.0, 4.0], [1.0, 0.0, 3.0]
    yield Case("two vectors", (x, np.array(scale), np.array(shift), 2.0))
    yield Case("one vector, no axis in front", (x[1], np.array(scale), np.array(shift), 0.001))
    equal = np.array([[3.0, 3.0, 3.0, 3.0], [2.0, 1.0, 0.0, 2.0]])
    yield Case("equal numbers in a vector", (equal, np.arange(1.0, 5), np.arange(4.0), 1e-5))
    yield Case("vectors of one number", (x[:, :1], np.array([3.0]), np.array([0.5]), 1e-3))
    for shape, size, epsilon in [
        ((4, 7), 2.0, 1e-5),
        ((2, 3, 5), 0.05, 1e-3),
        ((3, 2, 4, 6), 1, 0.1),
    ]:
        x, parameters = rng.normal(1, size, shape), rng.normal(size=(2, shape[-1]))
        yield Case(f"random numbers of shape {shape}", (x, *parameters, epsilon))
    far = 1e6 + rng.normal(size=(3, 5))
    note = "a mean of a million, a spread of one"
    yield Case(note, (far, *rng.normal(size=(2, 5)), 1e-5), condition=1e4)


DRILL = Drill(
    reference=layer_norm,
    cases=cases,
    alternatives=(vector_by_vector, as_a_projection),
    mistakes=(
        divided_by_width_minus_one,
        epsilon_beside_the_root,
        sample_deviation_plus_epsilon,
        epsilon_left_out,
        over_the_batch,
        over_everything,
        over_all_axes_but_the_first,
        root_left_out,
        mean_left_in,
        gamma_and_beta_exchanged,
        shift_scaled_too,
        variance_by_subtraction,
    ),
    hints=(
        "Over which axis? Change one token's vector: nothing else may change.",
        "Mean and variance along the last axis, kept as an axis of length 1, so that they fit "
        "under x. Where does epsilon stand, and what does `ddof` do?",
        "centred = x − x.mean(axis=-1, keepdims=True); gamma · centred / √(mean of centred² + "
        "epsilon) + beta.",
    ),
    explanation=(
        "Batch norm's statistics depend on the other examples and, in a sequence, on the padding; "
        "a vector's own do not, and training and inference compute the same (Ba, Kiros and "
        "Hinton, 2016, Layer Normalization). Subtracting the mean before squaring keeps the digits "
        "where the mean is large. Asked next: before or after the sublayer? The first transformer "
        "normalised after adding (post-norm, BERT too); GPT-2 and most since normalise what goes "
        "in (pre-norm), which leaves a path for the gradient without any norm, and trains without "
        "a long warm-up (Xiong and others, 2020)."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 3",
)
