import numpy as np

from helpers.drills.spec import Case, Drill


def softmax_regression_gradient(
    X: np.ndarray, labels: np.ndarray, W: np.ndarray, b: np.ndarray
) -> tuple:
    """Compute the loss of a softmax regression, the classifier with one layer, and its gradients
    with respect to its parameters.

    `X` has the shape (n, d), one example a row; `labels`, ints of shape (n,), its class numbers
    from 0 on; `W` (d, classes) and `b` (classes,). The logits are X @ W + b, and the loss is the
    mean over the n examples of minus the natural logarithm of the softmax probability of the
    label. Return (loss, gradient of W, gradient of b), the gradients in the shapes of W and b.
    Logits of ±1000 occur: nothing may overflow, and the loss of a confident wrong example is its
    true one, not infinite. n is at least 1. The arguments stay as they are.
    """
    n = len(labels)
    logits = X @ W + b
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_probability[np.arange(n), labels].mean()
    error = np.exp(log_probability)
    error[np.arange(n), labels] -= 1
    error /= n  # the loss is a mean: now all that follows is a sum
    return loss, X.T @ error, error.sum(axis=0)


def example_by_example(X, labels, W, b):
    loss, of_W, of_b = 0.0, np.zeros(W.shape), np.zeros(b.shape)
    for x, label in zip(X, labels, strict=True):
        logits = x @ W + b
        log_sum = logits.max() + np.log(sum(np.exp(z - logits.max()) for z in logits))
        error = np.exp(logits - log_sum) - (np.arange(len(b)) == label)
        loss += (log_sum - logits[label]) / len(X)
        of_W += np.outer(x, error) / len(X)
        of_b += error / len(X)
    return loss, of_W, of_b


def classes_by_counting(X, labels, W, b):
    # The gradient is a difference of two sums of inputs: as predicted, and as labelled.
    A, classes = np.column_stack([X, np.ones(len(X))]), len(b)
    logits = A @ np.vstack([W, b])
    log_sum = np.logaddexp.reduce(logits, axis=1)
    expected = A.T @ np.exp(logits - log_sum[:, None])
    observed = np.stack([A[labels == c].sum(axis=0) for c in range(classes)], axis=1)
    gradient = (expected - observed) / len(X)
    own = logits[np.arange(len(X)), labels]
    return np.mean(log_sum - own), gradient[:-1], gradient[-1]


def _log_softmax(logits, axis=1):
    return logits - np.logaddexp.reduce(logits, axis=axis, keepdims=True)


def _one_hot(labels, classes):
    return (labels[:, None] == np.arange(classes)).astype(float)


def _from_error(X, labels, W, b, error):
    """The right loss, with the gradients that come of another error."""
    loss = softmax_regression_gradient(X, labels, W, b)[0]
    return loss, X.T @ error, error.sum(axis=0)


def gradients_not_averaged(X, labels, W, b):
    """Your loss is a mean and your gradients are sums: they belong to a loss n times as large.
    Divide them by n as well."""
    loss, of_W, of_b = softmax_regression_gradient(X, labels, W, b)
    return loss, of_W * len(X), of_b * len(X)


def only_W_averaged(X, labels, W, b):
    """The gradient of b is a bare sum over the batch, while that of W is divided by n. Divide the
    error once, before both."""
    loss, of_W, of_b = softmax_regression_gradient(X, labels, W, b)
    return loss, of_W, of_b * len(X)


def only_b_averaged(X, labels, W, b):
    """The gradient of W lacks the 1 / n that you give to b. The product with X.T is a sum over the
    examples."""
    loss, of_W, of_b = softmax_regression_gradient(X, labels, W, b)
    return loss, of_W * len(X), of_b


def divided_by_n_twice(X, labels, W, b):
    """You divide by n twice: once in the error, and again where you multiply with X.T or take a
    mean for b. Once is enough."""
    loss, of_W, of_b = softmax_regression_gradient(X, labels, W, b)
    return loss, of_W / len(X), of_b / len(X)


