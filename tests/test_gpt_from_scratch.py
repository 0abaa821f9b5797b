"""What notebook 06 writes by hand: encodings, positions, parts of a block, caches and losses."""

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_functions import notebook_names

from helpers.drills.transformer.bpe_encode import bpe_encode
from helpers.drills.transformer.dpo_loss import dpo_loss
from helpers.drills.transformer.gpt_parameters import gpt_parameters
from helpers.drills.transformer.key_value_cache_step import key_value_cache_step
from helpers.drills.transformer.rotary_embedding import rotary_embedding
from helpers.drills.transformer.sinusoidal_positions import sinusoidal_positions

notebook = notebook_names("06_gpt_from_scratch", {"SIGNS", "layers", "ASKED", "CHANGES"})
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=25, deadline=None)


# ---- byte-pair encoding ------------------------------------------------------------------------
def library(texts: list[str], merges: int) -> tokenizers.Tokenizer:
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.pre_tokenizer = level
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=256 + merges, initial_alphabet=notebook.SIGNS, show_progress=False
    )
    model.train_from_iterator(texts, trainer)
    return model


TEXTS = st.lists(st.text(alphabet="abc 山月é🙂", min_size=1, max_size=12), min_size=1, max_size=8)


@FEW
@given(TEXTS, st.text(max_size=20))
def test_encoding_is_the_librarys_with_our_merges(texts, text):
    ranks = notebook.train_bpe(texts, 12)
    merges = list(ranks)
    numbers = {sign: number for number, sign in enumerate(notebook.SIGNS)}
    for left, right in merges:
        numbers.setdefault(left + right, len(numbers))
    model = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=numbers, merges=merges))
    level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.pre_tokenizer = level
    symbols = notebook.encode_bpe(text, ranks)
    assert list(symbols) == model.encode(text).tokens
    assert "".join(symbols) == "".join(notebook.signs(text))
    assert list(symbols) == bpe_encode("".join(notebook.signs(text)), ranks)


def test_training_is_the_librarys():
    rng = np.random.default_rng(0)
    kinds = ["".join(rng.choice([*"abcdef山月水云"], rng.integers(2, 7))) for _ in range(60)]
    texts = [str(text) for text in rng.choice(kinds, 500)]
    ranks, model = notebook.train_bpe(texts, 40), library(texts, 40)
    for text in kinds:
        assert list(notebook.encode_bpe(text, ranks)) == model.encode(text).tokens


def test_training_stops_where_no_pair_is_left():
    texts = ["abc", "山", "abc", "é"]
    ranks, model = notebook.train_bpe(texts, 40), library(texts, 40)
    assert len(ranks) == 2 + 2 + 1  # each text has become one symbol
    for text in texts:
        assert list(notebook.encode_bpe(text, ranks)) == model.encode(text).tokens
        assert len(model.encode(text).tokens) == 1
    assert notebook.train_bpe([], 40) == notebook.train_bpe(["a", ""], 40) == {}


def test_the_signs_are_gpt_2s():
    assert sorted(notebook.SIGNS) == sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    assert notebook.SIGNS[ord(" ")] == "Ġ" and notebook.SIGNS[ord("\n")] == "Ċ"


# ---- positions and parts -----------------------------------------------------------------------
@given(st.integers(1, 40), st.integers(1, 8))
def test_sinusoidal_is_the_drills_in_another_order(length, half):
    ours, drills = notebook.sinusoidal(length, 2 * half), sinusoidal_positions(length, 2 * half)
    np.testing.assert_allclose(ours[:, :half], drills[:, 0::2], atol=1e-12)
    np.testing.assert_allclose(ours[:, half:], drills[:, 1::2], atol=1e-12)


@FEW
@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 300), SEEDS)
def test_rotary_equals_kerashub_and_the_drill(keras, half, time, start, seed):
    import keras_hub

    x = np.random.default_rng(seed).normal(size=(2, 3, time, 2 * half))
    ours = notebook.rotary(x, start)
    theirs = keras_hub.layers.RotaryEmbedding(sequence_axis=2)(x, start_index=start)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    drills = rotary_embedding(x.swapaxes(1, 2)[..., pairs_apart(half)], start + np.arange(time))
    drills = drills[..., np.argsort(pairs_apart(half))].swapaxes(1, 2)
    np.testing.assert_allclose(ours, drills, atol=1e-4)


def pairs_apart(half: int) -> np.ndarray:
    """Where the numbers i and i + half go, so that they stand side by side."""
    return np.stack([np.arange(half), half + np.arange(half)], axis=1).ravel()


@FEW
@given(st.integers(1, 12), SEEDS)
def test_rms_norm_equals_keras(keras, width, seed):
    x = np.random.default_rng(seed).normal(size=(2, 3, width))
    ours, theirs = notebook.RMSNorm(), keras.layers.RMSNormalization(epsilon=1e-6)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


@given(*[st.integers(1, 60)] * 4)
def test_parameters_are_the_drills(vocabulary, depth, width, places):
    expected = gpt_parameters(vocabulary, places, depth, width, 4 * width)
    assert notebook.gpt_parameters(vocabulary, depth, width, places) == expected


