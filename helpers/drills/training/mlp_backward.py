import numpy as np

from helpers.drills.spec import Case, Drill


def mlp_backward(
    X: np.ndarray,
    labels: np.ndarray,
    W1: np.ndarray,
    b1: np.ndarray,
    W2: np.ndarray,
    b2: np.ndarray,
) -> tuple:
    """Compute the loss of a network with one hidden layer, and all its gradients, by hand.

    Forward: z = X @ W1 + b1, h = max(z, 0) (ReLU), logits = h @ W2 + b2. The loss is the mean over
    the B examples of minus the natural logarithm of the softmax probability of the label. `X` has
    the shape (B, inputs), one example a row, `W1` (inputs, units), `b1` (units,), `W2` (units,
    classes), `b2` (classes,); `labels`, ints of shape (B,), holds class numbers from 0 on. B is at
    least 1, and the logits are small enough for exp.

    Return (loss, dW1, db1, dW2, db2): one number, and the gradients of the loss, each in the shape
    of its array. The slope of ReLU at exactly 0 is 0, as TensorFlow and PyTorch have it. The
    arguments stay as they are.
    """
    B = len(X)
    z = X @ W1 + b1
    h = np.maximum(z, 0)
    logits = h @ W2 + b2
    log_probability = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    loss = -log_probability[np.arange(B), labels].mean()

    d_logits = np.exp(log_probability)  # softmax, less the one-hot label
    d_logits[np.arange(B), labels] -= 1
    d_logits /= B  # the mean: from here on everything is a sum over the examples
    dW2, db2 = h.T @ d_logits, d_logits.sum(axis=0)
    dz = (d_logits @ W2.T) * (z > 0)
    dW1, db1 = X.T @ dz, dz.sum(axis=0)
    return loss, dW1, db1, dW2, db2


def example_by_example(X, labels, W1, b1, W2, b2):
    parameters = W1, b1, W2, b2
    loss, gradients = 0.0, [np.zeros(array.shape) for array in parameters]
    for x, label in zip(X, labels, strict=True):
        z = W1.T @ x + b1
        h = np.maximum(z, 0)
        logits = W2.T @ h + b2
        log_sum = np.logaddexp.reduce(logits)
        loss += log_sum - logits[label]
        error = np.exp(logits - log_sum)
        error[label] -= 1
        back = np.where(z > 0, W2 @ error, 0)
        parts = np.outer(x, back), back, np.outer(h, error), error
        for gradient, part in zip(gradients, parts, strict=True):
            gradient += part
    return loss / len(X), *(gradient / len(X) for gradient in gradients)


def with_a_complex_step(X, labels, W1, b1, W2, b2):
    # f(a + iε) = f(a) + iε f'(a): exact to rounding, for nothing is subtracted.
    parameters = [np.array(array, complex) for array in (W1, b1, W2, b2)]

    def loss():
        z = X @ parameters[0] + parameters[1]
        logits = np.where(z.real > 0, z, 0) @ parameters[2] + parameters[3]
        own = logits[np.arange(len(X)), labels]
        return np.mean(np.log(np.exp(logits).sum(axis=1)) - own)

    gradients = [np.empty(array.shape) for array in parameters]
    for array, gradient in zip(parameters, gradients, strict=True):
        for place in np.ndindex(array.shape):
            array[place] += 1e-30j
            gradient[place] = loss().imag / 1e-30
            array[place] -= 1e-30j
    return loss().real, *gradients


def _forward(X, labels, W1, b1, W2, b2):
    """z, the error of the logits, divided by B, and the loss."""
    z = X @ W1 + b1
    logits = np.maximum(z, 0) @ W2 + b2
    log_probability = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    one_hot = labels[:, None] == np.arange(len(b2))
    loss = -log_probability[one_hot].mean()
    return z, (np.exp(log_probability) - one_hot) / len(X), loss


def _backward(X, labels, W1, b1, W2, b2, error=None, back=None, slope=None, h=None):
    """The backward pass with other parts: error(d_logits), the matrix that leads back, slope(z, dh)
    in the place of ReLU's, and what dW2 takes for the hidden layer."""
    z, d_logits, loss = _forward(X, labels, W1, b1, W2, b2)
    if error:
        d_logits = error(d_logits)
    dh = d_logits @ (W2.T if back is None else back)
    dz = dh * (slope(z, dh) if slope else z > 0)
    h = np.maximum(z, 0) if h is None else h(z)
    return loss, X.T @ dz, dz.sum(axis=0), h.T @ d_logits, d_logits.sum(axis=0)


def batch_not_averaged(X, labels, W1, b1, W2, b2):
    """Your gradients lack the 1 / B: the loss is a mean, and they are those of a sum. Divide the
    error of the logits by B, once, and everything behind it has the factor."""
    return _backward(X, labels, W1, b1, W2, b2, error=lambda d_logits: d_logits * len(X))


