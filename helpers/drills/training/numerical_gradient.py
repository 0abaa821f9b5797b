from collections.abc import Callable

import numpy as np

from helpers.drills.spec import Case, Drill


def numerical_gradient(f: Callable, x: np.ndarray, claimed: np.ndarray) -> tuple:
    """Check a gradient: measure it by central differences, and say how far off a claimed one is.

    `f` takes a float64 array of the shape of `x` and returns a float; `x` has any shape with at
    least one number, and may hold whole numbers. f is smooth and bends over distances of about
    max(1, |xᵢ|) in each number; its values may be a hundred times as large as its changes over such
    a distance. `claimed` has the shape of x: what somebody's backward pass says the gradient of f
    at x is. Return (gradient, error), and leave `x` as it was.

    `gradient`, of the shape of x, is measured, one number of x at a time: (f(x + h) − f(x − h)) /
    (2 · h), where h is added to that number only. The step is yours to choose: every slope has to
    be right to 1e-7 of the largest. `error` is the length of gradient − claimed over the larger of
    the lengths of the two; length means the root of the sum of the squares of all numbers. Where
    both lengths are 0 the error is 0. (In the example f is the sum of x³.)
    """
    x = np.array(x, float)  # a copy, and of floats: whole numbers could not take the step
    gradient = np.empty_like(x)
    for place in np.ndindex(x.shape):
        here = x[place]
        step = 1e-5 * max(1, abs(here))
        x[place] = here + step
        above = f(x)
        x[place] = here - step
        below = f(x)
        x[place] = here
        gradient[place] = (above - below) / (2 * step)
    longer = max(np.linalg.norm(gradient), np.linalg.norm(claimed))
    error = np.linalg.norm(gradient - claimed) / longer if longer else 0.0
    return gradient, error


def both_sides_prepared(f, x, claimed):
    """All points first: one row of the identity for each number."""
    flat = x.astype(float).ravel()
    h = np.cbrt(np.finfo(float).eps) * np.maximum(np.abs(flat), 1)
    up, down = flat + np.diag(h), flat - np.diag(h)
    values = [[f(point.reshape(x.shape)) for point in points] for points in (up, down)]
    # What was really added, after rounding, is what has to divide.
    gradient = np.subtract(*values) / (np.diag(up) - np.diag(down))
    apart, mine, other = (
        np.sqrt(sum(v * v)) for v in (gradient - claimed.ravel(), gradient, claimed.ravel())
    )
    return gradient.reshape(x.shape), apart / (max(mine, other) or 1)


def four_points(f, x, claimed):
    """A formula of fourth order: its step may be longer, and its rounding is smaller."""
    slopes = []
    for place in np.ndindex(x.shape):
        step = 1e-3 * (1 + abs(x[place]))
        value = {}
        for k in (-2, -1, 1, 2):
            point = np.array(x, dtype="float64")
            point[place] += k * step
            value[k] = f(point)
        slopes.append((8 * (value[1] - value[-1]) - (value[2] - value[-2])) / (12 * step))
    gradient = np.reshape(slopes, x.shape)
    squares = [np.sum(v**2) for v in (gradient, claimed, gradient - claimed)]
    return gradient, np.sqrt(squares[2] / max(squares[0], squares[1])) if any(squares) else 0


def _step(value):
    return 1e-5 * max(1, abs(value))


def _slopes(f, x, step=_step, behind=1.0, width=2.0):
    """Differences with another step, another point behind, another width to divide by."""
    x = np.array(x, float)
    gradient = np.empty_like(x)
    for place in np.ndindex(x.shape):
        h = step(x[place])
        above, below = x.copy(), x.copy()
        above[place] += h
        below[place] -= behind * h
        with np.errstate(all="ignore"):
            gradient[place] = np.float64(f(above) - f(below)) / (width * h)
    return gradient


def _error(gradient, claimed):
    longer = max(np.linalg.norm(gradient), np.linalg.norm(claimed))
    return np.linalg.norm(gradient - claimed) / longer if longer else 0.0


def forward_difference(f, x, claimed):
    """You take the difference between one side and the middle. Its error falls only with the step,
    that of the central difference with the step's square: go to both sides."""
    gradient = _slopes(f, x, behind=0, width=1)
    return gradient, _error(gradient, claimed)


def step_lost_in_rounding(f, x, claimed):
    """Your step is too small. The two values of f then differ in their last digits only, and these
    are rounding: a smaller step makes a difference formula worse from some point on."""
    gradient = _slopes(f, x, step=lambda value: 1e-9 * max(1, abs(value)))
    return gradient, _error(gradient, claimed)


