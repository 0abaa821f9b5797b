import numpy as np

from helpers.drills.spec import Case, Drill


def padded_perplexity(losses: list, masks: list) -> float:
    """Compute the perplexity of a language model over a whole test set, batch by batch: the number
    that is reported must not depend on how the texts were padded and batched.

    `losses` and `masks` are lists of equal length, one entry a batch. `losses[i]`, floats of shape
    (batch, time), holds −log p in nats for every position as the model gave it, padding included;
    `masks[i]`, bool of the same shape, is True at real tokens and False at padding, which may be
    anywhere. The shapes differ from batch to batch. Return exp of the mean loss over all real
    tokens of all batches together, in which every token weighs the same: one float. A batch may
    hold no real token at all. Losses of real tokens are finite, 0 included; those of padding may be
    anything, NaN and infinity included, and must not matter. Without any real token there is
    nothing to report: raise ValueError.
    """
    total, count = 0.0, 0
    for loss, mask in zip(losses, masks, strict=True):
        total += loss[mask].sum()
        count += mask.sum()
    if count == 0:
        raise ValueError("no batch holds a real token")
    return np.exp(total / count)


def all_tokens_in_one_array(losses, masks):
    real = [loss[mask] for loss, mask in zip(losses, masks, strict=True)]
    if not any(mask.any() for mask in masks):
        raise ValueError("no batch holds a real token")
    return np.exp(np.concatenate(real).mean())


def batch_means_weighted_by_their_tokens(losses, masks):
    pairs = zip(losses, masks, strict=True)
    means = [loss[mask].mean() for loss, mask in pairs if mask.any()]
    tokens = [mask.sum() for mask in masks if mask.any()]
    if not tokens:
        raise ValueError("no batch holds a real token")
    return np.exp(np.average(means, weights=tokens))


def as_given(losses, masks):
    """This is the code as given, or its bug is still in it: pad the same texts to twice the length,
    and the perplexity falls, though not one token is predicted better."""
    if not any(mask.any() for mask in masks):
        raise ValueError("no batch holds a real token")
    batch_losses = []
    for loss, mask in zip(losses, masks, strict=True):
        loss = np.where(mask, loss, 0.0)  # padding costs nothing
        batch_losses.append(loss.mean())
    mean = np.mean(batch_losses)
    return np.exp(mean)


def padding_in_the_denominator(losses, masks):
    """All batches are one sum now, and padding is out of it, but you divide by the number of all
    positions: padding counts as perfectly predicted. Divide by the number of real tokens."""
    padded_perplexity(losses, masks)
    total = sum(loss[mask].sum() for loss, mask in zip(losses, masks, strict=True))
    return np.exp(total / sum(mask.size for mask in masks))


def mean_of_the_batch_means(losses, masks):
    """Each batch has its right mean now, but you average these means, so that a token of a batch
    with much padding weighs more. Add up losses and tokens over all batches, and divide once."""
    padded_perplexity(losses, masks)
    pairs = zip(losses, masks, strict=True)
    return np.exp(np.mean([loss[mask].mean() for loss, mask in pairs if mask.any()]))


def batch_means_weighted_by_their_texts(losses, masks):
    """You weigh the mean of each batch by its number of texts, as running means over batches often
    do. Texts differ in length: weigh by the number of real tokens."""
    padded_perplexity(losses, masks)
    pairs = [(loss, mask) for loss, mask in zip(losses, masks, strict=True) if mask.any()]
    means, texts = [loss[mask].mean() for loss, mask in pairs], [len(mask) for _, mask in pairs]
    return np.exp(np.average(means, weights=texts))


def averaged_over_time_first(losses, masks):
    """You average losses and mask over time before you add them up, as `keras.metrics.Mean` does
    with arrays of two axes: a token of a wide batch then weighs less. Add them up as they are, or
    flatten both first."""
    padded_perplexity(losses, masks)
    pairs = zip(losses, masks, strict=True)
    total = sum(np.where(mask, loss, 0.0).mean(axis=1).sum() for loss, mask in pairs)
    return np.exp(total / sum(mask.mean(axis=1).sum() for mask in masks))


def mean_of_the_texts_means(losses, masks):
    """You average each text first, and then over the texts, so that a token of a short text weighs
    more. Add up losses and tokens over all of them, and divide once."""
    padded_perplexity(losses, masks)
    means = []
    for batch, mask in zip(losses, masks, strict=True):
        means += [loss[m].mean() for loss, m in zip(batch, mask, strict=True) if m.any()]
    return np.exp(np.mean(means))


def mean_of_the_batch_perplexities(losses, masks):
    """You average the perplexities of the batches: one hard batch then dominates. Average the
    losses of all tokens, and take the exponential once, at the end."""
    padded_perplexity(losses, masks)
    pairs = zip(losses, masks, strict=True)
    return np.mean([np.exp(loss[mask].mean()) for loss, mask in pairs if mask.any()])


def padding_counted_in_full(losses, masks):
    """You took the mask out: the losses of padding, whatever they are, are in the mean now. Leave
    padding out of the sum and out of the count."""
    padded_perplexity(losses, masks)
    total = sum(loss.sum() for loss in losses)
    return np.exp(total / sum(mask.size for mask in masks))


