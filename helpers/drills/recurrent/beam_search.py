import heapq
from collections.abc import Callable

import numpy as np

from helpers.drills.spec import Case, Drill


def beam_search(
    log_probs: Callable, start: int, end: int, beam_width: int, max_length: int, alpha: float
) -> tuple:
    """Find a text that a language model holds probable, where the token that looks best at each
    step leads astray: beam search with a length penalty.

    `log_probs(prefix)` takes a tuple of token ids that begins with `start`, and returns an array
    (vocabulary,): the natural logarithm of the probability of each token as the next one; all are
    finite. A hypothesis is such a prefix, with the sum of the log-probabilities of its tokens after
    `start`. Begin with `(start,)`, whose sum is 0, and make max_length ≥ 1 steps. In each, extend
    every hypothesis of the beam by every token, and keep of all these candidates together the
    beam_width ≥ 1 with the largest sums (all of them, where there are fewer). Those of them that
    end in `end` are finished: put them aside for good. The others are the next beam; it may be
    empty. Finished ones take no place in later steps and do not stop the search.

    The score of a hypothesis is its sum / length**alpha, alpha ≥ 0; length counts the tokens after
    `start`, a final `end` included. Return (tokens, score) of the finished hypothesis with the best
    score: tokens is a tuple of ints with `start` and `end`. If none has finished, return the best
    of the last beam, scored in the same way. `start` and `end` may be the same number. There are
    no ties.
    """
    beam, finished = [((start,), 0.0)], []
    for _ in range(max_length):
        candidates = [
            ((*prefix, token), total + log_p)
            for prefix, total in beam
            for token, log_p in enumerate(log_probs(prefix))
        ]
        kept = sorted(candidates, key=lambda candidate: candidate[1], reverse=True)[:beam_width]
        finished += [(prefix, total) for prefix, total in kept if prefix[-1] == end]
        beam = [(prefix, total) for prefix, total in kept if prefix[-1] != end]
    scored = [(prefix, total / (len(prefix) - 1) ** alpha) for prefix, total in finished or beam]
    return max(scored, key=lambda hypothesis: hypothesis[1])


def with_a_table(log_probs, start, end, beam_width, max_length, alpha):
    prefixes, totals, scores = [(start,)], np.zeros(1), {}
    for length in range(1, max_length + 1):
        table = totals[:, None] + np.array([log_probs(prefix) for prefix in prefixes])
        chosen = np.argsort(-table, axis=None)[:beam_width]  # over all parents at once
        parents, tokens = np.unravel_index(chosen, table.shape)
        kept = [(*prefixes[p], int(t)) for p, t in zip(parents, tokens, strict=True)]
        totals = table[parents, tokens]
        for prefix, total in zip(kept, totals, strict=True):
            if prefix[-1] == end:
                scores[prefix] = total / length**alpha
        prefixes = [prefix for prefix in kept if prefix[-1] != end]
        totals = totals[tokens != end]
    if not scores:
        return prefixes[0], totals[0] / max_length**alpha
    best = max(scores, key=scores.get)
    return best, scores[best]


def with_heaps(log_probs, start, end, beam_width, max_length, alpha):
    live, done = [(0.0, (start,))], []
    for length in range(1, max_length + 1):
        step = []
        for total, prefix in live:
            step += [(total + log_p, (*prefix, t)) for t, log_p in enumerate(log_probs(prefix))]
        live = []
        for total, tokens in heapq.nlargest(beam_width, step):
            if tokens[-1] == end:
                done.append((total / length**alpha, tokens))
            else:
                live.append((total, tokens))
    score, tokens = max(done or [(total / max_length**alpha, tokens) for total, tokens in live])
    return list(tokens), score


def _candidates(log_probs, beam):
    return [
        ((*prefix, token), total + log_p)
        for prefix, total in beam
        for token, log_p in enumerate(log_probs(prefix))
    ]


def _top(hypotheses, count):
    return sorted(hypotheses, key=lambda hypothesis: hypothesis[1], reverse=True)[:count]