def step_too_large(f, x, claimed):
    """Your step is too large: over that distance f bends, and the error of the formula, of the
    order h², shows in the seventh digit."""
    gradient = _slopes(f, x, step=lambda value: 1e-2 * max(1, abs(value)))
    return gradient, _error(gradient, claimed)


def same_step_for_all_sizes(f, x, claimed):
    """Your step is the same whatever the size of the number. Beside a number of a million it is
    lost in rounding: let the step grow with |xᵢ|."""
    gradient = _slopes(f, x, step=lambda value: 1e-5)
    return gradient, _error(gradient, claimed)


def no_step_at_zero(f, x, claimed):
    """Your step is a share of |xᵢ|, so at 0 there is no step, and you compute 0 / 0. Give it a
    least size."""
    gradient = _slopes(f, x, step=lambda value: 1e-5 * abs(value))
    return gradient, _error(gradient, claimed)


def divided_by_one_step(f, x, claimed):
    """Your slopes are twice too large: from h below to h above are two steps, and you divide by
    one."""
    gradient = _slopes(f, x, width=1)
    return gradient, _error(gradient, claimed)


def place_not_put_back(f, x, claimed):
    """After a number has had its turn you do not put it back, so the slopes of the others are those
    of another place. Restore it before the next."""
    x = np.array(x, float)
    gradient = np.empty_like(x)
    for place in np.ndindex(x.shape):
        step = _step(x[place])
        x[place] += step
        above = f(x)
        x[place] -= 2 * step
        gradient[place] = (above - f(x)) / (2 * step)
    return gradient, _error(gradient, claimed)


def callers_array_moved(f, x, claimed):
    """You move the numbers of the caller's own array and do not put them back: after the check the
    weights are others, and so are your slopes. Work on a copy, and restore each number."""
    gradient = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        step = _step(float(x[place]))
        x[place] += step
        above = f(x)
        x[place] -= 2 * step
        gradient[place] = (above - f(x)) / (2 * step)
    return gradient, _error(gradient, claimed)


def whole_numbers_swallow_the_step(f, x, claimed):
    """Where x holds whole numbers, your copy does too, and storing x + h in it cuts off the step.
    Make the copy an array of floats."""
    moved = x.copy()
    gradient = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        here = x[place]
        step = _step(here)
        moved[place] = here + step
        above = f(moved)
        moved[place] = here - step
        gradient[place] = (above - f(moved)) / (2 * step)
        moved[place] = here
    return gradient, _error(gradient, claimed)


def all_numbers_moved_together(f, x, claimed):
    """You add the step to all numbers of x at once. That measures one slope, along the diagonal; a
    gradient has one for each number."""
    step = 1e-5 * max(1.0, np.abs(x).max())
    gradient = np.full(x.shape, (f(x + step) - f(x - step)) / (2 * step))
    return gradient, _error(gradient, claimed)


def absolute_error(f, x, claimed):
    """Your error is absolute. Whether 0.001 is much depends on the gradient: divide by the larger
    of the two lengths."""
    gradient = _slopes(f, x)
    return gradient, np.linalg.norm(gradient - claimed)


def relative_to_the_claimed(f, x, claimed):
    """You divide by the length of the claimed gradient. Where that is 0, or far too small, the
    error becomes infinite or huge; divide by the larger of the two."""
    gradient = _slopes(f, x)
    with np.errstate(all="ignore"):
        return gradient, np.linalg.norm(gradient - claimed) / np.linalg.norm(claimed)


def relative_to_the_measured(f, x, claimed):
    """You divide by the length of the measured gradient alone. Where that is 0 and the claimed one
    is not, you divide by 0; take the larger of the two lengths."""
    gradient = _slopes(f, x)
    with np.errstate(all="ignore"):
        return gradient, np.linalg.norm(gradient - claimed) / np.linalg.norm(gradient)


def sum_of_both_lengths(f, x, claimed):
    """You divide by the sum of both lengths. That is in use too, and gives about half; here it is
    the larger of the two."""
    gradient = _slopes(f, x)
    both = np.linalg.norm(gradient) + np.linalg.norm(claimed)
    return gradient, np.linalg.norm(gradient - claimed) / (both or 1)