def batch_averaged_twice(X, labels, W1, b1, W2, b2):
    """You divide by B in the error of the logits, and again in every gradient. X.T @ dz is a sum,
    and its terms carry the 1 / B already."""
    return _backward(X, labels, W1, b1, W2, b2, error=lambda d_logits: d_logits / len(X))


def biases_averaged_again(X, labels, W1, b1, W2, b2):
    """You take the mean of the errors for the biases, though these errors are divided by B already.
    Sum them, as the matrix product does for the weights."""
    loss, dW1, db1, dW2, db2 = mlp_backward(X, labels, W1, b1, W2, b2)
    return loss, dW1, db1 / len(X), dW2, db2 / len(X)


def biases_summed_over_the_units(X, labels, W1, b1, W2, b2):
    """For a bias you sum over the units and keep the examples apart. Every example uses the same
    bias, and each unit has its own: sum over the examples, axis 0."""
    loss, dW1, _, dW2, _ = mlp_backward(X, labels, W1, b1, W2, b2)
    z, d_logits, _ = _forward(X, labels, W1, b1, W2, b2)
    dz = d_logits @ W2.T * (z > 0)
    return loss, dW1, dz.sum(axis=1), dW2, d_logits.sum(axis=1)


def relu_left_out_going_back(X, labels, W1, b1, W2, b2):
    """You go back through ReLU as if it were not there. A unit that was cut off at 0 passes
    nothing on, and gets nothing: multiply by its slope, 0 or 1."""
    return _backward(X, labels, W1, b1, W2, b2, slope=lambda z, dh: 1.0)


def slope_of_one_at_zero(X, labels, W1, b1, W2, b2):
    """You let the gradient through where z is exactly 0: `>=`. ReLU has no slope there; 0 is what
    is asked for, and what the libraries take."""
    return _backward(X, labels, W1, b1, W2, b2, slope=lambda z, dh: z >= 0)


def relu_of_the_gradient(X, labels, W1, b1, W2, b2):
    """You apply ReLU to the gradient: what is negative in it becomes 0. Which units pass it on was
    decided going forward, by the sign of z."""
    return _backward(X, labels, W1, b1, W2, b2, slope=lambda z, dh: dh > 0)


def multiplied_by_the_activation(X, labels, W1, b1, W2, b2):
    """You multiply by h, the output of ReLU, in the place of its slope. Where z is positive the
    slope is 1, however large z is."""
    return _backward(X, labels, W1, b1, W2, b2, slope=lambda z, dh: np.maximum(z, 0))


def slope_of_a_sigmoid(X, labels, W1, b1, W2, b2):
    """You multiply by h · (1 − h): that is the slope of a sigmoid. This hidden layer is a ReLU,
    whose slope is 0 or 1."""

    def slope(z, dh):
        h = np.maximum(z, 0)
        return h * (1 - h)

    return _backward(X, labels, W1, b1, W2, b2, slope=slope)


def logits_through_a_slope(X, labels, W1, b1, W2, b2):
    """You multiply the error of the logits by p · (1 − p), as for a sigmoid with a squared error.
    Softmax and cross-entropy together give p − one-hot, and nothing more."""
    d_logits = _forward(X, labels, W1, b1, W2, b2)[1]
    p = d_logits * len(X) + (labels[:, None] == np.arange(len(b2)))
    return _backward(X, labels, W1, b1, W2, b2, error=lambda d_logits: d_logits * p * (1 - p))


def labels_left_out(X, labels, W1, b1, W2, b2):
    """You send back the probabilities as they are. The error is what they are above the truth:
    subtract 1 at each label."""
    one_hot = labels[:, None] == np.arange(len(b2))
    return _backward(X, labels, W1, b1, W2, b2, error=lambda d_logits: d_logits + one_hot / len(X))


def signs_turned(X, labels, W1, b1, W2, b2):
    """All your gradients have the wrong sign: you send back one-hot − p. Going along them, the loss
    would grow when they are subtracted."""
    return _backward(X, labels, W1, b1, W2, b2, error=lambda d_logits: -d_logits)


def reshaped_for_transposed(X, labels, W1, b1, W2, b2):
    """You bring `W2` into the shape (classes, units) with reshape. That keeps the order of the
    numbers and deals them out anew; going back needs rows and columns exchanged."""
    return _backward(X, labels, W1, b1, W2, b2, back=W2.reshape(W2.shape[::-1]))


def pre_activation_in_dW2(X, labels, W1, b1, W2, b2):
    """Your dW2 uses z. What met `W2` going forward is h, behind the ReLU."""
    return _backward(X, labels, W1, b1, W2, b2, h=lambda z: z)


