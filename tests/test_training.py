"""The training loop, its checkpoints and its display."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
import tensorflow as tf
import training_worker
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from nbclient import NotebookClient

from helpers import checkpoints
from helpers.checkpoints import CheckpointFolder
from helpers.progress import History, Progress
from helpers.training import Trainer

CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RNG = np.random.default_rng(3)
FEATURES = RNG.normal(size=(30, 4)).astype("float32")
LABELS = (FEATURES[:, 0] > FEATURES[:, 1]).astype("int32")
WEIGHTS = RNG.uniform(0.0, 3.0, 30).astype("float32")


def dataset(*arrays, batch=10) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch)


def batches(epoch: int) -> tf.data.Dataset:
    data = tf.data.Dataset.from_tensor_slices((FEATURES, LABELS)).shuffle(30, seed=epoch)
    return data.batch(8)  # the last batch of an epoch has 6


def dense_model(dropout=0.0, seed=1, dtype=None, units=8) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units, "tanh", kernel_regularizer=keras.regularizers.L2(0.1)),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(2),
        ]
        if dtype is None
        else [keras.Input((4,)), keras.layers.Dense(2, dtype=dtype)]
    )


def trainer(model=None, optimizer=None, loss=CROSS_ENTROPY, **options) -> Trainer:
    return Trainer(
        model or dense_model(), optimizer or keras.optimizers.Adam(0.02), loss, **options
    )


def flat(model: keras.Model) -> np.ndarray:
    return np.concatenate([weights.ravel() for weights in model.get_weights()])


# The step


@pytest.mark.parametrize("clip_norm", [None, 0.05])
def test_micro_batches_make_the_update_of_the_large_batch(clip_norm):
    """Also with weights that differ and a last micro-batch that is smaller."""
    models = []
    for accumulate, size in [(1, 10), (3, 4)]:  # 4 + 4 + 2 examples
        model = dense_model()
        sgd = keras.optimizers.SGD(0.3, momentum=0.9)
        ours = trainer(model, sgd, accumulate=accumulate, clip_norm=clip_norm)
        data = dataset(FEATURES[:10], LABELS[:10], WEIGHTS[:10], batch=size)
        history = ours.fit(lambda epoch, data=data: data, 6, show=False)
        models.append((flat(model), history.loss))
    np.testing.assert_allclose(models[1][0], models[0][0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(models[1][1], models[0][1], rtol=1e-5)


def test_the_weights_reached_are_those_of_model_fit():
    """Regularisers, Adam and an uneven last batch included."""
    ours, theirs = dense_model(), dense_model()
    trainer(ours).fit(lambda epoch: dataset(FEATURES, LABELS, batch=8), 8, show=False)
    theirs.compile(keras.optimizers.Adam(0.02), CROSS_ENTROPY)
    theirs.fit(dataset(FEATURES, LABELS, batch=8), epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-4, atol=1e-6)


def test_the_mean_is_over_the_weights_of_tokens():
    """As masked language modelling needs it: (batch, tokens) losses, mostly of weight 0."""
    ids = RNG.integers(0, 7, (3, 5))
    weights = np.array([[1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0.5]], "float32")
    model = keras.Sequential([keras.Input((5,), dtype="int32"), keras.layers.Embedding(7, 7)])
    losses = keras.losses.sparse_categorical_crossentropy
    ours = trainer(model, loss=lambda labels, logits: losses(labels, logits, from_logits=True))
    logits = model.get_weights()[0][ids]  # (3, 5, 7)
    log_sums = np.log(np.exp(logits).sum(-1))
    values = log_sums - np.take_along_axis(logits, ids[..., None], -1)[..., 0]
    expected = (weights * values).sum() / weights.sum()
    assert ours.evaluate(dataset(ids, ids, weights, batch=2))["loss"] == pytest.approx(expected)
    history = ours.fit(lambda epoch: dataset(ids, ids, weights), 1, show=False)
    assert history.loss == pytest.approx([expected])


def test_an_update_without_any_weight_changes_nothing():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    before = flat(model)
    for accumulate in (1, 2):
        ours = trainer(model, keras.optimizers.SGD(1.0), accumulate=accumulate)
        ours.fit(lambda epoch: dataset(FEATURES, LABELS, 0 * WEIGHTS), 2, show=False)
        np.testing.assert_array_equal(flat(model), before)


def test_clipping_is_by_the_norm_of_all_gradients_with_repeated_rows_summed():
    """One id thousandfold: the norm of the listed rows is not the norm of the gradient."""
    ids, target = np.full((2, 50), 3), np.full((2, 50), 4)
    moves = {}
    for clip_norm in (None, 1e-3):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((50,), dtype="int32"), keras.layers.Embedding(6, 8), keras.layers.Dense(6)]
        )
        before = flat(model)
        ours = trainer(model, keras.optimizers.SGD(1.0), clip_norm=clip_norm)
        ours.fit(lambda epoch: dataset(ids, target), 1, show=False)
        moves[clip_norm] = flat(model) - before
    assert np.linalg.norm(moves[1e-3]) == pytest.approx(1e-3, rel=1e-3)
    direction = moves[None] / np.linalg.norm(moves[None])
    np.testing.assert_allclose(moves[1e-3], 1e-3 * direction, atol=1e-6)


def test_small_gradients_are_not_clipped():
    plain, clipped = dense_model(), dense_model()
    trainer(plain).fit(batches, 3, show=False)
    trainer(clipped, clip_norm=1e3).fit(batches, 3, show=False)
    np.testing.assert_allclose(flat(clipped), flat(plain), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_float16_scales_the_loss_and_skips_the_step_that_overflows(accumulate):
    model = dense_model(dtype="mixed_float16")
    ours = trainer(model, keras.optimizers.SGD(1.0), accumulate=accumulate, clip_norm=1e-3)
    assert ours.loss_scale == 2.0**15
    ours.loss_scale.assign(2.0**40)
    before = flat(model)
    ours.fit(batches, 1, show=False)
    np.testing.assert_array_equal(flat(model), before)
    assert ours.optimizer.iterations == 0
    assert ours.loss_scale == 2.0**39

    ours.loss_scale.assign(2.0**10)
    ours.good_steps.assign(1998)
    ours.fit(batches, 2, show=False)
    # Clipped after it was scaled back: the other order would clip it far below.
    assert np.linalg.norm(flat(model) - before) == pytest.approx(1e-3, rel=1e-2)
    assert (ours.loss_scale, ours.good_steps) == (2.0**10, 1999)
    ours.fit(batches, 3, show=False)
    assert (ours.loss_scale, ours.good_steps) == (2.0**11, 0)


def test_float16_reaches_nearly_the_weights_of_float32():
    half, full = dense_model(dtype="mixed_float16"), dense_model(dtype="float32")
    for model in (half, full):
        trainer(model, keras.optimizers.SGD(0.1)).fit(batches, 20, show=False)
    np.testing.assert_allclose(flat(half), flat(full), atol=5e-3)
    assert half.outputs[0].dtype == "float16"


def test_the_loss_sees_float32():
    seen = []

    def loss(labels, outputs):
        seen.append(outputs.dtype)
        return CROSS_ENTROPY.call(labels, outputs)

    trainer(dense_model(dtype="mixed_bfloat16"), loss=loss).fit(batches, 1, show=False)
    assert set(seen) == {tf.float32}


@pytest.mark.parametrize(("accumulate", "traces"), [(1, 1), (3, 2)])
def test_uneven_batches_and_new_epochs_are_compiled_once(accumulate, traces):
    """With accumulation there are two programs: one that updates, one that does not."""
    traced = []

    class Watched(Trainer):
        def forward(self, batch, training):
            traced.append(training)
            return super().forward(batch, training)

    ours = Watched(dense_model(), keras.optimizers.Adam(), CROSS_ENTROPY, accumulate=accumulate)
    ours.fit(batches, 12, validation=batches(9), evaluate_every=6, show=False)
    assert ours.epoch > 1
    assert sorted(traced) == [False] + [True] * traces


def test_the_compiled_step_is_the_step_that_one_reads():
    eager, compiled, xla = dense_model(), dense_model(), dense_model()
    by_hand = trainer(eager)
    for batch in batches(0):
        by_hand.train_step(batch)
    trainer(compiled).fit(batches, 4, show=False)
    trainer(xla, jit_compile=True).fit(batches, 4, show=False)
    np.testing.assert_allclose(flat(compiled), flat(eager), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(flat(xla), flat(eager), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}, {"accumulate": 2}])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_the_end_of_an_epoch_changes_nothing(options, dtype):
    """There the compiled step finds no batch: no number may be drawn, no update counted."""
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dropout(0.5), keras.layers.Dense(2, dtype=dtype)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    (seed,) = (v for v in model.variables if "seed" in v.path)
    seeds = [seed.numpy()]
    for size in (4, 1):  # batches in an epoch
        ours = trainer(model, **options)
        ours.fit(lambda epoch, size=size: batches(epoch).take(size), 20, show=False)
        assert ours.optimizer.iterations == 20
        seeds.append(seed.numpy())
    np.testing.assert_array_equal(seeds[2] - seeds[1], seeds[1] - seeds[0])
    assert (seeds[0] != seeds[1]).any()


# Evaluation


def test_evaluate_weighs_loss_and_metrics():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")
    ours = trainer(model, metrics=[accuracy])
    logits = model(FEATURES).numpy()
    values = np.log(np.exp(logits).sum(1)) - logits[np.arange(30), LABELS]
    right = logits.argmax(1) == LABELS
    for _ in range(2):  # nothing is left over from the time before
        results = ours.evaluate(dataset(FEATURES, LABELS, WEIGHTS, batch=7))
        assert results["loss"] == pytest.approx(np.average(values, weights=WEIGHTS), rel=1e-5)
        assert results["accuracy"] == pytest.approx(np.average(right, weights=WEIGHTS), rel=1e-5)
    assert list(results) == ["loss", "accuracy"]


def test_evaluation_does_not_disturb_training():
    alone, watched = dense_model(dropout=0.5), dense_model(dropout=0.5)
    trainer(alone).fit(batches, 9, show=False)
    trainer(watched).fit(batches, 9, validation=batches(0), evaluate_every=2, show=False)
    np.testing.assert_array_equal(flat(watched), flat(alone))


def test_history_says_when_and_what():
    ours = trainer()
    history = ours.fit(batches, 7, validation=batches(0), evaluate_every=3, show=False)
    assert history is ours.history
    assert (len(history.loss), history.steps) == (7, [3, 6, 7])
    assert history.validation["loss"][-1] == pytest.approx(ours.evaluate(batches(0))["loss"])
    assert history.best_step == 7
    assert history.seconds > 0
    assert repr(history) == "<History of 7 updates>"


def test_early_stopping_ends_with_the_best_weights(tmp_path):
    """Validation contradicts training, so the first evaluation is the best."""
    contrary = dataset(FEATURES, 1 - LABELS)
    reference = dense_model()
    trainer(reference).fit(batches, 5, show=False)
    for _ in range(2):  # the second time from the checkpoint: the run is over, and stays so
        model = dense_model()
        ours = trainer(model, checkpoints=tmp_path)
        options = {"evaluate_every": 5, "stop_after": 2, "show": False}
        history = ours.fit(batches, 100, validation=contrary, **options)
        assert (history.steps, history.best_step, len(history.loss)) == ([5, 10, 15], 5, 15)
        np.testing.assert_array_equal(flat(model), flat(reference))


# Going on


def test_two_calls_make_the_run_of_one():
    whole, parts = dense_model(dropout=0.5), dense_model(dropout=0.5)
    trainer(whole, accumulate=3).fit(batches, 9, show=False)
    ours = trainer(parts, accumulate=3)
    ours.fit(batches, 4, show=False)
    history = ours.fit(batches, 9, show=False)
    np.testing.assert_array_equal(flat(parts), flat(whole))
    assert len(history.loss) == 9


def test_half_an_update_left_by_an_interrupt_does_not_count():
    ours = trainer(optimizer=keras.optimizers.SGD(0.1), accumulate=2)

    def interrupted(epoch):
        if epoch == 1:
            raise KeyboardInterrupt
        return batches(epoch).take(3)

    with pytest.raises(KeyboardInterrupt):
        ours.fit(interrupted, 9, show=False)
    assert len(ours.history.loss) == ours.step == 1
    assert ours.sums[0] > 0
    twin = trainer(optimizer=keras.optimizers.SGD(0.1), accumulate=2)
    twin.model.set_weights(ours.model.get_weights())
    twin.epoch = ours.epoch
    assert ours.fit(batches, 4, show=False).loss[1:] == twin.fit(batches, 3, show=False).loss
    assert len(ours.history.loss) == ours.step == 4


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL here")
def test_a_run_killed_again_and_again_reaches_the_same_bytes(tmp_path):
    """Killed inside each stage of writing a checkpoint, and at moments that chance chooses."""
    context = multiprocessing.get_context("forkserver")
    if sys.platform == "linux":  # elsewhere forking after this import is not safe
        context.set_forkserver_preload(["tensorflow", "keras"])

    def start(folder: str, die: str | None = None):
        paths = str(tmp_path / folder), str(tmp_path / f"{folder}.npz")
        process = context.Process(target=training_worker.train, args=(*paths, die))
        process.start()
        return process

    uninterrupted = start("whole")
    for stage in ("write", "fsync", "replace", "delete"):
        process = start("killed", stage)
        process.join(120)
        assert process.exitcode == -signal.SIGKILL, stage
    kills = 0
    for _ in range(3):
        newest = max((tmp_path / "killed").glob("*.checkpoint"))
        process = start("killed")
        while process.is_alive() and max((tmp_path / "killed").glob("*.checkpoint")) == newest:
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.05))
        process.kill()
        process.join(120)
        kills += process.exitcode == -signal.SIGKILL
    assert kills
    for process in (start("killed"), uninterrupted):
        process.join(120)
        assert process.exitcode == 0
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "killed.npz") as killed:
        assert whole["position"][0] == training_worker.STEPS
        assert set(whole) == set(killed)
        for name in whole:
            assert whole[name].tobytes() == killed[name].tobytes(), name
    assert len(list((tmp_path / "killed").iterdir())) == 2


def run(folder, steps=12) -> np.ndarray:
    """The weights and the losses of a run that goes on from what is in `folder`."""
    model = dense_model(dropout=0.4)
    ours = trainer(model, checkpoints=folder)
    history = ours.fit(batches, steps, checkpoint_every=4, show=False)
    return np.concatenate([flat(model), history.loss])


def damage(path, how: str) -> None:
    data = path.read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    path.write_bytes({"empty": b"", "truncated": data[:-1], "altered": flipped}[how])


@pytest.mark.parametrize("how", ["empty", "truncated", "altered"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, how):
    expected = run(tmp_path / "whole")
    run(tmp_path / "damaged", steps=8)
    damage(tmp_path / "damaged" / "step-000000008.checkpoint", how)
    with pytest.warns(UserWarning, match="step-000000008.*going on from step-000000004"):
        reached = run(tmp_path / "damaged")
    np.testing.assert_array_equal(reached, expected)


def test_a_damaged_checkpoint_never_outlives_a_good_one(tmp_path):
    run(tmp_path, steps=8)
    damage(tmp_path / "step-000000008.checkpoint", "altered")
    with pytest.warns(UserWarning, match="damaged"):
        run(tmp_path, steps=6)  # a step between the two
    assert {path.name[-12:] for path in tmp_path.iterdir()} == {"4.checkpoint", "6.checkpoint"}


def test_without_a_whole_checkpoint_it_stops_and_deletes_nothing(tmp_path):
    run(tmp_path, steps=8)
    for path in tmp_path.iterdir():
        damage(path, "truncated")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OSError, match=r"no checkpoint in .* can be read.*nothing was deleted"):
        run(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@contextmanager
def full_disk(monkeypatch, how: str):
    """A disk that takes no more, by a limit of the system or by an error at the last moment."""
    if how == "limit":
        resource = pytest.importorskip("resource")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    else:
        with monkeypatch.context() as patch:

            def no_space(number):
                raise OSError(28, os.strerror(28))

            patch.setattr(checkpoints.os, "fsync", no_space)
            yield


@pytest.mark.parametrize("how", ["limit", "no space"])
def test_a_full_disk_costs_no_older_checkpoint(tmp_path, monkeypatch, how):
    expected = run(tmp_path / "whole")
    run(tmp_path / "full", steps=8)
    before = {path: path.read_bytes() for path in (tmp_path / "full").iterdir()}
    with full_disk(monkeypatch, how), pytest.raises(OSError, match="earlier ones are untouched"):
        run(tmp_path / "full")
    assert {path: path.read_bytes() for path in (tmp_path / "full").iterdir()} == before
    np.testing.assert_array_equal(run(tmp_path / "full"), expected)


def test_a_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="taken"):
        run(tmp_path / "taken")


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [
        (lambda: dense_model(units=9), keras.optimizers.Adam),
        (dense_model, lambda: keras.optimizers.SGD(0.1)),
        (lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), None),
    ],
)
def test_another_models_checkpoint_is_refused(tmp_path, model, optimizer):
    run(tmp_path, steps=4)
    other = model()
    before = flat(other)
    with pytest.raises(ValueError, match=r"of another model or optimizer.*(kernel|iteration)"):
        trainer(other, optimizer and optimizer(), checkpoints=tmp_path).fit(batches, 8, show=False)
    np.testing.assert_array_equal(flat(other), before)


def test_the_loss_scale_is_part_of_a_checkpoint(tmp_path):
    ours = trainer(dense_model(dtype="mixed_float16"), checkpoints=tmp_path)
    ours.loss_scale.assign(2.0**60)
    ours.fit(batches, 3, show=False)
    resumed = trainer(dense_model(dtype="mixed_float16"), checkpoints=tmp_path)
    resumed.fit(batches, 4, show=False)
    assert resumed.loss_scale == 2.0**56


def test_two_checkpoints_are_kept_and_other_files_left_alone(tmp_path):
    (tmp_path / "step-000000099.partial").write_bytes(b"left by a kill")
    (tmp_path / "notes.txt").write_text("mine")
    run(tmp_path, steps=14)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"step-000000012.checkpoint", "step-000000014.checkpoint", "notes.txt"}


NUMBERS = st.sampled_from(["float32", "float16", "bfloat16", "int64", "bool", "uint8"])


@given(st.lists(st.tuples(NUMBERS, arrays_of.array_shapes(min_dims=0, min_side=0)), max_size=5))
def test_a_checkpoint_gives_back_what_it_was_given(tmp_path_factory, kinds):
    folder = CheckpointFolder(tmp_path_factory.mktemp("checkpoints"))
    given = [
        (f"name\n{n}", RNG.integers(0, 2, shape).astype(dtype))
        for n, (dtype, shape) in enumerate(kinds)
    ]
    folder.save(3, {"history": [0.1, 1e-300], "名": None}, given)
    facts, arrays = CheckpointFolder(folder.folder).load()
    assert facts == {"history": [0.1, 1e-300], "名": None}
    for (name, value), (old_name, old) in zip(arrays, given, strict=True):
        assert (name, value.dtype, value.shape) == (old_name, old.dtype, old.shape)
        assert value.tobytes() == old.tobytes()


# What goes wrong


def test_a_loss_that_is_not_a_number_stops_the_run_and_is_not_saved(tmp_path):
    def poisoned(epoch):
        features = FEATURES.copy()
        features[20, 0] = np.nan  # in the fifth batch of 5
        return dataset(features, LABELS, batch=5)

    ours = trainer(checkpoints=tmp_path)
    with pytest.raises(FloatingPointError, match="loss is nan at step 5"):
        ours.fit(poisoned, 10, evaluate_every=100, checkpoint_every=4, show=False)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000004.checkpoint"]


def test_weights_that_are_not_numbers_are_not_saved(tmp_path):
    def infinite_slope(labels, outputs):  # the root of 0: its value is fine, its gradient is not
        return tf.sqrt(tf.reduce_sum(0.0 * outputs, axis=-1))

    ours = trainer(loss=infinite_slope, checkpoints=tmp_path)
    with pytest.raises(FloatingPointError, match="not written"):
        ours.fit(batches, 1, show=False)
    assert not tmp_path.exists() or not list(tmp_path.iterdir())


def test_a_weight_that_no_gradient_reaches_is_named():
    inputs = keras.Input((4,))
    aside = keras.layers.Dense(2, name="aside")(inputs)
    model = keras.Model(inputs, [keras.layers.Dense(2, name="main")(inputs), aside])
    ours = trainer(model, loss=lambda labels, outputs: CROSS_ENTROPY.call(labels, outputs[0]))
    with pytest.raises(ValueError, match=r"no gradient reaches .*aside/kernel.*freeze"):
        ours.fit(batches, 1, show=False)


@pytest.mark.parametrize(
    ("rows", "loss", "message"),
    [
        ((FEATURES, LABELS, WEIGHTS[:, None]), CROSS_ENTROPY, "weights have"),
        ((FEATURES, LABELS), lambda y, x: tf.reduce_mean(x), "a value per example"),
        ((FEATURES,), CROSS_ENTROPY, "a batch must be"),
        ((FEATURES, LABELS, WEIGHTS, WEIGHTS), CROSS_ENTROPY, "a batch must be"),
        ((FEATURES[:0], LABELS[:0]), CROSS_ENTROPY, r"batches\(0\) must hold data"),
    ],
)
def test_batches_of_another_form_are_refused(rows, loss, message):
    with pytest.raises(ValueError, match=message):
        trainer(loss=loss).fit(lambda epoch: dataset(*rows), 1, show=False)


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "accumulate", {"accumulate": 0}),
        (ValueError, "accumulate", {"accumulate": 1.5}),
        (ValueError, "clip_norm", {"clip_norm": 0.0}),
        (ValueError, "clip_norm", {"clip_norm": float("nan")}),
        (TypeError, "loss", {"loss": "mse"}),
        (ValueError, "model", {"model": keras.Sequential([keras.layers.Dense(2)])}),
    ],
)
def test_a_bad_argument_of_the_trainer_is_named(error, message, options):
    with pytest.raises(error, match=message):
        trainer(**options)


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "steps", {"steps": 0}),
        (ValueError, "steps", {"steps": 2.0}),
        (ValueError, "evaluate_every", {"evaluate_every": True}),
        (ValueError, "checkpoint_every", {"checkpoint_every": None}),
        (ValueError, "stop_after", {"stop_after": 0, "validation": batches(0)}),
        (ValueError, "validation", {"stop_after": 1}),
        (TypeError, "batches", {"batches": batches(0)}),
    ],
)
def test_a_bad_argument_of_fit_is_named(error, message, options):
    with pytest.raises(error, match=message):
        trainer().fit(**{"batches": batches, "steps": 1, "show": False} | options)


def test_evaluating_nothing_is_an_error():
    with pytest.raises(ValueError, match="dataset"):
        trainer().evaluate(dataset(FEATURES[:0], LABELS[:0]))


# What it shows


def test_outside_a_notebook_each_evaluation_prints_a_line(capsys):
    trainer().fit(batches, 5, validation=batches(0), evaluate_every=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("   ")[0] for line in lines] == [f"step {n} of 5" for n in (2, 4, 5)]
    assert all("validation loss" in line for line in lines)
    trainer().fit(batches, 5, validation=batches(0), show=False)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_the_curve_is_a_picture_and_pyplot_knows_nothing_of_it():
    import matplotlib.pyplot as plt

    history = History([3.0, 2.0, 1.0], [1, 3], {"loss": [3.0, 2.0], "accuracy": [0.1, 0.2]})
    for with_metrics in (True, False):
        png = Progress(history, 3, "Loss falls", show=True, log_dir=None)._png()
        assert png.startswith(b"\x89PNG")
        if with_metrics:
            wide = png
            del history.validation["accuracy"]
    assert wide[16:20] > png[16:20]  # the widths in the header: two panels, then one
    assert not plt.get_fignums()


NOTEBOOK = """
from helpers.progress import History, Progress

