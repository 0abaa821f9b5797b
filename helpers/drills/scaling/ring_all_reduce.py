import numpy as np

from helpers.drills.spec import Case, Drill


def ring_all_reduce(arrays: list) -> tuple:
    """Add up arrays that lie on several workers, so that each worker ends with the whole sum and
    none has to send much more than the others: ring all-reduce. This is how data-parallel training
    adds up its gradients.

    `arrays` holds one float array for each worker, all of shape (n,), n at least 1. Let `workers`
    be their number, at least 1. Each worker cuts its array into `workers` chunks as
    `np.array_split` does: where n is no multiple of `workers`, the first chunks are one number
    longer, and chunks may be empty. The workers stand in a ring: worker r sends to worker r + 1
    only. All numbers of workers and chunks are counted modulo `workers`. There are two phases of
    workers − 1 steps each, step = 0, 1, …, and in each step every worker sends one chunk.

    First phase, reduce-scatter: worker r sends its chunk r − step, and the receiver adds it to its
    own chunk of that number. Then worker r holds the whole sum of chunk r + 1. Second phase,
    all-gather: worker r sends its chunk r + 1 − step, and the receiver puts it in the place of its
    own. Return (results, sent): a list of what each worker holds at the end, arrays of shape (n,),
    all of them the *sum* of the arrays; and a list of ints, how many numbers each worker has sent
    in both phases together. A single worker sends nothing. The arguments stay as they are.
    """
    workers = len(arrays)
    chunks = [np.array_split(array, workers) for array in arrays]
    sent = [0] * workers

    def send(worker, chunk, add):
        chunk = chunk % workers
        message, receiver = chunks[worker][chunk], chunks[(worker + 1) % workers]
        receiver[chunk] = receiver[chunk] + message if add else message
        sent[worker] += len(message)

    for step in range(workers - 1):
        for worker in range(workers):
            send(worker, worker - step, add=True)
    for step in range(workers - 1):
        for worker in range(workers):
            send(worker, worker + 1 - step, add=False)
    return [np.concatenate(own) for own in chunks], sent


def by_counting_what_is_not_sent(arrays):
    workers = len(arrays)
    total = np.sum(arrays, axis=0)
    sizes = [len(chunk) for chunk in np.array_split(total, workers)]
    sent = []
    for worker in range(workers):
        kept = sizes[(worker + 1) % workers] + sizes[(worker + 2) % workers]  # one in each phase
        sent.append(2 * len(total) - kept)
    return [total] * workers, sent


def chunk_by_chunk(arrays):
    """Each chunk's way round the ring: it sets out at the worker of its own number."""
    workers, total = len(arrays), np.sum(arrays, axis=0)
    sent = [0] * workers
    for chunk, part in enumerate(np.array_split(total, workers)):
        for hop in range(2 * (workers - 1)):
            sent[(chunk + hop) % workers] += len(part)
    return [total.copy() for _ in arrays], sent


def _ring(arrays, first_steps, second_steps, start=1, second_adds=False):
    """What the workers hold after so many steps of each phase, and what they have sent."""
    workers = len(arrays)
    chunks = [np.array_split(array, workers) for array in arrays]
    sent = [0] * workers
    moves = [(-step, True) for step in range(first_steps)]
    moves += [(start - step, second_adds) for step in range(second_steps)]
    for shift, add in moves:
        messages = [chunks[r][(r + shift) % workers] for r in range(workers)]
        for r, message in enumerate(messages):
            receiver, place = chunks[(r + 1) % workers], (r + shift) % workers
            receiver[place] = receiver[place] + message if add else message
            sent[r] += len(message)
    return [np.concatenate(own) for own in chunks], sent


def gathered_on_one_worker(arrays):
    """You let one worker receive all arrays, add them, and send the sum to all others. The result
    is right, and that worker sends n · (workers − 1) numbers: the more workers, the longer all of
    them wait for it. Let each worker send chunks to its neighbour only."""
    n, others = len(arrays[0]), len(arrays) - 1
    return [np.sum(arrays, axis=0)] * len(arrays), [n * others, *[n] * others]


def whole_arrays_sent(arrays):
    """You send whole arrays to all other workers, or all the way round the ring. Each worker then
    sends n · (workers − 1) numbers. Send one chunk in a step."""
    n, others = len(arrays[0]), len(arrays) - 1
    return [np.sum(arrays, axis=0)] * len(arrays), [n * others] * len(arrays)


def mean_for_sum(arrays):
    """You return the mean of the arrays. The sum is asked for: dividing is left to those who know
    what the numbers are."""
    results, sent = ring_all_reduce(arrays)
    return [result / len(arrays) for result in results], sent


def second_phase_forgotten(arrays):
    """You stop after the first phase. Each worker has the whole sum of one chunk by then, and parts
    of the others: the finished chunks have still to go round."""
    return _ring(arrays, len(arrays) - 1, 0)


