"""From texts to tokens, and to batches of token ids: what several notebooks share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import tensorflow as tf

from helpers.reviews import normalise

if TYPE_CHECKING:
    import keras_hub

# KerasHub's WordPiece turns any word of more than 100 bytes into [UNK], and Chinese, at three bytes
# a character, is written without spaces: cut its runs short of that.
LONG_RUN = re.compile(r"(\w{30})(?=\w)")


def count_pairs(words: Mapping[tuple[str, ...], int]) -> Counter:
    """How often each pair of neighbours occurs; `words` maps tuples of symbols to their counts."""
    frequency: Counter = Counter()
    for symbols, n in words.items():
        for pair in pairwise(symbols):
            frequency[pair] += n
    return frequency


def join_pair(symbols: Sequence[str], pair: tuple[str, str]) -> tuple[str, ...]:
    """Make each occurrence of the pair one symbol, from left to right: a·a·a becomes aa·a."""
    joined: list[str] = []
    for symbol in symbols:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return tuple(joined)


def tokenize(
    texts: Iterable[str], tokenizer: keras_hub.tokenizers.Tokenizer, max_length: int = 128
) -> tf.RaggedTensor:
    """Normalise texts and cut them into token ids: `[CLS]`, at most `max_length - 2` ids, `[SEP]`.

    Args:
        texts: at least one.
        tokenizer: a KerasHub tokenizer of the BERT family.
        max_length: the longest row, special tokens included; at least 3.
    Returns:
        (texts, None) int32; the rows have the lengths of the texts.
    Raises:
        TypeError: `texts` is one string, or holds something else than strings.
        ValueError: `texts` is empty, or `max_length` is below 3.
    """
    if isinstance(texts, str):
        raise TypeError("texts is one string: pass a list of them")
    texts = list(texts)
    if not texts:
        raise ValueError("texts is empty: pass at least one")
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise TypeError(f"texts must be strings, but one of them is {wrong[0]!r}")
    if max_length < 3:
        raise ValueError(f"max_length must be at least 3, for [CLS], a token, [SEP]: {max_length}")
    cut = [LONG_RUN.sub(r"\1 ", normalise(text)) for text in texts]
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    rows = [[start, *list(ids)[: max_length - 2], end] for ids in tokenizer(cut)]
    return tf.ragged.constant(rows, tf.int32)


def bucketed(
    token_ids: tf.RaggedTensor,
    labels: Iterable[int],
    *,
    tokens_per_batch: int = 4_096,
    seed: int | None = None,
) -> tf.data.Dataset:
    """Batches of texts of similar length, each of about `tokens_per_batch` tokens with its padding.

    Args:
        token_ids: (texts, None), from `tokenize`.
        labels: (texts,).
        tokens_per_batch: so a batch of long texts has fewer rows, and all cost about the same.
        seed: of the order; None keeps the order within each length.
    Returns:
        Batches of (inputs, labels): a dictionary of `token_ids`, `padding_mask` and `segment_ids`,
        each (batch, time) int32, as KerasHub's BERT takes them, and labels (batch,) int32.
    Raises:
        ValueError: numbers of texts and labels differ, or a batch could not hold one text.
    """
    labels = tf.constant(list(labels), tf.int32)
    rows, longest = len(labels), int(token_ids.bounding_shape()[1])
    if token_ids.shape[0] != rows:
        raise ValueError(f"labels has {rows} entries for {token_ids.shape[0]} texts")
    if tokens_per_batch < longest:
        raise ValueError(f"tokens_per_batch is {tokens_per_batch}; the longest text has {longest}")
    dataset = tf.data.Dataset.from_tensor_slices((token_ids, labels))
    dataset = dataset.map(lambda ids, label: (ids, label))  # a row alone is an ordinary tensor
    if seed is not None:
        dataset = dataset.shuffle(rows, seed=seed, reshuffle_each_iteration=False)
    edges = [edge for edge in (16, 32, 48, 64, 96) if edge < longest]
    dataset = dataset.bucket_by_sequence_length(
        lambda ids, _: tf.shape(ids)[0],
        bucket_boundaries=[edge + 1 for edge in edges],
        bucket_batch_sizes=[tokens_per_batch // edge for edge in (*edges, longest)],
    )
    return dataset.map(lambda ids, y: (encoder_inputs(ids), y)).prefetch(tf.data.AUTOTUNE)


def encoder_inputs(token_ids: tf.Tensor) -> dict[str, tf.Tensor]:
    """The three inputs of KerasHub's BERT from padded ids (batch, time): the ids, 1 where a token
    is real and 0 where it is padding (id 0), and the number of the sentence, here always 0."""
    return {
        "token_ids": token_ids,
        "padding_mask": tf.cast(token_ids != 0, tf.int32),
        "segment_ids": tf.zeros_like(token_ids),
    }
