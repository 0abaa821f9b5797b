import numpy as np

from helpers.drills.spec import Case, Drill


def rnn_backward(
    x: np.ndarray,
    h0: np.ndarray,
    W_x: np.ndarray,
    W_h: np.ndarray,
    b: np.ndarray,
    d_outputs: np.ndarray,
) -> tuple:
    """Compute the gradients of a vanilla recurrent network by hand: backpropagation through time.

    Forward, for t = 1, 2, ...: h_t = tanh(x_t · W_x + h_{t-1} · W_h + b), with matrix products,
    where h_0 is the start state `h0`. The output of step t is h_t. `x` has the shape (batch, time,
    inputs), `h0` (batch, units), `W_x` (inputs, units), `W_h` (units, units), `b` (units,); there
    is at least one step, and all are float64.

    Some loss L, a single number, depends on the outputs of all steps. `d_outputs`, shape (batch,
    time, units), holds dL/dh_t as seen by the loss alone: it does not know that h_t goes on into
    later steps. Whatever the loss averages over is in it already: add no factor of your own. Return
    the tuple (dL/dx, dL/dh0, dL/dW_x, dL/dW_h, dL/db), each with the shape of its array.
    """
    steps = range(x.shape[1])
    h = [h0]  # h[t] goes into step t, h[t + 1] comes out of it
    for t in steps:
        h.append(np.tanh(x[:, t] @ W_x + h[t] @ W_h + b))

    dx = np.empty_like(x)
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(b)
    dh = np.zeros_like(h0)  # what comes back from the steps after t
    for t in reversed(steps):
        dz = (dh + d_outputs[:, t]) * (1 - h[t + 1] ** 2)  # z is what goes into tanh
        dx[:, t] = dz @ W_x.T
        dW_x += x[:, t].T @ dz
        dW_h += h[t].T @ dz
        db += dz.sum(axis=0)
        dh = dz @ W_h.T
    return dx, dh, dW_x, dW_h, db


def all_steps_of_dz_first(x, h0, W_x, W_h, b, d_outputs):
    states = [h0]
    for x_t in x.transpose(1, 0, 2):
        states.append(np.tanh(x_t @ W_x + states[-1] @ W_h + b))
    h = np.stack(states, axis=1)  # (batch, time + 1, units)
    slope = 1 - h[:, 1:] ** 2
    dz = d_outputs * slope
    for t in range(x.shape[1] - 1, 0, -1):
        dz[:, t - 1] += dz[:, t] @ W_h.T * slope[:, t - 1]
    dW_x = np.einsum("nti,ntu->iu", x, dz)
    dW_h = np.einsum("ntv,ntu->vu", h[:, :-1], dz)
    return dz @ W_x.T, dz[:, 0] @ W_h.T, dW_x, dW_h, np.einsum("ntu->u", dz)


def with_a_complex_step(x, h0, W_x, W_h, b, d_outputs):
    # f(a + iε) = f(a) + iε f'(a): exact to rounding, for nothing is subtracted.
    given = [np.array(array, complex) for array in (x, h0, W_x, W_h, b)]
    gradients = []
    for array in given:
        gradient = np.empty(array.shape)
        for place in np.ndindex(array.shape):
            array[place] += 1e-30j
            inputs, h, loss = given[0], given[1], 0
            for t in range(x.shape[1]):
                h = np.tanh(inputs[:, t] @ given[2] + h @ given[3] + given[4])
                loss += (h * d_outputs[:, t]).sum()
            gradient[place] = loss.imag / 1e-30
            array[place] -= 1e-30j
        gradients.append(gradient)
    return tuple(gradients)


def _states(x, h0, W_x, W_h, b):
    """The start state and the states after every step, in a list."""
    h = [h0]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ W_x + h[t] @ W_h + b))
    return h


def _each_step_alone(x, h0, W_x, W_h, b, d_outputs):
    """The gradients of each step, as if its state ended there: a list of tuples."""
    h = _states(x, h0, W_x, W_h, b)
    return [
        rnn_backward(x[:, [t]], h[t], W_x, W_h, b, d_outputs[:, [t]]) for t in range(x.shape[1])
    ]


def _backward(x, h0, W_x, W_h, b, d_outputs, slope, back, shift=0):
    """The backward pass with other parts: slope(state before, z), the matrix that carries the
    gradient back, and by how much the state in dW_h is too late."""
    h = _states(x, h0, W_x, W_h, b)
    dx, dh = np.zeros_like(x), np.zeros_like(h0)
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(b)
    for t in reversed(range(x.shape[1])):
        dz = (dh + d_outputs[:, t]) * slope(h[t], x[:, t] @ W_x + h[t] @ W_h + b)
        dx[:, t] = dz @ W_x.T
        dW_x += x[:, t].T @ dz
        dW_h += h[t + shift].T @ dz
        db += dz.sum(axis=0)
        dh = dz @ back
    return dx, dh, dW_x, dW_h, db


