import copy
from collections import Counter
from itertools import islice, permutations, product

import numpy as np

from helpers.drills.probes import Stream, frequencies
from helpers.drills.spec import Case, Drill


def shuffle_stream(stream, buffer_size: int, rng: np.random.Generator):
    """Shuffle training examples that do not fit into memory, with a buffer, as tf.data's `shuffle`
    does.

    `stream` is any iterable, read once, in order, without length or positions. The first
    buffer_size ≥ 1 items fill the buffer. From then on, until the stream ends, one item of the
    buffer comes out, each of them equally likely, and the next of the stream takes its place. At
    the end of the stream what is left in the buffer comes out, all orders equally likely. So every
    item comes out once; with a buffer of 1 the order stays; a stream shorter than the buffer is
    shuffled as a whole.

    Return an iterator (write a generator, for instance). Nothing may wait for the end of the
    stream: when an item comes out after i others, i + buffer_size items have been read, or one
    more, unless the stream has ended. Draw with `rng` and with nothing else, in any way you like:
    the same generator gives the same order. (The order in the example is one of many.)
    """
    buffer = []
    for item in stream:
        if len(buffer) < buffer_size:
            buffer.append(item)
            continue
        place = rng.integers(buffer_size)
        yield buffer[place]
        buffer[place] = item
    rng.shuffle(buffer)
    yield from buffer


def last_one_into_the_gap(stream, buffer_size, rng):
    stream = iter(stream)
    buffer = list(islice(stream, buffer_size))
    while buffer:
        place = rng.integers(len(buffer))
        buffer[place], buffer[-1] = buffer[-1], buffer[place]
        yield buffer.pop()
        buffer += islice(stream, 1)


def with_a_function_that_draws(stream, buffer_size, rng):
    stream, buffer, end = iter(stream), [], object()

    def draw():
        buffer.extend(islice(stream, buffer_size - len(buffer)))
        return buffer.pop(int(rng.random() * len(buffer))) if buffer else end

    return iter(draw, end)


def last_buffer_lost(stream, buffer_size, rng):
    """Your shuffle stops with the stream, and what is in the buffer then never comes out: a short
    stream gives nothing at all. Empty the buffer at the end."""
    buffer = []
    for item in stream:
        if len(buffer) < buffer_size:
            buffer.append(item)
        else:
            place = rng.integers(buffer_size)
            yield buffer[place]
            buffer[place] = item


def last_buffer_in_order(stream, buffer_size, rng):
    """You empty the buffer in the order of its places. What is left at the end has to be shuffled
    as well."""
    buffer = []
    for item in stream:
        if len(buffer) < buffer_size:
            buffer.append(item)
        else:
            place = rng.integers(buffer_size)
            yield buffer[place]
            buffer[place] = item
    yield from buffer


def shuffled_in_blocks(stream, buffer_size, rng):
    """You fill the buffer, shuffle it, and empty it before you read on. No item then leaves its
    block, and neighbours across two blocks never mix: refill after each item that comes out."""
    stream = iter(stream)
    while block := list(islice(stream, buffer_size)):
        yield from (block[i] for i in rng.permutation(len(block)))


def whole_stream_shuffled(stream, buffer_size, rng):
    """You read all and shuffle all. That is the better shuffle, and it needs the memory that is
    not there: hold buffer_size items, and let one go before you read many more."""
    items = list(stream)
    yield from (items[i] for i in rng.permutation(len(items)))


def result_gathered_in_a_list(stream, buffer_size, rng):
    """The order is right, but you gather it in a list: nothing comes out before the stream has
    ended, and all of it is in memory. Yield each item as it is drawn."""
    return iter(list(shuffle_stream(stream, buffer_size, rng)))


def drawn_item_lost(stream, buffer_size, rng):
    """You put the new item into the buffer before you take the drawn one out: the old one is lost,
    and the new one comes out at once, and once more later. Take out first."""
    buffer = []
    for item in stream:
        if len(buffer) < buffer_size:
            buffer.append(item)
            continue
        place = rng.integers(buffer_size)
        buffer[place] = item
        yield buffer[place]
    rng.shuffle(buffer)
    yield from buffer


