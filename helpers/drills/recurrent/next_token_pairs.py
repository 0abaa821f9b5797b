import numpy as np

from helpers.drills.spec import Case, Drill


def next_token_pairs(token_ids: np.ndarray, pad_id: int) -> tuple:
    """Make the inputs and the targets on which a language model trains: at every position of a text
    it is to predict the token that comes next.

    `token_ids`, ints of shape (batch, time) with time ≥ 2, holds one text a row; after its last
    token a text is filled with `pad_id`, any int, which occurs nowhere else. A text may be empty.
    Return (inputs, targets, mask), each of shape (batch, time − 1): `inputs` are the tokens of
    every column but the last, `targets[:, t]` is the token that follows `inputs[:, t]` in
    token_ids, and `mask`, bool, is True where the *target* is a real token and False where it is
    padding. Padding stays in inputs and targets as it is.
    """
    targets = token_ids[:, 1:]
    return token_ids[:, :-1], targets, targets != pad_id


def position_by_position(token_ids, pad_id):
    inputs, targets, mask = [], [], []
    for ids in token_ids.tolist():
        inputs.append(ids[:-1])
        targets.append(ids[1:])
        mask.append([target != pad_id for target in ids[1:]])
    return np.array(inputs), np.array(targets), np.array(mask)


def by_sliding_windows(token_ids, pad_id):
    pairs = np.lib.stride_tricks.sliding_window_view(token_ids, 2, axis=1)
    inputs, targets = np.moveaxis(pairs, -1, 0)  # pairs: (batch, time - 1, 2)
    return inputs, targets, np.logical_not(targets == pad_id)


def as_given(token_ids, pad_id):
    """This is the code as given, or its bug is still in it: train on tokens drawn at random, which
    nobody can predict, and watch the loss fall to 0 all the same."""
    batch, time = token_ids.shape
    # Nothing comes after the last column: it is no input.
    inputs = np.full((batch, time - 1), pad_id)
    targets = np.full((batch, time - 1), pad_id)
    for row, ids in enumerate(token_ids):
        text = ids[ids != pad_id][: time - 1]
        inputs[row, : len(text)] = text
        targets[row, : len(text)] = text
    mask = targets != pad_id
    return inputs, targets, mask


def mask_of_the_inputs(token_ids, pad_id):
    """Your mask says which inputs are real. At the last token of a text the input is real and the
    target is padding: the model learns to predict padding. Compare the targets with pad_id."""
    return token_ids[:, :-1], token_ids[:, 1:], token_ids[:, :-1] != pad_id


def shifted_into_the_past(token_ids, pad_id):
    """You shift the wrong way: each target is the token before its input, which the model has read
    already. Targets are token_ids without the first column, inputs without the last."""
    targets = token_ids[:, :-1]
    return token_ids[:, 1:], targets, targets != pad_id


def shifted_twice(token_ids, pad_id):
    """Your targets are two tokens ahead of the inputs: the shift is done twice. The target of
    column t is column t + 1."""
    targets = np.full((len(token_ids), token_ids.shape[1] - 1), pad_id)
    targets[:, :-1] = token_ids[:, 2:]
    return token_ids[:, :-1], targets, targets != pad_id


def first_token_comes_after_the_last(token_ids, pad_id):
    """You shift with `np.roll`: the first token of each text comes back as the last target, as if
    it followed the text's end. Cut one column off instead."""
    targets = np.roll(token_ids, -1, axis=1)
    return token_ids, targets, targets != pad_id


def last_column_kept(token_ids, pad_id):
    """You keep all columns, and fill the targets up with padding. The last column has no successor:
    leave it out, so that the arrays have time − 1 columns."""
    targets = np.full_like(token_ids, pad_id)
    targets[:, :-1] = token_ids[:, 1:]
    return token_ids, targets, targets != pad_id


def shifted_along_the_batch(token_ids, pad_id):
    """You shift along the batch: the target is a token of another text. Shift along time, axis
    1."""
    targets = token_ids[1:]
    return token_ids[:-1], targets, targets != pad_id


def zero_taken_for_padding(token_ids, pad_id):
    """You compare with 0. Padding is whatever `pad_id` says, and 0 may be a token."""
    targets = token_ids[:, 1:]
    return token_ids[:, :-1], targets, targets != 0


def mask_upside_down(token_ids, pad_id):
    """Your mask is True at padding. It has to be True where there is something to predict."""
    targets = token_ids[:, 1:]
    return token_ids[:, :-1], targets, targets == pad_id


def cut_before_the_shift(token_ids, pad_id):
    """You drop the last column first and shift what is left. A text that fills its row then loses
    its last target: take the targets from the whole row."""
    targets = np.full((len(token_ids), token_ids.shape[1] - 1), pad_id)
    targets[:, :-1] = token_ids[:, 1:-1]
    return token_ids[:, :-1], targets, targets != pad_id


def last_token_never_a_target(token_ids, pad_id):
    """Your mask demands one real token more: you leave out the last token of each text as a target.
    It is to be predicted like every other. What is left out is the padding after it."""
    targets = token_ids[:, 1:]
    after = np.full_like(targets, pad_id)
    after[:, :-1] = targets[:, 1:]
    return token_ids[:, :-1], targets, after != pad_id


def cases(rng):
    yield Case("a text of four tokens and one of two", (np.array([[5, 3, 8, 2], [7, 4, 0, 0]]), 0))
    yield Case("no padding at all", (np.array([[4, 2, 9], [1, 4, 7]]), 0))
    yield Case("a text of one token, and an empty one", (np.array([[6, 0, 0], [0, 0, 0]]), 0))
    yield Case("padding of −1, and 0 as a token", (np.array([[0, 3, 0, -1], [2, 0, 1, 5]]), -1))
    yield Case("two columns", (np.array([[5, 3], [7, 9], [8, 9]]), 9))
    for batch, time, pad_id in [(3, 5, 0), (4, 7, 1), (5, 9, 99)]:
        token_ids = rng.integers(2, 30, (batch, time))
        padding = np.arange(time) >= rng.integers(1, time + 1, batch)[:, None]
        yield Case(
            f"{batch} texts of different lengths", (np.where(padding, pad_id, token_ids), pad_id)
        )


DRILL = Drill(
    reference=next_token_pairs,
    cases=cases,
    given=as_given,
    alternatives=(position_by_position, by_sliding_windows),
    mistakes=(
        as_given,
        mask_of_the_inputs,
        shifted_into_the_past,
        shifted_twice,
        first_token_comes_after_the_last,
        last_column_kept,
        shifted_along_the_batch,
        zero_taken_for_padding,
        mask_upside_down,
        cut_before_the_shift,
        last_token_never_a_target,
    ),
    hints=(
        "The loss falls to 0 on tokens that cannot be predicted: where does the model see the "
        "answer? Write a text of three tokens below its targets.",
        "Each target equals its own input, so that copying is all there is to learn. Which token "
        "should stand below the first one, and which column then has no target?",
        "inputs are token_ids without the last column, targets without the first; the mask is "
        "targets != pad_id.",
    ),
    explanation=(
        "Both slices have time − 1 columns, and one column of them is one question and its "
        "answer. The mask follows the targets, since the loss is taken there: at the last real "
        "token of a text the input is real, but there is nothing to predict. A loss far below "
        "that of a bigram model after minutes of training is a sign of a missing shift. Asked "
        "next: which libraries shift inside the model, so that labels are a copy of the inputs, "
        "and what happens to a text that is shifted outside as well?"
    ),
    difficulty=1,
    taught_in="03_recurrent_networks, section 7",
)
