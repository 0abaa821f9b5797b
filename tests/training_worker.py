"""A small training run for `test_training.py`, in a process of its own that may be killed."""

import os
import signal
import warnings

import numpy as np

from helpers import checkpoints

STEPS = 300


def train(folder: str, result: str, die: str | None = None) -> None:
    """Train to the end, or go on from the checkpoint in `folder`, and write the final state.

    Everything that a resumed run could get wrong is in it: shuffled data whose epochs end inside
    an update, dropout, running statistics, a schedule, accumulation, weights kept for the end.

    Args:
        result: the file for the weights, the optimizer's variables and the history.
        die: where in writing the second checkpoint of this process it kills itself: "write"
            (half of the bytes are written), "fsync", "replace" (before the file gets its name),
            "delete" (after that, before old files go).
    """
    import keras
    import tensorflow as tf

    from helpers.training import Trainer

    # A kill may cost the newest checkpoint, but must not leave a damaged one.
    warnings.filterwarnings("error", message="checkpoint damaged")
    _arm(die)
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(70, 6)).astype("float32")
    labels = (features[:, 0] * features[:, 1] > 0).astype("int32")

    def batches(epoch: int) -> tf.data.Dataset:
        data = tf.data.Dataset.from_tensor_slices((features, labels))
        return data.shuffle(70, seed=epoch).batch(4)  # 18 batches, the last of 2

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(32, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(2),
        ]
    )
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, STEPS, warmup_target=0.02, warmup_steps=20
    )
    trainer = Trainer(
        model,
        keras.optimizers.AdamW(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        accumulate=4,
        clip_norm=1.0,
        checkpoints=folder,
    )
    held_out = tf.data.Dataset.from_tensor_slices((features[:20], labels[::-1][:20])).batch(16)
    history = trainer.fit(
        batches,
        STEPS,
        validation=held_out,
        evaluate_every=20,
        checkpoint_every=5,
        stop_after=50,
        show=False,
    )
    arrays = [np.asarray(v) for v in (*model.variables, *trainer.optimizer.variables)]
    arrays += [np.array(history.loss), np.array(history.validation["loss"])]
    np.savez(result, *arrays, position=[trainer.step, trainer.epoch, trainer.batch])


def _arm(die: str | None) -> None:
    """Make the process kill itself at the named point of its second checkpoint."""
    count = 0

    def killing(function, before: bool):
        def wrapped(*arguments):
            nonlocal count
            count += 1
            if not before:
                function(*arguments)
            if count == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            if before:
                function(*arguments)

        return wrapped

    if die in ("fsync", "replace"):
        setattr(checkpoints.os, die, killing(getattr(os, die), before=True))
    elif die == "delete":
        checkpoints.os.replace = killing(os.replace, before=False)
    elif die == "write":
        checkpoints.open = lambda *arguments: _HalfWriter(open(*arguments), killing)


class _HalfWriter:
    """A file whose long writes are cut in half, with a chance to die between the halves."""

    def __init__(self, file, killing):
        self.file = file
        self.flush, self.fileno = file.flush, file.fileno
        self.second_half = killing(file.write, before=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        if len(data) < 100:  # the line with the digest
            self.file.write(data[len(data) // 2 :])
        else:
            self.second_half(data[len(data) // 2 :])
