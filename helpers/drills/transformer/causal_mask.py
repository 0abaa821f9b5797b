import numpy as np

from helpers.drills.spec import Case, Drill


def causal_mask(queries: int, keys: int) -> np.ndarray:
    """Say which keys each query of a language model may look at: its own position and those before
    it, never a later one.

    The keys stand at the positions 0 to keys − 1 of the text. The queries are the *last* `queries`
    of these positions: when a model generates with a cache, the keys of earlier tokens are kept,
    and only new tokens ask. So the last query may look at all keys, and 1 ≤ queries ≤ keys. Return
    an array of booleans of shape (queries, keys), True where the query may look; 0 and 1 count as
    booleans.
    """
    own_positions = np.arange(keys - queries, keys)[:, None]  # of the queries, as a column
    return np.arange(keys) <= own_positions


def a_triangle_shifted(queries, keys):
    return np.tri(queries, keys, keys - queries)


def last_rows_of_the_square(queries, keys):
    rows = [[key <= query for key in range(keys)] for query in range(keys)]
    return rows[-queries:]


def one_row_after_the_other(queries, keys):
    mask = np.zeros((queries, keys), bool)
    for row in range(queries):
        mask[row, : keys - queries + row + 1] = True
    return mask


def own_position_hidden(queries, keys):
    """Your queries do not see their own position, and the first one of a text sees nothing at all.
    A token may look at itself: what it predicts is the *next* one."""
    return causal_mask(queries, keys) & ~np.eye(queries, keys, keys - queries, dtype=bool)


def one_position_ahead(queries, keys):
    """Each query sees one position too many: the token that it is to predict. The loss will fall
    towards 0, and the model learns to copy."""
    return np.tri(queries, keys, keys - queries + 1, dtype=bool)


def cache_forgotten(queries, keys):
    """You let query i look at keys 0 to i, as if the queries were the first positions. They are the
    last ones: with a cache, the first query already has earlier keys to see."""
    return np.tri(queries, keys, dtype=bool)


def shifted_the_wrong_way(queries, keys):
    """You shift the triangle by the number of cached keys, but the wrong way, so that queries see
    less than without a cache. At which position of the text does query 0 stand?"""
    return np.tri(queries, keys, queries - keys, dtype=bool)


def one_row_for_each_key(queries, keys):
    """You exchange the axes: your rows belong to keys, and your columns to queries. Shape (queries,
    keys), as the scores have it."""
    return causal_mask(queries, keys).T


def looking_ahead(queries, keys):
    """Your queries see the later positions, and not the earlier ones; in a square mask the wrong
    triangle is filled. The lower one is wanted."""
    return np.arange(keys) >= np.arange(keys - queries, keys)[:, None]


def true_where_hidden(queries, keys):
    """You return True where a query may *not* look. Some libraries want that; here True means "may
    look"."""
    return ~causal_mask(queries, keys)


def numbers_to_add(queries, keys):
    """You return numbers to be added to the scores, 0 and −inf. Many models use such masks; here
    booleans are asked for, True where a query may look."""
    return np.where(causal_mask(queries, keys), 0.0, -np.inf)


def everything_visible(queries, keys):
    """Your queries see all keys. With a cache that is right for a single new token; several at once
    must not see each other's future."""
    return np.ones((queries, keys), bool)


def cached_keys_left_out(queries, keys):
    """Your mask has one column for each query. The keys in the cache need columns too: shape
    (queries, keys)."""
    return np.tri(queries, dtype=bool)


def cases(rng):
    yield Case("two new tokens, three in the cache", (2, 5))
    yield Case("no cache", (4, 4))
    yield Case("one token, no cache", (1, 1))
    yield Case("one new token, six in the cache", (1, 7))
    yield Case("one in the cache", (5, 6))
    yield Case("more new tokens than in the cache", (7, 10))
    yield Case("fewer new tokens than in the cache", (3, 11))
    yield Case("an odd square", (9, 9))
    for note, least in [("a random prompt", 2), ("a long random prompt", 12)]:
        new, cached = rng.integers(least, 2 * least + 10), rng.integers(1, 20)
        yield Case(note, (int(new), int(new + cached)))


DRILL = Drill(
    reference=causal_mask,
    cases=cases,
    alternatives=(a_triangle_shifted, last_rows_of_the_square, one_row_after_the_other),
    mistakes=(
        own_position_hidden,
        one_position_ahead,
        cache_forgotten,
        shifted_the_wrong_way,
        one_row_for_each_key,
        looking_ahead,
        true_where_hidden,
        numbers_to_add,
        everything_visible,
        cached_keys_left_out,
    ),
    hints=(
        "Write down the positions in the text: those of the keys, and those of the queries. With "
        "2 queries and 5 keys, where does query 0 stand?",
        "Query i stands at position keys − queries + i. A key is visible where its position is not "
        "larger.",
        "Compare np.arange(keys), as a row, with np.arange(keys − queries, keys), as a column.",
    ),
    explanation=(
        "A mask is a comparison of positions, and the offset keys − queries is where new tokens "
        "start (the mask itself: Vaswani and others, 2017, Attention Is All You Need). The "
        "triangle then ends in the lower right corner. Asked next: what goes wrong if a library "
        "starts it in the upper left one, as PyTorch's is_causal=True does and FlashAttention did "
        "before version 2.1? Nothing in training, where queries and keys are equally many; in "
        "generation with a cache a single new token sees only the first key, and the text turns "
        "to nonsense without an error."
    ),
    difficulty=1,
    taught_in="06_gpt_from_scratch, section 1",
)
