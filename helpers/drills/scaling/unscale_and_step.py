import math

import numpy as np

from helpers.drills.spec import Case, Drill


def unscale_and_step(
    weights: list,
    gradients: list,
    scale: float,
    good_steps: int,
    growth_interval: int,
    learning_rate: float,
    limit: float,
) -> tuple:
    """Take one step of training in mixed precision: plain gradient descent with dynamic loss
    scaling.

    The loss was multiplied by `scale`, a power of 2, so that small gradients are not rounded to
    zero in float16. `weights` is a list of float32 arrays of any shapes, the master weights.
    `gradients` is a list of float16 arrays of the same shapes: the gradients of the *scaled* loss.
    `good_steps`, below `growth_interval`, counts the steps since the scale last changed.

    If any number in any gradient is infinite or NaN, skip the step: the weights stay as they are,
    the scale is halved, and the count starts again at 0. Otherwise divide the gradients by the
    scale, in float32. Take their norm, the root of the sum of all squares over all arrays; where it
    is above `limit`, a positive number, multiply every gradient by limit / norm. Then each weight
    becomes weight − learning_rate · gradient. The count grows by 1; when that makes it
    `growth_interval`, the scale is doubled for the next step, and the count starts again at 0.
    Return (weights, scale, count) as they are after that: a list of new arrays, a float, an int.
    Compute in float32 or better: its rounding is allowed for. The arguments stay as they are.
    """
    if not all(np.all(np.isfinite(g)) for g in gradients):
        return [w.copy() for w in weights], scale / 2, 0
    unscaled = [g.astype(np.float32) / scale for g in gradients]
    norm = np.sqrt(sum(np.sum(g**2) for g in unscaled))
    factor = limit / max(norm, limit)
    weights = [w - learning_rate * factor * g for w, g in zip(weights, unscaled, strict=True)]
    good_steps += 1
    if good_steps == growth_interval:
        return weights, scale * 2, 0
    return weights, scale, good_steps


def as_one_long_vector(
    weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
):
    g = np.concatenate([np.ravel(part) for part in gradients]).astype(float)
    if not np.isfinite(np.abs(g).max()):  # the largest of numbers and NaN is NaN
        return list(weights), scale * 0.5, 0
    g /= scale
    g *= limit / max(np.linalg.norm(g), limit)
    moved, start = [], 0
    for w in weights:
        moved.append(w - learning_rate * g[start : start + w.size].reshape(w.shape))
        start += w.size
    grown = (good_steps + 1) // growth_interval  # 1 or 0
    return moved, scale * 2**grown, (good_steps + 1) % growth_interval


def number_by_number(weights, gradients, scale, good_steps, growth_interval, learning_rate, limit):
    numbers = [value for g in gradients for value in g.ravel().tolist()]
    if not all(map(math.isfinite, numbers)):
        return weights, scale / 2, 0
    norm = math.hypot(*numbers) / scale
    rate = learning_rate / scale / max(norm / limit, 1)
    weights = [w - rate * g.astype(float) for w, g in zip(weights, gradients, strict=True)]
    if good_steps == growth_interval - 1:
        return weights, 2 * scale, 0
    return weights, scale, good_steps + 1


def _finite(gradients):
    return [bool(np.all(np.isfinite(g))) for g in gradients]


def _moved(weights, gradients, learning_rate, limit):
    """A clipped step with gradients in float32."""
    with np.errstate(all="ignore"):
        norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
        factor = limit / np.maximum(norm, limit)
        return [w - learning_rate * factor * g for w, g in zip(weights, gradients, strict=True)]


def _after_a_good_step(scale, good_steps, growth_interval):
    grows = good_steps + 1 == growth_interval
    return (scale * 2, 0) if grows else (scale, good_steps + 1)


def clipped_before_unscaling(
    weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
):
    """You clip the gradients while they are still multiplied by the scale. Their norm is then
    thousands of times too large, nearly every step is clipped, and it ends up as short as
    limit / scale. Unscale first."""
    if not all(_finite(gradients)):
        return weights, scale / 2, 0
    clipped = _moved([0.0] * len(weights), [-g.astype(np.float32) for g in gradients], 1, limit)
    weights = [w - learning_rate * c / scale for w, c in zip(weights, clipped, strict=True)]
    return weights, *_after_a_good_step(scale, good_steps, growth_interval)


