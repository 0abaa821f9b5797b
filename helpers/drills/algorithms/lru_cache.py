from collections import Counter, OrderedDict, deque

import numpy as np

from helpers.drills.spec import Case, Drill


def lru_cache(operations: tuple, capacity: int) -> list:
    """Keep the embeddings of the texts that are asked for most, in a cache of limited size: when it
    is full, the entry that was *used* least recently goes (LRU, least recently used).

    `operations` is a tuple of tuples, in the order in which they happen. ("get", key) asks for a
    value: if the cache holds the key the answer is its value, otherwise None. ("put", key, value)
    stores a value under a key; if the cache holds the key already, the new value replaces the old
    one. The cache starts empty and holds at most `capacity` ≥ 0 keys: a put that makes it hold one
    more removes the key that was used least recently. Used means: found by a get, or stored by a
    put, a put of a key that is there included. A get that finds nothing changes nothing. Return the
    answers of all gets, in their order.

    Keys are texts or whole numbers; values may be anything but None, 0 included. An operation takes
    the same time however large the cache is: a cache of 10,000 keys has two seconds for 40,000
    operations.
    """
    cache, answers = OrderedDict(), []  # the least recently used key comes first
    for kind, key, *value in operations:
        if kind == "get":
            answers.append(cache.get(key))
        else:
            cache[key] = value[0]
        if key in cache:
            cache.move_to_end(key)
        if len(cache) > capacity:
            cache.popitem(last=False)
    return answers


def with_linked_nodes(operations, capacity):
    def cut_out(node):
        before, after = node["before"], node["after"]
        before["after"], after["before"] = after, before

    def put_last(node):
        before = end["before"]
        node["before"], node["after"] = before, end
        before["after"] = end["before"] = node

    end = {}  # a ring: after it comes the oldest node, before it stands the newest
    end["before"] = end["after"] = end
    nodes, answers = {}, []
    for operation in operations:
        node = nodes.get(operation[1])
        if operation[0] == "get":
            answers.append(node["value"] if node else None)
            if node:
                cut_out(node)
                put_last(node)
            continue
        if node:
            cut_out(node)
        nodes[operation[1]] = node = {"key": operation[1], "value": operation[2]}
        put_last(node)
        if len(nodes) > capacity:
            oldest = end["after"]
            cut_out(oldest)
            del nodes[oldest["key"]]
    return answers


def with_a_queue_of_uses(operations, capacity):
    values, uses, answers = {}, Counter(), []
    queue = deque()  # each use of a key; only its last one counts
    for operation in operations:
        key = operation[1]
        if operation[0] == "put":
            values[key] = operation[2]
        else:
            answers.append(values.get(key))
        if key in values:
            queue.append(key)
            uses[key] += 1
        while len(values) > capacity:
            oldest = queue.popleft()
            uses[oldest] -= 1
            if not uses[oldest]:
                del values[oldest]
    return answers


class _Cache(OrderedDict):
    """A cache of which a mistake changes one rule, by overriding a method."""

    def __init__(self, capacity):
        super().__init__()
        self.capacity = capacity

    def found(self, key):
        self.move_to_end(key)
        return self[key]

    def missed(self, key):
        return None

    def store(self, key, value):
        self[key] = value
        self.move_to_end(key)
        if len(self) > self.capacity:
            self.popitem(last=False)


def _replay(cache, operations):
    answers = []
    for kind, key, *value in operations:
        if kind == "put":
            cache.store(key, *value)
        else:
            answers.append(cache.found(key) if key in cache else cache.missed(key))
    return answers


def get_does_not_refresh(operations, capacity):
    """Your get leaves the order as it was, so a key that is asked for all the time goes as if
    nobody wanted it. A get that finds its key is a use."""

    class Cache(_Cache):
        def found(self, key):
            return self[key]

    return _replay(Cache(capacity), operations)


def put_does_not_refresh(operations, capacity):
    """A put of a key that is there gives it the new value in your cache, but not a new place in the
    order. A put is a use, too."""

    class Cache(_Cache):
        def store(self, key, value):
            self[key] = value
            if len(self) > self.capacity:
                self.popitem(last=False)

    return _replay(Cache(capacity), operations)


def first_in_first_out(operations, capacity):
    """The key that came in first goes first in your cache, however often it was used since: that is
    FIFO, a queue. Move a key to the end at each use."""

    class Cache(_Cache):
        def found(self, key):
            return self[key]

        def store(self, key, value):
            self[key] = value
            if len(self) > self.capacity:
                self.popitem(last=False)

    return _replay(Cache(capacity), operations)


