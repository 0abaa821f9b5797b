import numpy as np

from helpers.drills.spec import Case, Drill


def lora_forward(x: np.ndarray, W: np.ndarray, A: np.ndarray, B: np.ndarray, alpha: float) -> tuple:
    """Adapt a large frozen layer by training two thin matrices beside it: LoRA, low-rank
    adaptation; and merge them into one matrix when training is over.

    `x` has shape (batch, n), the frozen weights `W` (n, m), the two factors `A` (n, r) and `B`
    (r, m), with r at least 1; all are float64, and there is no bias. `alpha` is a positive number,
    an int or a float. The update of W is the product of A and B, times alpha / r. Return
    (y, merged): y, shape (batch, m), is what the layer with the update makes of x; merged, shape
    (n, m), is the one matrix that makes the same of every x. Only the update is scaled, W is not.
    The arguments stay as they are: merged is a new array.
    """
    scale = alpha / A.shape[1]
    y = x @ W + scale * (x @ A) @ B  # in training: A @ B, as large as W, is never formed
    return y, W + scale * A @ B


def one_rank_at_a_time(x, W, A, B, alpha):
    merged = np.array(W)
    for rank in range(len(B)):
        merged += alpha * np.multiply.outer(A[:, rank], B[rank]) / len(B)
    return np.array([merged.T @ example for example in x]), merged


def with_blocks(x, W, A, B, alpha):
    wide = np.hstack([W, A])  # (n, m + r)
    tall = np.vstack([np.eye(W.shape[1]), B * (alpha / A.shape[1])])  # (m + r, m)
    return (x @ wide) @ tall, wide @ tall


def _with_scale(x, W, A, B, scale):
    merged = W + scale * A @ B
    return x @ merged, merged


def alpha_not_divided(x, W, A, B, alpha):
    """You multiply the update by alpha alone. It is alpha / r, so that a learning rate that suits
    one rank suits the next."""
    return _with_scale(x, W, A, B, alpha)


def divided_by_the_root(x, W, A, B, alpha):
    """You divide alpha by the root of r. That is a later variant, rsLoRA; here the update is scaled
    by alpha / r."""
    return _with_scale(x, W, A, B, alpha / np.sqrt(A.shape[1]))


def divided_by_the_inputs(x, W, A, B, alpha):
    """You divide alpha by n, the number of inputs. The divisor is the rank r, the axis that A and B
    have in common."""
    return _with_scale(x, W, A, B, alpha / A.shape[0])


def scale_left_out(x, W, A, B, alpha):
    """You add the product of A and B as it is, and alpha has no effect. Multiply the update by
    alpha / r."""
    return _with_scale(x, W, A, B, 1.0)


def scaled_twice(x, W, A, B, alpha):
    """You scale both factors, so that the product has the square of the scale. Scale one of them,
    or the product."""
    return _with_scale(x, W, A, B, (alpha / A.shape[1]) ** 2)


def frozen_weights_scaled_too(x, W, A, B, alpha):
    """You scale the sum of W and the update. The frozen weights keep their size: the factor
    belongs to the update alone."""
    merged = alpha / A.shape[1] * (W + A @ B)
    return x @ merged, merged


def merged_without_the_scale(x, W, A, B, alpha):
    """Your y is right, but the merged matrix holds the update without its scale: a merged model
    answers differently from the one that was trained. Merge what the forward pass adds."""
    return lora_forward(x, W, A, B, alpha)[0], W + A @ B


def added_again_after_merging(x, W, A, B, alpha):
    """Your y has the update twice: once in the merged matrix, and once from the path beside it.
    Use one or the other."""
    y, merged = lora_forward(x, W, A, B, alpha)
    return y + alpha / A.shape[1] * (x @ A) @ B, merged


def frozen_path_left_out(x, W, A, B, alpha):
    """Your y comes from A and B alone. At the start of training, when B is zero, it would be zero:
    add what the frozen layer gives."""
    y, merged = lora_forward(x, W, A, B, alpha)
    return y - x @ W, merged


def factors_exchanged(x, W, A, B, alpha):
    """You multiply B by A, in the order of the paper, where vectors are columns. Here x is a row
    and meets A first; with n = m = r no error tells you."""
    return _with_scale(x, W, B, A, alpha / A.shape[1])


def update_transposed(x, W, A, B, alpha):
    """You add the transposed product to W. Where W is not square this fails, and where it is,
    nothing tells you. The product of A and B, in this order, has the shape of W already."""
    merged = W + alpha / A.shape[1] * (A @ B).T
    return x @ merged, merged


def cases(rng):
    W = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]])
    A, B = np.array([[1.0], [2.0]]), np.array([[1.0, -1.0, 0.5]])
    yield Case("rank 1, alpha = 2", (np.array([[1.0, 2.0]]), W, A, B, 2))
    A, B = np.array([[1.0, 0.5], [-1.0, 2.0]]), np.array([[1.0, 0.0, 2.0], [0.5, 1.0, 0.0]])
    yield Case("rank 2, alpha = 1", (np.array([[1.0, 2.0], [-1.0, 1.0]]), W, A, B, 1))
    yield Case("B is zero, as training starts", (np.array([[1.0, 2.0]]), W, A, np.zeros((2, 3)), 3))
    square = [rng.normal(size=(3, 3)) for _ in range(3)]
    yield Case("n = m = r = 3", (rng.normal(size=(2, 3)), *square, 2.0))
    for batch, n, m, r, alpha in [(4, 5, 5, 2, 16), (3, 7, 4, 3, 0.5), (1, 4, 9, 2, 8)]:
        arrays = (rng.normal(size=size) for size in ((batch, n), (n, m), (n, r), (r, m)))
        yield Case(f"random: n = {n}, m = {m}, r = {r}, alpha = {alpha}", (*arrays, alpha))


DRILL = Drill(
    reference=lora_forward,
    cases=cases,
    alternatives=(one_rank_at_a_time, with_blocks),
    mistakes=(
        alpha_not_divided,
        divided_by_the_root,
        divided_by_the_inputs,
        scale_left_out,
        scaled_twice,
        frozen_weights_scaled_too,
        merged_without_the_scale,
        added_again_after_merging,
        frozen_path_left_out,
        factors_exchanged,
        update_transposed,
    ),
    hints=(
        "Two paths lead from x to y: the frozen one, and a narrow one through r numbers. y is "
        "their sum. Which of them is scaled?",
        "The narrow path multiplies x by A first, then by B. r is the second axis of A.",
        "scale = alpha / A.shape[1]; y = x @ W + scale * (x @ A) @ B; merged = W + scale * A @ B.",
    ),
    explanation=(
        "r · (n + m) numbers are trained instead of n · m, and after merging the layer costs what "
        "it did before (Hu and others, 2021, LoRA: Low-Rank Adaptation of Large Language Models, "
        "where vectors are columns and the update is written BA). Asked next: how are A and B "
        "initialised? One at random, the other at zero: their product is then zero, and training "
        "starts at the base model. With both at zero, both gradients are zero too, and nothing "
        "ever moves."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 6",
)