def never_unscaled(weights, gradients, scale, good_steps, growth_interval, learning_rate, limit):
    """You step with the gradients of the scaled loss. Divide them by the scale first; without that
    only clipping keeps the weights from flying away."""
    if not all(_finite(gradients)):
        return weights, scale / 2, 0
    whole = [g.astype(np.float32) for g in gradients]
    weights = _moved(weights, whole, learning_rate, limit)
    return weights, *_after_a_good_step(scale, good_steps, growth_interval)


def unscaled_in_half_precision(
    weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
):
    """You divide by the scale in float16, and the small gradients that the scale has saved are
    rounded to zero after all. Turn them into float32 first."""
    if not all(_finite(gradients)):
        return weights, scale / 2, 0
    with np.errstate(all="ignore"):
        divided = [(g.astype(float) / scale).astype(np.float16) for g in gradients]
    weights = _moved(weights, [g.astype(np.float32) for g in divided], learning_rate, limit)
    return weights, *_after_a_good_step(scale, good_steps, growth_interval)


def weights_in_half_precision(
    weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
):
    """You round the weights to float16. A float16 has some three digits: a step of a thousandth of
    a weight is lost, however often it comes. The master weights stay float32."""
    weights, scale, count = unscale_and_step(
        weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
    )
    return [w.astype(np.float16) for w in weights], scale, count


def overflow_not_noticed(
    weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
):
    """You step with gradients that are infinite or NaN, and the weights are lost. Look at the
    gradients first, and skip the step."""
    whole = [g.astype(np.float32) / scale for g in gradients]
    weights = _moved(weights, whole, learning_rate, limit)
    return weights, *_after_a_good_step(scale, good_steps, growth_interval)


def nan_not_noticed(weights, gradients, scale, good_steps, growth_interval, learning_rate, limit):
    """You look for infinite gradients, and not for NaN: it comes from ∞ − ∞ or 0 · ∞ on the way
    back, and ruins the weights just the same."""
    if any(np.any(np.isinf(g)) for g in gradients):
        return weights, scale / 2, 0
    return overflow_not_noticed(
        weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
    )


def only_bad_arrays_skipped(
    weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
):
    """You skip the weights whose own gradients overflowed, and move the others. All gradients come
    from the same pass: skip the whole step."""
    finite = _finite(gradients)
    pairs = [(w, g) for w, g, ok in zip(weights, gradients, finite, strict=True) if ok]
    whole = [g.astype(np.float32) / scale for _, g in pairs]
    moved = iter(_moved([w for w, _ in pairs], whole, learning_rate, limit))
    weights = [next(moved) if ok else w for w, ok in zip(weights, finite, strict=True)]
    if not all(finite):
        return weights, scale / 2, 0
    return weights, *_after_a_good_step(scale, good_steps, growth_interval)


def scale_not_halved(weights, gradients, scale, good_steps, growth_interval, learning_rate, limit):
    """You skip the step, and leave the scale as it is: the next one will overflow too, and so on
    for ever. Halve it."""
    new, _, count = unscale_and_step(
        weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
    )
    if not all(_finite(gradients)):
        return new, scale, count
    return new, *_after_a_good_step(scale, good_steps, growth_interval)


def count_survives_an_overflow(
    weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
):
    """You halve the scale and keep the count of good steps. They were good steps in a *row*: after
    an overflow the count starts again at 0."""
    new, scale, count = unscale_and_step(
        weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
    )
    return new, scale, count if all(_finite(gradients)) else good_steps


def count_survives_the_growth(
    weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
):
    """You double the scale and let the count go on. It starts again at 0: the new scale has to
    prove itself for as many steps."""
    new, scale, count = unscale_and_step(
        weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
    )
    return new, scale, good_steps + 1 if all(_finite(gradients)) else count


def doubled_one_step_late(
    weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
):
    """You compare the count with the interval before this step is counted, so the scale is doubled
    one step late. This step is a good one too."""
    new, after, _ = unscale_and_step(
        weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
    )
    if not all(_finite(gradients)):
        return new, after, 0
    return new, scale, good_steps + 1


