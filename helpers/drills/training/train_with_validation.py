import math
from collections.abc import Callable

import numpy as np

from helpers.drills.spec import Case, Drill


def train_with_validation(
    train_epoch: Callable, validation_loss: Callable, max_epochs: int, patience: int
) -> tuple:
    """Train no longer than it helps, and keep the best weights: early stopping on the validation
    loss.

    `train_epoch()` trains the model for one epoch and returns (weights, loss): the list of the
    model's weight arrays, and the mean training loss of the epoch. The list and its arrays are the
    model's own: the next epoch changes the arrays in place. `validation_loss()` returns the loss of
    the model as it is now, on examples that it is not trained on. After an epoch that went wrong it
    may be NaN, which is no improvement; after the first epoch it is a number.

    Train for at most max_epochs ≥ 1 epochs. Stop before that as soon as patience ≥ 1 epochs in a
    row have not brought a validation loss *lower* than the lowest so far. Return (weights, epoch):
    the list of weight arrays as they were after the epoch with the lowest validation loss, the
    earliest of equal ones, and the number of that epoch, counted from 1.
    """
    best_loss = math.inf  # the first epoch's is lower
    for epoch in range(1, max_epochs + 1):
        weights, _ = train_epoch()
        loss = validation_loss()
        if loss < best_loss:  # False for NaN
            best_loss, best_epoch = loss, epoch
            best_weights = [array.copy() for array in weights]
        elif epoch - best_epoch >= patience:
            break
    return best_weights, best_epoch


def with_a_log_of_all_epochs(train_epoch, validation_loss, max_epochs, patience):
    losses, saved = [], []
    while len(losses) < max_epochs:
        saved.append([np.array(array) for array in train_epoch()[0]])
        losses.append(validation_loss())
        best = losses.index(min(losses))  # `min` takes a NaN only where it comes first
        if len(losses) - 1 - best == patience:
            break
    return saved[best], best + 1


def restored_into_the_model(train_epoch, validation_loss, max_epochs, patience):
    lowest, waited, epoch = None, 0, 0
    while epoch < max_epochs and waited < patience:
        epoch += 1
        own = train_epoch()[0]
        loss = float(validation_loss())
        waited += 1
        if lowest is None or loss < lowest:
            lowest, waited, number = loss, 0, epoch
            kept = np.concatenate([array.ravel() for array in own])
    start = 0
    for array in own:  # back into the model's own arrays
        array[...] = kept[start : start + array.size].reshape(array.shape)
        start += array.size
    return own, number


def as_given(train_epoch, validation_loss, max_epochs, patience):
    """This is the code as given, or its bug is still in it: it says that epoch 4 was the best, with
    a validation loss of 0.29. Load the weights that it returns, and the validation loss is 0.41,
    that of the last epoch."""
    best_loss, best_weights, best_epoch = np.inf, None, 0
    waited = 0
    for epoch in range(1, max_epochs + 1):
        weights, _ = train_epoch()
        loss = validation_loss()
        if loss < best_loss:
            best_loss, best_epoch = loss, epoch
            best_weights = weights
            waited = 0
        else:
            waited += 1
        if waited == patience:
            break
    return best_weights, best_epoch


def only_the_list_copied(train_epoch, validation_loss, max_epochs, patience):
    """You copy the list of the weights, and the new list holds the same arrays: the next epoch
    changes them all the same. Copy each array."""
    best_loss, best_weights, best_epoch = np.inf, None, 0
    for epoch in range(1, max_epochs + 1):
        weights, _ = train_epoch()
        loss = validation_loss()
        if loss < best_loss:
            best_loss, best_weights, best_epoch = loss, list(weights), epoch
        elif epoch - best_epoch == patience:
            break
    return best_weights, best_epoch


def _train(train_epoch, validation_loss, max_epochs, better, enough):
    """Train with copies; better(loss, losses) says whether an epoch is kept, and enough(epoch,
    best_epoch, losses) whether it is the last one."""
    losses, best_weights, best_epoch = [], [], 0
    for epoch in range(1, max_epochs + 1):
        weights, training_loss = train_epoch()
        loss = validation_loss()
        if better(loss, losses, training_loss):
            best_weights, best_epoch = [array.copy() for array in weights], epoch
        losses.append(loss)
        if enough(epoch, best_epoch, losses):
            break
    return best_weights, best_epoch


def _lower(loss, losses, training_loss):
    return loss < np.nanmin([np.inf, *losses])


def weights_of_the_epoch_before(train_epoch, validation_loss, max_epochs, patience):
    """Your copy is of the epoch before the best one: you copy, then train, then measure. Copy what
    was measured."""
    best_loss, best_epoch, before = np.inf, 0, None
    for epoch in range(1, max_epochs + 1):
        weights, _ = train_epoch()
        copies = [array.copy() for array in weights]
        loss = validation_loss()
        if loss < best_loss:
            best_loss, best_epoch = loss, epoch
            best_weights = before or [np.zeros_like(array) for array in weights]
        elif epoch - best_epoch == patience:
            break
        before = copies
    return best_weights, best_epoch


