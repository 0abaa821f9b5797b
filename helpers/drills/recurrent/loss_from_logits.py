import numpy as np

from helpers.drills.spec import Case, Drill


def loss_from_logits(h: np.ndarray, W: np.ndarray, b: np.ndarray, targets: np.ndarray) -> tuple:
    """Compute the last step of a language model's forward pass and the first of its backward pass:
    from hidden states to the loss, and to the gradient with which backpropagation starts.

    `h` has shape (n, units), one hidden state a row; the output layer has `W`, shape (units,
    vocabulary), and `b`, shape (vocabulary,); `targets`, ints of shape (n,), holds the token that
    comes next. The logits are h @ W + b, and the loss of a row is minus the natural logarithm of
    the softmax probability of its target. Return (loss, gradient): the mean over the rows, and its
    gradient with respect to the logits, shape (n, vocabulary). Logits of ±1000 occur: nothing may
    overflow, and a target whose probability is too small for a float must not make the loss
    infinite. n is at least 1.
    """
    logits = h @ W + b
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(targets))
    gradient = np.exp(log_probability)  # softmax …
    gradient[rows, targets] -= 1  # … minus the one-hot target
    return -log_probability[rows, targets].mean(), gradient / len(targets)


def row_by_row(h, W, b, targets):
    loss, gradient = 0.0, []
    for state, target in zip(h, targets, strict=True):
        logits = b + state @ W
        top = max(logits)
        log_sum = top + np.log(sum(np.exp(value - top) for value in logits))
        loss += (log_sum - logits[target]) / len(h)
        one_hot = np.arange(len(b)) == target
        gradient.append((np.exp(logits - log_sum) - one_hot) / len(h))
    return loss, np.array(gradient)


def with_logaddexp(h, W, b, targets):
    logits = h @ W + b
    one_hot = targets[:, None] == np.arange(len(b))
    log_probability = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return -log_probability[one_hot].mean(), (np.exp(log_probability) - one_hot) / len(h)


def _softmax(scores):
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def _through_softmax(gradient, probability):
    """The gradient with respect to a softmax's input, from that with respect to its output."""
    return probability * (gradient - (gradient * probability).sum(axis=1, keepdims=True))


def as_given(h, W, b, targets):
    """This is the code as given, or its bug is still in it: let the logit of every target grow,
    to 10, to 100, and watch the loss. It stops at log(1 + (vocabulary − 1) / e), as if the model
    could never be sure."""
    rows = np.arange(len(targets))

    def softmax(scores):
        exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
        return exponents / exponents.sum(axis=1, keepdims=True)

    def cross_entropy(logits):
        shifted = logits - logits.max(axis=1, keepdims=True)
        losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, targets]
        gradient = softmax(logits)
        gradient[rows, targets] -= 1
        return losses.mean(), gradient / len(targets)

    prediction = softmax(h @ W + b)  # what the model gives to each token
    return cross_entropy(prediction)


def only_the_gradient_mended(h, W, b, targets):
    """Your gradient now belongs to your loss, but the loss is still that of a softmax of a softmax.
    Its gradient is small where the model is wrong and sure: hand the logits to the loss."""
    probability = _softmax(h @ W + b)
    loss, gradient = as_given(h, W, b, targets)
    return loss, _through_softmax(gradient, probability)


def only_the_loss_mended(h, W, b, targets):
    """Your loss is right, but your gradient still takes the softmax of the probabilities: it never
    vanishes, however sure the model is. One softmax, of the logits, less the one-hot target."""
    return loss_from_logits(h, W, b, targets)[0], as_given(h, W, b, targets)[1]


def gradient_taken_through_the_softmax_again(h, W, b, targets):
    """You multiply softmax − one-hot by the derivative of the softmax. That derivative is in it
    already: softmax − one-hot *is* the gradient with respect to the logits."""
    loss, gradient = loss_from_logits(h, W, b, targets)
    return loss, _through_softmax(gradient, _softmax(h @ W + b))


def logarithm_of_the_softmax(h, W, b, targets):
    """One softmax is left, but you take the logarithm of its result. A confident wrong prediction
    has a probability that rounds to 0, and its loss is infinite. Take log softmax from the logits
    at once."""
    own = _softmax(h @ W + b)[np.arange(len(targets)), targets]
    with np.errstate(divide="ignore"):
        return -np.log(own).mean(), loss_from_logits(h, W, b, targets)[1]


def small_number_in_the_logarithm(h, W, b, targets):
    """One softmax is left, but you add a small number inside the logarithm. It caps the loss of a
    confident wrong prediction. Take log softmax from the logits at once."""
    own = _softmax(h @ W + b)[np.arange(len(targets)), targets]
    return -np.log(own + 1e-12).mean(), loss_from_logits(h, W, b, targets)[1]


