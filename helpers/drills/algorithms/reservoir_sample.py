import copy
import heapq
import math
from collections import Counter
from itertools import combinations, islice

import numpy as np

from helpers.drills.probes import Stream, frequencies
from helpers.drills.spec import Case, Drill


def reservoir_sample(stream, k: int, rng: np.random.Generator) -> list:
    """Draw k items from a stream whose length nobody knows, so that each has the same chance: a
    log, for instance, of which k lines are to be labelled by hand.

    `stream` is any iterable. It can be read once, from its beginning to its end; it has no length
    and no positions, and is far too long to be kept: hold no more than about k of its items at a
    time. k is at least 1. Return a list of k items, in any order, drawn without replacement: all
    sets of k places of the stream are equally likely. The items may be anything; equal ones are
    different items where they stand at different places. Of a stream of fewer than k items return
    all. Draw with `rng` and with nothing else, in any way you like: the same generator gives the
    same sample. (The sample in the example is one of many.)
    """
    sample = []
    for count, item in enumerate(stream, start=1):  # item is number `count`
        if count <= k:
            sample.append(item)
            continue
        place = rng.integers(count)  # 0 to count - 1
        if place < k:  # with chance k / count
            sample[place] = item
    return sample


def k_largest_keys(stream, k, rng):
    heap = []  # of (key, number, item): the smallest key on top
    for number, item in enumerate(stream):
        entry = (rng.random(), number, item)
        if len(heap) < k:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    return [item for _, _, item in heap]


def with_skips(stream, k, rng):
    stream, end = iter(stream), object()
    sample = list(islice(stream, k))
    largest = rng.random() ** (1 / k)
    while True:
        skip = math.floor(math.log(rng.random()) / math.log(1 - largest))
        item = next(islice(stream, skip, None), end)
        if item is end:
            return sample
        sample[rng.integers(k)] = item
        largest *= rng.random() ** (1 / k)


def _replacing(stream, k, rng, enters, out=lambda rng, k: rng.integers(k)):
    """The first k items; a later one takes the place `out` says, if `enters` says so."""
    sample = []
    for count, item in enumerate(stream, start=1):
        if count <= k:
            sample.append(item)
        elif enters(count):
            sample[out(rng, k)] = item
    return sample


def first_k_items(stream, k, rng):
    """You return the first k items. The rest of the stream has no chance: read on, and let later
    items take places."""
    return _replacing(stream, k, rng, lambda count: False)


def every_item_enters(stream, k, rng):
    """Each item of your stream takes a place, so the last one is always in the sample, and early
    ones hardly ever survive. Item number t may enter with chance k / t only."""
    return _replacing(stream, k, rng, lambda count: True)


def a_coin_for_every_item(stream, k, rng):
    """You let items enter with the same chance all along, a toss of a coin. It has to fall as the
    stream goes on: one item of many must not count more because it came late."""
    return _replacing(stream, k, rng, lambda count: rng.random() < 0.5)


def one_of_all_in_hand_leaves(stream, k, rng):
    """You add the new item and throw one of the k + 1 away: it stays with chance k / (k + 1),
    however late it comes. Its chance has to fall with the number of items read: k / t."""
    sample = []
    for item in stream:
        sample.append(item)
        if len(sample) > k:
            sample.pop(rng.integers(k + 1))
    return sample


def chance_of_one_place(stream, k, rng):
    """Item number t enters your sample with chance 1 / t. That is right for a sample of one; k
    places make it k / t."""
    return _replacing(stream, k, rng, lambda count: rng.random() < 1 / count)


def counted_one_too_far(stream, k, rng):
    """You draw a place among t + 1 when item number t arrives, so each late item has a little less
    than its chance. Check where your count begins: with item t there are t items, itself included.
    """
    return _replacing(stream, k, rng, lambda count: rng.integers(count + 1) < k)


