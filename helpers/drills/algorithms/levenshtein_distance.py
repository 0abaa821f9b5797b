import difflib
from functools import cache

import numpy as np

from helpers.drills.spec import Case, Drill


def levenshtein_distance(first, second) -> int:
    """Compute the edit distance of two sequences: the least number of edits that turn `first` into
    `second`. It finds the nearest word for a misspelt one, and is the numerator of the word and
    character error rates of speech recognition.

    An edit inserts one item, deletes one, or substitutes one for another; each counts 1. `first`
    and `second` are both texts, whose items are characters, or both lists of words or numbers,
    whose items are compared as wholes, with ==. Either may be empty. Return a whole number. The
    time must grow like the product of the two lengths: two sequences of 80 items have two seconds.
    """
    previous = list(range(len(second) + 1))  # from nothing to the first j items of `second`
    for i, item in enumerate(first, start=1):
        current = [i]  # from i items to nothing: delete them all
        for j, other in enumerate(second, start=1):
            current.append(
                min(
                    previous[j] + 1,  # delete item
                    current[j - 1] + 1,  # insert other
                    previous[j - 1] + (item != other),  # substitute, or keep
                )
            )
        previous = current
    return previous[-1]


def with_the_whole_table(first, second):
    table = np.empty((len(first) + 1, len(second) + 1), int)
    table[:, 0] = np.arange(len(first) + 1)
    table[0] = np.arange(len(second) + 1)
    for i in range(1, len(first) + 1):
        for j in range(1, len(second) + 1):
            if first[i - 1] == second[j - 1]:
                table[i, j] = table[i - 1, j - 1]
            else:
                table[i, j] = 1 + min(table[i - 1, j], table[i, j - 1], table[i - 1, j - 1])
    return int(table[-1, -1])


def by_remembered_rests(first, second):
    @cache
    def rest(i, j):
        """From first[i:] to second[j:]."""
        if i == len(first):
            return len(second) - j
        if j == len(second):
            return len(first) - i
        if first[i] == second[j]:
            return rest(i + 1, j + 1)
        return 1 + min(rest(i + 1, j), rest(i, j + 1), rest(i + 1, j + 1))

    return rest(0, 0)


def _table(first, second, substitution=1, match=0, row=1, column=1, swaps=False):
    """The whole table, with other prices: along the first row and column, and in the middle."""
    n, m = len(first), len(second)
    table = [[i * column + j * row for j in range(m + 1)] for i in range(n + 1)]
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            same = first[i - 1] == second[j - 1]
            ways = [table[i - 1][j] + 1, table[i][j - 1] + 1]
            ways.append(table[i - 1][j - 1] + (match if same else substitution))
            if swaps and i > 1 and j > 1 and [*first[i - 2 : i]] == [*second[j - 2 : j]][::-1]:
                ways.append(table[i - 2][j - 2] + 1)
            table[i][j] = min(ways)
    return table


def substitution_costs_two(first, second):
    """A substitution costs 2 in yours, or there is none, and it takes a deletion and an insertion:
    that is the distance of the longest common subsequence. Here it counts 1."""
    return _table(first, second, substitution=2)[-1][-1]


def equal_items_cost_one(first, second):
    """A step to the next item of both costs 1 in yours even where the two are equal. Equal items
    are kept, and cost nothing."""
    return _table(first, second, match=1)[-1][-1]


def different_items_for_free(first, second):
    """You step along the diagonal for nothing whatever the items are, so that only the lengths
    count. Where the items differ it is a substitution."""
    return _table(first, second, substitution=0)[-1][-1]


def borders_of_zeros(first, second):
    """The first row and the first column of your table are zeros: items in front are inserted or
    deleted for nothing. They are 0, 1, 2, …: so many edits it takes from or to nothing."""
    return _table(first, second, row=0, column=0)[-1][-1]


def first_row_of_zeros(first, second):
    """The first row of your table is zeros: items in front of `second` are inserted for nothing, as
    in a search for a passage. It is 0, 1, 2, …"""
    return _table(first, second, row=0)[-1][-1]


def first_column_of_zeros(first, second):
    """The first column of your table is zeros: items in front of `first` are deleted for nothing.
    In row i it is i."""
    return _table(first, second, column=0)[-1][-1]


def rows_share_their_memory(first, second):
    """`previous` and `current` are one list in your code: where you read the row above, it has been
    overwritten. Make a new list for each row, or keep the one number of the diagonal aside."""
    row = list(range(len(second) + 1))
    for i, item in enumerate(first, start=1):
        current = row
        current[0] = i
        for j, other in enumerate(second, start=1):
            current[j] = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (item != other))
    return row[-1]


def no_way_from_the_left(first, second):
    """Your minimum leaves out the neighbour to the left, so nothing is ever inserted but at the
    start. There are three neighbours: above, left, and above left."""
    table = _table(first, second)
    for i in range(1, len(first) + 1):
        for j in range(1, len(second) + 1):
            cost = first[i - 1] != second[j - 1]
            table[i][j] = min(table[i - 1][j] + 1, table[i - 1][j - 1] + cost)
    return table[-1][-1]


def no_way_from_above(first, second):
    """An item of `first` can be deleted only in front in yours: the way down, from the entry above,
    is missing. A deletion is one of the three edits: take it into the minimum."""
    return no_way_from_the_left(second, first)


def neighbours_swapped(first, second):
    """You count two items that have changed places as one edit: that is the Damerau-Levenshtein
    distance. Here a swap takes two edits."""
    return _table(first, second, swaps=True)[-1][-1]