def _best(hypotheses, alpha):
    return _top([(prefix, s / (len(prefix) - 1) ** alpha) for prefix, s in hypotheses], 1)[0]


def _search(log_probs, start, end, beam_width, max_length, keep=None, stop=None):
    """The finished hypotheses and the last beam. `keep(candidates, finished)` prunes, and
    `stop(finished)` ends the search early."""
    beam, finished = [((start,), 0.0)], []
    for _ in range(max_length):
        candidates = _candidates(log_probs, beam)
        kept = keep(candidates, finished) if keep else _top(candidates, beam_width)
        finished += [one for one in kept if one[0][-1] == end]
        beam = [one for one in kept if one[0][-1] != end]
        if stop and stop(finished):
            break
    return finished, beam


def greedy(log_probs, start, end, beam_width, max_length, alpha):
    """You follow one hypothesis, the best token at each step, whatever beam_width is. Keep that
    many candidates at every step."""
    return beam_search(log_probs, start, end, 1, max_length, alpha)


def pruned_per_parent(log_probs, start, end, beam_width, max_length, alpha):
    """You keep beam_width candidates of *each* hypothesis, so the beam grows with every step. All
    candidates compete: beam_width of them together stay."""

    def keep(candidates, finished):
        parents = dict.fromkeys(prefix[:-1] for prefix, _ in candidates)
        own = [[one for one in candidates if one[0][:-1] == parent] for parent in parents]
        return [one for children in own for one in _top(children, beam_width)]

    finished, beam = _search(log_probs, start, end, beam_width, max_length, keep)
    return _best(finished or beam, alpha)


def only_the_last_token_given(log_probs, start, end, beam_width, max_length, alpha):
    """You give the model the last token only. It may look at the whole prefix, from `start` on."""
    return beam_search(lambda p: log_probs(p[-1:]), start, end, beam_width, max_length, alpha)


def probabilities_added(log_probs, start, end, beam_width, max_length, alpha):
    """You add up probabilities. They multiply along a text: add up their logarithms, as the model
    gives them."""
    return beam_search(lambda p: np.exp(log_probs(p)), start, end, beam_width, max_length, alpha)


def finished_ones_extended(log_probs, start, end, beam_width, max_length, alpha):
    """You extend hypotheses that end in `end` already, so tokens follow the end. Take finished
    ones out of the beam."""
    beam, finished = [((start,), 0.0)], []
    for _ in range(max_length):
        beam = _top(_candidates(log_probs, beam), beam_width)
        finished += [one for one in beam if one[0][-1] == end]
    return _best(finished or beam, alpha)


def finished_ones_drop_out(log_probs, start, end, beam_width, max_length, alpha):
    """You leave finished hypotheses in the beam, where others push them out, though the length
    penalty may favour them in the end. Put them aside: finished ones are never lost, and take no
    place."""
    beam, finished = [((start,), 0.0)], []
    for _ in range(max_length):
        kept = _top(finished + _candidates(log_probs, beam), beam_width)
        finished = [one for one in kept if one[0][-1] == end]
        beam = [one for one in kept if one[0][-1] != end]
    return _best(finished or beam, alpha)


def stops_at_the_first_finished(log_probs, start, end, beam_width, max_length, alpha):
    """You stop as soon as a hypothesis has finished. A longer one may have the better score: go on
    until max_length, or until the beam is empty."""
    finished, beam = _search(log_probs, start, end, beam_width, max_length, stop=bool)
    return _best(finished or beam, alpha)


def stops_when_beam_width_have_finished(log_probs, start, end, beam_width, max_length, alpha):
    """You stop as soon as beam_width hypotheses have finished, as some libraries do to save time. A
    longer one may have the better score: here the search goes on."""
    finished, beam = _search(
        log_probs, start, end, beam_width, max_length, stop=lambda done: len(done) >= beam_width
    )
    return _best(finished or beam, alpha)


