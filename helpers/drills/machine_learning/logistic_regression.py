import math
import operator

import numpy as np

from helpers.drills.spec import Case, Drill


def logistic_regression(
    X: np.ndarray, y: np.ndarray, learning_rate: float, penalty: float, steps: int
) -> tuple:
    """Train a logistic regression by gradient descent, with an L2 penalty on the weights.

    `X` has the shape (n, d), one example a row, float; `y`, shape (n,), holds 0 and 1. The logit z
    of an example x is the sum of weights · x, plus the bias, and p = 1 / (1 + exp(−z)) its
    probability of being a 1. The loss is the *mean* over the examples of
    −y · log p − (1 − y) · log(1 − p), plus penalty / 2 · (sum of the squared weights). The penalty
    spares the bias, and is not divided by n.

    The weights, shape (d,), and the bias, one number, start at 0. Each of the `steps` steps
    computes the gradients with respect to both at the same place, and subtracts `learning_rate`
    times each. Return (weights, bias). Logits of ±1000 and beyond occur, and must do no harm. The
    arguments stay as they are.
    """
    weights, bias = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        z = X @ weights + bias
        # 1 / (1 + exp(−z)), or exp(z) / (1 + exp(z)) below 0: no exponent is ever positive.
        probability = np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))
        error = probability - y
        weights = weights - learning_rate * (X.T @ error / len(y) + penalty * weights)
        bias = bias - learning_rate * error.mean()
    return weights, bias


def shrunk_then_moved(X, y, learning_rate, penalty, steps):
    A = np.column_stack([np.ones(len(X)), X])
    parameters = np.zeros(A.shape[1])
    kept = np.full(A.shape[1], 1 - learning_rate * penalty)  # of a weight, after each step
    kept[0] = 1  # the bias keeps all
    for _ in range(steps):
        probability = (1 + np.tanh(A @ parameters / 2)) / 2
        parameters = kept * parameters + learning_rate / len(A) * (y - probability) @ A
    return parameters[1:], parameters[0]


def with_margins(X, y, learning_rate, penalty, steps):
    sides = [1 if label else -1 for label in y]
    weights, bias = [0.0] * X.shape[1], 0.0
    for _ in range(steps):
        gradient, of_bias = [penalty * w for w in weights], 0.0
        for row, side in zip(X.tolist(), sides, strict=True):
            margin = side * (bias + sum(map(operator.mul, weights, row)))
            # The slope of log(1 + exp(−margin)) in the logit.
            slope = side * (math.tanh(margin / 2) - 1) / 2 / len(sides)
            of_bias += slope
            gradient = [g + slope * x for g, x in zip(gradient, row, strict=True)]
        weights = [w - learning_rate * g for w, g in zip(weights, gradient, strict=True)]
        bias -= learning_rate * of_bias
    return np.array(weights), bias


def _sigmoid(z):
    return (1 + np.tanh(z / 2)) / 2


def _descend(X, y, rate, steps, error, decay):
    """Descend with error(z, y) in the place of p − y, and decay(weights) in that of the penalty's
    slope."""
    weights, bias = np.zeros(X.shape[1]), 0.0
    with np.errstate(all="ignore"):
        for _ in range(steps):
            off = error(X @ weights + bias, y)
            step = X.T @ off / len(y) + decay(weights)
            weights, bias = weights - rate * step, bias - rate * off.mean()
    return weights, bias


def _right_error(z, y):
    return _sigmoid(z) - y


def bias_penalised(X, y, rate, penalty, steps):
    """Your penalty pulls the bias towards 0 too. The bias says how frequent the ones are, and a
    smaller one is not a simpler model: only the weights are penalised."""
    A = np.column_stack([X, np.ones(len(X))])
    parameters = np.zeros(A.shape[1])
    for _ in range(steps):
        step = A.T @ _right_error(A @ parameters, y) / len(y) + penalty * parameters
        parameters = parameters - rate * step
    return parameters[:-1], parameters[-1]


def penalty_left_out(X, y, rate, penalty, steps):
    """Your penalty does nothing. Its slope, penalty · weights, belongs to the weights' gradient."""
    return logistic_regression(X, y, rate, 0.0, steps)