def nan_for_two_zeros(f, x, claimed):
    """Where both gradients are 0 you compute 0 / 0. They agree there: the error is 0."""
    gradient = _slopes(f, x)
    longer = max(np.linalg.norm(gradient), np.linalg.norm(claimed))
    with np.errstate(all="ignore"):
        return gradient, np.linalg.norm(gradient - claimed) / longer


def worst_number_alone(f, x, claimed):
    """You take the relative error of each number, and the largest of them. A slope near 0 is then
    measured against its own rounding and raises false alarms: compare the lengths of the whole
    gradients."""
    gradient = _slopes(f, x)
    size = np.maximum(np.abs(gradient), np.abs(claimed))
    return gradient, np.max(np.abs(gradient - claimed) / np.where(size > 0, size, 1))


def signs_of_the_errors_cancel(f, x, claimed):
    """You add the differences with their signs, so a slope too large makes up for one too small.
    Square them."""
    gradient = _slopes(f, x)
    longer = max(np.linalg.norm(gradient), np.linalg.norm(claimed))
    return gradient, np.abs(np.sum(gradient - claimed)) / (longer or 1)


def squares_without_roots(f, x, claimed):
    """You divide sums of squares, without the roots: your error is the square of the one asked
    for, and looks far too good."""
    gradient = _slopes(f, x)
    return gradient, _error(gradient, claimed) ** 2


def _measured(points, x):
    """How the slopes were measured, as far as it can be seen from where f was called."""
    moves = np.array([point.ravel() - x.ravel() for point in points if point.size == x.size])
    if not len(moves):
        return "without calling f"
    if x.dtype.kind == "i" and np.all(moves == np.round(moves)):
        return "from whole numbers only"
    moved = moves != 0
    if (moved.sum(axis=1) > 1).any():
        return "with several numbers moved at once"
    above, below = (moves > 0).any(axis=0), (moves < 0).any(axis=0)
    if np.any(above != below):
        return "from one side of x"
    if not np.all(above):
        return "without a step"
    steps = np.max(np.abs(moves) / np.maximum(1, np.abs(x.ravel())), axis=1)[moved.any(axis=1)]
    if steps.min() < 5e-7:
        return "with a step that is too small"
    return "with a step that is too large" if steps.max() > 2e-4 else "with a good step"


def observe(answer, f, x, claimed):
    """Gradient and error, and from where they were measured. Steps differ, and with them the last
    digits: what is within their reach is shown as the exact value."""
    given, points = x.copy(), []

    def watched(point):
        points.append(np.array(point, float))
        return f(point)

    pair = answer(watched, given, claimed)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return {"a pair is returned": False}
    gradient, error = (np.asarray(part, float) for part in pair)
    exact = f.slope(x)
    seen = {"a pair is returned": True, "x is left as it was": np.allclose(given, x, 1e-12, 1e-12)}
    seen |= {"gradient": gradient, "slopes exact to seven digits": False}
    seen["measured"] = _measured(points, x)
    seen["error"] = error
    if gradient.shape == exact.shape:
        off = np.max(np.abs(gradient - exact)) / (np.max(np.abs(exact)) or 1)
        seen["slopes exact to seven digits"] = bool(off <= 1e-7)
        if off <= 1e-7 and seen["measured"] != "from one side of x":
            seen["measured"] = "with a good step"
        reach = 1e-4
        if off <= 1e-3 or seen["measured"].startswith("with a step"):
            seen["gradient"] = exact
            reach += 4 * off  # what the slopes' own errors may do to it
        elif off > 100:
            seen |= {"gradient": "far off", "error": "far off"}
        wanted = _error(exact, claimed)
        if error.shape == () and abs(error - wanted) <= reach:
            seen["error"] = wanted
    return seen


class SumOfCubes:
    def __call__(self, x):
        return float(np.sum(np.asarray(x, float) ** 3))

    def slope(self, x):
        return 3.0 * x**2


class Waves:
    """Far above zero, and none of the numbers acts alone: f(x) = size · (offset + sin(W x / size)
    · a)."""

    def __init__(self, rng, shape, size=1.0, offset=100.0, height=1.0):
        numbers = int(np.prod(shape))
        self.shape, self.size, self.offset = shape, size, offset
        self.W = rng.uniform(0.3, 1, (3, numbers)) * rng.choice([-1, 1], (3, numbers))
        self.a = height * rng.uniform(0.5, 1.5, 3)

    def __call__(self, x):
        if np.shape(x) != self.shape:
            raise ValueError(f"f takes an array of shape {self.shape}, and got {np.shape(x)}")
        angles = self.W @ (np.ravel(x) / self.size)
        return float(self.size * (self.offset + np.sin(angles) @ self.a))

    def slope(self, x):
        return ((np.cos(self.W @ (np.ravel(x) / self.size)) * self.a) @ self.W).reshape(x.shape)


