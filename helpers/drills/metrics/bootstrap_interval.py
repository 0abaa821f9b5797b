import numpy as np

from helpers.drills.spec import Case, Drill


def bootstrap_interval(
    metric, y_true: np.ndarray, y_pred: np.ndarray, n_resamples: int, level: float, rng
) -> tuple:
    """Say how sure a score is: the percentile bootstrap interval of a metric on a test set.

    `metric(y_true, y_pred)` returns one float; both arrays have shape (n,), and belong together
    example by example. Draw `n_resamples` test sets of n examples with replacement: each by one
    call of `rng.integers(0, n, n)`, `rng` a numpy Generator, in order. Compute the metric on each,
    and return (low, high), the quantiles that leave (1 − level) / 2 of the resampled values below
    and above, as `np.quantile` computes them by default.
    """
    n = len(y_true)
    values = []
    for _ in range(n_resamples):
        drawn = rng.integers(0, n, n)
        values.append(metric(y_true[drawn], y_pred[drawn]))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return low, high


def all_drawn_at_once(metric, y_true, y_pred, n_resamples, level, rng):
    n = len(y_true)
    drawn = rng.integers(0, n, (n_resamples, n))
    values = [metric(t, p) for t, p in zip(y_true[drawn], y_pred[drawn], strict=True)]
    tail = (1 - level) / 2
    return np.quantile(values, tail), np.quantile(values, 1 - tail)


def sorted_by_hand(metric, y_true, y_pred, n_resamples, level, rng):
    values = []
    while len(values) < n_resamples:
        drawn = rng.integers(0, len(y_pred), len(y_pred))
        values.append(metric(np.take(y_true, drawn), np.take(y_pred, drawn)))
    values.sort()

    def quantile(share):
        place = share * (len(values) - 1)
        low, high = values[int(place)], values[int(np.ceil(place))]
        return low + (place - int(place)) * (high - low)

    return quantile(0.5 - level / 2), quantile(0.5 + level / 2)


def _values(metric, y_true, y_pred, n_resamples, rng):
    drawn = rng.integers(0, len(y_true), (n_resamples, len(y_true)))
    return np.array([metric(y_true[d], y_pred[d]) for d in drawn])


def truth_and_prediction_drawn_apart(metric, y_true, y_pred, n_resamples, level, rng):
    """You draw other examples for y_true than for y_pred. They belong together: use one draw for
    both, or you measure a model that guesses."""
    n, values = len(y_true), []
    for _ in range(n_resamples):
        values.append(metric(y_true[rng.integers(0, n, n)], y_pred[rng.integers(0, n, n)]))
    return tuple(np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))


def drawn_without_replacement(metric, y_true, y_pred, n_resamples, level, rng):
    """You draw without replacement: every resample is the whole test set in another order, and the
    interval has no width. Draw with replacement."""
    n, values = len(y_true), []
    for _ in range(n_resamples):
        drawn = rng.permutation(n)
        values.append(metric(y_true[drawn], y_pred[drawn]))
    return tuple(np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))


def prediction_drawn_alone(metric, y_true, y_pred, n_resamples, level, rng):
    """You draw from y_pred and leave y_true in place, so each truth meets another example's
    prediction. Index both with the same draw."""
    drawn = rng.integers(0, len(y_true), (n_resamples, len(y_true)))
    values = [metric(y_true, y_pred[d]) for d in drawn]
    return tuple(np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))


def one_draw_for_all(metric, y_true, y_pred, n_resamples, level, rng):
    """You draw once, before the loop, and score the same resample every time: the interval has no
    width. Draw anew for each."""
    drawn = rng.integers(0, len(y_true), len(y_true))
    value = metric(y_true[drawn], y_pred[drawn])
    return value, value


def last_example_never_drawn(metric, y_true, y_pred, n_resamples, level, rng):
    """Your last example is never drawn: `rng.integers(low, high)` leaves `high` out already."""
    drawn = rng.integers(0, len(y_true) - 1, (n_resamples, len(y_true)))
    values = [metric(y_true[d], y_pred[d]) for d in drawn]
    return tuple(np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))


