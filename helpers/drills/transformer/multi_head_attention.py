import math

import numpy as np

from helpers.drills.spec import Case, Drill


def multi_head_attention(
    x: np.ndarray,
    W_q: np.ndarray,
    W_k: np.ndarray,
    W_v: np.ndarray,
    W_o: np.ndarray,
    heads: int,
) -> np.ndarray:
    """Let every position of a text look at all positions in several ways at once: multi-head
    self-attention.

    `x`, floats, has shape (batch, time, width), the four matrices (width, width); `heads` divides
    width, and d = width / heads is the width of a head. Queries are x @ W_q, keys x @ W_k, values
    x @ W_v. Head h has their columns h · d to (h + 1) · d − 1. In each head, the weights of a
    position are the softmax, over all positions of its own text, of the dot products of its query
    with their keys, divided by the square root of d; its output is the sum of the values with these
    weights. Put the outputs of the heads side by side, head 0 first, and multiply by W_o. There is
    no mask, and no bias. Scores may be ±1000 or more, and must not overflow. Return an array
    (batch, time, width). Do not change the arguments.
    """
    batch, time, width = x.shape
    d = width // heads

    def split(projected):
        return projected.reshape(batch, time, heads, d).transpose(0, 2, 1, 3)

    query, key, value = split(x @ W_q), split(x @ W_k), split(x @ W_v)  # (batch, heads, time, d)
    scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(d)  # (batch, heads, time, time)
    weights = np.exp(scores - scores.max(axis=3, keepdims=True))
    weights = weights / weights.sum(axis=3, keepdims=True)
    merged = (weights @ value).transpose(0, 2, 1, 3).reshape(batch, time, width)
    return merged @ W_o


def head_by_head(x, W_q, W_k, W_v, W_o, heads):
    # Side by side and times W_o is the same as each head times its own rows of W_o, and the sum.
    result = np.zeros(x.shape)
    for own in np.split(np.arange(x.shape[2]), heads):
        for text, out in zip(x, result, strict=True):
            scores = (text @ W_q[:, own]) @ (text @ W_k[:, own]).T / math.sqrt(len(own))
            for row, scores_of_one in zip(out, scores.tolist(), strict=True):
                weights = [math.exp(score - max(scores_of_one)) for score in scores_of_one]
                row += np.array(weights) / sum(weights) @ (text @ W_v[:, own]) @ W_o[own]
    return result


