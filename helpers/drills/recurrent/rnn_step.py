import math

import numpy as np

from helpers.drills.spec import Case, Drill


def rnn_step(
    x_t: np.ndarray, h: np.ndarray, W_x: np.ndarray, W_h: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """Compute one step of a vanilla recurrent network for a batch: the new state, from what comes
    in now and from the state before.

    h_new = tanh(x_t · W_x + h · W_h + b), with matrix products. Rows are examples: `x_t` has the
    shape (batch, inputs), `h` (batch, units), `W_x` (inputs, units), `W_h` (units, units), `b`
    (units,). All are float64 and finite; batch, inputs and units are at least 1. What goes into
    tanh may be as large as ±1000. Return the new state, shape (batch, units), as a new array.
    """
    return np.tanh(x_t @ W_x + h @ W_h + b)


def one_product_for_both(x_t, h, W_x, W_h, b):
    joined = np.concatenate([x_t, h], axis=1)  # (batch, inputs + units)
    return np.tanh(joined @ np.concatenate([W_x, W_h]) + b)


def in_loops(x_t, h, W_x, W_h, b):
    new = []
    for inputs, state in zip(x_t, h, strict=True):
        row = []
        for from_inputs, from_state, bias in zip(W_x.T, W_h.T, b, strict=True):
            total = bias
            for value, weight in zip(inputs, from_inputs, strict=True):
                total += value * weight
            for value, weight in zip(state, from_state, strict=True):
                total += value * weight
            row.append(math.tanh(total))
        new.append(row)
    return new


def tanh_left_out(x_t, h, W_x, W_h, b):
    """You return the sum itself. Without tanh the state is a linear function of all inputs, and
    grows without limit: squash the sum."""
    return x_t @ W_x + h @ W_h + b


def sigmoid_for_tanh(x_t, h, W_x, W_h, b):
    """You squash with the sigmoid, whose values lie between 0 and 1. The vanilla network uses tanh,
    between −1 and 1; the sigmoid is for the gates of LSTM and GRU."""
    total = np.clip(x_t @ W_x + h @ W_h + b, -500, 500)
    return 1 / (1 + np.exp(-total))


def relu_for_tanh(x_t, h, W_x, W_h, b):
    """You cut the sum off at 0, as a ReLU does. The vanilla network squashes it with tanh."""
    return np.maximum(x_t @ W_x + h @ W_h + b, 0)


def previous_state_left_out(x_t, h, W_x, W_h, b):
    """The state before does not reach the new one: this is a dense layer, and has no memory. Add
    what `h` brings through `W_h`."""
    return np.tanh(x_t @ W_x + b)


def bias_left_out(x_t, h, W_x, W_h, b):
    """Your sum lacks the bias `b`."""
    return np.tanh(x_t @ W_x + h @ W_h)


def bias_added_twice(x_t, h, W_x, W_h, b):
    """You add the bias twice, once to each product. PyTorch has two biases, one for each; here one
    `b` serves the whole sum."""
    return np.tanh((x_t @ W_x + b) + (h @ W_h + b))


def bias_added_after_tanh(x_t, h, W_x, W_h, b):
    """You add the bias after tanh. It belongs into the sum that tanh squashes: the state must stay
    between −1 and 1."""
    return np.tanh(x_t @ W_x + h @ W_h) + b


def recurrent_matrix_transposed(x_t, h, W_x, W_h, b):
    """You multiply the state by the transposed `W_h`. The matrix is square, so nothing complains.
    Row i of `W_h` holds the weights *from* unit i, so `h` meets it as it is."""
    return np.tanh(x_t @ W_x + h @ W_h.T + b)


def both_matrices_transposed(x_t, h, W_x, W_h, b):
    """You transpose both matrices, as if they were stored as (units, inputs), which PyTorch does.
    Here `W_x` has the shape (inputs, units): rows of `x_t` meet it as it is."""
    return np.tanh(x_t @ W_x.T + h @ W_h.T + b)


def matrices_exchanged(x_t, h, W_x, W_h, b):
    """You multiply the input by `W_h` and the state by `W_x`. It runs only where inputs and units
    are as many."""
    return np.tanh(x_t @ W_h + h @ W_x + b)


def products_by_element(x_t, h, W_x, W_h, b):
    """You multiply element by element, with `*`. Every unit hears every input: that is a matrix
    product, `@`."""
    return np.tanh(x_t * W_x + h * W_h + b)


def parts_squashed_before_the_sum(x_t, h, W_x, W_h, b):
    """You apply tanh to each part and then add. The sum can leave the range from −1 to 1, and grows
    from step to step: add first, squash once."""
    return np.tanh(x_t @ W_x + b) + np.tanh(h @ W_h)


def only_the_input_squashed(x_t, h, W_x, W_h, b):
    """Your tanh closes before the state's part is added. The state must be inside too, or it grows
    from step to step."""
    return np.tanh(x_t @ W_x + b) + h @ W_h


def old_state_added(x_t, h, W_x, W_h, b):
    """You add the old state to the new one, as a residual connection would. In the vanilla network
    the old state enters through `W_h` alone."""
    return h + np.tanh(x_t @ W_x + h @ W_h + b)


def tanh_from_exponentials(x_t, h, W_x, W_h, b):
    """You write tanh as a quotient of exponentials. Both overflow beyond 710, and infinity over
    infinity is NaN: `np.tanh` does not."""
    total = x_t @ W_x + h @ W_h + b
    return (np.exp(total) - np.exp(-total)) / (np.exp(total) + np.exp(-total))


def cases(rng):
    x_t, h = np.array([[1.0, -0.5]]), np.array([[0.5]])
    yield Case(
        "one example, two inputs, one unit",
        (x_t, h, np.array([[0.2], [0.4]]), np.array([[0.6]]), np.array([0.1])),
    )
    for note, batch, inputs, units in [
        ("three examples, three inputs, three units", 3, 3, 3),
        ("one example, one unit, five inputs", 1, 5, 1),
        ("seven examples, three inputs, five units", 7, 3, 5),
        ("two examples, eleven inputs, four units", 2, 11, 4),
    ]:
        h = rng.uniform(-0.9, 0.9, (batch, units))
        W_x = rng.normal(size=(inputs, units)) / inputs
        W_h = rng.normal(size=(units, units)) / units
        b = rng.uniform(-0.5, 0.5, units)
        yield Case(note, (rng.normal(size=(batch, inputs)), h, W_x, W_h, b))
    x_t, h = rng.normal(size=(4, 3)), np.zeros((4, 2))
    b = rng.normal(size=2) / 2
    W_x, W_h = rng.normal(size=(3, 2)) / 3, rng.normal(size=(2, 2)) / 2
    yield Case("a state of zeros, as at the start", (x_t, h, W_x, W_h, b))
    x_t, h = np.array([[1000.0, 0.0], [-800.0, 0.5], [0.0, 0.3]]), rng.uniform(-0.9, 0.9, (3, 2))
    yield Case("sums near ±1000", (x_t, h, np.eye(2), rng.normal(size=(2, 2)) / 2, b))


DRILL = Drill(
    reference=rnn_step,
    cases=cases,
    alternatives=(one_product_for_both, in_loops),
    mistakes=(
        tanh_left_out,
        sigmoid_for_tanh,
        relu_for_tanh,
        previous_state_left_out,
        bias_left_out,
        bias_added_twice,
        bias_added_after_tanh,
        recurrent_matrix_transposed,
        both_matrices_transposed,
        matrices_exchanged,
        products_by_element,
        parts_squashed_before_the_sum,
        only_the_input_squashed,
        old_state_added,
        tanh_from_exponentials,
    ),
    hints=(
        "Write the shapes beside the names: which products turn (batch, inputs) and "
        "(batch, units) into (batch, units)?",
        "Three parts have the shape of the new state, or broadcast to it: the input's product, "
        "the state's product, and the bias. tanh comes last, and once.",
        "Multiply `x_t` by `W_x` and `h` by `W_h` with `@`, add both and `b`, and give the sum to "
        "`np.tanh`.",
    ),
    explanation=(
        "Two linear maps and a bias meet in one sum, and tanh keeps the state between −1 and 1. "
        "It is a dense layer on the joined row (x_t, h): one product with `W_x` above `W_h` gives "
        "the same (Elman, 1990). The weights are the same at every step; only the state changes. "
        "Asked next: how many parameters? units · (inputs + units + 1), however long the sequence."
    ),
    difficulty=1,
    taught_in="03_recurrent_networks, section 2",
)
