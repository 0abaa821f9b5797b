import numpy as np

from helpers.drills.spec import Case, Drill


def quantise(W: np.ndarray) -> tuple:
    """Store the weights of a dense layer in a quarter of the bytes: as int8, with one scale for
    each output, symmetric about 0.

    `W`, float64 of shape (inputs, outputs), both at least 1, holds finite numbers; column j has the
    weights of output j. Return (q, scales). `scales`, floats of shape (outputs,): the largest |w|
    of the column, divided by 127. `q`, of shape (inputs, outputs) and dtype np.int8: each weight
    divided by the scale of its column and rounded to the nearest integer, so that q · scales is W
    again, up to half a scale, and q lies between −127 and 127; −128 is not used. In no case does a
    quotient lie half-way between two integers. A column of zeros gets the scale 1, and zeros. W
    itself stays as it is.
    """
    largest = np.abs(W).max(axis=0)  # (outputs,)
    scales = np.where(largest == 0, 1.0, largest / 127)
    q = np.round(W / scales).astype(np.int8)
    return q, scales


def column_by_column(W):
    q, scales = np.empty(W.shape, np.int8), []
    for j, column in enumerate(W.T):
        scale = max(column.max(), -column.min()) / 127
        scales.append(scale if scale > 0 else 1.0)
        q[:, j] = [round(w / scales[-1]) for w in column.tolist()]
    return q, np.array(scales)


def halves_away_from_zero(W):
    size = np.sqrt((W**2).max(axis=0))
    steps = np.divide(127, size, out=np.ones_like(size), where=size > 0)
    past = np.sign(W) * (np.abs(W * steps) + 0.5)
    return past.astype("int8"), 1 / steps  # a cast cuts towards 0


def _as_int8(numbers):
    """As a cast on most machines: numbers beyond int8 go round."""
    return np.round(numbers).astype(np.int64).astype(np.int8)


def _with(W, scales):
    return _as_int8(W / scales), scales


def one_scale_for_the_matrix(W):
    """You take one scale for the whole matrix. A column of small weights then shares the steps of
    the largest one, and little is left of it: one scale for each column."""
    largest = np.abs(W).max()
    scale = largest / 127 if largest else 1.0
    return _with(W, np.full(W.shape[1], scale))


def scales_of_the_inputs(W):
    """You take the maximum along the wrong axis: one scale for each input, a row. Each output is a
    sum down its column; only a scale that is the same in the whole column can be multiplied after
    the sum."""
    largest = np.abs(W).max(axis=1)
    scales = np.where(largest == 0, 1.0, largest / 127)
    return _as_int8(W / scales[:, None]), scales


def largest_weight_for_largest_size(W):
    """You take the largest weight for the largest |w|. Where the weight farthest from 0 is
    negative, the quotient does not fit into int8: absolute values first."""
    largest = W.max(axis=0)
    return _with(W, np.where(largest == 0, 1.0, largest / 127))


def divided_by_128(W):
    """You divide by 128. The largest weight of a column becomes 128, which int8 does not have: a
    cast makes −128 of it, and the sign is gone."""
    largest = np.abs(W).max(axis=0)
    return _with(W, np.where(largest == 0, 1.0, largest / 128))


def divided_by_128_and_clipped(W):
    """You divide by 128 and clip: the largest weight is lost where it is positive, and kept, as
    −128, where it is negative. With 127 both sides are the same, and nothing needs to be
    clipped."""
    largest = np.abs(W).max(axis=0)
    scales = np.where(largest == 0, 1.0, largest / 128)
    return np.clip(np.round(W / scales), -128, 127).astype(np.int8), scales


def truncated(W):
    """You cast without rounding, and a cast cuts towards 0: the error is up to a whole step, and
    every weight becomes smaller. Round first."""
    scales = quantise(W)[1]
    return np.trunc(W / scales).astype(np.int8), scales


def zero_column_with_scale_zero(W):
    """Your scale of a column of zeros is 0, and 0 / 0 is NaN, which no int8 holds: give it the
    scale 1."""
    scales = quantise(W)[1]
    return quantise(W)[0], np.where(W.any(axis=0), scales, 0.0)


