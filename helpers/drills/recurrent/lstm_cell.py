import numpy as np

from helpers.drills.spec import Case, Drill


def lstm_cell(
    x_t: np.ndarray, h: np.ndarray, c: np.ndarray, W_x: np.ndarray, W_h: np.ndarray, b: np.ndarray
) -> tuple:
    """Take one step of an LSTM, the cell whose memory `c` is added to instead of overwritten.

    `x_t` has shape (batch, inputs); the state before the step, `h` and `c`, (batch, units). The
    weights of all gates stand side by side in Keras's order i, f, g, o: `W_x` (inputs, 4·units),
    `W_h` (units, 4·units), `b` (4·units,). Compute a = x_t @ W_x + h @ W_h + b, cut it into four
    blocks of `units` columns, and take i, f, o = sigmoid of the first, second and fourth, and
    g = tanh of the third, the candidate. Then c' = f · c + i · g and h' = o · tanh(c'), products
    number by number. Return (h', c'). Nothing else is added: a forget bias of 1 belongs to the
    initial value of b. Entries of a of ±1000 must not give NaN.
    """

    def sigmoid(a):
        return (1 + np.tanh(a / 2)) / 2  # equals 1 / (1 + exp(-a)), and cannot overflow

    a_i, a_f, a_g, a_o = np.split(x_t @ W_x + h @ W_h + b, 4, axis=1)  # each (batch, units)
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)
    g = np.tanh(a_g)
    c = f * c + i * g
    h = o * np.tanh(c)
    return h, c


def gate_by_gate(x_t, h, c, W_x, W_h, b):
    units = h.shape[1]

    def sums(first):
        columns = slice(first, first + units)
        return x_t @ W_x[:, columns] + h @ W_h[:, columns] + b[columns]

    i, f, o = (1 / (1 + np.exp(-sums(first))) for first in (0, units, 3 * units))
    new = f * c + i * np.tanh(sums(2 * units))
    return o * np.tanh(new), new


def with_one_product(x_t, h, c, W_x, W_h, b):
    a = np.concatenate([x_t, h], axis=1) @ np.concatenate([W_x, W_h]) + b
    a = a.reshape(len(h), 4, len(W_h))  # (batch, gate, units)
    gates = np.exp(-np.logaddexp(0, -a))
    new = gates[:, 1] * c + gates[:, 0] * np.tanh(a[:, 2])
    return gates[:, 3] * np.tanh(new), new


def _sigmoid(a):
    return (1 + np.tanh(a / 2)) / 2


def _blocks(x_t, h, W_x, W_h, b):
    return np.split(x_t @ W_x + h @ W_h + b, 4, axis=1)


def _reordered(x_t, h, c, W_x, W_h, b, order):
    """The step of a cell that reads its four blocks in another order."""
    places = [order.index(gate) for gate in "ifgo"]
    W_x, W_h, b = (
        np.concatenate([np.split(w, 4, axis=-1)[k] for k in places], axis=-1) for w in (W_x, W_h, b)
    )
    return lstm_cell(x_t, h, c, W_x, W_h, b)


def candidate_without_tanh(x_t, h, c, W_x, W_h, b):
    """Your candidate g is not squashed: a large input then writes a large number into the memory.
    The third block goes through tanh."""
    i, f, g, o = _blocks(x_t, h, W_x, W_h, b)
    c = _sigmoid(f) * c + _sigmoid(i) * g
    return _sigmoid(o) * np.tanh(c), c


def candidate_through_the_sigmoid(x_t, h, c, W_x, W_h, b):
    """You put all four blocks through the sigmoid. Three are gates; the candidate is what is
    written, and goes through tanh: with a sigmoid nothing can ever be subtracted."""
    i, f, g, o = (_sigmoid(a) for a in _blocks(x_t, h, W_x, W_h, b))
    c = f * c + i * g
    return o * np.tanh(c), c


