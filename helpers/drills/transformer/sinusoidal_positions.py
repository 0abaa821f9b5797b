import numpy as np

from helpers.drills.spec import Case, Drill


def sinusoidal_positions(length: int, width: int) -> np.ndarray:
    """Tell a transformer where each token stands: the table of sines that is added to its vectors.

    Row p of the table, p = 0, 1, ..., length − 1, is for position p. Its columns come in pairs,
    i = 0, 1, ...: column 2i holds sin(p · f_i) and column 2i + 1 holds cos(p · f_i), with the
    frequency f_i = 10000^(−2i / width), in radians. If width is odd, the last sine has no cosine,
    and the exponent stays 2i / width. length and width are at least 1. Return an array of shape
    (length, width).

    Some libraries write the same columns in another order: all sines first, i = 0, 1, ..., and
    behind them all cosines. Either order is right here.
    """
    column = np.arange(width)
    wavelength = 10_000.0 ** ((column - column % 2) / width)  # the two columns of a pair share one
    angle = np.arange(length)[:, None] / wavelength
    return np.where(column % 2 == 0, np.sin(angle), np.cos(angle))


def sines_in_front(length, width):
    """The same columns: all sines, then all cosines."""
    angle = np.outer(np.arange(length), 10_000.0 ** (-np.arange(0, width, 2) / width))
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)[:, :width]


def pair_by_pair(length, width):
    table = np.empty((length, width))
    for start in range(0, width, 2):
        for p in range(length):
            angle = p / 10_000 ** (start / width)
            table[p, start] = np.sin(angle)
            if start + 1 < width:
                table[p, start + 1] = np.cos(angle)
    return table


def by_turning_a_pointer(length, width):
    # One step turns each pair by its angle: the next row is a complex product with this one.
    column = np.arange(width)
    step = np.exp(1j * np.exp(np.log(10_000) * (column % 2 - column) / width))
    pointer, rows = np.ones(width, complex), []
    for _ in range(length):
        rows.append(np.where(column % 2, pointer.real, pointer.imag))
        pointer = pointer * step
    return np.array(rows)


def _table(position, frequency, width, even=np.sin, odd=np.cos):
    """Column by column: `frequency` holds one for each column."""
    angle = np.outer(position, frequency)
    return np.where(np.arange(width) % 2 == 0, even(angle), odd(angle))


def _exponent(width):
    return (np.arange(width) // 2 * 2) / width


def exponent_without_the_two(length, width):
    """Your exponent is i / width, where i counts the pairs: the frequencies fall only half as far,
    to 1 / 100. It is 2i / width."""
    return _table(np.arange(length), 10_000.0 ** (-_exponent(width) / 2), width)


def a_frequency_for_each_column(length, width):
    """You compute a frequency for each column, so a cosine has another one than its sine. The two
    of a pair share it: that makes a shift in position a rotation."""
    return _table(np.arange(length), 10_000.0 ** (-np.arange(width) / width), width)


def sine_and_cosine_exchanged(length, width):
    """You put cosines into the even columns and sines into the odd ones. Column 0 is a sine: row 0
    begins with 0, 1."""
    frequency = 10_000.0 ** -_exponent(width)
    return _table(np.arange(length), frequency, width, even=np.cos, odd=np.sin)


def odd_width_refused(length, width):
    """With an odd width there is one sine more than there are cosines, and your assignment of the
    cosines fails: they do not fit. Leave out the last cosine."""
    position, start = np.arange(length)[:, None], np.arange(0, width, 2)
    angle = position * 10_000.0 ** (-start / width)
    table = np.zeros((length, width))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle)
    return table


def last_sine_left_out(length, width):
    """With an odd width your last column is zero: width // 2 pairs do not fill the
    table. The last column is a sine by itself."""
    table = sinusoidal_positions(length, width)
    if width % 2:
        table[:, -1] = 0
    return table


def width_rounded_up(length, width):
    """With an odd width you compute the table of the next even one and cut it. The exponent is
    2i / width, with the width that was asked for."""
    return sinusoidal_positions(length, width + width % 2)[:, :width]


