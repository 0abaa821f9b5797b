import re
from itertools import pairwise

import numpy as np

from helpers.drills.spec import Case, Drill
from helpers.drills.transformer.bpe_merge import bpe_merge


def bpe_encode(word: str, ranks: dict) -> list:
    """Cut one word into the tokens that GPT reads, by byte-pair encoding: repeat on it the merges
    that training learned, in the order in which it learned them.

    `ranks` says which merges there are: its keys are pairs (left, right) of str, its values
    different ints, at least 0; the pair learned first has the lowest. The order of the dict means
    nothing. The pairs come from training: each part of a pair is one letter, or was joined by a
    pair of lower rank. Begin with the letters of `word`. Among all pairs of neighbours find the one
    with the lowest rank, and join it to one symbol wherever it stands, from left to right, using no
    symbol twice: ("a", "a") turns "aaa" into "aa", "a". Go on until no pair of neighbours is in
    `ranks`. Return the symbols in order, a list of str. A letter that is in no pair stays as it is;
    an empty word gives [].
    """
    symbols = list(word)
    while True:
        known = [pair for pair in pairwise(symbols) if pair in ranks]
        if not known:
            return symbols
        best = min(known, key=ranks.get)
        merged = []
        for symbol in symbols:
            if merged and (merged[-1], symbol) == best:
                merged[-1] = "".join(best)
            else:
                merged.append(symbol)
        symbols = merged


def one_pair_at_a_time(word, ranks):
    symbols = list(word)
    while True:
        found = [
            (ranks[left, right], place)
            for place, (left, right) in enumerate(pairwise(symbols))
            if (left, right) in ranks
        ]
        if not found:
            return symbols
        _, place = min(found)
        symbols[place : place + 2] = ["".join(symbols[place : place + 2])]


def merge_by_merge(word, ranks):
    symbols = [*word]
    for pair in sorted(ranks, key=ranks.get):
        while pair in (pairs := [*pairwise(symbols)]):
            place = pairs.index(pair)
            symbols[place : place + 2] = ["".join(pair)]
    return symbols


def _merged(symbols, pair):
    pattern = rf"(?<!\S){re.escape(' '.join(pair))}(?!\S)"
    return re.sub(pattern, "".join(pair), " ".join(symbols)).split()


def _encoded(word, ranks, key, merge=_merged):
    """Join the pair with the smallest key, until there is none."""
    symbols = list(word)
    while known := [pair for pair in pairwise(symbols) if pair in ranks]:
        symbols = merge(symbols, min(known, key=key))
    return symbols


def longest_pair_first(word, ranks):
    """You join the pair that makes the longest symbol. The order is that of training: the lowest
    rank first, however short it is."""
    return _encoded(word, ranks, lambda pair: (-len("".join(pair)), ranks[pair]))


def longest_token_from_the_left(word, ranks):
    """You take the longest known token from the left, which is WordPiece's way of cutting. Here the
    merges are repeated, in the order of their ranks."""
    tokens, known = [], {"".join(pair) for pair in ranks}
    while word:
        ends = range(len(word), 0, -1)
        token = next((word[:end] for end in ends if word[:end] in known), word[0])
        tokens.append(token)
        word = word[len(token) :]
    return tokens


def highest_rank_first(word, ranks):
    """You join the pair with the highest rank first. A low rank was learned early, from frequent
    neighbours: the lowest comes first."""
    return _encoded(word, ranks, lambda pair: -ranks[pair])


def leftmost_pair_first(word, ranks):
    """You join the leftmost pair that is in `ranks`, whatever its rank. Look at all pairs of
    neighbours first, and take the one of the lowest rank."""
    return _encoded(word, ranks, lambda pair: 0, _first_merged)


def one_walk_from_the_left(word, ranks):
    """You walk through the word once, and join the next letter to the symbol before it where the
    pair is known. Ranks decide what is joined, not the place; and a joined symbol may meet another
    one: look again after each merge."""
    symbols = []
    for letter in word:
        if symbols and (symbols[-1], letter) in ranks:
            symbols[-1] += letter
        else:
            symbols.append(letter)
    return symbols


def order_of_the_dict(word, ranks):
    """You go through `ranks` in the order of the dict. The order of the merges is in the values:
    sort by rank."""
    symbols = list(word)
    for pair in ranks:
        symbols = _merged(symbols, pair)
    return symbols


def _first_merged(symbols, pair):
    i = [*pairwise(symbols)].index(pair)
    return [*symbols[:i], "".join(pair), *symbols[i + 2 :]]


