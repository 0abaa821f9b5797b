import numpy as np

from helpers.drills.spec import Case, Drill


def perplexity(logits: np.ndarray, token_ids: np.ndarray, mask: np.ndarray) -> float:
    """Compute the perplexity of a language model: among how many equally likely tokens it
    hesitates, on average.

    `logits` has shape (batch, time, vocabulary); logits[:, t] predict token_ids[:, t], so nothing
    is left to shift. `token_ids` and `mask` have shape (batch, time); mask is 1 at real tokens and
    0 at padding. Return exp of the mean, over all real tokens of the batch together, of minus the
    natural logarithm of the softmax probability of the token: one float. Logits of ±1000 must not
    overflow, and a token whose probability is too small for a float must not make the result
    infinite. Padding may be anywhere, and a text may be all padding; there is at least one real
    token.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    text, place = np.nonzero(mask)  # where the real tokens are
    return np.exp(-log_probability[text, place, token_ids[text, place]].mean())


def token_by_token(logits, token_ids, mask):
    total, count = 0.0, 0
    for place in np.ndindex(token_ids.shape):
        if mask[place]:
            row, top = logits[place], max(logits[place])
            total += top + np.log(sum(np.exp(value - top) for value in row)) - row[token_ids[place]]
            count += 1
    return np.exp(total / count)


def with_logaddexp(logits, token_ids, mask):
    one_hot = token_ids[..., None] == np.arange(logits.shape[-1])
    loss = np.logaddexp.reduce(logits, axis=-1) - np.where(one_hot, logits, 0).sum(axis=-1)
    return np.exp(np.sum(loss * mask) / np.sum(mask))


def _losses(logits, token_ids):
    one_hot = token_ids[..., None] == np.arange(logits.shape[-1])
    return np.logaddexp.reduce(logits, axis=-1) - np.where(one_hot, logits, 0).sum(axis=-1)


def padding_counted(logits, token_ids, mask):
    """You average over all positions, padding included. Padding is easy to predict, or absurd:
    leave it out of the sum and of the count."""
    return np.exp(_losses(logits, token_ids).mean())


def padding_in_the_denominator(logits, token_ids, mask):
    """You leave padding out of the sum and divide by the number of all positions: the more padding,
    the better the model looks. Divide by the number of real tokens."""
    return np.exp(np.mean(_losses(logits, token_ids) * mask))


def padding_in_the_sum_only(logits, token_ids, mask):
    """You divide by the number of real tokens, and yet add up the losses of all positions. Leave
    padding out of the sum too."""
    return np.exp(_losses(logits, token_ids).sum() / mask.sum())


def padding_taken_to_be_last(logits, token_ids, mask):
    """You keep as many positions from the start as the text has tokens. Padding may stand in front:
    use the mask, not its sum."""
    last = np.arange(mask.shape[1]) < mask.sum(axis=1, keepdims=True)
    return perplexity(logits, token_ids, last.astype(int))


def mean_of_the_texts_means(logits, token_ids, mask):
    """You average each text first, and then over the texts, so a token of a short text weighs more.
    Average over all real tokens together."""
    losses = _losses(logits, token_ids)
    return np.exp(
        np.mean([loss[m == 1].mean() for loss, m in zip(losses, mask, strict=True) if m.any()])
    )


def mean_of_the_texts_perplexities(logits, token_ids, mask):
    """You average the perplexities of the texts: one hard text then dominates. Average the losses
    over all real tokens, and take the exponential once, at the end."""
    losses = _losses(logits, token_ids)
    return np.mean(
        [np.exp(loss[m == 1].mean()) for loss, m in zip(losses, mask, strict=True) if m.any()]
    )


def exponential_of_each_token(logits, token_ids, mask):
    """You average 1 / probability over the tokens. The exponential comes after the mean."""
    with np.errstate(over="ignore"):
        return np.mean(np.exp(_losses(logits, token_ids))[mask == 1])


def exponential_forgotten(logits, token_ids, mask):
    """You return the mean loss, the cross-entropy. The perplexity is its exponential."""
    return np.log(perplexity(logits, token_ids, mask))


def bases_mixed(logits, token_ids, mask):
    """You take logarithms to base 2 and the exponential to base e. The two must go together:
    log and exp, or log2 and 2**."""
    return np.exp(np.log(perplexity(logits, token_ids, mask)) / np.log(2))


def two_to_the_natural_logarithm(logits, token_ids, mask):
    """You raise 2 to a mean of natural logarithms. The two must go together: log and exp, or log2
    and 2**."""
    return 2 ** np.log(perplexity(logits, token_ids, mask))


def sign_missing(logits, token_ids, mask):
    """Your perplexity is below 1: a minus is missing before the logarithms."""
    return 1 / perplexity(logits, token_ids, mask)


def exponent_overflows(logits, token_ids, mask):
    """exp(1000) is infinite. Subtract the largest logit of each position first."""
    with np.errstate(all="ignore"):
        softmax = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        own = np.take_along_axis(softmax, token_ids[..., None], axis=-1)[..., 0]
        return np.exp(-np.log(own)[mask == 1].mean())


def logarithm_of_the_softmax(logits, token_ids, mask):
    """You take the logarithm of a finished softmax. Nothing overflows, but a tiny probability has
    become 0, and one such token makes the perplexity infinite. Simplify log softmax first."""
    with np.errstate(divide="ignore"):
        softmax = np.exp(logits - logits.max(axis=-1, keepdims=True))
        softmax /= softmax.sum(axis=-1, keepdims=True)
        own = np.take_along_axis(softmax, token_ids[..., None], axis=-1)[..., 0]
        return np.exp(-np.log(own)[mask == 1].mean())


def one_maximum_for_all(logits, token_ids, mask):
    """You subtract the largest logit of the whole batch. At positions with far smaller logits every
    exponential becomes 0. Each position needs its own maximum."""
    shifted = logits - logits.max()
    with np.errstate(divide="ignore"):
        log_probability = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    own = np.take_along_axis(log_probability, token_ids[..., None], axis=-1)[..., 0]
    return np.exp(-own[mask == 1].mean())


def shifted_by_one(logits, token_ids, mask):
    """You compare logits[:, t] with the token at t + 1. Here the shift is already done: position t
    predicts token t."""
    if token_ids.shape[1] == 1:
        return perplexity(logits, token_ids, mask)
    return perplexity(logits[:, :-1], token_ids[:, 1:], mask[:, 1:])


def softmax_over_time(logits, token_ids, mask):
    """Your probabilities sum to one over the positions. They have to over the vocabulary, the last
    axis."""
    log_probability = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    own = np.take_along_axis(log_probability, token_ids[..., None], axis=-1)[..., 0]
    return np.exp(-own[mask == 1].mean())


def cases(rng):
    logits = np.log([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]])
    yield Case("one text of two tokens", (logits, np.array([[0, 1]]), np.array([[1, 1]])))
    yield Case("the second is padding", (logits, np.array([[0, 0]]), np.array([[1, 0]])))
    yield Case("no idea at all", (np.zeros((1, 3, 5)), np.array([[4, 0, 2]]), np.ones((1, 3), int)))
    large = np.array([[[1000.0, 999.0], [-1001.0, -1000.0], [3.0, 1.0]]])
    yield Case(
        "large logits", (large, np.array([[0, 1, 0]]), np.array([[1, 1, 1]])), condition=1000
    )
    ruled_out = np.zeros((1, 20, 3))
    ruled_out[0, 7, 1] = -800
    yield Case(
        "one token of twenty ruled out", (ruled_out, np.ones((1, 20), int), np.ones((1, 20), int))
    )
    front = np.array([[0, 0, 1, 1], [0, 0, 0, 0], [1, 0, 1, 1]])
    yield Case(
        "padding in front, between, and a text of padding alone",
        (rng.normal(size=(3, 4, 3)) * 2, rng.integers(0, 3, (3, 4)), front),
    )
    sizes = [(2, 5, 3), (3, 4, 7), (5, 7, 11)]
    for batch, time, vocabulary in sizes:
        lengths = rng.integers(2, time + 1, batch)
        mask = (np.arange(time) < lengths[:, None]).astype(int)
        token_ids = rng.integers(0, vocabulary, (batch, time)) * mask
        logits = rng.normal(size=(batch, time, vocabulary)) * 2
        yield Case(f"{batch} texts of different lengths", (logits, token_ids, mask))


DRILL = Drill(
    reference=perplexity,
    cases=cases,
    alternatives=(token_by_token, with_logaddexp),
    mistakes=(
        padding_counted,
        padding_in_the_denominator,
        padding_in_the_sum_only,
        padding_taken_to_be_last,
        mean_of_the_texts_means,
        mean_of_the_texts_perplexities,
        exponential_of_each_token,
        exponential_forgotten,
        bases_mixed,
        two_to_the_natural_logarithm,
        sign_missing,
        exponent_overflows,
        logarithm_of_the_softmax,
        one_maximum_for_all,
        shifted_by_one,
        softmax_over_time,
    ),
    hints=(
        "Perplexity = exp(mean of −log p(token)). Which tokens belong to the mean?",
        "Take log softmax over the last axis, with the maximum subtracted first, and pick the "
        "token's own with `np.take_along_axis`.",
        "own = log softmax at token_ids, shape (batch, time); return "
        "np.exp(−own[mask == 1].mean()).",
    ),
    explanation=(
        "A model that hesitates between k equally likely tokens gives each 1/k, loses log k, and "
        "has perplexity k: a model that knows nothing has the size of the vocabulary, which is "
        "the first check of every training run. It counts *tokens*, so models with different "
        "tokenizers cannot be compared by it. Asked next: what is comparable then? Bits per "
        "character."
    ),
    difficulty=2,
    taught_in="02_evaluation_metrics, section 6",
)
