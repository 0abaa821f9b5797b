import numpy as np

from helpers.drills.spec import Case, Drill


def key_value_cache_step(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    used: int,
) -> tuple:
    """Generate the next token without computing the keys and values of the whole text again: one
    step of attention with a key-value cache.

    `query`, `key` and `value` belong to the new token; each has shape (batch, heads, d). The caches
    `keys` and `values` have shape (batch, heads, capacity, d). Their first `used` positions are
    filled with the tokens before; the rest holds old, finite numbers that mean nothing.
    0 ≤ used < capacity. Write the new key and value at position `used`, counted from 0. The new
    token then attends to the first used + 1 positions, its own included: in each head, the softmax
    of query · key / √d over these positions weights their values. Return (output, keys, values):
    output of shape (batch, heads, d), and the caches with the new token, in the shape they came in
    and otherwise as they were. All arrays are float64. The arguments stay as they are: return new
    arrays. Scores of ±10,000 must not overflow.
    """
    keys, values = keys.copy(), values.copy()
    keys[:, :, used], values[:, :, used] = key, value
    filled = slice(used + 1)
    scores = np.einsum("bhd,bhtd->bht", query, keys[:, :, filled]) / np.sqrt(query.shape[2])
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    return np.einsum("bht,bhtd->bhd", weights, values[:, :, filled]), keys, values


def head_by_head(query, key, value, keys, values, used):
    output, keys, values = np.empty(query.shape), np.array(keys), np.array(values)
    for place in np.ndindex(query.shape[:2]):
        keys[place][used], values[place][used] = key[place], value[place]
        scores = [float(k @ query[place]) / len(k) ** 0.5 for k in keys[place][: used + 1]]
        weights = [np.exp(score - max(scores)) for score in scores]
        output[place] = weights @ values[place][: used + 1] / sum(weights)
    return output, keys, values


def with_a_mask_over_the_capacity(query, key, value, keys, values, used):
    position = np.arange(keys.shape[2])[:, None]
    keys = np.where(position == used, key[:, :, None], keys)
    values = np.where(position == used, value[:, :, None], values)
    scores = keys @ query[..., None] * query.shape[-1] ** -0.5  # (batch, heads, capacity, 1)
    scores = np.where(position <= used, scores, -np.inf)
    logs = scores - np.logaddexp.reduce(scores, axis=2, keepdims=True)
    return np.sum(np.exp(logs) * values, axis=2), keys, values


def _attend(query, keys, values, scale=None, axis=2):
    scores = np.einsum("bhd,bhtd->bht", query, keys) / (scale or np.sqrt(query.shape[2]))
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True, initial=-np.inf))
    return np.einsum("bht,bhtd->bhd", weights / weights.sum(axis=axis, keepdims=True), values)


def _written(key, value, keys, values, place):
    keys, values = keys.copy(), values.copy()
    keys[:, :, place], values[:, :, place] = key, value
    return keys, values


def new_token_left_out(query, key, value, keys, values, used):
    """You attend to the tokens before and leave out the new one. A token sees itself too, so that
    there is one position more than were filled."""
    output = _attend(query, keys[:, :, :used], values[:, :, :used])
    return output, *_written(key, value, keys, values, used)


def empty_positions_attended(query, key, value, keys, values, used):
    """You attend to the whole buffer, also to positions that no token has filled. Even zeros there
    take part in the softmax: leave them out."""
    keys, values = _written(key, value, keys, values, used)
    return _attend(query, keys, values), keys, values


def written_one_too_far(query, key, value, keys, values, used):
    """You write the new token one position too far, and leave a gap. Positions are counted from 0:
    the first free one has the number of those that are filled."""
    keys, values = _written(key, value, keys, values, used + 1)
    return _attend(query, keys[:, :, : used + 1], values[:, :, : used + 1]), keys, values


def last_token_overwritten(query, key, value, keys, values, used):
    """You write over the last token of the cache. Positions are counted from 0: the last filled one
    lies one before the first that is free."""
    keys, values = _written(key, value, keys, values, used - 1)
    return _attend(query, keys[:, :, : used + 1], values[:, :, : used + 1]), keys, values


def not_kept(query, key, value, keys, values, used):
    """Your output is right, but the caches come back without the new token: the next step will not
    know of it."""
    return key_value_cache_step(query, key, value, keys, values, used)[0], keys, values