def no_softmax_left(h, W, b, targets):
    """You took both softmaxes away: the logarithm of a logit is no loss, and NaN where the logit is
    negative. One of the two has to stay, inside the loss."""
    logits, rows = h @ W + b, np.arange(len(targets))
    gradient = logits.copy()
    gradient[rows, targets] -= 1
    with np.errstate(all="ignore"):
        return -np.log(logits[rows, targets]).mean(), gradient / len(targets)


def exponent_overflows(h, W, b, targets):
    """exp(1000) is infinite, and inf / inf is NaN. Subtract each row's largest logit first: the
    softmax does not change."""
    logits, rows = h @ W + b, np.arange(len(targets))
    with np.errstate(all="ignore"):
        gradient = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        loss = -np.log(gradient[rows, targets]).mean()
    gradient[rows, targets] -= 1
    return loss, gradient / len(targets)


def gradient_not_divided(h, W, b, targets):
    """Your gradient lacks the 1 / n of the mean: it is that of the summed loss."""
    loss, gradient = loss_from_logits(h, W, b, targets)
    return loss, gradient * len(targets)


def gradient_points_the_other_way(h, W, b, targets):
    """Your gradient has the wrong sign: it is softmax − one-hot, which gradient *descent*
    subtracts."""
    loss, gradient = loss_from_logits(h, W, b, targets)
    return loss, -gradient


def bias_forgotten(h, W, b, targets):
    """You leave out b. The logits are h @ W + b."""
    return loss_from_logits(h, W, np.zeros(len(b)), targets)


def cases(rng):
    h, W = np.array([[1.0], [-1.0]]), np.array([[2.0, 0.0]])
    yield Case(
        "two states of one unit, a vocabulary of two",
        (h, W, np.array([0.0, 1.0]), np.array([0, 1])),
    )
    W, b = np.array([[1000.0, 0.0, 0.0], [0.0, 1000.0, 0.0]]), np.array([0.0, 0.0, 0.5])
    sure = (np.eye(2), W, b)
    yield Case("sure of the right tokens", (*sure, np.array([0, 1])))
    yield Case("sure of the wrong tokens", (*sure, np.array([2, 0])))
    h, b = np.array([[1.0], [-1.0]]), np.array([1.5, 0.0, 0.5])
    # A loss of 1 as the difference of numbers near 1000 has three digits less.
    yield Case(
        "all logits large, and all far below zero",
        (h, np.full((1, 3), 1000.0), b, np.array([1, 2])),
        condition=1000,
    )
    yield Case(
        "no idea at all", (np.zeros((3, 2)), np.ones((2, 5)), np.zeros(5), np.array([4, 0, 2]))
    )
    for n, units, vocabulary in [(1, 3, 4), (5, 2, 3), (7, 4, 11)]:
        h, W = np.tanh(rng.normal(size=(n, units))), rng.normal(size=(units, vocabulary))
        b, targets = rng.normal(size=vocabulary), rng.integers(0, vocabulary, n)
        yield Case(f"{n} random states, {vocabulary} tokens", (h, W, b, targets))


DRILL = Drill(
    reference=loss_from_logits,
    cases=cases,
    given=as_given,
    alternatives=(row_by_row, with_logaddexp),
    mistakes=(
        as_given,
        only_the_gradient_mended,
        only_the_loss_mended,
        gradient_taken_through_the_softmax_again,
        logarithm_of_the_softmax,
        small_number_in_the_logarithm,
        no_softmax_left,
        exponent_overflows,
        gradient_not_divided,
        gradient_points_the_other_way,
        bias_forgotten,
    ),
    hints=(
        "Give a target the logit 100 and all others 0. Which number does the loss compute with "
        "in the place of 100?",
        "The inner function wants logits: it takes a softmax itself. What does it get, and "
        "between which bounds do these numbers lie?",
        "Hand h @ W + b to the inner function as it is. Its own softmax and logarithm, with each "
        "row's maximum subtracted, do the rest; the gradient is (softmax of the logits − one-hot) "
        "/ n.",
    ),
    explanation=(
        "Probabilities lie between 0 and 1, so the second softmax can make no two tokens differ "
        "by more than a factor of e: hence the floor of log(1 + (vocabulary − 1) / e), 8.2 for "
        "10,000 tokens, where a model that knows nothing has 9.2. No error is raised, and the "
        'model learns, slowly. Keras has it as `activation="softmax"` in the last layer and '
        "`from_logits=True` in the loss: with TensorFlow it notices, warns and undoes it, but only "
        "while nothing, not even a reshape, stands between the two. Asked next: which check before "
        "training finds it? Overfitting one batch: the loss has to go to 0."
    ),
    difficulty=1,
    taught_in="03_recurrent_networks, section 6",
)
