import re
from itertools import takewhile

import numpy as np

from helpers.drills.spec import Case, Drill


def wordpiece_tokens(word: str, vocabulary: list) -> list:
    """Cut one word into the pieces that BERT reads: a word that the vocabulary lacks is spelled in
    parts that it has.

    `vocabulary` is a list of str in any order, without doubles. A piece that goes on inside a word
    is written with "##" in front: "##ing" is an "ing" that does not begin the word, and "ing" one
    that does. Every piece has at least one letter besides. Begin at the left: take the longest
    piece that fits there, go on behind it, and do not come back to that choice. If at some place no
    piece fits, the whole word is unknown, and the result is ["[UNK]"]. Otherwise return the pieces
    in order, as a list of str, with their "##". Upper and lower case are different letters, and
    `word` has no "#" in it. An empty word has no pieces: return [].
    """
    pieces, start = [], 0
    while start < len(word):
        prefix = "##" if start > 0 else ""
        end = len(word)  # try the longest candidate first
        while prefix + word[start:end] not in vocabulary:
            end -= 1
            if end == start:
                return ["[UNK]"]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


def by_going_through_the_vocabulary(word, vocabulary):
    pieces, rest = [], word
    while rest:
        fitting = [piece for piece in vocabulary if rest.startswith(piece)]
        if not fitting:
            return ["[UNK]"]
        longest = max(fitting, key=len)
        pieces.append(longest)
        rest = rest.removeprefix(longest) and f"##{rest.removeprefix(longest)}"
    return pieces


def with_regular_expressions(word, vocabulary):
    def cut(rest):
        if not rest:
            return []
        fit = re.match(longest_first, rest)
        return [fit[0], *cut(re.sub("^(?=.)", "##", rest[fit.end() :]))] if fit else [None]

    longest_first = "|".join(map(re.escape, sorted(vocabulary, key=len, reverse=True))) or "$x"
    pieces = cut(word)
    return ["[UNK]"] if None in pieces else pieces


def _candidates(word, start):
    """All pieces that would fit at a place, the longest first."""
    return [("##" if start else "") + word[start:end] for end in range(len(word), start, -1)]


def _greedy(word, fits, nothing_fits=lambda pieces: ["[UNK]"]):
    """The pieces from the left, where `fits(start)` gives the one at a place, or None."""
    pieces, start = [], 0
    while start < len(word):
        piece = fits(start)
        if piece is None:
            return nothing_fits(pieces)
        pieces.append(piece)
        start += 1 if piece == "[UNK]" else len(piece.removeprefix("##"))
    return pieces


def _first(pieces, vocabulary, otherwise=None):
    return next((piece for piece in pieces if piece in vocabulary), otherwise)


def shortest_match(word, vocabulary):
    """You take the shortest piece that fits, so that words fall into letters. Take the longest: try
    the whole rest of the word first, and shorten it."""
    return _greedy(word, lambda start: _first(_candidates(word, start)[::-1], vocabulary))


def stops_at_the_first_gap(word, vocabulary):
    """You lengthen a piece letter by letter, and stop as soon as it is not in the vocabulary. A
    longer one may be in it all the same: start with the longest candidate."""

    def fits(start):
        known = takewhile(vocabulary.__contains__, _candidates(word, start)[::-1])
        return max(known, key=len, default=None)

    return _greedy(word, fits)


def prefix_forgotten(word, vocabulary):
    """You look for the later pieces without their "##". The vocabulary holds these as other tokens:
    "ing" begins a word, "##ing" goes on in one."""
    pieces = []
    while word:
        piece = _first(_candidates(word, 0), vocabulary)
        if piece is None:
            return ["[UNK]"]
        pieces.append(piece)
        word = word[len(piece) :]
    return pieces


def prefix_only_in_the_result(word, vocabulary):
    """You find the later pieces without "##" and write it in front afterwards. What you return then
    need not be in the vocabulary: look the piece up together with its "##"."""
    pieces = prefix_forgotten(word, vocabulary)
    return pieces[:1] + ["##" + piece for piece in pieces[1:]]


def prefix_lost_in_the_result(word, vocabulary):
    """You look the later pieces up with "##", but return them without: they are other tokens then,
    and the model cannot see where a word begins."""
    return [piece.removeprefix("##") for piece in wordpiece_tokens(word, vocabulary)]


def prefix_on_the_first_piece(word, vocabulary):
    """You look for "##" in front of the first piece too. The first piece begins the word: it stands
    in the vocabulary without."""
    pieces = wordpiece_tokens("_" + word, ["_", *(p for p in vocabulary if p.startswith("##"))])
    return pieces if pieces == ["[UNK]"] else pieces[1:]


