import numpy as np

from helpers.drills.spec import Case, Drill


def rotary_embedding(x: np.ndarray, positions: np.ndarray, base: float = 10000.0) -> np.ndarray:
    """Tell attention how far apart two tokens are: rotate queries and keys by their positions.

    `x`, float64 of shape (batch, time, heads, d) with d even, holds the queries, or the keys. The
    token at [:, t] stands at `positions[t]`; `positions`, ints of shape (time,), may start anywhere
    and repeat. The numbers of a vector form d / 2 pairs. Pair i, i = 0, 1, ..., is turned by the
    angle a = positions[t] · base^(−2i / d), in radians: (u, v) becomes
    (u · cos a − v · sin a, u · sin a + v · cos a), in the places of u and v. All heads and all
    examples are turned alike. Return an array of the shape of x, and leave the arguments alone.

    Which numbers form pair i? x[..., 2i] and x[..., 2i + 1], as in the paper; or x[..., i] and
    x[..., i + d / 2], as Llama's code has it. Either is right here.
    """
    d = x.shape[-1]
    pairs = x.reshape(*x.shape[:-1], d // 2, 2)
    u, v = pairs[..., 0], pairs[..., 1]
    frequency = base ** (-2 * np.arange(u.shape[-1]) / d)
    angle = positions[:, None, None] * frequency  # (time, 1, d / 2): all heads alike
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([u * cos - v * sin, u * sin + v * cos], axis=-1).reshape(x.shape)


def halves_paired(x, positions, base=10000.0):
    """Pairs of numbers half a vector apart: cos · x + sin · (x with its halves exchanged)."""
    half = x.shape[-1] // 2
    angle = np.outer(positions, base ** (-np.arange(half) / half))[:, None, :]
    cos, sin = np.tile(np.cos(angle), 2), np.tile(np.sin(angle), 2)
    return x * cos + np.concatenate([-x[..., half:], x[..., :half]], axis=-1) * sin


def as_complex_numbers(x, positions, base=10000.0):
    # A pair is one complex number, and turning it a product.
    pairs = x.reshape(*x.shape[:-1], x.shape[-1] // 2, 2) @ np.array([1, 1j])
    exponent = -2 * np.arange(pairs.shape[-1]) / x.shape[-1]
    turned = np.einsum("bthi,ti->bthi", pairs, np.exp(1j * np.outer(positions, base**exponent)))
    return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)


def by_a_matrix_for_each_token(x, positions, base=10000.0):
    d = x.shape[-1]
    result = np.empty(x.shape)
    for t, position in enumerate(positions.tolist()):
        rotation = np.zeros((d, d))
        for i in range(d // 2):
            u, v, angle = 2 * i, 2 * i + 1, position / base ** (2 * i / d)
            rotation[u, u] = rotation[v, v] = np.cos(angle)
            rotation[v, u], rotation[u, v] = np.sin(angle), -np.sin(angle)
        result[:, t] = x[:, t] @ rotation.T
    return result


def _parts(x, positions, frequency):
    """u, v, and cosine and sine of the angles, ready to be multiplied."""
    angle = positions[:, None, None] * frequency
    return x[..., ::2], x[..., 1::2], np.cos(angle), np.sin(angle)


def _joined(u, v):
    """Pairs back in their places."""
    return np.stack([u, v], axis=-1).reshape(*u.shape[:-1], -1)


def _turned(x, positions, frequency):
    u, v, cos, sin = _parts(x, positions, frequency)
    return _joined(u * cos - v * sin, u * sin + v * cos)


def _frequency(x, base):
    return base ** (-np.arange(0, x.shape[-1], 2) / x.shape[-1])


def returned_as_it_came(x, positions, base=10000.0):
    """You return x unturned: attention then knows no order. Every token but one at position 0 has
    to change."""
    return x.copy()


def base_ignored(x, positions, base=10000.0):
    """You always take 10000. The base is an argument: models for long texts use a larger one."""
    return _turned(x, positions, _frequency(x, 10_000.0))


def turned_the_other_way(x, positions, base=10000.0):
    """You turn by the negative angle: the sign of the sine is on the other term. Queries and keys
    turned like this would still fit each other, but not weights that were trained as stated."""
    return _turned(x, -positions, _frequency(x, base))


def exponent_without_the_two(x, positions, base=10000.0):
    """Your exponent is −i / d, where i counts the pairs: the frequencies fall half as far as they
    should. It is −2i / d."""
    return _turned(x, positions, np.sqrt(_frequency(x, base)))


def one_angle_for_all_pairs(x, positions, base=10000.0):
    """You turn all pairs by the same angle, the position. Each pair has a frequency of its own:
    the first is fast and tells neighbours apart, the last slow."""
    return _turned(x, positions, np.ones(x.shape[-1] // 2))


def positions_ignored(x, positions, base=10000.0):
    """You count from 0 whatever `positions` says. When a model writes token by token, the newest
    comes alone, and its position is not 0."""
    return _turned(x, np.arange(x.shape[1]), _frequency(x, base))


def shifted_by_the_first_position(x, positions, base=10000.0):
    """You subtract the first position. Keys that are in a cache already were turned by their full
    positions: these have to be too."""
    return _turned(x, positions - positions[0], _frequency(x, base))


def turned_by_the_number_of_the_head(x, positions, base=10000.0):
    """You count along the axis of the heads: the angles belong to time, which is axis 1 here. Many
    libraries put the heads in front of it, so look at the shape."""
    angle = np.outer(np.arange(x.shape[2]), _frequency(x, base))
    u, v, cos, sin = x[..., ::2], x[..., 1::2], np.cos(angle), np.sin(angle)
    return _joined(u * cos - v * sin, u * sin + v * cos)


def cosine_and_sine_exchanged(x, positions, base=10000.0):
    """You have exchanged cosine and sine. At position 0 nothing turns: u is multiplied by
    cos 0 = 1."""
    u, v, cos, sin = _parts(x, positions, _frequency(x, base))
    return _joined(u * sin - v * cos, u * cos + v * sin)


def minus_forgotten(x, positions, base=10000.0):
    """Both your terms are sums, and lengths change: that is no rotation. One of the two sines
    has a minus."""
    u, v, cos, sin = _parts(x, positions, _frequency(x, base))
    return _joined(u * cos + v * sin, u * sin + v * cos)


def second_from_the_turned_first(x, positions, base=10000.0):
    """You overwrite u and compute the new v from it. Both are computed from the old pair: keep a
    copy."""
    u, v, cos, sin = _parts(x, positions, _frequency(x, base))
    u = u * cos - v * sin
    return _joined(u, u * sin + v * cos)


def angles_of_other_pairs(x, positions, base=10000.0):
    """You pair numbers half a vector apart, and order the angles as for neighbours: the two numbers
    of a pair are turned by different angles. With halves the angles are tiled, with neighbours
    repeated."""
    half = x.shape[-1] // 2
    angle = np.repeat(positions[:, None, None] * _frequency(x, base), 2, axis=-1)
    exchanged = np.concatenate([-x[..., half:], x[..., :half]], axis=-1)
    return x * np.cos(angle) + exchanged * np.sin(angle)


def cases(rng):
    x = np.array([[[[1.0, 0.0, 0.0, 2.0]], [[1.0, 0.0, 0.0, 2.0]]]])
    yield Case("positions 0 and 1, two pairs", (x, np.arange(2), 100.0))
    yield Case("one token, far along", (x[:, :1], np.array([7]), 100.0))
    for note, shape, positions, base in [
        ("one pair", (1, 3, 2, 2), [0, 1, 2], (10.0,)),
        ("the usual base", (2, 4, 3, 6), [0, 1, 2, 3], ()),
        ("positions that start at 5", (2, 3, 1, 8), [5, 6, 7], (500.0,)),
        ("positions in any order", (1, 5, 2, 10), [9, 3, 3, 0, 12], ()),
        ("as many heads as tokens", (3, 4, 4, 4), [2, 3, 4, 5], (50.0,)),
    ]:
        args = (rng.normal(size=shape), np.array(positions), *base)
        yield Case(note, args)


DRILL = Drill(
    reference=rotary_embedding,
    cases=cases,
    alternatives=(as_complex_numbers, by_a_matrix_for_each_token),
    conventions=(halves_paired,),
    mistakes=(
        returned_as_it_came,
        base_ignored,
        turned_the_other_way,
        exponent_without_the_two,
        one_angle_for_all_pairs,
        positions_ignored,
        shifted_by_the_first_position,
        turned_by_the_number_of_the_head,
        cosine_and_sine_exchanged,
        minus_forgotten,
        second_from_the_turned_first,
        angles_of_other_pairs,
    ),
    hints=(
        "Take one pair at one position and turn it as on paper. At position 0 nothing moves.",
        "d / 2 frequencies, base^(−2i / d); the angles are positions times frequencies. What shape "
        "do they need to fit a (batch, time, heads, d / 2) array?",
        "angle = positions[:, None, None] · frequency; u, v = x[..., ::2], x[..., 1::2]; stack "
        "u · cos − v · sin and u · sin + v · cos on a new last axis, and reshape to x.shape.",
    ),
    explanation=(
        "Turn a query by a and a key by b, and their product depends on b − a only: the score sees "
        "the distance, wherever the two stand (Su and others, 2021, RoFormer: Enhanced Transformer "
        "with Rotary Position Embedding). Lengths stay, and nothing is learned. The two pairings "
        "differ by an order of columns; weights trained with one are useless with the other. "
        "Asked next: why are the values not turned? They are what is fetched: their sum should not "
        "depend on where they stood. And how is a model brought to longer texts? By a larger base, "
        "or by positions scaled down, and some more training."
    ),
    difficulty=2,
    taught_in="06_gpt_from_scratch, section 3",
)