def penalty_divided_by_n(X, y, rate, penalty, steps):
    """You divide the penalty by n with the rest, so that it fades as the data grow. Here it stands
    outside the mean. (In scikit-learn's loss it is the data that are summed: its C is
    1 / (n · penalty).)"""
    return logistic_regression(X, y, rate, penalty / len(y), steps)


def penalty_twice_as_strong(X, y, rate, penalty, steps):
    """Your penalty pulls with 2 · penalty · weights. The ½ in penalty / 2 is there to take that 2
    away."""
    return logistic_regression(X, y, rate, 2 * penalty, steps)


def penalty_blows_up_the_weights(X, y, rate, penalty, steps):
    """Your penalty makes the weights larger: its slope has the wrong sign. It shrinks every weight
    by learning_rate · penalty of itself."""
    return logistic_regression(X, y, rate, -penalty, steps)


def penalty_on_the_absolute_value(X, y, rate, penalty, steps):
    """You pull every weight with the same force, penalty · sign(weight): that is the L1 penalty.
    The slope of the square grows with the weight."""
    return _descend(X, y, rate, steps, _right_error, lambda weights: penalty * np.sign(weights))


def penalty_of_the_moved_weights(X, y, rate, penalty, steps):
    """You move the weights along the data's gradient first and shrink what comes out. Both parts of
    the gradient are taken at the same weights, those before the step."""
    weights, bias = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        error = _right_error(X @ weights + bias, y)
        weights = (weights - rate * X.T @ error / len(y)) * (1 - rate * penalty)
        bias = bias - rate * error.mean()
    return weights, bias


def examples_summed(X, y, rate, penalty, steps):
    """You add up the examples' gradients. With more data the steps grow, and the penalty counts for
    less: take the mean over the examples."""
    return logistic_regression(X, y, rate * len(y), penalty / len(y), steps)


def climbing(X, y, rate, penalty, steps):
    """You walk away from the labels: where y is 1 the probability falls. The slope of the loss in
    the logit is p − y, and it is subtracted."""
    return _descend(X, y, rate, steps, lambda z, y: y - _sigmoid(z), lambda w: penalty * w)


def exp_of_a_large_logit(X, y, rate, penalty, steps):
    """exp(z) / (1 + exp(z)) is inf / inf at z = 1000, and the NaN spreads to every weight. Write
    the sigmoid so that exp gets nothing large, or so that infinity divides only."""

    def error(z, y):
        return np.exp(z) / (1 + np.exp(z)) - y

    return _descend(X, y, rate, steps, error, lambda weights: penalty * weights)


def exp_of_a_large_negative_logit(X, y, rate, penalty, steps):
    """You mend the sigmoid for one sign of the logit, and the other gives NaN: at z = −1000 the
    form for positive logits computes 0 times infinity. Choose the form by the sign of each z."""

    def error(z, y):
        return 1 - np.exp(-z) * (1 / (1 + np.exp(-z))) - y

    return _descend(X, y, rate, steps, error, lambda weights: penalty * weights)


def sigmoid_left_out(X, y, rate, penalty, steps):
    """You compare the labels with the logits themselves: that is a linear regression on 0 and 1.
    Put the logit through the sigmoid first."""
    return _descend(X, y, rate, steps, lambda z, y: z - y, lambda weights: penalty * weights)


def sigmoid_slope_multiplied(X, y, rate, penalty, steps):
    """You multiply the error by p · (1 − p), the slope of the sigmoid. That belongs to the squared
    error; the logarithm in this loss cancels it, and p − y is all."""

    def error(z, y):
        p = _sigmoid(z)
        return (p - y) * p * (1 - p)

    return _descend(X, y, rate, steps, error, lambda weights: penalty * weights)


def predictions_rounded(X, y, rate, penalty, steps):
    """You turn the probabilities into 0 and 1 before you take the error: that is the perceptron. A
    probability of 0.6 for a 1 is still 0.4 short."""

    def error(z, y):
        return (_sigmoid(z) >= 0.5) - y

    return _descend(X, y, rate, steps, error, lambda weights: penalty * weights)


