import numpy as np

from helpers.drills.spec import Case, Drill


def truncated_bptt(
    x: np.ndarray,
    h0: np.ndarray,
    W_x: np.ndarray,
    W_h: np.ndarray,
    b: np.ndarray,
    d_outputs: np.ndarray,
    window: int,
) -> tuple:
    """Compute the gradients of a vanilla recurrent network over a long sequence by truncated
    backpropagation through time: forward the state runs on to the end, backward no gradient crosses
    the border of a window, so memory need hold the states of one window only.

    Forward, for t = 1, 2, ...: h_t = tanh(x_t · W_x + h_{t-1} · W_h + b), with matrix products,
    where h_0 is the start state `h0`. `x` has the shape (batch, time, inputs), `h0` (batch, units),
    `W_x` (inputs, units), `W_h` (units, units), `b` (units,). `d_outputs`, (batch, time, units),
    holds the gradient of the loss with respect to each output h_t, as seen by the loss alone.

    Windows have `window` steps, at least 1, counted from the first step; the last may be shorter,
    and a sequence may be shorter than one window. Each window takes over the state that the one
    before left, as a constant: the gradient goes back to the window's first step, that step
    included, and ends there. Return the tuple (dW_x, dW_h, db), each summed over all windows,
    steps and examples, with no factor added.
    """
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(b)
    entering = h0
    for start in range(0, x.shape[1], window):
        inputs = x[:, start : start + window].transpose(1, 0, 2)  # (steps, batch, inputs)
        h = [entering]
        for x_t in inputs:
            h.append(np.tanh(x_t @ W_x + h[-1] @ W_h + b))
        dh = np.zeros_like(h0)
        for t in reversed(range(len(inputs))):  # down to the window's first step, and no further
            dz = (dh + d_outputs[:, start + t]) * (1 - h[t + 1] ** 2)
            dW_x += inputs[t].T @ dz
            dW_h += h[t].T @ dz
            db += dz.sum(axis=0)
            dh = dz @ W_h.T
        entering = h[-1]  # the number goes on into the next window, its history does not
    return dW_x, dW_h, db


def cut_in_one_backward_pass(x, h0, W_x, W_h, b, d_outputs, window):
    steps = range(x.shape[1])
    h = [h0]
    for t in steps:
        h.append(np.tanh(x[:, t] @ W_x + h[t] @ W_h + b))
    dz = np.empty_like(d_outputs)
    dh = np.zeros_like(h0)
    for t in reversed(steps):
        if (t + 1) % window == 0:  # the last step of a window
            dh = np.zeros_like(h0)
        dz[:, t] = (dh + d_outputs[:, t]) * (1 - h[t + 1] ** 2)
        dh = dz[:, t] @ W_h.T
    before = np.stack(h[:-1], axis=1)
    dW_x = np.einsum("nti,ntu->iu", x, dz)
    return dW_x, np.einsum("ntv,ntu->vu", before, dz), dz.sum(axis=(0, 1))


def forward_mode(x, h0, W_x, W_h, b, d_outputs, window):
    # How each unit depends on each weight is carried along forward: real-time recurrent learning.
    inputs, units = W_x.shape
    rows = inputs + units + 1
    weights = np.concatenate([W_x, W_h, b[None]])  # (rows, units)
    gradient = np.zeros_like(weights)
    ones, h = np.ones((len(h0), 1)), h0
    for t in range(x.shape[1]):
        if t % window == 0:
            slopes = np.zeros((len(h0), rows, units, units))  # the last axis: the unit that moves
        joined = np.concatenate([x[:, t], h, ones], axis=1)
        h = np.tanh(joined @ weights)
        direct = joined[:, :, None, None] * np.eye(units)
        slopes = (slopes @ W_h + direct) * (1 - h**2)[:, None, None]
        gradient += np.einsum("nrvu,nu->rv", slopes, d_outputs[:, t])
    return gradient[:inputs], gradient[inputs:-1], gradient[-1]