def put_of_a_present_key_evicts(operations, capacity):
    """A full cache makes room before it looks whether the key is there already: a put that only
    replaces a value drives another key out. Nothing grows then, so nothing has to go."""

    class Cache(_Cache):
        def store(self, key, value):
            if len(self) >= self.capacity and self:
                self.popitem(last=False)
            if self.capacity:
                self[key] = value
                self.move_to_end(key)

    return _replay(Cache(capacity), operations)


def old_value_kept(operations, capacity):
    """A put of a key that is there keeps the old value in your cache. The new one replaces it: the
    text's embedding may come from a newer model."""

    class Cache(_Cache):
        def store(self, key, value):
            super().store(key, self.get(key, value))

    return _replay(Cache(capacity), operations)


def most_recent_one_goes(operations, capacity):
    """A full cache drops the key that was used last before this one: you take the wrong end of the
    order. The one that has not been used for longest goes."""

    class Cache(_Cache):
        def store(self, key, value):
            if key not in self and len(self) >= self.capacity and self:
                self.popitem()
            if self.capacity:
                super().store(key, value)

    return _replay(Cache(capacity), operations)


def least_frequent_one_goes(operations, capacity):
    """You drop the key with the fewest uses: that is LFU, another rule, in which what was popular
    once never leaves. Here it counts when a key was used last, not how often."""

    class Cache(_Cache):
        def __init__(self, capacity):
            super().__init__(capacity)
            self.uses = Counter()

        def found(self, key):
            self.uses[key] += 1
            return super().found(key)

        def store(self, key, value):
            full = len(self) >= self.capacity
            if key not in self and full and self:
                # Among equals the least recently used: the first.
                rarest = min(self, key=self.uses.__getitem__)
                del self[rarest], self.uses[rarest]
            if self.capacity:
                super().store(key, value)
                self.uses[key] += 1

    return _replay(Cache(capacity), operations)


def one_key_too_many(operations, capacity):
    """You ask whether the cache is too full before you store, and do not ask again: it comes to
    hold capacity + 1 keys. Make room when it is full already, or look after storing."""

    class Cache(_Cache):
        def store(self, key, value):
            if key not in self and len(self) > self.capacity:
                self.popitem(last=False)
            self[key] = value
            self.move_to_end(key)

    return _replay(Cache(capacity), operations)


def one_key_too_few(operations, capacity):
    """Your cache drops a key as soon as it holds `capacity` of them. That many are allowed; only
    one more is too many."""

    class Cache(_Cache):
        def store(self, key, value):
            self[key] = value
            self.move_to_end(key)
            if len(self) >= self.capacity:
                self.popitem(last=False)

    return _replay(Cache(capacity), operations)


def capacity_zero_holds_one(operations, capacity):
    """A cache of capacity 0 holds a key in your code: there was none to drop before it was stored.
    Such a cache, the usual way to switch caching off, holds nothing."""
    return lru_cache(operations, max(capacity, 1))


def capacity_zero_fails(operations, capacity):
    """A cache of capacity 0 is full when it is empty, and your code then drops a key that is not
    there. Such a cache, the usual way to switch caching off, stores nothing."""

    class Cache(_Cache):
        def store(self, key, value):
            if key not in self and len(self) >= self.capacity:
                self.popitem(last=False)
            self[key] = value
            self.move_to_end(key)

    return _replay(Cache(capacity), operations)


def zero_taken_for_a_miss(operations, capacity):
    """You ask whether the value is true, and take 0 for a miss. Ask whether the key is there."""

    class Cache(_Cache):
        def found(self, key):
            return super().found(key) if self[key] else None

    return _replay(Cache(capacity), operations)


def miss_takes_a_place(operations, capacity):
    """A get that finds nothing stores None under the key, as a defaultdict does: the empty entry
    drives a real one out. A miss changes nothing."""

    class Cache(_Cache):
        def missed(self, key):
            self.store(key, None)

    return _replay(Cache(capacity), operations)


def miss_raises(operations, capacity):
    """Your get fails where the key is not there. A miss is nothing unusual for a cache: answer
    None."""

    class Cache(_Cache):
        def missed(self, key):
            return self[key]

    return _replay(Cache(capacity), operations)


def miss_is_minus_one(operations, capacity):
    """You answer −1 for a miss. It may be somebody's value: answer None."""
    return [-1 if answer is None else answer for answer in lru_cache(operations, capacity)]


def puts_answered_too(operations, capacity):
    """You give an answer for each put as well. Only gets are answered."""
    answers = iter(lru_cache(operations, capacity))
    return [next(answers) if operation[0] == "get" else None for operation in operations]


