"""What compiling, our loop and tf.data gain: ratios of times taken in turns, in one process."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from helpers.data import load_reviews
from helpers.reviews import normalise
from helpers.training import Trainer

RNG = np.random.default_rng(0)
CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def measured_ratio(
    name: str, slow: Callable[[], object], fast: Callable[[], object], rounds: int
) -> float:
    """How many times longer `slow` takes, printed: the best of `rounds` turns of each.

    The best, since other work on the machine can only add to a time. The median of the ratios
    within each turn is printed beside it.
    """
    seconds = {slow: [], fast: []}
    for number in range(rounds + 1):
        for function in (slow, fast) if number % 2 else (fast, slow):
            start = time.perf_counter()
            function()
            if number:  # the first turn compiles and fills caches
                seconds[function].append(time.perf_counter() - start)
    slow_seconds, fast_seconds = np.array(seconds[slow]), np.array(seconds[fast])
    ratio = slow_seconds.min() / fast_seconds.min()
    print(
        f"\n{name}: {ratio:.2f} times ({slow_seconds.min():.3f} s and {fast_seconds.min():.3f} s, "
        f"best of {rounds}; median of the ratios {np.median(slow_seconds / fast_seconds):.2f})"
    )
    return ratio


def test_compiled_gan_step_against_the_articles_eager_one():
    """The article's Q4: 28 x 28 images, 100 noise values, layers of 256 units, batches of 32."""
    layers = keras.layers
    generator = keras.Sequential(
        [keras.Input((100,)), layers.Dense(256, "relu"), layers.Dense(784, "tanh")]
    )
    discriminator = keras.Sequential(
        [keras.Input((784,)), layers.Dense(256, "relu"), layers.Dense(1)]
    )
    optimizers = {id(m): keras.optimizers.Adam(1e-4) for m in (generator, discriminator)}
    for model in (generator, discriminator):
        optimizers[id(model)].build(model.trainable_variables)
    binary = tf.nn.sigmoid_cross_entropy_with_logits
    images = tf.constant(RNG.uniform(-1, 1, (32, 784)), tf.float32)

    def step(real):
        noise = tf.random.normal((32, 100))
        with tf.GradientTape() as for_discriminator, tf.GradientTape() as for_generator:
            fake = generator(noise, training=True)
            real_logits = discriminator(real, training=True)
            fake_logits = discriminator(fake, training=True)
            real_loss = tf.reduce_mean(binary(tf.ones_like(real_logits), real_logits))
            fake_loss = tf.reduce_mean(binary(tf.zeros_like(fake_logits), fake_logits))
            discriminator_loss = real_loss + fake_loss
            generator_loss = tf.reduce_mean(binary(tf.ones_like(fake_logits), fake_logits))
        for tape, loss, model in [
            (for_discriminator, discriminator_loss, discriminator),
            (for_generator, generator_loss, generator),
        ]:
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizers[id(model)].apply(gradients, model.trainable_variables)

    compiled = tf.function(step)
    ratio = measured_ratio(
        "GAN step, eager against compiled",
        lambda: [step(images) for _ in range(20)],
        lambda: [compiled(images) for _ in range(20)],
        rounds=15,
    )
    assert ratio >= 5


def small_classifier() -> keras.Model:
    """The discriminator of the article, for ten classes."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((784,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(10)]
    )


def test_our_loop_against_the_articles_eager_loop():
    """The article's Q1 and Q3: a Python loop around an eager step; both feed the same batches."""
    images = RNG.uniform(-1, 1, (3200, 784)).astype("float32")
    labels = RNG.integers(0, 10, 3200)

    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(32).prefetch(2)

    eager, ours = small_classifier(), small_classifier()
    optimizer = keras.optimizers.Adam(1e-4)

    def eager_epoch():
        for inputs, targets in data:
            with tf.GradientTape() as tape:
                loss = CROSS_ENTROPY(targets, eager(inputs, training=True))
            gradients = tape.gradient(loss, eager.trainable_variables)
            optimizer.apply_gradients(zip(gradients, eager.trainable_variables, strict=True))

    trainer = Trainer(ours, keras.optimizers.Adam(1e-4), CROSS_ENTROPY)
    ratio = measured_ratio(
        "the article's eager loop against Trainer.fit",
        eager_epoch,
        lambda: trainer.fit(lambda epoch: data, trainer.step + 100, show=False),
        rounds=15,
    )
    assert ratio >= 5


