import numpy as np

from helpers.drills.spec import Case, Drill


def rms_norm(x: np.ndarray, gamma: np.ndarray, epsilon: float) -> np.ndarray:
    """Bring each token's vector to one size, as newer language models do in place of layer norm.

    `x` has the shape (..., width): any number of axes in front, none too, every length at least 1.
    Each vector along the last axis is treated alone: divide it by √(m + epsilon), where m is the
    mean of its squares, and multiply by `gamma`, float64 of shape (width,), number by number. No
    mean is subtracted, and there is no shift. epsilon > 0, so that zeros stay zeros.
    `x` is float64, or float16 as mixed precision hands it over. Numbers of float16 end at 65,504,
    and the square of 300 is beyond them: convert to float64 first. Return float64, in the shape of
    x, and leave the arguments alone.
    """
    x = x.astype(np.float64)
    mean_square = np.mean(x**2, axis=-1, keepdims=True)
    return gamma * x / np.sqrt(mean_square + epsilon)


def vector_by_vector(x, gamma, epsilon):
    result = np.empty(x.shape)
    for place in np.ndindex(x.shape[:-1]):
        vector = [float(number) for number in x[place]]
        size = (sum(number * number for number in vector) / len(vector) + epsilon) ** 0.5
        for i, number in enumerate(vector):
            result[place][i] = number / size * gamma[i]
    return result


def by_the_length(x, gamma, epsilon):
    # The unit vector times √width; epsilon is one number more under the root of the length.
    width = x.shape[-1]
    more = np.full((*x.shape[:-1], 1), np.sqrt(width * epsilon))
    length = np.linalg.norm(np.concatenate([x, more], axis=-1), axis=-1, keepdims=True)
    return np.einsum("...i,i->...i", np.sqrt(width) * x / length, gamma)


def _wide(x, gamma, epsilon, size):
    """With another measure of a vector's size: size(x in float64)."""
    x = x.astype(np.float64)
    with np.errstate(all="ignore"):
        return gamma * x / size(x)


def mean_subtracted(x, gamma, epsilon):
    """You subtract the mean first: that is layer norm without its shift. RMS norm leaves the mean
    in; that is what it saves."""
    x = x.astype(np.float64)
    return rms_norm(x - x.mean(axis=-1, keepdims=True), gamma, epsilon)


def divided_by_the_deviation(x, gamma, epsilon):
    """You leave the mean in x, and take it out of what you divide by: that is the standard
    deviation. Take the root of the mean square of x itself."""
    return _wide(x, gamma, epsilon, lambda x: np.sqrt(x.var(-1, keepdims=True) + epsilon))


def sum_of_the_squares(x, gamma, epsilon):
    """You divide by the length of the vector, the root of the *sum* of the squares, and the numbers
    shrink as the width grows. Take the mean."""
    return _wide(x, gamma, epsilon, lambda x: np.sqrt((x**2).sum(-1, keepdims=True) + epsilon))


def mean_of_the_sizes(x, gamma, epsilon):
    """You average the absolute values. Square, average, then take the root."""
    return _wide(x, gamma, epsilon, lambda x: np.abs(x).mean(-1, keepdims=True) + epsilon)


def epsilon_beside_the_root(x, gamma, epsilon):
    """You add epsilon to the root. It belongs under it: for a small vector the two differ a great
    deal."""
    return _wide(x, gamma, epsilon, lambda x: np.sqrt((x**2).mean(-1, keepdims=True)) + epsilon)


def epsilon_left_out(x, gamma, epsilon):
    """You leave epsilon out, and a vector of zeros becomes 0 / 0. Add it to the mean square."""
    return _wide(x, gamma, epsilon, lambda x: np.sqrt((x**2).mean(-1, keepdims=True)))


def root_left_out(x, gamma, epsilon):
    """You divide by the mean square itself: a vector of large numbers comes out small. Take its
    root."""
    return _wide(x, gamma, epsilon, lambda x: (x**2).mean(-1, keepdims=True) + epsilon)


def over_the_batch(x, gamma, epsilon):
    """You average the squares along axis 0, over the examples, so that one changes what another
    becomes. Each vector has a size of its own: the last axis."""
    return _wide(x, gamma, epsilon, lambda x: np.sqrt((x**2).mean(0, keepdims=True) + epsilon))


