import numpy as np

from helpers.drills.spec import Case, Drill


def last_state(states: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Read off what a recurrent network knows at the end of each sequence of a padded batch: the
    state from which a classifier predicts.

    `states`, floats of shape (batch, time, units), holds the state after every step; `mask`, bool
    of shape (batch, time), is True at real steps and False at padding. Padding may stand before the
    real steps, after them, or between. What `states` holds at padded steps may be anything, NaN
    included, and must not matter. Return an array (batch, units): for each row the state at its
    last real step. A row without any real step has read nothing: its state is zeros. There is at
    least one step.
    """
    batch, time, units = states.shape
    last = np.where(mask, np.arange(time), -1).max(axis=1)  # -1 where no step is real
    result = np.zeros((batch, units))
    read = last >= 0
    result[read] = states[read, last[read]]
    return result


def row_by_row(states, mask):
    result = np.zeros((len(states), states.shape[2]))
    for row, (sequence, real) in enumerate(zip(states, mask, strict=True)):
        for state, is_real in zip(sequence, real, strict=True):
            if is_real:
                result[row] = state
    return result


def with_a_mask_of_the_last_step(states, mask):
    later = np.cumsum(mask[:, ::-1], axis=1)[:, ::-1]  # real steps from here on
    is_last = mask & (later == 1)
    return np.where(is_last[:, :, None], states, 0).sum(axis=1)


def as_given(states, mask):
    """This is the code as given, or its bug is still in it: a review of 20 characters is called
    positive when it stands alone, and negative when one of 100 joins its batch. With ever more
    padding all reviews get the same answer."""
    batch, time, units = states.shape
    result = np.zeros((batch, units))
    for row in range(batch):
        # What the network knows when it has read everything
        result[row] = states[row, time - 1]
    return result


def _at(states, places):
    return states[np.arange(len(states)), places]


def _zero_where_empty(result, mask):
    return np.where(mask.any(axis=1, keepdims=True), result, 0.0)


def length_taken_for_the_place(states, mask):
    """You count the real steps and take the state at that place, less one. That is the last real
    step only where all padding comes after it: look for the place itself."""
    return _zero_where_empty(_at(states, mask.sum(axis=1) - 1), mask)


def one_step_too_far(states, mask):
    """Where padding follows you read the step after the last real one: n steps have the places 0 to
    n − 1."""
    last = np.where(mask, np.arange(mask.shape[1]), -1).max(axis=1)
    beyond = np.minimum(last + 1, mask.shape[1] - 1)
    return _zero_where_empty(_at(states, beyond), mask)


def before_the_first_padding(states, mask):
    """You take the step before the first padded one. Padding may come first, or stand between: then
    real steps follow after it."""
    return _zero_where_empty(_at(states, mask.argmin(axis=1) - 1), mask)


def empty_row_reads_padding(states, mask):
    """Right where there is a real step; a row without one gets the state of some padded step, for
    `argmax` finds a place even where nothing is True. Its state is zeros."""
    time = mask.shape[1]
    return _at(states, time - 1 - mask[:, ::-1].argmax(axis=1))


def padded_states_set_to_zero(states, mask):
    """You set the padded states to zero and still read the last step: rows with padding at the end
    get zeros. Zeros are no better: read at the last real step."""
    return np.where(mask[:, -1:], states[:, -1], 0.0)


def first_real_state(states, mask):
    """You take the state at the *first* real step: the network has read one item then. The last one
    is asked for."""
    return _zero_where_empty(_at(states, mask.argmax(axis=1)), mask)


def mean_of_the_real_states(states, mask):
    """You average the states over the real steps. Mean pooling is a good choice, too, but here the
    last state is asked for."""
    total = np.where(mask[:, :, None], states, 0).sum(axis=1)
    return total / np.maximum(mask.sum(axis=1, keepdims=True), 1)


def largest_of_the_real_states(states, mask):
    """You take the maximum of each unit over the real steps. That is max pooling: the last state
    is asked for."""
    return _zero_where_empty(np.where(mask[:, :, None], states, -np.inf).max(axis=1), mask)


def last_padded_state(states, mask):
    """You read at the last place where the mask is False. True marks the real steps: it is the
    other way round."""
    return last_state(states, ~mask)


def longest_row_for_all(states, mask):
    """You read all rows at the last real step of the longest one. Each row ends at a place of its
    own."""
    last = np.where(mask, np.arange(mask.shape[1]), -1).max()
    return _zero_where_empty(states[:, last], mask)


def every_place_for_every_row(states, mask):
    """You index with `states[:, last]`, which reads every row at the places of *all* rows. Pair the
    rows with their places: np.arange(batch) as the first index."""
    last = np.where(mask, np.arange(mask.shape[1]), -1).max(axis=1)
    return np.where((last >= 0)[None, :, None], states[:, last], 0.0)


def times_the_mask(states, mask):
    """You multiply by the mask, and NaN · 0 is NaN: what stands in the padding reaches your result.
    Choose with np.where, or by index."""
    later = np.cumsum(mask[:, ::-1], axis=1)[:, ::-1]
    is_last = mask & (later == 1)
    return (states * is_last[:, :, None]).sum(axis=1)


def cases(rng):
    states = np.array([[[0.1], [0.2], [0.3], [0.4]], [[0.5], [0.6], [0.7], [0.8]]])
    mask = np.array([[True, True, False, False], [True, True, True, True]])
    yield Case("the first of two sequences has two steps", (states, mask))
    yield Case("padding in front", (states, mask[:, ::-1].copy()))
    both = np.array([[False, True, True, False], [False, False, True, False]])
    yield Case("padding at both ends", (states, both))
    between = np.array([[True, False, True, False], [False, True, False, True]])
    yield Case("padding between", (states, between))
    yield Case(
        "a row of padding only", (states, np.array([[False] * 4, [True, True, True, False]]))
    )
    one = np.array([[True], [False], [True], [True]])
    yield Case("one step", (rng.normal(size=(4, 1, 5)), one))
    for batch, time, units, where in (
        (3, 5, 3, "after"),
        (5, 7, 2, "before"),
        (7, 6, 5, "anywhere"),
    ):
        states = rng.normal(size=(batch, time, units))
        lengths = rng.integers(1, time + 1, batch)[:, None]
        places = np.arange(time) if where == "after" else np.arange(time)[::-1]
        mask = places < lengths
        if where == "anywhere":
            mask = rng.random((batch, time)) < 0.6
        yield Case(f"{batch} random sequences, padding {where}", (states, mask))
    states = rng.normal(size=(4, 6, 3))
    mask = rng.random((4, 6)) < 0.5
    mask[2] = False
    states[~mask] = np.nan
    yield Case("NaN in the padding", (states, mask))


DRILL = Drill(
    reference=last_state,
    cases=cases,
    given=as_given,
    alternatives=(row_by_row, with_a_mask_of_the_last_step),
    mistakes=(
        as_given,
        length_taken_for_the_place,
        one_step_too_far,
        before_the_first_padding,
        empty_row_reads_padding,
        padded_states_set_to_zero,
        first_real_state,
        mean_of_the_real_states,
        largest_of_the_real_states,
        last_padded_state,
        longest_row_for_all,
        every_place_for_every_row,
        times_the_mask,
    ),
    hints=(
        "Put more padding behind one sequence, with other states in it. What should become of its "
        "row of the result, and what does?",
        "The length says where a sequence ends only if it begins at place 0. Which is the largest "
        "place at which the mask is True?",
        "last = np.where(mask, np.arange(time), −1).max(axis=1); states[np.arange(batch), last] "
        "where last ≥ 0, and zeros elsewhere.",
    ),
    explanation=(
        "A recurrent network goes on computing over padding, and its last state is what is left "
        "after so many steps of nothing. Keras has two cures: with `mask_zero=True` the layer "
        "carries the state over padded steps, which comes to the same as reading it at the last "
        "real one; or padding goes in front, where it only delays the start. In notebook 03 the "
        "accuracy of reviews after one epoch is 0.52 to 0.70 without either, and 0.75 to 0.84 "
        "with one of them. Asked next: a bidirectional layer? Its backward half ends at the first "
        "real step: read each half at its own end."
    ),
    difficulty=1,
    taught_in="03_recurrent_networks, section 6",
)
