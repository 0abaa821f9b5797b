import numpy as np

from helpers.drills.spec import Case, Drill


def grouped_query_attention(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Let several query heads share one head of keys and values, so that the key-value cache gets
    smaller: grouped-query attention.

    `query` has shape (batch, heads, time, d), `key` and `value` have (batch, groups, time, d), and
    heads is a multiple of groups. With n = heads / groups, the first n query heads use group 0, the
    next n use group 1, and so on. Nothing is masked: in each head every query attends to all
    positions, with the softmax of query · key / √d over the positions of the keys as weights of the
    values. Return an array of the shape of `query`, the heads in their order. There are no
    projections. All arrays are float64; the arguments stay as they are. Scores of ±10,000 must not
    overflow.
    """
    heads, groups = query.shape[1], key.shape[1]
    group = np.arange(heads) // (heads // groups)  # of each query head
    scores = np.einsum("bhqd,bhkd->bhqk", query, key[:, group]) / np.sqrt(query.shape[3])
    weights = np.exp(scores - scores.max(axis=3, keepdims=True))
    weights /= weights.sum(axis=3, keepdims=True)
    return np.einsum("bhqk,bhkd->bhqd", weights, value[:, group])


def without_copies(query, key, value):
    batch, heads, time, d = query.shape
    groups = key.shape[1]
    split = query.reshape(batch, groups, heads // groups, time, d)
    scores = np.einsum("bgnqd,bgkd->bgnqk", split, key) * d**-0.5
    logs = scores - np.logaddexp.reduce(scores, axis=-1)[..., None]
    return np.einsum("bgnqk,bgkd->bgnqd", np.exp(logs), value).reshape(query.shape)


def query_by_query(query, key, value):
    output = np.empty(query.shape)
    for example, head, position in np.ndindex(query.shape[:3]):
        group = head * key.shape[1] // query.shape[1]
        q = query[example, head, position]
        scores = [float(q @ k) / len(q) ** 0.5 for k in key[example, group]]
        weights = [np.exp(score - max(scores)) for score in scores]
        output[example, head, position] = weights @ value[example, group] / sum(weights)
    return output


def _attend(query, keys, values, scale=None, axis=3):
    """Attention where every query head has keys and values of its own."""
    scores = query @ keys.swapaxes(2, 3) / (scale or np.sqrt(query.shape[3]))
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True) @ values


def _repeated(query, array):
    return np.repeat(array, query.shape[1] // array.shape[1], axis=1)


def _tiled(query, array):
    return np.tile(array, (1, query.shape[1] // array.shape[1], 1, 1))


def tiled(query, key, value):
    """You deal the groups out in turn: heads 0, 1, 2, 3 use groups 0, 1, 0, 1, as np.tile has it.
    Neighbouring heads share: 0, 0, 1, 1."""
    return _attend(query, _tiled(query, key), _tiled(query, value))


def values_tiled(query, key, value):
    """Your keys are shared by neighbouring heads, your values are dealt out in turn: a head finds
    positions with one group and reads from another. Spread both in the same way."""
    return _attend(query, _repeated(query, key), _tiled(query, value))


def only_the_first_group(query, key, value):
    """All your heads use group 0. That is multi-query attention, the case of one group: spread the
    other groups too."""
    return _attend(query, key[:, :1], value[:, :1])


def groups_averaged(query, key, value):
    """You average keys and values over the groups. So one makes fewer groups out of a trained
    model's heads, once; in attention each head uses its own group."""
    return _attend(query, key.mean(axis=1, keepdims=True), value.mean(axis=1, keepdims=True))


def queries_averaged(query, key, value):
    """You average the queries of a group, and its heads all answer the same. Heads share keys and
    values; each has queries of its own."""
    batch, _, time, d = query.shape
    means = query.reshape(batch, key.shape[1], -1, time, d).mean(axis=2)
    return _repeated(query, _attend(means, key, value))


def no_attention(query, key, value):
    """Your output does not depend on the queries: every position gets the mean of the values. Weigh
    them by the softmax of the scores."""
    return _attend(0 * query, _repeated(query, key), _repeated(query, value))


def scale_left_out(query, key, value):
    """You leave out the division by √d. The scores grow with d, and the softmax sees the largest
    only."""
    return _attend(query, _repeated(query, key), _repeated(query, value), 1)


def scaled_by_the_width_of_the_model(query, key, value):
    """You divide by the root of heads · d, the width of the model. A score is a sum of d products:
    divide by √d."""
    scale = np.sqrt(query.shape[1] * query.shape[3])
    return _attend(query, _repeated(query, key), _repeated(query, value), scale)


def scaled_by_d(query, key, value):
    """You divide by d. The root of d is enough: that is by how much a sum of d random products is
    wider than one of them."""
    return _attend(query, _repeated(query, key), _repeated(query, value), query.shape[3])


def softmax_over_the_queries(query, key, value):
    """Your weights sum to 1 over the queries. For each query they sum to 1 over the keys: the last
    axis of the scores."""
    return _attend(query, _repeated(query, key), _repeated(query, value), axis=2)


def heads_left_out_of_order(query, key, value):
    """Your heads are right, but in another order: all first heads of the groups, then all second
    ones. Where an axis is split in two, groups come first, in both directions."""
    batch, heads, time, d = query.shape
    right = grouped_query_attention(query, key, value)
    split = right.reshape(batch, key.shape[1], -1, time, d)
    return split.swapaxes(1, 2).reshape(batch, heads, time, d)


def cases(rng):
    query = np.array([[[[1.0], [-1.0]], [[2.0], [0.0]], [[0.0], [3.0]], [[1.0], [0.5]]]])
    key = np.array([[[[0.0], [1.0]], [[1.0], [-1.0]]]])
    value = np.array([[[[0.0], [8.0]], [[10.0], [20.0]]]])
    yield Case("four heads, two groups", (query, key, value))

    def random(batch, heads, groups, time, d):
        sizes = [(batch, heads, time, d), *2 * [(batch, groups, time, d)]]
        return [rng.normal(size=size) for size in sizes]

    yield Case("a group for every head", random(2, 3, 3, 4, 2))
    yield Case("one group for all heads", random(2, 3, 1, 4, 2))
    yield Case("one position", random(1, 4, 2, 1, 3))
    for sizes in [(2, 6, 3, 5, 4), (3, 6, 2, 4, 7), (1, 8, 2, 3, 2)]:
        note = "random: batch {}, {} heads, {} groups, time {}, d = {}"
        yield Case(note.format(*sizes), random(*sizes))
    query, key, value = random(2, 4, 2, 5, 3)
    query[0, :3, 1:] *= 10_000
    query[1, 3, :2] *= 10_000
    yield Case("some scores of 10,000", (query, key, value), condition=1_000)


DRILL = Drill(
    reference=grouped_query_attention,
    cases=cases,
    alternatives=(without_copies, query_by_query),
    mistakes=(
        tiled,
        values_tiled,
        only_the_first_group,
        groups_averaged,
        queries_averaged,
        no_attention,
        scale_left_out,
        scaled_by_the_width_of_the_model,
        scaled_by_d,
        softmax_over_the_queries,
        heads_left_out_of_order,
    ),
    hints=(
        "Once every query head has its keys and values, it is plain attention. Which group does "
        "head h use?",
        "Head h uses group h // (heads // groups): neighbouring heads share. Index axis 1 of keys "
        "and values with an array of these numbers, or look for the NumPy function that repeats.",
        "keys = np.repeat(key, heads // groups, axis=1), the same for the values; then the softmax "
        "of query @ keys.swapaxes(2, 3) / √d over the last axis, times the values.",
    ),
    explanation=(
        "The cache holds groups instead of heads, and is heads / groups times smaller; the quality "
        "stays near that of full attention (Ainslie and others, 2023, GQA: Training Generalized "
        "Multi-Query Transformer Models from Multi-Head Checkpoints). One group is multi-query "
        "attention, as many groups as heads is multi-head. Asked next: does it save arithmetic "
        "too? In the projections of keys and values only. The scores are as many as before: what "
        "is saved is memory, and the time to read it at each generated token."
    ),
    difficulty=2,
    taught_in="06_gpt_from_scratch, section 3",
)