def with_matrices_of_three_axes(x, W_q, W_k, W_v, W_o, heads):
    width = x.shape[2]
    W_q, W_k, W_v = (W.reshape(width, heads, width // heads) for W in (W_q, W_k, W_v))
    query, key, value = (np.einsum("btw,whd->bthd", x, W) for W in (W_q, W_k, W_v))
    scores = np.einsum("bqhd,bkhd->hbqk", query * (heads / width) ** 0.5, key)
    weights = np.exp(scores - np.logaddexp.reduce(scores, axis=3, keepdims=True))
    W_o = W_o.reshape(heads, width // heads, width)
    return np.einsum("hbqk,bkhd,hdw->bqw", weights, value, W_o)


def _split(projected, heads):
    batch, time, width = projected.shape
    return projected.reshape(batch, time, heads, width // heads).transpose(0, 2, 1, 3)


def _merge(x):
    batch, heads, time, d = x.shape
    return x.transpose(0, 2, 1, 3).reshape(batch, time, heads * d)


def _mixed(x, W_q, W_k, W_v, heads, split=_split, scale=None, axis=3):
    query, key, value = (split(x @ W, heads) for W in (W_q, W_k, W_v))
    scale = np.sqrt(query.shape[3]) if scale is None else scale
    scores = query @ key.transpose(0, 1, 3, 2) / scale
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True) @ value


def _cut(projected, heads):
    batch, time, width = projected.shape
    return projected.reshape(batch, heads, time, width // heads)


def split_by_reshape(x, W_q, W_k, W_v, W_o, heads):
    """You reshape straight to (batch, heads, time, d). That deals out stretches of the text to the
    heads, not columns: split the last axis only, then exchange two axes."""
    return _merge(_mixed(x, W_q, W_k, W_v, heads, split=_cut)) @ W_o


def merged_by_reshape(x, W_q, W_k, W_v, W_o, heads):
    """You reshape straight from (batch, heads, time, d) to (batch, time, width). A row then holds
    several positions of one head instead of all heads of one position: exchange the axes back."""
    return _mixed(x, W_q, W_k, W_v, heads).reshape(x.shape) @ W_o


def split_and_merged_by_reshape(x, W_q, W_k, W_v, W_o, heads):
    """You split and merge the heads by reshaping alone. The shapes fit, but each head gets a
    stretch of the text, all columns mixed: reshape moves no axis, and two have to be exchanged."""
    return _mixed(x, W_q, W_k, W_v, heads, split=_cut).reshape(x.shape) @ W_o


def scaled_by_the_width(x, W_q, W_k, W_v, W_o, heads):
    """You scale by the root of the whole width. A head's dot product sums over the d numbers of
    that head only: more heads would make the weights ever flatter."""
    return _merge(_mixed(x, W_q, W_k, W_v, heads, scale=np.sqrt(x.shape[2]))) @ W_o


def not_scaled(x, W_q, W_k, W_v, W_o, heads):
    """You do not scale the scores. Divide them by the root of d, before the softmax."""
    return _merge(_mixed(x, W_q, W_k, W_v, heads, scale=1.0)) @ W_o


def heads_look_at_each_other(x, W_q, W_k, W_v, W_o, heads):
    """You split the heads, but leave the axes as they are: (batch, time, heads, d). The product of
    the last two axes then compares the heads of one position with each other, and no position
    looks at another. The time has to stand where the heads are."""

    def split(projected, heads):
        return _split(projected, heads).transpose(0, 2, 1, 3)

    return _mixed(x, W_q, W_k, W_v, heads, split=split).reshape(x.shape) @ W_o


def softmax_over_the_heads(x, W_q, W_k, W_v, W_o, heads):
    """You take the softmax over the heads: they compete for each pair of positions. Each head
    shares out its weight over the keys, the last axis of the scores."""
    return _merge(_mixed(x, W_q, W_k, W_v, heads, axis=1)) @ W_o


def heads_take_every_other_column(x, W_q, W_k, W_v, W_o, heads):
    """You give head h the columns h, h + heads, h + 2 · heads …: the last axis is split into (d,
    heads). A network trained so works as well, but weights from elsewhere do not fit. Neighbouring
    columns belong to one head: (heads, d)."""
    order = np.arange(x.shape[2]).reshape(-1, heads).T.ravel()
    return multi_head_attention(x, W_q[:, order], W_k[:, order], W_v[:, order], W_o[order], heads)


def output_projection_forgotten(x, W_q, W_k, W_v, W_o, heads):
    """You return the heads side by side. W_o is missing: without it the heads never mix."""
    return _merge(_mixed(x, W_q, W_k, W_v, heads))


def one_head_of_the_whole_width(x, W_q, W_k, W_v, W_o, heads):
    """You do not split at all: one head over the whole width. Each head has weights of its own,
    from its own columns of queries and keys."""
    return multi_head_attention(x, W_q, W_k, W_v, W_o, 1)


def cases(rng):
    x = np.array([[[1.0, 0.0], [0.0, 2.0]]])
    W_q, W_v = np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]])
    W_k, W_o = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 1.0], [0.0, 2.0]])
    yield Case("one text of two positions, two heads", (x, W_q, W_k, W_v, W_o, 2))

    def matrices(width):
        return [rng.normal(size=(width, width)) / width**0.5 for _ in range(4)]

    for batch, time, width, heads in [
        (1, 3, 4, 2), (2, 5, 6, 3), (3, 4, 6, 2), (2, 4, 8, 4), (2, 3, 5, 1), (1, 7, 3, 3),
        (2, 1, 6, 3), (3, 2, 9, 3),
    ]:  # fmt: skip
        x = rng.normal(size=(batch, time, width))
        note = f"{batch} × {time} random positions, width {width}, heads: {heads}"
        yield Case(note, (x, *matrices(width), heads))
    # One number common to all keys of a text shifts a query's scores, and changes no weight.
    x = rng.integers(-2, 3, (2, 3, 4)).astype(float)
    x[:, :, 0] = [[50.0] * 3, [-40.0, 40.0, -40.0]]
    W_q, W_k = np.diag([40.0, 1, 40, 1]), np.diag([1.0, 0.5, 0, 0.5])
    W_k[0, 2] = 1
    large = (x, W_q, W_k, rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), 2)
    yield Case("scores of thousands", large, condition=1_000)


DRILL = Drill(
    reference=multi_head_attention,
    cases=cases,
    alternatives=(head_by_head, with_matrices_of_three_axes),
    mistakes=(
        split_by_reshape,
        merged_by_reshape,
        split_and_merged_by_reshape,
        scaled_by_the_width,
        not_scaled,
        heads_look_at_each_other,
        softmax_over_the_heads,
        heads_take_every_other_column,
        output_projection_forgotten,
        one_head_of_the_whole_width,
    ),
    hints=(
        "Each head is attention on its own, on its own columns. Which two axes have to be last for "
        "the matrix product to compare positions within a head?",
        "Split the last axis into (heads, d) by reshape, then exchange time and heads: reshape "
        "alone moves no axis. On the way back, first exchange, then reshape.",
        "projected.reshape(batch, time, heads, d).transpose(0, 2, 1, 3) for all three; softmax of "
        "query @ key.transpose(0, 1, 3, 2) / √d along the last axis; @ value; transpose(0, 2, 1, "
        "3), reshape to x.shape, @ W_o.",
    ),
    explanation=(
        "Heads cost nothing extra: the same matrices, cut into pieces, and as many softmaxes "
        "(Vaswani and others, 2017, Attention Is All You Need). Side by side and times W_o is the "
        "sum over heads of each output times its own rows of W_o: so a head can be taken out, or "
        "looked at alone. Asked next: how many parameters, and what do more heads change? "
        "4 · width², whatever their number; more heads give more patterns, from narrower queries "
        "and keys, whose scores form a matrix of rank d at most."
    ),
    difficulty=2,
    taught_in="05_bert_from_scratch, section 1",
)
