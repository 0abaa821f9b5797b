from collections import Counter

import numpy as np

from helpers.drills.spec import Case, Drill


def bleu_precision(candidate: list, references: list, n: int) -> float:
    """Compute the clipped n-gram precision, the heart of BLEU: the share of a translation's n-grams
    that occur in a reference translation.

    `candidate` is a list of tokens (strings), `references` a list of at least one such list. An
    n-gram is n tokens in a row, and counts as often as it occurs in the candidate, but is credited
    at most as often as it occurs in the one reference that has it most often. Tokens are compared
    exactly as they are; n is at least 1. Return credited n-grams / n-grams of the candidate, one
    float; 0.0 where the candidate has fewer than n tokens. A reference may be shorter than n.
    """

    def ngrams(tokens):
        return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))

    own = ngrams(candidate)
    allowed = Counter()
    for reference in references:
        allowed |= ngrams(reference)  # the union of counters keeps the larger count
    return (own & allowed).total() / max(own.total(), 1)


def by_counting(candidate, references, n):
    def cut(tokens):
        return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]

    grams, credited = cut(candidate), 0
    for gram in set(grams):
        most = max(cut(reference).count(gram) for reference in references)
        credited += min(grams.count(gram), most)
    return credited / len(grams) if grams else 0.0


def by_crossing_off(candidate, references, n):
    def cut(tokens):
        return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]

    best = Counter()
    for reference in map(cut, references):
        for gram in reference:
            best[gram] = max(best[gram], reference.count(gram))
    credited, grams = 0, cut(candidate)
    for gram in grams:
        if best[gram] > 0:
            best[gram] -= 1
            credited += 1
    return credited / len(grams) if grams else 0.0


def _ngrams(tokens, n):
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def not_clipped(candidate, references, n):
    """You credit an n-gram as often as the candidate repeats it: "the the the" would be perfect.
    Credit it at most as often as a reference has it."""
    own = _ngrams(candidate, n)
    known = set().union(*(_ngrams(reference, n) for reference in references))
    return sum(own[gram] for gram in own if gram in known) / max(own.total(), 1)


def clipped_by_the_sum_of_the_references(candidate, references, n):
    """You add up the counts of all references. The limit is the *largest* count in any one of them:
    else more references would excuse more repetition."""
    allowed = sum((_ngrams(reference, n) for reference in references), Counter())
    own = _ngrams(candidate, n)
    return (own & allowed).total() / max(own.total(), 1)


def references_joined(candidate, references, n):
    """You join the references to one text. Their counts then add up, and n-grams arise at the seams
    that no reference has. Count each by itself, and take the largest count."""
    return bleu_precision(candidate, [[token for r in references for token in r]], n)


def only_the_first_reference(candidate, references, n):
    """You look at the first reference only. All of them are right: take the largest count in
    any."""
    return bleu_precision(candidate, references[:1], n)


def the_best_single_reference(candidate, references, n):
    """You score against each reference and take the best. In BLEU every n-gram may come from
    another reference: take the largest count for each n-gram."""
    return max(bleu_precision(candidate, [reference], n) for reference in references)


def each_ngram_once(candidate, references, n):
    """You use sets, so an n-gram counts once however often it occurs. Count with a `Counter`."""
    own = set(_ngrams(candidate, n))
    known = set().union(*(_ngrams(reference, n) for reference in references))
    return len(own & known) / max(len(own), 1)


def recall_for_precision(candidate, references, n):
    """You divide by the n-grams of the references: that is recall, as in ROUGE. BLEU's precision
    divides by the n-grams of the candidate."""
    own, allowed = _ngrams(candidate, n), Counter()
    for reference in references:
        allowed |= _ngrams(reference, n)
    return (own & allowed).total() / max(allowed.total(), 1)


def divided_by_the_references_ngrams(candidate, references, n):
    """You divide by the number of n-grams of the first reference: a candidate that says too much
    would not be punished. Precision divides by the candidate's own n-grams."""
    own = _ngrams(candidate, n)
    of_reference = _ngrams(references[0], n).total()
    return bleu_precision(candidate, references, n) * own.total() / max(of_reference, 1)


def set_over_all(candidate, references, n):
    """You count each kind of n-gram once above the line, and every occurrence below it. Credit an
    n-gram as often as both sides have it."""
    own = _ngrams(candidate, n)
    known = set().union(*(_ngrams(reference, n) for reference in references))
    return len(set(own) & known) / max(own.total(), 1)


def divided_by_the_tokens(candidate, references, n):
    """You divide by the number of tokens. A text of t tokens has t − n + 1 n-grams: a perfect
    translation must score 1."""
    own = _ngrams(candidate, n)
    return bleu_precision(candidate, references, n) * own.total() / max(len(candidate), 1)


def ngrams_without_overlap(candidate, references, n):
    """You cut the text into pieces of n tokens. N-grams overlap: one starts at every token."""

    def cut(tokens):
        return Counter(tuple(tokens[i : i + n]) for i in range(0, len(tokens) - n + 1, n))

    own, allowed = cut(candidate), Counter()
    for reference in references:
        allowed |= cut(reference)
    return (own & allowed).total() / max(own.total(), 1)