def weights_of_the_epoch_after(train_epoch, validation_loss, max_epochs, patience):
    """Your copy is of the epoch after the best one: by the time that you copy, the arrays have been
    trained on. Copy at once when the loss is measured."""
    best_loss, best_epoch, late = np.inf, 0, False
    for epoch in range(1, max_epochs + 1):
        weights, _ = train_epoch()
        if late:
            best_weights, late = [array.copy() for array in weights], False
        loss = validation_loss()
        if loss < best_loss:
            best_loss, best_epoch, late = loss, epoch, True
        elif epoch - best_epoch == patience:
            break
    return ([array.copy() for array in weights] if late else best_weights), best_epoch


def judged_by_the_training_loss(train_epoch, validation_loss, max_epochs, patience):
    """You go by the training loss, or by none at all. It falls as long as you train, over-fitting
    included, so the last epoch always wins: the validation loss says when to stop."""
    best_loss, best_weights, best_epoch = np.inf, [], 0
    for epoch in range(1, max_epochs + 1):
        weights, loss = train_epoch()
        if loss < best_loss:
            best_loss, best_epoch = loss, epoch
            best_weights = [array.copy() for array in weights]
        elif epoch - best_epoch == patience:
            break
    return best_weights, best_epoch


def waiting_never_starts_again(train_epoch, validation_loss, max_epochs, patience):
    """You count all epochs that were no better, not those in a row: a bumpy curve ends the training
    early. Start counting again at each improvement."""

    def enough(epoch, best_epoch, losses):
        lower = [_lower(loss, losses[:i], 0) for i, loss in enumerate(losses)]
        return lower.count(False) >= patience

    return _train(train_epoch, validation_loss, max_epochs, _lower, enough)


def compared_with_the_epoch_before(train_epoch, validation_loss, max_epochs, patience):
    """You compare each loss with that of the epoch before. After a bad epoch a middling one then
    counts as the best. Compare with the lowest so far."""

    def better(loss, losses, training_loss):
        return not losses or loss < losses[-1]

    return _train(
        train_epoch, validation_loss, max_epochs, better, lambda e, best, _: e - best >= patience
    )


def equal_loss_counts_as_better(train_epoch, validation_loss, max_epochs, patience):
    """An equal loss replaces the best epoch in yours, and the waiting starts again. Only a lower
    one is better: of equal ones the earliest is kept."""

    def better(loss, losses, training_loss):
        return loss <= np.nanmin([np.inf, *losses])

    return _train(
        train_epoch, validation_loss, max_epochs, better, lambda e, best, _: e - best >= patience
    )


def highest_loss_kept(train_epoch, validation_loss, max_epochs, patience):
    """You keep the epoch with the *highest* loss, as one would for an accuracy. A loss is to be
    low."""

    def better(loss, losses, training_loss):
        return loss > np.nanmax([-np.inf, *losses])

    return _train(
        train_epoch, validation_loss, max_epochs, better, lambda e, best, _: e - best >= patience
    )


def nan_counts_as_better(train_epoch, validation_loss, max_epochs, patience):
    """NaN is taken for the lowest loss in yours: no comparison with NaN is true, so `not loss >=
    best` lets it pass, and `np.argmin` finds it first. It is no improvement."""
    best_loss, best_weights, best_epoch = np.inf, [], 0
    for epoch in range(1, max_epochs + 1):
        weights, _ = train_epoch()
        loss = validation_loss()
        if not loss >= best_loss:
            best_loss, best_epoch = loss, epoch
            best_weights = [array.copy() for array in weights]
        elif epoch - best_epoch == patience:
            break
    return best_weights, best_epoch


def one_epoch_too_patient(train_epoch, validation_loss, max_epochs, patience):
    """You stop one epoch late: after patience + 1 epochs that were no better. Look at the counter
    after it has been raised, with >=."""
    return _train(
        train_epoch, validation_loss, max_epochs, _lower, lambda e, best, _: e - best > patience
    )


def best_epoch_counted_as_waiting(train_epoch, validation_loss, max_epochs, patience):
    """You stop one epoch early: the best epoch is counted among those that were no better. The
    waiting begins after it, at 0."""
    return _train(
        train_epoch,
        validation_loss,
        max_epochs,
        _lower,
        lambda e, best, _: e - best + 1 >= patience,
    )


def trained_to_the_end(train_epoch, validation_loss, max_epochs, patience):
    """You train for all the epochs, and nothing stops when it no longer helps. Stop after
    `patience` epochs in a row that were no better."""
    return _train(train_epoch, validation_loss, max_epochs, _lower, lambda e, best, losses: False)


def epochs_counted_from_zero(train_epoch, validation_loss, max_epochs, patience):
    """You count the epochs from 0. The first one is number 1 here."""
    weights, epoch = train_with_validation(train_epoch, validation_loss, max_epochs, patience)
    return weights, epoch - 1


