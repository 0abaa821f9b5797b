"""Make data/review_classifier.npz, the course's encoder fine-tuned to tell praise from blame.

    python data/make/review_classifier.py

The recipe is that of notebook 01, section 6.4: two epochs over the 11,661 training reviews, about
three minutes on two cores. Notebook 08 serves the result and makes it smaller.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

OUTPUT = ROOT / "data" / "review_classifier.npz"
EPOCHS, TOKENS_PER_BATCH, PEAK = 2, 4_096, 3e-4


def main() -> None:
    from helpers.gpu import setup

    print(setup(seed=0))

    import keras
    import numpy as np

    from helpers.pretraining import load_encoder
    from helpers.reviews import split_reviews
    from helpers.text import bucketed, tokenize
    from helpers.training import Trainer
    from helpers.transformer import classifier

    train, validation, test = split_reviews()
    encoder, tokenizer = load_encoder()
    ids = {part: tokenize(frame.text, tokenizer) for part, frame in
           (("train", train), ("validation", validation), ("test", test))}  # fmt: skip

    def batches(epoch: int):
        return bucketed(ids["train"], train.label, tokens_per_batch=TOKENS_PER_BATCH, seed=epoch)

    steps_per_epoch = sum(1 for _ in batches(0))
    steps = EPOCHS * steps_per_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 10, warmup_target=PEAK, warmup_steps=steps // 10
    )
    trainer = Trainer(
        classifier(encoder),
        keras.optimizers.AdamW(schedule, weight_decay=0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        clip_norm=1.0,
    )
    trainer.fit(
        batches,
        steps,
        validation=bucketed(ids["validation"], validation.label, tokens_per_batch=16_384),
        evaluate_every=steps_per_epoch // 2,
        stop_after=4,
    )
    # Half the bytes, and rounding moves no weight by more than a two-thousandth of itself.
    weights = [weight.astype(np.float16) for weight in trainer.model.get_weights()]
    trainer.model.set_weights(weights)
    print(trainer.evaluate(bucketed(ids["test"], test.label, tokens_per_batch=16_384)))
    np.savez_compressed(OUTPUT, *weights)
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