def relu_on_the_logits(X, labels, W1, b1, W2, b2):
    """You put a ReLU on the output layer too: negative logits become 0, and their classes can no
    longer be pushed down. Logits are left as they are."""
    z = X @ W1 + b1
    h = np.maximum(z, 0)
    raw = h @ W2 + b2
    logits = np.maximum(raw, 0)
    log_probability = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    one_hot = labels[:, None] == np.arange(len(b2))
    d_logits = (np.exp(log_probability) - one_hot) / len(X) * (raw > 0)
    dz = d_logits @ W2.T * (z > 0)
    gradients = X.T @ dz, dz.sum(axis=0), h.T @ d_logits, d_logits.sum(axis=0)
    return -log_probability[one_hot].mean(), *gradients


def relu_forgotten(X, labels, W1, b1, W2, b2):
    """Your network has no ReLU in either direction: two linear layers are one linear layer. h is
    max(z, 0)."""
    z = X @ W1 + b1
    logits = z @ W2 + b2
    log_probability = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    one_hot = labels[:, None] == np.arange(len(b2))
    d_logits = (np.exp(log_probability) - one_hot) / len(X)
    dz = d_logits @ W2.T
    gradients = X.T @ dz, dz.sum(axis=0), z.T @ d_logits, d_logits.sum(axis=0)
    return -log_probability[one_hot].mean(), *gradients


def cases(rng):
    X, labels = np.array([[1.0], [2.0]]), np.array([0, 1])
    W1, b1 = np.array([[1.0, -1.0]]), np.array([0.5, 1.5])
    W2, b2 = np.array([[0.5, 0.0], [-1.0, 1.0]]), np.array([0.0, 1.0])
    yield Case("two examples, two units, two classes", (X, labels, W1, b1, W2, b2))
    X = np.array([[1.0, -1.0], [2.0, 2.0], [0.0, 3.0]])
    W1, b1 = np.array([[1.0, 2.0], [1.0, -1.0]]), np.array([0.0, -3.0])
    W2 = np.array([[1.0, -1.0, 0.5], [0.5, 0.0, -1.0]])
    yield Case("z exactly 0", (X, np.array([1, 0, 2]), W1, b1, W2, np.zeros(3)))
    args = X, np.array([2, 2, 1]), W1, np.array([-9.0, -9.0]), W2, np.array([0.0, 1.0, -1.0])
    yield Case("all units cut off", args)
    for B, inputs, units, classes in ((1, 3, 4, 3), (7, 2, 5, 3), (5, 4, 3, 6), (3, 6, 3, 3)):
        X, labels = rng.normal(size=(B, inputs)), rng.integers(0, classes, B)
        W1, b1 = rng.normal(size=(inputs, units)), rng.normal(size=units) / 2
        W2, b2 = rng.normal(size=(units, classes)), rng.normal(size=classes)
        note = f"random, B = {B}, {units} units, {classes} classes"
        yield Case(note, (X, labels, W1, b1, W2, b2))


DRILL = Drill(
    reference=mlp_backward,
    cases=cases,
    alternatives=(example_by_example, with_a_complex_step),
    mistakes=(
        batch_not_averaged,
        batch_averaged_twice,
        biases_averaged_again,
        biases_summed_over_the_units,
        relu_left_out_going_back,
        slope_of_one_at_zero,
        relu_of_the_gradient,
        multiplied_by_the_activation,
        slope_of_a_sigmoid,
        logits_through_a_slope,
        labels_left_out,
        signs_turned,
        reshaped_for_transposed,
        pre_activation_in_dW2,
        relu_on_the_logits,
        relu_forgotten,
    ),
    hints=(
        "Keep z and h from the way forward. Then backwards: the error of the logits, of h, of z. "
        "Each has the shape of what it belongs to.",
        "The error of the logits is (softmax − one-hot) / B. A weight's gradient is the layer's "
        "input, transposed, times the error of its output; a bias's is the column sums of it.",
        "dW2 = h.T @ d_logits; dz = (d_logits @ W2.T) · (z > 0); dW1 = X.T @ dz; the biases' are "
        "sums over axis 0.",
    ),
    explanation=(
        "Each layer does two things with the error of its output: multiplied by its input it is "
        "the weights' gradient, multiplied by its weights it is the error of the layer before. "
        "The shapes leave only one order and one transpose. Going back costs twice as much as "
        "going forward, two products for one, and needs z and h: that is what fills the memory in "
        "training. Asked next: how would you test it? With finite differences in float64, away "
        "from z = 0. What is a dead unit? One whose z is negative for all examples: it has no "
        "gradient, and stays as it is. And when do W1 and W2 move? Only after all gradients are "
        "computed: dz needs the W2 of the way forward."
    ),
    difficulty=3,
    taught_in="00_start_here, section 4",
)
