import numpy as np

from helpers.drills.spec import Case, Drill


def masked_language_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Compute the loss on which BERT is pre-trained: the cross-entropy at the places that were
    chosen for it, and nowhere else.

    `logits` has shape (batch, time, vocabulary), `labels`, ints, shape (batch, time). A label is
    the token's id where one is asked for, 0 included, and −100 at every other place: at tokens that
    were not chosen, and at padding. logits[:, t] belong to labels[:, t]; p is the softmax of the
    logits. Return the mean of −log p(label), in nats, over the places whose label is not −100: one
    mean over the whole batch, in which each of them weighs the same, one float. Where no label is
    asked for return 0.0. All logits are finite, ±1000 included: nothing may overflow or become
    log(0). The arguments must not change.
    """
    asked = labels != -100
    if not asked.any():
        return 0.0
    rows, own = logits[asked], labels[asked]  # (places, vocabulary), (places,)
    shifted = rows - rows.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -log_p[np.arange(len(own)), own].mean()


def place_by_place(logits, labels):
    total, count = 0.0, 0
    for place in np.ndindex(labels.shape):
        if labels[place] != -100:
            row, top = logits[place], max(logits[place])
            total += top + np.log(np.sum(np.exp(row - top))) - row[labels[place]]
            count += 1
    return total / count if count else 0.0


def by_weights(logits, labels):
    weights = (labels != -100).astype(float)
    one_hot = labels[..., None] == np.arange(logits.shape[-1])  # a row of zeros for −100
    own = np.sum(logits * one_hot, axis=-1)
    losses = np.logaddexp.reduce(logits, axis=-1) - own
    return np.sum(losses * weights) / np.maximum(weights.sum(), 1)


def as_given(logits, labels):
    """This is the code as given, or its bug is still in it: trained with it, the model soon answers
    token 0 at nearly every place, at masked words too, while the loss looks excellent."""
    top = logits.max(axis=-1, keepdims=True)
    log_sum = top + np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))
    log_p = logits - log_sum
    index = np.clip(labels, 0, None)  # an index must not be negative
    own = np.take_along_axis(log_p, index[..., None], axis=-1)
    return -own.mean()


def _losses(logits, labels):
    """The loss at every place; where no label is asked for, that of token 0."""
    own = np.take_along_axis(logits, np.maximum(labels, 0)[..., None], axis=-1)[..., 0]
    return np.logaddexp.reduce(logits, axis=-1) - own


def label_used_as_an_index(logits, labels):
    """You look up the label −100 itself. NumPy counts negative indices from the end: in a
    vocabulary of 100 tokens or more it finds a token that nobody asked for, in a smaller one it
    raises IndexError. Take these places out before you look anything up."""
    batch, time = np.indices(labels.shape)
    return np.mean(np.logaddexp.reduce(logits, axis=-1) - logits[batch, time, labels])


def divided_by_all_places(logits, labels):
    """Only the places asked for are in the sum now, but you divide by the number of all: where 15 %
    are asked for, the loss is some seven times too small. Divide by the number of labels."""
    return np.mean(np.where(labels != -100, _losses(logits, labels), 0))


def mean_of_the_row_means(logits, labels):
    """You average each row first, and then over the rows: a label in a row with few of them weighs
    more. Take one mean over the labels of the whole batch."""
    asked, losses = labels != -100, _losses(logits, labels)
    means = [loss[real].mean() for loss, real in zip(losses, asked, strict=True) if real.any()]
    return np.mean(means) if means else 0.0


def divided_by_the_rows(logits, labels):
    """You divide the sum by the number of rows. A row has any number of labels: divide by their
    number."""
    return np.sum(np.where(labels != -100, _losses(logits, labels), 0)) / len(labels)


def token_zero_left_out(logits, labels):
    """You keep labels above 0. Id 0 is a token, and may be asked for: only −100 is left out."""
    return masked_language_loss(logits, np.where(labels > 0, labels, -100))


def logits_set_to_zero(logits, labels):
    """You set the logits to 0 where nothing is asked. That is a prediction too, the uniform one,
    and costs log(vocabulary). Leave the places out of the sum and of the count."""
    asked = (labels != -100)[..., None]
    return np.mean(_losses(np.where(asked, logits, 0), labels))


def the_other_places(logits, labels):
    """You keep the places whose label is −100 and leave out those that are asked for. The
    comparison is the wrong way round."""
    ignored = labels == -100
    return np.mean(_losses(logits, labels)[ignored]) if ignored.any() else 0.0


def no_label_is_nan(logits, labels):
    """Where no label is asked for you divide 0 by 0, and the NaN destroys the model at its next
    step. Return 0.0: there is nothing to learn."""
    return masked_language_loss(logits, labels) if np.any(labels != -100) else np.nan


def summed(logits, labels):
    """You return the sum over the labels: it grows with their number. Take the mean."""
    return masked_language_loss(logits, labels) * np.sum(labels != -100)


def exponent_overflows(logits, labels):
    """exp(1000) is infinite. Subtract the largest logit of each place first, as the given code
    did."""
    asked = labels != -100
    if not asked.any():
        return 0.0
    with np.errstate(all="ignore"):
        p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        own = np.take_along_axis(p, np.maximum(labels, 0)[..., None], axis=-1)[..., 0]
        return -np.log(own[asked]).mean()


def cases(rng):
    logits = np.array([[[0.0, 2.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 3.0]]])
    yield Case("one row, two labels", (logits, np.array([[1, -100, 0]])))
    yield Case("no label", (logits, np.full((1, 3), -100)))
    yield Case("every place has a label", (logits, np.array([[2, 1, 0]])))
    yield Case("token 0 alone is asked for", (logits, np.array([[0, -100, -100]])))
    labels = np.array([[-100, 2, 0, 1], [-100, -100, 1, -100], [-100] * 4])
    yield Case("rows with three labels, one and none", (2 * rng.normal(size=(3, 4, 3)), labels))
    large = np.array([[[1000.0, 999.0], [-1001.0, -1000.0], [5.0, 1.0]]])
    # A loss of 0.3 as the difference of numbers near 1000 has three digits less.
    yield Case("large logits", (large, np.array([[0, 1, -100]])), condition=1000)
    sure = np.array([[[0.0, 1000.0, 0.5], [0.0, 1.0, 0.5], [-1000.0, 0.0, 1000.0]]])
    yield Case("a confident wrong prediction", (sure, np.array([[0, 2, -100]])))
    labels = np.where(rng.random((2, 5)) < 0.5, rng.integers(0, 110, (2, 5)), -100)
    yield Case("a vocabulary of 110 tokens", (rng.normal(size=(2, 5, 110)), labels))
    for batch, time, vocabulary in ((2, 7, 5), (3, 5, 7), (5, 11, 4)):
        labels = rng.integers(0, vocabulary, (batch, time))
        labels = np.where(rng.random((batch, time)) < 0.4, labels, -100)
        logits = 2 * rng.normal(size=(batch, time, vocabulary))
        yield Case(f"{batch} random rows of {time} places", (logits, labels))


DRILL = Drill(
    reference=masked_language_loss,
    cases=cases,
    given=as_given,
    alternatives=(place_by_place, by_weights),
    mistakes=(
        as_given,
        label_used_as_an_index,
        divided_by_all_places,
        mean_of_the_row_means,
        divided_by_the_rows,
        token_zero_left_out,
        logits_set_to_zero,
        the_other_places,
        no_label_is_nan,
        summed,
        exponent_overflows,
    ),
    hints=(
        "Give it one row in which nothing is asked for. Which token is the model rewarded for?",
        "A label of −100 becomes an index, and the place counts like any other. Which places may "
        "be in the sum, and in the number that it is divided by?",
        "`asked = labels != -100`. Return 0.0 if there is none; else logits[asked] and "
        "labels[asked] are an ordinary classifier's logits and classes.",
    ),
    explanation=(
        "With 15 % of the tokens asked for, 85 % of the places reward token 0 in the given code: a "
        "model that always answers it is nearly right, and no error is raised. −100 is the "
        "`ignore_index` of PyTorch's cross-entropy; Keras has `ignore_class`, or weights. "
        "Choosing the places first also saves most of the work of the output layer (Devlin et al., "
        "2019, BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding). "
        "Asked next: what should this loss be before training? About log(vocabulary), 10.3 for "
        "30,522 tokens; one far below that counts places that it should not."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 5",
)