history = History()
with Progress(history, 6, "Loss of a toy run", show=True, log_dir=None) as progress:
    for step in range(6):
        progress.next_drawing = 0.0  # redraw after every step
        progress.add(1.0 / (step + 1))
        if step % 3 == 2:
            progress.evaluated({"loss": 1.0, "accuracy": 0.5})
"""


def test_a_notebook_keeps_one_figure_and_nbval_accepts_it(make_notebook, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(checkpoints.__file__).parents[1]))
    path = make_notebook(NOTEBOOK)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    nbformat.write(notebook, path)
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert output.data["text/plain"] == "Loss of a toy run"
    assert "image/png" in output.data
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval", str(path)]
    nbval = subprocess.run(command, capture_output=True, text=True)
    assert nbval.returncode == 0, nbval.stdout
    assert "1 passed" in nbval.stdout


def test_logs_can_be_read_by_tensorboard(tmp_path):
    ours = trainer()
    options = {"validation": batches(0), "evaluate_every": 2, "show": False}
    history = ours.fit(batches, 3, log_dir=tmp_path, **options)
    (file,) = tmp_path.iterdir()
    logged: dict[str, list] = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            point = event.step, float(tf.make_ndarray(value.tensor))
            logged.setdefault(value.tag, []).append(point)
    assert logged["loss"] == list(enumerate(history.loss, start=1))
    expected = zip(history.steps, np.float32(history.validation["loss"]), strict=True)
    assert logged["validation loss"] == list(expected)
