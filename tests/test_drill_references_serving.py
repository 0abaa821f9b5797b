"""What the drills on serving call right is what Keras, NumPy and Python's own library compute."""

import math
import statistics
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.drills.serving.distillation_loss import distillation_loss
from helpers.drills.serving.histogram_percentile import histogram_percentile
from helpers.drills.serving.key_value_cache_bytes import key_value_cache_bytes
from helpers.drills.serving.percentile_of_servers import as_given, percentile_of_servers
from helpers.drills.serving.quantise import DRILL, quantise
from helpers.drills.serving.quantised_product import quantised_product
from helpers.drills.serving.request_price import request_price
from helpers.drills.serving.token_budget_batches import token_budget_batches

seeds = st.integers(0, 2**32).map(np.random.default_rng)
sizes = st.integers(1, 6)


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)


# ---- the key-value cache -----------------------------------------------------------------------
@settings(max_examples=6)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), sizes, sizes, sizes)
def test_key_value_cache_bytes_are_those_of_the_decoder(
    keras, layers, key_heads, shared_by, head_size, tokens, texts
):
    from helpers.transformer import Attention, Block, Decoder, FeedForward, gpt_norm

    heads = key_heads * shared_by
    width = heads * head_size
    blocks = [
        Block(Attention(width, heads, key_heads=key_heads), FeedForward(width, 5), gpt_norm)
        for _ in range(layers)
    ]
    cache = Decoder(11, width, blocks).empty_cache(texts, tokens)
    held = sum(np.asarray(array).nbytes for pair in cache for array in pair)  # float64
    assert key_value_cache_bytes(layers, key_heads, head_size, tokens, texts, 8, None) == held


def test_key_value_cache_bytes_of_published_models():
    opt_13b = (40, 40, 128, 1, 1, 2, None)
    assert key_value_cache_bytes(*opt_13b) == 800 * 2**10  # Kwon and others, 2023, section 3
    llama_3_8b = (32, 8, 128, 8192, 1, 2, None)
    assert key_value_cache_bytes(*llama_3_8b) == 2**30
    mistral_7b = (32, 8, 128, 32 * 1024, 1, 2)
    without, with_window = (key_value_cache_bytes(*mistral_7b, w) for w in (None, 4096))
    assert without == 8 * with_window  # Jiang and others, 2023, section 2


# ---- int8 --------------------------------------------------------------------------------------
matrices = st.builds(
    lambda inputs, outputs, spread, rng: (
        rng.normal(size=(inputs, outputs)) * rng.uniform(1, spread, outputs)
    ),
    sizes, sizes, st.sampled_from([1, 1_000]), seeds,
)  # fmt: skip


@settings(max_examples=50)
@given(matrices)
def test_quantise_equals_the_quantiser_of_keras(keras, W):
    """Keras returns the inverse of a step, and by default adds 1e-7 to the maximum."""
    q, scales = quantise(W)
    expected, inverse = keras.quantizers.abs_max_quantize(W, axis=0, epsilon=0.0)
    assert q.dtype == np.int8 and np.array_equal(q, expected)
    close(scales, 1 / np.asarray(inverse)[0])


def test_keras_adds_a_small_number_and_we_do_not(keras):
    W = np.array([[0.0, 1e-7], [0.0, -4e-8]])
    q, inverse = keras.quantizers.abs_max_quantize(W, axis=0)
    assert np.asarray(q).tolist() == [[0, 64], [0, -25]]  # 63.5 and −25.4: half of 127 is used
    close(np.asarray(inverse), [[127e7, 63.5e7]])
    ours, scales = quantise(W)
    assert ours.tolist() == [[0, 127], [0, -51]] and scales[0] == 1


@settings(max_examples=50)
@given(matrices)
def test_quantise_is_off_by_half_a_step_at_most(W):
    q, scales = quantise(W)
    assert np.all(np.abs(q * scales - W) <= scales / 2 * (1 + 1e-9))
    assert np.all(np.abs(q.astype(int)).max(axis=0) == 127)


def test_no_case_of_quantise_lies_half_way():
    """So that both ways to round a half pass, and float32 too."""
    for case in DRILL.make_cases():
        _, scales = quantise(*case.args)
        steps = np.abs(case.args[0] / scales)
        assert np.all(np.abs(steps % 1 - 0.5) > 1e-4), case.note


