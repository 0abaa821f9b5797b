"""What notebook 03 gains: over the article's eager loop, and over TensorFlow's tutorial on text."""

import time
from pathlib import Path

import keras
import matplotlib as mpl
import nbformat
import numpy as np
import pytest
import tensorflow as tf
from test_training_bench import measured_ratio

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "03_recurrent_networks.ipynb"
CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def test_compiled_step_against_the_articles_eager_one():
    """The article's Q3: Embedding, LSTM, Dense; the sizes that it leaves open are those of 03."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((100,), dtype="int32"),
            layers.Embedding(2_750, 32),
            layers.LSTM(32),
            layers.Dense(2),
        ]
    )
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    x, y = tf.random.uniform((32, 100), 0, 2_750, tf.int32), tf.zeros(32, tf.int32)

    def step():
        with tf.GradientTape() as tape:
            loss = CROSS_ENTROPY(y, model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables))

    compiled = tf.function(step)
    name = "LSTM step, eager against compiled"
    ratio = measured_ratio(name, lambda: [step() for _ in range(5)],
                           lambda: [compiled() for _ in range(5)], rounds=5)  # fmt: skip
    assert ratio > 2


@pytest.fixture(scope="module")
def poet() -> dict:
    """The names of notebook 03 once its poet is trained, and the seconds that it took."""
    mpl.use("Agg")
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    section = next(n for n, c in enumerate(cells) if c.source.startswith("## 7 A poet"))
    names: dict = {"__name__": "notebook"}
    for number, cell in enumerate(cells):
        # The imports and sizes at the top, then section 7 until the poet can be judged.
        wanted = number > section or "import " in cell.source or "SIZES = " in cell.source
        if cell.cell_type != "code" or not wanted:
            continue
        start = time.perf_counter()
        exec(compile(cell.source, NOTEBOOK.name, "exec"), names)
        if "trainer.fit(" in cell.source:
            names["seconds"] = time.perf_counter() - start
        if "def poet_nll(" in cell.source:
            return names
    raise ValueError("notebook 03 has no cell with def poet_nll(")


def tutorial_after(seconds: float, poet: dict) -> tuple[float, float]:
    """Bits per character on the validation poems, and characters a second, of TensorFlow's tutorial
    "Text generation with an RNN" after so many seconds of training.

    Its model (embedding 256, GRU 1,024), its data (stretches of 100 characters, shuffled, batches
    of 64), its loop (Model.fit with Adam as it comes), on the text of our training poems. It gets
    our numbering of the characters, so that both answer for the same text.
    """
    number_of, rare, end = poet["number_of"], poet["RARE"], poet["END"]

    def numbers(text: str) -> list[int]:
        return [number_of.get(c, rare) if c != "\n" else end for c in text]

    texts = poet["poems"].text
    stream = np.array(numbers("\n".join(texts.iloc[poet["parts"]["train"]])), "int32")
    dataset = (
        tf.data.Dataset.from_tensor_slices(stream)
        .batch(101, drop_remainder=True)
        .map(lambda ids: (ids[:-1], ids[1:]))
        .shuffle(10_000, seed=0)
        .batch(64, drop_remainder=True)
        .repeat()
        .prefetch(tf.data.AUTOTUNE)
    )
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(poet["V"], 256),
            layers.GRU(1024, return_sequences=True),
            layers.Dense(poet["V"]),
        ]
    )
    model.compile("adam", CROSS_ENTROPY)

    class StopAfter(keras.callbacks.Callback):
        batches = 0

        def on_train_batch_end(self, batch, logs=None):
            if self.batches == 0:  # compiling is not counted
                self.start = time.perf_counter()
            self.batches += 1
            self.spent = time.perf_counter() - self.start
            if self.spent > seconds:
                self.model.stop_training = True

    stop = StopAfter()
    model.fit(dataset, steps_per_epoch=10**6, callbacks=[stop], verbose=0)

    def nll(ids: np.ndarray) -> np.ndarray:
        ids = np.c_[np.full(len(ids), end), ids[:, 1:]]  # in the stream a poem follows a line break
        parts = np.array_split(ids, max(1, len(ids) // 50))
        return np.concatenate([CROSS_ENTROPY.call(p[:, 1:], model(p[:, :-1])) for p in parts])

    speed = (stop.batches - 1) * 6_400 / stop.spent
    return poet["bits_per_character"]("validation", nll), speed


def test_poet_against_the_tutorial_at_equal_seconds(poet):
    nll, bits_per_character = poet["poet_nll"], poet["bits_per_character"]
    ours = bits_per_character("validation", nll)
    # The tutorial is not told the form of a poem: two bits for each that we are.
    forms = poet["data"]["validation"].values()
    ours += 2 * sum(map(len, forms)) / sum(len(ids) * (ids.shape[1] - 2) for ids in forms)
    speed = poet["updates"] * 3_072 / poet["seconds"]
    theirs, their_speed = tutorial_after(poet["seconds"], poet)
    print(
        f"\nafter {poet['seconds']:.0f} s of training: poet {ours:.2f} bits a character, "
        f"tutorial {theirs:.2f}; characters a second: {speed:,.0f} and {their_speed:,.0f}, "
        f"{speed / their_speed:.1f} times as many"
    )
    assert ours < theirs