def counted_one_short(stream, k, rng):
    """You draw a place among t − 1 when item number t arrives, so item k + 1 always enters, and the
    late ones have too much of a chance. The new item counts too: t places."""
    return _replacing(stream, k, rng, lambda count: rng.integers(count - 1) < k)


def oldest_one_leaves(stream, k, rng):
    """A new item enters your sample with the right chance, but drives out the one that has been
    there longest. Then the sample prefers neighbours: let chance say who leaves."""
    sample = []
    for count, item in enumerate(stream, start=1):
        if count <= k:
            sample.append(item)
        elif rng.integers(count) < k:
            sample = [*sample[1:], item]
    return sample


def first_place_changes(stream, k, rng):
    """A new item enters your sample with the right chance, but always at the same place: the other
    places never change. Draw the place too."""
    return _replacing(stream, k, rng, lambda count: rng.integers(count) < k, lambda rng, k: 0)


def places_filled_apart(stream, k, rng):
    """You keep k samples of one item side by side, each on its own: one item may be in several of
    them. That is drawing with replacement."""
    sample = []
    for count, item in enumerate(stream, start=1):
        if count == 1:
            sample = [item] * k
        sample = [item if rng.integers(count) == 0 else kept for kept in sample]
    return sample


def stream_made_a_list(stream, k, rng):
    """You keep the whole stream in a list and draw from that: right, and it needs the memory that
    is not there. Decide about each item as it passes."""
    items = list(stream)
    return [items[i] for i in rng.choice(len(items), min(k, len(items)), replace=False)]


def stream_read_twice(stream, k, rng):
    """You read the stream once to count it, and then again. The second time nothing is left: an
    iterator is used up. One pass has to do."""
    count = sum(1 for _ in stream)
    chosen = rng.choice(count, min(k, count), replace=False)
    return [item for i, item in enumerate(stream) if i in chosen]


def equal_items_merged(stream, k, rng):
    """You keep the items in a set or a dict, where equal ones fall into one. They are different
    items: a list keeps them apart."""
    return list(dict.fromkeys(reservoir_sample(stream, k, rng)))


def short_stream_fails(stream, k, rng):
    """Your code takes k items before it looks whether there are so many. A stream may end earlier:
    return what it had."""
    stream = iter(stream)
    sample = [next(stream) for _ in range(k)]
    for count, item in enumerate(stream, start=k + 1):
        place = rng.integers(count)
        if place < k:
            sample[place] = item
    return sample


def short_sample_filled_up(stream, k, rng):
    """Your list has k places from the start, and where the stream is shorter some stay empty.
    Return the items only."""
    sample = reservoir_sample(stream, k, rng)
    return sample + [None] * (k - len(sample))


def global_state_used(stream, k, rng):
    """You draw with `np.random` or `random`, whose state is global: nobody can repeat your sample.
    Draw with the generator that you are given."""
    return reservoir_sample(stream, k, np.random.default_rng())


def same_sample_always(stream, k, rng):
    """You seed a generator yourself: every call draws the same places. Draw with the generator that
    you are given, and it moves on from call to call."""
    return reservoir_sample(stream, k, np.random.default_rng(0))


CALLS = 5_000


