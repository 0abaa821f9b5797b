import math

import numpy as np

from helpers.drills.spec import Case, Drill


def scaled_dot_product_attention(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Let each query gather values: a mean of all values, weighted by how well their keys match
    the query.

    `query`, floats, has shape (batch, queries, d), `key` (batch, keys, d) and `value` (batch, keys,
    e); d and e may differ. `mask`, booleans (batch, queries, keys), is True where the query may
    look at the key. A score is the dot product of query and key, divided by the square root of d.
    The weights of a query are the softmax of its scores over the keys that it may look at; all
    other keys have the weight 0, whatever their scores are. Scores may be ±1000 or more, and must
    not overflow. Return an array (batch, queries, e). A query that may look at nothing gets zeros.
    All numbers given are finite. Do not change the arguments.
    """
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[2])  # (batch, queries, keys)
    scores = np.where(mask, scores, -np.inf)
    top = scores.max(axis=2, keepdims=True)
    top = np.where(np.isneginf(top), 0.0, top)  # −inf − (−inf) would be NaN
    weights = np.exp(scores - top)
    total = weights.sum(axis=2, keepdims=True)
    return weights / np.where(total == 0, 1.0, total) @ value


def query_by_query(query, key, value, mask):
    result = np.zeros((*query.shape[:2], value.shape[2]))
    for b, q in np.ndindex(query.shape[:2]):
        seen = np.flatnonzero(mask[b, q])
        if len(seen):
            scores = [float(query[b, q] @ key[b, k]) / math.sqrt(query.shape[2]) for k in seen]
            top = max(scores)
            weights = [math.exp(score - top) for score in scores]
            for weight, k in zip(weights, seen, strict=True):
                result[b, q] += weight / math.fsum(weights) * value[b, k]
    return result


def one_key_after_the_other(query, key, value, mask):
    # As FlashAttention does: when a larger score comes, what has been added up so far shrinks.
    batch, queries, d = query.shape
    top = np.full((batch, queries, 1), np.finfo(float).min)
    total = result = 0.0
    for k in range(key.shape[1]):
        score = np.einsum("bqd,bd->bq", query, key[:, k])[..., None] / np.sqrt(d)
        score = np.where(mask[:, :, k, None], score, -np.inf)
        before, top = top, np.maximum(top, score)
        shrunk, weight = np.exp(before - top), np.exp(score - top)
        total = shrunk * total + weight
        result = shrunk * result + weight * value[:, None, k]
    return result / np.maximum(total, 1)  # the largest score has the weight 1, if there is one


def _scores(query, key):
    return query @ key.transpose(0, 2, 1)


def _softmax(scores, axis=2):
    """With zeros where all scores are −inf."""
    top = scores.max(axis=axis, keepdims=True)
    weights = np.exp(scores - np.where(np.isneginf(top), 0.0, top))
    total = weights.sum(axis=axis, keepdims=True)
    return weights / np.where(total == 0, 1.0, total)


def not_scaled(query, key, value, mask):
    """You do not scale the scores. Their spread grows with the root of d, and the softmax of wide
    queries puts all weight on one key: divide before it."""
    return _softmax(np.where(mask, _scores(query, key), -np.inf)) @ value


def scaled_by_d(query, key, value, mask):
    """You divide the scores by d. A sum of d independent products has a spread of the root of d:
    divide by that, or the weights are far too flat."""
    scores = _scores(query, key) / query.shape[2]
    return _softmax(np.where(mask, scores, -np.inf)) @ value


def scaled_by_the_width_of_the_values(query, key, value, mask):
    """You scale by the root of e, the width of the values. The dot product sums over the numbers of
    query and key, of which there are d."""
    scores = _scores(query, key) / np.sqrt(value.shape[2])
    return _softmax(np.where(mask, scores, -np.inf)) @ value


def mask_turned_round(query, key, value, mask):
    """Your queries look at exactly the keys that they may not see. Here True means "may look"; some
    libraries mark with True what is hidden."""
    return scaled_dot_product_attention(query, key, value, ~mask)


def mask_after_the_softmax(query, key, value, mask):
    """You set weights to 0 after the softmax, so that the rest sums to less than 1: hidden keys
    have had their share of the sum. They have to be out before it."""
    return _softmax(_scores(query, key) / np.sqrt(query.shape[2])) * mask @ value


def hidden_scores_are_zero(query, key, value, mask):
    """You set hidden scores to 0. exp(0) is 1, so such a key still has weight, and often more than
    a visible one with a negative score. Which score has the exponential 0?"""
    return _softmax(_scores(query, key) / np.sqrt(query.shape[2]) * mask) @ value


def softmax_over_the_queries(query, key, value, mask):
    """You take the softmax down the columns, over the queries: they compete for each key. Each
    query shares out its own weight: over the keys, the last axis."""
    scores = np.where(mask, _scores(query, key) / np.sqrt(query.shape[2]), -np.inf)
    return _softmax(scores, axis=1) @ value


def nothing_to_see_gives_nan(query, key, value, mask):
    """A query that may look at nothing gets NaN: −inf − (−inf), or 0 / 0. Zeros are asked for; rows
    of padding are such queries, and NaN spreads from them through the gradient."""
    result = scaled_dot_product_attention(query, key, value, mask)
    return np.where(mask.any(axis=2, keepdims=True), result, np.nan)


def nothing_to_see_gives_the_mean(query, key, value, mask):
    """A query that may look at nothing gets the mean of all values: with one large negative number
    in the place of all its scores, the softmax is uniform. Zeros are asked for."""
    scores = np.where(mask, _scores(query, key) / np.sqrt(query.shape[2]), -1e9)
    return _softmax(scores) @ value


def maximum_over_hidden_keys(query, key, value, mask):
    """You subtract a maximum that hidden keys have part in. Where a hidden score is far above the
    visible ones, all visible weights become 0. Hide first, then take the maximum."""
    scores = _scores(query, key) / np.sqrt(query.shape[2])
    weights = np.exp(scores - scores.max(axis=2, keepdims=True)) * mask
    total = weights.sum(axis=2, keepdims=True)
    return weights / np.where(total == 0, 1.0, total) @ value


def cases(rng):
    query = np.array([[[2.0, 0, 0, 0], [0.0, 1, 1, 0]]])
    key = np.array([[[1.0, 0, 0, 0], [0.0, 2, 0, 0], [0.0, 0, 0, 3]]])
    value = np.array([[[1.0], [2.0], [4.0]]])
    mask = np.array([[[True, True, True], [True, True, False]]])
    yield Case("two queries, three keys, d = 4, e = 1", (query, key, value, mask))
    seen = np.array([[[True, False, True], [False, False, False]]])
    yield Case("a query that may look at nothing", (query, key, value, seen))
    yield Case("all visible", (query, key, value, np.ones((1, 2, 3), bool)))
    for batch, queries, keys, d, e in [(2, 3, 5, 4, 6), (3, 4, 4, 7, 2), (2, 6, 3, 2, 5)]:
        query, key = rng.normal(size=(batch, queries, d)), rng.normal(size=(batch, keys, d))
        value, mask = rng.normal(size=(batch, keys, e)), rng.random((batch, queries, keys)) < 0.6
        mask[0, 0] = False
        note = f"{batch} × {queries} random queries, {keys} keys, d = {d}, e = {e}"
        yield Case(note, (query, key, value, mask))
    yield Case("d = 1, one key", (query[:, :, :1], key[:, :1, :1], value[:, :1], mask[:, :, :1]))
    # Scores of whole numbers: ±1000 and a few units apart, exact whatever the order of operations.
    query = np.array([[[2.0, 2, 0, 0], [0, 0, 2, 2]], [[-2, 2, 0, 0], [2, 0, 0, 2]]])
    key = np.array([[[1000.0, 0, -1000, 0], [1000, 1, -1001, 0], [990, 9, 0, 999]],
                    [[1000, -1, 0, 0], [1001, -1, 0, 0], [-999, 3, 0, 9]]])  # fmt: skip
    value = rng.normal(size=(2, 3, 2))
    mask = np.ones((2, 2, 3), bool)
    yield Case("scores of ±1000, all visible", (query, key, value, mask))
    mask[0, 1, 2] = mask[1, 0, 2] = mask[1, 1, 1] = False
    yield Case("hidden scores a thousand above the visible ones", (query, key, value, mask))


DRILL = Drill(
    reference=scaled_dot_product_attention,
    cases=cases,
    alternatives=(query_by_query, one_key_after_the_other),
    mistakes=(
        not_scaled,
        scaled_by_d,
        scaled_by_the_width_of_the_values,
        mask_turned_round,
        mask_after_the_softmax,
        hidden_scores_are_zero,
        softmax_over_the_queries,
        nothing_to_see_gives_nan,
        nothing_to_see_gives_the_mean,
        maximum_over_hidden_keys,
    ),
    hints=(
        "Follow the shapes: (batch, queries, d) with (batch, keys, d) gives (batch, queries, "
        "keys), and that with (batch, keys, e) the result. Along which axis do weights sum to 1?",
        "A hidden key must not take part in the softmax: which score has the exponential 0? Then "
        "think of a query all of whose scores are of that kind, before you subtract the maximum.",
        "np.where(mask, query @ key.transpose(0, 2, 1) / np.sqrt(d), -np.inf); subtract each row's "
        "maximum, or 0 where that is −inf; exp; divide by the row's sum, or by 1 where that is 0; "
        "then @ value.",
    ),
    explanation=(
        "softmax(QKᵀ / √d) V (Vaswani and others, 2017, Attention Is All You Need). For "
        "independent numbers of variance 1 a dot product has the variance d; divided by √d it has "
        "variance 1, and the softmax starts neither flat nor saturated, where its gradient is 0. "
        "Asked next: what does it cost, and what does FlashAttention change? Time and memory grow "
        "with queries · keys; FlashAttention (Dao and others, 2022) computes the same with a "
        "running maximum and sum, block by block, and never stores the matrix of weights."
    ),
    difficulty=2,
    taught_in="05_bert_from_scratch, section 1",
)
