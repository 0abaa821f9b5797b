import numpy as np

from helpers.drills.spec import Case, Drill


def clip_by_global_norm(gradients: list, limit: float) -> tuple:
    """Shorten a gradient that is too long, without turning it: clipping by the global norm, which
    keeps one bad batch from destroying a model.

    `gradients` is a list of arrays of any shapes, one for each weight; where a weight has no
    gradient the entry is None. The global norm is the length of all their numbers taken as one
    vector. Return (clipped, norm): a list with an entry for each entry, None where it was None, and
    the norm *before* clipping. If the norm is above `limit`, a positive number, multiply every
    array by limit / norm; otherwise return them as they are.
    """
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients if g is not None))
    scale = limit / norm if norm > limit else 1.0
    return [None if g is None else g * scale for g in gradients], norm


def by_one_long_vector(gradients, limit):
    parts = [g.ravel() for g in gradients if g is not None]
    norm = np.linalg.norm(np.concatenate(parts)) if parts else 0.0
    if norm <= limit:
        return list(gradients), norm
    return [g if g is None else limit * (g / norm) for g in gradients], norm


def by_norms_of_norms(gradients, limit):
    norms = [0.0 if g is None else np.linalg.norm(g) for g in gradients]
    norm = np.linalg.norm(norms)
    divisor = max(norm, limit)
    return [g if g is None else g * limit / divisor for g in gradients], norm


def each_array_alone(gradients, limit):
    """You clip every array by its own norm. That changes the direction of the step: all arrays are
    scaled by one number, from the norm of all together. (Keras's `clipnorm` does what you do,
    `global_clipnorm` what is asked.)"""
    clipped = [None if g is None else clip_by_global_norm([g], limit)[0][0] for g in gradients]
    return clipped, clip_by_global_norm(gradients, limit)[1]


def each_number_alone(gradients, limit):
    """You cut off every number at ±limit. That is clipping by value: it turns the gradient. Scale
    all numbers by one factor."""
    clipped = [None if g is None else np.clip(g, -limit, limit) for g in gradients]
    return clipped, clip_by_global_norm(gradients, limit)[1]


def small_gradients_stretched(gradients, limit):
    """You scale always, so that a short gradient becomes as long as the limit. Leave it as it is
    when its norm is not above the limit."""
    _, norm = clip_by_global_norm(gradients, limit)
    scale = limit / norm if norm else 1.0
    return [None if g is None else g * scale for g in gradients], norm


def zero_norm_divides_by_zero(gradients, limit):
    """When all gradients are zero you divide by zero, and NaN goes into every weight. Divide only
    when the norm is above the limit, or by the larger of the two."""
    _, norm = clip_by_global_norm(gradients, limit)
    scale = min(np.float64(limit) / norm, 1.0) if norm else np.nan
    return [None if g is None else g * scale for g in gradients], norm


def largest_number_compared(gradients, limit):
    """You compare the limit with the largest number in the gradients. It is the *norm* that must
    not be above the limit, and many small numbers make a large norm."""
    _, norm = clip_by_global_norm(gradients, limit)
    largest = max((np.abs(g).max() for g in gradients if g is not None), default=0.0)
    scale = limit / norm if largest > limit else 1.0
    return [None if g is None else g * scale for g in gradients], norm


def small_number_added(gradients, limit):
    """You add a small number to the norm before dividing, as PyTorch does. It guards against a norm
    of zero, which is never above the limit: divide by the norm itself."""
    _, norm = clip_by_global_norm(gradients, limit)
    scale = min(1.0, limit / (norm + 1e-6))
    return [None if g is None else g * scale for g in gradients], norm


def sum_of_the_norms(gradients, limit):
    """You add up the norms of the arrays. Lengths at right angles do not add: add the *squares*
    over all arrays, and take the root once."""
    norm = sum(np.linalg.norm(g) for g in gradients if g is not None)
    scale = limit / max(norm, limit)
    return [None if g is None else g * scale for g in gradients], norm


def root_forgotten(gradients, limit):
    """You compare the *squared* norm with the limit: take the square root."""
    norm = sum(np.sum(g**2) for g in gradients if g is not None)
    scale = limit / max(norm, limit)
    return [None if g is None else g * scale for g in gradients], norm


def none_not_expected(gradients, limit):
    """You compute with None. A weight that the loss does not depend on has no gradient: leave it
    out of the norm, and keep None in its place."""
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    return [g * limit / max(norm, limit) for g in gradients], norm


def none_left_out(gradients, limit):
    """You drop the entries that are None, so the gradients no longer line up with their weights.
    Keep None in its place."""
    return clip_by_global_norm([g for g in gradients if g is not None], limit)


def none_becomes_zero(gradients, limit):
    """You replace None by zero. An optimizer skips None; a zero still moves a weight that has
    momentum or decay. Keep None."""
    clipped, norm = clip_by_global_norm(gradients, limit)
    return [0.0 if g is None else g for g in clipped], norm


def norm_after_clipping(gradients, limit):
    """You return the norm after clipping, which never exceeds the limit and so tells nothing.
    Return it from before: it is what one plots to see instability."""
    clipped, _ = clip_by_global_norm(gradients, limit)
    return clipped, clip_by_global_norm(clipped, limit)[1]


def cases(rng):
    yield Case("a norm of 13, above the limit", ([np.array([3.0, 4.0]), np.array([12.0])], 6.5))
    yield Case("a norm below the limit", ([np.array([0.3, -0.4]), np.array([0.0])], 2.0))
    yield Case("a norm at the limit", ([np.array([3.0]), np.array([-4.0])], 5.0))
    yield Case("a norm of 5, no number above 4", ([np.array([3.0]), np.array([-4.0])], 4.5))
    yield Case("a weight without a gradient", ([None, np.array([6.0, -8.0]), None], 1.0))
    yield Case("all gradients zero", ([np.zeros(2), np.zeros((2, 2))], 1.0))
    yield Case("no gradient at all", ([None, None], 1.0))
    for rows, columns, limit in ((2, 3, 1.5), (7, 5, 0.25), (4, 9, 30.0)):
        arrays = [rng.normal(size=(rows, columns)), rng.normal(size=columns), None]
        yield Case(f"random arrays, limit {limit}", ([*arrays, rng.normal(size=(3, 2, 2))], limit))


DRILL = Drill(
    reference=clip_by_global_norm,
    cases=cases,
    alternatives=(by_one_long_vector, by_norms_of_norms),
    mistakes=(
        each_array_alone,
        each_number_alone,
        largest_number_compared,
        small_gradients_stretched,
        small_number_added,
        zero_norm_divides_by_zero,
        sum_of_the_norms,
        root_forgotten,
        none_not_expected,
        none_left_out,
        none_becomes_zero,
        norm_after_clipping,
    ),
    hints=(
        "One number for the whole list: the square root of the sum of all squares.",
        "One factor for the whole list, and only when the norm is above the limit. What has to "
        "happen to None?",
        "norm = sqrt(sum of np.sum(g**2) over the arrays); scale = limit / norm if norm > limit "
        "else 1; multiply every array by scale, keep None.",
    ),
    explanation=(
        "One factor for all arrays shortens the step and keeps its direction (Pascanu, Mikolov and "
        "Bengio, 2013). The norm before clipping is worth logging: spikes in it come before a loss "
        "that explodes. Asked next: with loss scaling in half precision, do you clip before or "
        "after unscaling? After; otherwise the limit is off by the scale."
    ),
    difficulty=1,
    taught_in="01_training_pipeline, section 5",
)
