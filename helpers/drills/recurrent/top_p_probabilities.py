import numpy as np

from helpers.drills.spec import Case, Drill


def top_p_probabilities(probabilities: np.ndarray, p: float) -> np.ndarray:
    """Cut off the tail of a language model's distribution where it is long, and leave it where it
    is short: nucleus sampling, top-p.

    `probabilities` has shape (batch, vocabulary); each row sums to 1 and has a nucleus of its own:
    take the tokens from the most probable on, and stop as soon as their probability together
    reaches p, that is, is at least p. The token that reaches it belongs to the nucleus. Of equally
    probable tokens the first in the row (the lower token id) is taken first. 0 ≤ p ≤ 1; the most
    probable token always stays, for p = 0 it alone. Return an array of the same shape: 0 outside
    the nucleus, and inside it the probabilities divided by their sum, so that each row sums to 1.
    The probabilities tried are such that rounding does not decide whether p is reached.
    """
    place = np.argsort(np.argsort(-probabilities, kind="stable"))  # 0 for the most probable
    reached = np.cumsum(np.sort(probabilities)[:, ::-1], axis=1)
    size = 1 + np.sum(reached < p, axis=1, keepdims=True)  # the token that reaches p stays
    nucleus = np.where(place < size, probabilities, 0.0)
    return nucleus / nucleus.sum(axis=1, keepdims=True)


def token_by_token(probabilities, p):
    rows = []
    for row in probabilities.tolist():
        nucleus, total = [], 0.0
        for token in sorted(range(len(row)), key=lambda token: (-row[token], token)):
            if nucleus and total >= p:
                break
            nucleus.append(token)
            total += row[token]
        rows.append([row[t] / total if t in nucleus else 0.0 for t in range(len(row))])
    return rows


def by_what_lies_before(probabilities, p):
    nucleus = np.zeros(probabilities.shape)
    for row, out in zip(probabilities, nucleus, strict=True):
        order = np.argsort(-row, kind="stable")
        before = np.concatenate([[-np.inf], np.cumsum(row[order])[:-1]])
        stays = order[before < p]
        out[stays] = row[stays] / np.sum(row[stays])
    return nucleus


def _order(probabilities):
    return np.argsort(-probabilities, kind="stable")


def _renormalised(kept):
    with np.errstate(invalid="ignore"):
        return kept / kept.sum(axis=1, keepdims=True)


def _sizes(probabilities, p):
    reached = np.cumsum(np.sort(probabilities)[:, ::-1], axis=1)
    return 1 + np.sum(reached < p, axis=1, keepdims=True)


def crossing_token_dropped(probabilities, p):
    """You drop the token that crosses p, so the nucleus holds less than p. It stays: a token goes
    only when those *before* it reach p already."""
    reached = np.cumsum(np.sort(probabilities)[:, ::-1], axis=1)
    size = np.maximum(np.sum(reached <= p, axis=1, keepdims=True), 1)
    return _renormalised(np.where(np.argsort(_order(probabilities)) < size, probabilities, 0.0))


def crossing_token_dropped_and_nothing_left(probabilities, p):
    """You keep tokens while their cumulative probability is at most p. That drops the one that
    crosses p, and where the first token crosses it nothing is left: 0 / 0."""
    reached = np.cumsum(np.sort(probabilities)[:, ::-1], axis=1)
    size = np.sum(reached <= p, axis=1, keepdims=True)
    return _renormalised(np.where(np.argsort(_order(probabilities)) < size, probabilities, 0.0))


def nothing_left_at_zero(probabilities, p):
    """At p = 0 no token stays, and 0 / 0 is NaN. The most probable one always stays."""
    if p == 0:
        return np.full(probabilities.shape, np.nan)
    return top_p_probabilities(probabilities, p)


def one_token_too_many(probabilities, p):
    """Where the tokens so far have p exactly, you take one more. Reaching p is enough: the nucleus
    is the smallest set with *at least* p."""
    reached = np.cumsum(np.sort(probabilities)[:, ::-1], axis=1)
    size = 1 + np.sum(reached <= p, axis=1, keepdims=True)
    return _renormalised(np.where(np.argsort(_order(probabilities)) < size, probabilities, 0.0))


def not_scattered_back(probabilities, p):
    """You decide in sorted order which places stay, and apply that to the unsorted row. The first
    place is not the first token: carry the decision back to the token's own column."""
    stays = np.arange(probabilities.shape[1]) < _sizes(probabilities, p)
    return _renormalised(np.where(stays, probabilities, 0.0))


def left_in_sorted_order(probabilities, p):
    """You return the probabilities from the largest to the smallest. Each belongs to a token: put
    it back into the token's own column."""
    return -np.sort(-top_p_probabilities(probabilities, p))


def accumulated_in_the_given_order(probabilities, p):
    """You add up the probabilities in the order of the vocabulary, so the lowest token ids stay,
    probable or not. Sort first, the most probable in front."""
    before = np.cumsum(probabilities, axis=1) - probabilities
    stays = before < p
    stays[:, 0] = True
    return _renormalised(np.where(stays, probabilities, 0.0))


def ascending_order(probabilities, p):
    """You start from the *least* probable token: sorting is ascending. The nucleus is built from
    the other end."""
    place = np.argsort(np.argsort(probabilities, kind="stable"))
    reached = np.cumsum(np.sort(probabilities), axis=1)
    size = 1 + np.sum(reached < p, axis=1, keepdims=True)
    return _renormalised(np.where(place < size, probabilities, 0.0))


def not_renormalised(probabilities, p):
    """You leave the probabilities of the nucleus as they are, so the rows sum to less than 1.
    Divide by what they sum to."""
    place = np.argsort(_order(probabilities))
    return np.where(place < _sizes(probabilities, p), probabilities, 0.0)