def only_the_missing_letter_unknown(word, vocabulary):
    """You put [UNK] for the letter that no piece fits, and go on behind it. In WordPiece one such
    place makes the whole word unknown: a single [UNK], and nothing else."""
    return _greedy(word, lambda start: _first(_candidates(word, start), vocabulary, "[UNK]"))


def unknown_appended(word, vocabulary):
    """You keep the pieces found so far, and append [UNK] for the rest. The whole word is unknown
    then: return [UNK] alone."""

    def fits(start):
        return _first(_candidates(word, start), vocabulary)

    return _greedy(word, fits, lambda pieces: [*pieces, "[UNK]"])


def longest_from_the_right(word, vocabulary):
    """You begin at the end of the word and take the longest piece that ends there. Begin at the
    left, and take the longest piece that fits there."""
    pieces, end = [], len(word)
    while end > 0:
        piece = _first([("##" if i else "") + word[i:end] for i in range(end)], vocabulary)
        if piece is None:
            return ["[UNK]"]
        pieces.append(piece)
        end -= len(piece.removeprefix("##"))
    return pieces[::-1]


def comes_back_for_a_shorter_piece(word, vocabulary):
    """Where no piece fits, you come back and try a shorter one before it. WordPiece is greedy: it
    never comes back, and such a word is [UNK]."""

    def cut(start):
        for piece in _candidates(word, start):
            rest = cut(start + len(piece.removeprefix("##"))) if piece in vocabulary else None
            if rest is not None:
                return [piece, *rest]
        return [] if start == len(word) else None

    return ["[UNK]"] if cut(0) is None else cut(0)


def cases(rng: np.random.Generator):
    def case(note, word, *vocabulary):
        return Case(note, (word, list(vocabulary)), seconds=2.0)

    pieces = "un", "##a", "##aff", "##able", "able", "##ff"
    yield case("a word of three pieces", "unaffable", *pieces)
    yield case("the whole word is a piece", "able", *pieces)
    yield case("no piece for the last part", "unaffected", *pieces)
    yield case("no piece for a part in the middle", "unxable", *pieces)
    yield case("an inside piece does not begin a word", "ing", "sing", "##ing", "s")
    yield case("a first piece does not go on inside one", "singing", "sing", "ing", "s")
    yield case("both spellings in the vocabulary", "inging", "##ing", "ing", "in", "##g")
    yield case("gaps between the lengths", "reading", "r", "read", "##ing", "##i", "##n", "##g")
    yield case("a shorter first piece would have led to the end", "tokens", "token", "toke", "##ns")
    yield case("a longer piece at the end", "abcd", "abc", "##d", "ab", "##cd", "a", "##bcd")
    yield case("upper case", "Able", "able", "a", "A", "##b")
    yield case("an empty word", "", "a", "##a")
    yield case("an empty vocabulary", "abc")
    for length in (6, 9, 13):
        made = {"".join(rng.choice(list("abc"), size)) for size in rng.integers(1, 4, 14)}
        inside = ["##" + piece for piece in sorted(made | {"b", "c"}) if rng.random() < 0.8]
        word, vocabulary = rng.choice(list("abc"), length), rng.permutation(sorted(made) + inside)
        yield case(f"{length} random letters", "".join(word), *vocabulary.tolist())


DRILL = Drill(
    reference=wordpiece_tokens,
    cases=cases,
    alternatives=(by_going_through_the_vocabulary, with_regular_expressions),
    mistakes=(
        shortest_match,
        stops_at_the_first_gap,
        prefix_forgotten,
        prefix_only_in_the_result,
        prefix_lost_in_the_result,
        prefix_on_the_first_piece,
        only_the_missing_letter_unknown,
        unknown_appended,
        longest_from_the_right,
        comes_back_for_a_shorter_piece,
    ),
    hints=(
        "Two places move: where the next piece begins, and its end. Which end is tried first?",
        'Compare `prefix + word[start:end]` with the vocabulary, where prefix is "##" except at '
        "the start of the word, and let `end` come down from the end of the word.",
        "While start < len(word): lower `end` from len(word) until the piece is known. Where it "
        "comes down to `start`, return [UNK] alone; else append the piece, and set start to end.",
    ),
    explanation=(
        "Pieces come from Schuster and Nakajima (2012, Japanese and Korean Voice Search); this "
        "greedy search is BERT's (Devlin et al., 2019). Training chooses the pieces, cutting only "
        "looks them up: no ranks are kept. Asked next: what does it cost? Up to L² / 2 look-ups "
        "for L letters, each a copy of a slice; a trie with failure links does it in one pass "
        "(Song et al., 2021, Fast WordPiece Tokenization)."
    ),
    difficulty=2,
    taught_in="05_bert_from_scratch, section 2",
)
