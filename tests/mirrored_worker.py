"""Training over two devices beside training on one, for `test_cluster.py`.

In a process of its own: a processor can be made to count as two only before TensorFlow starts.
Prints a JSON object: for each case the weights and losses with one device and with two.
"""

import json
import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf

from helpers.training import Trainer

CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration()] * 2)
RNG = np.random.default_rng(0)
IDS = RNG.integers(0, 20, (30, 5))
LABELS = (IDS[:, 0] > IDS[:, 1]).astype("int32")
WEIGHTS = RNG.uniform(0, 2, 30).astype("float32")
CASES = {
    "plain": {},
    "weights": {"weighted": True},
    "clipped": {"clip_norm": 0.05},
    "micro-batches": {"accumulate": 3, "weighted": True},
    "a share without examples": {"size": 29},  # of the last batch, of 1
    "bfloat16": {"dtype": "mixed_bfloat16"},
}


def make(strategy=None, dtype="float32", dropout=0.0, **options) -> Trainer:
    strategy = strategy or tf.distribute.get_strategy()
    keras.utils.set_random_seed(3)
    layers = keras.layers
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((5,), dtype="int32"),
                layers.Embedding(20, 8, dtype=dtype),
                layers.Flatten(),
                layers.Dropout(dropout),
                layers.Dense(6, "tanh", kernel_regularizer=keras.regularizers.L2(0.1), dtype=dtype),
                layers.Dense(2, dtype=dtype),
            ]
        )
        optimizer = keras.optimizers.AdamW(0.02)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    metrics = [keras.metrics.SparseCategoricalAccuracy("accuracy")]
    return Trainer(model, optimizer, loss, metrics=metrics, strategy=strategy, **options)


def batches(size: int, weighted: bool):
    arrays = (IDS, LABELS, WEIGHTS) if weighted else (IDS, LABELS)

    def epoch(number: int) -> tf.data.Dataset:
        data = tf.data.Dataset.from_tensor_slices(arrays).shuffle(30, seed=number)
        return data.batch(size)

    return epoch


def result(trainer: Trainer, steps=11, size=8, weighted=False) -> list[float]:
    data = batches(size, weighted)
    history = trainer.fit(data, steps, validation=data(9), evaluate_every=4, show=False)
    weights = [w.ravel() for w in trainer.model.get_weights()]
    validation = [*history.validation["loss"], *history.validation["accuracy"]]
    return np.concatenate([history.loss, validation, *weights]).tolist()


def main() -> None:
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    report = {}
    for name, case in CASES.items():
        data = {key: case[key] for key in ("size", "weighted") if key in case}
        options = {key: value for key, value in case.items() if key not in data}
        report[name] = [result(make(s, **options), **data) for s in (None, two)]
    with tempfile.TemporaryDirectory() as folder:
        whole = result(make(two, dropout=0.5, checkpoints=folder + "/a"))
        make(two, dropout=0.5, checkpoints=folder + "/b").fit(batches(8, False), 5, show=False)
        resumed = make(two, dropout=0.5, checkpoints=folder + "/b")
        resumed.restore()
        resumed.fit(batches(8, False), 11, show=False)
        final = np.concatenate([w.ravel() for w in resumed.model.get_weights()])
        report["resumed, with dropout"] = [whole[-len(final) :], final.tolist()]
    ended = make(two)  # 44 epochs: where one ends, no update may be counted
    ended.fit(batches(30, False), 44, show=False)
    report["updates"] = [44, int(ended.optimizer.iterations.numpy())]
    for name, wrong in {
        "outside": lambda: Trainer(make().model, keras.optimizers.SGD(), abs, strategy=two),
        "float16": lambda: make(two, dtype="mixed_float16"),
        "xla": lambda: make(two, jit_compile=True),
    }.items():
        try:
            wrong()
        except ValueError as error:
            report[name] = str(error)
    print(json.dumps(report))


if __name__ == "__main__":
    sys.exit(main())