def as_many_drawn_as_resamples(metric, y_true, y_pred, n_resamples, level, rng):
    """Your resamples have `n_resamples` examples. Each has to be as large as the test set, n: more
    examples make the interval too narrow, fewer too wide."""
    drawn = rng.integers(0, len(y_true), (n_resamples, n_resamples))
    values = [metric(y_true[d], y_pred[d]) for d in drawn]
    return tuple(np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))


def whole_rest_in_each_tail(metric, y_true, y_pred, n_resamples, level, rng):
    """You leave 1 − level in *each* tail, so a 90 % interval covers 80 %. Half of it belongs
    there."""
    values = _values(metric, y_true, y_pred, n_resamples, rng)
    return tuple(np.quantile(values, sorted([1 - level, level])))


def level_in_the_tails(metric, y_true, y_pred, n_resamples, level, rng):
    """You leave level / 2 in each tail, so the surer you want to be, the narrower the interval.
    What is left out is 1 − level."""
    values = _values(metric, y_true, y_pred, n_resamples, rng)
    return tuple(np.quantile(values, [level / 2, 1 - level / 2]))


def shares_given_to_percentile(metric, y_true, y_pred, n_resamples, level, rng):
    """`np.percentile` counts from 0 to 100, and you give it shares from 0 to 1: both ends lie near
    the smallest value. `np.quantile` takes shares."""
    values = _values(metric, y_true, y_pred, n_resamples, rng)
    return tuple(np.percentile(values, [(1 - level) / 2, (1 + level) / 2]))


def one_tail_only(metric, y_true, y_pred, n_resamples, level, rng):
    """Your interval starts at the smallest value: all that is left out lies above. Leave out half
    on either side."""
    values = _values(metric, y_true, y_pred, n_resamples, rng)
    return tuple(np.quantile(values, [0, level]))


def standard_error_divided_again(metric, y_true, y_pred, n_resamples, level, rng):
    """You divide the spread of the resampled values by √n. It *is* the standard error already:
    yours is far too small. And quantiles are asked for."""
    values = _values(metric, y_true, y_pred, n_resamples, rng)
    half = 1.96 * values.std() / np.sqrt(len(y_true))
    return values.mean() - half, values.mean() + half


def two_standard_deviations(metric, y_true, y_pred, n_resamples, level, rng):
    """You return the mean ± 1.96 standard deviations, whatever the level, and beyond 1 where an
    accuracy cannot be. The percentile interval takes the quantiles of the values."""
    values = _values(metric, y_true, y_pred, n_resamples, rng)
    return values.mean() - 1.96 * values.std(), values.mean() + 1.96 * values.std()


def centred_by_reflection(metric, y_true, y_pred, n_resamples, level, rng):
    """You reflect the quantiles at the estimate: that is the basic bootstrap, another method. The
    percentile interval is the quantiles themselves."""
    values = _values(metric, y_true, y_pred, n_resamples, rng)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return 2 * metric(y_true, y_pred) - high, 2 * metric(y_true, y_pred) - low


def arguments_of_the_metric_exchanged(metric, y_true, y_pred, n_resamples, level, rng):
    """You call metric(y_pred, y_true). The truth comes first: many metrics change when the two are
    exchanged."""
    return bootstrap_interval(lambda t, p: metric(p, t), y_true, y_pred, n_resamples, level, rng)


def a_value_for_a_quantile(metric, y_true, y_pred, n_resamples, level, rng):
    """You take the sorted value at place int(share · n_resamples). `np.quantile` interpolates
    between two neighbours, and counts its places from 0 to n_resamples − 1."""
    values = np.sort(_values(metric, y_true, y_pred, n_resamples, rng))
    places = [int((1 - level) / 2 * n_resamples), int((1 + level) / 2 * n_resamples)]
    return tuple(values[np.minimum(places, n_resamples - 1)])