@settings(max_examples=50)
@given(sizes, st.integers(1, 3_000), sizes, seeds)
def test_quantised_product_equals_the_product_of_what_the_numbers_stand_for(n, k, m, rng):
    x_q, W_q = (rng.integers(-127, 128, shape).astype(np.int8) for shape in ((n, k), (k, m)))
    x_scales, W_scales = rng.uniform(0.001, 1, n), rng.uniform(0.001, 1, m)
    expected = (x_q * x_scales[:, None]) @ (W_q * W_scales)
    got = quantised_product(x_q, x_scales, W_q, W_scales)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-9 * k)
    plain = quantised_product(x_q, np.ones(n), W_q, np.ones(m))
    assert np.array_equal(plain, x_q.astype(object) @ W_q.astype(object)), "the sums are exact"


@pytest.mark.parametrize("seed", range(5))
def test_both_together_are_a_dense_layer_that_keras_has_quantised(keras, seed):
    rng = np.random.default_rng(seed)
    x, W = rng.normal(size=(4, 30)), rng.normal(size=(30, 3))
    layer = keras.layers.Dense(3, use_bias=False)
    layer.build((None, 30))
    layer.kernel.assign(W)
    layer.quantize("int8")
    x_columns, x_scales = quantise(x.T)  # one scale for each token
    got = quantised_product(x_columns.T, x_scales, *quantise(W))
    # Keras adds 1e-7 to each maximum.
    np.testing.assert_allclose(got, layer(x), rtol=1e-5, atol=1e-5)
    assert 0 < np.abs(got - x @ W).max() < 0.2, "near the product of the floats, and not equal"


# ---- distillation ------------------------------------------------------------------------------
@settings(max_examples=50)
@given(sizes, st.integers(2, 7), st.sampled_from([0.7, 1, 2.5, 8]), st.floats(0, 1), seeds)
def test_distillation_loss_is_made_of_two_losses_of_keras(
    keras, batch, classes, temperature, alpha, rng
):
    student, teacher = rng.normal(size=(2, batch, classes))
    labels = rng.integers(0, classes, batch)
    p, s = (keras.ops.softmax(logits / temperature) for logits in (teacher, student))
    soft = keras.losses.KLDivergence()(p, s)
    one_hot = np.eye(classes)[labels]
    hard = keras.losses.CategoricalCrossentropy(from_logits=True)(one_hot, student)
    expected = alpha * temperature**2 * soft + (1 - alpha) * hard
    close(distillation_loss(student, teacher, labels, temperature, alpha), expected)


@given(st.integers(2, 7), seeds)
def test_distillation_at_a_high_temperature_compares_logits(classes, rng):
    """Half the variance of their differences: section 2.1 of the paper."""
    student, teacher = rng.normal(size=(2, 1, classes))
    got = distillation_loss(student, teacher, np.array([0]), 1e4, 1)
    assert got == pytest.approx(np.var(teacher - student) / 2, rel=0.01)


def test_the_gradient_of_distillation_keeps_its_size_when_the_temperature_rises(keras):
    import tensorflow as tf

    student, teacher = np.random.default_rng(0).normal(size=(2, 8, 5))
    norms = []
    for temperature in (20.0, 80.0):
        logits = tf.Variable(student)
        with tf.GradientTape() as tape:
            p, s = (keras.ops.softmax(z / temperature) for z in (teacher, logits))
            loss = keras.losses.KLDivergence()(p, s)
        norms.append(np.linalg.norm(tape.gradient(loss, logits)) * temperature**2)
    assert norms[0] == pytest.approx(norms[1], rel=0.1)


# ---- percentiles -------------------------------------------------------------------------------
percents = st.sampled_from([1, 10, 25, 50, 62.5, 90, 99, 99.9, 100])


@given(st.lists(st.integers(1, 30), min_size=1, max_size=7), percents, seeds)
def test_histogram_percentile_is_a_line_through_the_counts(own, percent, rng):
    """Where no bucket is empty, NumPy's interpolation does it, and goes no further than the last
    finite bound."""
    counts = np.cumsum([*own, rng.integers(0, 9)])
    bounds = np.append(np.cumsum(rng.uniform(0.01, 1, len(own))), np.inf)
    line = np.interp(percent / 100 * counts[-1], [0, *counts[:-1]], [0, *bounds[:-1]])
    close(histogram_percentile(bounds, counts, percent), line)


