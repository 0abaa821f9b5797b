import numpy as np

from helpers.drills.spec import Case, Drill


def merge_heads(heads: np.ndarray) -> np.ndarray:
    """Put the outputs of attention's heads side by side again, so that each position of a text has
    one long vector.

    `heads`, floats, has shape (batch, number, time, d): what each of `number` heads computed for
    each position. Return an array of shape (batch, time, number · d): the row of a position holds
    the d numbers of head 0 for that position, in their order, then those of head 1, and so on. Do
    not change `heads`; a view of it may be returned.
    """
    batch, number, time, d = heads.shape
    side_by_side = heads.transpose(0, 2, 1, 3)  # (batch, time, number, d)
    return side_by_side.reshape(batch, time, number * d)


def concatenated(heads):
    return np.concatenate([heads[:, h] for h in range(heads.shape[1])], axis=2)


def position_by_position(heads):
    return [
        [[float(x) for head in text for x in head[t]] for t in range(heads.shape[2])]
        for text in heads
    ]


def by_columns(heads):
    batch, number, time, d = heads.shape
    merged = np.empty((batch, time, number * d))
    for h in range(number):
        merged[:, :, h * d : (h + 1) * d] = heads[:, h]
    return merged


def as_given(heads):
    """This is the code as given, or its bug is still in it: set one position of the heads to 0, the
    last one say, and see which rows of the result change. With a single head all is right, and so
    it is with a single position."""
    batch, number, time, d = heads.shape
    # The heads side by side: number · d numbers for each position.
    width = number * d
    return np.reshape(heads, (batch, time, width))


def reshaped_first_and_turned_then(heads):
    """You reshape to (batch, number · d, time) and exchange the axes after that. The shape fits,
    but the reshape has torn the rows apart already: exchange first."""
    batch, number, time, d = heads.shape
    return heads.reshape(batch, number * d, time).transpose(0, 2, 1)


def heads_interleaved(heads):
    """The positions are in their rows now, but within a row the heads alternate: number 0 of every
    head, then number 1. A head's numbers stay together: d has to be the last axis."""
    batch, number, time, d = heads.shape
    return heads.transpose(0, 2, 3, 1).reshape(batch, time, number * d)


def last_two_axes_exchanged(heads):
    """You exchange the time with d. The heads still stand before the time, so the rows still mix
    positions. Which axis has to come next to the batch?"""
    batch, number, time, d = heads.shape
    return heads.transpose(0, 1, 3, 2).reshape(batch, time, number * d)


def heads_and_numbers_exchanged(heads):
    """You exchange the heads with d. The time is still where it was, and the rows mix positions.
    Which axis has to come next to the batch?"""
    batch, number, time, d = heads.shape
    return heads.transpose(0, 3, 2, 1).reshape(batch, time, number * d)


def all_axes_turned(heads):
    """You turn all axes round, the batch with them: `.T` of an array with four axes is no exchange
    of two. Texts get mixed."""
    batch, number, time, d = heads.shape
    return heads.T.reshape(batch, time, number * d)


def texts_mixed(heads):
    """You bring the time to the front, before the batch. The rows are right, but they are handed
    out to the texts in turn, as soon as there are several. The batch stays first."""
    batch, number, time, d = heads.shape
    return heads.transpose(2, 0, 1, 3).reshape(batch, time, number * d)


def heads_one_below_the_other(heads):
    """You put the heads one below the other, along the time: (batch, number · time, d). They belong
    side by side, so that a position has one row."""
    batch, number, time, d = heads.shape
    return heads.reshape(batch, number * time, d)


def heads_added_up(heads):
    """You add the heads up, and each position has d numbers only. They are to stand side by side;
    the matrix that follows is what mixes them."""
    return heads.sum(axis=1)


def cases(rng):
    yield Case(
        "one text, two heads, three positions, d = 2", (np.arange(12.0).reshape(1, 2, 3, 2),)
    )
    yield Case("two texts, as many heads as positions", (np.arange(36.0).reshape(2, 3, 3, 2),))
    yield Case("all axes of length 2", (np.arange(16.0).reshape(2, 2, 2, 2),))
    yield Case("one head", (rng.normal(size=(2, 1, 4, 3)),))
    yield Case("one position", (rng.normal(size=(3, 4, 1, 2)),))
    yield Case("d = 1", (rng.normal(size=(2, 3, 5, 1)),))
    for shape in [(3, 4, 5, 2), (2, 5, 3, 7), (4, 2, 7, 3)]:
        note = f"{shape[0]} texts, {shape[1]} heads, {shape[2]} positions, d = {shape[3]}"
        yield Case(note, (rng.normal(size=shape),))
    turned = rng.normal(size=(2, 5, 3, 4)).transpose(0, 2, 1, 3)
    yield Case("not in one piece in memory", (turned,))


DRILL = Drill(
    reference=merge_heads,
    cases=cases,
    given=as_given,
    alternatives=(concatenated, position_by_position, by_columns),
    mistakes=(
        as_given,
        reshaped_first_and_turned_then,
        heads_interleaved,
        last_two_axes_exchanged,
        heads_and_numbers_exchanged,
        all_axes_turned,
        texts_mixed,
        heads_one_below_the_other,
        heads_added_up,
    ),
    hints=(
        "Run it on np.arange(12).reshape(1, 2, 3, 2) and look at the first row. Which numbers "
        "belong to position 0 of head 0, and which to position 0 of head 1?",
        "`reshape` reads all numbers in their order and cuts them into other rows; it moves no "
        "axis. In which order would the axes have to stand for that to be right?",
        "transpose(0, 2, 1, 3) gives (batch, time, number, d); then the reshape as given is right.",
    ),
    explanation=(
        "Reshape may only join axes that are neighbours and in the order wanted; here the time "
        "stands between heads and d, so it has to be exchanged with the heads first. The bug "
        "raises no error, the shape is right, and the network even learns, since a position "
        "still gets numbers from somewhere (the layout: Vaswani and others, 2017, Attention Is All "
        "You Need, section 3.2.2). Asked next: is the merge free? The transpose is, being a view "
        "with other strides; the reshape after it has to copy, which is why PyTorch's `view` "
        "refuses and asks for `contiguous`."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 1",
)