class Training:
    """A training whose losses are known in advance, and whose weights grow with each epoch."""

    def __init__(self, losses: list, *shapes: tuple) -> None:
        self.losses = losses
        self.weights = [np.zeros(shape) for shape in shapes]
        self.after = []  # each epoch, copies of the weights

    def train_epoch(self) -> tuple:
        for number, array in enumerate(self.weights, start=1):
            array += 0.5 * number + np.arange(array.size).reshape(array.shape)
        self.after.append([array.copy() for array in self.weights])
        return self.weights, 1 / len(self.after)

    def validation_loss(self) -> float:
        return self.losses[len(self.after) - 1]


def observe(answer, train_epoch, validation_loss, max_epochs, patience):
    """How long it trained, and of which epoch the weights are: they may be copies, or the model's
    own with the old numbers back in them."""
    training = train_epoch.__self__
    result = answer(train_epoch, validation_loss, max_epochs, patience)
    if not isinstance(result, tuple | list) or len(result) != 2:
        return {"weights and an epoch are returned": False}
    weights, epoch = result
    if not isinstance(weights, tuple | list) or len(weights) != len(training.weights):
        return {"as many weight arrays as the model has are returned": False}
    found = [
        number
        for number, arrays in enumerate(training.after, start=1)
        if all(np.array_equal(a, b) for a, b in zip(arrays, weights, strict=True))
    ]
    of_epoch = found[0] if found else 0
    best = int(np.nanargmin(training.losses[: len(training.after)])) + 1
    seen = {
        "epochs trained": len(training.after),
        "the epoch returned": epoch,
        "the weights returned are those after epoch": of_epoch,
    }
    own = any(a is b for a in weights for b in training.weights)
    if own and weights is not training.weights and of_epoch != best:
        seen["the list is new, and the arrays are the model's own"] = True
    return seen


def cases(rng):
    def case(note, losses, max_epochs, patience, *shapes):
        training = Training(losses, *shapes or [(1,)])
        return Case(note, (training.train_epoch, training.validation_loss, max_epochs, patience))

    losses = [0.9, 0.6, 0.4, 0.5, 0.7, 0.3]
    text = ", ".join(map(str, losses))
    yield case(f"validation losses {text}; a weight grows by 0.5 each epoch", losses, 6, 2)
    yield case("the same with more patience", losses, 6, 3)
    yield case("the last epoch is the best", losses[:3], 3, 2)
    yield case("one epoch", [0.8], 1, 1)
    yield case("the first epoch is the best", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 6, 3)
    yield case("patience of one", [0.9, 0.5, 0.6, 0.4, 0.3], 5, 1)
    yield case("equal losses", [0.9, 0.5, 0.7, 0.5, 0.5, 0.4, 0.3], 7, 4)
    yield case("equal losses to the end", [0.5, 0.5, 0.5, 0.5], 4, 2)
    yield case("a bumpy curve", [0.9, 0.95, 0.8, 0.85, 0.7, 0.75, 0.6, 0.62, 0.61, 0.64], 10, 3)
    yield case("epochs that went wrong", [0.9, math.nan, 0.7, math.nan, 0.8, 0.75, 0.6], 7, 3)
    yield case("NaN to the end", [0.9, 0.8, math.nan, math.nan, math.nan], 5, 4)
    for epochs, patience, shapes in ((15, 3, [(2, 3), (3,)]), (31, 5, [(4,), (), (3, 1, 2)])):
        slope = np.abs(np.arange(epochs) - epochs / 2) / epochs
        losses = np.round(slope + rng.normal(0, 0.08, epochs), 2).tolist()
        yield case(f"{epochs} random losses", losses, epochs, patience, *shapes)


DRILL = Drill(
    reference=train_with_validation,
    cases=cases,
    observe=observe,
    given=as_given,
    alternatives=(with_a_log_of_all_epochs, restored_into_the_model),
    mistakes=(
        as_given,
        only_the_list_copied,
        weights_of_the_epoch_before,
        weights_of_the_epoch_after,
        judged_by_the_training_loss,
        waiting_never_starts_again,
        compared_with_the_epoch_before,
        equal_loss_counts_as_better,
        highest_loss_kept,
        nan_counts_as_better,
        one_epoch_too_patient,
        best_epoch_counted_as_waiting,
        trained_to_the_end,
        epochs_counted_from_zero,
    ),
    hints=(
        "Print the first number of `best_weights` at the end of every epoch. When does it change, "
        "and when should it?",
        "An assignment gives an object a second name. Who else holds the arrays that the list "
        "holds, and what does train_epoch do with them?",
        "best_weights = [array.copy() for array in weights], at the moment when the loss is lower; "
        "the rest of the code is right.",
    ),
    explanation=(
        "The number of the best epoch is right and its weights are the last ones: training in "
        "place has no past unless somebody copies it. A copy of the list is not enough, for it "
        "holds the same arrays; in PyTorch it is `state_dict()`, whose tensors are the model's "
        "own, and in Keras `get_weights()` copies while `model.weights` does not. A loop without "
        "any validation, as in many articles, keeps the last weights by design, and over-fits "
        "unseen. Asked next: Keras's `EarlyStopping`? `restore_best_weights` is False by default, "
        "so it stops, and keeps the last. And is the lowest validation loss an honest estimate? "
        "It was chosen for being low: report the test set."
    ),
    difficulty=2,
    taught_in="01_training_pipeline, section 6",
)
