import operator

import numpy as np

from helpers.drills.spec import Case, Drill


def linear_regression(X: np.ndarray, y: np.ndarray, learning_rate: float, steps: int) -> tuple:
    """Train a linear regression by gradient descent on all examples at once ("batch").

    `X` has the shape (n, d), one example a row, `y` (n,), both float; n and d are at least 1. The
    prediction for an example x is the sum of weights · x, plus the bias. The loss is the mean
    squared error: the mean over the n examples of (prediction − target)², without a factor ½. The
    weights, shape (d,), and the bias, one number, start at 0. Each of the `steps` steps computes
    the gradients of the loss with respect to both, at the weights and the bias that the step before
    has left, and subtracts `learning_rate` times each. Return (weights, bias). With 0 steps both
    are 0. The arguments stay as they are.
    """
    weights, bias = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        error = X @ weights + bias - y  # of both gradients: before anything moves
        weights = weights - learning_rate * 2 * X.T @ error / len(y)
        bias = bias - learning_rate * 2 * error.mean()
    return weights, bias


def bias_as_the_weight_of_a_one(X, y, learning_rate, steps):
    A = np.column_stack([X, np.ones(len(X))])
    moments, target = (
        2 * A.T @ A / len(A),
        2 * A.T @ y / len(A),
    )  # all that a step needs of the data
    parameters = np.zeros(A.shape[1])
    for _ in range(steps):
        parameters += learning_rate * (target - moments @ parameters)
    return parameters[:-1], parameters[-1]


def example_by_example(X, y, learning_rate, steps):
    rows, targets = X.tolist(), y.tolist()
    weights, bias = [0.0] * X.shape[1], 0.0
    for _ in range(steps):
        gradient, of_bias = [0.0] * len(weights), 0.0
        for row, target in zip(rows, targets, strict=True):
            error = bias - target + sum(map(operator.mul, weights, row))
            of_bias += 2 * error / len(rows)
            for j, x in enumerate(row):
                gradient[j] += 2 * error * x / len(rows)
        bias -= learning_rate * of_bias
        weights = [w - learning_rate * g for w, g in zip(weights, gradient, strict=True)]
    return np.array(weights), bias


def _descend(X, y, rate, steps, gradients):
    """Descend along gradients(X, error), which gives one for the weights and one for the bias."""
    weights, bias = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        of_weights, of_bias = gradients(X, X @ weights + bias - y)
        weights, bias = weights - rate * of_weights, bias - rate * of_bias
    return weights, bias


def errors_summed(X, y, rate, steps):
    """You sum over the examples, so twice the data make steps twice as long, until they diverge.
    The loss is a mean: divide both gradients by n."""
    return linear_regression(X, y, rate * len(y), steps)


def only_the_bias_averaged(X, y, rate, steps):
    """The gradient of the bias is a mean over the examples, that of the weights still a sum. `@`
    adds up, and does not divide by n."""
    return _descend(X, y, rate, steps, lambda X, error: (2 * X.T @ error, 2 * error.mean()))


def only_the_weights_averaged(X, y, rate, steps):
    """The gradient of the weights is divided by n, that of the bias is the bare sum of the errors.
    Both come from one mean."""
    return _descend(X, y, rate, steps, lambda X, error: (2 * X.T @ error / len(X), 2 * error.sum()))


def half_the_squared_error(X, y, rate, steps):
    """Your steps are half as long: you leave out the 2 that the square gives, as if the loss had a
    ½ before it. Here it has none."""
    return linear_regression(X, y, rate / 2, steps)


def bias_stays_at_zero(X, y, rate, steps):
    """Your bias never moves, so the line has to go through the origin. It has a gradient too: that
    of a weight whose input is always 1."""
    return _descend(X, y, rate, steps, lambda X, error: (2 * X.T @ error / len(X), 0.0))


def bias_not_in_the_prediction(X, y, rate, steps):
    """You move the bias, but your predictions leave it out: its gradient never hears what it has
    done. The error is X @ weights + bias − y."""
    weights, bias = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        error = X @ weights - y
        weights = weights - rate * 2 * X.T @ error / len(y)
        bias = bias - rate * 2 * error.mean()
    return weights, bias


def bias_after_the_weights_have_moved(X, y, rate, steps):
    """You compute the bias's gradient with weights that this step has already moved. One step, one
    place: take both gradients first, then move both."""
    weights, bias = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        weights = weights - rate * 2 * X.T @ (X @ weights + bias - y) / len(y)
        bias = bias - rate * 2 * np.mean(X @ weights + bias - y)
    return weights, bias


def weights_after_the_bias_has_moved(X, y, rate, steps):
    """The bias moves first, and your errors for the weights are those of the new bias. Keep the
    errors of the step's start for both."""
    weights, bias = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        bias = bias - rate * 2 * np.mean(X @ weights + bias - y)
        weights = weights - rate * 2 * X.T @ (X @ weights + bias - y) / len(y)
    return weights, bias


