"""What notebook 04 gains over TensorFlow's tutorial on DCGAN in as many seconds."""

import runpy
from pathlib import Path

import keras
import tensorflow as tf
from notebook_functions import notebook_names

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 90
layers = keras.layers


def tutorial(notebook, seed: int):
    """The step and the samples of "Deep convolutional generative adversarial network": its layers,
    its noise of 100 numbers, its two Adams of 1e-4, compiled as there; batches of 256 come later.
    """
    keras.utils.set_random_seed(seed)

    def up(channels: int, stride: int) -> list[keras.Layer]:
        convolution = layers.Conv2DTranspose(channels, 5, stride, "same", use_bias=False)
        return [convolution, layers.BatchNormalization(), layers.LeakyReLU()]

    start = [layers.Dense(7 * 7 * 256, use_bias=False), layers.BatchNormalization()]
    start += [layers.LeakyReLU(), layers.Reshape((7, 7, 256))]
    last = layers.Conv2DTranspose(1, 5, 2, "same", use_bias=False, activation="tanh")
    generator = keras.Sequential([keras.Input((100,)), *start, *up(128, 1), *up(64, 2), last])

    def down(channels: int) -> list[keras.Layer]:
        convolution = layers.Conv2D(channels, 5, 2, "same")
        return [convolution, layers.LeakyReLU(), layers.Dropout(0.3)]

    top = [layers.Flatten(), layers.Dense(1)]
    discriminator = keras.Sequential([keras.Input((28, 28, 1)), *down(64), *down(128), *top])
    networks = discriminator, generator
    optimizers = [keras.optimizers.Adam(1e-4) for _ in networks]
    for optimizer, network in zip(optimizers, networks, strict=True):
        optimizer.build(network.trainable_variables)

    def step(real, labels):
        with tf.GradientTape() as d_tape, tf.GradientTape() as g_tape:
            fake = generator(tf.random.normal((len(real), 100)), training=True)
            logits = discriminator(real, training=True), discriminator(fake, training=True)
            losses = notebook.game_losses("non-saturating", *logits)
        for which, tape in enumerate((d_tape, g_tape)):
            weights = networks[which].trainable_variables
            optimizers[which].apply(tape.gradient(losses[which], weights), weights)
        return {"discriminator": losses[0], "generator": losses[1]}

    return step, generator


def test_frechet_distance_against_the_tutorials():
    constants = runpy.run_path(str(ROOT / "data" / "make" / "gan_runs.py"))["CONSTANTS"]
    notebook = notebook_names("04_generative_adversarial_networks", set(constants.split()))
    distances, steps = {}, {}
    for name, batch in {"tutorial": 256, "ours": 32}.items():
        if name == "tutorial":
            step, generator = tutorial(notebook, seed=0)
        else:
            *_, step, generator = notebook.new_gan(seed=0)
        data = notebook.batches_of(notebook.real, notebook.train_labels, batch, seed=0)
        history = notebook.train(step, data, SECONDS)
        steps[name] = int(history.step.iloc[-1])
        scores = notebook.scores(notebook.sample(generator, notebook.n))
        distances[name] = scores["Fréchet distance"]
    ratio = distances["tutorial"] / distances["ours"]
    print(
        f"\nFréchet distance after {SECONDS} s, tutorial over ours: {ratio:.1f} times "
        f"({distances['tutorial']:.0f} after {steps['tutorial']:,} steps, {distances['ours']:.0f} "
        f"after {steps['ours']:,})"
    )
    assert ratio >= 8
