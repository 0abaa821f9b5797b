"""From texts to batches: nothing lost, nothing doubled, and little padding."""

from bisect import bisect_left

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from helpers.pretraining import load_encoder
from helpers.text import bucketed, count_pairs, encoder_inputs, join_pair, tokenize

PAD, UNK, CLS, SEP = 0, 1, 2, 3
EDGES = (16, 32, 48, 64, 96)


@pytest.fixture(scope="module")
def tokenizer():
    return load_encoder()[1]


@pytest.fixture(scope="module")
def ragged():
    """1,000 rows of many lengths, short ones more often. Each holds its own number throughout."""
    lengths = np.random.default_rng(0).geometric(0.03, 1_000).clip(3, 128)
    return tf.ragged.constant([[row + 5] * n for row, n in enumerate(lengths)], dtype=tf.int32)


def order(dataset):
    return [labels.numpy().tolist() for _, labels in dataset]


def test_pairs_are_counted_within_words_and_with_their_number():
    assert count_pairs({("a", "b", "b"): 2, ("ab", "b"): 3, ("a",): 9}) == {
        ("a", "b"): 2,
        ("b", "b"): 2,
        ("ab", "b"): 3,
    }


@pytest.mark.parametrize(
    ("text", "pair", "expected"),
    [("aaa", "aa", ("aa", "a")), ("aaaa", "aa", ("aa", "aa")), ("abab", "ab", ("ab", "ab"))],
)
def test_joining_goes_from_left_to_right(text, pair, expected):
    assert join_pair(tuple(text), tuple(pair)) == expected


def test_tokenize_frames_the_tokens_of_each_text(tokenizer):
    texts = ["房间很干净，服务员非常热情。", "很好", ""]
    rows = tokenize(texts, tokenizer)
    assert isinstance(rows, tf.RaggedTensor) and rows.dtype == tf.int32
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id) == (CLS, SEP)
    for text, row in zip(texts, rows.numpy().tolist(), strict=True):
        assert row[0] == CLS and row[-1] == SEP
        tokens = [tokenizer.id_to_token(i) for i in row[1:-1]]
        assert "".join(tokens) == text.replace("，", ",")
    assert rows[2].numpy().tolist() == [CLS, SEP]
    assert 4 <= len(rows[0]) < 2 + len(texts[0])  # words, and no single characters only


def test_tokenize_normalises(tokenizer):
    plain, wide = tokenize(["ABC 123 很好!", " ＡＢＣ\u3000１２３\n很好！"], tokenizer).numpy()
    assert plain.tolist() == wide.tolist()


def test_tokenize_cuts_at_max_length(tokenizer):
    text = "房间很大，早餐很好，服务员态度差。" * 20
    whole = tokenize([text], tokenizer, max_length=1_000)[0].numpy().tolist()
    assert 128 < len(whole) < 1_000
    assert tokenize([text], tokenizer)[0].numpy().tolist() == [*whole[:127], SEP]  # the default
    for length in (3, 10, len(whole) - 1):
        row = tokenize([text], tokenizer, max_length=length)[0].numpy().tolist()
        assert row == [*whole[: length - 1], SEP]
    assert tokenize([text], tokenizer, max_length=len(whole))[0].numpy().tolist() == whole


@pytest.mark.parametrize("length", [30, 31, 33, 34, 60, 61, 300])
def test_a_long_run_of_chinese_is_known(tokenizer, length):
    text = ("房间很干净服务员非常热情下次还来" * 20)[:length]
    row = tokenize([text], tokenizer, max_length=400)[0].numpy()
    assert UNK not in row
    assert "".join(tokenizer.id_to_token(int(i)) for i in row[1:-1]) == text


def test_without_the_cut_a_long_run_is_unknown(tokenizer):
    """The reason for the cut: if this fails, KerasHub no longer needs it."""
    assert list(tokenizer("很" * 34)) == [UNK]
    assert UNK not in list(tokenizer("很" * 33))


def test_tokenize_takes_what_can_be_iterated(tokenizer):
    texts = ["很好", "房间很大"]
    expected = tokenize(texts, tokenizer).to_list()
    assert tokenize(pd.Series(texts, index=[7, 9]), tokenizer).to_list() == expected
    assert tokenize((text for text in texts), tokenizer).to_list() == expected


@pytest.mark.parametrize(
    "texts, error, message",
    [
        ("很好", TypeError, "texts is one string: pass a list"),
        ([], ValueError, "texts is empty"),
        (["很好", None], TypeError, "one of them is None"),
        (["很好", 3, 4], TypeError, "one of them is 3"),
        ([b"ok"], TypeError, "one of them is b'ok'"),
    ],
)
def test_tokenize_refuses(tokenizer, texts, error, message):
    with pytest.raises(error, match=message):
        tokenize(texts, tokenizer)


