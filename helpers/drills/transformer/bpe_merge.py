import re
from collections import Counter
from itertools import pairwise

import numpy as np

from helpers.drills.spec import Case, Drill


def bpe_merge(words: dict) -> tuple:
    """Learn one merge of byte-pair encoding, the step from which GPT's vocabulary is built: join
    the two neighbours that occur together most often.

    `words` says how often each word occurs in a text: its keys are tuples of symbols, str without
    white space, its values ints, at least 1. A pair is two neighbours in a word, as a tuple; there
    are no pairs across words. Every place in a word at which a pair stands counts as often as the
    word occurs, overlapping places too: ("a", "a", "a") holds ("a", "a") twice. The best pair is
    the most frequent one; of equally frequent ones, that which is smallest as Python orders tuples.
    Return (pair, new_words): the best pair, and a new dict in which it is joined into one symbol
    everywhere. Within a word, go from left to right and use no symbol twice: ("a", "a", "a")
    becomes ("aa", "a"). Where two words become equal, add their counts. If there is no pair, return
    (None, the words as they are). `words` itself must not change; the order in a dict does not
    matter.
    """
    frequency = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            frequency[pair] += count
    if not frequency:
        return None, dict(words)
    best = min(frequency, key=lambda pair: (-frequency[pair], pair))

    new_words = Counter()
    for word, count in words.items():
        symbols = []
        for symbol in word:
            if symbols and (symbols[-1], symbol) == best:
                symbols[-1] = "".join(best)
            else:
                symbols.append(symbol)
        new_words[tuple(symbols)] += count
    return best, new_words


def by_position(words):
    frequency = {}
    for word, count in words.items():
        for i in range(1, len(word)):
            pair = word[i - 1], word[i]
            frequency[pair] = frequency.get(pair, 0) + count
    best = min([p for p in frequency if frequency[p] == max(frequency.values())], default=None)
    new_words = {}
    for word, count in words.items():
        symbols, i = [], 0
        while i < len(word):
            size = 2 if word[i : i + 2] == best else 1
            symbols.append("".join(word[i : i + size]))
            i += size
        new_words[tuple(symbols)] = new_words.get(tuple(symbols), 0) + count
    return best, new_words


def with_regular_expressions(words):
    pairs = [pair for word, count in words.items() for pair in [*pairwise(word)] * count]
    if not pairs:
        return None, words
    best = max(sorted(pairs), key=pairs.count)
    # White space, or an end of the text, has to stand before the pair and behind it.
    alone = re.compile(rf"(?<!\S){re.escape(' '.join(best))}(?!\S)")
    new_words = Counter()
    for word, count in words.items():
        joined = alone.sub(lambda _: "".join(best), " ".join(word))
        new_words[tuple(joined.split())] += count
    return best, new_words


def _frequency(words, pairs_of=pairwise):
    frequency = Counter()
    for word, count in words.items():
        for pair in pairs_of(word):
            frequency[pair] += count
    return frequency


def _merged(word, pair):
    pattern = rf"(?<!\S){re.escape(' '.join(pair))}(?!\S)"
    return tuple(re.sub(pattern, "".join(pair), " ".join(word)).split())


def _step(words, frequency=None, merge=_merged):
    frequency = _frequency(words) if frequency is None else frequency
    pair = min(frequency, key=lambda pair: (-frequency[pair], pair), default=None)
    new_words = Counter()
    for word, count in words.items():
        new_words[merge(word, pair) if pair else word] += count
    return pair, new_words


def counts_of_the_words_ignored(words):
    """You count each word once. A pair counts as often as its word occurs in the text: add the
    word's count, not 1."""
    return _step(words, _frequency(dict.fromkeys(words, 1)))


def once_per_word(words):
    """You count a pair at most once in a word. A word in which it stands at two places counts
    double: go through all places."""
    return _step(words, _frequency(words, lambda word: set(pairwise(word))))


def overlapping_places_counted_once(words):
    """You count ("a", "a") once in ("a", "a", "a"). Overlapping places count here: a word of n
    symbols has n − 1 pairs. It is in joining that no symbol is used twice."""

    def pairs_of(word):
        return [p for p in set(pairwise(word)) for _ in range(len(word) - len(_merged(word, p)))]

    return _step(words, _frequency(words, pairs_of))


def first_seen_of_equals(words):
    """Of equally frequent pairs you take the one seen first, as `max` does. The vocabulary then
    hangs on the order of the dict: take the smallest pair."""
    frequency = _frequency(words)
    return _step(words, {max(frequency, key=frequency.get): 1} if frequency else {})


