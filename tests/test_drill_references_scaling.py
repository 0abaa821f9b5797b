"""What the drills on scaling up call right is what Keras and TensorFlow compute."""

import queue
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.drills.judge import judge
from helpers.drills.probes import slope
from helpers.drills.scaling import (
    epoch_metric,
    replica_loss,
    scaled_learning_rate,
    shard_batches,
    synchronised_batch_norm,
)
from helpers.drills.scaling.ring_all_reduce import ring_all_reduce
from helpers.drills.scaling.training_flops import attention_forgotten, training_flops
from helpers.drills.scaling.training_memory import training_memory
from helpers.drills.scaling.unscale_and_step import unscale_and_step

seeds = st.integers(0, 2**32).map(np.random.default_rng)
sizes = st.integers(1, 5)
uneven = st.lists(st.integers(0, 6), min_size=1, max_size=5).filter(any)  # examples on each replica


def close(got, expected, tolerance=1e-10):
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


# ---- ring_all_reduce ---------------------------------------------------------------------------
def ring_of_threads(arrays):
    """Every worker a thread of its own, which knows its number, its array and its mailbox."""
    workers = len(arrays)
    mailboxes = [queue.Queue() for _ in arrays]
    results, sent = [None] * workers, [0] * workers

    def work(r):
        chunks = [chunk.copy() for chunk in np.array_split(arrays[r], workers)]
        for step in range(2 * (workers - 1)):
            finished = step >= workers - 1
            chunk = (r - step) % workers  # r + 1 − (step − (workers − 1)) is the same
            mailboxes[(r + 1) % workers].put(chunks[chunk].copy())
            sent[r] += chunks[chunk].size
            place, message = (r - 1 - step) % workers, mailboxes[r].get(timeout=30)
            chunks[place] = message if finished else chunks[place] + message
        results[r] = np.concatenate(chunks)

    threads = [threading.Thread(target=work, args=(r,)) for r in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, sent


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(1, 20), seeds)
def test_ring_all_reduce_equals_a_ring_of_threads_and_the_sum(workers, n, rng):
    arrays = [*rng.normal(size=(workers, n))]
    results, sent = ring_all_reduce(arrays)
    threads_hold, threads_sent = ring_of_threads(arrays)
    close(results, threads_hold)
    close(results, [np.sum(arrays, axis=0)] * workers)
    assert sent == threads_sent
    assert sum(sent) == 2 * (workers - 1) * n and max(sent) <= 2 * n


# ---- unscale_and_step --------------------------------------------------------------------------
@settings(max_examples=15)
@given(
    st.lists(st.sampled_from(["good", "good", "good", "inf", "nan"]), min_size=1, max_size=8),
    st.integers(1, 3), st.sampled_from([0.05, 2.0, 100.0]), seeds,
)  # fmt: skip
def test_unscale_and_step_equals_keras_with_a_clipped_sgd(keras, steps, interval, limit, rng):
    weights = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (4,))]
    scale, count = 1024.0, 0
    variables = [keras.Variable(w, dtype="float32") for w in weights]
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.25, global_clipnorm=limit), scale, interval
    )
    for kind in steps:
        gradients = [(1000 * rng.normal(size=w.shape)).astype(np.float16) for w in weights]
        if kind != "good":
            gradients[1][2] = float(kind)
        weights, scale, count = unscale_and_step(
            weights, gradients, scale, count, interval, 0.25, limit
        )
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
        for weight, variable in zip(weights, variables, strict=True):
            assert weight.dtype == np.float32
            close(weight, variable.numpy(), 1e-5)
        assert scale == float(optimizer.dynamic_scale)
        assert count == int(optimizer.step_counter)


# ---- training_flops ----------------------------------------------------------------------------
def operations_in_products(graph) -> int:
    """Of all products of matrices in a graph of TensorFlow. Its own profiler does not look whether
    the first factor of a batch of products is transposed, and is too low there."""
    total = 0
    for node in graph.get_operations():
        assert node.type in ("MatMul", "BatchMatMulV2") or "MatMul" not in node.type
        if "MatMul" in node.type:
            transposed = node.get_attr("transpose_a" if node.type == "MatMul" else "adj_x")
            inner = node.inputs[0].shape[-2 if transposed else -1]
            total += 2 * node.outputs[0].shape.num_elements() * inner
    return total


