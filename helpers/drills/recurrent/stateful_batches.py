import numpy as np

from helpers.drills.spec import Case, Drill


def stateful_batches(token_ids: np.ndarray, batch_size: int, length: int) -> tuple:
    """Cut one long text into batches for a recurrent network that keeps its state from one batch to
    the next: the state of row r has to meet, in the next batch, the tokens that come next.

    `token_ids`, ints of shape (n,), is the text; it is long enough for one batch: n > batch_size ·
    length. Return (inputs, targets), each of shape (batches, batch_size, length), where batches =
    (n − 1) // (batch_size · length), rounded down. The first batches · batch_size · length tokens
    are cut into batch_size pieces of equal length, one after another; row r of all batches is
    piece r in the order of the text, length tokens a batch. So row r of batch i + 1 goes on where
    row r of batch i stopped, and row r + 1 of the first batch goes on where row r of the last one
    stopped. `targets` holds, for every input, the token that follows it in the text, also across
    the borders of rows and batches. What is left over at the end of the text is not used.
    """
    batches = (len(token_ids) - 1) // (batch_size * length)  # one token is only a target
    used = batches * batch_size * length

    def cut(stream):
        pieces = stream.reshape(batch_size, batches, length)
        return pieces.transpose(1, 0, 2)  # (batches, batch_size, length)

    return cut(token_ids[:used]), cut(token_ids[1 : used + 1])


def window_by_window(token_ids, batch_size, length):
    batches = (len(token_ids) - 1) // (batch_size * length)
    inputs = np.empty((batches, batch_size, length))
    targets = np.empty((batches, batch_size, length))
    for i in range(batches):
        for row in range(batch_size):
            start = (row * batches + i) * length
            inputs[i, row] = token_ids[start : start + length]
            targets[i, row] = token_ids[start + 1 : start + length + 1]
    return inputs, targets


def by_position(token_ids, batch_size, length):
    batches = (len(token_ids) - 1) // (batch_size * length)
    i, row, step = np.indices((batches, batch_size, length))
    place = (row * batches + i) * length + step
    return token_ids[place], token_ids[place + 1]


def _windows(token_ids, batch_size, length, starts):
    """Windows of inputs and targets at these places, batch_size of them a batch, in that order."""
    batches = len(starts) // batch_size
    place = starts[: batches * batch_size, None] + np.arange(length)
    shape = (batches, batch_size, length)
    return token_ids[place].reshape(shape), token_ids[place + 1].reshape(shape)


def as_given(token_ids, batch_size, length):
    """This is the code as given, or its bug is still in it: let a network keep its state from batch
    to batch, or reset it before each, and compare the losses. What it remembers is of no use to
    it."""
    starts = np.arange(0, len(token_ids) - length, length)
    np.random.default_rng(0).shuffle(starts)  # a random order, as for every training set
    batches = len(starts) // batch_size
    inputs = np.empty((batches, batch_size, length), token_ids.dtype)
    targets = np.empty((batches, batch_size, length), token_ids.dtype)
    for i in range(batches):
        for row in range(batch_size):
            start = starts[i * batch_size + row]
            inputs[i, row] = token_ids[start : start + length]
            targets[i, row] = token_ids[start + 1 : start + length + 1]
    return inputs, targets


def neighbours_in_one_batch(token_ids, batch_size, length):
    """Nothing is shuffled any more, but a window and the one that goes on after it lie in
    neighbouring rows of the same batch, so that no row meets its own continuation in the next.
    Give each row a piece of the text of its own."""
    starts = np.arange(0, len(token_ids) - length, length)
    return _windows(token_ids, batch_size, length, starts)


def batches_still_shuffled(token_ids, batch_size, length):
    """Each row has its own piece of the text now, but the batches come in random order, and a row
    gets the state of another place. Keep the order of the text."""
    inputs, targets = stateful_batches(token_ids, batch_size, length)
    order = np.arange(len(inputs))
    np.random.default_rng(0).shuffle(order)
    return inputs[order], targets[order]


def tokens_dealt_out(token_ids, batch_size, length):
    """You deal the tokens out to the rows like cards, so that neighbours in a row are batch_size
    tokens apart. Each row needs a piece of the text that hangs together."""
    batches = (len(token_ids) - 1) // (batch_size * length)
    used = batches * batch_size * length
    shape = (batches, length, batch_size)
    inputs, targets = token_ids[:used].reshape(shape), token_ids[1 : used + 1].reshape(shape)
    return inputs.transpose(0, 2, 1), targets.transpose(0, 2, 1)