@given(st.integers(1, 8), st.integers(1, 200), percents, seeds)
def test_histogram_percentile_lies_in_the_bucket_of_the_true_one(buckets, requests, percent, rng):
    bounds = np.append(np.cumsum(rng.uniform(0.05, 1, buckets)), np.inf)
    latencies = np.sort(rng.exponential(size=requests))
    counts = np.array([np.sum(latencies <= bound) for bound in bounds])
    true = latencies[math.ceil(percent / 100 * requests) - 1]
    bucket = int(np.searchsorted(bounds, true))
    got = histogram_percentile(bounds, counts, percent)
    if bucket == buckets:
        assert got == bounds[-2] < true
    else:
        assert (bounds[bucket - 1] if bucket else 0) <= got <= bounds[bucket] * (1 + 1e-12)


def test_histogram_percentile_of_a_published_example():
    """ClickHouse's, of its function that follows Prometheus; it begins with a bucket up to 0."""
    bounds, counts = np.array([0, 0.5, 1, np.inf]), np.array([6, 11, 14, 19])
    assert histogram_percentile(bounds, counts, 50) == pytest.approx(0.35)


servers = st.builds(
    lambda counts, rng: [rng.gamma(2, rng.uniform(0.1, 1), n) for n in counts],
    st.lists(st.integers(1, 40), min_size=2, max_size=5), seeds,
)  # fmt: skip


@settings(max_examples=50)
@given(servers, st.integers(1, 99), seeds)
def test_percentile_of_servers_is_that_of_all_requests(servers, percent, rng):
    together = np.concatenate(servers)
    got = percentile_of_servers(servers, percent)
    close(got, np.percentile(together, percent))
    close(got, statistics.quantiles(together.tolist(), n=100, method="inclusive")[percent - 1])
    rng.shuffle(together)
    dealt = np.split(together, [int(rng.integers(1, len(together)))])  # to two other servers
    close(percentile_of_servers(dealt, percent), got)


def test_percentile_of_servers_has_the_symptom_that_the_bug_hunt_names():
    """Not one request in a hundred is slower: with one slow server too few, or too many."""
    rng = np.random.default_rng(0)
    for requests, more in (((5_000, 5_000, 20), False), ((500, 500, 9_000), True)):
        servers = [rng.gamma(4, size, n) for size, n in zip((1, 1, 9), requests, strict=True)]
        together = np.concatenate(servers)
        right, wrong = (f(servers, 99) for f in (percentile_of_servers, as_given))
        assert np.mean(together > right) == pytest.approx(0.01, rel=0.01)
        share = np.mean(together > wrong)
        assert share > 0.03 if more else share < 0.005


# ---- batches and prices ------------------------------------------------------------------------
@given(st.lists(st.integers(1, 12), max_size=25), st.integers(1, 40), st.integers(1, 6))
def test_token_budget_batches_are_the_greedy_ones(lengths, budget, max_requests):
    """In order, within both limits, and none could have taken the next one's first request: only
    one division is so."""
    if any(length > budget for length in lengths):
        with pytest.raises(ValueError, match="budget"):
            token_budget_batches(lengths, budget, max_requests)
        return

    def allowed(batch):
        padded = np.zeros((len(batch), max(lengths[i] for i in batch)))
        return padded.size <= budget and len(batch) <= max_requests

    batches = token_budget_batches(lengths, budget, max_requests)
    assert [place for batch in batches for place in batch] == list(range(len(lengths)))
    assert all(batch and allowed(batch) for batch in batches)
    for batch, following in pairwise(batches):
        assert not allowed([*batch, following[0]])


whole = st.integers(1, 5_000)


@given(st.integers(1, 50), whole, whole, whole, whole, st.integers(1, 100))
def test_request_price_is_what_a_rented_day_cost(price, n_in, n_out, prefill, decode, percent):
    """In fractions: the rent of a day, and the requests that its busy seconds were enough for."""
    a_day = 24 * 3600
    served = Fraction(a_day * percent, 100) / (Fraction(n_in, prefill) + Fraction(n_out, decode))
    expected = 1000 * 24 * price / served
    got = request_price(price, n_in, n_out, prefill, decode, percent / 100)
    assert got == pytest.approx(float(expected), rel=1e-12)