@pytest.mark.parametrize(
    ("batch", "time", "layers", "heads", "head_size", "hidden", "vocabulary_size"),
    [(3, 5, 2, 3, 2, 10, 11), (1, 7, 1, 1, 4, 3, 2), (2, 4, 3, 2, 5, 40, 30)],
)
def test_training_flops_are_those_of_a_gpt_forward_and_backward(
    keras, batch, time, layers, heads, head_size, hidden, vocabulary_size
):
    import tensorflow as tf

    from helpers.transformer import gpt

    width = heads * head_size
    model = gpt(vocabulary_size, layers, width, heads, hidden, max_length=time)

    @tf.function(input_signature=[tf.TensorSpec((batch, time), tf.int32)])
    def forward(token_ids):
        return model(token_ids)

    @tf.function(input_signature=[tf.TensorSpec((batch, time), tf.int32)])
    def step(token_ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(token_ids) ** 2)
        return tape.gradient(loss, model.trainable_variables)

    expected = training_flops(batch, time, layers, width, hidden, vocabulary_size)
    assert operations_in_products(step.get_concrete_function().graph) == expected
    assert 3 * operations_in_products(forward.get_concrete_function().graph) == expected


def test_training_flops_of_gpt_2_and_the_rule_of_thumb():
    sizes = (1, 1024, 12, 768, 3072, 50257)
    assert f"{training_flops(*sizes):.1e}" == "8.7e+11"
    assert f"{6 * 124_439_808 * 1024:.1e}" == "7.6e+11"
    matrices = 12 * (4 * 768**2 + 2 * 768 * 3072) + 768 * 50257
    assert attention_forgotten(*sizes) == 6 * matrices * 1024


# ---- training_memory ---------------------------------------------------------------------------
def test_training_memory_of_the_example_in_the_paper():
    """Rajbhandari and others, figure 1: 7.5 billion weights, 64 cards."""
    gigabytes = [training_memory(7_500_000_000, 64, stage) / 1e9 for stage in range(4)]
    close(gigabytes, [120, 31.4, 16.6, 1.9], 0.02)


@given(st.integers(1, 10**9), st.integers(1, 512))
def test_a_higher_stage_needs_no_more_memory(parameters, cards):
    each = [training_memory(parameters, cards, stage) for stage in range(4)]
    assert each == sorted(each, reverse=True) and each[0] == 16 * parameters
    close(cards * each[3], each[0])
    close([training_memory(parameters, 1, stage) for stage in range(4)], each[0])


def test_training_memory_of_keras_with_adam_and_a_float16_policy(keras):
    """Keras holds the master weights and casts them; weights and gradients of 2 bytes come on top
    while a step is computed."""
    model = keras.Sequential(
        [keras.Input((7,)), keras.layers.Dense(5, dtype="mixed_float16"),
         keras.layers.Dense(3, dtype="mixed_float16")]
    )  # fmt: skip
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    parameters = model.count_params()
    moments = [v for v in optimizer.variables if len(v.shape)]  # not counter and rate
    assert sum(np.prod(v.shape) for v in moments) == 2 * parameters
    assert {str(v.dtype) for v in model.trainable_variables} == {"float32"}
    assert {layer.compute_dtype for layer in model.layers} == {"float16"}
    assert training_memory(parameters, 1, 0) == (2 + 2 + 4 + 2 * 4) * parameters


