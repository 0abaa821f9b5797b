import numpy as np

from helpers.drills.spec import Case, Drill


def scaled_learning_rate(step: int, base_rate: float, replicas: int, warm_up_steps: int) -> float:
    """Compute the learning rate at a step of a training that several replicas share. `base_rate`
    was found with one replica; now each of `replicas` replicas has as many examples as that one
    had, so that the batch is `replicas` times as large.

    Use the linear scaling rule with gradual warm-up. The rate to be reached is `replicas` times the
    base rate. Steps are counted from 0. At step 0 the rate is the base rate; it grows by the same
    amount from each step to the next, and has reached its goal at step `warm_up_steps`. From there
    on it stays as it is. `warm_up_steps` may be 0: then the goal is the rate from the first step
    on. `replicas` is at least 1.
    """
    goal = replicas * base_rate
    if step >= warm_up_steps:
        return goal
    return base_rate + (goal - base_rate) * step / warm_up_steps


def as_a_multiple_of_the_base_rate(step, base_rate, replicas, warm_up_steps):
    share = min(step, warm_up_steps) / warm_up_steps if warm_up_steps else 1
    return base_rate * (1 - share + replicas * share)


def from_a_table(step, base_rate, replicas, warm_up_steps):
    rising = np.linspace(1, replicas, warm_up_steps, endpoint=False)
    return base_rate * [*rising, replicas][min(step, warm_up_steps)]


def as_given(step, base_rate, replicas, warm_up_steps):
    """This is the code as given, or its bug is still in it: train for ten epochs on one replica,
    then for ten on eight. On eight the loss has come down no further than after an epoch or two on
    one."""
    goal = base_rate
    start = base_rate / replicas
    if step >= warm_up_steps:
        return goal
    return start + (goal - start) * step / warm_up_steps


def _between(start, goal, step, warm_up_steps):
    return goal if step >= warm_up_steps else start + (goal - start) * step / warm_up_steps


def start_still_divided(step, base_rate, replicas, warm_up_steps):
    """The goal is right now, and the warm-up begins with the base rate divided by the replicas. It
    begins with the base rate itself, which is known to be safe."""
    return _between(base_rate / replicas, replicas * base_rate, step, warm_up_steps)


def goal_not_scaled(step, base_rate, replicas, warm_up_steps):
    """You start with the base rate and stay there. With `replicas` times as many examples in a step
    there are so many fewer steps: the rate has to grow to `replicas` times the base rate."""
    return base_rate


def starts_at_zero(step, base_rate, replicas, warm_up_steps):
    """Your warm-up begins at 0. This one begins at the base rate: one replica trained with it from
    the first step."""
    return _between(0.0, replicas * base_rate, step, warm_up_steps)


def square_root_rule(step, base_rate, replicas, warm_up_steps):
    """You multiply by the square root of the number of replicas. That is another rule, often used
    with Adam; here the linear one is asked for."""
    return _between(base_rate, replicas**0.5 * base_rate, step, warm_up_steps)


def no_warm_up(step, base_rate, replicas, warm_up_steps):
    """You use the large rate from the first step on. The weights change fast at first, and there
    the large rate does harm: begin with the base rate and let it grow."""
    return replicas * base_rate


def one_jump(step, base_rate, replicas, warm_up_steps):
    """You keep the base rate to the end of the warm-up and jump then. The jump moves the problem to
    another step: let the rate grow by the same amount each step."""
    return replicas * base_rate if step >= warm_up_steps else base_rate


def grows_by_a_factor(step, base_rate, replicas, warm_up_steps):
    """Your rate is multiplied by the same factor each step. Add the same amount each step."""
    share = min(step / warm_up_steps, 1) if warm_up_steps else 1
    return base_rate * replicas**share


def one_step_early(step, base_rate, replicas, warm_up_steps):
    """You count steps from 1: your first step is beyond the base rate already, and the goal is
    reached a step early. The share of the warm-up that is done is step / warm_up_steps."""
    return _between(base_rate, replicas * base_rate, step + 1, warm_up_steps)


def grows_for_ever(step, base_rate, replicas, warm_up_steps):
    """Your rate goes on growing after the warm-up. From `warm_up_steps` on it stays as it is."""
    if not warm_up_steps:
        return replicas * base_rate
    return base_rate * (1 + (replicas - 1) * step / warm_up_steps)


def warm_up_of_no_steps_divides_by_zero(step, base_rate, replicas, warm_up_steps):
    """You divide by warm_up_steps, which may be 0. Without a warm-up the rate is the large one at
    once."""
    return base_rate * (1 + (replicas - 1) * min(step / warm_up_steps, 1))


def cases(rng):
    yield Case("in the middle of the warm-up", (2, 0.1, 4, 4))
    yield Case("the first step", (0, 0.1, 4, 4))
    yield Case("the last step of the warm-up", (3, 0.1, 4, 4))
    yield Case("the first step after it", (4, 0.1, 4, 4))
    yield Case("long after it", (90, 0.1, 4, 4))
    yield Case("one replica", (3, 0.25, 1, 5))
    yield Case("no warm-up, the first step", (0, 0.5, 8, 0))
    yield Case("no warm-up, a later step", (3, 0.5, 8, 0))
    yield Case("a warm-up of one step", (0, 0.5, 3, 1))
    yield Case("after a warm-up of one step", (1, 0.5, 3, 1))
    for _ in range(4):
        warm_up_steps = int(rng.integers(5, 60))
        step, replicas = int(rng.integers(1, warm_up_steps)), int(rng.integers(2, 40))
        note = f"random: step {step} of {warm_up_steps}, {replicas} replicas"
        yield Case(note, (step, float(rng.uniform(1e-4, 1)), replicas, warm_up_steps))


DRILL = Drill(
    reference=scaled_learning_rate,
    cases=cases,
    given=as_given,
    alternatives=(as_a_multiple_of_the_base_rate, from_a_table),
    mistakes=(
        as_given,
        start_still_divided,
        goal_not_scaled,
        starts_at_zero,
        square_root_rule,
        no_warm_up,
        one_jump,
        grows_by_a_factor,
        one_step_early,
        grows_for_ever,
        warm_up_of_no_steps_divides_by_zero,
    ),
    hints=(
        "With eight replicas an epoch has an eighth of the steps. If each step is as long as it "
        "was, how far do the weights get in an epoch?",
        "The gradient is a mean over the whole batch, so more replicas do not make it longer. Both "
        "ends of the warm-up are wrong in the code: where does it begin, and where does it end?",
        "start = base_rate, goal = replicas · base_rate; the rest of the code is right.",
    ),
    explanation=(
        "One step on a batch k times as large should take the weights about as far as k small "
        "steps, so its rate is k times as large. The argument needs gradients that hardly change "
        "during those k steps, and at the start of a training they do change: hence the warm-up "
        "(Goyal and others, 2017, Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour). "
        "Asked next: how far does it go? In their work up to batches of some 8,000 images; beyond "
        "that accuracy falls. For Adam the square root of k fits better (Malladi and others, 2022, "
        "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms)."
    ),
    difficulty=1,
    taught_in="07_scaling_up, section 3",
)