def small_number_added(W):
    """You add a small number to the maximum, so that nothing is divided by 0. All scales are a
    little too large then, and those of small weights much too large. Treat columns of zeros by
    themselves."""
    return _with(W, (np.abs(W).max(axis=0) + 1e-7) / 127)


def scales_upside_down(W):
    """You return 127 / maximum, which the weights are *multiplied* by. Asked for is its inverse,
    the size of a step: q · scales is to be W again."""
    q, scales = quantise(W)
    return q, 1 / scales


def from_smallest_to_largest(W):
    """You lay the 256 values between the smallest weight and the largest. That is asymmetric
    quantisation: it needs a zero point for each column beside the scale, and 0 is not 0 in it."""
    low, high = W.min(axis=0), W.max(axis=0)
    scales = np.where(high == low, 1.0, (high - low) / 255)
    return _as_int8((W - low) / scales - 128), scales


def left_as_floats(W):
    """The numbers are right, and the array is not int8: it takes as many bytes as its type says,
    and nothing is saved. Cast it at the end."""
    q, scales = quantise(W)
    return q.astype(float), scales


def multiplied_back(W):
    """You return the weights as they are after quantising *and* multiplying back. Asked for are
    the int8 numbers themselves."""
    q, scales = quantise(W)
    return q * scales, scales


def observe(answer, W):
    """The two arrays, and the type that the first is stored in."""
    result = answer(W)
    if not isinstance(result, tuple | list) or len(result) != 2:
        return {"two values are returned": False}
    q, scales = result
    return {"scales": scales, "q": q, "dtype of q": str(getattr(q, "dtype", type(q).__name__))}


def cases(rng):
    yield Case("two outputs", (np.array([[1.0, 0.2], [-2.54, 0.127], [0.5, -0.043]]),))
    yield Case("one weight", (np.array([[-0.3]]),))
    yield Case("a column of zeros", (np.array([[0.0, 4.0, -1.0], [0.0, -1.3, 127.0]]),))
    yield Case("only zeros", (np.zeros((2, 1)),))
    yield Case("only negative weights in a column", (np.array([[-5.0, 3.0], [-1.2, -0.7]]),))
    sizes = np.array([1e-9, 1e-3, 1.0, 1e6])
    yield Case("columns of sizes from 1e-9 to 1e6", (sizes * rng.normal(size=(5, 4)),))
    for shape in ((7, 3), (3, 8), (4, 4)):
        yield Case(f"random, {shape[0]} inputs, {shape[1]} outputs", (rng.normal(size=shape),))


DRILL = Drill(
    reference=quantise,
    cases=cases,
    observe=observe,
    alternatives=(column_by_column, halves_away_from_zero),
    mistakes=(
        one_scale_for_the_matrix,
        scales_of_the_inputs,
        largest_weight_for_largest_size,
        divided_by_128,
        divided_by_128_and_clipped,
        truncated,
        zero_column_with_scale_zero,
        small_number_added,
        scales_upside_down,
        from_smallest_to_largest,
        left_as_floats,
        multiplied_back,
    ),
    hints=(
        "How large must a step be, so that the largest |w| of a column is 127 steps away from 0? "
        "Which axis runs down a column?",
        "np.abs(W).max(axis=0) / 127 are the scales. Which column has none, and what do you divide "
        "by there? What does a cast to int8 do with 2.9?",
        "Put 1 where the maximum is 0; then np.round(W / scales).astype(np.int8).",
    ),
    explanation=(
        "With one scale for each output, x @ (q · scales) is (x @ q) · scales: the product runs in "
        "ints, and the scales come after it. Symmetric int8 without −128, one scale for each "
        "output: Wu and others, 2020, Integer Quantization for Deep Learning Inference. Keras "
        "returns the inverse, 127 / (maximum + 1e-7), from keras.quantizers.abs_max_quantize. "
        "Halves: NumPy and Keras round them to even. Asked next: what does one outlier do to its "
        "column? It stretches the step, 1/127 of it, and the others round to few values, many to "
        "0. So outliers are kept apart in float (LLM.int8(), Dettmers and others, 2022), or the "
        "scale is chosen for each group of, say, 64 inputs."
    ),
    difficulty=2,
    taught_in="08_serving_and_costs, section 2",
)