def two_places_drawn(stream, buffer_size, rng):
    """You draw one place for the item that comes out, and another for the item that comes in. So
    some items come out twice, and others are overwritten unseen. It is one place."""
    buffer = []
    for item in stream:
        if len(buffer) < buffer_size:
            buffer.append(item)
            continue
        yield buffer[rng.integers(buffer_size)]
        buffer[rng.integers(buffer_size)] = item
    rng.shuffle(buffer)
    yield from buffer


def new_item_not_kept(stream, buffer_size, rng):
    """You yield an item of the buffer for each new one, and never put the new one in: the buffer
    stays as it was filled. The new item takes the place of the drawn one."""
    buffer = []
    for item in stream:
        if len(buffer) < buffer_size:
            buffer.append(item)
        else:
            yield buffer[rng.integers(buffer_size)]
    rng.shuffle(buffer)
    yield from buffer


def new_item_may_come_out(stream, buffer_size, rng):
    """You put the next item into the full buffer and then draw among all: that is a buffer of one
    item more. Draw among buffer_size items."""
    buffer = []
    for item in stream:
        buffer.append(item)
        if len(buffer) > buffer_size:
            yield buffer.pop(rng.integers(len(buffer)))
    rng.shuffle(buffer)
    yield from buffer


def last_place_never_drawn(stream, buffer_size, rng):
    """You never draw the last place of the buffer, so its item waits for the end of the stream.
    `rng.integers(n)` leaves out n already."""
    buffer = []
    for item in stream:
        if len(buffer) < buffer_size:
            buffer.append(item)
            continue
        place = rng.integers(max(buffer_size - 1, 1))
        yield buffer[place]
        buffer[place] = item
    rng.shuffle(buffer)
    yield from buffer


def first_in_first_out(stream, buffer_size, rng):
    """Your buffer is a queue: the item that comes out is the one that has waited longest, and only
    the last ones are shuffled. Draw from the whole buffer."""
    buffer = []
    for item in stream:
        buffer.append(item)
        if len(buffer) > buffer_size:
            yield buffer.pop(0)
    rng.shuffle(buffer)
    yield from buffer


def short_stream_breaks(stream, buffer_size, rng):
    """You fill the buffer without asking whether the stream goes so far, and a short one breaks
    your code: `next` on an empty iterator raises. Shuffle what there is."""
    stream = iter(stream)
    buffer = [next(stream) for _ in range(buffer_size)]
    for item in stream:
        place = rng.integers(buffer_size)
        yield buffer[place]
        buffer[place] = item
    rng.shuffle(buffer)
    yield from buffer


def other_source_of_chance(stream, buffer_size, rng):
    """You draw from the global state of `np.random` or `random`: two runs of one experiment see the
    examples in different orders. Use `rng`."""
    return shuffle_stream(stream, buffer_size, np.random.default_rng())


def same_order_in_every_epoch(stream, buffer_size, rng):
    """You make a generator with a seed of your own, so every epoch has the same order. `rng` moves
    on from epoch to epoch: use it."""
    return shuffle_stream(stream, buffer_size, np.random.default_rng(0))


def _orders(n, buffer_size):
    """All that may come out of n items; all are equally likely."""
    for places in product(range(buffer_size), repeat=n - buffer_size):
        buffer, out = list(range(buffer_size)), []
        for item, place in enumerate(places, start=buffer_size):
            out.append(buffer[place])
            buffer[place] = item
        for rest in permutations(buffer):
            yield [*out, *rest]


CALLS = 5_000


