import numpy as np

from helpers.drills.spec import Case, Drill


def shard_batches(
    examples: int, batch_size: int, workers: int, worker: int, seed: int, epoch: int
) -> np.ndarray:
    """Choose the rows that one worker reads in an epoch, when several workers, each a process of
    its own, train one model on one data set. Nobody hands out the rows: each worker runs this
    function, and what the workers choose has to fit together.

    The data set has `examples` rows, numbered from 0. In each step each of the `workers` workers
    reads `batch_size` of them, so that a global batch has workers · batch_size rows. `worker`, from
    0 to workers − 1, is the number of this one. All workers put the rows in one order, another one
    in each epoch: `np.random.default_rng([seed, epoch]).permutation(examples)`. Global batches are
    cut from that order one after another. What is left at its end, too little for a global batch,
    is not used in this epoch. Within a global batch, worker 0 takes the rows at the places 0,
    workers, 2 · workers, …, worker 1 those at the places 1, workers + 1, …, and so on. Return an
    array of ints, shape (steps, batch_size): the rows of this worker, step by step, in the order in
    which they stand in the global batch. There are enough examples for one global batch at least.
    """
    order = np.random.default_rng([seed, epoch]).permutation(examples)
    steps = examples // (workers * batch_size)
    used = order[: steps * workers * batch_size]
    return used[worker::workers].reshape(steps, batch_size)


def batch_by_batch(examples, batch_size, workers, worker, seed, epoch):
    order = np.random.default_rng([seed, epoch]).permutation(examples).tolist()
    whole = workers * batch_size
    own = []
    while len(order) >= whole:
        batch, order = order[:whole], order[whole:]
        own.append([row for place, row in enumerate(batch) if place % workers == worker])
    return np.array(own, int).reshape(len(own), batch_size)


