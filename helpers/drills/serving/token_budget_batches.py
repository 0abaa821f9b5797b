import numpy as np

from helpers.drills.spec import Case, Drill


def token_budget_batches(lengths: list, budget: int, max_requests: int) -> list:
    """Put waiting requests together into batches, as a server in front of a model does: dynamic
    batching, with a budget of tokens.

    `lengths`, a list of ints, each at least 1, has the number of tokens of each request, in order
    of arrival; it may be empty. The texts of a batch are padded to the longest of them, so a batch
    costs (requests in it) · (longest length in it) tokens, padding included. A batch may cost
    `budget` tokens at most and hold `max_requests` requests at most; both are ints, at least 1.
    Keep the order of arrival: each request goes into the current batch if that stays within both
    limits, and otherwise opens the next one; a batch once left is closed. Return a list of batches,
    each a list of places in `lengths`, counted from 0. No requests make no batches: []. If any
    request alone has more tokens than `budget`, raise ValueError. `lengths` stays as it is.
    """
    batches = []
    for place, length in enumerate(lengths):
        if length > budget:
            raise ValueError(f"request {place} has {length} tokens: the budget is {budget}")
        with_it = [*batches[-1], place] if batches else [place]
        cost = len(with_it) * max(lengths[i] for i in with_it)
        if batches and len(with_it) <= max_requests and cost <= budget:
            batches[-1] = with_it
        else:
            batches.append([place])
    return batches


def batch_after_batch(lengths, budget, max_requests):
    if any(length > budget for length in lengths):
        raise ValueError("a request does not fit")
    batches, start = [], 0
    while start < len(lengths):
        stop = start
        while stop < len(lengths) and stop - start < max_requests:
            if max(lengths[start : stop + 1]) * (stop + 1 - start) > budget:
                break
            stop += 1
        batches.append(list(range(start, stop)))
        start = stop
    return batches


def with_running_maxima(lengths, budget, max_requests):
    if not all(length <= budget for length in lengths):
        raise ValueError(lengths)
    batches, start = [], 0
    while start < len(lengths):
        longest = np.maximum.accumulate(lengths[start : start + max_requests])
        costs = longest * np.arange(1, len(longest) + 1)  # of the first one, the first two, …
        stop = start + int(np.sum(costs <= budget))
        batches.append([*range(start, stop)])
        start = stop
    return batches


def _fill(lengths, budget, max_requests, fits):
    """One pass in which `fits` decides: the batch's lengths, the new one and both limits."""
    if max(lengths, default=0) > budget:
        raise ValueError
    batches = []
    for place, length in enumerate(lengths):
        kept = [lengths[i] for i in batches[-1]] if batches else []
        if not kept or not fits(kept, length, budget, max_requests):
            batches.append([])
        batches[-1].append(place)
    return batches


def padding_not_counted(lengths, budget, max_requests):
    """You add up the lengths. The texts of a batch are padded to the longest one, and the padding
    is computed too: number times longest."""

    def fits(kept, length, budget, max_requests):
        return len(kept) < max_requests and sum(kept) + length <= budget

    return _fill(lengths, budget, max_requests, fits)


def new_length_for_the_longest(lengths, budget, max_requests):
    """You multiply the number of requests by the length of the newest one. The longest in the
    batch counts, whenever it came."""

    def fits(kept, length, budget, max_requests):
        return len(kept) < max_requests and (len(kept) + 1) * length <= budget

    return _fill(lengths, budget, max_requests, fits)


def new_request_not_counted(lengths, budget, max_requests):
    """You check what the batch costs before the new request is in it, and so it may go over the
    budget by one. Count the newcomer, and let it count for the longest."""

    def fits(kept, length, budget, max_requests):
        return len(kept) < max_requests and len(kept) * max(kept) < budget

    return _fill(lengths, budget, max_requests, fits)


def budget_not_reached(lengths, budget, max_requests):
    """You close a batch that would cost exactly the budget. It may: only more is too much."""

    def fits(kept, length, budget, max_requests):
        return len(kept) < max_requests and (len(kept) + 1) * max(*kept, length) < budget

    return _fill(lengths, budget, max_requests, fits)


def number_without_limit(lengths, budget, max_requests):
    """You do not look at `max_requests`. Many short requests fit into the budget, and there are no
    places for them in the cache."""
    return token_budget_batches(lengths, budget, len(lengths) + 1)


def one_request_too_many(lengths, budget, max_requests):
    """Your batches hold up to max_requests + 1: you compare the number before the new request is
    added, and allow equality."""
    return token_budget_batches(lengths, budget, max_requests + 1)