def observe(answer, stream, buffer_size, rng):
    """What must hold for every right order, and when items are read; of a short stream also how
    often each item comes out at each place, in many calls."""
    source = Stream(stream)
    shuffled = answer(source, buffer_size, copy.deepcopy(rng))
    if not hasattr(shuffled, "__iter__"):
        return {"an iterator is returned": False}
    out, read, ended = [], [], []
    for item in islice(shuffled, 3 * len(stream)):
        if not isinstance(item, int | np.integer):
            return {"an iterator is returned": True, "what comes out are items": False}
        out.append(int(item))  # the item itself is not held
        read.append(source.read)
        ended.append(source.ended)
    ahead = [r - i - buffer_size for i, r in enumerate(read)]  # 0, or 1
    copies = copy.deepcopy(rng), copy.deepcopy(rng)
    calls = range(20 if len(stream) < 20 else 2)
    again = [[list(answer(iter(stream), buffer_size, same)) for _ in calls] for same in copies]
    orders = [out, *again[0]]
    seen = {
        "an iterator is returned": True,
        "an item never comes out": any(set(stream) - set(order) for order in orders),
        "an item comes out twice": any(len(set(order)) < len(order) for order in orders),
        "more is read than needed before an item comes out": any(more > 1 for more in ahead),
        "the buffer is refilled after each item": all(
            more >= 0 or over for more, over in zip(ahead, ended, strict=True)
        ),
        "many more than buffer_size items are held at once": source.most > 2 * buffer_size + 10,
        "the same generator gives the same order": again[0] == again[1],
    }
    if len(stream) > 20:
        before_the_end = out[: len(stream) - buffer_size]
        seen["nothing is shuffled before the end"] = before_the_end == stream[: len(before_the_end)]
    if buffer_size < len(stream) < 8:
        draws = [tuple(answer(iter(stream), buffer_size, rng)) for _ in range(CALLS)]
        right = [tuple(stream[i] for i in order) for order in _orders(len(stream), buffer_size)]
        times = Counter(draws)
        counts = np.array([times[order] for order in right])
        (signs,) = frequencies(counts, CALLS, np.full(len(right), 1 / len(right)))
        seen["all orders that may come out are equally likely"] = set(signs) == {"="}
        if len(stream) < 4:  # of so few, what is wrong is far from right, and easily told
            came, should = (Counter(pair for order in orders for pair in enumerate(order))
                            for orders in (draws, right))  # fmt: skip
            pairs = [[(place, item) for item in stream] for place in range(len(stream))]
            seen["at each place each item (=) as often as should be, (+, -) not so, (0) never"] = (
                frequencies(
                    np.array([[came[pair] for pair in row] for row in pairs]),
                    CALLS,
                    np.array([[should[pair] for pair in row] for row in pairs]) / len(right),
                )
            )
    return seen


def cases(rng):
    seed = np.random.default_rng
    yield Case("four items, a buffer of two", ([10, 11, 12, 13], 2, seed(1)))
    yield Case("three items, a buffer of two", ([2, 0, 1], 2, seed(2)))
    yield Case("five items, a buffer of three", ([10, 11, 12, 13, 14], 3, seed(2)))
    yield Case("a buffer of one", ([4, 3, 2, 1, 0], 1, seed(3)))
    yield Case("as many as the buffer holds", ([7, 5, 6], 3, seed(4)))
    yield Case("fewer than the buffer holds", ([7, 5, 6], 5, seed(5)))
    yield Case("an empty stream", ([], 2, seed(6)))
    yield Case("40 items, a buffer of 6", (rng.permutation(40).tolist(), 6, seed(7)))
    yield Case("1,000 items, a buffer of 31", (rng.permutation(1_000).tolist(), 31, seed(8)))


DRILL = Drill(
    reference=shuffle_stream,
    cases=cases,
    observe=observe,
    alternatives=(last_one_into_the_gap, with_a_function_that_draws),
    mistakes=(
        last_buffer_lost,
        last_buffer_in_order,
        shuffled_in_blocks,
        whole_stream_shuffled,
        result_gathered_in_a_list,
        drawn_item_lost,
        two_places_drawn,
        new_item_not_kept,
        new_item_may_come_out,
        last_place_never_drawn,
        first_in_first_out,
        short_stream_breaks,
        other_source_of_chance,
        same_order_in_every_epoch,
    ),
    hints=(
        "Three parts: fill the buffer, go on while the stream lasts, empty the buffer. Which of "
        "them are left of a stream that is shorter than the buffer?",
        "In the middle part one place is drawn for each new item: its old item comes out, then the "
        "new one takes the place.",
        "for item in stream: append while len(buffer) < buffer_size; otherwise place = "
        "rng.integers(buffer_size), yield buffer[place], buffer[place] = item. After the loop, "
        "rng.shuffle(buffer) and yield from it.",
    ),
    explanation=(
        "No item can come out more than buffer_size − 1 places early, though it may wait long. So "
        "a file that is sorted by class, with a buffer smaller than a class, gives batches of one "
        "class: the loss rises and falls with the file. The cure is to shuffle what is small, the "
        "list of files or of positions, and let the buffer do the rest. Asked next: where does "
        "shuffle stand among batch and cache? Before batch, or batches are shuffled and not "
        "examples; after cache, or every epoch repeats the first one's order."
    ),
    difficulty=2,
    taught_in="01_training_pipeline, section 2",
)