def averaged_over_the_classes_too(X, labels, W, b):
    """You take the mean over a whole table of (n, classes), of which all but one entry a row is 0.
    The mean runs over the examples: divide by n, not by n · classes."""
    return tuple(part / len(b) for part in softmax_regression_gradient(X, labels, W, b))


def b_summed_over_the_classes(X, labels, W, b):
    """For b you sum the errors of each example over the classes. That is 0 in every row, and one
    number too many or too few: sum over the examples, axis 0."""
    loss, of_W, _ = softmax_regression_gradient(X, labels, W, b)
    error = np.exp(_log_softmax(X @ W + b)) - _one_hot(labels, len(b))
    return loss, of_W, error.sum(axis=1) / len(X)


def labels_never_subtracted(X, labels, W, b):
    """Your error is the softmax alone: nothing in the gradient knows the labels. Subtract 1 at the
    label of each row."""
    return _from_error(X, labels, W, b, np.exp(_log_softmax(X @ W + b)) / len(X))


def subtracted_in_whole_columns(X, labels, W, b):
    """`p[:, labels] -= 1` subtracts 1 in *all* rows of every column that is somebody's label. Give
    both indices, so that each row loses 1 at its own label: p[np.arange(n), labels]."""
    error = np.exp(_log_softmax(X @ W + b))
    error[:, labels] -= 1
    return _from_error(X, labels, W, b, error / len(X))


def only_the_label_has_a_gradient(X, labels, W, b):
    """Only the column of the label gets a gradient. The loss names no other class, but each of them
    stands in the denominator: it is pushed down by its own probability."""
    one_hot = _one_hot(labels, len(b))
    error = one_hot * (np.exp(_log_softmax(X @ W + b)) - 1) / len(X)
    return _from_error(X, labels, W, b, error)


def classes_taken_apart(X, labels, W, b):
    """You put each logit through a sigmoid of its own. That is for labels that may hold together;
    here one class excludes the others, and the probabilities of a row sum to 1."""
    logits, one_hot = X @ W + b, _one_hot(labels, len(b))
    losses = np.logaddexp(0, logits) - one_hot * logits
    error = ((1 + np.tanh(logits / 2)) / 2 - one_hot) / len(X)
    return losses.sum() / len(X), X.T @ error, error.sum(axis=0)


def softmax_slope_twice(X, labels, W, b):
    """You send the error p − one-hot through the Jacobian of the softmax. It has been through
    already: the short form is the slope in the logits."""
    p = np.exp(_log_softmax(X @ W + b))
    error = (p - _one_hot(labels, len(b))) / len(X)
    return _from_error(X, labels, W, b, p * (error - (error * p).sum(axis=1, keepdims=True)))


def uphill(X, labels, W, b):
    """Your gradients are one-hot − p, the way down already: an optimizer that subtracts them
    climbs. What is predicted comes first, p − one-hot."""
    loss, of_W, of_b = softmax_regression_gradient(X, labels, W, b)
    return loss, -of_W, -of_b


def softmax_over_the_examples(X, labels, W, b):
    """Each *column* of your probabilities sums to 1: the examples compete for a class. The classes
    compete within a row, axis 1."""
    log_probability = _log_softmax(X @ W + b, axis=0)
    loss = -log_probability[np.arange(len(X)), labels].mean()
    error = (np.exp(log_probability) - _one_hot(labels, len(b))) / len(X)
    return loss, X.T @ error, error.sum(axis=0)


def infinite_exponentials(X, labels, W, b):
    """You take exp of the logits as they are: from 710 on it is infinite, and a probability becomes
    inf / inf. A softmax does not notice when the largest logit of a row is subtracted from all."""
    with np.errstate(all="ignore"):
        p = np.exp(X @ W + b)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(X)), labels]).mean()
    error = (p - _one_hot(labels, len(b))) / len(X)
    return loss, X.T @ error, error.sum(axis=0)


