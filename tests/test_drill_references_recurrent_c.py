"""What the drills on sampling and search call right is what TensorFlow computes, or what trying
every possibility finds."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from helpers.drills.recurrent.beam_search import LanguageModel, beam_search
from helpers.drills.recurrent.temperature_probabilities import temperature_probabilities
from helpers.drills.recurrent.top_k_probabilities import top_k_probabilities
from helpers.drills.recurrent.top_p_probabilities import top_p_probabilities

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=6)
# From few values, for the ties and the tokens ruled out, or any at all but subnormal ones:
# TensorFlow takes these for 0.
FEW = st.sampled_from([-np.inf, -1.0, 0.0, 2.5])
ANY = st.floats(-1e3, 1e3, allow_subnormal=False)


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    return tensorflow


@st.composite
def rows_of_logits(draw):
    logits = draw(arrays(float, draw(SHAPES), elements=draw(st.sampled_from([FEW, ANY]))))
    assume(np.isfinite(logits).any(axis=1).all())
    return logits


@st.composite
def rows_of_probabilities(draw):
    """Whole numbers of 1/64: their sums are exact."""
    batch, vocabulary = draw(SHAPES)
    borders = st.lists(st.integers(0, 64), min_size=vocabulary - 1, max_size=vocabulary - 1)
    return np.array([np.diff([0, *sorted(draw(borders)), 64]) for _ in range(batch)]) / 64


@st.composite
def searches(draw, largest=4):
    """A model, a start, an end, a beam width, a greatest length and an alpha."""
    vocabulary = draw(st.integers(2, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    model = LanguageModel(2 * rng.normal(size=(2, vocabulary, vocabulary)))
    token = st.integers(0, vocabulary - 1)
    return (
        model,
        draw(token),
        draw(token),
        draw(st.integers(1, 5)),
        draw(st.integers(1, 4)),
        draw(st.sampled_from([0.0, 0.6, 1.0, 2.0])),
    )


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


@given(rows_of_logits(), st.floats(0.5, 1e3))
def test_temperature_probabilities_equal_tensorflows_softmax(tf, logits, temperature):
    # TensorFlow divides first; that shows where quotients are far larger than their differences.
    shifted = logits - logits.max(axis=1, keepdims=True)
    close(temperature_probabilities(logits, temperature), tf.nn.softmax(shifted / temperature))


@given(rows_of_logits())
def test_temperature_zero_is_the_limit_and_argmax_the_first_of_ties(logits):
    got = temperature_probabilities(logits, 0.0)
    assert sorted(set(got.ravel())) in ([0, 1], [1])
    np.testing.assert_array_equal(got.sum(axis=1), 1)
    np.testing.assert_array_equal(got.argmax(axis=1), logits.argmax(axis=1))
    ranked = np.sort(logits)
    if logits.shape[1] > 1 and np.all(ranked[:, -1] - ranked[:, -2] > 1e-3):
        close(temperature_probabilities(logits, 1e-5), got)


@given(rows_of_logits(), st.integers(1, 8))
def test_top_k_probabilities_are_the_softmax_of_tensorflows_top_k(tf, logits, k):
    values, tokens = (part.numpy() for part in tf.math.top_k(logits, min(k, logits.shape[1])))
    expected = np.zeros_like(logits)
    np.put_along_axis(expected, tokens, tf.nn.softmax(values).numpy(), axis=1)
    close(top_k_probabilities(logits, k), expected)


@given(rows_of_probabilities(), st.integers(0, 64).map(lambda n: n / 64) | st.floats(0, 1))
def test_no_smaller_set_than_the_nucleus_reaches_p(probabilities, p):
    got = top_p_probabilities(probabilities, p)
    for row, result in zip(probabilities, got, strict=True):
        tokens = range(len(row))
        smallest = next(
            size
            for size in range(1, len(row) + 1)
            if any(row[list(some)].sum() >= p for some in itertools.combinations(tokens, size))
        )
        best = sorted(tokens, key=lambda token: (-row[token], token))[:smallest]
        expected = np.zeros(len(row))
        expected[best] = row[best] / row[best].sum()
        close(result, expected)


def score(search, tokens):
    """The score of a text, from its definition."""
    log_probs, *_, alpha = search
    total = sum(log_probs(tokens[:i])[tokens[i]] for i in range(1, len(tokens)))
    return total / (len(tokens) - 1) ** alpha


def every_text(vocabulary, start, end, max_length):
    """All texts with an end."""
    others = [token for token in range(vocabulary) if token != end]
    for length in range(max_length):
        for middle in itertools.product(others, repeat=length):
            yield (start, *middle, end)


@settings(max_examples=50)
@given(searches())
def test_a_beam_as_wide_as_there_are_texts_finds_the_best(search):
    model, start, end, _, max_length, alpha = search
    vocabulary = model.tables.shape[1]
    tokens, got = beam_search(model, start, end, vocabulary**max_length, max_length, alpha)
    texts = every_text(vocabulary, start, end, max_length)
    close(got, max(score(search, text) for text in texts))
    close(got, score(search, tokens))


@given(searches(largest=6))
def test_a_beam_search_returns_a_text_with_its_own_score(search):
    _, start, end, _, max_length, _ = search
    tokens, got = beam_search(*search)
    assert tokens[0] == start
    assert end not in tokens[1:-1]
    assert tokens[-1] == end or len(tokens) == max_length + 1
    close(got, score(search, tokens))


@given(searches(largest=6))
def test_a_beam_of_one_takes_the_best_token_at_each_step(search):
    model, start, end, _, max_length, alpha = search
    greedy = (start,)
    while len(greedy) <= max_length and (len(greedy) == 1 or greedy[-1] != end):
        greedy += (int(np.argmax(model(greedy))),)
    assert beam_search(model, start, end, 1, max_length, alpha)[0] == greedy
