import numpy as np

from helpers.drills.spec import Case, Drill


def quantised_product(
    x_q: np.ndarray, x_scales: np.ndarray, W_q: np.ndarray, W_scales: np.ndarray
) -> np.ndarray:
    """Compute what a dense layer makes of its inputs, y = x @ W, where both are stored as int8.

    `x_q`, int8 of shape (tokens, inputs), has one scale for each token, a row: `x_scales`, floats
    of shape (tokens,). `W_q`, int8 of shape (inputs, outputs), has one for each output, a column:
    `W_scales`, floats of shape (outputs,). A number is the int8 times its scale: x[i, k] =
    x_q[i, k] · x_scales[i] and W[k, j] = W_q[k, j] · W_scales[j]. All sizes are at least 1, inputs
    at most 100,000; the int8 numbers lie between −127 and 127, the scales are positive. Return
    x @ W, floats of shape (tokens, outputs). The sums over the inputs have to be exact, as they are
    in int32. The arguments stay as they are.
    """
    sums = x_q.astype(np.int32) @ W_q.astype(np.int32)  # NumPy sums up in the type of its factors
    return sums * x_scales[:, None] * W_scales


def scaled_first(x_q, x_scales, W_q, W_scales):
    return (x_q * x_scales[:, None]) @ (W_q * W_scales)


def one_input_after_the_other(x_q, x_scales, W_q, W_scales):
    sums = np.zeros((len(x_q), W_q.shape[1]), int)
    for k in range(len(W_q)):
        sums += np.multiply.outer(x_q[:, k].astype(int), W_q[k])
    return np.outer(x_scales, W_scales) * sums


def _sums(x_q, W_q):
    return x_q.astype(np.int32) @ W_q.astype(np.int32)


def summed_in_int8(x_q, x_scales, W_q, W_scales):
    """You multiply the int8 arrays as they are. NumPy computes in int8 then, and already one
    product of two numbers does not fit: 127 · 127 is 16,129. Cast to int32 before the product."""
    return (x_q @ W_q) * x_scales[:, None] * W_scales


def summed_in_int16(x_q, x_scales, W_q, W_scales):
    """You sum up in int16: one product fits, three large ones do not. Sums of int8 products need
    int32."""
    sums = x_q.astype(np.int16) @ W_q.astype(np.int16)
    return sums * x_scales[:, None] * W_scales


def signs_lost(x_q, x_scales, W_q, W_scales):
    """You read the int8 numbers as unsigned: −1 became 255. Cast to a larger signed type."""
    sums = _sums(x_q.view(np.uint8), W_q.view(np.uint8))
    return sums * x_scales[:, None] * W_scales


def clipped_to_int8(x_q, x_scales, W_q, W_scales):
    """You clip the sums to what int8 holds. They are int32, and stay so until the scales have made
    floats of them."""
    sums = np.clip(_sums(x_q, W_q), -127, 127)
    return sums * x_scales[:, None] * W_scales


def scales_exchanged(x_q, x_scales, W_q, W_scales):
    """You multiply the columns by the scales of x and the rows by those of W; unless there are as
    many tokens as outputs, the shapes do not even fit. A row of y is a token, a column an
    output."""
    return _sums(x_q, W_q) * x_scales * W_scales[:, None]


def scales_of_x_forgotten(x_q, x_scales, W_q, W_scales):
    """You multiply by the scales of W alone. Both factors of the product were divided: each has to
    be multiplied back."""
    return _sums(x_q, W_q) * W_scales


def scales_of_w_forgotten(x_q, x_scales, W_q, W_scales):
    """You multiply by the scales of x alone. Both factors of the product were divided: each has to
    be multiplied back."""
    return _sums(x_q, W_q) * x_scales[:, None]


def both_scales_forgotten(x_q, x_scales, W_q, W_scales):
    """You return the sums of the int8 products. Multiply them by both scales."""
    return _sums(x_q, W_q)


def divided_by_the_scales(x_q, x_scales, W_q, W_scales):
    """You divide by the scales. An int8 number *times* its scale is the number that it stands
    for."""
    return _sums(x_q, W_q) / x_scales[:, None] / W_scales


def one_scale_for_all_tokens(x_q, x_scales, W_q, W_scales):
    """You take the largest scale of x for all tokens. Each token was divided by its own."""
    return _sums(x_q, W_q) * x_scales.max() * W_scales


def scales_cut_to_ints(x_q, x_scales, W_q, W_scales):
    """You return ints: what stands behind the point is cut off. The ints end where the scales
    begin."""
    return (_sums(x_q, W_q) * x_scales[:, None] * W_scales).astype(np.int32)


def _int8(rng, *shape):
    return rng.integers(-127, 128, shape).astype(np.int8)


def cases(rng):
    two = np.array([[1, -2], [3, 5]], np.int8), np.array([[4, -1], [7, 2]], np.int8)
    scales = np.array([0.5, 0.25]), np.array([0.75, 1.5])
    yield Case("two tokens, two outputs", (two[0], scales[0], two[1], scales[1]))
    one = np.array([[-127]], np.int8)
    yield Case("one number", (one, np.array([0.1]), one, np.array([0.3])))
    high = np.full((1, 3), 127, np.int8)
    yield Case("the largest numbers", (high, np.array([0.01]), high.T.copy(), np.array([0.2])))
    for tokens, inputs, outputs in ((3, 5, 2), (2, 7, 4), (1, 40, 3), (4, 3, 4), (2, 70_000, 1)):
        # Exact in float too, but for the scales: cancelling sums of scaled numbers round.
        arguments = (_int8(rng, tokens, inputs), rng.uniform(0.001, 0.1, tokens),
                     _int8(rng, inputs, outputs), rng.uniform(0.001, 0.1, outputs))  # fmt: skip
        note = f"random: {tokens} tokens, {inputs:,} inputs, {outputs} outputs"
        yield Case(note, arguments, condition=10)


DRILL = Drill(
    reference=quantised_product,
    cases=cases,
    alternatives=(scaled_first, one_input_after_the_other),
    mistakes=(
        summed_in_int8,
        summed_in_int16,
        signs_lost,
        clipped_to_int8,
        scales_exchanged,
        scales_of_x_forgotten,
        scales_of_w_forgotten,
        both_scales_forgotten,
        divided_by_the_scales,
        one_scale_for_all_tokens,
        scales_cut_to_ints,
    ),
    hints=(
        "y[i, j] is a sum over k. Which factors of it do not depend on k, and can come after the "
        "sum?",
        "np.array([100], np.int8) · np.array([2], np.int8) is −56. In which type do the sums fit?",
        "x_q.astype(np.int32) @ W_q.astype(np.int32), times x_scales[:, None], times W_scales.",
    ),
    explanation=(
        "A row of x and a column of W share one scale each, so both come out of the sum: nearly "
        "all the work is in ints (vector-wise quantisation: Dettmers and others, 2022, LLM.int8(): "
        "8-bit Matrix Multiplication for Transformers at Scale). Matrix units multiply int8 and "
        "add up in int32, as in Jacob and others, 2018, Quantization and Training of Neural "
        "Networks for Efficient Integer-Arithmetic-Only Inference. Asked next: how many inputs may "
        "there be before int32 overflows? 2³¹ / 127² is about 133,000, and layers have fewer. "
        "And why not one scale for each *input*? It depends on k, and cannot leave the sum."
    ),
    difficulty=2,
    taught_in="08_serving_and_costs, section 2",
)
