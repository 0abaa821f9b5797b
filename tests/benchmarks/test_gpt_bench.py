"""What the key-value cache of notebook 06 gains, and what it costs in memory."""

from test_memory_bench import peak_of
from test_training_bench import measured_ratio

WRITE = """
import sys
from helpers.gpu import setup

setup(seed=0)
sys.path.insert(0, "tests/benchmarks")
from test_gpt_bench import writers

write = writers(4, 256)
"""


def writers(batch: int, tokens: int) -> dict:
    """Two functions that write so many tokens greedily with a GPT of 4 million parameters, and give
    them, (batch, tokens): "without" reads the whole text for each, "with" has a cache."""
    import keras
    import numpy as np
    import tensorflow as tf

    from helpers.transformer import gpt

    keras.utils.set_random_seed(0)
    model = gpt(3_056, layers=4, width=256, heads=4, hidden=1_024, max_length=tokens + 1)
    for weight in model.weights:  # far from the start, so that the next token depends on the text
        weight.assign_add(keras.random.normal(weight.shape, stddev=0.1, seed=1))
    start = np.random.default_rng(0).integers(0, 3_056, (batch, 1), "int32")
    spec = tf.TensorSpec((batch, None), tf.int32)

    @tf.function(input_signature=[spec])
    def whole(text):
        return tf.argmax(model(text)[:, -1], axis=-1, output_type=tf.int32)

    @tf.function
    def step(new, cache, place):
        logits, cache = model(new, cache=cache, start=place)
        return tf.argmax(logits[:, -1], axis=-1, output_type=tf.int32), cache

    def without():
        text = tf.constant(start)
        for _ in range(tokens):
            text = tf.concat([text, whole(text)[:, None]], axis=1)
        return text[:, 1:].numpy()

    def with_cache():
        new, cache, text = tf.constant(start), model.empty_cache(batch, tokens), []
        for place in range(tokens):
            new, cache = step(new, cache, tf.constant(place))
            text.append(new)
            new = new[:, None]
        return np.stack(text, axis=1)

    return {"without": without, "with": with_cache}


def test_256_tokens_with_the_cache_against_without():
    both = writers(batch=4, tokens=256)
    same = (both["with"]() == both["without"]()).mean()
    assert same > 0.9  # the same tokens, but for ties that rounding breaks
    ratio = measured_ratio(
        "256 tokens in 4 texts, without a cache against with", both["without"], both["with"], 2
    )
    assert ratio >= 5


def test_peak_memory_of_writing():
    runs = {"nothing": "", "without": 'write["without"]()', "with": 'write["with"]()'}
    peaks = {way: peak_of(WRITE + run) for way, run in runs.items()}
    print(
        f"\n256 tokens in 4 texts: {peaks['without']:,.0f} MB at the peak without a cache, "
        f"{peaks['with']:,.0f} MB with it; the model alone {peaks['nothing']:,.0f} MB"
    )
    assert peaks["with"] < 4_000