def divided_by_p(probabilities, p):
    """You divide by p. The nucleus has p or more: divide by its own sum."""
    with np.errstate(all="ignore"):
        return not_renormalised(probabilities, p) / np.float64(p)


def each_compared_with_p(probabilities, p):
    """You keep the tokens that have p or more each. It is the probability of the tokens *together*
    that has to reach p: accumulate it."""
    largest = probabilities.max(axis=1, keepdims=True)
    return _renormalised(np.where(probabilities >= np.minimum(p, largest), probabilities, 0.0))


def tail_of_p_removed(probabilities, p):
    """You cut away a tail of p and keep 1 − p. p is what the nucleus keeps: 0.9 keeps most."""
    return top_p_probabilities(probabilities, 1 - p)


def ties_all_kept(probabilities, p):
    """You keep every token as probable as the last one of the nucleus. With ties these are too
    many: the smallest set is asked for, lower token ids first."""
    ranked = np.sort(probabilities)[:, ::-1]
    last = np.minimum(_sizes(probabilities, p), probabilities.shape[1]) - 1
    threshold = np.take_along_axis(ranked, last, axis=1)
    return _renormalised(np.where(probabilities >= threshold, probabilities, 0.0))


def ties_to_the_higher_id(probabilities, p):
    """Of equally probable tokens you take the later one first, as an ascending sort turned round
    does. The earlier one comes first: sort the negative probabilities, with kind="stable"."""
    return top_p_probabilities(probabilities[:, ::-1], p)[:, ::-1]


def one_size_for_the_batch(probabilities, p):
    """You keep as many tokens in every row as the largest nucleus of the batch has. Each row has
    its own size: that is what top-p adds to top-k."""
    place = np.argsort(_order(probabilities))
    return _renormalised(np.where(place < _sizes(probabilities, p).max(), probabilities, 0.0))


def accumulated_down_the_columns(probabilities, p):
    """You sort and add up along axis 0, over the rows of the batch. Each row is a distribution of
    its own: axis 1."""
    return _renormalised(not_renormalised(probabilities.T, p).T)


def cases(rng):
    # All probabilities are whole numbers of 1/64 or 1/1024: every sum of them is exact, in any
    # order, and whether it reaches p does not hang on rounding.
    probabilities = np.array([[2, 16, 40, 6], [20, 12, 16, 16]]) / 64
    yield Case("two rows of four tokens, p = 0.75", (probabilities, 0.75))
    for p in (0.0, 0.01, 0.3, 0.5, 0.9, 0.99, 1.0):
        yield Case(f"the same, p = {p:g}", (probabilities, p))
    ties = np.array([[8, 16, 8, 16, 16], [13, 13, 13, 12, 13], [4, 20, 20, 0, 20]]) / 64
    for p in (0.2, 0.25, 0.4, 0.6):
        yield Case(f"equal probabilities, p = {p:g}", (ties, p))
    exact = np.array([[16, 32, 8, 8], [8, 24, 16, 16], [4, 16, 12, 32]]) / 64
    for p in (0.5, 0.75, 0.875):
        yield Case(f"sums of exactly p = {p:g}", (exact, p))
    sure = np.array([[0, 64, 0], [64, 0, 0], [1, 1, 62]]) / 64
    for p in (0.0, 0.95, 1.0):
        yield Case(f"tokens of probability 0, p = {p:g}", (sure, p))
    yield Case("a vocabulary of one token", (np.ones((3, 1)), 0.5))
    for shape, p in (((7, 5), 0.7), ((4, 31), 0.9), ((1, 11), 0.45), ((9, 6), 0.8)):
        shares = rng.dirichlet(np.ones(shape[1]), shape[0])
        note = f"{shape[0]} random rows of {shape[1]} tokens, p = {p:g}"
        yield Case(note, (rng.multinomial(1024, shares) / 1024, p))


DRILL = Drill(
    reference=top_p_probabilities,
    cases=cases,
    alternatives=(token_by_token, by_what_lies_before),
    mistakes=(
        crossing_token_dropped,
        crossing_token_dropped_and_nothing_left,
        nothing_left_at_zero,
        one_token_too_many,
        not_scattered_back,
        left_in_sorted_order,
        accumulated_in_the_given_order,
        ascending_order,
        not_renormalised,
        divided_by_p,
        each_compared_with_p,
        tail_of_p_removed,
        ties_all_kept,
        ties_to_the_higher_id,
        one_size_for_the_batch,
        accumulated_down_the_columns,
    ),
    hints=(
        "Whether a token stays depends on the tokens that are more probable, not on itself.",
        "Sort each row in descending order and accumulate. The nucleus has one token more than "
        "there are cumulative sums below p. Then find each token's place in that order.",
        '`order = np.argsort(-probabilities, kind="stable")`; `np.argsort(order)` is each '
        "token's place; the size is 1 + the number of cumulative sums below p, row by row. Zero "
        "where the place is not below the size, then divide by the row's sum.",
    ),
    explanation=(
        "Counting the sums below p keeps the token that reaches it, and at least one token, without"
        " a case apart (Holtzman and others, 2020, The Curious Case of Neural Text Degeneration). "
        "The size follows the model: one token where it is sure, hundreds where many would do. "
        "Asked next: temperature first, or top-p? Temperature first, as libraries do: it changes "
        "the cumulative sums and so the nucleus. And at p = 1 a sum that rounds to a little less "
        "than 1 must not matter: here it does not."
    ),
    difficulty=2,
    taught_in="03_recurrent_networks, section 7",
)