def finished_ones_keep_their_place(log_probs, start, end, beam_width, max_length, alpha):
    """Each finished hypothesis makes your beam narrower for good. It takes a place in its own step
    only: every step keeps beam_width candidates."""

    def keep(candidates, finished):
        return _top(candidates, max(beam_width - len(finished), 0))

    finished, beam = _search(log_probs, start, end, beam_width, max_length, keep)
    return _best(finished or beam, alpha)


def finished_ones_take_no_place(log_probs, start, end, beam_width, max_length, alpha):
    """You fill the beam up with beam_width unfinished candidates, as some libraries do. Here a
    candidate that finishes takes one of the beam_width places of its step."""

    def keep(candidates, finished):
        done = [one for one in _top(candidates, beam_width) if one[0][-1] == end]
        return done + _top([one for one in candidates if one[0][-1] != end], beam_width)

    finished, beam = _search(log_probs, start, end, beam_width, max_length, keep)
    return _best(finished or beam, alpha)


def no_length_penalty(log_probs, start, end, beam_width, max_length, alpha):
    """You return the best sum, without the length penalty: each further token costs, and short
    texts win. Divide by length**alpha."""
    return beam_search(log_probs, start, end, beam_width, max_length, 0)


def penalty_multiplied(log_probs, start, end, beam_width, max_length, alpha):
    """You multiply by length**alpha. The sum is negative, so that makes long texts worse still.
    Divide."""
    return beam_search(log_probs, start, end, beam_width, max_length, -alpha)


def start_counted_in_the_length(log_probs, start, end, beam_width, max_length, alpha):
    """You divide by the length of the whole prefix, `start` included. The model did not choose
    `start`: count the tokens after it."""
    finished, beam = _search(log_probs, start, end, beam_width, max_length)
    return _top([(prefix, s / len(prefix) ** alpha) for prefix, s in finished or beam], 1)[0]


def end_not_counted_in_the_length(log_probs, start, end, beam_width, max_length, alpha):
    """You leave `end` out of the length, though its probability is in the sum. It is a token like
    the others: count it."""
    finished, beam = _search(log_probs, start, end, beam_width, max_length)
    if not finished:
        return _best(beam, alpha)
    return _top([(prefix, s / max(len(prefix) - 2, 1) ** alpha) for prefix, s in finished], 1)[0]


def unfinished_ones_compete(log_probs, start, end, beam_width, max_length, alpha):
    """You let the unfinished hypotheses of the last beam compete with the finished ones: the text
    returned may break off. They count only where nothing has finished."""
    finished, beam = _search(log_probs, start, end, beam_width, max_length)
    return _best(finished + beam, alpha)


def nothing_without_an_end(log_probs, start, end, beam_width, max_length, alpha):
    """Where no hypothesis has finished you have nothing to return. Return the best of the last
    beam."""
    finished, _ = _search(log_probs, start, end, beam_width, max_length)
    return _best(finished, alpha) if finished else None


class LanguageModel:
    """The next token depends on the last few: `tables[i]`, shape (vocabulary, vocabulary), holds
    what the token i places before the last adds to the logits."""

    __name__ = "log_probs"  # as which the task shows it

    def __init__(self, tables: np.ndarray) -> None:
        self.tables = tables

    def __call__(self, prefix: tuple) -> np.ndarray:
        rows = zip(self.tables, reversed(prefix), strict=False)  # as far as the prefix goes back
        logits = sum(table[token] for table, token in rows)
        return logits - np.logaddexp.reduce(logits)


def random_model(rng, vocabulary, end, end_logit):
    tables = rng.normal(size=(3, vocabulary, vocabulary))
    tables[0, :, end] += end_logit  # a large one makes short texts
    return LanguageModel(tables)