# ---- scaled_learning_rate ----------------------------------------------------------------------
@settings(max_examples=20)
@given(st.integers(1, 30), st.floats(1e-4, 1), st.integers(1, 64))
def test_scaled_learning_rate_equals_a_warm_up_of_keras(keras, warm_up_steps, base_rate, replicas):
    library = keras.optimizers.schedules.CosineDecay(
        np.array(base_rate), 100, alpha=1.0,  # falls to 1 · the target: not at all
        warmup_target=np.array(replicas * base_rate), warmup_steps=warm_up_steps,
    )  # fmt: skip
    for step in {0, warm_up_steps // 2, warm_up_steps - 1, warm_up_steps, warm_up_steps + 50, 500}:
        got = scaled_learning_rate.scaled_learning_rate(step, base_rate, replicas, warm_up_steps)
        close(got, float(library(step)))


@given(st.integers(0, 30), st.floats(1e-4, 1), st.integers(2, 64))
def test_the_given_schedule_ends_where_it_should_begin(warm_up_steps, base_rate, replicas):
    arguments = base_rate, replicas, warm_up_steps
    assert scaled_learning_rate.as_given(warm_up_steps, *arguments) == base_rate
    if warm_up_steps:
        assert scaled_learning_rate.scaled_learning_rate(0, *arguments) == base_rate


# ---- replica_loss ------------------------------------------------------------------------------
@settings(max_examples=20)
@given(uneven, seeds)
def test_gradients_of_replica_loss_add_up_to_that_of_the_whole_batch(keras, shares, rng):
    import tensorflow as tf

    data, start = [rng.normal(size=(n, 3)) for n in shares], rng.normal(size=3)

    def loss_on(r, w):
        losses = [np.logaddexp(0, x @ w) for x in data]
        return replica_loss.replica_loss(losses)[r]

    summed = sum(slope(lambda w, r=r: loss_on(r, w), start) for r in range(len(shares)))
    w = tf.Variable(start)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.math.softplus(tf.linalg.matvec(np.concatenate(data), w)))
    close(summed, tape.gradient(loss, w), 1e-7)


@settings(max_examples=25)
@given(uneven, seeds)
def test_replica_loss_equals_tensorflows_average_over_the_global_batch(keras, shares, rng):
    import tensorflow as tf

    losses = [rng.exponential(size=n) for n in shares]
    expected = [tf.nn.compute_average_loss(own, global_batch_size=sum(shares)) for own in losses]
    close(replica_loss.replica_loss(losses), expected)


def test_keras_divides_the_mean_of_a_replica_by_the_number_of_replicas(keras, monkeypatch):
    """As the explanation says: right for equal shares only."""
    import tensorflow as tf

    losses = [np.array([1.0, 2.0, 6.0]), np.array([4.0])]
    strategy = SimpleNamespace(num_replicas_in_sync=len(losses))
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: strategy)
    error = keras.losses.MeanAbsoluteError()
    got = [float(error(np.zeros((len(own), 1)), own[:, None])) for own in losses]
    close(got, replica_loss.divided_by_the_replicas(losses))
    assert got != replica_loss.replica_loss(losses)


# ---- shard_batches -----------------------------------------------------------------------------
epochs_of_workers = st.tuples(
    st.integers(1, 60), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99), st.integers(0, 9)
).filter(lambda sizes: sizes[0] >= sizes[1] * sizes[2])


@settings(max_examples=15)
@given(epochs_of_workers)
def test_shard_batches_equals_tf_data(keras, sizes):
    import tensorflow as tf

    examples, batch_size, workers, seed, epoch = sizes
    order = np.random.default_rng([seed, epoch]).permutation(examples)
    whole = tf.data.Dataset.from_tensor_slices(order).batch(workers * batch_size, True)
    for worker in range(workers):
        own = whole.unbatch().shard(workers, worker).batch(batch_size)
        got = shard_batches.shard_batches(examples, batch_size, workers, worker, seed, epoch)
        np.testing.assert_array_equal(got, list(own.as_numpy_iterator()))


@given(epochs_of_workers)
def test_the_workers_share_out_the_batches_of_one_machine(sizes):
    examples, batch_size, workers, *seed_and_epoch = sizes
    shares = [
        shard_batches.shard_batches(examples, batch_size, workers, worker, *seed_and_epoch)
        for worker in range(workers)
    ]
    one = shard_batches.shard_batches(examples, batch_size * workers, 1, 0, *seed_and_epoch)
    together = np.concatenate(shares, axis=1)
    np.testing.assert_array_equal(np.sort(together), np.sort(one))
    assert len(np.unique(together)) == together.size


