import numpy as np

from helpers.drills.spec import Case, Drill


def epoch_metric(epochs: list) -> list:
    """Compute the accuracy of each epoch of a training on several replicas: what share of all the
    examples of that epoch was predicted right.

    `epochs` is a list of epochs; an epoch is a list of batches; a batch is a list with one entry
    for each replica: a bool array of shape (n,), True where the prediction for one of its examples
    was right. n may differ from replica to replica and from batch to batch, and may be 0, but each
    epoch has at least one example. Return a list of floats, one for each epoch: the number of its
    examples that were right, in all batches and on all replicas, divided by the number of its
    examples. So every example of an epoch weighs the same, and those of other epochs do not count.
    """
    accuracies = []
    for batches in epochs:
        right = examples = 0
        for replicas in batches:
            for hits in replicas:
                right += hits.sum()
                examples += len(hits)
        accuracies.append(right / examples)
    return accuracies


def by_one_long_array(epochs):
    return [
        np.mean(np.concatenate([hits for replicas in batches for hits in replicas]))
        for batches in epochs
    ]


def by_weighing_the_shares(epochs):
    accuracies = []
    for batches in epochs:
        filled = [hits for replicas in batches for hits in replicas if len(hits)]
        own = [np.mean(hits) for hits in filled]
        accuracies.append(np.average(own, weights=[hits.size for hits in filled]))
    return accuracies


def as_given(epochs):
    """This is the code as given, or its bug is still in it: the longer the training, the less the
    curve moves. When the model falls apart in its twentieth epoch, the accuracy hardly drops."""
    right = examples = 0
    accuracies = []
    for batches in epochs:
        for replicas in batches:
            for hits in replicas:
                right += hits.sum()
                examples += len(hits)
        accuracies.append(right / examples)
    return accuracies


def _accuracy(arrays):
    return np.mean(np.concatenate(arrays))


def _filled(arrays):
    return [hits for hits in arrays if len(hits)]


def only_the_hits_reset(epochs):
    """You start the number of hits again in each epoch, and let the number of examples go on: the
    accuracy falls from epoch to epoch. Both start again."""
    examples, accuracies = 0, []
    for batches in epochs:
        arrays = [hits for replicas in batches for hits in replicas]
        examples += sum(len(hits) for hits in arrays)
        accuracies.append(sum(hits.sum() for hits in arrays) / examples)
    return accuracies


def only_the_examples_reset(epochs):
    """You start the number of examples again in each epoch, and let the number of hits go on: the
    accuracy grows beyond 1. Both start again."""
    right, accuracies = 0, []
    for batches in epochs:
        arrays = [hits for replicas in batches for hits in replicas]
        right += sum(hits.sum() for hits in arrays)
        accuracies.append(right / sum(len(hits) for hits in arrays))
    return accuracies


def reset_in_every_batch(epochs):
    """You start again in every batch, and so report the last one that had examples. Start again
    once an epoch."""
    return [
        _accuracy([batch for batch in batches if sum(map(len, batch))][-1]) for batches in epochs
    ]


def batches_weigh_the_same(epochs):
    """You average the accuracies of the batches. The last batch of an epoch is usually smaller, and
    its examples weigh more then: add up hits and examples, and divide once."""
    return [
        np.mean([_accuracy(batch) for batch in batches if sum(map(len, batch))])
        for batches in epochs
    ]


def shares_weigh_the_same(epochs):
    """You average the accuracies of the replicas' shares. A share may have few examples, and these
    weigh more then: add up hits and examples, and divide once."""
    return [
        np.mean([hits.mean() for replicas in batches for hits in _filled(replicas)])
        for batches in epochs
    ]


def replicas_weigh_the_same(epochs):
    """You take each replica's accuracy over the epoch, and average these. A replica that had fewer
    examples weighs too much: add up hits and examples over the replicas, and divide once."""
    results = []
    for batches in epochs:
        by_replica = [_filled(hits) for hits in zip(*batches, strict=True)]
        results.append(np.mean([_accuracy(hits) for hits in by_replica if hits]))
    return results


def only_the_first_replica(epochs):
    """You count the first replica's examples only. The epoch's are those of all replicas. (Where
    the first has none, you have 0 / 0.)"""
    results = []
    for batches in epochs:
        hits = np.concatenate([replicas[0] for replicas in batches])
        results.append(hits.mean() if len(hits) else np.nan)
    return results


def epochs_averaged(epochs):
    """You report the mean over the epochs so far. Each epoch's accuracy stands for itself."""
    own = epoch_metric(epochs)
    return list(np.cumsum(own) / np.arange(1, len(own) + 1))


def hits_counted(epochs):
    """You return the number of hits. Divide by the number of examples of the epoch."""
    return [sum(int(hits.sum()) for replicas in batches for hits in replicas) for batches in epochs]


def cases(rng):
    def epoch(sizes, share):
        return [[rng.random(n) < share for n in batch] for batch in sizes]

    yes, no = np.array([True]), np.array([False])
    first = [[np.array([True, True, False]), no], [yes, no]]
    yield Case("two epochs, two replicas", ([first, [[np.array([False, False, True]), no]]],))
    yield Case("one epoch", ([first],))
    yield Case("one replica, one batch an epoch", ([[[yes]], [[no]], [[yes]]],))
    none = np.zeros(0, bool)
    gaps = [[[none, yes, no], [no, none, none]], [[none, no, yes]]]
    yield Case("shares without examples", (gaps,))
    empty = [[[yes, no, yes]], [[yes, no, no], [none, none, none]]]
    yield Case("a batch without examples", (empty,))
    good = [epoch([(8, 8), (8, 8), (3, 0)], 0.9) for _ in range(6)]
    yield Case("a model that falls apart", ([*good, epoch([(8, 8), (8, 8), (3, 0)], 0.1)],))
    for count, sizes in ((3, [(5, 4, 4), (2, 1, 0)]), (4, [(7, 2), (1, 6), (3, 3)])):
        note = f"random: {count} epochs, {len(sizes[0])} replicas"
        yield Case(note, ([epoch(sizes, rng.uniform(0.2, 0.9)) for _ in range(count)],))


DRILL = Drill(
    reference=epoch_metric,
    cases=cases,
    given=as_given,
    alternatives=(by_one_long_array, by_weighing_the_shares),
    mistakes=(
        as_given,
        only_the_hits_reset,
        only_the_examples_reset,
        reset_in_every_batch,
        batches_weigh_the_same,
        shares_weigh_the_same,
        replicas_weigh_the_same,
        only_the_first_replica,
        epochs_averaged,
        hits_counted,
    ),
    hints=(
        "Give it the same epoch twice, then one in which everything is wrong. What does the second "
        "accuracy of the code depend on?",
        "Two numbers are counted up. Where do they start, and how often should they?",
        "right = examples = 0 belongs inside the loop over the epochs; the rest of the code is "
        "right.",
    ),
    explanation=(
        "A metric keeps a state, here two counts, and somebody has to reset it. Keras's `fit` "
        "calls `reset_state` when an epoch begins; in a loop of your own that is your part, and "
        "where it is forgotten the curve is a mean over the whole training, smooth and late. "
        "Asked next: how do several machines report one accuracy? They add up the counts, not the "
        "ratios, and divide at the end. And F1 or AUC? Neither is a mean over examples: for F1 add "
        "up the counts of its confusion matrix, for AUC gather scores, or counts in bins of them."
    ),
    difficulty=1,
    taught_in="07_scaling_up, section 6",
)
