import math

import numpy as np

from helpers.drills.spec import Case, Drill


def top_k_probabilities(logits: np.ndarray, k: int) -> np.ndarray:
    """Keep a language model from drawing absurd tokens: leave only the k most probable ones, and
    share all probability among them.

    `logits` has shape (batch, vocabulary); each row has its own k tokens. Return an array of the
    same shape: 0 for all tokens but those with the k largest logits, and for these the softmax over
    them alone, so that each row sums to 1. Exactly k tokens stay: of equal logits at the k-th
    place, those that come first in the row (the lower token ids). k ≥ 1; where it exceeds the
    vocabulary, all tokens stay. Logits of ±1000 must not overflow. A logit of −inf (a token that is
    ruled out) has probability 0 even where it is among the k; each row has at least one finite
    logit.
    """
    order = np.argsort(-logits, kind="stable")  # token ids, the most probable first
    place = np.argsort(order)  # each token's place in that order, from 0
    kept = np.where(place < k, logits, -np.inf)
    weights = np.exp(kept - kept.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def row_by_row(logits, k):
    rows = []
    for row in logits.tolist():
        chosen = sorted(range(len(row)), key=lambda token: (-row[token], token))[:k]
        top = row[chosen[0]]
        total = sum(math.exp(row[token] - top) for token in chosen)
        rows.append(
            [math.exp(row[t] - top) / total if t in chosen else 0.0 for t in range(len(row))]
        )
    return rows


def one_at_a_time(logits, k):
    left = logits.copy()
    weights = np.zeros_like(logits)
    rows = np.arange(len(logits))
    top = logits.max(axis=1)
    for _ in range(k):
        token = left.argmax(axis=1)  # the first of equal ones
        # Where nothing is left, the same token comes again, with −inf.
        weights[rows, token] = np.maximum(weights[rows, token], np.exp(left[rows, token] - top))
        left[rows, token] = -np.inf
    return weights / weights.sum(axis=1, keepdims=True)


def _softmax(logits):
    with np.errstate(all="ignore"):
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)


def _place(logits):
    return np.argsort(np.argsort(-logits, kind="stable"))


def not_renormalised(logits, k):
    """You take the softmax over the whole vocabulary and set the rest to 0, so the rows sum to less
    than 1. Share all probability among the k: divide by what is left of it."""
    return np.where(_place(logits) < k, _softmax(logits), 0)


def logits_set_to_zero(logits, k):
    """You set the other logits to 0, and exp(0) is 1: each of them keeps a share, and a large one
    where logits are negative. The logit of an impossible token is −inf."""
    return _softmax(np.where(_place(logits) < k, logits, 0.0))


def second_softmax(logits, k):
    """You take a softmax of probabilities. It gives the removed tokens exp(0) = 1 and flattens the
    rest. Renormalising is a division by the sum."""
    return _softmax(np.where(_place(logits) < k, _softmax(logits), 0))


def k_smallest_kept(logits, k):
    """You keep the k *smallest* logits: sorting is ascending. Take the other end, or sort the
    negative logits."""
    return _softmax(np.where(_place(-logits) < k, logits, -np.inf))


def one_token_too_many(logits, k):
    """You keep k + 1 tokens. Places counted from 0 are kept while they are below k."""
    return top_k_probabilities(logits, k + 1)


def kth_token_dropped(logits, k):
    """You keep k − 1 tokens: only those strictly above the k-th largest logit. That one stays too,
    and for k = 1 nothing else does."""
    return _softmax(np.where(_place(logits) < k - 1, logits, -np.inf))


def ties_kept_beyond_k(logits, k):
    """You keep every logit that is not below the k-th largest, so with ties there are more than k.
    Exactly k stay here: go by places in a stable order instead of by a threshold."""
    threshold = np.sort(logits)[:, ::-1][:, :k][:, -1:]
    return _softmax(np.where(logits >= threshold, logits, -np.inf))


def ties_at_the_kth_place_dropped(logits, k):
    """You keep the logits strictly above the next one after the k-th. With a tie across that border
    fewer than k stay, or none. Exactly k stay: go by places in a stable order."""
    if k >= logits.shape[1]:
        return _softmax(logits)
    next_one = np.sort(logits)[:, ::-1][:, k : k + 1]
    return _softmax(np.where(logits > next_one, logits, -np.inf))


def ties_to_the_higher_id(logits, k):
    """Of equal logits at the k-th place you keep the later ones, as the end of an ascending sort
    does. The earlier ones stay: sort the negative logits, with kind="stable"."""
    return top_k_probabilities(logits[:, ::-1], k)[:, ::-1]


def one_threshold_for_the_batch(logits, k):
    """You find the k largest logits of the whole batch. A row with smaller logits then keeps too
    few, or none. Each row has its own k: sort along axis 1."""
    threshold = np.sort(logits, axis=None)[-k:][0]
    return _softmax(np.where(logits >= threshold, logits, -np.inf))


def ranked_along_the_batch(logits, k):
    """You rank the rows of the batch against each other, along axis 0. Each row ranks its own
    tokens: axis 1."""
    return _softmax(np.where(_place(logits.T).T < k, logits, -np.inf))


