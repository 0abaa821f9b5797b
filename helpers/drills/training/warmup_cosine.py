import math

import numpy as np

from helpers.drills.spec import Case, Drill


def warmup_cosine(step: int, warmup_steps: int, total_steps: int, peak: float) -> float:
    """Compute the learning rate at a step: a linear warm-up, then a decay along half a cosine. Most
    transformers are trained with it.

    Steps are counted from 0. During the first `warmup_steps` steps the rate is
    peak · (step + 1) / warmup_steps, so that the first step already moves and the last warm-up step
    has the peak. After them it falls from the peak, at step = warmup_steps, along
    (1 + cos(π · progress)) / 2 to 0 at step = total_steps, where progress is the share of the
    remaining steps that is done. Later it stays 0. `warmup_steps` may be 0, and is below
    `total_steps`.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if step >= total_steps:
        return 0.0
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return peak * (1 + math.cos(math.pi * progress)) / 2


def without_branches(step, warmup_steps, total_steps, peak):
    progress = min(max(step - warmup_steps, 0) / (total_steps - warmup_steps), 1)
    rising = min(1, (step + 1) / max(warmup_steps, 1))
    return peak * rising * np.cos(np.pi / 2 * progress) ** 2


def from_a_table(step, warmup_steps, total_steps, peak):
    rising = [peak * i / warmup_steps for i in range(1, warmup_steps + 1)]
    falling = peak / 2 * (1 + np.cos(np.linspace(0, np.pi, total_steps - warmup_steps + 1)))
    table = [*rising, *falling]
    return table[min(step, total_steps)]


def first_step_does_nothing(step, warmup_steps, total_steps, peak):
    """Your warm-up starts at 0, so the first batch teaches nothing: the rate at step s of the
    warm-up is peak · (s + 1) / warmup_steps."""
    if step < warmup_steps:
        return peak * step / warmup_steps
    return warmup_cosine(step, warmup_steps, total_steps, peak)


def peak_one_step_late(step, warmup_steps, total_steps, peak):
    """You divide by warmup_steps + 1, so the last step of the warm-up stays below the peak. Its
    first step has 1 / warmup_steps of the peak, its last step all of it."""
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    return warmup_cosine(step, warmup_steps, total_steps, peak)


def no_warm_up_divides_by_zero(step, warmup_steps, total_steps, peak):
    """With warmup_steps = 0 you divide by zero. Then there is no warm-up: the cosine starts at
    once."""
    if (step + 1) / warmup_steps < 1:
        return peak * (step + 1) / warmup_steps
    return warmup_cosine(step, warmup_steps, total_steps, peak)


def rises_again_after_the_end(step, warmup_steps, total_steps, peak):
    """Past total_steps your cosine goes on, and the rate rises again. Keep it at 0."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return peak * (1 + math.cos(math.pi * progress)) / 2


def decay_counted_from_step_0(step, warmup_steps, total_steps, peak):
    """Your cosine is counted from step 0, so it has lost height when the warm-up ends, and the rate
    jumps down. Its progress starts at the end of the warm-up."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return warmup_cosine(step, 0, total_steps, peak)


def decay_lasts_too_long(step, warmup_steps, total_steps, peak):
    """Your decay takes total_steps steps *after* the warm-up, so at the end the rate has not come
    down. It has only total_steps − warmup_steps."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return warmup_cosine(step - warmup_steps, 0, total_steps, peak)


def zero_one_step_early(step, warmup_steps, total_steps, peak):
    """Your rate is 0 at step total_steps − 1 already, so the last batch teaches nothing. It is 0 at
    total_steps, when training is over."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return warmup_cosine(step, warmup_steps, total_steps - 1, peak)


def linear_decay(step, warmup_steps, total_steps, peak):
    """Your rate falls along a straight line. The cosine stays high longer, and lands softly."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * max(0.0, (total_steps - step) / (total_steps - warmup_steps))


def quarter_of_a_cosine(step, warmup_steps, total_steps, peak):
    """You use cos(π / 2 · progress): it comes down steeply at the end. Half a period, lifted and
    halved, lands softly: (1 + cos(π · progress)) / 2."""
    if step < warmup_steps or step >= total_steps:
        return warmup_cosine(step, warmup_steps, total_steps, peak)
    return peak * math.cos(math.pi / 2 * (step - warmup_steps) / (total_steps - warmup_steps))


def cosine_below_zero(step, warmup_steps, total_steps, peak):
    """Your rate becomes negative half-way: a bare cosine runs from 1 to −1. Lift it by 1 and halve
    it."""
    if step < warmup_steps or step >= total_steps:
        return warmup_cosine(step, warmup_steps, total_steps, peak)
    return peak * math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps))


def cosine_not_halved(step, warmup_steps, total_steps, peak):
    """After the warm-up your rate is twice the peak: 1 + cos starts at 2. Halve it."""
    rate = warmup_cosine(step, warmup_steps, total_steps, peak)
    return rate if step < warmup_steps else 2 * rate


def cases(rng):
    yield Case("in the warm-up", (1, 4, 20, 0.8))
    yield Case("the first step", (0, 4, 20, 0.8))
    yield Case("the last step of the warm-up", (3, 4, 20, 0.8))
    yield Case("the first step after it", (4, 4, 20, 0.8))
    yield Case("half-way down", (12, 4, 20, 0.8))
    yield Case("the last step", (19, 4, 20, 0.8))
    yield Case("the end", (20, 4, 20, 0.8))
    yield Case("past the end", (27, 4, 20, 0.8))
    yield Case("no warm-up, first step", (0, 0, 10, 0.5))
    yield Case("no warm-up, later", (3, 0, 10, 0.5))
    yield Case("a warm-up of one step", (0, 1, 10, 0.5))
    for warmup_steps, total_steps in ((7, 31), (13, 57)):
        for step in rng.integers(0, total_steps, 4).tolist():
            note = f"step {step} of {total_steps}, {warmup_steps} to warm up"
            yield Case(note, (step, warmup_steps, total_steps, 3e-4))


DRILL = Drill(
    reference=warmup_cosine,
    cases=cases,
    alternatives=(without_branches, from_a_table),
    mistakes=(
        first_step_does_nothing,
        peak_one_step_late,
        no_warm_up_divides_by_zero,
        rises_again_after_the_end,
        decay_counted_from_step_0,
        decay_lasts_too_long,
        zero_one_step_early,
        linear_decay,
        quarter_of_a_cosine,
        cosine_below_zero,
        cosine_not_halved,
    ),
    hints=(
        "Three stretches of steps, three formulas. Decide first which step belongs to which.",
        "progress runs from 0 at the end of the warm-up to 1 at total_steps. What are cos(0) and "
        "cos(π), and how do you bring them to 1 and 0?",
        "step < warmup_steps: peak · (step + 1) / warmup_steps. step ≥ total_steps: 0. Otherwise "
        "peak · (1 + cos(π · (step − warmup_steps) / (total_steps − warmup_steps))) / 2.",
    ),
    explanation=(
        "The warm-up keeps the first steps small, while Adam's averages are still estimated from "
        "few gradients; the cosine (Loshchilov and Hutter, SGDR, 2017) spends much time near the "
        "peak and lands with slope zero. Asked next: why warm up at all, and what happens to the "
        "schedule when training is prolonged?"
    ),
    difficulty=1,
    taught_in="01_training_pipeline, section 6",
)
