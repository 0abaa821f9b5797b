"""Counts, masks and the masked language model; the encoder that ships, and the way to another."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import kagglehub
import keras
import keras_hub
import numpy as np
import pytest
import requests
import tensorflow as tf

from helpers import gpu, pretraining, reviews, text, training
from helpers.pretraining import (
    cooccurrence_embeddings,
    load_encoder,
    load_masked_lm,
    mask_tokens,
    masked_lm,
    masked_lm_batches,
)
from helpers.text import bucketed, tokenize
from helpers.transformer import Encoder, MaskedLM, paired_weights

ROOT = Path(__file__).resolve().parent.parent
PAD, UNK, CLS, SEP, MASK = range(5)
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SEED = tf.constant([3, 1])


@pytest.fixture(scope="module")
def shipped():
    return load_encoder()


@pytest.fixture(scope="module")
def tokenizer(shipped):
    return shipped[1]


@pytest.fixture(scope="module")
def parts():
    return dict(zip(("train", "validation", "test"), reviews.split_reviews(), strict=True))


@pytest.fixture(scope="module")
def rows():
    """2,000 padded rows of 3 to 60 tokens, all told about 62,000: [CLS] …, here and there [UNK]."""
    generator = np.random.default_rng(0)
    ids = generator.integers(5, 12_000, (2_000, 60))
    ids[generator.random(ids.shape) < 0.02] = UNK
    length = generator.integers(3, 61, (2_000, 1))
    ids[:, 0] = CLS
    ids[np.arange(2_000), length[:, 0] - 1] = SEP
    ids[np.arange(60) >= length] = PAD
    return tf.constant(ids, tf.int32)


@pytest.fixture
def tiny():
    """A tokenizer of 25 tokens."""
    return keras_hub.models.BertTokenizer(
        vocabulary=[*SPECIAL_TOKENS, *"房间很大好差早餐服务态度热情书不错看买"], split_on_cjk=True
    )


def spread(array):
    """Each array as bytes, so that epochs can be compared as a whole."""
    return [array.numpy().tobytes() for array in tf.nest.flatten(array)]


# --- token vectors from counts


def test_tokens_in_the_same_company_get_the_same_vector():
    # 6 and 8 stand between 5 and 7; 10 stands between 9 and 11.
    texts = [[CLS, 5, 6, 7, SEP], [CLS, 5, 8, 7, SEP], [CLS, 9, 10, 11, SEP]]
    vectors = cooccurrence_embeddings(tf.ragged.constant(texts * 3, dtype=tf.int32), 14, 3)
    assert vectors.shape == (14, 3) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors[5:12], axis=1), 1, rtol=1e-5)
    assert not vectors[:5].any()  # special tokens
    assert not vectors[12:].any()  # tokens that never occur
    assert vectors[6] @ vectors[8] > 0.99
    assert vectors[6] @ vectors[10] < 0.5


def test_counts_do_not_cross_from_text_to_text():
    texts = [[5, 6], [7, 8], [9], [6, 5], [8, 7], [9]]
    vectors = cooccurrence_embeddings(tf.ragged.constant(texts, dtype=tf.int32), 10, 2)
    assert not vectors[9].any()  # always alone in its text, whatever is before and after
    assert np.linalg.norm(vectors[5:9], axis=1) == pytest.approx(1)


def test_specials_are_no_company():
    texts = [[CLS, 5, SEP], [CLS, 6, 7, SEP], [UNK, 5, MASK]]
    vectors = cooccurrence_embeddings(tf.ragged.constant(texts, dtype=tf.int32), 8, 2)
    assert not vectors[:6].any()
    assert np.linalg.norm(vectors[6:], axis=1) == pytest.approx(1)


def test_the_window_is_the_largest_distance():
    texts = tf.ragged.constant([[5, UNK, UNK, 6], [7, 8], [8, 7]], dtype=tf.int32)
    assert not cooccurrence_embeddings(texts, 9, 2, window=2)[5:7].any()
    assert cooccurrence_embeddings(texts, 9, 2, window=3)[5:7].any(axis=1).all()


def test_the_same_counts_give_the_same_vectors():
    texts = tf.ragged.constant(
        np.random.default_rng(0).integers(5, 50, (80, 12)).tolist(), dtype=tf.int32
    )
    first = cooccurrence_embeddings(texts, 50, 8)
    np.testing.assert_array_equal(cooccurrence_embeddings(texts, 50, 8), first)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"window": 0}, "window 0 must be 1 or more"),
        ({"width": 0}, "width 0 in the vocabulary size"),
        ({"width": 9}, "width 9 in the vocabulary size"),
        ({"vocabulary_size": 8}, "token_ids holds 8; vocabulary_size is 8"),
    ],
)
def test_counts_refuse(wrong, message):
    texts = tf.ragged.constant([[5, 6], [7, 8]], dtype=tf.int32)
    with pytest.raises(ValueError, match=message):
        cooccurrence_embeddings(**({"token_ids": texts, "vocabulary_size": 9, "width": 2} | wrong))


# --- masks


def test_masks_cover_their_share_of_each_row(tokenizer, rows):
    _, positions, _, real = (part.numpy() for part in mask_tokens(rows, SEED, tokenizer))
    eligible = (rows.numpy() >= 5).sum(axis=1)
    chosen = real.sum(axis=1)
    assert set(np.unique(real)) == {0.0, 1.0}
    assert positions.shape == real.shape == (2_000, 9)  # 15 % of 60
    has_tokens = eligible > 0
    assert (chosen[has_tokens] >= 1).all() and not chosen[~has_tokens].any()
    assert (np.abs(chosen - 0.15 * eligible) <= 0.5001)[chosen > 1].all()
    assert (eligible[has_tokens & (chosen == 1)] <= 10).all()
    assert 0.145 < chosen.sum() / eligible.sum() < 0.165  # short rows choose one, so a little more


def test_masks_fall_on_ordinary_tokens_everywhere(tokenizer, rows):
    _, positions, labels, real = (part.numpy() for part in mask_tokens(rows, SEED, tokenizer))
    assert (labels[real == 1] >= 5).all()  # no padding, [UNK], [CLS], [SEP]
    np.testing.assert_array_equal(
        labels, np.take_along_axis(rows.numpy(), positions, axis=1)
    )  # what stood there
    assert all(len(set(row)) == 9 for row in positions.tolist())
    full = tf.fill([2_000, 20], 7)
    _, positions, _, real = (part.numpy() for part in mask_tokens(full, SEED, tokenizer))
    count = np.bincount(positions[real == 1], minlength=20)
    assert count.sum() == 6_000
    assert (np.abs(count - 300) < 75).all()  # 4.6 standard deviations of a fair draw


def test_masks_hide_four_fifths_and_leave_the_rest_alone(tokenizer, rows):
    masked, positions, labels, real = (part.numpy() for part in mask_tokens(rows, SEED, tokenizer))
    chosen = np.zeros(rows.shape, bool)
    np.put_along_axis(chosen, positions, real == 1, axis=1)
    assert chosen.sum() == real.sum()
    np.testing.assert_array_equal(masked[~chosen], rows.numpy()[~chosen])
    now, before = np.take_along_axis(masked, positions, axis=1)[real == 1], labels[real == 1]
    count = len(now)
    assert count > 8_000
    band = 4 / np.sqrt(count)  # standard deviations are 0.40 and 0.30 of 1 / sqrt(count)
    assert np.mean(now == MASK) == pytest.approx(0.8, abs=0.4 * band)
    assert np.mean(now == before) == pytest.approx(0.1, abs=0.3 * band)
    other = now[(now != MASK) & (now != before)]
    assert len(other) / count == pytest.approx(0.1, abs=0.3 * band)
    assert other.min() >= 5 and other.max() < 12_000
    assert len(set(other)) > 0.9 * len(other)  # from the whole vocabulary
    assert other.mean() == pytest.approx(6_000, abs=4 * 3_464 / np.sqrt(len(other)))


def test_the_seed_is_the_masks(tokenizer, rows):
    first = spread(mask_tokens(rows, SEED, tokenizer))
    assert spread(mask_tokens(rows, SEED, tokenizer)) == first
    for other in ([3, 2], [4, 1], [1, 3]):
        assert spread(mask_tokens(rows, tf.constant(other), tokenizer))[0] != first[0]


def test_a_row_of_one_token_and_a_row_of_none(tokenizer):
    ids = tf.constant([[CLS, 9, SEP, PAD], [CLS, SEP, PAD, PAD]])
    masked, positions, labels, real = (p.numpy() for p in mask_tokens(ids, SEED, tokenizer))
    assert real.tolist() == [[1], [0]]
    assert positions[0] == [1] and labels[0] == [9]
    assert masked[1].tolist() == ids[1].numpy().tolist()


def test_rate_one_chooses_every_ordinary_token(tokenizer, rows):
    _, positions, _, real = (p.numpy() for p in mask_tokens(rows, SEED, tokenizer, rate=1.0))
    chosen = np.zeros(rows.shape, bool)
    np.put_along_axis(chosen, positions, real == 1, axis=1)
    np.testing.assert_array_equal(chosen, rows.numpy() >= 5)


@pytest.mark.parametrize("rate", [0, -0.1, 1.01, float("nan")])
def test_a_rate_out_of_range(tokenizer, rows, rate):
    with pytest.raises(ValueError, match=f"rate must be above 0 and at most 1, not {rate}"):
        mask_tokens(rows, SEED, tokenizer, rate)


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2)])
def test_masks_need_a_matrix(tokenizer, shape):
    with pytest.raises(ValueError, match=r"token_ids must be \(batch, time\)"):
        mask_tokens(tf.fill(shape, 7), SEED, tokenizer)


# --- batches and model


def test_an_epoch_is_the_same_each_time_it_is_asked_for(tokenizer):
    ids = tokenize(["房间很干净，服务员非常热情。", "很好", "早餐太差"] * 30, tokenizer)
    first = spread(list(masked_lm_batches(ids, tokenizer, tokens_per_batch=128)(0)))
    again = masked_lm_batches(ids, tokenizer, tokens_per_batch=128)
    assert spread(list(again(0))) == first
    assert spread(list(again(1))) != first
    assert spread(list(again(0))) == first  # and not another one, the second time
    assert spread(list(again(0).skip(2))) == spread(list(again(0))[2:])  # as resuming does


def test_an_epoch_that_is_kept_for_validation_stays_the_same(tokenizer):
    ids = tokenize(["房间很干净，服务员非常热情。", "很好", "早餐太差"] * 30, tokenizer)
    kept = masked_lm_batches(ids, tokenizer, tokens_per_batch=128)(0)
    first = spread(list(kept))
    assert spread(list(kept)) == first


def test_an_epoch_has_every_text_once_with_masks_of_its_own(tokenizer):
    ids = tf.ragged.constant([[CLS, *[row] * 12, SEP] for row in range(5, 205)], dtype=tf.int32)
    seen, patterns = [], set()
    for inputs, labels, weights in masked_lm_batches(
        ids, tokenizer, tokens_per_batch=280, rate=0.25
    )(0):
        assert labels.shape == weights.shape == inputs["mask_positions"].shape
        assert (weights.numpy().sum(axis=1) == 3).all()  # a quarter of 12
        seen += labels[:, 0].numpy().tolist()
        patterns.add(inputs["mask_positions"].numpy().tobytes())
        assert (inputs["padding_mask"].numpy() == 1).all()
    assert sorted(seen) == list(range(5, 205))
    assert len(patterns) == 10  # batches of 20 rows, no two with the same masks


def test_a_new_model_takes_the_batches(tiny):
    model = masked_lm(tiny, layers=1, width=64, max_length=16)
    assert isinstance(model, MaskedLM)
    ids = tokenize(["房间很大", "早餐很好", "服务态度热情"], tiny, max_length=16)
    dataset = masked_lm_batches(ids, tiny)(0)
    spec, labels, weights = dataset.element_spec
    assert set(spec) == {"token_ids", "segment_ids", "padding_mask", "mask_positions"}
    assert all(part.dtype == tf.int32 and part.shape.rank == 2 for part in spec.values())
    assert labels.dtype == tf.int32 and weights.dtype == tf.float32
    for inputs, labels, weights in dataset:
        logits = model(inputs)
        assert logits.shape == (*labels.shape, tiny.vocabulary_size())
        # Untrained, it knows nothing: the loss is near that of guessing.
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        loss = np.average(losses.numpy(), weights=weights.numpy())
        assert loss == pytest.approx(np.log(tiny.vocabulary_size()), abs=0.7)


def test_the_new_model_is_as_large_as_asked(tiny):
    encoder = masked_lm(tiny, layers=2, width=128, dropout=0.2, max_length=24).encoder
    first, second = encoder.blocks
    assert first.attention.heads == second.attention.heads == 2
    assert first.feed_forward.expand.kernel.shape == (128, 512)
    assert encoder.embeddings.positions.embeddings.shape == (24, 128)
    assert encoder.embeddings.tokens.embeddings.shape == (tiny.vocabulary_size(), 128)
    assert first.dropout.rate == first.attention.dropout.rate == encoder.embeddings.dropout.rate
    assert first.dropout.rate == 0.2


def test_the_model_starts_from_the_vectors_it_is_given(tiny):
    vectors = np.random.default_rng(0).normal(size=(tiny.vocabulary_size(), 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:5] = 0
    encoder = masked_lm(tiny, layers=1, width=64, embeddings=vectors).encoder
    table = encoder.embeddings.tokens.embeddings.numpy()
    np.testing.assert_allclose(table[5:], 0.05 * 8 * vectors[5:], rtol=1e-5, atol=1e-7)
    assert 0.01 < table[:5].std() < 0.03  # no vector: the random start


@pytest.mark.parametrize("shape", [(10, 64), (25, 128), (64, 25)])
def test_vectors_of_another_shape(tiny, shape):
    assert tiny.vocabulary_size() != 10
    with pytest.raises(ValueError, match=r"embeddings has shape .*, not \(\d+, 64\)"):
        masked_lm(tiny, layers=1, width=64, embeddings=np.zeros(shape))


@pytest.mark.parametrize("width", [100, 32])
def test_a_width_that_heads_do_not_divide(tiny, width):
    with pytest.raises(ValueError, match=f"width must be a multiple of 64.*, not {width}"):
        masked_lm(tiny, width=width)


# --- the encoder that ships


def test_the_shipped_encoder_is_what_the_course_says(shipped):
    encoder, tokenizer = shipped
    assert isinstance(encoder, Encoder)
    assert {weight.dtype for weight in encoder.weights} == {"float32"}
    assert {layer.compute_dtype for layer in encoder.layers} == {"float32"}
    assert len(encoder.blocks) == 3
    assert encoder.embeddings.tokens.embeddings.shape == (tokenizer.vocabulary_size(), 192)
    assert tokenizer.vocabulary_size() == 12_000
    assert [tokenizer.id_to_token(i) for i in range(5)] == SPECIAL_TOKENS
    assert len(encoder.trainable_weights) == len(encoder.weights)


def test_the_shipped_tokenizer_uses_words(tokenizer, parts):
    assert tokenizer.split_on_cjk is False
    texts = parts["validation"]["text"][:300]
    ids = tokenize(texts, tokenizer).flat_values.numpy()
    pieces = [tokenizer.id_to_token(int(i)) for i in ids[ids >= 5]]
    assert np.mean([len(piece) > 1 for piece in pieces]) > 0.3
    assert np.mean(ids == UNK) < 0.002
    assert pieces and not any(piece.startswith("##") for piece in pieces)


def test_the_shipped_weights_and_vocabulary_belong_together(tokenizer, parts):
    model, own = load_masked_lm()
    assert own.split_on_cjk is tokenizer.split_on_cjk is False
    ids = tokenize(parts["validation"]["text"][:300], tokenizer)
    total = count = 0
    for inputs, labels, weights in masked_lm_batches(ids, tokenizer)(0):
        losses = keras.losses.sparse_categorical_crossentropy(
            labels, model(inputs), from_logits=True
        )
        total += float(tf.reduce_sum(losses * weights))
        count += float(tf.reduce_sum(weights))
    assert count > 2_000
    assert total / count < 5.6  # untrained, or with another vocabulary: log(12,000) = 9.4 or more


# --- other presets


@pytest.fixture
def folder(tmp_path):
    """A preset of the kind of bert_base_zh: characters, "##", its order of special tokens."""
    vocabulary = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary += [*"房间很大早餐好", "wi", "##fi", "##房", ","]
    tokenizer = keras_hub.models.BertTokenizer(vocabulary=vocabulary, lowercase=True)
    assert tokenizer.split_on_cjk and tokenizer.suffix_indicator == "##"
    encoder = keras_hub.models.BertBackbone(
        vocabulary_size=len(vocabulary),
        num_layers=2,
        num_heads=2,
        hidden_dim=64,
        intermediate_dim=128,
        max_sequence_length=32,
    )
    encoder.save_to_preset(str(tmp_path))
    tokenizer.save_to_preset(str(tmp_path))
    return tmp_path, encoder


def test_another_preset_goes_the_same_way(folder):
    path, saved = folder
    encoder, tokenizer = load_encoder(str(path))
    pairs = list(paired_weights(encoder, saved))
    assert len(pairs) == len(encoder.weights)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours.numpy().ravel(), theirs.numpy().ravel())

    rows = tokenize(["房间很大，Wifi 很好", "早餐差"], tokenizer)
    pieces = [[tokenizer.id_to_token(i) for i in row] for row in rows.to_list()]
    assert pieces == [
        ["[CLS]", *"房间很大", ",", "wi", "##fi", *"很好", "[SEP]"],
        ["[CLS]", *"早餐", "[UNK]", "[SEP]"],
    ]
    ((inputs, labels),) = bucketed(rows, [1, 0])
    assert labels.numpy().tolist() == [1, 0]
    hidden = encoder(inputs)  # (batch, time, width)
    assert hidden.shape == (2, 11, 64)
    np.testing.assert_allclose(hidden, saved(inputs)["sequence_output"], rtol=1e-4, atol=1e-5)
    # Padding is masked: the short text alone has the same hidden states.
    ((alone, _),) = bucketed(rows[1:], [0])
    np.testing.assert_allclose(encoder(alone)[0], hidden[1, :5], rtol=1e-4, atol=1e-5)


def test_a_folder_without_its_files_is_no_network_trouble(folder):
    path, _ = folder
    (path / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json"):
        load_encoder(str(path))


@pytest.mark.parametrize(
    "error", [OSError("no route"), requests.ConnectionError("no route"), TimeoutError("no answer")]
)
def test_offline_is_one_sentence_that_says_what_to_do(monkeypatch, error):
    asked = []

    def model_download(handle, path=None, **settings):
        asked.append(handle)
        raise error

    monkeypatch.setattr(kagglehub, "model_download", model_download)
    with pytest.raises(ConnectionError) as caught:
        load_encoder("bert_base_zh")
    assert asked and "bert_base_zh" in asked[0]
    message = str(caught.value)
    assert type(caught.value) is ConnectionError and caught.value.__cause__ is error
    assert "'bert_base_zh' could not be fetched: connect to a network" in message
    assert "the encoder that ships" in message
    assert "\n" not in message and ". " not in message


def test_the_connection_may_break_between_the_two_parts(monkeypatch):
    def from_preset(preset):
        raise OSError("gone")

    monkeypatch.setattr(
        keras_hub.models.BertBackbone, "from_preset", lambda preset, **settings: object()
    )
    monkeypatch.setattr(keras_hub.models.BertTokenizer, "from_preset", from_preset)
    with pytest.raises(ConnectionError, match="could not be fetched"):
        load_encoder("bert_base_zh")


def test_an_unknown_preset(monkeypatch):
    monkeypatch.setattr(kagglehub, "model_download", None)  # nobody is asked
    with pytest.raises(ValueError, match="bert_base_zhh"):
        load_encoder("bert_base_zhh")


def test_a_preset_of_another_family(tmp_path):
    keras_hub.models.DistilBertBackbone(
        vocabulary_size=10, num_layers=1, num_heads=1, hidden_dim=8, intermediate_dim=8
    ).save_to_preset(str(tmp_path))
    with pytest.raises(ValueError, match="BertBackbone"):
        load_encoder(str(tmp_path))


# --- how the shipped encoder was made


def make_script(monkeypatch):
    spec = importlib.util.spec_from_file_location("make_encoder", ROOT / "data/make/encoder.py")
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(script)
    return script


def test_what_is_saved_is_what_was_trained(monkeypatch, tmp_path, tiny):
    script = make_script(monkeypatch)
    monkeypatch.setattr(script, "OUTPUT", tmp_path / "encoder")
    model = masked_lm(tiny, layers=2, width=64, dropout=0.3, max_length=16)
    for number, weight in enumerate(model.weights):
        weight.assign(np.random.default_rng(number).normal(size=weight.shape))
    history = SimpleNamespace(steps=[2], loss=[3.0, 1.0], validation={"loss": [2.5]})
    script.save(model, tiny, history)
    again, tokenizer = load_masked_lm(str(tmp_path / "encoder"))
    assert tokenizer.get_vocabulary() == tiny.get_vocabulary()
    assert tokenizer.split_on_cjk is False
    for before, after in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(before, after)
    assert again.encoder.blocks[0].dropout.rate == 0.3


def test_pretraining_never_reads_a_held_out_review(monkeypatch, tmp_path, parts):
    """Run data/make/encoder.py with stand-ins, and look at every text that it learns from."""
    learned = {}

    def fit(batches, steps, **settings):
        learned["weights"] = batches(0)
        return SimpleNamespace()

    def cooccurrence(token_ids, size, width):
        learned["vectors"] = token_ids.texts

    script = make_script(monkeypatch)
    vocabulary = SimpleNamespace(vocabulary_size=lambda: 12_000)
    monkeypatch.setattr(sys, "argv", ["encoder.py", "package.tar.gz"])
    monkeypatch.setattr(script, "WORK", tmp_path)
    monkeypatch.setattr(script, "OUTPUT", tmp_path)
    monkeypatch.setattr(script, "save", lambda model, tokenizer, history: None)
    monkeypatch.setattr(script, "newspaper", lambda package: ["报纸"])
    monkeypatch.setattr(
        script, "make_tokenizer", lambda texts, path: learned.update(pieces=texts) or vocabulary
    )
    monkeypatch.setattr(gpu, "setup", lambda **settings: None)
    monkeypatch.setattr(reviews, "split_reviews", lambda: tuple(parts.values()))
    monkeypatch.setattr(
        text,
        "tokenize",
        lambda texts, tokenizer: SimpleNamespace(texts=list(texts), flat_values=np.zeros(1)),
    )
    monkeypatch.setattr(pretraining, "cooccurrence_embeddings", cooccurrence)
    monkeypatch.setattr(
        pretraining, "masked_lm", lambda *a, **k: SimpleNamespace(count_params=lambda: 0)
    )
    monkeypatch.setattr(
        pretraining, "masked_lm_batches", lambda token_ids, tokenizer: lambda epoch: token_ids.texts
    )
    monkeypatch.setattr(training, "Trainer", lambda *a, **k: SimpleNamespace(fit=fit))
    script.main()

    assert set(learned) == {"pieces", "vectors", "weights"}
    for texts in learned.values():
        assert set(texts) == {*parts["train"]["text"], "报纸"}
        assert set(texts).isdisjoint(parts["validation"]["text"])
        assert set(texts).isdisjoint(parts["test"]["text"])