def losses_of_zero_left_out(losses, masks):
    """You take a loss of 0 for padding. A real token that the model was sure of has the loss 0 too,
    and counts: go by the mask."""
    padded_perplexity(losses, masks)
    real = [loss[mask & (loss != 0)] for loss, mask in zip(losses, masks, strict=True)]
    return np.exp(np.concatenate(real).mean())


def nan_times_zero(losses, masks):
    """You multiply the losses with the mask. NaN times 0 is NaN, and infinity times 0 too: choose
    the real tokens, by `loss[mask]` or `np.where`."""
    padded_perplexity(losses, masks)
    with np.errstate(invalid="ignore"):
        total = sum((loss * mask).sum() for loss, mask in zip(losses, masks, strict=True))
    return np.exp(total / sum(mask.sum() for mask in masks))


def empty_batch_is_nan(losses, masks):
    """You divide by the number of tokens of each batch. A batch without any gives 0 / 0, and its
    NaN spoils the rest. Divide once, after the last batch."""
    result = padded_perplexity(losses, masks)
    return result if all(mask.any() for mask in masks) else np.nan


def nothing_is_one(losses, masks):
    """Without any real token you return 1, the perplexity of a model that knows everything, or
    another number. There is nothing to report: raise ValueError."""
    return padded_perplexity(losses, masks) if any(mask.any() for mask in masks) else 1.0


def exponential_forgotten(losses, masks):
    """You return the mean loss, the cross-entropy in nats. The perplexity is its exponential."""
    return np.log(padded_perplexity(losses, masks))


def two_to_the_nats(losses, masks):
    """You raise 2 to a mean of natural logarithms. The two must go together: nats and exp, bits and
    2**."""
    return 2 ** np.log(padded_perplexity(losses, masks))


def cases(rng):
    losses = [np.array([[0.5, 1.5]]), np.array([[3.0, 0.1], [0.1, 0.1]])]
    masks = [np.array([[True, True]]), np.array([[True, False], [False, False]])]
    yield Case("two batches, the second mostly padding", (losses, masks))
    yield Case("one batch without padding", (losses[:1], masks[:1]))
    yield Case(
        "a batch without a real token",
        (
            [np.array([[2.0, 1.0]]), np.array([[0.5]])],
            [np.ones((1, 2), bool), np.zeros((1, 1), bool)],
        ),
    )
    yield Case(
        "NaN and infinity at padding",
        ([np.array([[2.0, np.nan, 1.0]]), np.array([[0.5, np.inf]])],
         [np.array([[True, False, True]]), np.array([[True, False]])]),
    )  # fmt: skip
    yield Case(
        "tokens of which the model was sure",
        ([np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0]])],
         [np.array([[True, True, True], [True, True, False]])]),
    )  # fmt: skip
    yield Case("padding alone", ([np.ones((2, 3))], [np.zeros((2, 3), bool)]))
    yield Case("no batch", ([], []))
    for shapes in ([(3, 4), (2, 9)], [(2, 5), (4, 3), (1, 8)], [(5, 7), (3, 2), (4, 11), (2, 6)]):
        losses = [rng.gamma(2.0, size=shape) for shape in shapes]
        masks = [np.arange(t) >= rng.integers(0, t, n)[:, None] for n, t in shapes]
        yield Case(f"{len(shapes)} batches, padded in front", (losses, masks))


DRILL = Drill(
    reference=padded_perplexity,
    cases=cases,
    given=as_given,
    alternatives=(all_tokens_in_one_array, batch_means_weighted_by_their_tokens),
    mistakes=(
        as_given,
        padding_in_the_denominator,
        mean_of_the_batch_means,
        batch_means_weighted_by_their_texts,
        averaged_over_time_first,
        mean_of_the_texts_means,
        mean_of_the_batch_perplexities,
        padding_counted_in_full,
        losses_of_zero_left_out,
        nan_times_zero,
        empty_batch_is_nan,
        nothing_is_one,
        exponential_forgotten,
        two_to_the_nats,
    ),
    hints=(
        "Append a column of padding to a batch. The sum of its losses stays the same: what does "
        "not?",
        "A mean is a sum divided by a count. Whose count is taken within a batch, and how much "
        "does a token weigh in a batch of ten tokens, and in one of a thousand?",
        "Go through the batches with two numbers, the sum of loss[mask] and that of mask. Raise "
        "ValueError if the second stays 0; else return exp of their quotient.",
    ),
    explanation=(
        "A position that costs 0 and is counted is one predicted with certainty, so padding "
        "pulls the perplexity towards 1. Sum and count, carried through all batches and divided "
        "once, give every token the same weight, however the texts were batched: the perplexity "
        "of a test set is a property of model and text. A running mean of batch means is near it "
        "while batches are alike, and wrong at the last one, which is short. Asked next: how is "
        "it turned into bits per character, and what is added up when several devices evaluate?"
    ),
    difficulty=2,
    taught_in="03_recurrent_networks, section 7",
)
