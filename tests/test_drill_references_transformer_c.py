"""What the drills on tokens and on the losses of BERT and GPT call right is what Hugging Face's
tokenizers, Keras and KerasHub compute."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpers.drills.transformer.bpe_encode import bpe_encode
from helpers.drills.transformer.bpe_merge import bpe_merge
from helpers.drills.transformer.label_smoothing import label_smoothing
from helpers.drills.transformer.masked_language_loss import as_given as every_place_counts
from helpers.drills.transformer.masked_language_loss import masked_language_loss
from helpers.drills.transformer.mlm_masking import mlm_masking
from helpers.drills.transformer.next_token_loss import as_given as shift_missing
from helpers.drills.transformer.next_token_loss import next_token_loss
from helpers.drills.transformer.wordpiece_tokens import wordpiece_tokens

WORDS = st.text("abc", min_size=1, max_size=9)
TEXTS = st.dictionaries(WORDS, st.integers(1, 9), min_size=1, max_size=12)


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def texts(tokens):
    return [token.value for token in tokens]


@given(
    st.text("abcd", max_size=12),
    st.sets(st.text("abc", min_size=1, max_size=3), max_size=12),
    st.sets(st.text("abc", min_size=1, max_size=3), max_size=12),
)
def test_wordpiece_tokens_equal_hugging_face(word, first, inside):
    from tokenizers.models import WordPiece

    vocabulary = [*first, *("##" + piece for piece in inside)]
    ids = {piece: i for i, piece in enumerate(["[UNK]", *vocabulary])}
    library = WordPiece(ids, unk_token="[UNK]")
    assert wordpiece_tokens(word, vocabulary) == texts(library.tokenize(word))


@given(st.text("abc", max_size=12), st.sets(st.text("abc", min_size=2, max_size=3)))
def test_wordpiece_pieces_make_the_word_again_where_all_letters_are_known(word, longer):
    vocabulary = [*"abc", "##a", "##b", "##c", *("##" + piece for piece in longer)]
    pieces = wordpiece_tokens(word, vocabulary)
    assert set(pieces) <= set(vocabulary)
    assert word == "".join(pieces).replace("##", "")


def learned_by_hugging_face(words: dict[str, int], merges: int) -> list[tuple[str, str]]:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE())
    size = len(set("".join(words))) + merges
    trainer = BpeTrainer(vocab_size=size, min_frequency=0, show_progress=False)
    tokenizer.train_from_iterator([word for word in words for _ in range(words[word])], trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


@given(TEXTS)
def test_bpe_merge_learns_the_first_merge_of_hugging_face_ties_included(words):
    pair, _ = bpe_merge({tuple(word): count for word, count in words.items()})
    assert learned_by_hugging_face(words, 1) == ([] if pair is None else [pair])


def merges_without_ties(words: dict[str, int]) -> list[tuple[str, str]]:
    """Merges learned one after another, until two pairs are equally frequent. There libraries go by
    their token ids, in which a joined symbol comes last."""
    split, merges = {tuple(word): count for word, count in words.items()}, []
    while True:
        frequency = {}
        for word, count in split.items():
            for pair in pairwise(word):
                frequency[pair] = frequency.get(pair, 0) + count
        if sorted(frequency.values())[-2:-1] == sorted(frequency.values())[-1:]:
            return merges
        pair, split = bpe_merge(split)
        merges.append(pair)


@given(TEXTS)
def test_bpe_merge_again_and_again_learns_the_merges_of_hugging_face(words):
    merges = merges_without_ties(words)
    assume(len(merges) > 1)
    assert learned_by_hugging_face(words, len(merges))[: len(merges)] == merges


@given(TEXTS)
def test_bpe_merge_keeps_the_text(words):
    split = {tuple(word): count for word, count in words.items()}
    _, merged = bpe_merge(split)
    assert {"".join(word): count for word, count in merged.items()} == words


@given(TEXTS, st.integers(0, 12), st.text("abcd", max_size=20))
def test_bpe_encode_equals_hugging_face(words, merges, word):
    from tokenizers.models import BPE

    pairs = learned_by_hugging_face(words, merges)
    symbols = dict.fromkeys(["a", "b", "c", "d", *map("".join, pairs)])
    library = BPE({symbol: i for i, symbol in enumerate(symbols)}, pairs)
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    assert bpe_encode(word, ranks) == texts(library.tokenize(word))


@given(TEXTS, st.integers(0, 12))
def test_bpe_encode_cuts_the_words_of_training_as_training_did(words, merges):
    split, ranks = {tuple(word): count for word, count in words.items()}, {}
    for rank in range(merges):
        pair, split = bpe_merge(split)
        ranks |= {} if pair is None else {pair: rank}
    assert {tuple(bpe_encode(word, ranks)) for word in words} == set(split)


@pytest.mark.parametrize(("fate", "mask", "replaced"), [(0.4, 1, 0), (0.85, 0, 1), (0.95, 0, 0)])
def test_mlm_masking_equals_kerashub_where_all_is_chosen(keras, fate, mask, replaced):
    import keras_hub

    rng = np.random.default_rng(0)
    token_ids = rng.integers(0, 9, (5, 11))
    library = keras_hub.layers.MaskedLMMaskGenerator(
        vocabulary_size=60,
        mask_selection_rate=1.0,
        mask_token_id=50,
        mask_selection_length=11,
        unselectable_token_ids=[0, 1],
        mask_token_rate=mask,
        random_token_rate=replaced,
    )(token_ids)
    library = {name: np.array(value) for name, value in library.items()}
    draws, fates = np.full(token_ids.shape, 0.1), np.full(token_ids.shape, fate)
    special = np.isin(token_ids, [0, 1])
    others = library["token_ids"]  # what it drew
    inputs, labels = mlm_masking(token_ids, draws, fates, others, special, 50)
    np.testing.assert_array_equal(inputs, library["token_ids"])
    for row in range(5):
        real = library["mask_weights"][row] > 0
        places = library["mask_positions"][row][real]
        np.testing.assert_array_equal(np.flatnonzero(labels[row] != -100), places)
        np.testing.assert_array_equal(labels[row][places], library["mask_ids"][row][real])


def test_mlm_masking_has_the_shares_of_the_paper():
    rng = np.random.default_rng(0)
    shape = (100, 1000)
    token_ids, others = rng.integers(10, 20, shape), rng.integers(20, 30, shape)
    special = rng.random(shape) < 0.1
    inputs, labels = mlm_masking(token_ids, *rng.random((2, *shape)), others, special, 3)
    chosen = labels != -100
    assert not (chosen & special).any()
    np.testing.assert_array_equal(inputs[~chosen], token_ids[~chosen])
    np.testing.assert_array_equal(labels[chosen], token_ids[chosen])
    assert np.mean(chosen[~special]) == pytest.approx(0.15, abs=0.005)
    found = inputs[chosen]
    shares = np.mean([found == 3, found >= 20, found == labels[chosen]], axis=1)
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.015)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(2, 9), st.floats(0, 0.95), st.integers(0, 2**32))
def test_label_smoothing_equals_keras(keras, n, classes, epsilon, seed):
    rng = np.random.default_rng(seed)
    logits, labels = 5 * rng.normal(size=(n, classes)), rng.integers(0, classes, n)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=epsilon)
    close(label_smoothing(logits, labels, epsilon), loss(np.eye(classes)[labels], logits))


@pytest.mark.parametrize("epsilon", [0.1, 0.5])
def test_label_smoothing_is_least_where_its_explanation_says(epsilon):
    best = np.log((1 - epsilon) * 4 / epsilon + 1)
    losses = [label_smoothing(np.eye(4)[:1] * x, np.array([0]), epsilon)
              for x in (best, best - 0.01, best + 0.01)]  # fmt: skip
    assert losses[0] == min(losses)
    target = np.full(4, epsilon / 4) + (1 - epsilon) * np.eye(4)[0]
    close(losses[0], -np.sum(target * np.log(target)))


@st.composite
def labelled(draw):
    batch, time, vocabulary = draw(st.integers(1, 5)), draw(st.integers(2, 7)), 6
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return 3 * rng.normal(size=(batch, time, vocabulary)), rng.integers(0, 6, (batch, time)), rng


@settings(max_examples=30, deadline=None)
@given(labelled(), st.floats(0.1, 1))
def test_masked_language_loss_equals_keras(keras, example, share):
    logits, token_ids, rng = example
    labels = np.where(rng.random(token_ids.shape) < share, token_ids, -100)
    assume((labels != -100).any())
    library = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-100)
    close(masked_language_loss(logits, labels), library(labels, logits))
    weighted = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    weights = (labels != -100).astype(float)
    expected = weighted(np.maximum(labels, 0), logits, sample_weight=weights)
    close(masked_language_loss(logits, labels), expected)


def test_the_given_masked_language_loss_rewards_a_model_that_always_answers_token_0():
    """The symptom that the bug hunt names."""
    rng = np.random.default_rng(0)
    token_ids = rng.integers(1, 50, (10, 100))
    labels = np.where(rng.random(token_ids.shape) < 0.15, token_ids, -100)
    always_zero, honest = np.zeros((2, 10, 100, 50))
    always_zero[..., 0] = 5.0
    assert every_place_counts(always_zero, labels) < every_place_counts(honest, labels) / 2
    assert masked_language_loss(always_zero, labels) > masked_language_loss(honest, labels)


@settings(max_examples=30, deadline=None)
@given(labelled())
def test_next_token_loss_equals_keras_on_what_kerashub_prepares(keras, example):
    logits, token_ids, _ = example
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # As KerasHub's preprocessors for causal models do: x without the last, y without the first.
    close(next_token_loss(logits, token_ids), loss(token_ids[:, 1:], logits[:, :-1]))


@given(st.lists(st.integers(0, 5), min_size=2, max_size=9, unique=True))
def test_next_token_loss_is_small_for_a_model_that_knows_and_large_for_one_that_copies(text):
    """And with the given code it is the other way round: the symptom that the bug hunt names."""
    copies = 20 * np.eye(6)[[text]]
    knows = 20 * np.eye(6)[[[*text[1:], text[0]]]]
    token_ids = np.array([text])
    assert next_token_loss(knows, token_ids) < 1e-6 < 10 < next_token_loss(copies, token_ids)
    assert shift_missing(copies, token_ids) < 1e-6 < 10 < shift_missing(knows, token_ids)