def over_everything(x, gamma, epsilon):
    """You divide the whole array by one number. Each vector along the last axis needs its own."""
    return _wide(x, gamma, epsilon, lambda x: np.sqrt((x**2).mean() + epsilon))


def gamma_left_out(x, gamma, epsilon):
    """You do not multiply by gamma. It lets the network give each column a size of its own."""
    return rms_norm(x, np.ones_like(gamma), epsilon)


def gamma_counted_from_one(x, gamma, epsilon):
    """You multiply by 1 + gamma, as models do that store the scale as a difference from 1. Here
    gamma is the scale itself."""
    return rms_norm(x, 1 + gamma, epsilon)


def squared_in_half_precision(x, gamma, epsilon):
    """You square in the type of x. In float16 the square of 300 is infinite, and the vector comes
    out as zeros; the square of 0.0001 is zero. Convert to a wider type before you square."""
    with np.errstate(all="ignore"):
        mean_square = np.mean(x**2, axis=-1, keepdims=True)
        return gamma * x / np.sqrt(mean_square + epsilon)


def rounded_to_half_precision(x, gamma, epsilon):
    """You return float16 where x was float16: three digits are left. The result should stay
    float64."""
    return rms_norm(x, gamma, epsilon).astype(x.dtype)


def cases(rng):
    x, gamma = np.array([[1.0, 7.0], [3.0, 4.0]]), np.array([1.0, 2.0])
    yield Case("two vectors", (x, gamma, 0.5))
    yield Case(
        "one vector, no axis in front", (np.array([0.0, 0.3, -0.4]), np.arange(1.0, 4), 0.01)
    )
    zeros = np.array([[0.0, 0.0, 0.0, 0.0], [2.0, -2.0, 1.0, 0.0]])
    yield Case("a vector of zeros", (zeros, np.arange(1.0, 5), 1e-6))
    yield Case("vectors of one number", (x[:, :1], np.array([3.0]), 1e-3))
    for shape, size, epsilon in [
        ((4, 7), 2.0, 1e-6),
        ((2, 3, 5), 0.05, 1e-3),
        ((3, 2, 4, 6), 1, 0.1),
    ]:
        x, gamma = rng.normal(size / 2, size, shape), rng.normal(size=shape[-1])
        yield Case(f"random numbers of shape {shape}", (x, gamma, epsilon))
    half = np.array([[300.0, -500.0, 1000.0], [1.0, 2.0, -3.0]], np.float16)
    yield Case("float16, large numbers", (half, np.array([1.0, 0.5, 2.0]), 1e-5))
    tiny = rng.normal(0, 1e-4, (3, 5)).astype(np.float16)
    yield Case("float16, small numbers", (tiny, rng.normal(size=5), 1e-8))


DRILL = Drill(
    reference=rms_norm,
    cases=cases,
    alternatives=(vector_by_vector, by_the_length),
    mistakes=(
        mean_subtracted,
        divided_by_the_deviation,
        sum_of_the_squares,
        mean_of_the_sizes,
        epsilon_beside_the_root,
        epsilon_left_out,
        root_left_out,
        over_the_batch,
        over_everything,
        gamma_left_out,
        gamma_counted_from_one,
        squared_in_half_precision,
        rounded_to_half_precision,
    ),
    hints=(
        "The name, read backwards, is the recipe: square, mean, root.",
        "Along the last axis, with epsilon under the root, and nothing subtracted. In which type "
        "is the square of a float16 computed?",
        "x = x.astype(np.float64); gamma · x / √(mean of x² along the last axis + epsilon), with "
        "keepdims=True.",
    ),
    explanation=(
        "What helps in layer norm is the scale and not the centre: without the mean a network "
        "trains as well, and the norm is cheaper (Zhang and Sennrich, 2019, Root Mean Square Layer "
        "Normalization). Llama and most language models since use it. Asked next: why is the norm "
        "computed in float32 when all else is in half precision? A square doubles the exponent: "
        "from 256 on it overflows in float16, and everything becomes 0. bfloat16 has the range, "
        "but two or three digits are too few for a sum of thousands of squares."
    ),
    difficulty=1,
    taught_in="06_gpt_from_scratch, section 3",
)