def cases(rng):
    # Rounding is amplified by 1 / h. How exact the slopes have to be, `observe` says.
    def case(note, f, x, claimed):
        return Case(note, (f, x, claimed), condition=1e7)

    cubes = SumOfCubes()
    yield case("one of two slopes wrong", cubes, np.array([1.0, -2.0]), np.array([3.0, 11.0]))
    yield case("a number at zero", cubes, np.array([0.0, 3.0]), np.array([0.0, 27.0]))
    yield case("whole numbers", cubes, np.array([2, -1, 4]), np.array([12.0, 3.0, 24.0]))
    for note, shape, size, claim in [
        ("a right claim, five numbers", (5,), 1.0, lambda g: g),
        ("a claim that is all zeros", (2, 3), 1.0, lambda g: 0 * g),
        ("one number, a claim twice too large", (1,), 1.0, lambda g: 2 * g),
        ("errors that cancel", (2, 2), 1.0, lambda g: g + np.array([[1, -1], [-1, 1]]) / 8),
        ("numbers of about a million", (3,), 1e6, lambda g: 1.25 * g),
        ("three axes", (2, 3, 2), 1.0, lambda g: -g[:, ::-1]),
    ]:
        f, x = Waves(rng, shape, size), size * rng.uniform(0.5, 2, shape)
        x *= rng.choice([-1, 1], shape)
        yield case(note, f, x, claim(f.slope(x)))
    x = rng.integers(-3, 4, (3, 2))
    f = Waves(rng, x.shape)
    yield case("whole numbers in rows", f, x, f.slope(x) + 0.01)
    flat, x = Waves(rng, (2, 2), height=0.0), rng.normal(size=(2, 2))
    yield case("a constant, rightly claimed", flat, x, np.zeros((2, 2)))
    yield case("a constant, wrongly claimed", flat, x, np.full((2, 2), 1e-3))
    small = Waves(rng, (4,), offset=0.3, height=1e-3)
    x = rng.normal(size=4)
    yield case("small slopes, and one of them wrong", small, x, small.slope(x) * [1, 1, 2, 1])


DRILL = Drill(
    reference=numerical_gradient,
    cases=cases,
    observe=observe,
    alternatives=(both_sides_prepared, four_points),
    mistakes=(
        forward_difference,
        step_lost_in_rounding,
        step_too_large,
        same_step_for_all_sizes,
        no_step_at_zero,
        divided_by_one_step,
        place_not_put_back,
        callers_array_moved,
        whole_numbers_swallow_the_step,
        all_numbers_moved_together,
        absolute_error,
        relative_to_the_claimed,
        relative_to_the_measured,
        sum_of_both_lengths,
        nan_for_two_zeros,
        worst_number_alone,
        signs_of_the_errors_cancel,
        squares_without_roots,
    ),
    hints=(
        "Two errors pull at the step: the formula's grows as h², rounding's as 1 / h. Where are "
        "they about equal, if a float64 has sixteen digits?",
        "Near the cube root of the rounding unit: h of about 1e-5, times max(1, |xᵢ|). Copy x into "
        "an array of floats, move one number up, then down, and put it back.",
        "for place in np.ndindex(x.shape): (above − below) / (2 · h). Then np.linalg.norm(gradient "
        "− claimed) over the larger norm, unless that is 0.",
    ),
    explanation=(
        "The difference of two sides cancels the even terms of the Taylor series and leaves an "
        "error of h² · f‴ / 6; rounding adds about unit · |f| / h. The sum is least near the cube "
        "root of the unit, 6e-6 in float64, and there some ten digits are right. For the one-sided "
        "difference it is the square root, 1.5e-8, and eight digits at best (Press and others, "
        "Numerical Recipes, Numerical Derivatives). Asked next: what error says that a backward "
        "pass is right? In float64 below 1e-7; near 1e-2 is a bug; between them may be a kink, as "
        "of ReLU at 0. Check in float64: in float32 the best step leaves four or five digits. And "
        "why not train like this? It calls f twice for each number; backpropagation costs a few "
        "calls for all."
    ),
    difficulty=2,
    taught_in="03_recurrent_networks, section 3",
)