def second_phase_adds_too(arrays):
    """You add what arrives in the second phase as well. Those chunks are finished sums: put them in
    the place of what the receiver has, or numbers are counted twice."""
    return _ring(arrays, len(arrays) - 1, len(arrays) - 1, second_adds=True)


def one_step_too_few(arrays):
    """Your phases have one step too few. A sum of `workers` parts needs workers − 1 additions, and
    as many steps bring it to all the others."""
    steps = max(len(arrays) - 2, 0)
    return _ring(arrays, steps, steps)


def one_step_too_many(arrays):
    """Your phases have one step too many, `workers` each. In the last one chunks come back to where
    they began, and numbers are added twice."""
    return _ring(arrays, len(arrays), len(arrays))


def second_phase_begins_with_the_wrong_chunk(arrays):
    """Your second phase begins with chunk r on worker r, as the first one did. After the first
    phase, the chunk that is finished on worker r is the next one."""
    return _ring(arrays, len(arrays) - 1, len(arrays) - 1, start=0)


def rest_in_the_last_chunk(arrays):
    """You cut chunks of n // workers numbers, and the last one takes the rest. One worker then has
    little and another much to send: spread the rest over the first chunks, as `np.array_split`
    does."""
    workers, n = len(arrays), len(arrays[0])
    sizes = [n // workers] * (workers - 1)
    sizes.append(n - sum(sizes))
    kept = [sizes[(r + 1) % workers] + sizes[(r + 2) % workers] for r in range(workers)]
    return [np.sum(arrays, axis=0)] * workers, [2 * n - part for part in kept]


def count_by_the_rule_of_thumb(arrays):
    """You count 2 · (workers − 1) · n / workers numbers for every worker. That is the mean over the
    workers: where n is no multiple of them, their chunks, and so their counts, are not equal."""
    workers, n = len(arrays), len(arrays[0])
    return ring_all_reduce(arrays)[0], [2 * (workers - 1) * n / workers] * workers


def messages_counted(arrays):
    """You count the messages, 2 · (workers − 1) from each worker. Count the numbers in them."""
    return ring_all_reduce(arrays)[0], [2 * (len(arrays) - 1)] * len(arrays)


def cases(rng):
    three = [np.array([1.0, 2.0, 3.0, 4.0]) * factor for factor in (1, 10, 100)]
    yield Case("three workers, four numbers", (three,))
    yield Case("one worker", ([np.array([2.0, -1.0])],))
    yield Case("two workers", ([np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.0, -3.0])],))
    yield Case("as many numbers as workers", ([*rng.normal(size=(4, 4))],))
    yield Case("fewer numbers than workers", ([*rng.normal(size=(5, 3))],))
    for workers, n in ((4, 11), (5, 13), (7, 30), (6, 2), (3, 9)):
        yield Case(f"random: {workers} workers, {n} numbers", ([*rng.normal(size=(workers, n))],))


DRILL = Drill(
    reference=ring_all_reduce,
    cases=cases,
    alternatives=(by_counting_what_is_not_sent, chunk_by_chunk),
    mistakes=(
        gathered_on_one_worker,
        whole_arrays_sent,
        mean_for_sum,
        second_phase_forgotten,
        second_phase_adds_too,
        one_step_too_few,
        one_step_too_many,
        second_phase_begins_with_the_wrong_chunk,
        rest_in_the_last_chunk,
        count_by_the_rule_of_thumb,
        messages_counted,
    ),
    hints=(
        "Draw three workers with three chunks each. Which chunk does each send first, and which "
        "one is finished on which worker after two steps?",
        "Keep a list of chunks for each worker. The two phases differ in two things only: the "
        "number of the chunk that is sent, and whether the receiver adds or replaces.",
        "In each of the workers − 1 steps, for every r: c = (r − step) % workers, the receiver is "
        "(r + 1) % workers and adds chunk c of worker r; then the same with c = (r + 1 − step) % "
        "workers, and it replaces. Each time sent[r] grows by the length of the chunk.",
    ),
    explanation=(
        "Each worker sends every chunk but one in each phase: 2 · (workers − 1) / workers · n "
        "numbers on average, fewer than 2 · n however many workers there are. No all-reduce can do "
        "with less (Patarasuk and Yuan, 2009, Bandwidth Optimal All-reduce Algorithms for Clusters "
        "of Workstations). Baidu took it over for deep learning, and Horovod made it common "
        "(Sergeev and Del Balso, 2018). Asked next: what does grow with the number of workers? The "
        "number of steps, and each waits for the network once. That is why small gradients are put "
        "together before they are sent, and why trees are used between many machines."
    ),
    difficulty=3,
    taught_in="07_scaling_up, section 3",
)