def _right_slope(before, z):
    return 1 - np.tanh(z) ** 2


def only_the_last_output(x, h0, W_x, W_h, b, d_outputs):
    """You start from the last step's output and never add the others. The loss sees every output:
    at each step add `d_outputs[:, t]` to what comes back from the future."""
    last = np.zeros_like(d_outputs)
    last[:, -1] = d_outputs[:, -1]
    return rnn_backward(x, h0, W_x, W_h, b, last)


def only_one_step_walked(x, h0, W_x, W_h, b, d_outputs):
    """You go back through the last step and stop there. The same weights were used at every step:
    walk on to the first, and add up."""
    dx = np.zeros_like(x)
    dx[:, -1:], *others = _each_step_alone(x, h0, W_x, W_h, b, d_outputs)[-1]
    return dx, *others


def overwritten_instead_of_summed(x, h0, W_x, W_h, b, d_outputs):
    """Each step overwrites the weights' gradients, so only those of the first step are left at the
    end. The steps share their weights: the gradients add up, `+=`."""
    dx, dh, *weights = rnn_backward(x, h0, W_x, W_h, b, d_outputs)
    h1 = _states(x, h0, W_x, W_h, b)[1]
    later = rnn_backward(x[:, 1:], h1, W_x, W_h, b, d_outputs[:, 1:])[2:]
    return dx, dh, *(both - other for both, other in zip(weights, later, strict=True))


def bias_of_one_step_only(x, h0, W_x, W_h, b, d_outputs):
    """The gradient of the bias lacks the sum over the steps: it is the first step's alone. The bias
    is added at every step, like the weights."""
    right = rnn_backward(x, h0, W_x, W_h, b, d_outputs)
    return (*right[:4], overwritten_instead_of_summed(x, h0, W_x, W_h, b, d_outputs)[4])


def future_forgotten(x, h0, W_x, W_h, b, d_outputs):
    """You treat every step as if its state ended there: nothing comes back from the steps after it.
    Carry dz · W_h transposed from each step to the one before."""
    dx, dh, *weights = zip(*_each_step_alone(x, h0, W_x, W_h, b, d_outputs), strict=True)
    return np.concatenate(dx, axis=1), dh[0], *(sum(gradients) for gradients in weights)


def tanh_slope_at_the_pre_activation(x, h0, W_x, W_h, b, d_outputs):
    """You put into 1 − (...)² what goes *into* tanh. The slope is 1 − tanh(z)², so the square is
    that of the state, which is tanh(z) already."""
    return _backward(x, h0, W_x, W_h, b, d_outputs, lambda before, z: 1 - z**2, W_h.T)


def tanh_slope_left_out(x, h0, W_x, W_h, b, d_outputs):
    """You go back through tanh as if it were not there. Multiply by its slope, 1 − h²."""
    return _backward(x, h0, W_x, W_h, b, d_outputs, lambda before, z: 1, W_h.T)


def slope_one_step_early(x, h0, W_x, W_h, b, d_outputs):
    """You take the slope of tanh from the state that goes into the step. It belongs to the state
    that comes out: with `h0` in the list, indices shift by one."""
    return _backward(x, h0, W_x, W_h, b, d_outputs, lambda before, z: 1 - before**2, W_h.T)


def outputs_added_after_the_slope(x, h0, W_x, W_h, b, d_outputs):
    """You add `d_outputs` after multiplying by the slope of tanh. The output is the state, behind
    tanh: its gradient passes through tanh too. Add first, then multiply."""
    h = np.stack(_states(x, h0, W_x, W_h, b), axis=1)
    return rnn_backward(x, h0, W_x, W_h, b, d_outputs / (1 - h[:, 1:] ** 2))


def recurrent_matrix_not_transposed(x, h0, W_x, W_h, b, d_outputs):
    """You carry the gradient back with `W_h` as it is. It is square, so nothing complains; going
    back needs its transpose, as with `W_x`."""
    return _backward(x, h0, W_x, W_h, b, d_outputs, _right_slope, W_h)