def as_given(x, h0, W_x, W_h, b, d_outputs, window):
    """This is the code as given, or its bug is still in it: try a window of 1 and a window as long
    as the sequence, and compare. The gradients are the same, and with short windows it takes far
    longer, not less. What should the window's length change?"""
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(b)
    h = [h0]
    for start in range(0, x.shape[1], window):
        # Run the network over the window, from the state that the last one left.
        end = min(start + window, x.shape[1])
        for t in range(start, end):
            h.append(np.tanh(x[:, t] @ W_x + h[-1] @ W_h + b))
        # Send the gradient of this window's outputs back.
        d_window = np.zeros_like(d_outputs)
        d_window[:, start:end] = d_outputs[:, start:end]
        dh = np.zeros_like(h0)
        for t in reversed(range(len(h) - 1)):
            dz = (dh + d_window[:, t]) * (1 - h[t + 1] ** 2)
            dW_x += x[:, t].T @ dz
            dW_h += h[t].T @ dz
            db += dz.sum(axis=0)
            dh = dz @ W_h.T
    return dW_x, dW_h, db


def _gradients(x, h0, W_x, W_h, b, d_outputs, walks):
    """The summed gradients of walks (first, start, end): the outputs of the steps from `start` up
    to `end` go back to the step `first`, all counted from 0."""
    h = [h0]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ W_x + h[t] @ W_h + b))
    totals = [np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(b)]
    for first, start, end in walks:
        d_walk = d_outputs[:, first:end].copy()
        d_walk[:, : start - first] = 0
        found = truncated_bptt(x[:, first:end], h[first], W_x, W_h, b, d_walk, x.shape[1])
        totals = [total + new for total, new in zip(totals, found, strict=True)]
    return tuple(totals)


def _borders(x, window):
    """Where each window starts and ends."""
    starts = range(0, x.shape[1], window)
    return [(start, min(start + window, x.shape[1])) for start in starts]


def _from_other_states(x, h0, W_x, W_h, b, d_outputs, window, later):
    """Like the reference, with the state `later` at the start of all windows but the first."""
    pieces = [
        truncated_bptt(x[:, s:e], later if s else h0, W_x, W_h, b, d_outputs[:, s:e], window)
        for s, e in _borders(x, window)
    ]
    return tuple(sum(gradients) for gradients in zip(*pieces, strict=True))


def state_set_to_zero_at_every_border(x, h0, W_x, W_h, b, d_outputs, window):
    """You cut too much: the state starts from zeros at every border, so the network forgets what it
    has read. Cut the gradient only: the state's numbers go on into the next window."""
    return _from_other_states(x, h0, W_x, W_h, b, d_outputs, window, np.zeros_like(h0))


def every_window_starts_from_h0(x, h0, W_x, W_h, b, d_outputs, window):
    """You cut too much: every window starts from `h0` again. Only the first does; each other one
    starts from the state that the window before left."""
    return _from_other_states(x, h0, W_x, W_h, b, d_outputs, window, h0)


def cut_at_every_step(x, h0, W_x, W_h, b, d_outputs, window):
    """You cut too much: nothing goes back even from one step to the step before. Inside a window
    the gradient runs as in full backpropagation through time."""
    return truncated_bptt(x, h0, W_x, W_h, b, d_outputs, 1)


def entering_state_left_out(x, h0, W_x, W_h, b, d_outputs, window):
    """You cut too much: in each window your gradient of `W_h` lacks the first step. The state that
    enters is a constant, and yet it met `W_h`: it stands in that product like the others."""
    dW_x, _, db = truncated_bptt(x, h0, W_x, W_h, b, d_outputs, window)
    walks = [(start + 1, start + 1, end) for start, end in _borders(x, window)]
    return dW_x, _gradients(x, h0, W_x, W_h, b, d_outputs, walks)[1], db


def one_step_beyond_the_border(x, h0, W_x, W_h, b, d_outputs, window):
    """Your gradient goes one step too far: from a window it still reaches the last step of the
    window before. After the window's first step, stop."""
    walks = [(max(start - 1, 0), start, end) for start, end in _borders(x, window)]
    return _gradients(x, h0, W_x, W_h, b, d_outputs, walks)


def every_output_looks_back(x, h0, W_x, W_h, b, d_outputs, window):
    """You send every output back over `window` steps of its own, across the borders. That is a
    truncation too, a sliding one, and takes far more work. Here the borders stand still: an output
    at the start of a window goes back to that start only."""
    walks = [(max(t + 1 - window, 0), t, t + 1) for t in range(x.shape[1])]
    return _gradients(x, h0, W_x, W_h, b, d_outputs, walks)


def windows_counted_from_the_end(x, h0, W_x, W_h, b, d_outputs, window):
    """You count the borders from the last step, so that a short window stands in front. Count from
    the first step: where a stream ends is not known in advance."""
    ends = range(x.shape[1], 0, -window)
    walks = [(max(end - window, 0), max(end - window, 0), end) for end in ends]
    return _gradients(x, h0, W_x, W_h, b, d_outputs, walks)