def cases(rng):
    table = [[0.02, 0.5, 0.4, 0.08], [0.1, 0.31, 0.33, 0.26], [0.03, 0.02, 0.05, 0.9]]
    small = LanguageModel(np.log([[*table, [0.1, 0.2, 0.3, 0.4]]]))
    note = "1 has probability 0.5 after 0 and 2 has 0.4, but the end, 3, has 0.9 after 2"
    yield Case(note, (small, 0, 3, 2, 3, 0.5))
    yield Case("the same model, beam width 1", (small, 0, 3, 1, 3, 0.5))
    yield Case("one step, in which nothing finishes", (small, 0, 3, 2, 1, 0.5))
    yield Case("one step, in which the end comes third", (small, 0, 3, 3, 1, 0.5))
    table = [[0.02, 0.65, 0.03, 0.3], [0.49, 0.005, 0.495, 0.01], [0.3, 0.33, 0.27, 0.1]]
    short = LanguageModel(np.log([[*table, [0.1, 0.2, 0.3, 0.4]]]))
    yield Case("a short text that longer ones overtake for a while", (short, 0, 3, 2, 3, 0.5))
    early = random_model(rng, 5, 2, 6.0)
    yield Case("a beam that is empty after one step", (early, 0, 2, 1, 4, 0.8))
    wide = random_model(rng, 4, 0, 0.5)
    yield Case("a beam as wide as there are texts", (wide, 1, 0, 300, 4, 0.9))
    for seed, vocabulary, start, end, beam_width, max_length, alpha, end_logit in (
        (0, 5, 2, 2, 3, 5, 0.6, 0.0),
        (1, 6, 0, 1, 3, 5, 0.0, 0.5),
        (2, 6, 5, 3, 2, 5, 1.0, -6.0),
        (15, 7, 0, 1, 4, 6, 1.2, 0.5),
        (57, 9, 0, 1, 5, 6, 2.0, 1.0),
        (37, 6, 0, 1, 3, 7, 1.5, 0.5),
        (47, 6, 0, 1, 3, 6, 1.0, -1.0),
    ):
        model = random_model(np.random.default_rng(seed), vocabulary, end, end_logit)
        note = f"{vocabulary} tokens, beam width {beam_width}, up to {max_length} steps"
        note += f", alpha {alpha:g}" + ", one token for start and end" * (start == end)
        yield Case(note, (model, start, end, beam_width, max_length, alpha))


DRILL = Drill(
    reference=beam_search,
    cases=cases,
    alternatives=(with_a_table, with_heaps),
    mistakes=(
        greedy,
        pruned_per_parent,
        only_the_last_token_given,
        probabilities_added,
        finished_ones_extended,
        finished_ones_drop_out,
        stops_at_the_first_finished,
        stops_when_beam_width_have_finished,
        finished_ones_keep_their_place,
        finished_ones_take_no_place,
        no_length_penalty,
        penalty_multiplied,
        start_counted_in_the_length,
        end_not_counted_in_the_length,
        unfinished_ones_compete,
        nothing_without_an_end,
    ),
    hints=(
        "Two lists are enough: the beam, and the finished ones. Each holds pairs of a prefix and "
        "its sum.",
        "In a step, make one list of all extensions of all hypotheses, sort it by the sum, and cut "
        "it at beam_width. Only then part those that end in `end` from the others.",
        "After max_length steps: of the finished ones, or of the beam where there are none, the "
        "largest total / (len(prefix) − 1)**alpha. All candidates of a step are equally long, so "
        "the penalty would not change which of them stay.",
    ),
    explanation=(
        "Pruning compares equally long hypotheses, so the sum is enough; finished ones of several "
        "lengths need the penalty, or the shortest wins. Wu and others (2016), for Google's "
        "translation system, divide by ((5 + length) / 6)**alpha; length**alpha is the plain form. "
        "Libraries differ in when they stop, and in whether a finished hypothesis takes a place. "
        "Asked next: is a wider beam always better? No: translations get worse from some width on "
        "(Koehn and Knowles, 2017), and open-ended text grows dull and repeats itself (Holtzman "
        "and others, 2020)."
    ),
    difficulty=3,
    taught_in="03_recurrent_networks, section 7",
)