def forget_gate_missing(x_t, h, c, W_x, W_h, b):
    """You add to the whole of the old memory: nothing is ever forgotten. The first LSTM of 1997
    was so; here the old c is multiplied by the forget gate."""
    i, _, g, o = _blocks(x_t, h, W_x, W_h, b)
    c = c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


def order_i_g_f_o(x_t, h, c, W_x, W_h, b):
    """You read the blocks as i, g, f, o: TensorFlow 1's `BasicLSTMCell` stored them so (i, j, f,
    o). Here, as in Keras and PyTorch, the forget gate is second and the candidate third."""
    return _reordered(x_t, h, c, W_x, W_h, b, "igfo")


def order_i_f_o_g(x_t, h, c, W_x, W_h, b):
    """You read the blocks as i, f, o, g, the three gates first and the candidate last, as many
    courses have it. Here the candidate is third and the output gate fourth."""
    return _reordered(x_t, h, c, W_x, W_h, b, "ifog")


def input_and_forget_gate_exchanged(x_t, h, c, W_x, W_h, b):
    """You read the first block as the forget gate and the second as the input gate, or multiply
    each with the other's partner. The first, i, goes with the candidate; the second, f, with the
    old memory."""
    return _reordered(x_t, h, c, W_x, W_h, b, "figo")


def gates_interleaved(x_t, h, c, W_x, W_h, b):
    """You take every fourth column for a gate. The columns of a gate stand together: the first
    `units` belong to i, the next `units` to f, and so on."""
    order = np.arange(len(b)).reshape(-1, 4).T.ravel()
    return lstm_cell(x_t, h, c, W_x[:, order], W_h[:, order], b[order])


def forget_bias_added(x_t, h, c, W_x, W_h, b):
    """You add 1 to the forget gate in the step. With weights from a trained layer the 1 is then in
    twice: it belongs to the initial value of b (Keras's `unit_forget_bias`), not to the step."""
    i, f, g, o = _blocks(x_t, h, W_x, W_h, b)
    c = _sigmoid(f + 1) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


def hidden_state_without_tanh(x_t, h, c, W_x, W_h, b):
    """Your h is the output gate times the memory itself. The memory may be of any size; it goes
    through tanh on its way out."""
    _, c = lstm_cell(x_t, h, c, W_x, W_h, b)
    return _sigmoid(_blocks(x_t, h, W_x, W_h, b)[3]) * c, c


def memory_squashed(x_t, h, c, W_x, W_h, b):
    """You carry tanh(c') on. The memory itself is carried as it is; tanh is taken for h only.
    Squashed at every step, it fades, and its gradient with it."""
    h, c = lstm_cell(x_t, h, c, W_x, W_h, b)
    return h, np.tanh(c)


def output_gate_on_the_memory(x_t, h, c, W_x, W_h, b):
    """You multiply the memory that is carried on by the output gate. The gate hides the memory
    from the outside, in h; it does not erase it."""
    h, c = lstm_cell(x_t, h, c, W_x, W_h, b)
    return h, _sigmoid(_blocks(x_t, h, W_x, W_h, b)[3]) * c


def gates_coupled(x_t, h, c, W_x, W_h, b):
    """You take 1 − f for the input gate. That is a known variant, with a quarter fewer weights;
    here the input gate has its own block, the first."""
    _, f, g, o = _blocks(x_t, h, W_x, W_h, b)
    c = _sigmoid(f) * c + (1 - _sigmoid(f)) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


def hidden_state_of_the_old_memory(x_t, h, c, W_x, W_h, b):
    """Your h comes from the memory before the step, so the input is seen one step late. Compute c'
    first, and h' from it."""
    _, new = lstm_cell(x_t, h, c, W_x, W_h, b)
    return _sigmoid(_blocks(x_t, h, W_x, W_h, b)[3]) * np.tanh(c), new


