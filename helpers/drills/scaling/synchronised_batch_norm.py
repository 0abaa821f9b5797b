import numpy as np

from helpers.drills.spec import Case, Drill


def synchronised_batch_norm(
    shares: list, gain: np.ndarray, shift: np.ndarray, epsilon: float
) -> list:
    """Normalise a batch that lies on several replicas as if it lay on one: synchronised batch
    normalisation, in training.

    `shares` has one float array for each replica, of shape (n, features): its rows of the batch. n
    may differ from replica to replica and may be 0, but there is at least one row in all. For each
    feature take the mean and the variance over *all* rows of all replicas; the variance is the mean
    of the squared distances from that mean, divided by the number of rows, not by one less. Return
    a list with one array for each replica, in the shape of its share: gain · (x − mean) /
    √(variance + epsilon) + shift. `gain` and `shift` have shape (features,), epsilon is positive. A
    mean that is a million times the standard deviation must do no harm. The arguments stay as they
    are.
    """
    # Two rounds of messages: each replica sends a count and sums, and gets those of all.
    rows = sum(len(x) for x in shares)
    mean = sum(x.sum(axis=0) for x in shares) / rows
    squares = sum(((x - mean) ** 2).sum(axis=0) for x in shares)
    deviation = np.sqrt(squares / rows + epsilon)
    return [gain * (x - mean) / deviation + shift for x in shares]


def on_one_device(shares, gain, shift, epsilon):
    whole = np.concatenate(shares)
    y = (whole - whole.mean(axis=0)) / np.sqrt(whole.var(axis=0) + epsilon)
    ends = np.cumsum([len(x) for x in shares])
    return np.split(y * gain + shift, ends[:-1])


def within_and_between(shares, gain, shift, epsilon):
    """The variance of all rows: the mean of the replicas' own, and the variance of their means."""
    filled = [x for x in shares if len(x)]
    sizes, means = [len(x) for x in filled], np.array([x.mean(axis=0) for x in filled])
    mean = np.average(means, axis=0, weights=sizes)
    within = np.average([x.var(axis=0) for x in filled], axis=0, weights=sizes)
    between = np.average((means - mean) ** 2, axis=0, weights=sizes)
    scale = gain / np.sqrt(within + between + epsilon)
    return [x * scale + (shift - mean * scale) for x in shares]


def as_given(shares, gain, shift, epsilon):
    """This is the code as given, or its bug is still in it: the more replicas share a batch, the
    worse the model gets. With one row on each, whatever that row is, the layer puts out the
    shift."""
    results = []
    for x in shares:
        rows = max(len(x), 1)
        mean = x.sum(axis=0) / rows
        variance = ((x - mean) ** 2).sum(axis=0) / rows
        results.append(gain * (x - mean) / np.sqrt(variance + epsilon) + shift)
    return results


def _normalised(shares, mean, variance, gain, shift, epsilon):
    with np.errstate(all="ignore"):
        return [gain * (x - mean) / np.sqrt(variance + epsilon) + shift for x in shares]


def _moments(shares):
    whole = np.concatenate(shares)
    return whole.mean(axis=0), whole.var(axis=0)


def only_the_mean_shared(shares, gain, shift, epsilon):
    """The mean is that of all rows now, and the variance still each replica's own. Both belong to
    the whole batch."""
    mean, _ = _moments(shares)
    results = []
    for x in shares:
        variance = ((x - mean) ** 2).sum(axis=0) / max(len(x), 1)
        results += _normalised([x], mean, variance, gain, shift, epsilon)
    return results


def variances_averaged(shares, gain, shift, epsilon):
    """The mean is right, and for the variance you average those of the replicas, each around its
    own mean. How far these means lie apart is part of the variance too: take the distances from the
    common mean."""
    rows = sum(len(x) for x in shares)
    inside = sum(((x - x.mean(axis=0)) ** 2).sum(axis=0) for x in shares if len(x))
    return _normalised(shares, _moments(shares)[0], inside / rows, gain, shift, epsilon)


def replicas_weigh_the_same(shares, gain, shift, epsilon):
    """You average the replicas' means, and their mean squares, as if all had the same number of
    rows. Add up sums and counts over the replicas, and divide once."""
    filled = [x for x in shares if len(x)]
    mean = np.mean([x.mean(axis=0) for x in filled], axis=0)
    variance = np.mean([((x - mean) ** 2).mean(axis=0) for x in filled], axis=0)
    return _normalised(shares, mean, variance, gain, shift, epsilon)


def moments_averaged(shares, gain, shift, epsilon):
    """You average the replicas' means and their variances, each replica counted alike. Replicas
    with more rows weigh more, and the distances between the means belong to the variance."""
    filled = [x for x in shares if len(x)]
    mean = np.mean([x.mean(axis=0) for x in filled], axis=0)
    variance = np.mean([x.var(axis=0) for x in filled], axis=0)
    return _normalised(shares, mean, variance, gain, shift, epsilon)


def squares_cancel(shares, gain, shift, epsilon):
    """You compute the variance as the mean of the squares minus the square of the mean. Where the
    mean is large both are huge, and their difference is rounding: add up squared distances from the
    mean. (Keras's synchronised layer does what you do, and makes 0 of a negative difference.)"""
    whole = np.concatenate(shares)
    mean = whole.mean(axis=0)
    variance = np.maximum((whole**2).mean(axis=0) - mean**2, 0)
    return _normalised(shares, mean, variance, gain, shift, epsilon)