def small_encoder(tokens: int = 32, width: int = 32) -> keras.Model:
    """One transformer layer over characters, as in the course, and a small one."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    token_ids = keras.Input((tokens,), dtype="int32")
    hidden_state = layers.Embedding(2000, width)(token_ids)  # (batch, tokens, width)
    attention = layers.MultiHeadAttention(4, width // 4, dropout=0.1)
    mixed = attention(hidden_state, hidden_state)
    hidden_state = layers.LayerNormalization()(hidden_state + layers.Dropout(0.1)(mixed))
    inner = layers.Dense(width)(layers.Dense(2 * width, "gelu")(hidden_state))
    hidden_state = layers.LayerNormalization()(hidden_state + layers.Dropout(0.1)(inner))
    logits = layers.Dense(2)(layers.GlobalAveragePooling1D()(hidden_state))
    return keras.Model(token_ids, logits)


def test_our_loop_against_model_fit():
    """An epoch of 240 batches of 16 x 32 tokens, AdamW, no clipping in either."""
    token_ids = RNG.integers(0, 2000, (240 * 16, 32)).astype("int32")
    labels = RNG.integers(0, 2, len(token_ids))

    data = tf.data.Dataset.from_tensor_slices((token_ids, labels))

    def batches(epoch: int) -> tf.data.Dataset:
        return data.shuffle(len(token_ids), seed=epoch).batch(16).prefetch(2)

    ours, theirs = small_encoder(), small_encoder()
    trainer = Trainer(ours, keras.optimizers.AdamW(1e-4), CROSS_ENTROPY)
    theirs.compile(keras.optimizers.AdamW(1e-4), CROSS_ENTROPY)

    def our_epoch():
        # From the start of an epoch, as Model.fit does, and not from the end of the last one.
        trainer.epoch, trainer.batch = trainer.epoch + 1, 0
        trainer.fit(batches, trainer.step + 240, show=False)

    ratio = measured_ratio(
        "Model.fit against Trainer.fit",
        lambda: theirs.fit(batches(0), shuffle=False, verbose=0),
        our_epoch,
        rounds=20,
    )
    assert ratio >= 1


def test_tf_data_against_a_plain_generator():
    """4,000 reviews to padded ids to a compiled step: in Python each time, or once by tf.data."""
    reviews = load_reviews().sample(4000, random_state=0)
    texts, labels = reviews.text.to_list(), reviews.label.to_numpy("int32")
    alphabet = [character for character, _ in Counter("".join(texts)).most_common(1998)]
    ids = {character: number for number, character in enumerate(alphabet, start=2)}
    tokens, size = 64, 32

    def generator() -> Iterator[tuple]:
        for start in range(0, len(texts), size):
            rows = np.zeros((min(size, len(texts) - start), tokens), "int32")
            for row, text in zip(rows, texts[start : start + size], strict=False):
                encoded = [ids.get(character, 1) for character in normalise(text)[:tokens]]
                row[: len(encoded)] = encoded
            yield tf.constant(rows), tf.constant(labels[start : start + size])

    shapes = tf.TensorSpec((None, tokens), tf.int32), tf.TensorSpec((None,), tf.int32)
    data = tf.data.Dataset.from_generator(generator, output_signature=shapes).cache().prefetch(2)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((tokens,), dtype="int32"),
            keras.layers.Embedding(2000, 16),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2),
        ]
    )
    step = tf.function(Trainer(model, keras.optimizers.SGD(0.1), CROSS_ENTROPY).train_step)
    step.get_concrete_function(data.element_spec)
    ratio = measured_ratio(
        "a plain generator against tf.data with its cache",
        lambda: [step(batch) for batch in generator()],
        lambda: [step(batch) for batch in data],
        rounds=40,
    )
    assert ratio > 1