def order_for_places(logits, k):
    """`np.argsort` gives the token at each place, and you read it as the place of each token. The
    first k entries are the tokens to keep: use them as indices, or apply `argsort` once more."""
    order = np.argsort(-logits, kind="stable")
    return _softmax(np.where(order < k, logits, -np.inf))


def left_in_sorted_order(logits, k):
    """You return the probabilities from the largest to the smallest. Each belongs to a token: put
    it back into the token's own column."""
    return -np.sort(-top_k_probabilities(logits, k))


def k_beyond_the_vocabulary_raises(logits, k):
    """Your code fails where k exceeds the vocabulary: there is no k-th largest logit. All tokens
    stay then: use min(k, vocabulary), or a slice, which does not mind."""
    if k > logits.shape[1]:
        raise IndexError
    return top_k_probabilities(logits, k)


def exponent_overflows(logits, k):
    """exp(1000) is infinite, and inf / inf is NaN. Subtract the row's largest logit before the
    exponential: the softmax does not change."""
    with np.errstate(all="ignore"):
        weights = np.where(_place(logits) < k, np.exp(logits), 0)
        return weights / weights.sum(axis=1, keepdims=True)


def one_maximum_for_all(logits, k):
    """You subtract the largest logit of the whole batch. In a row of far smaller logits every
    exponential becomes 0, and 0 / 0 is NaN. Each row needs its own maximum."""
    with np.errstate(all="ignore"):
        weights = np.where(_place(logits) < k, np.exp(logits - logits.max()), 0)
        return weights / weights.sum(axis=1, keepdims=True)


def cases(rng):
    logits = np.array([[0.0, 2.0, 1.0, -1.0], [0.5, -0.5, 0.0, 1.5]])
    yield Case("two rows of four tokens, k = 2", (logits, 2))
    for k in (1, 3, 4, 7):
        yield Case(f"the same, k = {k}", (logits, k))
    yield Case("logits below 0, k = 2", (logits - 3, 2))
    ties = np.array([[1.0, 2, 1, 1], [3, 3, 3, 3], [2, 0, 2, 5], [-1, -4, -4, -9]])
    for k in (1, 2, 3, 5):
        yield Case(f"equal logits, k = {k}", (ties, k))
    near = np.array([[1.0, 0.5, 1 + 1e-9, 0.2], [0.3, 0.7, 0.7 - 1e-9, 0.1]])
    yield Case("logits that nearly tie, k = 1", (near, 1))
    ruled_out = np.array([[-np.inf, 0.5, -np.inf, 1.0], [0.2, -np.inf, -np.inf, -np.inf]])
    for k in (1, 3):
        yield Case(f"tokens ruled out, k = {k}", (ruled_out, k))
    large = np.array([[1000.0, 999.0, 1000.5, 400.0], [-1000, -999.5, -1001, -1000.75]])
    yield Case("rows of ±1000, k = 3", (large, 3))
    yield Case("a vocabulary of one token", (np.array([[-3.0], [2.0], [0.5]]), 2))
    for shape, k in (((7, 5), 3), ((4, 31), 6), ((1, 11), 1)):
        note = f"{shape[0]} random rows of {shape[1]} tokens, k = {k}"
        yield Case(note, (rng.normal(size=shape), k))
    yield Case("6 random rows of 9 tokens with ties, k = 4", (rng.integers(0, 5, (6, 9)) / 2, 4))


DRILL = Drill(
    reference=top_k_probabilities,
    cases=cases,
    alternatives=(row_by_row, one_at_a_time),
    mistakes=(
        not_renormalised,
        logits_set_to_zero,
        second_softmax,
        k_smallest_kept,
        one_token_too_many,
        kth_token_dropped,
        ties_kept_beyond_k,
        ties_at_the_kth_place_dropped,
        ties_to_the_higher_id,
        one_threshold_for_the_batch,
        ranked_along_the_batch,
        order_for_places,
        left_in_sorted_order,
        k_beyond_the_vocabulary_raises,
        exponent_overflows,
        one_maximum_for_all,
    ),
    hints=(
        "The rest gets probability 0. Which logit has probability 0 after a softmax?",
        "A threshold at the k-th largest logit keeps too many tokens when it ties. Go by places: a "
        "stable sort of the negative logits puts the lower token id first.",
        '`order = np.argsort(-logits, kind="stable")`, and `np.argsort(order)` is the place of '
        "each token. Where the place is k or more, put −inf; then a softmax along axis 1, with the "
        "row's maximum subtracted.",
    ),
    explanation=(
        "Removing tokens before the softmax renormalises for free: exp(−inf) is 0, and the sum "
        "runs over the rest (Fan, Lewis and Dauphin, 2018). Libraries differ on ties: "
        "`tf.math.top_k` prefers the lower id, as here; Hugging Face's sampler compares with the "
        "k-th logit and keeps all that tie. Asked next: what is wrong with a fixed k? It is too "
        "large where the model is sure, and too small where many tokens would do; top-p adapts."
    ),
    difficulty=1,
    taught_in="03_recurrent_networks, section 7",
)
