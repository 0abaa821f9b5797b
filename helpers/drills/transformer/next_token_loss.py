import numpy as np

from helpers.drills.spec import Case, Drill


def next_token_loss(logits: np.ndarray, token_ids: np.ndarray) -> float:
    """Compute the loss on which GPT is trained: at every place of a text, how surprising is the
    token that follows?

    `token_ids`, ints of shape (batch, time) with time at least 2, holds one text a row, without
    padding. `logits`, shape (batch, time, vocabulary), is what the model gave for these tokens:
    logits[:, t] were computed from the tokens up to and including token t, and predict token t + 1
    of the same row. p is their softmax. Return the mean of −log p(next token), in nats, over all
    places that have a next token in their row: batch · (time − 1) of them, one float. All logits
    are finite, ±1000 included: nothing may overflow or become log(0). The arguments must not
    change.
    """
    before, targets = logits[:, :-1], token_ids[:, 1:]
    shifted = before - before.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    text, place = np.indices(targets.shape)
    return -log_p[text, place, targets].mean()


def text_by_text(logits, token_ids):
    losses = []
    for rows, ids in zip(logits, token_ids, strict=True):
        for row, following in zip(rows, ids[1:], strict=False):
            top = np.max(row)
            losses.append(top + np.log(np.sum(np.exp(row - top))) - row[following])
    return np.mean(losses)


def with_one_hot_targets(logits, token_ids):
    one_hot = token_ids[..., None] == np.arange(logits.shape[-1])
    own = np.sum(logits[:, :-1] * one_hot[:, 1:], axis=-1)
    return np.mean(np.logaddexp.reduce(logits, axis=-1)[:, :-1] - own)


def as_given(logits, token_ids):
    """This is the code as given, or its bug is still in it: in training the loss falls to almost
    nothing, and when the model writes, it repeats the last token for ever."""
    top = logits.max(axis=-1, keepdims=True)
    log_sum = top + np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))
    log_p = logits - log_sum
    own = np.take_along_axis(log_p, token_ids[..., None], axis=-1)
    return -own.mean()


def _losses(logits, targets):
    own = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return np.logaddexp.reduce(logits, axis=-1) - own


def last_place_cut_from_both(logits, token_ids):
    """You cut the last place from the logits and the last token from the targets. The lengths agree
    again, but each place is still compared with its own token: cut the targets at their start."""
    return _losses(logits[:, :-1], token_ids[:, :-1]).mean()


def first_place_cut_from_both(logits, token_ids):
    """You cut the first place from the logits and the first token from the targets. Each place is
    still compared with its own token: cut the logits at their end."""
    return _losses(logits[:, 1:], token_ids[:, 1:]).mean()


def shifted_into_the_past(logits, token_ids):
    """You shift the wrong way: each place is compared with the token before it, which the model has
    read already. The logits lose their last place, the targets their first token."""
    return _losses(logits[:, 1:], token_ids[:, :-1]).mean()


def shifted_twice(logits, token_ids):
    """You compare each place with the token two steps on: the shift is done twice. One step is
    asked for. (With two tokens you have nothing left, and the mean of nothing is NaN.)"""
    if token_ids.shape[1] == 2:
        return np.nan
    return _losses(logits[:, :-2], token_ids[:, 2:]).mean()


def first_token_follows_the_last(logits, token_ids):
    """You shift with `np.roll`, so that the last place of a text is to predict its first token.
    Nothing follows the last token: leave that place out."""
    return _losses(logits, np.roll(token_ids, -1, axis=1)).mean()


def zero_follows_the_last(logits, token_ids):
    """You fill the targets up with token 0 at the end: the last place is to predict it. Nothing
    follows there: leave the place out."""
    padded = np.pad(token_ids[:, 1:], ((0, 0), (0, 1)))
    return _losses(logits, padded).mean()


def shifted_across_the_rows(logits, token_ids):
    """You flatten first and shift then: the end of a text is to predict the beginning of the next.
    Shift along time, within each row."""
    flat = logits.reshape(-1, logits.shape[-1])
    return _losses(flat[:-1], token_ids.ravel()[1:]).mean()


