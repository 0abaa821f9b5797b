"""The course's encoder beside KerasHub's BertBackbone with the same weights: time and memory."""

import pytest
from test_memory_bench import peak_of
from test_training_bench import measured_ratio

TRAIN = """
import sys
from helpers.gpu import setup

setup(seed=0)
sys.path.insert(0, "tests/benchmarks")
from test_transformer_bench import encoders

for work in encoders().get({name!r}, {{}}).values():
    for _ in range(5):
        work()
"""


def encoders(rows: int = 32, length: int = 64) -> dict:
    """For "ours" and "theirs" a forward pass and a training step, compiled, on the same batch and
    from the same weights, those of the encoder that ships."""
    import keras
    import keras_hub
    import tensorflow as tf

    from helpers.data import encoder_path
    from helpers.text import encoder_inputs
    from helpers.transformer import from_keras_hub

    theirs = keras_hub.models.BertBackbone.from_preset(encoder_path())
    theirs.get_layer("pooled_dense").trainable = False  # ours has none
    ids = tf.random.uniform((rows, length), 5, 12_000, tf.int32, seed=0)
    inputs = encoder_inputs(tf.where(tf.range(length) < length - rows // 2, ids, 0))

    def both(encoder, hidden_state_of):
        optimizer = keras.optimizers.Adam(1e-4)
        optimizer.build(encoder.trainable_variables)

        @tf.function
        def forward():
            return hidden_state_of(encoder(inputs, training=False))

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(hidden_state_of(encoder(inputs, training=True)) ** 2)
            optimizer.apply(
                tape.gradient(loss, encoder.trainable_variables), encoder.trainable_variables
            )

        return {"forward": forward, "training step": step}

    return {
        "theirs": both(theirs, lambda outputs: outputs["sequence_output"]),
        "ours": both(from_keras_hub(theirs), lambda outputs: outputs),
    }


@pytest.mark.parametrize("work", ["forward", "training step"])
def test_the_encoder_is_as_fast_as_kerashubs(work):
    functions = encoders()
    ratio = measured_ratio(
        f"encoder, {work}, KerasHub's against ours",
        lambda: [functions["theirs"][work]() for _ in range(10)],
        lambda: [functions["ours"][work]() for _ in range(10)],
        rounds=7,
    )
    assert ratio > 0.9  # as fast, within the noise of a measurement


def test_peak_memory_of_training():
    peaks = {name: peak_of(TRAIN.format(name=name)) for name in ("nothing", "theirs", "ours")}
    theirs, ours = peaks["theirs"] - peaks["nothing"], peaks["ours"] - peaks["nothing"]
    print(
        f"\ntraining an encoder, peak memory above the imports: {theirs:,.0f} MB with KerasHub's, "
        f"{ours:,.0f} MB with ours; {ours / theirs:.2f} of it"
    )
    assert ours < 1.25 * theirs