def infinite_loss(X, labels, W, b):
    """A sure and wrong example costs you infinity: its probability has rounded to 0 before the
    logarithm. Compute the log-probability as a difference, logit − log of the sum of exp."""
    own = np.exp(_log_softmax(X @ W + b))[np.arange(len(X)), labels]
    with np.errstate(divide="ignore"):
        return -np.log(own).mean(), *softmax_regression_gradient(X, labels, W, b)[1:]


def b_not_in_the_logits(X, labels, W, b):
    """Your logits are X @ W: b has a gradient, and no effect. Add it."""
    return softmax_regression_gradient(X, labels, W, np.zeros(len(b)))


def cases(rng):
    X, labels = np.array([[1.0], [2.0], [-1.0]]), np.array([0, 1, 1])
    yield Case(
        "three examples, one feature, two classes",
        (X, labels, np.array([[0.5, 0.0]]), np.array([0.0, 0.5])),
    )
    X = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 1.0]])
    yield Case("a start of zeros", (X, np.array([2, 0, 2]), np.zeros((2, 3)), np.zeros(3)))
    W = np.array([[1.0, 0.0, -1.0], [0.0, 2.0, 1.0]])
    yield Case("one example", (X[:1], np.array([1]), W, np.ones(3)))
    W, b = np.array([[1000.0, 0.0, 0.0], [0.0, 1000.0, 0.0]]), np.array([0.0, 0.0, 0.5])
    yield Case("sure of the right classes", (np.eye(2), np.array([0, 1]), W, b))
    yield Case("sure of the wrong classes", (np.eye(2), np.array([1, 2]), W, b))
    X = np.array([[1.0], [-1.0]])
    # A loss of 1 as the difference of numbers near 1000 has three digits less.
    yield Case(
        "all logits near 1000, or near −1000",
        (X, np.array([1, 2]), np.full((1, 3), 1000.0), np.array([1.5, 0.0, 0.5])),
        condition=1000,
    )
    for n, d, classes in ((7, 2, 3), (4, 5, 3), (5, 3, 6)):
        X, labels = rng.normal(size=(n, d)), rng.integers(0, classes, n)
        W, b = rng.normal(size=(d, classes)), rng.normal(size=classes)
        note = f"{n} random examples of {d} features, {classes} classes"
        yield Case(note, (X, labels, W, b))


DRILL = Drill(
    reference=softmax_regression_gradient,
    cases=cases,
    alternatives=(example_by_example, classes_by_counting),
    mistakes=(
        gradients_not_averaged,
        only_W_averaged,
        only_b_averaged,
        divided_by_n_twice,
        averaged_over_the_classes_too,
        b_summed_over_the_classes,
        labels_never_subtracted,
        subtracted_in_whole_columns,
        only_the_label_has_a_gradient,
        classes_taken_apart,
        softmax_slope_twice,
        uphill,
        softmax_over_the_examples,
        infinite_exponentials,
        infinite_loss,
        b_not_in_the_logits,
    ),
    hints=(
        "Begin with the slope in the logits, a table of shape (n, classes). Which two tables is it "
        "the difference of?",
        "A logit is a sum over the features, each times its weight, plus b. So W's gradient needs "
        "the inputs and the error, summed over the examples. What does b's need?",
        "error = (softmax − one-hot) / n. Then X.T @ error and error.sum(axis=0). For the loss, "
        "log softmax = shifted − log(sum(exp(shifted))), shifted = logits − each row's maximum.",
    ),
    explanation=(
        "The gradient of W's column c is the mean of p_c · x over all examples, less the share of "
        "those labelled c: it is 0 when the inputs that the model expects of a class equal those "
        "that it has. So says maximum likelihood for every model that is linear in its logits. "
        "Asked next: is there one best W? No: the same vector added to all columns changes "
        "nothing, which is why each row of the gradient sums to 0; a penalty picks one. And with "
        "two classes? It is a logistic regression whose weights are the difference of the two "
        "columns."
    ),
    difficulty=2,
    taught_in="09_mock_interview, section 3",
)