def longest_never_forgotten(lengths, budget, max_requests):
    """You keep the longest length from the batches before. A new batch begins with its own first
    request."""
    if max(lengths, default=0) > budget:
        raise ValueError
    batches, longest = [], 0
    for place, length in enumerate(lengths):
        longest = max(longest, length)
        with_it = len(batches[-1]) + 1 if batches else 1
        if not batches or with_it > max_requests or with_it * longest > budget:
            batches.append([])
        batches[-1].append(place)
    return batches


def last_batch_lost(lengths, budget, max_requests):
    """Your last batch is missing: it is put into the list only when the next one opens. Add it when
    the requests have run out."""
    return token_budget_batches(lengths, budget, max_requests)[:-1]


def sorted_by_length(lengths, budget, max_requests):
    """You sort the requests by length. That saves padding, and lets a long one wait for all that
    are shorter: here they stay in order of arrival."""
    order = sorted(range(len(lengths)), key=lambda place: lengths[place])
    batches = token_budget_batches(sorted(lengths), budget, max_requests)
    return [[order[place] for place in batch] for batch in batches]


def put_into_earlier_gaps(lengths, budget, max_requests):
    """You put a request into any earlier batch that still has room. A batch that was left is
    closed, and may be running: only the current one takes more."""
    if max(lengths, default=0) > budget:
        raise ValueError
    batches = []
    for place, length in enumerate(lengths):
        for batch in batches:
            longest = max(length, *(lengths[i] for i in batch))
            if len(batch) < max_requests and (len(batch) + 1) * longest <= budget:
                batch.append(place)
                break
        else:
            batches.append([place])
    return batches


def too_long_left_out(lengths, budget, max_requests):
    """You leave out a request that is longer than the budget, without a word, and its sender waits
    for ever. Raise ValueError."""
    places = [place for place, length in enumerate(lengths) if length <= budget]
    short = [lengths[place] for place in places]
    batches = token_budget_batches(short, budget, max_requests)
    return [[places[i] for i in batch] for batch in batches]


def too_long_by_itself(lengths, budget, max_requests):
    """You run a request that is longer than the budget in a batch of its own. The budget is what
    the memory holds: raise ValueError."""
    cut = [min(length, budget + 1) for length in lengths]
    batches = []
    for place, length in enumerate(cut):
        kept = [cut[i] for i in batches[-1]] if batches else []
        number = len(kept) + 1
        if not kept or number > max_requests or number * max(*kept, length) > budget:
            batches.append([])
        batches[-1].append(place)
    return batches


def cases(rng):
    yield Case("five requests", ([3, 2, 4, 1, 1], 8, 3))
    yield Case("one request, as long as the budget", ([5], 5, 2))
    yield Case("no requests", ([], 10, 4))
    yield Case("short ones after a long one", ([6, 1, 1, 1, 1, 1], 12, 5))
    yield Case("a long one after short ones", ([1, 1, 1, 5, 1], 9, 4))
    yield Case("many short ones", ([1, 2, 1, 2, 1, 1, 2], 100, 3))
    yield Case("one request a batch", ([2, 1, 3], 50, 1))
    yield Case("one request too long", ([2, 3, 11, 1], 10, 4))
    for count, longest, budget, most in ((9, 6, 14, 4), (20, 30, 90, 5), (31, 9, 27, 6)):
        lengths = rng.integers(1, longest + 1, count).tolist()
        yield Case(f"{count} random requests, budget {budget}", (lengths, budget, most))


DRILL = Drill(
    reference=token_budget_batches,
    cases=cases,
    alternatives=(batch_after_batch, with_running_maxima),
    mistakes=(
        padding_not_counted,
        new_length_for_the_longest,
        new_request_not_counted,
        budget_not_reached,
        number_without_limit,
        one_request_too_many,
        longest_never_forgotten,
        last_batch_lost,
        sorted_by_length,
        put_into_earlier_gaps,
        too_long_left_out,
        too_long_by_itself,
    ),
    hints=(
        "What would the current batch cost *with* the new request in it? Two things may change.",
        "Write down the current batch with the new request in it. There are three reasons to open "
        "the next batch instead; the first request of all is one of them.",
        "with_it = [*batches[-1], place]; it stays if len(with_it) ≤ max_requests and len(with_it) "
        "· (its longest length) ≤ budget; otherwise append [place] to the batches.",
    ),
    explanation=(
        "The product counts what is computed and stored, padding included; the sum of the lengths "
        "does not. fairseq's `--max-tokens` bounds batches in the same way (Ott and others, 2019, "
        "fairseq: A Fast, Extensible Toolkit for Sequence Modeling). Asked next: in such a batch "
        "all wait for the longest answer; what helps? Continuous batching decides anew after every "
        "token: who has finished leaves, and the next in the queue takes the place "
        "(iteration-level scheduling: Yu and others, 2022, Orca: A Distributed Serving System for "
        "Transformer-Based Generative Models)."
    ),
    difficulty=2,
    taught_in="08_serving_and_costs, section 1",
)
