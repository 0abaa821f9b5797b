from collections.abc import Callable

import numpy as np

from helpers.drills.spec import Case, Drill


def accumulate_gradients(gradient: Callable, parameters: list, micro_batches: list) -> list:
    """Compute the gradient of a batch that is too large for the memory, from pieces: gradient
    accumulation.

    `micro_batches` is a list of at least one array, each of shape (examples, features) with at
    least one example; their lengths may differ. `gradient(parameters, batch)` returns a list of
    arrays, one for each parameter: the gradient of the *mean* loss over the examples of that batch.
    It may use the same arrays again at the next call. Return the list of gradients of the mean loss
    over all examples together, as if there were one batch. Call `gradient` once for each
    micro-batch, and leave the parameters alone. (In the example the loss of a row is
    (bias + row @ slope)² / 2, and the parameters are [slope, bias].)
    """
    total = sum(len(batch) for batch in micro_batches)
    accumulated = [0.0] * len(parameters)
    for batch in micro_batches:
        share = len(batch) / total
        # `+`, not `+=`: the arrays belong to `gradient`, which will overwrite them.
        accumulated = [
            kept + share * new
            for kept, new in zip(accumulated, gradient(parameters, batch), strict=True)
        ]
    return accumulated


def sums_divided_at_the_end(gradient, parameters, micro_batches):
    sums = [np.zeros(np.shape(p)) for p in parameters]
    for batch in micro_batches:
        for place, array in enumerate(gradient(parameters, batch)):
            sums[place] += len(batch) * array
    return [array / sum(map(len, micro_batches)) for array in sums]


def copies_averaged(gradient, parameters, micro_batches):
    sizes = [len(batch) for batch in micro_batches]
    seen = [[g.copy() for g in gradient(parameters, batch)] for batch in micro_batches]
    return [np.average(column, axis=0, weights=sizes) for column in zip(*seen, strict=True)]


def _plain_mean(gradient, parameters, micro_batches):
    seen = [[g.copy() for g in gradient(parameters, batch)] for batch in micro_batches]
    return [np.mean(column, axis=0) for column in zip(*seen, strict=True)]


def summed_not_averaged(gradient, parameters, micro_batches):
    """You add up the gradients of the micro-batches. Each is a mean over its own examples, so the
    sum is too large by the number of micro-batches: it acts like a larger learning rate."""
    means = _plain_mean(gradient, parameters, micro_batches)
    return [len(micro_batches) * mean for mean in means]


def micro_batches_weigh_the_same(gradient, parameters, micro_batches):
    """You average over the micro-batches as if all had the same length. The last one is usually
    shorter: its examples then weigh more than the others. Weight each by its number of examples."""
    return _plain_mean(gradient, parameters, micro_batches)


def only_the_last_one(gradient, parameters, micro_batches):
    """You return the gradient of the last micro-batch alone. The others are overwritten: in your
    own variable, or in the arrays that `gradient` uses again."""
    return [[g.copy() for g in gradient(parameters, batch)] for batch in micro_batches][-1]


def added_into_borrowed_arrays(gradient, parameters, micro_batches):
    """You add into the arrays that `gradient` returned first. It overwrites them at the next call,
    and the sum is lost: add into arrays of your own."""
    total = sum(len(batch) for batch in micro_batches)
    accumulated = None
    for batch in micro_batches:
        found = gradient(parameters, batch)
        if accumulated is None:
            accumulated = found
            for array in accumulated:
                array *= len(batch) / total
        else:
            for array, new in zip(accumulated, found, strict=True):
                array += len(batch) / total * new
    return accumulated


def divided_by_all_examples_once_more(gradient, parameters, micro_batches):
    """You divide by the number of examples a second time: each micro-batch's gradient is already a
    mean."""
    total = sum(len(batch) for batch in micro_batches)
    return [g / total for g in accumulate_gradients(gradient, parameters, micro_batches)]


def never_divided(gradient, parameters, micro_batches):
    """You weight each micro-batch by its number of examples, and do not divide the total: that is
    the gradient of the *summed* loss. Divide by the number of all examples."""
    total = sum(len(batch) for batch in micro_batches)
    return [g * total for g in accumulate_gradients(gradient, parameters, micro_batches)]