def by_place(examples, batch_size, workers, worker, seed, epoch):
    order = np.random.default_rng([seed, epoch]).permutation(examples)
    step, place = np.indices((examples // (workers * batch_size), batch_size))
    return order[(step * batch_size + place) * workers + worker]


def as_given(examples, batch_size, workers, worker, seed, epoch):
    """This is the code as given, or its bug is still in it: on four workers an epoch takes as many
    steps as on one, and the loss goes the same way to the last digit."""
    order = np.random.default_rng([seed, epoch]).permutation(examples)
    steps = examples // batch_size
    used = order[: steps * batch_size]
    return used.reshape(steps, batch_size)


def _order(examples, *seeds):
    return np.random.default_rng(list(seeds)).permutation(examples)


def _cut(order, batch_size, workers, worker):
    steps = len(order) // (workers * batch_size)
    return order[: steps * workers * batch_size][worker::workers].reshape(steps, batch_size)


def everything_in_an_order_of_its_own(examples, batch_size, workers, worker, seed, epoch):
    """Each worker still reads the whole data set, now in an order of its own. An epoch then goes
    through the data as many times as there are workers: each row belongs to one worker only."""
    order = _order(examples, seed, epoch, worker)
    steps = examples // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size)


def each_worker_shuffles_otherwise(examples, batch_size, workers, worker, seed, epoch):
    """Each worker takes its share of an order of its own. The shares do not fit together: some rows
    are read by several workers and others by none. All need the same order."""
    return _cut(_order(examples, seed, epoch, worker), batch_size, workers, worker)


def same_order_in_every_epoch(examples, batch_size, workers, worker, seed, epoch):
    """Your order is the same in every epoch, and so are the batches. Shuffle with the seed and the
    epoch."""
    return _cut(_order(examples, seed), batch_size, workers, worker)


def not_shuffled(examples, batch_size, workers, worker, seed, epoch):
    """You take the rows in the order of the data set. Shuffle them first, alike on all workers."""
    return _cut(np.arange(examples), batch_size, workers, worker)


def shuffled_within_the_share(examples, batch_size, workers, worker, seed, epoch):
    """You share out the data set first, and shuffle each share. A worker then sees the same rows in
    every epoch, and a row never meets those of other workers in another place: shuffle all rows,
    and then share them out."""
    own = np.arange(examples)[worker::workers]
    own = own[np.random.default_rng([seed, epoch]).permutation(len(own))]
    steps = examples // (workers * batch_size)
    return own[: steps * batch_size].reshape(steps, batch_size)


def rest_cut_off_by_each_alone(examples, batch_size, workers, worker, seed, epoch):
    """You share out all rows, and each worker cuts off its own rest. Some workers then have one
    batch more than others, and in it they wait for ever for the gradients of those that have
    finished. Cut the rest of the *global* batches off first."""
    own = _order(examples, seed, epoch)[worker::workers]
    steps = len(own) // batch_size
    return own[: steps * batch_size].reshape(steps, batch_size)


def filled_up_from_the_start(examples, batch_size, workers, worker, seed, epoch):
    """You fill up the last global batch with rows from the start of the order. Some rows then count
    twice in the epoch: drop the rest."""
    order = _order(examples, seed, epoch)
    steps = -(-examples // (workers * batch_size))
    return _cut(np.resize(order, steps * workers * batch_size), batch_size, workers, worker)


def a_stretch_of_each_batch(examples, batch_size, workers, worker, seed, epoch):
    """You give each worker a stretch of the global batch, rows that stand side by side. The batches
    are the right ones, but asked for is every row at a distance of `workers`."""
    order = _order(examples, seed, epoch)
    steps = examples // (workers * batch_size)
    used = order[: steps * workers * batch_size]
    return used.reshape(steps, workers, batch_size)[:, worker]


def a_stretch_of_the_epoch(examples, batch_size, workers, worker, seed, epoch):
    """You cut the order into one long stretch for each worker. Each row has one worker, but the
    global batches are not those that one machine would have read: share out each global batch."""
    order = _order(examples, seed, epoch)
    steps = examples // (workers * batch_size)
    return order[: steps * workers * batch_size].reshape(workers, steps, batch_size)[worker]


def workers_counted_from_one(examples, batch_size, workers, worker, seed, epoch):
    """You take the share of the next worker: yours begins one place too late. The first place, like
    the first worker, has the number 0."""
    return _cut(_order(examples, seed, epoch), batch_size, workers, (worker + 1) % workers)


def cases(rng):
    for worker in (0, 1):
        yield Case(f"ten rows, two workers: worker {worker}", (10, 2, 2, worker, 0, 0))
    yield Case("the next epoch", (10, 2, 2, 1, 0, 1))
    yield Case("one worker", (9, 2, 1, 0, 5, 3))
    yield Case("batches of one row", (7, 1, 3, 2, 5, 3))
    yield Case("nothing left over", (12, 2, 3, 1, 7, 2))
    yield Case("one global batch, and most of another", (11, 2, 3, 0, 7, 2))
    yield Case("enough for worker 0 alone", (7, 2, 2, 0, 3, 4))
    for batch_size, workers in ((3, 4), (5, 3), (4, 7), (1, 5)):
        examples = int(rng.integers(50, 120))
        worker, seed, epoch = (int(rng.integers(top)) for top in (workers, 1_000, 50))
        note = f"random: {examples} rows, {workers} workers"
        yield Case(note, (examples, batch_size, workers, worker, seed, epoch))


DRILL = Drill(
    reference=shard_batches,
    cases=cases,
    given=as_given,
    alternatives=(batch_by_batch, by_place),
    mistakes=(
        as_given,
        everything_in_an_order_of_its_own,
        each_worker_shuffles_otherwise,
        same_order_in_every_epoch,
        not_shuffled,
        shuffled_within_the_share,
        rest_cut_off_by_each_alone,
        filled_up_from_the_start,
        a_stretch_of_each_batch,
        a_stretch_of_the_epoch,
        workers_counted_from_one,
    ),
    hints=(
        "Call it for worker 0 and for worker 1, with ten rows. Which arguments does the code never "
        "look at?",
        "The order is right, and it has to be the same on all workers. How many rows does one step "
        "use on all of them together, and which of these belong to this worker?",
        "steps = examples // (workers · batch_size); of the first steps · workers · batch_size "
        "rows of the order take [worker::workers], and reshape to (steps, batch_size).",
    ),
    explanation=(
        "A global batch has a multiple of `workers` rows, so every n-th row of the whole order is "
        "every n-th of each batch. tf.data's `shard` and PyTorch's `DistributedSampler` deal "
        "rows out in the same way; the latter shuffles with seed + epoch, and a loop that forgets "
        "`set_epoch` sees the same order again and again. Asked next: why must all workers have "
        "the same number of steps? Each step ends in an all-reduce, which waits for all of them: "
        "a worker with one batch more waits for ever. Another way out is to fill up the last "
        "batch and count the added rows as nothing."
    ),
    difficulty=2,
    taught_in="07_scaling_up, section 4",
)