# ---- the cache ---------------------------------------------------------------------------------
@FEW
@given(st.integers(1, 7), st.integers(1, 5), SEEDS)
def test_one_by_one_equals_all_at_once(time, size, seed):
    query, key, value = np.random.default_rng(seed).normal(size=(3, time, size))
    expected, weights = notebook.attend(query, key, value, np.tri(time, dtype=bool))
    assert (weights[~np.tri(time, dtype=bool)] == 0).all()
    keys, values = np.full((2, time + 2, size), 7.0)  # old numbers, that mean nothing
    for t in range(time):
        got = notebook.cached_step(query[t], key[t], value[t], keys, values, t)
        np.testing.assert_allclose(got, expected[t], atol=1e-12)
        drills, _, _ = key_value_cache_step(
            *(x[None, None, t] for x in (query, key, value)),
            keys[None, None],
            values[None, None],
            t,
        )
        np.testing.assert_allclose(got, drills[0, 0], atol=1e-12)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 70), st.integers(1, 99))
def test_cache_memory(depth, key_heads, size, tokens):
    exact = 2 * depth * key_heads * size * tokens * 2 / 1e6
    assert notebook.cache_megabytes(depth, key_heads, size, tokens) == pytest.approx(exact)


# ---- preferences and laws ----------------------------------------------------------------------
@FEW
@given(st.integers(1, 6), st.floats(0.01, 3), SEEDS)
def test_dpo_is_the_drills(keras, batch, beta, seed):
    logs = -30 * np.random.default_rng(seed).random((4, batch))
    assert float(notebook.dpo_loss(*logs, beta)) == pytest.approx(dpo_loss(*logs, beta), rel=1e-5)


def test_a_law_comes_back_from_its_own_points():
    import pandas as pd

    true = np.array([4.0, 1.2, 0.4, 0.9, 0.5])
    N, D = (x.ravel() for x in np.meshgrid([5e4, 1e5, 2e5, 8e5], [1e5, 2e5, 4e5, 8e5]))
    runs = pd.DataFrame({"parameters": N, "tokens": D})
    runs["loss"] = notebook.predicted_loss(true, N, D)
    np.testing.assert_allclose(notebook.fit(runs), true, rtol=1e-3)


# ---- the recorded runs -------------------------------------------------------------------------
def test_every_experiment_was_run_with_three_seeds():
    from helpers.data import load_gpt_runs

    runs = load_gpt_runs()
    assert not runs.duplicated(["experiment", "contender", "seed", "measure"]).any()
    for (experiment, *_), values in runs.groupby(["experiment", "contender", "measure"]):
        assert sorted(values.seed) == ([0] if experiment == "sweep, 20 s" else [0, 1, 2])
    contenders = runs.groupby("experiment").contender.unique().map(set)
    assert contenders["race, 20 s"] == {"GPT", "LSTM"}
    assert contenders["positions"] == {"none", "sinusoidal", "learned", "rotary"}
    assert contenders["parts"] == set(notebook.CHANGES)


def test_the_race_was_run_at_equal_size():
    from helpers.data import load_gpt_runs

    runs = load_gpt_runs()
    sizes = runs[runs.measure == "parameters"].set_index("contender").value
    assert sizes.max() / sizes.min() < 1.005
    assert set(sizes["GPT"]) == {notebook.gpt_parameters(3_056, 3, 128, 65)}


def test_the_race_was_run_with_the_best_setting_of_the_sweep():
    from helpers.data import load_gpt_runs

    runs = load_gpt_runs()
    table = runs.pivot(
        index=["experiment", "contender", "seed"], columns="measure", values="value"
    ).reset_index()
    sweep = table[table.experiment == "sweep, 20 s"].set_index("contender")
    assert sweep.groupby(sweep.index.str.split(", ").str[0]).size().to_dict() == {
        "GPT": 12,
        "LSTM": 12,
    }
    for row in table[table.experiment == "race, 20 s"].itertuples():
        best = sweep.bits[sweep.index.str.startswith(row.contender)].idxmin()
        _, characters, rate = best.split(", ")
        assert row.rate == float(rate) and row.updates == sweep.updates[best]
        assert row.characters == row.updates * int(characters)


def test_the_grid_is_whole_and_its_sizes_are_on_paper():
    from helpers.data import load_scaling_runs

    runs = load_scaling_runs()
    grid = runs[runs.role == "grid"]
    assert (grid.groupby(["width", "asked"]).seed.apply(sorted).map(tuple) == (0, 1, 2)).all()
    assert len(grid) == 3 * grid.width.nunique() * grid.asked.nunique()
    for row in runs.itertuples():
        assert row.parameters == notebook.gpt_parameters(3_056, 2, row.width, 65)
        assert 0 <= row.asked - row.tokens < 512
    larger = runs[runs.role == "larger"]
    assert sorted(larger.seed) == [0, 1, 2]
    assert larger.parameters.min() > grid.parameters.max()
    assert larger.tokens.min() > grid.tokens.max()