def observe(answer, stream, k, rng):
    """What must hold for every right sample; of a short stream also how often each set of items is
    drawn in many calls, and each item."""
    source = Stream(stream)
    sample = answer(source, k, copy.deepcopy(rng))
    if not isinstance(sample, list | tuple | np.ndarray):
        return {"a list is returned": False}
    seen = {
        "a list is returned": True,
        "items drawn": len(sample),
        "something that is not in the stream": any(item not in stream for item in sample),
    }
    if seen["something that is not in the stream"]:
        return seen
    copies = copy.deepcopy(rng), copy.deepcopy(rng)
    calls = range(20 if len(stream) < 20 else 2)
    again = [[sorted(answer(Stream(stream), k, same)) for _ in calls] for same in copies]
    seen |= {
        "an item is drawn twice": any(list(sample).count(i) > stream.count(i) for i in sample),
        "the stream is read to its end": source.ended,
        "many more than k items are held at once": source.most > 2 * k + 10,
        "the same generator gives the same sample": again[0] == again[1],
    }
    if len(stream) > 100:
        seen["the first k items are drawn"] = sorted(sample) == sorted(stream[:k])
        seen["the next call draws another sample"] = again[0][0] != again[0][1]
    if k < len(stream) < 8:
        draws = [answer(iter(stream), k, rng) for _ in range(CALLS)]
        times = Counter(tuple(sorted(draw)) for draw in draws)
        counts = np.array([times[items] for items in combinations(sorted(stream), k)])
        (signs,) = frequencies(counts, CALLS, np.full(len(counts), 1 / len(counts)))
        seen["all sets of k items are equally likely"] = set(signs) == {"="}
        if len(stream) < 5:  # of so few, what is wrong is far from right, and easily told
            drawn = Counter(item for draw in draws for item in draw)
            counts = np.array([drawn[item] for item in stream])
            (seen["drawn (=) as often as should be, (+) too often, (-) too rarely, (0) never"],) = (
                frequencies(counts, CALLS, np.full(len(stream), k / len(stream)))
            )
    return seen


def cases(rng):
    seed = np.random.default_rng
    yield Case("two of four", ([10, 11, 12, 13], 2, seed(1)))
    yield Case("one of four", ([3, 2, 1, 0], 1, seed(2)))
    yield Case("three of seven", ([10, 11, 12, 13, 14, 15, 16], 3, seed(2)))
    yield Case("as many as there are", ([4, 7, 1], 3, seed(3)))
    yield Case("more than there are", ([4, 7, 1], 5, seed(4)))
    yield Case("an empty stream", ([], 2, seed(5)))
    yield Case("equal items", ([3, 3, 3, 3, 3, 3, 3, 3, 3], 4, seed(6)))
    yield Case("5 of 400", (rng.permutation(400).tolist(), 5, seed(7)))
    yield Case("31 of 1,000", (rng.permutation(1_000).tolist(), 31, seed(8)))


DRILL = Drill(
    reference=reservoir_sample,
    cases=cases,
    observe=observe,
    alternatives=(k_largest_keys, with_skips),
    mistakes=(
        first_k_items,
        every_item_enters,
        a_coin_for_every_item,
        one_of_all_in_hand_leaves,
        chance_of_one_place,
        counted_one_too_far,
        counted_one_short,
        oldest_one_leaves,
        first_place_changes,
        places_filled_apart,
        stream_made_a_list,
        stream_read_twice,
        equal_items_merged,
        short_stream_fails,
        short_sample_filled_up,
        global_state_used,
        same_sample_always,
    ),
    hints=(
        "Keep a sample that would be right if the stream ended now. What has to happen when one "
        "more item comes?",
        "With what chance must item number t be in a sample of k, if the stream ends with it? If "
        "it enters, every item in the sample is equally likely to leave.",
        "Keep the first k. Then, for item number t (counted from 1), draw place = rng.integers(t); "
        "if place < k, the item goes to that place of the sample.",
    ),
    explanation=(
        "By induction: if after t − 1 items each is in the sample with chance k / (t − 1), it "
        "stays with chance 1 − 1 / t (item t draws its place with chance 1 / t), which makes k / "
        "t; and item t enters with k / t. Algorithm R, in Vitter (1985), Random Sampling with a "
        "Reservoir. The other two answers: give each item a random key and keep the k largest; or "
        "draw how many items to skip (Li, 1994), which needs few random numbers. Asked next: with "
        "weights? Keys u^(1/w), the k largest (Efraimidis and Spirakis, 2006). On many machines? "
        "The keys again: merge the samples and keep the k largest."
    ),
    difficulty=2,
    taught_in="09_mock_interview, section 3",
)