def one_row_less(shares, gain, shift, epsilon):
    """You divide the squares by the number of rows minus one. Batch normalisation divides by the
    number of rows. (A single row would give 0 / 0.)"""
    whole = np.concatenate(shares)
    with np.errstate(all="ignore"):
        variance = ((whole - whole.mean(axis=0)) ** 2).sum(axis=0) / np.float64(len(whole) - 1)
    return _normalised(shares, whole.mean(axis=0), variance, gain, shift, epsilon)


def epsilon_outside_the_root(shares, gain, shift, epsilon):
    """You add epsilon to the standard deviation. It is added to the variance, inside the root."""
    mean, variance = _moments(shares)
    return [gain * (x - mean) / (np.sqrt(variance) + epsilon) + shift for x in shares]


def features_mixed(shares, gain, shift, epsilon):
    """You take one mean and one variance over all features. Each feature has its own."""
    whole = np.concatenate(shares)
    return _normalised(shares, whole.mean(), whole.var(), gain, shift, epsilon)


def gain_and_shift_forgotten(shares, gain, shift, epsilon):
    """You normalise, and leave out gain and shift. They let the layer undo what it does: multiply
    by the one and add the other at the end."""
    mean, variance = _moments(shares)
    return _normalised(shares, mean, variance, 1.0, 0.0, epsilon)


def observe(answer, shares, gain, shift, epsilon):
    """Each replica's rows. A share without rows may be returned as an empty list too."""
    results = answer(shares, gain, shift, epsilon)
    return {"the rows of each replica": [y if np.size(y) else np.zeros(0) for y in results]}


def cases(rng):
    one, zero = np.ones(1), np.zeros(1)
    two = [np.array([[1.0], [3.0]]), np.array([[8.0]])]
    yield Case("two rows and one, one feature", (two, one, zero, 1.0))
    three = [np.array([[x]]) for x in (1.0, 2.0, 6.0)]
    yield Case("one row on each of three", (three, one, one, 0.5))
    whole = rng.normal(size=(5, 2))
    yield Case("one replica", ([whole], np.array([1.0, 2.0]), np.array([0.0, -1.0]), 1e-3))
    parts = [whole[:3], whole[:0], whole[3:]]
    yield Case("a replica without rows", (parts, np.array([1.0, 2.0]), np.zeros(2), 1e-3))
    yield Case("a single row in all", ([whole[:0], whole[:1]], np.ones(2), np.array([2.0, 3.0]), 1))
    apart = [rng.normal(size=(4, 2)), 5 + rng.normal(size=(4, 2))]
    yield Case("replicas whose rows differ much", (apart, np.ones(2), np.zeros(2), 1e-3))
    far = [1e6 + rng.normal(size=(n, 3)) for n in (5, 8, 2)]
    # The mean itself is rounded to some ten digits behind the point.
    yield Case("a mean of a million", (far, np.ones(3), np.zeros(3), 1e-3), condition=1e6)
    for sizes, features in (((4, 4), 3), ((7, 2, 5), 4), ((1, 6, 3, 3), 2)):
        shares = [rng.normal(size=(n, features)) + rng.normal() for n in sizes]
        gain, shift = rng.normal(size=(2, features))
        note = f"random shares of {', '.join(map(str, sizes))}, {features} features"
        yield Case(note, (shares, gain, shift, 0.01))


DRILL = Drill(
    reference=synchronised_batch_norm,
    cases=cases,
    observe=observe,
    given=as_given,
    alternatives=(on_one_device, within_and_between),
    mistakes=(
        as_given,
        only_the_mean_shared,
        variances_averaged,
        replicas_weigh_the_same,
        moments_averaged,
        squares_cancel,
        one_row_less,
        epsilon_outside_the_root,
        features_mixed,
        gain_and_shift_forgotten,
    ),
    hints=(
        "With one row on a replica, what is x − mean in the code? Over which rows is the mean "
        "taken, and over which should it be?",
        "Two sums over replicas give the mean: of their sums and of their counts. The variance "
        "needs a second round, for the distances are taken from that mean.",
        "rows = Σ len(x), mean = Σ x.sum(axis=0) / rows, variance = Σ ((x − mean)²).sum(axis=0) / "
        "rows, all over the replicas; then every share with the same mean and variance.",
    ),
    explanation=(
        "Batch normalisation (Ioffe and Szegedy, 2015) is the one common layer in which the rows "
        "of a batch meet, so it alone sees how a batch is shared out. Peng and others, 2018, "
        "MegDet, shared the statistics over the cards, since a detector has room for one or two "
        "images on each. In Keras it is `BatchNormalization(synchronized=True)`; without that each "
        "replica uses its own rows. Asked next: what does it cost? Every such layer waits for all "
        "replicas, forward and backward, for a few numbers a feature. With enough rows on each "
        "replica it is not needed, and LayerNorm or GroupNorm, which look at one example at a "
        "time, never need it."
    ),
    difficulty=2,
    taught_in="07_scaling_up, section 3",
)
