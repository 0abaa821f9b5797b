"""The program that a cluster runs: one process of it on each machine, `python -m
helpers.cluster.train`. All do the same, and only who they are differs.

It trains a small classifier of the reviews. What to do stands in the environment, as `run.env`
lists it; who a process is stands there too:

    WORKERS   the addresses of all processes, host:port, with commas; without it there is one
    RANK      which of them this one is, from 0; Slurm calls it SLURM_PROCID, Kubernetes
              JOB_COMPLETION_INDEX

The last line that it prints is a JSON object with the losses and the validation accuracy.
"""

import json
import os
from collections.abc import Mapping

RANKS = ("RANK", "SLURM_PROCID", "JOB_COMPLETION_INDEX")
BUCKETS, WIDTH, LONGEST = 2**14, 16, 200


def place(environment: Mapping[str, str]) -> tuple[list[str], int]:
    """The addresses of all workers, and which of them this process is.

    Raises:
        ValueError: an address has no port or stands there twice, or the rank is none of them.
    """
    workers = [w.strip() for w in environment.get("WORKERS", "").split(",") if w.strip()]
    if wrong := [w for w in workers if not w.rpartition(":")[2].isdigit() or ":" not in w]:
        raise ValueError(f"WORKERS must be host:port with commas between; it has {wrong[0]!r}")
    if len(set(workers)) < len(workers):
        raise ValueError(f"WORKERS names an address twice: {workers}")
    named = [name for name in RANKS if name in environment]
    rank = environment[named[0]] if named else "0"
    if not rank.isdigit() or int(rank) >= max(1, len(workers)):
        name = named[0] if named else "RANK"
        raise ValueError(f"{name} must be from 0 to {max(0, len(workers) - 1)}; it is {rank!r}")
    return workers, int(rank)


def strategy():
    """Over which devices to train: all of all workers, or those of this machine.

    It connects to the other workers and waits for them, so nothing of TensorFlow may run before.
    """
    import tensorflow as tf

    workers, rank = place(os.environ)
    if len(workers) > 1:
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}}
        os.environ["TF_CONFIG"] = json.dumps(task)
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()  # one device


def hashed_pairs(texts):
    """Numbers of the pairs of neighbouring characters (texts, None), from 1 up; 0 is padding."""
    import tensorflow as tf

    # Two marks around it: then a text of one character has pairs too.
    characters = tf.strings.unicode_split(tf.strings.join(["^", texts, "$"]), "UTF-8")
    pairs = tf.strings.ngrams(characters[:, : LONGEST + 1], 2, separator="")
    return 1 + tf.strings.to_hash_bucket_fast(pairs, BUCKETS).to_tensor(-1)


def data(batch: int):
    """The training batches of an epoch, as a function of its number, and those of validation."""
    import tensorflow as tf

    from helpers.reviews import split_reviews

    train, validation, _ = split_reviews()
    pairs, labels = hashed_pairs(train["text"].to_numpy(str)), train["label"].to_numpy("int32")
    everything = tf.data.Dataset.from_tensor_slices((pairs, labels))

    def batches(epoch: int) -> tf.data.Dataset:
        return everything.shuffle(len(labels), seed=epoch).batch(batch)  # the same on each worker

    held_out = hashed_pairs(validation["text"].to_numpy(str)), validation["label"].to_numpy("int32")
    return batches, tf.data.Dataset.from_tensor_slices(held_out).batch(500)


def classifier(seed: int):
    """The mean of the vectors of its pairs, and a linear layer: (texts, pairs) to (texts, 2)."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int64"),
            layers.Embedding(1 + BUCKETS, WIDTH, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    )


def run(settings: Mapping[str, str]) -> dict:
    """Train as `settings` say: from which step this process went on, the losses of all steps, the
    validation accuracy and the number of replicas.

    Raises:
        KeyError, ValueError: a setting is missing, or is not a number where it should be.
    """
    over = strategy()  # before anything else
    import keras

    from helpers.training import Trainer

    steps, batch = int(settings["STEPS"]), int(settings["BATCH"])
    with over.scope():
        model = classifier(int(settings["SEED"]))
        optimizer = keras.optimizers.Adam(float(settings["LEARNING_RATE"]))
    trainer = Trainer(
        model,
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
        checkpoints=settings["CHECKPOINTS"],
        strategy=over,
    )
    trainer.restore()
    began_at = trainer.step
    if began_at:
        print(f"going on from step {began_at}", flush=True)
    batches, validation = data(batch)
    every = int(settings["CHECKPOINT_EVERY"])
    history = trainer.fit(batches, steps, checkpoint_every=every, show=False)
    return {
        "began_at": began_at,
        "losses": history.loss,
        "accuracy": trainer.evaluate(validation)["accuracy"],
        "replicas": over.num_replicas_in_sync,
    }


if __name__ == "__main__":
    print(json.dumps(run(os.environ)), flush=True)
