import numpy as np

from helpers.drills.spec import Case, Drill


def rnn_forward(
    x: np.ndarray, mask: np.ndarray, h0: np.ndarray, W_x: np.ndarray, W_h: np.ndarray, b: np.ndarray
) -> tuple:
    """Run a vanilla recurrent network over a padded batch: sequences of different lengths share one
    array, and padding must not move the state.

    `x` has the shape (batch, time, inputs); `mask`, bool, (batch, time), is True at real steps. The
    state starts as `h0`, (batch, units). At a real step of a row its state becomes tanh(x_t · W_x +
    h · W_h + b), with matrix products; `W_x` has the shape (inputs, units), `W_h` (units, units),
    `b` (units,). At a padded step the row keeps its state unchanged, and the output of that step is
    the state kept: `h0` before the first real step. Padding may stand before, after or between the
    real steps; a row may be all padding. At padded steps `x` may hold anything, NaN too: none of it
    may reach the result. There is at least one step.

    Return a tuple (outputs, last): the states after every step, shape (batch, time, units), and the
    state after the last step, (batch, units).
    """
    h, outputs = h0, []
    for t in range(x.shape[1]):
        new = np.tanh(x[:, t] @ W_x + h @ W_h + b)  # (batch, units)
        h = np.where(mask[:, t, None], new, h)
        outputs.append(h)
    return np.stack(outputs, axis=1), h


def row_by_row(x, mask, h0, W_x, W_h, b):
    outputs = []
    for sequence, real, h in zip(x, mask, h0, strict=True):
        states = []
        for x_t, is_real in zip(sequence, real, strict=True):
            if is_real:
                h = np.tanh(x_t @ W_x + h @ W_h + b)
            states.append(h)
        outputs.append(states)
    return np.array(outputs), np.array([states[-1] for states in outputs])


def only_the_real_rows(x, mask, h0, W_x, W_h, b):
    projected = x @ W_x + b  # all steps at once: (batch, time, units)
    outputs = np.empty_like(projected)
    h = h0.copy()
    for t, real in enumerate(mask.T):
        h[real] = np.tanh(projected[real, t] + h[real] @ W_h)
        outputs[:, t] = h
    return outputs, h


def _run(x, mask, h0, W_x, W_h, b, carry=np.where):
    """The forward pass, with another rule for padded steps: carry(real, new, old)."""
    h, outputs = h0, []
    for t in range(x.shape[1]):
        h = carry(mask[:, t, None], np.tanh(x[:, t] @ W_x + h @ W_h + b), h)
        outputs.append(h)
    return np.stack(outputs, axis=1), h


def mask_left_out(x, mask, h0, W_x, W_h, b):
    """You run every step, padded or not: padding moves the state. Where `mask` is False, the row
    keeps the state that it has."""
    return _run(x, np.ones_like(mask), h0, W_x, W_h, b)


def mask_reversed(x, mask, h0, W_x, W_h, b):
    """You hold the state where `mask` is True. True means a real step: there it moves."""
    return _run(x, ~mask, h0, W_x, W_h, b)


def mask_on_the_inputs_only(x, mask, h0, W_x, W_h, b):
    """You set padded inputs to zero and run the step all the same. The bias and `W_h` still move
    the state: keep the old state instead."""
    return _run(np.where(mask[..., None], x, 0), np.ones_like(mask), h0, W_x, W_h, b)


def state_set_to_zero_by_padding(x, mask, h0, W_x, W_h, b):
    """A padded step sets your state to zero: what the row has read is forgotten. Keep the old state
    there."""
    return _run(x, mask, h0, W_x, W_h, b, lambda real, new, old: np.where(real, new, 0))


def outputs_set_to_zero_at_padding(x, mask, h0, W_x, W_h, b):
    """Your outputs are zero at padded steps. Here they repeat the state kept; in Keras, zeros there
    are an option (`zero_output_for_mask`)."""
    outputs, last = rnn_forward(x, mask, h0, W_x, W_h, b)
    return np.where(mask[..., None], outputs, 0), last


def outputs_not_masked(x, mask, h0, W_x, W_h, b):
    """You keep the state at padded steps, and yet put the step that was not taken into the outputs.
    The output of a padded step is the state kept."""
    before = np.concatenate([h0[:, None], rnn_forward(x, mask, h0, W_x, W_h, b)[0]], axis=1)
    return np.tanh(x @ W_x + before[:, :-1] @ W_h + b), before[:, -1]


def mask_multiplied(x, mask, h0, W_x, W_h, b):
    """Right while padding holds finite numbers. You mix with mask · new + (1 − mask) · old, and
    0 · NaN is NaN: choose with `np.where` or an index instead."""
    return _run(x, mask, h0, W_x, W_h, b, lambda real, new, old: real * new + (1 - real) * old)


def one_decision_for_the_whole_batch(x, mask, h0, W_x, W_h, b):
    """You decide once a step for all rows: as soon as one row is real, all move. Each row has its
    own mask."""
    return _run(x, np.ones_like(mask) & mask.any(axis=0), h0, W_x, W_h, b)


def first_steps_taken_as_real(x, mask, h0, W_x, W_h, b):
    """You count a row's real steps and run that many from the front. That is right for padding at
    the end only: with padding in front, or a gap, other steps are real."""
    return _run(x, np.arange(x.shape[1]) < mask.sum(axis=1)[:, None], h0, W_x, W_h, b)


def stopped_at_the_first_padding(x, mask, h0, W_x, W_h, b):
    """You stop a row at its first padded step. Real steps may follow: with padding in front, all of
    them do."""
    return _run(x, np.logical_and.accumulate(mask, axis=1), h0, W_x, W_h, b)