def largest_of_equals(words):
    """Of equally frequent pairs you take the largest: `max` over (count, pair) compares the pairs
    too. Take the smallest."""
    frequency = _frequency(words)
    return _step(words, {p: 1 for p in sorted(frequency, key=lambda p: (frequency[p], p))[-1:]})


def symbol_used_twice(words):
    """You join at every place where the pair stands, overlapping ones too, so that letters are
    doubled. Behind a joined pair, go on with the symbol after it."""

    def merge(word, pair):
        found = [False, *(two == pair for two in pairwise(word)), False]  # does one end at i?
        kept = [i for i in range(len(word)) if found[i + 1] or not found[i]]
        return tuple("".join(pair) if found[i + 1] else word[i] for i in kept)

    return _step(words, merge=merge)


def from_the_right(words):
    """You join from right to left: ("a", "a", "a") becomes ("a", "aa"). Go from left to right."""

    def turned(symbols):
        return tuple(symbol[::-1] for symbol in symbols[::-1])

    return _step(words, merge=lambda word, pair: turned(_merged(turned(word), turned(pair))))


def borders_of_symbols_crossed(words):
    """You join by `str.replace` in the text of the word, which also finds the pair in parts of
    longer symbols: "a b" stands in "xa b". Compare whole symbols."""

    def merge(word, pair):
        return tuple(" ".join(word).replace(" ".join(pair), "".join(pair)).split())

    return _step(words, merge=merge)


def count_overwritten(words):
    """Two words become equal, and you keep the count of the last one. Both occur in the text: add
    the counts."""
    pair, _ = _step(words)
    return pair, {_merged(word, pair): count for word, count in words.items()}


def no_pair_raises(words):
    """Without any pair your `max` or `min` raises an error. Return None and the words."""
    max(_frequency(words))
    return _step(words)


def cases(rng: np.random.Generator):
    yield Case("two words", ({("l", "o", "w"): 5, ("s", "l", "o", "t"): 2},))
    yield Case("a rare word full of one pair", ({tuple("xyxyxy"): 2, tuple("ab"): 5},))
    yield Case("equally frequent pairs", ({tuple("dcba"): 2, tuple("bd"): 2},))
    yield Case("equal counts, the smallest seen in the middle", ({("ba", "c", "b", "a"): 1},))
    yield Case("one letter in a row", ({tuple("aaa"): 1, tuple("aaaa"): 2, tuple("baaaaa"): 1},))
    yield Case("overlapping places decide", ({tuple("aaa"): 3, tuple("bc"): 5},))
    longer = {("xa", "b"): 1, ("a", "b", "a", "bc"): 2, ("a", "b"): 3, ("ab", "c", "a", "b"): 1}
    yield Case("symbols that are longer than a letter", (longer,))
    yield Case("two words become equal", ({("th", "e"): 4, ("t", "h", "e"): 5},))
    yield Case("no pair: words of one symbol", ({("low",): 5, ("a",): 2},))
    yield Case("no words", ({},))
    for letters, size in (("ab", 5), ("abc", 9), ("abcde", 17)):
        made = ["".join(rng.choice(list(letters), n)) for n in rng.integers(2, 8, size)]
        words = {tuple(word): int(rng.integers(1, 9)) for word in made}
        yield Case(f"{size} random words of the letters {letters}", (words,))


DRILL = Drill(
    reference=bpe_merge,
    cases=cases,
    alternatives=(by_position, with_regular_expressions),
    mistakes=(
        counts_of_the_words_ignored,
        once_per_word,
        overlapping_places_counted_once,
        first_seen_of_equals,
        largest_of_equals,
        symbol_used_twice,
        from_the_right,
        borders_of_symbols_crossed,
        count_overwritten,
        no_pair_raises,
    ),
    hints=(
        "One pass counts pairs, a second joins the best. What does a word seen five times count?",
        "`itertools.pairwise(word)` gives the neighbours. `min` with a key of two parts settles "
        "ties: what has to stand first, so that the most frequent pair is the smallest?",
        "The key is (-frequency[pair], pair). To join, append symbol by symbol to a list; where "
        "its last one and the next are the pair, replace the last. Then add the counts up under "
        "the tuple of the new symbols.",
    ),
    explanation=(
        "Gage (1994) compressed files so; Sennrich, Haddow and Birch (2016, Neural Machine "
        "Translation of Rare Words with Subword Units) made it a tokenizer. Asked next: how is "
        "training made fast? Counting anew takes a pass over all words for each merge; one keeps "
        "the counts, with the words that hold each pair, and changes what the last merge touched."
    ),
    difficulty=2,
    taught_in="06_gpt_from_scratch, section 1",
)