def state_after_the_step_in_dW_h(x, h0, W_x, W_h, b, d_outputs):
    """In the gradient of `W_h` you use the state that comes out of the step. `W_h` met the one that
    went in, h_{t-1}; at the first step that is `h0`."""
    return _backward(x, h0, W_x, W_h, b, d_outputs, _right_slope, W_h.T, shift=1)


def start_state_left_out_of_dW_h(x, h0, W_x, W_h, b, d_outputs):
    """The gradient of `W_h` lacks the first step. That is right only where `h0` is zero: otherwise
    it met `W_h` as every other state did."""
    dx, dh, dW_x, dW_h, db = rnn_backward(x, h0, W_x, W_h, b, d_outputs)
    return dx, dh, dW_x, dW_h - overwritten_instead_of_summed(x, h0, W_x, W_h, b, d_outputs)[3], db


def stopped_before_the_start_state(x, h0, W_x, W_h, b, d_outputs):
    """For the start state you return the gradient that arrives at h_1. Go through the first step as
    well: its tanh, then `W_h` transposed."""
    dx, _, *weights = rnn_backward(x, h0, W_x, W_h, b, d_outputs)
    h1 = _states(x, h0, W_x, W_h, b)[1]
    later = rnn_backward(x[:, 1:], h1, W_x, W_h, b, d_outputs[:, 1:])[1]
    return dx, later + d_outputs[:, 0], *weights


def averaged_over_the_batch(x, h0, W_x, W_h, b, d_outputs):
    """You divide the weights' gradients by the number of examples. If the loss is a mean,
    `d_outputs` holds that factor already: sum."""
    dx, dh, *weights = rnn_backward(x, h0, W_x, W_h, b, d_outputs)
    return dx, dh, *(gradient / len(x) for gradient in weights)


def cases(rng):
    x, d_outputs = np.array([[[1.0], [0.5]]]), np.array([[[0.0], [1.0]]])
    one = np.array([[0.5]]), np.array([[0.8]]), np.array([0.1])
    yield Case("one example, two steps, one unit", (x, np.array([[0.2]]), *one, d_outputs))
    for note, batch, time, inputs, units in [
        ("one step", 2, 1, 3, 2),
        ("two steps", 3, 2, 1, 4),
        ("one example, four steps", 1, 4, 2, 3),
        ("five examples, seven steps", 5, 7, 3, 2),
        ("two examples, three steps, five units", 2, 3, 4, 5),
    ]:
        x, h0 = rng.normal(size=(batch, time, inputs)), rng.uniform(-0.9, 0.9, (batch, units))
        W_x = rng.normal(size=(inputs, units)) / inputs
        W_h = rng.normal(size=(units, units)) / units**0.5
        b, d_outputs = rng.uniform(-0.5, 0.5, units), rng.normal(size=(batch, time, units))
        yield Case(note, (x, h0, W_x, W_h, b, d_outputs))


DRILL = Drill(
    reference=rnn_backward,
    cases=cases,
    alternatives=(all_steps_of_dz_first, with_a_complex_step),
    mistakes=(
        only_the_last_output,
        only_one_step_walked,
        overwritten_instead_of_summed,
        bias_of_one_step_only,
        future_forgotten,
        tanh_slope_at_the_pre_activation,
        tanh_slope_left_out,
        slope_one_step_early,
        outputs_added_after_the_slope,
        recurrent_matrix_not_transposed,
        state_after_the_step_in_dW_h,
        start_state_left_out_of_dW_h,
        stopped_before_the_start_state,
        averaged_over_the_batch,
    ),
    hints=(
        "Run forward and keep all states, h0 too. Then walk from the last step to the first: what "
        "reaches h_t comes from its output, and from step t + 1.",
        "At each step: add both, multiply by the slope of tanh, 1 − h_t². Call that dz. It is the "
        "gradient of the sum that went into tanh, and every other gradient is a product with it.",
        "dx_t = dz · W_xᵀ; dW_x += x_tᵀ · dz; dW_h += h_{t-1}ᵀ · dz; db += the column sums of dz; "
        "and dz · W_hᵀ goes back to step t − 1. What is left after the first step is dL/dh0.",
    ),
    explanation=(
        "Unrolled, the network is a deep one whose layers share their weights, so each weight's "
        "gradient is the sum over the steps (Werbos, 1990). A state is used twice, by the loss and "
        "by the next step: its gradient is the sum of both. Asked next: why do gradients vanish? "
        "On the way from step t to step s the gradient meets W_hᵀ and a slope of at most 1 for "
        "each step between. And the memory? All states must be kept, so it grows with time."
    ),
    difficulty=3,
    taught_in="03_recurrent_networks, section 3",
)