def ends_exchanged(metric, y_true, y_pred, n_resamples, level, rng):
    """You return (high, low): the lower end comes first."""
    return bootstrap_interval(metric, y_true, y_pred, n_resamples, level, rng)[::-1]


def own_generator(metric, y_true, y_pred, n_resamples, level, rng):
    """You draw with a generator of your own, not with `rng`: then nobody can vary or repeat the
    draws."""
    rng = np.random.default_rng(0)
    return bootstrap_interval(metric, y_true, y_pred, n_resamples, level, rng)


def share_right(y_true, y_pred):
    return np.mean(y_true == y_pred)


def mean_gap(y_true, y_pred):
    return np.mean(y_pred[y_true == 1]) - np.mean(y_pred[y_true == 0])


def error_in_order(y_true, y_pred):
    return np.mean(np.abs(np.cumsum(y_true - y_pred)))


def observe(answer, metric, y_true, y_pred, n_resamples, level, rng):
    """The interval, and whether the generator was used."""
    before = rng.bit_generator.state
    interval = answer(metric, y_true, y_pred, n_resamples, level, rng)
    return {"it draws with rng": rng.bit_generator.state != before, "the interval": interval}


def cases(rng):
    seed = np.random.default_rng
    yield Case(
        "five examples, metric the share of equal ones, rng = np.random.default_rng(1)",
        (share_right, np.array([1, 0, 1, 1, 0]), np.array([1, 0, 0, 1, 1]), 40, 0.9, seed(1)),
    )
    yield Case(
        "another generator",
        (share_right, np.array([1, 0, 1, 1, 0]), np.array([1, 0, 0, 1, 1]), 40, 0.9, seed(2)),
    )
    yield Case(
        "all right", (share_right, np.array([1, 0, 1]), np.array([1, 0, 1]), 10, 0.95, seed(3))
    )
    yield Case(
        "one resample",
        (error_in_order, np.array([1.0, 5, 2]), np.array([2.0, 2, 2]), 1, 0.5, seed(4)),
    )
    for n, n_resamples, level in ((31, 101, 0.8), (57, 64, 0.95), (20, 33, 0.5)):
        y_true = np.arange(n) % 3 == 0
        y_pred = np.round(rng.random(n) + 0.5 * y_true, 2)
        note = f"{n} examples, {n_resamples} resamples, level {level}"
        yield Case(note, (mean_gap, y_true.astype(int), y_pred, n_resamples, level, seed(n)))


DRILL = Drill(
    reference=bootstrap_interval,
    cases=cases,
    observe=observe,
    alternatives=(all_drawn_at_once, sorted_by_hand),
    mistakes=(
        truth_and_prediction_drawn_apart,
        prediction_drawn_alone,
        one_draw_for_all,
        drawn_without_replacement,
        as_many_drawn_as_resamples,
        last_example_never_drawn,
        whole_rest_in_each_tail,
        level_in_the_tails,
        shares_given_to_percentile,
        one_tail_only,
        standard_error_divided_again,
        two_standard_deviations,
        centred_by_reflection,
        arguments_of_the_metric_exchanged,
        a_value_for_a_quantile,
        ends_exchanged,
        own_generator,
    ),
    hints=(
        "Pretend that your test set is the world: draw n of its examples with replacement, score, "
        "repeat.",
        "One draw of indices serves both arrays. At level 0.9 the interval leaves out 5 % below "
        "and 5 % above.",
        "drawn = rng.integers(0, n, n); metric(y_true[drawn], y_pred[drawn]); in the end "
        "np.quantile(values, [(1 − level) / 2, (1 + level) / 2]).",
    ),
    explanation=(
        "The spread of the metric over resamples stands for its spread over test sets that you did "
        "not collect (Efron, 1979). It works for any metric, and says nothing about what the test "
        "set lacks, nor about another training seed. Asked next: two models on one test set? Draw "
        "the same examples for both and look at the *difference*: its interval is far narrower."
    ),
    difficulty=2,
    taught_in="02_evaluation_metrics, section 4",
)