@given(epochs_of_workers)
def test_the_given_workers_all_read_what_one_reads_alone(sizes):
    """The symptom that the bug hunt names: as many steps as on one worker, and the same rows."""
    examples, batch_size, workers, *rest = sizes
    alone = shard_batches.shard_batches(examples, batch_size, 1, 0, *rest)
    for worker in range(workers):
        got = shard_batches.as_given(examples, batch_size, workers, worker, *rest)
        np.testing.assert_array_equal(got, alone)


# ---- synchronised_batch_norm -------------------------------------------------------------------
@settings(max_examples=20)
@given(uneven, sizes, st.sampled_from([1e-3, 0.5]), seeds)
def test_synchronised_batch_norm_equals_keras_on_the_whole_batch(
    keras, shares, features, epsilon, rng
):
    data = [rng.normal(size=(n, features)) + rng.normal() for n in shares]
    gain, shift = rng.normal(size=(2, features))
    layer = keras.layers.BatchNormalization(epsilon=epsilon)
    layer.build((None, features))
    layer.gamma.assign(gain)
    layer.beta.assign(shift)
    expected = np.asarray(layer(np.concatenate(data), training=True))
    got = synchronised_batch_norm.synchronised_batch_norm(data, gain, shift, epsilon)
    assert [len(y) for y in got] == shares
    close(np.concatenate(got), expected, 1e-8)
    alone = synchronised_batch_norm.as_given(data, gain, shift, epsilon)
    for x, y in zip(data, alone, strict=True):  # the given code: that layer on each replica
        if len(x):
            close(y, np.asarray(layer(x, training=True)), 1e-8)


@given(st.integers(1, 6), sizes, seeds)
def test_the_given_batch_norm_of_single_rows_puts_out_the_shift(replicas, features, rng):
    shares = [rng.normal(size=(1, features)) for _ in range(replicas)]
    gain, shift = rng.normal(size=(2, features))
    close(synchronised_batch_norm.as_given(shares, gain, shift, 1e-3), [[shift]] * replicas)


# ---- epoch_metric ------------------------------------------------------------------------------
@st.composite
def trainings(draw):
    """Epochs of batches of shares, of uneven sizes."""
    rng, replicas = draw(seeds), draw(st.integers(1, 3))
    shares = st.lists(st.integers(0, 5), min_size=replicas, max_size=replicas)
    epochs = st.lists(st.lists(shares, min_size=1, max_size=4).filter(lambda e: np.sum(e) > 0),
                      min_size=1, max_size=4)  # fmt: skip
    return [[[rng.random(n) < 0.6 for n in batch] for batch in epoch] for epoch in draw(epochs)]


@settings(max_examples=20)
@given(trainings())
def test_epoch_metric_equals_a_metric_of_keras_that_is_reset(keras, epochs):
    reset, kept = (keras.metrics.Mean(dtype="float64") for _ in range(2))
    expected, never_reset = [], []
    for batches in epochs:
        reset.reset_state()
        for hits in (hits for replicas in batches for hits in replicas):
            reset.update_state(hits.astype(float))
            kept.update_state(hits.astype(float))
        expected.append(float(reset.result()))
        never_reset.append(float(kept.result()))
    close(epoch_metric.epoch_metric(epochs), expected)
    close(epoch_metric.as_given(epochs), never_reset)


# ---- all ---------------------------------------------------------------------------------------
def test_arguments_changed_in_place_are_noticed():
    """No known mistake of their own: the judge says so for every drill."""

    def all_reduce(arrays):
        results, sent = ring_all_reduce(arrays)
        arrays[0][:] = results[0]
        return results, sent

    def step(weights, gradients, scale, good_steps, growth_interval, learning_rate, limit):
        new, scale, count = unscale_and_step(
            weights, gradients, scale, good_steps, growth_interval, learning_rate, limit
        )
        for old, moved in zip(weights, new, strict=True):
            old[...] = moved
        return weights, scale, count

    for name, answer in (("ring_all_reduce", all_reduce), ("unscale_and_step", step)):
        verdict = judge(name, answer)
        assert verdict.status == "wrong"
        assert "changes its argument" in verdict.message