def shifted_along_the_batch(logits, token_ids):
    """You shift along axis 0, so that a text is to predict another one (and one text alone leaves
    nothing: NaN). Shift along time, axis 1."""
    if len(token_ids) == 1:
        return np.nan
    return _losses(logits[:-1], token_ids[1:]).mean()


def divided_by_all_places(logits, token_ids):
    """The shift is right, but you divide by batch · time. A text of `time` tokens has time − 1
    places with a next token."""
    return _losses(logits[:, :-1], token_ids[:, 1:]).sum() / token_ids.size


def summed_over_time(logits, token_ids):
    """You sum over time and average over the texts only: the loss, and with it every step, grows
    with the length. Take the mean over all places."""
    return _losses(logits[:, :-1], token_ids[:, 1:]).sum() / len(token_ids)


def exponent_overflows(logits, token_ids):
    """exp(1000) is infinite. Subtract the largest logit of each place first, as the given code
    did."""
    with np.errstate(all="ignore"):
        p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        own = np.take_along_axis(p[:, :-1], token_ids[:, 1:, None], axis=-1)
        return -np.log(own).mean()


def cases(rng):
    logits = np.array([[[0.0, 2.0, 1.0], [1.0, 0.0, 0.0], [3.0, 0.0, 1.0]]])
    yield Case("one text of three tokens", (logits, np.array([[2, 1, 0]])))
    yield Case("two tokens", (logits[:, 1:], np.array([[1, 2]])))
    yield Case("texts that repeat themselves", (rng.normal(size=(2, 4, 3)), np.full((2, 4), 1)))
    copies = np.array([[2, 0, 1, 0, 2]])
    yield Case("a model that copies its input", (6 * np.eye(3)[copies], copies))
    following = np.roll(copies, -1, axis=1)
    yield Case("a model that knows what follows", (6 * np.eye(3)[following], copies))
    large = np.array([[[1000.0, 999.0], [-1001.0, -1000.0], [5.0, 1.0]]])
    # A loss of 0.3 as the difference of numbers near 1000 has three digits less.
    yield Case("large logits", (large, np.array([[1, 0, 1]])), condition=1000)
    sure = np.array([[[0.0, 1000.0, 0.5], [0.0, 1.0, 0.5], [-1000.0, 0.0, 1000.0]]])
    yield Case("a confident wrong prediction", (sure, np.array([[1, 0, 2]])))
    for batch, time, vocabulary in ((3, 2, 4), (2, 7, 5), (3, 5, 7), (5, 11, 4)):
        token_ids = rng.integers(0, vocabulary, (batch, time))
        logits = 2 * rng.normal(size=(batch, time, vocabulary))
        yield Case(f"{batch} random texts of {time} tokens", (logits, token_ids))


DRILL = Drill(
    reference=next_token_loss,
    cases=cases,
    given=as_given,
    alternatives=(text_by_text, with_one_hot_targets),
    mistakes=(
        as_given,
        last_place_cut_from_both,
        first_place_cut_from_both,
        shifted_into_the_past,
        shifted_twice,
        first_token_follows_the_last,
        zero_follows_the_last,
        shifted_across_the_rows,
        shifted_along_the_batch,
        divided_by_all_places,
        summed_over_time,
        exponent_overflows,
    ),
    hints=(
        "When the model gives logits[:, t], which tokens has it read? And which one is it asked "
        "for?",
        "Each place is asked for the token that it has read: copying is all there is to learn. "
        "Which place has no token to predict, and which token is predicted by no place?",
        "logits[:, :-1] are compared with token_ids[:, 1:]; the rest of the code is right.",
    ),
    explanation=(
        "The causal mask hides what comes after t, but not token t itself, so without the shift "
        "the answer stands in the input. One forward pass trains all time − 1 predictions at once: "
        "that is what makes the mask worth it (Radford et al., 2018, Improving Language "
        "Understanding by Generative Pre-Training). Asked next: who shifts? Hugging Face's models "
        "do it in their loss, so labels are a copy of the inputs; nanoGPT's data loader does it, "
        "and KerasHub's preprocessor. Shift twice, and the model learns to skip a token."
    ),
    difficulty=1,
    taught_in="06_gpt_from_scratch, section 1",
)