def only_the_first_place(word, ranks):
    """You join each pair at its first place only, and go on to the next rank. Join it wherever it
    stands."""
    symbols = list(word)
    for pair in sorted(ranks, key=ranks.get):
        symbols = _first_merged(symbols, pair) if pair in pairwise(symbols) else symbols
    return symbols


def from_the_right(word, ranks):
    """You join from right to left: "aaa" becomes "a", "aa". Go from left to right."""

    def turned(symbols):
        return [symbol[::-1] for symbol in symbols[::-1]]

    def merge(symbols, pair):
        return turned(_merged(turned(symbols), turned(pair)))

    return _encoded(word, ranks, ranks.get, merge)


def borders_of_symbols_crossed(word, ranks):
    """You join by `str.replace` in the text of the word, which also finds the pair in parts of
    longer symbols: "a b" stands in "xa b". Compare whole symbols."""
    text = " ".join(word)
    for pair in sorted(ranks, key=ranks.get):
        text = text.replace(" ".join(pair), "".join(pair))
    return text.split()


def rank_zero_is_lost(word, ranks):
    """You take rank 0 for "not in the dict", since 0 is false: the merge learned first is never
    done. Ask whether the pair is in `ranks`."""
    return bpe_encode(word, {pair: rank for pair, rank in ranks.items() if rank})


def cases(rng: np.random.Generator):
    def case(note, word, *pairs, start=0):
        ranks = {tuple(pair.split()): rank for rank, pair in enumerate(pairs, start)}
        return Case(note, (word, dict(sorted(ranks.items()))), seconds=2.0)

    yield case("four merges", "lower", "e r", "l o", "w er", "lo w")
    yield case("the longer token was learned later", "abcd", "a b", "c d", "ab c", "abc d")
    yield case("the right pair was learned first", "singing", "n g", "i ng", "s i", "si n")
    yield case("one pair at three places", "papapat", "p a", "pa pa", "a t")
    yield case("one letter in a row", "aaaaaaa", "a a", "aa a", "aa aa")
    yield case("parts of a longer symbol", "xabab", "x a", "a b", "b a")
    yield case("ranks that do not begin with 0", "banana", "n a", "a na", "b a", start=7)
    yield case("letters in no pair", "c-a-bab", "a b")
    yield case("no merges", "word")
    yield case("an empty word", "", "a b")
    yield case("one letter", "a", "a a")
    for letters, merges, length in (("ab", 5, 11), ("abc", 9, 17), ("abcd", 17, 29)):
        words, ranks = {tuple(rng.choice(list(letters), 60).tolist()): 1}, {}
        for rank in range(merges):
            pair, words = bpe_merge(words)
            ranks[pair] = rank
        word, shuffled = rng.choice(list(letters), length), rng.permutation(merges)
        ranks = {list(ranks)[rank]: int(rank) for rank in shuffled}
        yield Case(f"{merges} merges learned from random text", ("".join(word), ranks), seconds=2.0)


DRILL = Drill(
    reference=bpe_encode,
    cases=cases,
    alternatives=(one_pair_at_a_time, merge_by_merge),
    mistakes=(
        longest_pair_first,
        longest_token_from_the_left,
        highest_rank_first,
        leftmost_pair_first,
        one_walk_from_the_left,
        order_of_the_dict,
        only_the_first_place,
        from_the_right,
        borders_of_symbols_crossed,
        rank_zero_is_lost,
    ),
    hints=(
        "Which pair did training join first? It has to be joined first here too, before a longer "
        "one that shares a letter with it.",
        "A loop: list the pairs of neighbours that are in `ranks`, choose one, join it wherever it "
        "stands, and begin again with the new symbols. When does it end?",
        "`min(known, key=ranks.get)` is the pair. Append symbol by symbol to a new list; where its "
        "last one and the next are the pair, replace the last by both. Return when no pair is in "
        "`ranks`.",
    ),
    explanation=(
        "Encoding replays training on a new word (Sennrich, Haddow and Birch, 2016, Neural Machine "
        "Translation of Rare Words with Subword Units), so that the text that was trained on is "
        "cut as it was then. The longest match, WordPiece's rule, gives other tokens. Asked next: "
        "what does this loop cost? Up to n rounds over n symbols; a heap of the pairs and a linked "
        "list of the symbols make it n log n, and a cache of whole words saves most of that."
    ),
    difficulty=2,
    taught_in="06_gpt_from_scratch, section 1",
)
