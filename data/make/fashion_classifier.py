"""Make data/fashion_classifier.keras, the small classifier whose features measure generated images.

    python data/make/fashion_classifier.py

It learns from the 20,000 training images of data/fashion_mnist.xz, in about 80 seconds on two
cores. The layer before the last, 64 numbers an image, is called "features". Notebook 04 measures
samples with it, as the field does with Inception: the same fixed features for everybody.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

OUTPUT = ROOT / "data" / "fashion_classifier.keras"
EPOCHS, BATCH, PEAK = 16, 64, 2e-3  # the learning rate falls from its peak to 0 by a cosine


def main() -> None:
    from helpers.gpu import setup

    print(setup(seed=0))

    import keras

    from helpers.data import load_fashion_mnist

    layers = keras.layers

    def block(channels: int) -> list[keras.Layer]:
        convolution = layers.Conv2D(channels, 3, padding="same", activation="relu")
        pool = layers.MaxPooling2D(padding="same")  # 28 → 14 → 7 → 4 pixels
        return [convolution, pool, layers.BatchNormalization()]

    (images, labels), (test_images, test_labels) = load_fashion_mnist()
    images, test_images = (x[..., None] / 127.5 - 1 for x in (images, test_images))
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            # One pixel at most. No mirrored images: shoes point to the left in this data, and the
            # measure should notice if generated ones do not.
            layers.RandomTranslation(1 / 28, 1 / 28, fill_mode="constant", fill_value=-1.0),
            *block(24),
            *block(48),
            *block(64),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(64, activation="relu", name="features"),
            layers.Dropout(0.3),
            layers.Dense(10, name="logits"),
        ],
        name="fashion_classifier",
    )
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(PEAK, steps)
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-3, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    test = test_images, test_labels
    model.fit(images, labels, BATCH, EPOCHS, validation_data=test, verbose=2)
    # A model that was never compiled is saved without the optimizer's state.
    keras.Model(model.inputs, model.outputs, name=model.name).save(OUTPUT)
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size:,} bytes, {model.count_params():,} parameters")


if __name__ == "__main__":
    main()
