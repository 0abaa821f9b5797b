import numpy as np

from helpers.drills.spec import Case, Drill


def cached_attention(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    cache_keys: np.ndarray,
    cache_values: np.ndarray,
) -> tuple:
    """Read several new tokens of a text at once, where the tokens before them are in a key-value
    cache: causal attention of one head, for a chunk.

    `query`, `key` and `value` belong to the new tokens, in order, and have shape (batch, new, d),
    with new at least 1. `cache_keys` and `cache_values` hold the `past` tokens before them, in
    order, with shape (batch, past, d); past may be 0. New token i, counted from 0, attends to all
    tokens of the cache and to the new tokens 0 to i, itself included; the weights are the softmax
    of query · key / √d over these. Return (output, keys, values): output of shape (batch, new, d),
    and the caches for the next chunk, of shape (batch, past + new, d), the new tokens behind the
    old ones. A text read in chunks gives the outputs of the text read at once. All arrays are
    float64; the arguments stay as they are. Scores of ±10,000 must not overflow.
    """
    keys = np.concatenate([cache_keys, key], axis=1)
    values = np.concatenate([cache_values, value], axis=1)
    past, new = cache_keys.shape[1], query.shape[1]
    scores = query @ keys.transpose(0, 2, 1) / np.sqrt(query.shape[2])  # (batch, new, past + new)
    place = past + np.arange(new)[:, None]  # of the new tokens in the whole text
    scores = np.where(np.arange(past + new) <= place, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    return weights @ values, keys, values


def token_by_token(query, key, value, cache_keys, cache_values):
    outputs, keys, values = [], cache_keys, cache_values
    for i in range(query.shape[1]):
        q, k, v = query[:, i], key[:, i, None], value[:, i, None]
        keys, values = np.append(keys, k, axis=1), np.append(values, v, axis=1)
        scores = np.einsum("bd,btd->bt", q, keys) / np.sqrt(q.shape[1])
        logs = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        outputs.append(np.einsum("bt,btd->bd", np.exp(logs), values))
    return np.stack(outputs, axis=1), keys, values


def old_and_new_apart(query, key, value, cache_keys, cache_values):
    past, new, scale = cache_keys.shape[1], key.shape[1], query.shape[-1] ** -0.5
    to_old = np.einsum("bqd,bkd->bqk", query, cache_keys) * scale
    to_new = np.einsum("bqd,bkd->bqk", query, key) * scale
    later = np.triu(np.full((new, new), -np.inf), k=1)
    scores = np.concatenate([to_old, to_new + later], axis=-1)
    share = np.exp(scores - np.max(scores, axis=-1)[..., None])
    output = share[:, :, :past] @ cache_values + share[:, :, past:] @ value
    caches = (np.hstack([cache_keys, key]), np.hstack([cache_values, value]))
    return output / share.sum(axis=-1)[..., None], *caches


def as_given(query, key, value, cache_keys, cache_values):
    """This is the code as given, or its bug is still in it: a text read at once comes out right.
    Read in two chunks, only the first chunk does; and generated token by token, the text goes on as
    if nothing had been said but its first token."""
    keys = np.concatenate([cache_keys, key], axis=1)
    values = np.concatenate([cache_values, value], axis=1)
    scores = query @ keys.transpose(0, 2, 1) / np.sqrt(query.shape[2])
    seen = np.tril(np.ones(scores.shape[1:], bool))
    scores = np.where(seen, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    return weights @ values, keys, values


def _attend(query, keys, values, seen, weights_seen=True):
    scores = query @ keys.transpose(0, 2, 1) / np.sqrt(query.shape[2])
    scores = np.where(seen, scores, -np.inf)
    with np.errstate(invalid="ignore"):  # rows in which nothing is seen
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights = weights / weights.sum(axis=2, keepdims=True)
    return np.where(weights_seen, weights, 0.0) @ values


def _joined(key, value, cache_keys, cache_values):
    keys = np.concatenate([cache_keys, key], axis=1)
    return keys, np.concatenate([cache_values, value], axis=1)


def _with_diagonal(query, key, value, cache_keys, cache_values, k):
    keys, values = _joined(key, value, cache_keys, cache_values)
    seen = np.tri(query.shape[1], keys.shape[1], k, dtype=bool)
    return _attend(query, keys, values, seen), keys, values


def nothing_hidden(query, key, value, cache_keys, cache_values):
    """You have taken the mask away. Token by token that is right; in a chunk every token but the
    last now sees what comes after it."""
    length = cache_keys.shape[1] + key.shape[1]
    return _with_diagonal(query, key, value, cache_keys, cache_values, length)


def nothing_hidden_after_the_first_chunk(query, key, value, cache_keys, cache_values):
    """You mask the first chunk, and none that has a cache. The tokens of a later chunk must not see
    each other's future either."""
    k = cache_keys.shape[1] + key.shape[1] if cache_keys.shape[1] else 0
    return _with_diagonal(query, key, value, cache_keys, cache_values, k)


def itself_hidden(query, key, value, cache_keys, cache_values):
    """The mask moves with the cache now, but by one too few: no token sees itself, and the first of
    a text sees nothing: 0 / 0."""
    k = cache_keys.shape[1] - 1
    return _with_diagonal(query, key, value, cache_keys, cache_values, k)


def next_token_seen(query, key, value, cache_keys, cache_values):
    """The mask moves with the cache now, but by one too many: in a chunk every token sees the next
    one, which is what the model is to predict."""
    k = cache_keys.shape[1] + 1
    return _with_diagonal(query, key, value, cache_keys, cache_values, k)


def moved_by_the_chunk(query, key, value, cache_keys, cache_values):
    """You move the mask by the number of new tokens. How far it moves depends on how many tokens
    lie before the chunk, not on how many are in it."""
    return _with_diagonal(query, key, value, cache_keys, cache_values, key.shape[1])


def cache_hidden(query, key, value, cache_keys, cache_values):
    """The new tokens see each other as they should, and nothing of the cache. They may look at all
    of it."""
    keys, values = _joined(key, value, cache_keys, cache_values)
    output = _attend(query, key, value, np.tri(query.shape[1], dtype=bool))
    return output, keys, values


def cache_placed_behind(query, key, value, cache_keys, cache_values):
    """You put the new tokens in front of the cache. A mask by position then means other tokens, and
    the next chunk gets a text in the wrong order."""
    new, past = key.shape[1], cache_keys.shape[1]
    keys, values = _joined(cache_keys, cache_values, key, value)
    return _attend(query, keys, values, np.tri(new, new + past, past, dtype=bool)), keys, values


def hidden_after_the_softmax(query, key, value, cache_keys, cache_values):
    """You set weights to zero after the softmax: what is left does not sum to 1, and the later
    tokens still take their part. Hide them before it."""
    keys, values = _joined(key, value, cache_keys, cache_values)
    seen = np.tri(query.shape[1], keys.shape[1], cache_keys.shape[1], dtype=bool)
    return _attend(query, keys, values, True, seen), keys, values


def old_caches_returned(query, key, value, cache_keys, cache_values):
    """Your outputs are right, but you return the caches without the new tokens: the next chunk
    will not know of this one."""
    output = cached_attention(query, key, value, cache_keys, cache_values)[0]
    return output, cache_keys, cache_values


def cases(rng):
    def random(batch, new, past, d):
        sizes = 3 * [(batch, new, d)] + 2 * [(batch, past, d)]
        return tuple(rng.normal(size=size) for size in sizes)

    query, cache = np.array([[[1.0], [2.0]]]), np.array([[[1.0], [-1.0]]])
    new = (query, np.array([[[0.0], [1.0]]]), np.array([[[2.0], [3.0]]]))
    yield Case("two tokens after two", (*new, cache, cache))
    yield Case("one token after three", random(2, 1, 3, 2))
    yield Case("a whole text: the cache is empty", random(2, 4, 0, 3))
    yield Case("one token, and the cache is empty", random(1, 1, 0, 2))
    for sizes in [(1, 3, 1, 4), (2, 3, 5, 2), (3, 5, 4, 7)]:
        note = "random: batch {}, {} new tokens after {}, d = {}"
        yield Case(note.format(*sizes), random(*sizes))
    query, *rest = random(3, 2, 4, 5)
    query[:2, 0] *= 10_000
    query[2, 1] *= 10_000
    yield Case("some scores of 10,000", (query, *rest), condition=1_000)


DRILL = Drill(
    reference=cached_attention,
    cases=cases,
    given=as_given,
    alternatives=(token_by_token, old_and_new_apart),
    mistakes=(
        as_given,
        nothing_hidden,
        nothing_hidden_after_the_first_chunk,
        itself_hidden,
        next_token_seen,
        moved_by_the_chunk,
        cache_hidden,
        cache_placed_behind,
        hidden_after_the_softmax,
        old_caches_returned,
    ),
    hints=(
        "Print `seen` for one new token and a cache of three. Which tokens may it see, and which "
        "does it see?",
        "The rows of the mask are the new tokens, its columns all tokens. Which place in the whole "
        "text has the new token of row 0?",
        "Row i stands for the token at place past + i: columns 0 to past + i are seen. np.tril "
        "takes k, by how much the diagonal is moved to the right.",
    ),
    explanation=(
        "np.tril aligns the triangle at the top left, so row 0 saw column 0 only. With a cache the "
        "rows are the last ones of the whole triangle: it has to be aligned at the bottom right. "
        "PyTorch's `is_causal=True` is aligned at the top left as well, and its documentation says "
        "so. Nothing raises an error, and an empty cache hides the bug. Asked next: which test "
        "finds it? Read a random text at once and in chunks of random lengths, and compare all "
        "outputs."
    ),
    difficulty=2,
    taught_in="06_gpt_from_scratch, section 4",
)