def returned_in_the_other_order(x_t, h, c, W_x, W_h, b):
    """You return (c, h). Asked for is (h, c)."""
    return lstm_cell(x_t, h, c, W_x, W_h, b)[::-1]


def sigmoid_overflows(x_t, h, c, W_x, W_h, b):
    """exp(a) / (1 + exp(a)) is infinity over infinity at a = 1000. Write the sigmoid with exp(−a)
    or with tanh."""
    i, f, g, o = _blocks(x_t, h, W_x, W_h, b)
    with np.errstate(all="ignore"):
        i, f, o = (np.exp(a) / (1 + np.exp(a)) for a in (i, f, o))
    c = f * c + i * np.tanh(g)
    return o * np.tanh(c), c


def cases(rng):
    x_t, h, c = np.array([[1.0, -1.0]]), np.array([[0.5]]), np.array([[2.0]])
    W_x, W_h = np.array([[0.5, 1, -0.5, 0.25], [0.25, -0.5, 1, 0.5]]), np.array([[1, 0.5, -1, 2]])
    yield Case("two inputs, one unit", (x_t, h, c, W_x, W_h, np.array([0.0, 1.0, 0.5, -0.5])))

    def random(batch, inputs, units):
        h, c = np.tanh(rng.normal(size=(batch, units))), rng.normal(size=(batch, units)) * 2
        W_x = rng.normal(size=(inputs, 4 * units)) / inputs**0.5
        W_h = rng.normal(size=(units, 4 * units)) / units**0.5
        return rng.normal(size=(batch, inputs)), h, c, W_x, W_h, rng.normal(size=4 * units) / 2

    for sizes in [(1, 3, 2), (3, 2, 4), (5, 7, 3)]:
        yield Case("batch of {}, {} inputs, {} units".format(*sizes), random(*sizes))
    _, h, c, _, W_h, b = random(2, 1, 2)
    W_x = np.array([[1.0, -1, -1, 1, 1, -1, 1, 1]])
    x_t = np.array([[1000.0], [-1000.0]])
    yield Case("gates wide open and shut", (x_t, h, c, W_x, W_h, b))


DRILL = Drill(
    reference=lstm_cell,
    cases=cases,
    alternatives=(gate_by_gate, with_one_product),
    mistakes=(
        candidate_without_tanh,
        candidate_through_the_sigmoid,
        forget_gate_missing,
        order_i_g_f_o,
        order_i_f_o_g,
        input_and_forget_gate_exchanged,
        gates_interleaved,
        forget_bias_added,
        hidden_state_without_tanh,
        memory_squashed,
        output_gate_on_the_memory,
        gates_coupled,
        hidden_state_of_the_old_memory,
        returned_in_the_other_order,
        sigmoid_overflows,
    ),
    hints=(
        "One product for all gates: a = x_t @ W_x + h @ W_h + b has 4·units columns. Which of its "
        "blocks are gates, and which is the thing to be written?",
        "`np.split(a, 4, axis=1)` gives i, f, g, o. Sigmoid for three of them, tanh for g. The "
        "memory comes first, the hidden state from it.",
        "c = sigmoid(f) * c + sigmoid(i) * tanh(g); h = sigmoid(o) * tanh(c); return h, c. A "
        "sigmoid that cannot overflow: (1 + tanh(a / 2)) / 2.",
    ),
    explanation=(
        "With f near 1 and i near 0 the memory passes a step unchanged, and so does its gradient, "
        "∂c'/∂c = f along the memory: no matrix and no tanh stand in its way, which is why an "
        "LSTM remembers where a plain RNN forgets (Hochreiter and Schmidhuber, 1997; the forget "
        "gate is of Gers, Schmidhuber and Cummins, 2000). A forget bias of 1 starts the gate open "
        "(Jozefowicz et al., 2015), and Keras puts it into b. Asked next: how many weights has "
        "the layer? 4 · units · (inputs + units + 1)."
    ),
    difficulty=2,
    taught_in="03_recurrent_networks, section 5",
)