def value_not_written(query, key, value, keys, values, used):
    """You write the new key and not the new value: the token is looked up, and what is found there
    is an old number."""
    keys = _written(key, value, keys, values, used)[0]
    return _attend(query, keys[:, :, : used + 1], values[:, :, : used + 1]), keys, values


def buffer_cut_to_what_is_filled(query, key, value, keys, values, used):
    """You return only the filled positions. The caches keep their capacity: a shape that grows with
    every token makes a compiled program compile again at every token."""
    output, keys, values = key_value_cache_step(query, key, value, keys, values, used)
    return output, keys[:, :, : used + 1], values[:, :, : used + 1]


def oldest_token_pushed_out(query, key, value, keys, values, used):
    """You append the new token at the end of the buffer and drop the first one. There is room:
    write at the first free position, and leave the others where they are."""
    caches = ((keys, key), (values, value))
    keys, values = (np.concatenate([c[:, :, 1:], n[:, :, None]], axis=2) for c, n in caches)
    return _attend(query, keys, values), keys, values


def scale_left_out(query, key, value, keys, values, used):
    """You leave out the division by √d. The text with the cache then differs from the text without
    it: the softmax is sharper than the one the model was trained with."""
    keys, values = _written(key, value, keys, values, used)
    return _attend(query, keys[:, :, : used + 1], values[:, :, : used + 1], 1), keys, values


def softmax_over_the_heads(query, key, value, keys, values, used):
    """Your weights sum to 1 over the heads. Each head looks for itself: they sum to 1 over the
    positions."""
    keys, values = _written(key, value, keys, values, used)
    return _attend(query, keys[:, :, : used + 1], values[:, :, : used + 1], axis=1), keys, values


def cases(rng):
    new = [np.array([[[1.0, 0.0]]]), np.array([[[2.0, 1.0]]]), np.array([[[5.0, 1.0]]])]
    keys = np.array([[[[1.0, 1.0], [9.0, 9.0], [9.0, 9.0]]]])
    yield Case("one token is there, two fit in", (*new, keys, keys + 1, 1))

    def random(batch, heads, capacity, d, used):
        arrays = [rng.normal(size=(batch, heads, d)) for _ in range(3)]
        caches = [rng.normal(size=(batch, heads, capacity, d)) for _ in range(2)]
        return (*arrays, *caches, used)

    yield Case("the first token of a text", random(2, 3, 4, 2, 0))
    yield Case("the last free position", random(1, 2, 4, 3, 3))
    yield Case("room for one token", random(3, 2, 1, 2, 0))
    for sizes in [(2, 3, 7, 5, 4), (3, 4, 9, 2, 6)]:
        note = "random: batch {}, {} heads, capacity {}, d = {}, {} used"
        yield Case(note.format(*sizes), random(*sizes))
    query, *rest = random(2, 3, 6, 4, 4)
    query[0, 1] *= 10_000
    query[1] /= 10
    yield Case("one head with scores of some 10,000", (query, *rest), condition=1_000)


DRILL = Drill(
    reference=key_value_cache_step,
    cases=cases,
    alternatives=(head_by_head, with_a_mask_over_the_capacity),
    mistakes=(
        new_token_left_out,
        empty_positions_attended,
        written_one_too_far,
        last_token_overwritten,
        not_kept,
        value_not_written,
        buffer_cut_to_what_is_filled,
        oldest_token_pushed_out,
        scale_left_out,
        softmax_over_the_heads,
    ),
    hints=(
        "Write first, attend then: the new token is one of those it attends to.",
        "The first free position is number `used`; after writing, used + 1 positions are filled. "
        "What lies behind them must not reach the softmax.",
        "Copy both caches; keys[:, :, used] = key, the same for the values; attend to "
        "keys[:, :, : used + 1] with the scale √d, and weight values[:, :, : used + 1].",
    ),
    explanation=(
        "Keys and values of the tokens before do not change when a token follows, since attention "
        "looks back only: a step costs time in proportion to the length instead of its square "
        "(Shazeer, 2019, Fast Transformer Decoding: One Write-Head is All You Need, on what that "
        "leaves: reading the cache). Asked next: how large is the cache? 2 · layers · heads · d · "
        "length · batch numbers: for GPT-2 small, 1,024 tokens and float16, 36 MiB a text. And why "
        "no queries in it? No later token asks for them."
    ),
    difficulty=2,
    taught_in="06_gpt_from_scratch, section 4",
)