@pytest.mark.parametrize("length", [2, 0, -1])
def test_tokenize_needs_room_for_a_token(tokenizer, length):
    with pytest.raises(ValueError, match=rf"max_length must be at least 3.*: {length}"):
        tokenize(["很好"], tokenizer, max_length=length)


@pytest.mark.parametrize("seed", [None, 0, 3])
def test_bucketed_gives_every_text_once_with_its_label(ragged, seed):
    rows, seen = ragged.to_list(), []
    for inputs, labels in bucketed(ragged, range(1_000), tokens_per_batch=512, seed=seed):
        assert set(inputs) == {"token_ids", "padding_mask", "segment_ids"}
        assert {array.dtype for array in (*inputs.values(), labels)} == {tf.int32}
        assert {array.shape for array in inputs.values()} == {inputs["token_ids"].shape}
        for ids, mask, label in zip(
            inputs["token_ids"].numpy(), inputs["padding_mask"].numpy(), labels.numpy(), strict=True
        ):
            row = rows[label]
            assert ids.tolist() == row + [PAD] * (len(ids) - len(row))
            assert mask.tolist() == [1] * len(row) + [0] * (len(ids) - len(row))
            seen.append(int(label))
    assert sorted(seen) == list(range(1_000))


@pytest.mark.parametrize("size", [128, 512, 4_096])
def test_bucketed_bounds_a_batch_with_its_padding(ragged, size):
    shapes = [
        inputs["token_ids"].shape
        for inputs, _ in bucketed(ragged, range(1_000), tokens_per_batch=size, seed=0)
    ]
    assert all(rows * time <= size for rows, time in shapes)
    # Full batches: but for the last of each bucket, one more row of the bucket would not fit.
    edges = [*EDGES, 128]
    not_full = 0
    for rows, time in shapes:
        edge = edges[bisect_left(edges, time)]
        not_full += (rows + 1) * edge <= size
    assert not_full <= len(edges)


def test_bucketed_wastes_little_on_padding(ragged):
    lengths = ragged.row_lengths().numpy()
    padded = sum(
        int(tf.size(inputs["token_ids"]))
        for inputs, _ in bucketed(ragged, range(1_000), tokens_per_batch=512, seed=0)
    )
    plain = sum(16 * lengths[i : i + 16].max() for i in range(0, 1_000, 16))
    assert lengths.sum() < padded < 1.35 * lengths.sum()
    assert plain > 2 * lengths.sum()  # what batches of 16 in the given order cost


def test_the_seed_of_bucketed_is_its_order(ragged):
    first = order(bucketed(ragged, range(1_000), tokens_per_batch=512, seed=0))
    assert order(bucketed(ragged, range(1_000), tokens_per_batch=512, seed=0)) == first
    assert order(bucketed(ragged, range(1_000), tokens_per_batch=512, seed=1)) != first


def test_no_seed_keeps_the_order_within_each_length(ragged):
    lengths = ragged.row_lengths().numpy()
    buckets = {}
    for batch in order(bucketed(ragged, range(1_000), tokens_per_batch=512)):
        bucket = {bisect_left(EDGES, lengths[row]) for row in batch}
        assert len(bucket) == 1
        buckets.setdefault(bucket.pop(), []).extend(batch)
    assert sorted(buckets) == [0, 1, 2, 3, 4, 5]
    assert all(rows == sorted(rows) for rows in buckets.values())


def test_bucketed_with_short_texts_only():
    ragged = tf.ragged.constant([[2, 7, 3], [2, 3], [2, 8, 9, 3]], dtype=tf.int32)
    ((inputs, labels),) = bucketed(ragged, [1, 0, 1], tokens_per_batch=12)
    assert inputs["token_ids"].numpy().tolist() == [[2, 7, 3, 0], [2, 3, 0, 0], [2, 8, 9, 3]]
    assert labels.numpy().tolist() == [1, 0, 1]
    assert len(order(bucketed(ragged, [1, 0, 1], tokens_per_batch=4))) == 3


@pytest.mark.parametrize("count", [0, 999, 1_001])
def test_bucketed_needs_a_label_for_each_text(ragged, count):
    with pytest.raises(ValueError, match=rf"labels has {count} entries for 1000 texts"):
        bucketed(ragged, range(count))


def test_bucketed_needs_room_for_the_longest_text(ragged):
    with pytest.raises(ValueError, match=r"tokens_per_batch is 127; the longest text has 128"):
        bucketed(ragged, range(1_000), tokens_per_batch=127)


def test_encoder_inputs():
    inputs = encoder_inputs(tf.constant([[2, 7, 3], [2, 3, 0]]))
    assert {name: array.numpy().tolist() for name, array in inputs.items()} == {
        "token_ids": [[2, 7, 3], [2, 3, 0]],
        "padding_mask": [[1, 1, 1], [1, 1, 0]],
        "segment_ids": [[0, 0, 0], [0, 0, 0]],
    }
    assert {array.dtype for array in inputs.values()} == {tf.int32}
