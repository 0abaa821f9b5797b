"""What notebook 07 writes by hand: sums over devices, a ring, a timetable, the cost of failures."""

import operator
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_functions import notebook_names

from helpers.drills.scaling.ring_all_reduce import ring_all_reduce

CONSTANTS = {"SIZES", "SIZE", "losses_of_each", "M", "DELTA"}
notebook = notebook_names("07_scaling_up", CONSTANTS)
FEW = settings(max_examples=25, deadline=None)


@FEW
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_ring_sums_and_sends_what_the_drill_does(devices, piece, seed):
    arrays = list(np.random.default_rng(seed).normal(size=(devices, devices * piece)))
    sums, sent = notebook.ring(arrays)
    expected, counted = ring_all_reduce(arrays)
    np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-12)
    assert list(sent) == list(counted) == [2 * (devices - 1) * piece] * devices


@pytest.mark.parametrize(("rows", "devices"), [(7, 2), (2, 3), (9, 3)])
def test_shares_sum_to_the_whole(rows, devices):
    """Also where a device gets nothing."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "tanh")])
    model.add(keras.layers.Dense(3))
    rng = np.random.default_rng(1)
    inputs = tf.constant(rng.normal(size=(rows, 4)), tf.float32)
    labels = tf.constant(rng.integers(0, 3, rows))
    parts = notebook.gradients_of_shares(model, inputs, labels, ["CPU:0"] * devices)
    (whole,) = notebook.gradients_of_shares(model, inputs, labels, ["CPU:0"])
    assert len(parts) == devices
    for ours, theirs in zip(notebook.all_reduce(parts), whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@FEW
@given(st.integers(1, 7), st.integers(1, 12))
def test_the_timetable_can_be_kept_and_idles_as_the_formula_says(stages, micro_batches):
    start = notebook.schedule(stages, micro_batches)
    length = {"F": 1, "B": 2}
    assert len(start) == 2 * stages * micro_batches
    for (stage, kind, i), when in start.items():
        before = (stage - 1, "F", i) if kind == "F" else (stage + 1, "B", i)
        if kind == "B" and stage == stages - 1:
            before = (stage, "F", i)
        if before in start:
            assert when >= start[before] + length[before[1]]
    for stage in range(stages):
        own = sorted((when, key) for key, when in start.items() if key[0] == stage)
        for (first, (_, kind, _)), (second, _) in pairwise(own):
            assert second >= first + length[kind]
        in_flight = np.cumsum([1 if kind == "F" else -1 for _, (_, kind, _) in own])
        assert in_flight.max() <= stages - stage
    idle, _ = notebook.idle(start, stages, micro_batches)
    assert idle == pytest.approx((stages - 1) / (micro_batches + stages - 1))


def test_the_best_interval_is_the_least_of_the_formula():
    best = np.sqrt(2 * notebook.DELTA * notebook.M)
    around = [notebook.formula(best * factor) for factor in (0.9, 1, 1.1)]
    assert min(around) == around[1]
    assert around[1] == pytest.approx(np.sqrt(2 * notebook.DELTA / notebook.M))
    assert notebook.lost_share(best, failures=20_000) == pytest.approx(around[1], rel=0.1)


def test_the_stopwatch_takes_turns_and_keeps_the_fastest():
    calls = []

    def call(name):
        calls.append(name)
        return tf.constant(0)

    fastest = notebook.seconds((call, "a"), (call, "b"), repeat=2)
    assert calls == ["a", "b"] * 3
    assert fastest.shape == (2,) and (fastest > 0).all()


def test_a_fresh_process_gives_what_the_function_gives():
    assert notebook.in_fresh_process(operator.add, 3, 4.5) == 7.5