def rest_left_out_of_every_row(token_ids, batch_size, length):
    """You cut the text into rows first, and each row into windows then, so that every row loses its
    own rest: tokens in the middle of the text are never seen. Leave out the end of the text
    only."""
    in_a_row = (len(token_ids) - 1) // batch_size
    batches = in_a_row // length
    i, row, step = np.indices((batches, batch_size, length))
    place = row * in_a_row + i * length + step
    return token_ids[place], token_ids[place + 1]


def one_token_lost_between_windows(token_ids, batch_size, length):
    """You cut windows of length + 1 tokens, end to end, and take inputs and targets from each. The
    last token of a window is then no input, and a row goes on one token too late: such windows
    have to overlap by one token."""
    batches = len(token_ids) // (batch_size * (length + 1))
    pieces = token_ids[: batches * batch_size * (length + 1)]
    pieces = pieces.reshape(batch_size, batches, length + 1).transpose(1, 0, 2)
    return pieces[:, :, :-1], pieces[:, :, 1:]


def windows_wrap_around(token_ids, batch_size, length):
    """You shift within each window: the last target is the window's own first token. The target
    there is the first token of the same row in the next batch."""
    inputs = stateful_batches(token_ids, batch_size, length)[0]
    return inputs, np.roll(inputs, -1, axis=2)


def rows_wrap_around(token_ids, batch_size, length):
    """You shift within each row: the last target of the last batch is the row's first token, or
    nothing. Cut inputs and targets out of the text separately, one token apart."""
    inputs = stateful_batches(token_ids, batch_size, length)[0]
    rows = inputs.transpose(1, 0, 2).reshape(batch_size, len(inputs) * length)
    targets = np.roll(rows, -1, axis=1).reshape(batch_size, len(inputs), length)
    return inputs, targets.transpose(1, 0, 2)


def last_target_forgotten(token_ids, batch_size, length):
    """You count batches as if n tokens made n pairs. The last token is only a target, so there are
    n − 1; where n is a multiple of batch_size · length, your last target is not of this text."""
    pairs = np.append(token_ids, token_ids[0])
    return stateful_batches(pairs, batch_size, length)


def cases(rng):
    yield Case("nine tokens, two rows of two", (np.arange(10, 19), 2, 2))
    yield Case("one row", (np.arange(20, 30), 1, 3))
    yield Case("windows of one token", (np.arange(30, 37), 2, 1))
    yield Case("as many tokens as three batches have inputs", (np.arange(40, 58), 2, 3))
    yield Case("one token more than three batches have inputs", (np.arange(40, 59), 2, 3))
    yield Case("enough for one batch, and no more", (np.arange(60, 67), 2, 3))
    for n, batch_size, length in [(47, 3, 4), (101, 4, 5), (150, 5, 3)]:
        token_ids = rng.integers(0, 40, n)
        yield Case(f"{n} random tokens, {batch_size} rows", (token_ids, batch_size, length))


DRILL = Drill(
    reference=stateful_batches,
    cases=cases,
    given=as_given,
    alternatives=(window_by_window, by_position),
    mistakes=(
        as_given,
        neighbours_in_one_batch,
        batches_still_shuffled,
        tokens_dealt_out,
        rest_left_out_of_every_row,
        one_token_lost_between_windows,
        windows_wrap_around,
        rows_wrap_around,
        last_target_forgotten,
    ),
    hints=(
        "Run it on np.arange(9) and follow row 0 through the batches: after which token does its "
        "state stand, and which token does it read next?",
        "Two things tear the text apart: the order is random, and even without that the "
        "neighbours of a window would fill the rows of its own batch. Which window has to stand "
        "below row 0 of the first batch?",
        "used = batches · batch_size · length. Reshape token_ids[:used] to (batch_size, batches, "
        "length), exchange the first two axes, and do the same with token_ids[1 : used + 1].",
    ),
    explanation=(
        "Reshaping gives each row a piece of the text of its own, and exchanging the axes hands "
        "out the first window of every piece, then the second: the state that a row leaves "
        "behind is that of the tokens before. Shuffling, right for independent examples, is what "
        "breaks it, and nothing raises an error: the loss stays that of a network with a memory "
        "of `length` tokens (Keras says so of `stateful=True`: sample i follows sample i of the "
        "batch before). Asked next: how far do gradients reach across such batches, and when is "
        "the state reset?"
    ),
    difficulty=2,
    taught_in="03_recurrent_networks, section 6",
)