def list_searched_at_each_use(operations, capacity):
    """Right on small inputs, but each use goes through the whole cache: to find the key in a list,
    or the smallest time stamp. A dict that knows its order, or one beside a doubly linked list,
    takes the same time at any size."""
    order, values, answers = [], {}, []
    for kind, key, *value in operations:
        if kind == "get":
            answers.append(values.get(key))
        else:
            values[key] = value[0]
        if key in values:
            if key in order:
                order.remove(key)
            order.append(key)
        if len(order) > capacity:
            del values[order.pop(0)]
    return answers


def random_operations(
    rng: np.random.Generator, count: int, keys: int, share_of_gets: float
) -> tuple:
    """Some keys are asked for more often than others; each put has another value, 0 included."""
    operations = []
    for number in range(count):
        key = int(keys * rng.random() ** 2)
        if rng.random() < share_of_gets:
            operations.append(("get", key))
        else:
            operations.append(("put", key, number % 100))
    return tuple(operations)


def cases(rng):
    a, b, c, d = (("get", key) for key in "abcd")
    text = ("put", "a", 1), ("put", "b", 2), a, ("put", "c", 3), b, a, c
    yield Case("two keys at most: when c comes, a has been used since b", (text, 2))
    yield Case("a new value for a key that is there", ((*text[:2], ("put", "a", 9), a, b), 2))
    again = ("put", "a", 1), ("put", "b", 2), ("put", "a", 5), ("put", "c", 3), a, b, c
    yield Case("a put of a key that is there is a use", (again, 2))
    newest = ("put", "a", 1), ("put", "b", 2), ("put", "b", 3), a, b
    yield Case("a new value for the newest key", (newest, 2))
    misses = ("put", "a", 1), ("put", "b", 2), d, c, d, a, b
    yield Case("gets of keys that are not there", (misses, 2))
    zero = ("put", "a", 0), ("put", "b", -1), a, ("put", "c", 0), a, b, c
    yield Case("values of 0 and −1", (zero, 2))
    yield Case("capacity 0", ((("put", "a", 1), a, ("put", "a", 2), ("put", "b", 1), b), 0))
    yield Case("capacity 1", ((("put", "a", 1), a, ("put", "b", 2), a, b, ("put", "b", 3), b), 1))
    yield Case("no operations", ((), 3))
    often = ("put", "a", 1), a, a, a, ("put", "b", 2), b, ("put", "c", 3), a, b, c
    yield Case("a was used often, and b later", (often, 2))
    for count, keys, capacity, share in ((40, 6, 3, 0.5), (120, 12, 5, 0.4), (90, 9, 20, 0.5)):
        note = f"{count} random operations on {keys} keys, capacity {capacity}"
        yield Case(note, (random_operations(rng, count, keys, share), capacity))
    filling = tuple(("put", key, key) for key in range(10_000))
    large = (*filling, *random_operations(rng, 30_000, 20_000, 0.01))
    yield Case("40,000 operations, capacity 10,000", (large, 10_000), seconds=2)


DRILL = Drill(
    reference=lru_cache,
    cases=cases,
    alternatives=(with_linked_nodes, with_a_queue_of_uses),
    mistakes=(
        get_does_not_refresh,
        put_does_not_refresh,
        first_in_first_out,
        put_of_a_present_key_evicts,
        old_value_kept,
        most_recent_one_goes,
        least_frequent_one_goes,
        one_key_too_many,
        one_key_too_few,
        capacity_zero_holds_one,
        capacity_zero_fails,
        zero_taken_for_a_miss,
        miss_takes_a_place,
        miss_raises,
        miss_is_minus_one,
        puts_answered_too,
        list_searched_at_each_use,
    ),
    hints=(
        "Two things are needed: to find a value by its key, and to know which key was used least "
        "recently. Which of the two does a plain dict give you, and which does a list?",
        "`collections.OrderedDict` knows both: `move_to_end(key)` at each use, and "
        "`popitem(last=False)` takes the first. In an interview be ready to build it: a dict of "
        "nodes that are linked in both directions.",
        "For each operation: answer cache.get(key), or store the value; if the key is in the cache "
        "now, move it to the end; if the cache is larger than the capacity, pop the first.",
    ),
    explanation=(
        "A dict finds the node in one step, and a doubly linked list cuts it out and appends it in "
        "one step; neither can do both. An OrderedDict is these two. In a plain dict "
        "`next(iter(cache))` has to step over the places of deleted keys, so it is not constant. "
        "Whether LRU is a good rule depends on the requests: one pass over all texts, as an "
        "evaluation makes, drives out everything that was worth keeping. Asked next: several "
        "threads? A lock around each operation, for a get writes too. And how do you notice that "
        "the model behind the embeddings has changed? Put its version into the key."
    ),
    difficulty=2,
    taught_in="09_mock_interview, section 3",
)