def short_window_left_out(x, h0, W_x, W_h, b, d_outputs, window):
    """You leave out the steps at the end that fill no whole window. The last window may be shorter:
    its gradients count too."""
    walks = [(s, s, e) for s, e in _borders(x, window) if e - s == window]
    return _gradients(x, h0, W_x, W_h, b, d_outputs, walks)


def only_the_last_window(x, h0, W_x, W_h, b, d_outputs, window):
    """You return the gradients of the last window alone: each window overwrites what the others
    found. Add them up."""
    start, end = _borders(x, window)[-1]
    return _gradients(x, h0, W_x, W_h, b, d_outputs, [(start, start, end)])


def only_the_last_output_of_a_window(x, h0, W_x, W_h, b, d_outputs, window):
    """You send back only the last output of each window. The loss sees the output of every step:
    add each one on the way back."""
    walks = [(start, end - 1, end) for start, end in _borders(x, window)]
    return _gradients(x, h0, W_x, W_h, b, d_outputs, walks)


def averaged_over_the_windows(x, h0, W_x, W_h, b, d_outputs, window):
    """You average over the windows. Each holds its own share of one loss: add them up."""
    right = truncated_bptt(x, h0, W_x, W_h, b, d_outputs, window)
    return tuple(gradient / len(_borders(x, window)) for gradient in right)


def cases(rng):
    x, d_outputs = np.array([[[1.0], [0.5], [-0.5]]]), np.array([[[0.0], [1.0], [1.0]]])
    one = np.array([[0.5]]), np.array([[0.8]]), np.array([0.1])
    yield Case("one unit, three steps, windows of two", (x, np.array([[0.2]]), *one, d_outputs, 2))
    for note, batch, time, inputs, units, window in [
        ("windows that come out even", 2, 6, 1, 3, 3),
        ("a last window of one step", 3, 7, 2, 4, 3),
        ("a last window of three steps", 2, 11, 3, 2, 4),
        ("windows of one step", 2, 4, 3, 2, 1),
        ("one window, as long as the sequence", 1, 5, 2, 3, 5),
        ("a sequence shorter than one window", 3, 3, 2, 2, 5),
    ]:
        x, h0 = rng.normal(size=(batch, time, inputs)), rng.uniform(-0.9, 0.9, (batch, units))
        W_x = rng.normal(size=(inputs, units)) / inputs
        W_h = rng.normal(size=(units, units)) / units**0.5
        b, d_outputs = rng.uniform(-0.5, 0.5, units), rng.normal(size=(batch, time, units))
        yield Case(note, (x, h0, W_x, W_h, b, d_outputs, window))


DRILL = Drill(
    reference=truncated_bptt,
    cases=cases,
    alternatives=(cut_in_one_backward_pass, forward_mode),
    given=as_given,
    mistakes=(
        as_given,
        state_set_to_zero_at_every_border,
        every_window_starts_from_h0,
        cut_at_every_step,
        entering_state_left_out,
        one_step_beyond_the_border,
        every_output_looks_back,
        windows_counted_from_the_end,
        short_window_left_out,
        only_the_last_window,
        only_the_last_output_of_a_window,
        averaged_over_the_windows,
    ),
    hints=(
        "Count how often the innermost lines run for ten steps with a window of 2, and with a "
        "window of 10. Truncation should save work and memory: where do both grow?",
        "Look at the loop that walks back. Where does it start, in the third window, and where "
        "does it end? Which steps are none of that window's business?",
        "The list of states is never cut, so each walk back goes through all of them to the first "
        "step of the sequence. Begin each window with a list that holds only the last state, and "
        "walk back through the window's own steps.",
    ),
    explanation=(
        "The gradient is the same sum as in full backpropagation through time, without the paths "
        "that cross a border: a biased gradient, for the memory of one window (Williams and Peng, "
        "1990). In PyTorch the cut is `h.detach()` between windows; a Keras layer with "
        "`stateful=True` cuts by itself, for each batch is its own tape. What is cut is the "
        "history, not the number: the state still carries what was read. Asked next: can the "
        "network learn what lies further apart than a window? The state may hold it, but no "
        "gradient rewards holding it."
    ),
    difficulty=3,
    taught_in="03_recurrent_networks, section 4",
)