def exponents_reach_one(length, width):
    """Your exponents run from 0 to 1: you divide i by the number of pairs minus 1. In the paper
    they are 2i / width and stop short of 1."""
    pairs = (width + 1) // 2
    exponent = np.arange(width) // 2 / max(pairs - 1, 1)
    return _table(np.arange(length), 10_000.0**-exponent, width)


def as_tensor2tensor_does(length, width):
    """Your table is that of the library tensor2tensor: sines first, exponents from 0 to 1, and
    zeros in the last column where the width is odd. The order of columns is right here; the
    exponents are to be 2i / width, and the last column is a sine."""
    pairs = width // 2
    angle = np.outer(np.arange(length), 10_000.0 ** (-np.arange(pairs) / max(pairs - 1, 1)))
    table = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    return np.pad(table, [(0, 0), (0, width % 2)])


def frequencies_grow(length, width):
    """You multiply by 10000^(2i / width): the angles become huge, and neighbours get numbers that
    have nothing to do with each other. The position is divided by it."""
    return _table(np.arange(length), 10_000.0 ** _exponent(width), width)


def base_is_e(length, width):
    """You take exp(−2i / width). The base is 10000: the logarithm of it is missing in the
    exponent."""
    return _table(np.arange(length), np.exp(-_exponent(width)), width)


def counted_from_one(length, width):
    """Your first row is that of position 1. Positions count from 0, where all sines are 0 and all
    cosines 1."""
    return sinusoidal_positions(length + 1, width)[1:]


def angles_in_degrees(length, width):
    """You turn the angles into radians as if they were degrees. p · f is in radians already."""
    frequency = np.deg2rad(10_000.0 ** -_exponent(width))
    return _table(np.arange(length), frequency, width)


def cases(rng):
    for note, length, width in [
        ("two positions, two pairs", 2, 4),
        ("one position", 1, 6),
        ("one column", 4, 1),
        ("two columns", 5, 2),
        ("three columns", 3, 3),
        ("an odd width", 5, 7),
        ("a width whose half is odd", 7, 10),
    ]:
        yield Case(note, (length, width))
    yield Case("many positions", (50, 16), condition=10)
    yield Case("many columns, odd", (11, 65), condition=10)
    for note, columns in [("a random even width", 0), ("a random odd width", 1)]:
        length, pairs = rng.integers(8, 40), rng.integers(4, 30)
        yield Case(note, (int(length), int(2 * pairs + columns)), condition=10)


DRILL = Drill(
    reference=sinusoidal_positions,
    cases=cases,
    alternatives=(pair_by_pair, by_turning_a_pointer),
    conventions=(sines_in_front,),
    mistakes=(
        exponent_without_the_two,
        a_frequency_for_each_column,
        sine_and_cosine_exchanged,
        odd_width_refused,
        last_sine_left_out,
        width_rounded_up,
        exponents_reach_one,
        as_tensor2tensor_does,
        frequencies_grow,
        base_is_e,
        counted_from_one,
        angles_in_degrees,
    ),
    hints=(
        "Write down row 0 first: every sine is 0, every cosine 1. Then row 1, whose first column "
        "is sin(1).",
        "One frequency for each pair: 1, then ever smaller, by the same factor each time. An outer "
        "product of positions and frequencies gives all angles.",
        "frequency = 10000.0 ** (−np.arange(0, width, 2) / width); the sines of the angles go into "
        "table[:, 0::2]; of their cosines the first width // 2 columns into table[:, 1::2].",
    ),
    explanation=(
        "The pairs are hands of clocks: the first turns once in 6.3 positions, the last of a wide "
        "table once in some 60,000 (Vaswani and others, 2017, Attention Is All You Need). Asked "
        "next: why sines and cosines, and not the number p itself? They stay between −1 and 1; "
        "and moving on by k turns each pair by an angle that depends on k alone, so that a linear "
        "map can look k tokens back. Rotary embeddings turn queries and keys by the same angles."
    ),
    difficulty=1,
    taught_in="06_gpt_from_scratch, section 3",
)