def last_row_and_column_missing(first, second):
    """Your result does not see the last items: the table needs one row and one column more than
    there are items, for nothing at all."""
    return _table(first[:-1], second[:-1])[-1][-1]


def place_by_place(first, second):
    """You compare item by item at the same places, and add what one has more. One insertion in
    front then spoils all the rest: let the places shift, with a table."""
    differing = sum(a != b for a, b in zip(first, second, strict=False))
    return differing + abs(len(first) - len(second))


def items_counted(first, second):
    """You count which items each has more of. The order of the items counts, too."""
    rest = list(second)
    for item in first:
        if item in rest:
            rest.remove(item)
    common = len(second) - len(rest)
    return max(len(first), len(second)) - common


def longest_matches_first(first, second):
    """You take the longest common stretch first and go on with what is left of it and right of it,
    as difflib does. That is greedy: a long match may keep many others from being used. Compare all
    ways, with a table."""
    blocks = difflib.SequenceMatcher(None, first, second, autojunk=False).get_opcodes()
    return sum(max(b - a, d - c) for tag, a, b, c, d in blocks if tag != "equal")


def divided_by_the_length(first, second):
    """You divide by the longer length. That is the normalised distance: the number of edits is
    asked for."""
    return levenshtein_distance(first, second) / max(len(first), len(second), 1)


def lists_joined_to_texts(first, second):
    """You join the items of a list to one text and count characters. A word is one item, right or
    wrong as a whole."""
    if isinstance(first, list):
        first, second = (" ".join(map(str, items)) for items in (first, second))
    return levenshtein_distance(first, second)


def capitals_ignored(first, second):
    """You take capitals and small letters for the same. Items are compared with ==, as they
    are."""

    def small(items):
        return [item.lower() if isinstance(item, str) else item for item in items]

    return levenshtein_distance(small(first), small(second))


def every_way_tried(first, second):
    """Right on small inputs, but your recursion solves the same rests again and again: the time
    grows exponentially. Remember each result, or fill a table row by row."""

    def rest(i, j):
        if i == len(first) or j == len(second):
            return len(first) - i + len(second) - j
        if first[i] == second[j]:
            return rest(i + 1, j + 1)
        return 1 + min(rest(i + 1, j), rest(i, j + 1), rest(i + 1, j + 1))

    return rest(0, 0)


def cases(rng):
    yield Case("three edits", ("kitten", "sitting"))
    yield Case("from nothing", ("", "abc"))
    yield Case("to nothing", ("abcd", ""))
    yield Case("nothing on either side", ("", ""))
    yield Case("equal texts", ("data", "data"))
    yield Case("one item put in front", ("loss", "gloss"))
    yield Case("one item taken from the front", ("train", "rain"))
    yield Case("two neighbours exchanged", ("form", "from"))
    yield Case("the same letters in another order", ("listen", "silent"))
    yield Case("capitals", ("Keras", "keras"))
    yield Case("Chinese characters", ("举头望明月", "抬头看月亮"))
    yield Case("one against many", ("a", "banana"))
    yield Case("characters may be anything, a line break too", ("a b\nc", "ab\n\nc"))
    words = "the cat sat on the mat".split()
    yield Case("lists of words", (words, "the bat sat on mat".split()))
    yield Case("lists of numbers", ([1, 10, 2, 0], [1, 1, 0, 2, 0]))
    yield Case("an empty list", ([], ["a", "bc"]))
    crossing = "abcdefgh12345", "12345abXcdefYgh"
    yield Case("two long stretches that cross", crossing, seconds=2)
    for n, m, letters in ((5, 9, 2), (13, 8, 3), (11, 11, 4)):
        first, second = ("".join(rng.choice([*"abcd"[:letters]], size)) for size in (n, m))
        yield Case(f"{n} and {m} random letters", (first, second))
    first, second = ("".join(rng.choice([*"abcdefgh"], size)) for size in (80, 77))
    yield Case("80 and 77 random letters", (first, second), seconds=2)


DRILL = Drill(
    reference=levenshtein_distance,
    cases=cases,
    alternatives=(with_the_whole_table, by_remembered_rests),
    mistakes=(
        substitution_costs_two,
        equal_items_cost_one,
        different_items_for_free,
        borders_of_zeros,
        first_row_of_zeros,
        first_column_of_zeros,
        rows_share_their_memory,
        no_way_from_the_left,
        no_way_from_above,
        neighbours_swapped,
        last_row_and_column_missing,
        place_by_place,
        items_counted,
        longest_matches_first,
        divided_by_the_length,
        lists_joined_to_texts,
        capitals_ignored,
        every_way_tried,
    ),
    hints=(
        "Look at the last item of each. There are three ways to deal with them; which shorter "
        "problems do they leave?",
        "Let entry (i, j) of a table be the distance of the first i items of one from the first j "
        "of the other. The first row and column are known; every other entry needs its neighbours "
        "above, left, and above left.",
        "entry = min(above + 1, left + 1, above_left + (items differ)). The answer is the last "
        "entry; one row at a time is enough memory.",
    ),
    explanation=(
        "A best way to edit prefixes ends in a deletion, an insertion, or a pair of last items "
        "that is kept or substituted; what comes before is a best way for shorter prefixes (Wagner "
        "and Fischer, 1974): n · m entries, and two rows of memory. Keeping equal last items is "
        "never worse than any other way, so the two forms of the rule agree. Divided by the length "
        "of the *reference* text it is the word error rate, which may exceed 1. Asked next: is the "
        "distance at most 2? Then only a band of five diagonals is needed. And which edits were "
        "they? Keep the table, and walk back from its last entry."
    ),
    difficulty=2,
    taught_in="02_evaluation_metrics, section 6",
)
