"""Pretraining without labels: token vectors from counts, then masked language modelling.

Sources: Levy, Goldberg and Dagan, "Improving Distributional Similarity with Lessons Learned from
Word Embeddings", 2015, for the counts; Devlin et al., "BERT: Pre-training of Deep Bidirectional
Transformers", 2019, section 3.1, for the masks. `data/make/encoder.py` makes the course's encoder
with both; notebook 01 runs its first hundred steps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from helpers.text import bucketed
from helpers.transformer import Encoder, MaskedLM, classifier, from_keras_hub

if TYPE_CHECKING:
    import keras
    import keras_hub


FIRST_ORDINARY = 5  # the vocabulary opens with [PAD], [UNK], [CLS], [SEP] and [MASK]


def cooccurrence_embeddings(
    token_ids: tf.RaggedTensor, vocabulary_size: int, width: int, window: int = 5
) -> np.ndarray:
    """Token vectors from counts alone: tokens that keep the same company get similar vectors.

    Counts which tokens stand within `window` of each other (a neighbour at distance d counts 1/d),
    turns the counts into positive pointwise mutual information, and keeps the `width` strongest
    directions of that matrix (a truncated singular value decomposition, with a fixed seed).

    Args:
        token_ids: (texts, None), from `helpers.text.tokenize`.
        vocabulary_size: rows of the result.
        width: columns of the result; less than the tokens that occur.
        window: the largest distance, in tokens; at least 1.
    Returns:
        (vocabulary_size, width) float32. Rows have length 1; those of special tokens and of tokens
        without company are 0.
    Raises:
        ValueError: an argument is out of range, or an id is not below `vocabulary_size`.
    """
    from scipy.sparse import csr_matrix
    from sklearn.utils.extmath import randomized_svd

    ids, text = token_ids.flat_values.numpy(), token_ids.value_rowids().numpy()
    if ids.max() >= vocabulary_size:
        raise ValueError(f"token_ids holds {ids.max()}; vocabulary_size is {vocabulary_size}")
    if window < 1 or not 0 < width < vocabulary_size:
        raise ValueError(f"window {window} must be 1 or more, width {width} in the vocabulary size")
    counts = csr_matrix((vocabulary_size, vocabulary_size), dtype=np.float32)
    for distance in range(1, window + 1):
        left, right = ids[:-distance], ids[distance:]
        near = (text[:-distance] == text[distance:]) & (np.minimum(left, right) >= FIRST_ORDINARY)
        weight = np.full(near.sum(), 1 / distance, np.float32)
        counts += csr_matrix((weight, (left[near], right[near])), shape=counts.shape)
    counts = (counts + counts.T).tocoo()
    total = np.asarray(counts.sum(axis=1)).ravel()
    # To the power 0.75, so that rare contexts do not seem more telling than they are.
    context = total**0.75 / np.sum(total**0.75)
    information = np.log(counts.data / (total[counts.row] * context[counts.col]))
    told = information > 0
    ppmi = csr_matrix((information[told], (counts.row[told], counts.col[told])), shape=counts.shape)
    directions, strengths, _ = randomized_svd(ppmi, width, n_iter=3, random_state=0)
    vectors = directions * np.sqrt(strengths)
    vectors[total > 0] -= vectors[total > 0].mean(axis=0)
    vectors[total == 0] = 0
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, where=length > 0, out=np.zeros_like(vectors)).astype(
        "float32"
    )


def mask_tokens(
    token_ids: tf.Tensor,
    seed: tf.Tensor,
    tokenizer: keras_hub.models.BertTokenizer,
    rate: float = 0.15,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Choose `rate` of each row's tokens, at least one, and hide them.

    Of those chosen, 80 % become `[MASK]`, 10 % a random token, 10 % stay: in use there is no
    `[MASK]`, so the encoder must not rely on seeing one. Special tokens are never chosen.

    Args:
        token_ids: (batch, time) int32, padded with the tokenizer's pad id.
        seed: (2,) int32; the same seed gives the same masks.
        tokenizer: whose ids they are; its five special tokens open the vocabulary.
        rate: the share of tokens to choose, above 0 and at most 1.
    Returns:
        the ids with the chosen tokens hidden, (batch, time); their positions, (batch, chosen); what
        stood there, (batch, chosen); 1.0 where such a choice is real and 0.0 where it fills up the
        row, (batch, chosen).
    Raises:
        ValueError: `rate` is out of range, or `token_ids` is not a matrix.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"rate must be above 0 and at most 1, not {rate!r}")
    if token_ids.shape.rank != 2:
        raise ValueError(f"token_ids must be (batch, time), but its shape is {token_ids.shape}")
    seeds = tf.random.split(seed, 3)
    shape = tf.shape(token_ids)
    eligible = token_ids >= FIRST_ORDINARY
    most = tf.cast(tf.math.ceil(rate * tf.cast(shape[1], tf.float32)), tf.int32)

    noise = tf.random.stateless_uniform(shape, seeds[0])
    _, positions = tf.math.top_k(tf.where(eligible, noise, -1.0), k=most)
    wanted = rate * tf.reduce_sum(tf.cast(eligible, tf.float32), axis=1, keepdims=True)
    real = tf.cast(tf.range(most), tf.float32) < tf.maximum(1.0, tf.round(wanted))
    real &= tf.gather(eligible, positions, batch_dims=1)
    labels = tf.gather(token_ids, positions, batch_dims=1)

    fate = tf.random.stateless_uniform(tf.shape(labels), seeds[1])
    size = tokenizer.vocabulary_size()
    other = tf.random.stateless_uniform(tf.shape(labels), seeds[2], FIRST_ORDINARY, size, tf.int32)
    hidden = tf.where(fate < 0.9, other, labels)
    hidden = tf.where(fate < 0.8, tokenizer.mask_token_id, hidden)
    hidden = tf.where(real, hidden, labels)
    rows = tf.broadcast_to(tf.range(shape[0])[:, None], tf.shape(positions))
    masked = tf.tensor_scatter_nd_update(token_ids, tf.stack([rows, positions], axis=-1), hidden)
    return masked, positions, labels, tf.cast(real, tf.float32)


def masked_lm_batches(
    token_ids: tf.RaggedTensor,
    tokenizer: keras_hub.models.BertTokenizer,
    *,
    tokens_per_batch: int = 4_096,
    rate: float = 0.15,
) -> Callable[[int], tf.data.Dataset]:
    """The batches of an epoch, for `Trainer.fit`: a new order and new masks in each (dynamic
    masking: Liu et al., "RoBERTa", 2019), and the same ones whenever the epoch is asked for again.

    Args:
        token_ids: (texts, None), from `helpers.text.tokenize`.
        tokenizer, rate: as for `mask_tokens`; `tokens_per_batch` as for `helpers.text.bucketed`.
    Returns:
        A function from the number of the epoch to a dataset of (inputs, labels, weights), as
        `helpers.transformer.MaskedLM` takes the inputs.
    """

    def batches(epoch: int) -> tf.data.Dataset:
        def mask(number, batch):
            inputs, _ = batch
            seed = tf.stack([tf.constant(epoch, tf.int32), tf.cast(number, tf.int32)])
            masked, positions, labels, weights = mask_tokens(
                inputs["token_ids"], seed, tokenizer, rate
            )
            return inputs | {"token_ids": masked, "mask_positions": positions}, labels, weights

        no_labels = np.zeros(token_ids.shape[0], int)
        dataset = bucketed(token_ids, no_labels, tokens_per_batch=tokens_per_batch, seed=epoch)
        return dataset.enumerate().map(mask, num_parallel_calls=1).prefetch(2)

    return batches


def masked_lm(
    tokenizer: keras_hub.models.BertTokenizer,
    *,
    layers: int = 3,
    width: int = 192,
    dropout: float = 0.1,
    max_length: int = 128,
    embeddings: np.ndarray | None = None,
) -> MaskedLM:
    """A new BERT encoder under a masked language model's head.

    Args:
        tokenizer: of the vocabulary.
        layers, width: of the encoder; heads of 64, and 4 times the width inside the feed-forward.
        dropout: after each sub-layer.
        max_length: the longest input, in tokens.
        embeddings: (vocabulary, width), from `cooccurrence_embeddings`, to start from; by default
            the token vectors start at random, as all other weights do.
    Raises:
        ValueError: `width` or the shape of `embeddings` does not fit.
    """
    if width % 64:
        raise ValueError(f"width must be a multiple of 64, the width of a head, not {width}")
    encoder = Encoder(
        vocabulary_size=tokenizer.vocabulary_size(),
        layers=layers,
        width=width,
        heads=width // 64,
        hidden=4 * width,
        max_length=max_length,
        dropout=dropout,
    )
    if embeddings is not None:
        table = encoder.embeddings.tokens.embeddings
        if embeddings.shape != tuple(table.shape):
            raise ValueError(f"embeddings has shape {embeddings.shape}, not {tuple(table.shape)}")
        # Coordinates near 0.05: above the noise of random positions (0.02), small beside 1.
        known = np.linalg.norm(embeddings, axis=1, keepdims=True) > 0
        table.assign(np.where(known, 0.05 * np.sqrt(width) * embeddings, table.numpy()))
    return MaskedLM(encoder)


def load_encoder(preset: str | None = None) -> tuple[Encoder, keras_hub.models.BertTokenizer]:
    """Load a pretrained BERT encoder and its tokenizer.

    Args:
        preset: None for the one that ships with the course; the folder of another; or the name of a
            published one ("bert_base_zh"), which KerasHub fetches on the first use and caches.
    Returns:
        The encoder and its tokenizer.
    Raises:
        ValueError: KerasHub knows no such preset, or it is not of the BERT family.
        ConnectionError: the preset has to be fetched, and that failed.
        FileNotFoundError: the shipped encoder is missing; ValueError if it is damaged.
    """
    import keras_hub

    return _load(keras_hub.models.BertBackbone, preset)


def load_masked_lm(preset: str | None = None) -> tuple[MaskedLM, keras_hub.models.BertTokenizer]:
    """Load a pretrained encoder under the head that it was pretrained with. Arguments and errors
    are those of `load_encoder`."""
    import keras_hub

    return _load(keras_hub.models.BertMaskedLM, preset)


def load_classifier() -> tuple[keras.Model, keras_hub.models.BertTokenizer]:
    """Load the encoder that ships, fine-tuned to tell positive reviews from negative ones.

    Returns:
        The model, from the encoder's inputs to logits (batch, 2), and its tokenizer.
    Raises:
        FileNotFoundError, ValueError: a file in data/ is missing or damaged.
    """
    from helpers.data import review_classifier_weights

    encoder, tokenizer = load_encoder()
    model = classifier(encoder)
    model.set_weights(review_classifier_weights())
    return model, tokenizer


def _load(kind: type, preset: str | None) -> tuple:
    import keras_hub

    if preset is None:
        from helpers.data import encoder_path

        preset = encoder_path()
    # A task would build its preprocessor too, with a tokenizer that nobody asked for.
    settings = {"preprocessor": None} if issubclass(kind, keras_hub.models.Task) else {}
    try:
        model = kind.from_preset(preset, **settings)
        tokenizer = keras_hub.models.BertTokenizer.from_preset(preset)
    except OSError as error:  # those of the HTTP libraries are among them
        if Path(preset).exists():
            raise
        raise ConnectionError(
            f"preset {preset!r} could not be fetched: connect to a network and try "
            "again, or leave the preset out for the encoder that ships"
        ) from error
    return from_keras_hub(model), tokenizer