def penalty_for_brevity_included(candidate, references, n):
    """You multiply by BLEU's penalty for brevity. That is a later step: here the precision alone is
    asked for."""
    length = len(candidate)
    closest = min((abs(len(r) - length), len(r)) for r in references)[1]
    penalty = min(1, np.exp(1 - closest / max(length, 1)))
    return penalty * bleu_precision(candidate, references, n)


def last_ngram_missing(candidate, references, n):
    """You lose the last n-gram of every text: the starts run to len(tokens) − n, inclusive."""
    return bleu_precision(candidate[:-1], [reference[:-1] for reference in references], n)


def all_orders_up_to_n(candidate, references, n):
    """You average over the orders 1 to n. That is a later step of BLEU, with a geometric mean: here
    one order is asked for."""
    return np.mean([bleu_precision(candidate, references, order) for order in range(1, n + 1)])


def order_ignored(candidate, references, n):
    """You compare n-grams as sets of tokens, so "dog bites" equals "bites dog". The order is what
    n-grams are for: use tuples."""
    own = Counter(tuple(sorted(gram)) for gram in _ngrams(candidate, n).elements())
    allowed = Counter()
    for reference in references:
        allowed |= Counter(tuple(sorted(gram)) for gram in _ngrams(reference, n).elements())
    return (own & allowed).total() / max(own.total(), 1)


def short_candidate_fails(candidate, references, n):
    """A candidate with fewer than n tokens has no n-grams, and you divide by zero. Return 0.0."""
    own, allowed = _ngrams(candidate, n), Counter()
    for reference in references:
        allowed |= _ngrams(reference, n)
    return (own & allowed).total() / own.total()


def cases(rng):
    cat = "the cat is on the mat".split(), "there is a cat on the mat".split()
    yield Case("one word seven times", (["the"] * 7, [cat[0], cat[1]], 1))
    yield Case("its pairs", (["the"] * 7, [cat[0], cat[1]], 2))
    yield Case("pairs from two references", ("a cat is on the mat".split(), [cat[0], cat[1]], 2))
    yield Case("a reference itself", (cat[1], [cat[0], cat[1]], 3))
    yield Case("shorter than n", (["the", "cat"], [cat[0]], 3))
    yield Case("tokens that only look alike joined", (["a", "bc", "d"], [["ab", "c", "d"]], 2))
    yield Case("a space inside a token", (["a b", "c"], [["a", "b c"]], 2))
    yield Case("a full stop", (["the", "mat."], [["the", "mat"]], 1))
    yield Case("a word inside another", ("at he mat".split(), [cat[0]], 1))
    yield Case("a reference shorter than n", ("the cat is here".split(), [["cat"], cat[1]], 2))
    yield Case("a capital letter", (["The", "cat"], [["the", "cat"]], 1))
    yield Case("exactly n tokens", (["the", "cat"], [cat[0]], 2))
    yield Case(
        "a pair across two references", (["it", "there"], [["on", "it"], ["there", "is"]], 2)
    )
    yield Case("no tokens", ([], [cat[0]], 1))
    yield Case("nothing in common", (["dogs", "bark"], [cat[0]], 1))
    yield Case("the order turned round", ("mat the on is cat the".split(), [cat[0], cat[1]], 2))
    for length, order in ((9, 1), (14, 2), (23, 3)):
        words = np.array(["a", "b", "c"])
        draw = [words[rng.integers(0, 3, length + extra)].tolist() for extra in (0, 2, 5)]
        yield Case(f"{length} random tokens, n = {order}", (draw[0], draw[1:], order))


DRILL = Drill(
    reference=bleu_precision,
    cases=cases,
    alternatives=(by_counting, by_crossing_off),
    mistakes=(
        not_clipped,
        clipped_by_the_sum_of_the_references,
        references_joined,
        only_the_first_reference,
        the_best_single_reference,
        each_ngram_once,
        recall_for_precision,
        divided_by_the_references_ngrams,
        set_over_all,
        divided_by_the_tokens,
        ngrams_without_overlap,
        penalty_for_brevity_included,
        last_ngram_missing,
        all_orders_up_to_n,
        order_ignored,
        short_candidate_fails,
    ),
    hints=(
        "Count the candidate's n-grams, tuples of n tokens, with a `Counter`. How many are there "
        "in t tokens?",
        "For each n-gram, credit the smaller of two counts: that in the candidate, and the "
        "largest in any one reference.",
        "allowed = the union `|` of the references' counters; credited = `(own & "
        "allowed).total()`; divide by own.total(), where that is not 0.",
    ),
    explanation=(
        "`|` of two counters keeps the larger count, `&` the smaller: exactly the two rules of "
        'Papineni et al. (2002), whose example this is: seven times "the" gets 2/7 instead of '
        "7/7. BLEU itself sums both counts over a whole corpus, takes the geometric mean for n = "
        "1 to 4, and multiplies by a penalty for brevity. Asked next: why a penalty, when it is a "
        "precision?"
    ),
    difficulty=2,
    taught_in="02_evaluation_metrics, section 6",
)
