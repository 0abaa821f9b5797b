import numpy as np

from helpers.drills.spec import Case, Drill


def replica_loss(losses: list) -> list:
    """Compute the loss that each replica of a data-parallel training differentiates. The gradients
    of all replicas are added up afterwards, and their sum has to be the gradient of the mean loss
    over the whole batch, as on one device.

    `losses` has one entry for each replica: a float array of shape (n,), the losses of its own
    examples. The batch is not always shared out evenly: n may differ from replica to replica, and
    may be 0 where nothing was left, but there is at least one example in all. Return a list with
    one float for each replica: the sum of its losses divided by the number of examples of the
    *whole* batch, 0 where it has none. So the floats add up to the mean over the batch, and in
    their sum each example weighs the same. The arguments stay as they are.
    """
    examples = sum(len(own) for own in losses)
    return [np.sum(own) / examples for own in losses]


def mean_times_share(losses):
    sizes = np.array([len(own) for own in losses])
    means = np.array([np.sum(own) / max(len(own), 1) for own in losses])
    return list(means * (sizes / sizes.sum()))


def with_one_long_array(losses):
    whole = np.concatenate(losses)
    replica = np.repeat(np.arange(len(losses)), [len(own) for own in losses])
    return np.bincount(replica, weights=whole / whole.size, minlength=len(losses))


def as_given(losses):
    """This is the code as given, or its bug is still in it: a step on four replicas moves the
    weights about four times as far as a step with the same batch on one, and after the last batch
    of an epoch a few examples have moved them most."""
    results = []
    for own in losses:
        results.append(own.mean() if len(own) else 0.0)
    return results


def _means(losses):
    return [own.mean() if len(own) else 0.0 for own in losses]


def divided_by_the_replicas(losses):
    """You take each replica's mean and divide it by the number of replicas. That is right where all
    have equally many examples; where one has few, its examples weigh more than the others."""
    return [mean / len(losses) for mean in _means(losses)]


def divided_by_the_replicas_with_examples(losses):
    """You take each replica's mean and divide it by the number of replicas that have examples.
    Where one has few, its examples still weigh more than the others."""
    return [mean / sum(len(own) > 0 for own in losses) for mean in _means(losses)]


def as_if_every_share_were_full(losses):
    """You divide by the size that the batch would have if every replica had as many examples as the
    fullest one. The last batch is smaller, and its gradient becomes too small: count what is
    there."""
    full = len(losses) * max(len(own) for own in losses)
    return [np.sum(own) / full for own in losses]


def as_if_every_share_were_the_first(losses):
    """You take the first replica's number of examples times the number of replicas for the size of
    the batch. The shares may differ: add up all of them."""
    return [np.sum(own) / max(len(losses) * len(losses[0]), 1) for own in losses]


def whole_mean_on_every_replica(losses):
    """You return the mean over the whole batch on every replica. The gradients are added up, so
    each part of the batch would count as often as there are replicas: each returns its own part."""
    whole = np.concatenate(losses).mean()
    return [whole for _ in losses]


def summed_only(losses):
    """You return sums, and divide by nothing: the gradient grows with the batch. Divide by the
    number of examples of the whole batch."""
    return [np.sum(own) for own in losses]


def divided_twice(losses):
    """You divide each replica's *mean* by the size of the batch. Its examples are divided twice:
    take the sum."""
    examples = sum(len(own) for own in losses)
    return [mean / examples for mean in _means(losses)]


def replica_without_examples_gives_nan(losses):
    """A replica without examples has no mean: 0 / 0 is NaN, and one NaN makes the summed gradient
    NaN. Its loss is 0."""
    results = replica_loss(losses)
    return [r if len(own) else np.nan for r, own in zip(results, losses, strict=True)]


def replicas_without_examples_left_out(losses):
    """You return nothing for a replica that has no examples. It takes part in the sum like the
    others, with a loss of 0."""
    return replica_loss([own for own in losses if len(own)])


def cases(rng):
    yield Case("three examples and one", ([np.array([1.0, 2.0, 6.0]), np.array([4.0])],))
    yield Case("equal shares", ([np.array([1.0, 2.0]), np.array([3.0, 5.0])],))
    yield Case("one replica", ([np.array([1.0, 2.0, 4.5])],))
    yield Case(
        "a replica without examples", ([np.array([1.0, 2.0]), np.array([3.0]), np.zeros(0)],)
    )
    yield Case("the first without examples", ([np.zeros(0), np.array([3.0, 4.0])],))
    yield Case("a single example", ([np.zeros(0), np.array([3.0]), np.zeros(0)],))
    for sizes in ((4, 4, 4, 1), (2, 5, 3), (7, 7, 2, 0), (1, 6), (8, 8, 8, 8, 3)):
        note = f"random shares of {', '.join(map(str, sizes))}"
        yield Case(note, ([rng.exponential(size=size) for size in sizes],))


DRILL = Drill(
    reference=replica_loss,
    cases=cases,
    given=as_given,
    alternatives=(mean_times_share, with_one_long_array),
    mistakes=(
        as_given,
        divided_by_the_replicas,
        divided_by_the_replicas_with_examples,
        as_if_every_share_were_full,
        as_if_every_share_were_the_first,
        whole_mean_on_every_replica,
        summed_only,
        divided_twice,
        replica_without_examples_gives_nan,
        replicas_without_examples_left_out,
    ),
    hints=(
        "Write down the mean over the whole batch, one fraction. Which part of its numerator does "
        "one replica have, and which denominator?",
        "The code divides each replica's sum by the replica's own number of examples. What must "
        "all replicas divide by, so that the results can be added?",
        "examples = the number of examples on all replicas; each replica returns np.sum(own) / "
        "examples. The sum of no numbers is 0.",
    ),
    explanation=(
        "The gradient of a sum is the sum of the gradients, so the parts have to be parts of one "
        "fraction. TensorFlow's guide to custom training with `tf.distribute` says it so, and "
        "`tf.nn.compute_average_loss` divides by the global batch size that it is given. Keras's "
        "`fit` divides each replica's mean by the number of replicas (version 3.15): the same, "
        "as long as the shares are equal. Asked next: what if the framework takes the *mean* of "
        "the gradients, as PyTorch's DistributedDataParallel does? Then each replica returns "
        "`replicas` times this. And in a language model? There the tokens count, and the replicas "
        "have to add up their numbers of tokens before any of them can divide."
    ),
    difficulty=1,
    taught_in="07_scaling_up, section 3",
)