def observe(answer, *args):
    """The weights in float64: so an answer in float32 and one in float64 meet one tolerance."""
    weights, scale, count = answer(*args)
    return {
        "the new weights": [np.asarray(w, float) for w in weights],
        "the new scale": scale,
        "the new count": count,
    }


def cases(rng):
    def case(note, weights, gradients, *rest):
        weights = [np.array(w, np.float32) for w in weights]
        gradients = [np.array(g, np.float16) for g in gradients]
        # Float32 has nine digits less than float64.
        return Case(note, (weights, gradients, *rest), condition=4e6)

    yield case("a good step", [[1.0, 2.0]], [[8.0, -4.0]], 8.0, 3, 100, 0.1, 10.0)
    one, two = [[1.0, 2.0], [3.0]], [[1.0, -1.0], [[0.5]]]
    yield case("a norm of 5, clipped to 2.5", one, [[24.0, 0.0], [-32.0]], 8.0, 0, 100, 0.5, 2.5)
    yield case("an infinite gradient", one, [[1.0, -np.inf], [2.0]], 1024.0, 7, 10, 0.1, 1.0)
    yield case("NaN in the second gradient", two, [[1.0, 2.0], [[np.nan]]], 64.0, 5, 10, 0.1, 1.0)
    yield case("the last step before the scale grows", one, [[1.0, 2.0], [3.0]], 2.0, 9, 10, 0.1, 9)
    yield case("the last but one", one, [[1.0, 2.0], [3.0]], 2.0, 8, 10, 0.1, 9.0)
    yield case("an interval of one step", one, [[1.0, 2.0], [3.0]], 2.0, 0, 1, 0.1, 9.0)
    yield case("overflow where the scale would grow", one, [[1.0, 0.0], [np.inf]], 1.0, 9, 10, 1, 9)
    small = [[3e-4, -1e-3, 2e-3]]
    yield case("gradients too small for float16", [np.zeros(3)], small, 2.0**15, 1, 50, 1.0, 1.0)
    yield case("all gradients zero", one, [[0.0, 0.0], [0.0]], 256.0, 1, 50, 0.1, 1.0)
    for rows, columns, power, limit in ((2, 3, 10, 0.01), (5, 4, 6, 30.0), (3, 7, 3, 1.5)):
        shapes = ((rows, columns), (columns,), (2, 1, rows))
        weights = [rng.normal(size=shape) for shape in shapes]
        gradients = [20 * rng.normal(size=shape) for shape in shapes]
        note = f"random: scale {2**power}, limit {limit}"
        yield case(note, weights, gradients, 2.0**power, rows, 20, 0.3, limit)


DRILL = Drill(
    reference=unscale_and_step,
    cases=cases,
    observe=observe,
    alternatives=(as_one_long_vector, number_by_number),
    mistakes=(
        clipped_before_unscaling,
        never_unscaled,
        unscaled_in_half_precision,
        weights_in_half_precision,
        overflow_not_noticed,
        nan_not_noticed,
        only_bad_arrays_skipped,
        scale_not_halved,
        count_survives_an_overflow,
        count_survives_the_growth,
        doubled_one_step_late,
    ),
    hints=(
        "Four things happen to the gradients, in this order: looked at, unscaled, clipped, used. "
        "What can go wrong if two of them change places?",
        "Look first: `np.isfinite` over all arrays decides whether there is a step at all. In "
        "which type do you divide by the scale, and which gradients' norm is compared with the "
        "limit?",
        "Not finite: (weights, scale / 2, 0). Otherwise g.astype(np.float32) / scale; factor = "
        "limit / max(norm, limit); weight − learning_rate · factor · g; count + 1, and at "
        "growth_interval the scale times 2 and the count 0.",
    ),
    explanation=(
        "Float16 ends at 65,504 above and near 6e-8 below. The scale moves the gradients into "
        "that range, and the scale itself is found by trying: up after many good steps, down at "
        "once after an overflow (Micikevicius and others, 2018, Mixed Precision Training). Keras's "
        "`LossScaleOptimizer` keeps count as you do, by default with an interval of 2,000. Asked "
        "next: why does bfloat16 do without? It has the eight exponent bits of float32, and so its "
        "range; it pays with precision, having 8 significant bits where float16 has 11."
    ),
    difficulty=3,
    taught_in="07_scaling_up, section 2",
)