def labels_of_plus_and_minus_one(X, y, rate, penalty, steps):
    """You turn the labels into −1 and +1 and keep p − y: no probability ever reaches −1. With such
    labels the slope is another formula; here they are 0 and 1."""
    return logistic_regression(X, 2 * y - 1, rate, penalty, steps)


def bias_never_moves(X, y, rate, penalty, steps):
    """Your bias stays 0, so at x = 0 the probability is one half for ever. Its gradient is the mean
    of p − y."""
    weights = np.zeros(X.shape[1])
    for _ in range(steps):
        error = _right_error(X @ weights, y)
        weights = weights - rate * (X.T @ error / len(y) + penalty * weights)
    return weights, 0.0


def bias_from_moved_weights(X, y, rate, penalty, steps):
    """You predict again, with the new weights, before you move the bias. The gradient has two
    parts, and both belong to the place where the step began."""
    weights, bias = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        error = _right_error(X @ weights + bias, y)
        weights = weights - rate * (X.T @ error / len(y) + penalty * weights)
        bias = bias - rate * _right_error(X @ weights + bias, y).mean()
    return weights, bias


def cases(rng):
    X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 1, 1, 1])
    yield Case("four examples, two steps", (X, y, 1.0, 0.1, 2))
    yield Case("no step", (X, y, 1.0, 0.1, 0))
    yield Case("no penalty", (X, y, 0.5, 0.0, 5))
    yield Case("a strong penalty", (X, y, 0.2, 1.5, 40))
    yield Case("ones only", (np.array([[1.0], [-2.0], [0.5]]), np.ones(3, int), 0.5, 0.2, 10))
    X = np.array([[1000.0], [800.0]])
    yield Case("logits far above 0", (X, np.ones(2, int), 0.01, 0.1, 3))
    X = np.array([[1000.0], [-1000.0], [1000.0]])
    yield Case("logits beyond ±1000", (X, np.array([1, 0, 0]), 0.01, 0.1, 4))
    for n, d, steps in ((7, 2, 20), (5, 6, 9), (31, 3, 50)):
        X = rng.normal(size=(n, d)) + rng.normal(size=d)
        y = rng.permutation(np.arange(n) % 3 > 0).astype(int)
        yield Case(f"{n} random examples of {d} features", (X, y, 0.3, 0.05, steps))


DRILL = Drill(
    reference=logistic_regression,
    cases=cases,
    alternatives=(shrunk_then_moved, with_margins),
    mistakes=(
        bias_penalised,
        penalty_left_out,
        penalty_divided_by_n,
        penalty_twice_as_strong,
        penalty_blows_up_the_weights,
        penalty_on_the_absolute_value,
        penalty_of_the_moved_weights,
        examples_summed,
        climbing,
        exp_of_a_large_logit,
        exp_of_a_large_negative_logit,
        sigmoid_left_out,
        sigmoid_slope_multiplied,
        predictions_rounded,
        labels_of_plus_and_minus_one,
        bias_never_moves,
        bias_from_moved_weights,
    ),
    hints=(
        "What is the slope of one example's loss in its logit z? Two factors cancel, and something "
        "very short is left.",
        "With p − y for each example, the data's part of the gradient is that of a linear "
        "regression. Which of weights and bias does the penalty know, and what is the slope of "
        "penalty / 2 · w²?",
        "error = p − y. Weights: X.T @ error / n + penalty · weights. Bias: error.mean(). For p, "
        "1 / (1 + exp(−z)) may warn of an overflow but is right; exp(z) / (1 + exp(z)) is not.",
    ),
    explanation=(
        "The loss of an example is log(1 + exp(z)) − y · z, whose slope in z is p − y: the "
        "sigmoid's own slope p · (1 − p) cancels against the logarithm's, so a confident mistake "
        "still has a full gradient. With a squared error it would have almost none. Without a "
        "penalty, data that a line separates drive the weights to infinity; the penalty stops "
        "them, and leaves the bias free to match the share of ones. Asked next: is the minimum "
        "unique? The loss is convex, and with penalty > 0 strictly so in the weights. And features "
        "on different scales? The penalty then hardly touches those with large numbers, whose "
        "weights are small: standardise first."
    ),
    difficulty=2,
    taught_in="09_mock_interview, section 3",
)
