"""The functions of notebook 05: attention, WordPiece, counting, LoRA and layer-wise decay."""

import random
from collections import Counter

import keras
import numpy as np
import pytest
from notebook_functions import notebook_names
from scipy import special
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from helpers.transformer import Encoder, classifier


@pytest.fixture(scope="module")
def notebook():
    return notebook_names("05_bert_from_scratch", {"layers", "SIZES", "BERT_BASE", "LOSS"})


def test_softmax_is_scipys_and_does_not_overflow(notebook):
    scores = np.random.default_rng(0).normal(0, 300, (4, 3, 5))
    np.testing.assert_allclose(notebook.softmax(scores), special.softmax(scores, axis=-1))


def test_attention_never_looks_where_it_may_not(notebook):
    rng = np.random.default_rng(0)
    query, key, value = (
        rng.normal(size=(2, 4, 6)),
        rng.normal(size=(2, 5, 6)),
        rng.normal(size=(2, 5, 3)),
    )
    may_look = rng.random((2, 4, 5)) < 0.6
    may_look[..., 0] = True
    mixture, shares = notebook.attention(query, key, value, may_look)
    assert mixture.shape == (2, 4, 3) and (shares[~may_look] == 0).all()
    for text, token in np.ndindex(2, 4):
        seen = may_look[text, token]
        weights = special.softmax(key[text][seen] @ query[text, token] / np.sqrt(6))
        np.testing.assert_allclose(mixture[text, token], weights @ value[text][seen])


@pytest.mark.parametrize(("width", "heads"), [(12, 3), (8, 1), (10, 5)])
def test_multi_head_equals_keras(notebook, width, heads):
    x = np.random.default_rng(0).normal(size=(7, width)).astype("float32")
    layer = keras.layers.MultiHeadAttention(heads, width // heads, bias_initializer="normal")
    theirs = layer(x[None], x[None])[0]
    weights = [np.reshape(w, (width, -1)) for w in layer.get_weights()]
    W = [
        (k.reshape(width, width), b.ravel())
        for k, b in zip(weights[::2], weights[1::2], strict=True)
    ]
    np.testing.assert_allclose(notebook.multi_head(x, W, heads), theirs, atol=1e-5)


@pytest.mark.parametrize("inside", ["##", ""])
def test_wordpiece_equals_tokenizers_on_random_words(notebook, inside):
    generator = random.Random(0)
    text = ["".join(generator.choices("abcd", k=generator.randint(1, 3))) for _ in range(30)]
    vocabulary = sorted({generator.choice(["", inside]) + piece for piece in text})
    ids = {piece: number for number, piece in enumerate(["[UNK]", *vocabulary])}
    library = models.WordPiece(ids, unk_token="[UNK]", continuing_subword_prefix=inside)
    library = Tokenizer(library)
    unknown = 0
    for _ in range(500):
        word = "".join(generator.choices("abcde" if inside else "abcd", k=generator.randint(1, 9)))
        pieces = notebook.wordpiece(word, set(vocabulary), inside)
        assert pieces == library.encode(word).tokens
        unknown += pieces == ["[UNK]"]
    assert 0 < unknown < 500


def test_learnt_pieces_equal_those_of_the_librarys_trainer(notebook):
    generator = random.Random(1)
    words = Counter("".join(generator.choices("abcde", [5, 4, 3, 2, 1], k=5)) for _ in range(3_000))
    learnt, count = notebook.learn_pieces(words, 8)
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=""))
    learner.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(
        vocab_size=5 + 8, continuing_subword_prefix="", show_progress=False
    )
    learner.train_from_iterator(words.elements(), trainer)
    assert set(learnt) == {piece for piece in learner.get_vocab() if len(piece) > 1}
    assert count > 0


def test_words_are_those_of_bert(notebook):
    assert notebook.basic_words("Café, 很好!$5\u200b ok") == [
        "cafe",
        ",",
        "很好",
        "!",
        "$",
        "5",
        "ok",
    ]


def test_layer_norm_equals_keras(notebook):
    x = np.random.default_rng(0).normal(3, 2, (5, 7)).astype("float32")
    gamma, beta = np.random.default_rng(1).normal(size=(2, 7)).astype("float32")
    layer = keras.layers.LayerNormalization(epsilon=0.01)
    layer.build(x.shape)
    layer.set_weights([gamma, beta])
    np.testing.assert_allclose(notebook.layer_norm(x, gamma, beta, 0.01), layer(x), atol=1e-5)


@pytest.mark.parametrize("sizes", [(50, 2, 12, 3, 20, 9), (31, 1, 8, 4, 8, 5)])
def test_parameters_are_counted_right(notebook, sizes):
    encoder = Encoder(**dict(zip(notebook.SIZES, sizes, strict=True)))
    assert sum(notebook.parameters(*sizes).values()) == encoder.count_params()
    assert tuple(notebook.sizes_of(encoder).values()) == sizes


def test_lora_starts_from_the_layer_and_is_its_merged_kernel(notebook):
    rng = np.random.default_rng(0)
    x, W, bias, A = (
        rng.normal(size=(3, 8)),
        rng.normal(size=(8, 5)),
        rng.normal(size=5),
        rng.normal(size=(8, 2)),
    )
    np.testing.assert_allclose(
        notebook.lora(x, W, bias, A, np.zeros((2, 5)), alpha=4), x @ W + bias
    )
    B = rng.normal(size=(2, 5))
    np.testing.assert_allclose(notebook.lora(x, W, bias, A, B, alpha=4), x @ (W + 2 * A @ B) + bias)


def test_layerwise_adam_is_adam_with_a_rate_for_each_variable(notebook):
    encoder = Encoder(20, 2, 8, 2, 16, 6)
    factors = notebook.depth_factors(encoder, 0.5)
    assert set(factors) == {weight.path for weight in encoder.weights}
    assert factors[encoder.embeddings.tokens.embeddings.path] == 0.125
    assert factors[encoder.blocks[1].attention.query.kernel.path] == 0.5
    weights = classifier(encoder).trainable_weights
    gradients = [np.random.default_rng(n).normal(size=w.shape) for n, w in enumerate(weights)]
    start = [weight.numpy() for weight in weights]
    notebook.LayerwiseAdam(0.01, factors).apply(gradients, weights)
    moves = [weight.numpy() - before for weight, before in zip(weights, start, strict=True)]
    for weight, before in zip(weights, start, strict=True):
        weight.assign(before)
    keras.optimizers.Adam(0.01).apply(gradients, weights)
    for weight, before, move in zip(weights, start, moves, strict=True):
        plain = weight.numpy() - before
        np.testing.assert_allclose(move, factors.get(weight.path, 1.0) * plain, atol=1e-6)


def test_lora_trains_the_corrections_and_the_head_alone(notebook):
    encoder = Encoder(20, 2, 8, 2, 16, 6)
    model = classifier(encoder)
    notebook.use_lora(encoder, rank=3)
    names = {weight.path.rsplit("/", 1)[1] for weight in encoder.trainable_weights}
    assert names == {"lora_kernel_a", "lora_kernel_b"}
    corrections = 2 * 2 * (8 * 3 + 3 * 8)  # queries and values of two blocks
    trained = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert trained == corrections + 8 * 2 + 2
