import numpy as np

from helpers.drills.spec import Case, Drill


def sequence_cross_entropy(logits: np.ndarray, targets: np.ndarray, mask: np.ndarray) -> float:
    """Compute the loss on which a language model trains when sequences of several lengths share a
    batch: the mean of −log p(target) in nats over the real tokens, and over nothing else.

    `logits` has shape (batch, time, vocabulary); logits[:, t] predict targets[:, t], so nothing is
    left to shift. `targets`, ints, and `mask`, bool, have shape (batch, time); mask is True at real
    tokens and False at padding, which may be anywhere. p is the softmax of the logits. Return one
    mean over the real tokens of the whole batch, in which every token weighs the same, whatever the
    length of its sequence: one float. Without any real token return 0.0.

    At real tokens the logits are finite, ±1000 included, and nothing may overflow or become
    log(0). At padding the targets may be ids that the vocabulary does not have, −1 among them, and
    the logits NaN or infinite: that must not matter.
    """
    if not mask.any():
        return 0.0
    real, own = logits[mask], targets[mask]  # (tokens, vocabulary), (tokens,)
    shifted = real - real.max(axis=-1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -log_probability[np.arange(len(own)), own].mean()


def token_by_token(logits, targets, mask):
    total, count = 0.0, 0
    for place in np.ndindex(mask.shape):
        if mask[place]:
            row, top = logits[place], max(logits[place])
            total += top + np.log(sum(np.exp(value - top) for value in row)) - row[targets[place]]
            count += 1
    return total / count if count else 0.0


def by_a_mask_over_the_vocabulary(logits, targets, mask):
    if not mask.any():
        return 0.0
    log_probability = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    one_hot = targets[..., None] == np.arange(logits.shape[-1])
    return -log_probability[one_hot & mask[..., None]].mean()


def _losses(logits, targets):
    """The loss at every position; that of a target which the vocabulary lacks is that of 0."""
    valid = (targets >= 0) & (targets < logits.shape[-1])
    own = np.take_along_axis(logits, np.where(valid, targets, 0)[..., None], axis=-1)[..., 0]
    with np.errstate(invalid="ignore"):
        return np.logaddexp.reduce(logits, axis=-1) - own


def padding_averaged_in(logits, targets, mask):
    """You average over all positions, padding included. Leave padding out of the sum and out of the
    count."""
    return _losses(logits, targets).mean()


def padding_in_the_denominator(logits, targets, mask):
    """You leave padding out of the sum, and divide by the number of all positions: the more padding
    a batch has, the smaller its loss and its gradients. Divide by the number of real tokens."""
    return np.where(mask, _losses(logits, targets), 0).mean()


def mean_of_the_sequence_means(logits, targets, mask):
    """You average each sequence first and then over the sequences, so that a token of a short one
    weighs more. Take one mean over all real tokens."""
    losses = _losses(logits, targets)
    means = [loss[real].mean() for loss, real in zip(losses, mask, strict=True) if real.any()]
    return np.mean(means) if means else 0.0


def divided_by_the_batch(logits, targets, mask):
    """You divide the sum by the number of sequences: the loss, and with it the step, grows with
    their length. Divide by the number of real tokens."""
    return _losses(logits, targets)[mask].sum() / len(mask)


def mask_multiplied_with_the_logits(logits, targets, mask):
    """You multiply the mask with the logits. Logits of 0 are a prediction too, that of the uniform
    distribution: padding then costs log(vocabulary). The mask belongs to the losses."""
    return sequence_cross_entropy(
        np.where(mask[..., None], logits, 0.0),
        np.where(mask, targets, 0),
        np.ones(mask.shape, bool),
    )


def nan_times_zero(logits, targets, mask):
    """You multiply the losses with the mask. NaN times 0 is NaN, so one strange logit at padding
    spoils the whole batch: choose the real tokens, by `logits[mask]` or `np.where`, before you
    compute."""
    with np.errstate(invalid="ignore"):
        return (_losses(logits, targets) * mask).sum() / max(mask.sum(), 1)


def targets_of_padding_looked_up(logits, targets, mask):
    """You look up the targets of all positions before the mask is applied. At padding a target may
    be an id that the vocabulary does not have: look up real tokens only."""
    own = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    with np.errstate(invalid="ignore"):
        losses = np.logaddexp.reduce(logits, axis=-1) - own
    return losses[mask].mean() if mask.any() else 0.0


def mask_upside_down(logits, targets, mask):
    """You average over the padding and leave the real tokens out: here True means real."""
    losses = _losses(logits, targets)[~mask]
    return losses.mean() if len(losses) else 0.0


def padding_taken_to_be_last(logits, targets, mask):
    """You keep as many positions from the start as the sequence has real tokens. Padding may stand
    in front or between: use the mask, not its sum."""
    first = np.arange(mask.shape[1]) < mask.sum(axis=1, keepdims=True)
    return _losses(logits, targets)[first].mean() if mask.any() else 0.0


def exponent_overflows(logits, targets, mask):
    """exp(1000) is infinite. Subtract the largest logit of each token first: the softmax does not
    change."""
    if not mask.any():
        return 0.0
    real, own = logits[mask], targets[mask]
    with np.errstate(all="ignore"):
        softmax = np.exp(real) / np.exp(real).sum(axis=-1, keepdims=True)
        return -np.log(softmax[np.arange(len(own)), own]).mean()


def logarithm_of_the_softmax(logits, targets, mask):
    """You take the logarithm of a finished softmax. Nothing overflows, but a tiny probability has
    become 0, and one such token makes the loss infinite. Simplify log softmax first."""
    if not mask.any():
        return 0.0
    real, own = logits[mask], targets[mask]
    softmax = np.exp(real - real.max(axis=-1, keepdims=True))
    softmax /= softmax.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return -np.log(softmax[np.arange(len(own)), own]).mean()


def one_maximum_for_all(logits, targets, mask):
    """You subtract the largest logit of all tokens from each. A token with far smaller logits then
    has exponentials of 0 only, and log(0). Each token needs its own maximum."""
    if not mask.any():
        return 0.0
    shifted, own = logits[mask] - logits[mask].max(), targets[mask]
    with np.errstate(divide="ignore"):
        log_sum = np.log(np.exp(shifted).sum(axis=-1))
    return (log_sum - shifted[np.arange(len(own)), own]).mean()


def shifted_once_more(logits, targets, mask):
    """You compare logits[:, t] with the target at t + 1. Here the shift is already done: position t
    predicts targets[:, t]."""
    return sequence_cross_entropy(logits[:, :-1], targets[:, 1:], mask[:, 1:])


def bits_for_nats(logits, targets, mask):
    """You take the logarithm to base 2, which gives bits. Nats are asked for: the natural
    logarithm."""
    return sequence_cross_entropy(logits, targets, mask) / np.log(2)


def no_token_is_nan(logits, targets, mask):
    """Without any real token you divide 0 by 0, and the NaN destroys the model at its next step.
    Return 0.0: there is nothing to learn."""
    return sequence_cross_entropy(logits, targets, mask) if mask.any() else np.nan


def cases(rng):
    logits = np.array([[[0.0, 0.0], [2.0, 0.0]], [[1.0, 0.0], [3.0, 0.0]]])
    mask = np.array([[True, True], [True, False]])
    yield Case("two sequences, the second of one token", (logits, np.array([[0, 1], [1, 0]]), mask))
    yield Case("no real token", (logits, np.array([[0, 1], [1, 0]]), np.zeros((2, 2), bool)))
    strange = logits.copy()
    strange[1, 1] = np.nan
    yield Case("NaN at padding", (strange, np.array([[0, 1], [1, 0]]), mask))
    strange[1, 1] = [np.inf, -np.inf]
    yield Case("infinite logits and a target of −1 at padding",
               (strange, np.array([[0, 1], [1, -1]]), mask))  # fmt: skip
    yield Case("a target of 99 at padding", (logits, np.array([[0, 1], [1, 99]]), mask))
    large = np.array([[[1000.0, 999.0], [-1001.0, -1000.0], [3.0, 1.0]]])
    # A loss of 0.3 as the difference of numbers near 1000 has three digits less.
    yield Case(
        "large logits", (large, np.array([[0, 1, 0]]), np.ones((1, 3), bool)), condition=1000
    )
    ruled_out = np.array([[[0.0, 1000.0, 0.5], [0.0, 1.0, 0.5]]])
    yield Case(
        "a confident wrong prediction", (ruled_out, np.array([[0, 2]]), np.ones((1, 2), bool))
    )
    anywhere = np.array([[0, 0, 1, 1], [0, 0, 0, 0], [1, 0, 1, 1]], bool)
    yield Case(
        "padding in front, between, and a sequence of padding alone",
        (rng.normal(size=(3, 4, 3)) * 2, rng.integers(0, 3, (3, 4)), anywhere),
    )
    for batch, time, vocabulary in [(2, 5, 3), (3, 4, 7), (5, 7, 11)]:
        mask = np.arange(time) < rng.integers(2, time + 1, batch)[:, None]
        targets = rng.integers(0, vocabulary, (batch, time)) * mask
        logits = rng.normal(size=(batch, time, vocabulary)) * 2
        yield Case(f"{batch} sequences of different lengths", (logits, targets, mask))


DRILL = Drill(
    reference=sequence_cross_entropy,
    cases=cases,
    alternatives=(token_by_token, by_a_mask_over_the_vocabulary),
    mistakes=(
        padding_averaged_in,
        padding_in_the_denominator,
        mean_of_the_sequence_means,
        divided_by_the_batch,
        mask_multiplied_with_the_logits,
        nan_times_zero,
        targets_of_padding_looked_up,
        mask_upside_down,
        padding_taken_to_be_last,
        exponent_overflows,
        logarithm_of_the_softmax,
        one_maximum_for_all,
        shifted_once_more,
        bits_for_nats,
        no_token_is_nan,
    ),
    hints=(
        "Which losses belong to the mean, and by how many is their sum divided? When must padding "
        "leave, so that it can do no harm?",
        "`logits[mask]` has shape (tokens, vocabulary): the real tokens of all sequences, one "
        "below the other. What remains is the cross-entropy of a classifier.",
        "real, own = logits[mask], targets[mask]. Subtract each row's maximum; log softmax = "
        "shifted − log(sum(exp(shifted))). Return minus its mean at own, and 0.0 if no token is "
        "real.",
    ),
    explanation=(
        "Indexing with the mask takes padding away before anything is computed from it, so that "
        "no NaN and no strange id can reach the mean. One mean over all tokens is the likelihood "
        "of the text, which does not change when sequences are cut or batched otherwise. A graph "
        "compiler wants fixed shapes: there one makes padding harmless with `np.where` first, "
        "and multiplies the finite losses with the mask. Asked next: why does a plain mean over "
        "devices, or over accumulated micro-batches, weigh tokens wrongly?"
    ),
    difficulty=2,
    taught_in="03_recurrent_networks, section 6",
)