def uphill(X, y, rate, steps):
    """You climb: the loss grows with every step. Either the error is y − prediction and the step is
    added, or it is prediction − y and the step is subtracted; you mix the two."""
    return linear_regression(X, y, -rate, steps)


def weights_grow_into_a_matrix(X, y, rate, steps):
    """Your weights are a column, (d, 1), so predictions are (n, 1), and minus y, (n,), they make
    an (n, n) table: every prediction against every target. Look at the shape of the error."""
    weights, bias = np.zeros((X.shape[1], 1)), 0.0
    for _ in range(steps):
        error = X @ weights + bias - y
        weights = weights - rate * 2 * X.T @ error / len(y)
        bias = bias - rate * 2 * error.mean()
    return weights, bias


def every_weight_moves_alike(X, y, rate, steps):
    """All your weights take the same step: you average over the features as well as over the
    examples. Each weight has the errors times its own column."""

    def gradients(X, error):
        return 2 * np.mean(X * error[:, None]), 2 * error.mean()

    return _descend(X, y, rate, steps, gradients)


def one_example_at_a_time(X, y, rate, steps):
    """You move after every example: that is stochastic gradient descent, n moves a step. Here a
    step looks at all examples and moves once."""
    weights, bias = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        for x, target in zip(X, y, strict=True):
            error = x @ weights + bias - target
            weights, bias = weights - rate * 2 * error * x, bias - rate * 2 * error
    return weights, bias


def sign_of_the_error(X, y, rate, steps):
    """You use only the sign of each error: that descends on the mean absolute error. The slope of a
    square grows with the error itself."""
    return _descend(
        X, y, rate, steps, lambda X, error: (X.T @ np.sign(error) / len(X), np.sign(error).mean())
    )


def one_step_too_few(X, y, rate, steps):
    """You make one step less than asked: `range(1, steps)` has steps − 1 entries."""
    return linear_regression(X, y, rate, steps - 1)


def solved_at_once(X, y, rate, steps):
    """You return the best line, as `lstsq` finds it. Asked for is where gradient descent stands
    after so many steps, which may be far from there."""
    solution = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y)[0]
    return solution[:-1], solution[-1]


def cases(rng):
    line = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([1.0, 3.0, 5.0, 7.0])
    yield Case("four points of y = 2x + 1, one step", (*line, 0.1, 1))
    yield Case("the same, two steps", (*line, 0.1, 2))
    yield Case("no step", (*line, 0.1, 0))
    yield Case("the same, 300 steps", (*line, 0.1, 300))
    yield Case("one example of three features", (np.array([[1.0, -2.0, 0.5]]), np.ones(1), 0.05, 3))
    X = np.array([[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
    yield Case("a feature that is always 0", (X, np.array([1.0, -1.0, 2.0]), 0.02, 5))
    for n, d, steps in ((7, 3, 20), (3, 5, 10), (31, 2, 50)):
        X = rng.normal(size=(n, d)) + np.arange(d)
        y = X @ rng.normal(size=d) + 3 + rng.normal(size=n)
        yield Case(f"{n} random examples of {d} features", (X, y, 0.02, steps))


DRILL = Drill(
    reference=linear_regression,
    cases=cases,
    alternatives=(bias_as_the_weight_of_a_one, example_by_example),
    mistakes=(
        errors_summed,
        only_the_bias_averaged,
        only_the_weights_averaged,
        half_the_squared_error,
        bias_stays_at_zero,
        bias_not_in_the_prediction,
        bias_after_the_weights_have_moved,
        weights_after_the_bias_has_moved,
        uphill,
        weights_grow_into_a_matrix,
        every_weight_moves_alike,
        one_example_at_a_time,
        sign_of_the_error,
        one_step_too_few,
        solved_at_once,
    ),
    hints=(
        "Write down the loss of one example, (w · x + b − y)². What is its slope in w, and in b? "
        "What does the mean do to both?",
        "All errors at once: X @ weights + bias − y, of shape (n,). Both gradients are made of it, "
        "so compute it once a step, before anything moves.",
        "Gradient of the weights: 2 / n · X.T @ error. Of the bias: 2 · error.mean(). Subtract "
        "learning_rate times each, `steps` times.",
    ),
    explanation=(
        "By the chain rule the slope of (w · x + b − y)² is 2 · error · x in w and 2 · error in b; "
        "X.T @ error sums the first over the examples. The loss is a bowl, so descent finds its "
        "only bottom where the learning rate is below 2 / L, L being the largest eigenvalue of "
        "2 · XᵀX / n, with a column of ones in X; above that it diverges. Asked next: why not "
        "solve the normal equations? They cost n · d² + d³, which for d in the thousands is fine; "
        "descent is for models without a formula. Why scale features? Descent is slow along the "
        "flat directions, by the ratio of the largest eigenvalue to the smallest."
    ),
    difficulty=1,
    taught_in="09_mock_interview, section 3",
)