def parameters_moved_in_between(gradient, parameters, micro_batches):
    """You move the parameters between the micro-batches. Their gradients then belong to different
    models, and are no longer that of the large batch: step once, at the end."""
    total = sum(len(batch) for batch in micro_batches)
    moved, accumulated = [p.copy() for p in parameters], [np.zeros(p.shape) for p in parameters]
    for batch in micro_batches:
        found = [g.copy() for g in gradient(moved, batch)]
        moved = [p - 0.1 * g for p, g in zip(moved, found, strict=True)]
        accumulated = [a + len(batch) / total * g for a, g in zip(accumulated, found, strict=True)]
    return accumulated


def all_in_one_batch(gradient, parameters, micro_batches):
    """You put the micro-batches together and compute one gradient: right, and it needs the memory
    that is not there. Call `gradient` once for each micro-batch."""
    return gradient(parameters, np.concatenate(micro_batches))


class SquaredError:
    """The gradient of the mean of (bias + batch @ slope)² / 2, in arrays that it uses again."""

    def __init__(self, features):
        self.buffers = [np.zeros(features), np.zeros(())]
        self.calls = []

    def __call__(self, parameters, batch):
        slope, bias = parameters
        self.calls.append((len(batch), float(np.sum(slope) + bias)))
        error = bias + batch @ slope  # (examples,)
        self.buffers[0][...] = error @ batch / len(batch)
        self.buffers[1][...] = error.mean()
        return self.buffers


def observe(answer, gradient, parameters, micro_batches):
    """The gradients, and for which batches and parameters they were asked."""
    result = answer(gradient, parameters, micro_batches)
    lengths = sorted(length for length, _ in gradient.calls)  # in which order does not matter
    gradient(parameters, micro_batches[0] + 1)  # overwrites its arrays, whoever still holds them
    return {
        "lengths of the batches given to gradient, sorted": lengths,
        "parameters are the same at every call": len({total for _, total in gradient.calls}) == 1,
        "the gradients": [np.copy(array) for array in result],
    }


def cases(rng):
    batches = [np.array([[1.0], [2.0]]), np.array([[4.0]])]
    yield Case("two micro-batches", (SquaredError(1), [np.array([0.5]), np.array(1.0)], batches))
    parameters = [np.array([1.0, -2.0]), np.array(0.5)]
    yield Case("one micro-batch", (SquaredError(2), parameters, [rng.normal(size=(3, 2))]))
    for lengths, features in (((4, 4, 4), 2), ((5, 5, 2), 3), ((1, 7, 3, 1), 5)):
        batches = [rng.normal(size=(length, features)) for length in lengths]
        parameters = [rng.normal(size=features), np.array(rng.normal())]
        note = f"micro-batches of {', '.join(map(str, lengths))}"
        yield Case(note, (SquaredError(features), parameters, batches))


DRILL = Drill(
    reference=accumulate_gradients,
    cases=cases,
    observe=observe,
    alternatives=(sums_divided_at_the_end, copies_averaged),
    mistakes=(
        summed_not_averaged,
        micro_batches_weigh_the_same,
        only_the_last_one,
        added_into_borrowed_arrays,
        divided_by_all_examples_once_more,
        never_divided,
        parameters_moved_in_between,
        all_in_one_batch,
    ),
    hints=(
        "A mean over all examples is not the mean of the micro-batches' means, unless all are "
        "equally long. What weight has each?",
        "Weight: examples in the micro-batch / examples in all. Add up the weighted gradients, "
        "parameter by parameter.",
        "Start with zeros; for each batch and each parameter add len(batch) / total · new, into "
        "arrays of your own, for `gradient` uses its arrays again.",
    ),
    explanation=(
        "The mean over all examples is Σ nᵢ·meanᵢ / Σ nᵢ, and the gradient of a sum is the sum of "
        "the gradients. So the result equals the large batch's, up to rounding; what cannot be "
        "equal is a batch normalisation inside the model, which sees only a micro-batch. In "
        "language models the weight is the number of *tokens* that count. Asked next: does it "
        "save time? No, only memory."
    ),
    difficulty=2,
    taught_in="01_training_pipeline, section 5",
)