def last_state_picked_by_length(x, mask, h0, W_x, W_h, b):
    """You pick the last state at index length − 1, which is a padded step when padding stands in
    front or in between, and no step at all in a row of padding. The state carried to the end is
    always right."""
    outputs, _ = rnn_forward(x, mask, h0, W_x, W_h, b)
    return outputs, outputs[np.arange(len(x)), mask.sum(axis=1) - 1]


def state_not_passed_on(x, mask, h0, W_x, W_h, b):
    """Every step of yours starts from `h0`, so each sees one input only. Start it from the state
    that the step before left."""
    steps = [rnn_forward(x[:, [t]], mask[:, [t]], h0, W_x, W_h, b)[1] for t in range(x.shape[1])]
    return np.stack(steps, axis=1), steps[-1]


def start_state_ignored(x, mask, h0, W_x, W_h, b):
    """You start from zeros. The start state is given: `h0`."""
    return _run(x, mask, np.zeros_like(h0), W_x, W_h, b)


def outputs_one_step_late(x, mask, h0, W_x, W_h, b):
    """Your output at a step is the state *before* it: the list starts with `h0` and lacks the last
    state. Note the state after the step."""
    outputs, last = rnn_forward(x, mask, h0, W_x, W_h, b)
    return np.concatenate([h0[:, None], outputs[:, :-1]], axis=1), last


def outputs_with_time_first(x, mask, h0, W_x, W_h, b):
    """Your outputs have the shape (time, batch, units): stack the steps along axis 1."""
    outputs, last = rnn_forward(x, mask, h0, W_x, W_h, b)
    return outputs.transpose(1, 0, 2), last


def batch_taken_as_time(x, mask, h0, W_x, W_h, b):
    """You walk along the first axis, which is the batch: the state then runs from one example into
    the next. Time is axis 1, so step t is `x[:, t]`."""
    h, outputs = h0, []
    for x_t, real in zip(x, mask, strict=True):
        h = np.where(real[:, None], np.tanh(x_t @ W_x + h @ W_h + b), h)
        outputs.append(h)
    return np.stack(outputs), h


def cases(rng):
    x, mask = np.array([[[1.0], [0.5], [0.0]]]), np.array([[True, True, False]])
    one = np.array([[0.5]]), np.array([[0.8]]), np.array([0.1])
    yield Case("one row, one unit, padded at the end", (x, mask, np.array([[0.2]]), *one))

    def case(note, mask, inputs, units, padding=None):
        mask = np.array(mask, bool)
        batch, time = mask.shape
        x = rng.normal(size=(batch, time, inputs))
        if padding is not None:
            x[~mask] = padding
        W_x, W_h = rng.normal(size=(inputs, units)), rng.normal(size=(units, units))
        h0, b = rng.uniform(-0.9, 0.9, (batch, units)), rng.uniform(-0.5, 0.5, units)
        return Case(note, (x, mask, h0, W_x / inputs, W_h / units, b))

    yield case("no padding", np.ones((2, 4)), 3, 2)
    yield case("padding in front", [[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]], 3, 4)
    yield case("padding behind", [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 0]], 2, 3)
    yield case("gaps", [[1, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]], 1, 2)
    yield case("one row all padding", [[0, 0, 0], [1, 0, 1]], 2, 3)
    yield case("as many rows as steps", [[1, 1, 0], [0, 1, 1], [1, 0, 1]], 2, 2)
    yield case("padding of NaN", [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 1]], 2, 3, np.nan)
    yield case("one step", [[1], [0]], 2, 3)
    for batch, time, inputs, units in ((7, 4, 3, 5), (3, 11, 5, 2)):
        mask = rng.uniform(size=(batch, time)) < 0.7
        yield case(f"{batch} rows, {time} steps, padding anywhere", mask, inputs, units)


DRILL = Drill(
    reference=rnn_forward,
    cases=cases,
    alternatives=(row_by_row, only_the_real_rows),
    mistakes=(
        mask_left_out,
        mask_reversed,
        mask_on_the_inputs_only,
        state_set_to_zero_by_padding,
        outputs_set_to_zero_at_padding,
        outputs_not_masked,
        mask_multiplied,
        one_decision_for_the_whole_batch,
        first_steps_taken_as_real,
        stopped_at_the_first_padding,
        last_state_picked_by_length,
        state_not_passed_on,
        start_state_ignored,
        outputs_one_step_late,
        outputs_with_time_first,
        batch_taken_as_time,
    ),
    hints=(
        "Forget the mask at first: a loop over time, with one step for the whole batch in it. "
        "What has to be kept from one turn to the next?",
        "Then compute the step for all rows, and let each row choose, by its mask, between the new "
        "state and the old one.",
        "In step t: new = tanh(...); h = `np.where` of `mask[:, t, None]`, new, h; append h to the "
        "outputs. At the end stack along axis 1; the last h is the second result.",
    ),
    explanation=(
        "A row that keeps its state through padding arrives at the end with the state that its "
        "last real step left, so the last state is right without knowing any length, wherever the "
        "padding stands. Keras's `rnn` does the same, with the mask that "
        "`Embedding(mask_zero=True)` makes; only before a row's first real step does it put out "
        "zeros, whatever the start state. The fused GPU kernels of LSTM and GRU serve padding at "
        "the end only. Asked next: why do the steps not run in parallel? Each needs the state "
        "before; only the products `x @ W_x` can all be made at once."
    ),
    difficulty=2,
    taught_in="03_recurrent_networks, section 6",
)
