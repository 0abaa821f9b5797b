import math

import numpy as np

from helpers.drills.spec import Case, Drill


def temperature_probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Turn logits into the probabilities from which a language model draws its next token: a low
    temperature makes it careful, a high one makes it bold.

    `logits` has shape (batch, vocabulary); each row has a distribution of its own. Return an array
    of the same shape: softmax(logits / temperature) over the vocabulary. temperature ≥ 0. At 0, the
    limit, all probability is on the largest logit of the row; of several equal ones, on the first.
    Logits of ±1000 must not overflow, at low temperatures either, and a probability may be so small
    at temperature 1 that it is 0, and yet count at a high temperature. A logit of −inf (a token
    that is ruled out) has probability 0; each row has at least one finite logit.
    """
    if temperature == 0:
        first_largest = logits.argmax(axis=1)
        return np.eye(logits.shape[1])[first_largest]  # (batch, vocabulary), one 1 in each row
    scaled = (logits - logits.max(axis=1, keepdims=True)) / temperature  # none above 0
    weights = np.exp(scaled)
    return weights / weights.sum(axis=1, keepdims=True)


def row_by_row(logits, temperature):
    probabilities = []
    for row in logits.tolist():
        top = max(row)
        if temperature == 0:
            weights = [float(token == row.index(top)) for token in range(len(row))]
        else:
            weights = [math.exp((logit - top) / temperature) for logit in row]
        probabilities.append([weight / sum(weights) for weight in weights])
    return probabilities


def with_logaddexp(logits, temperature):
    if temperature > 0:
        scaled = logits / temperature
        return np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))
    first_largest = np.argmax(logits, axis=1)[:, None]
    return (np.arange(logits.shape[1]) == first_largest).astype(float)


def _softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _greedy(logits):
    return temperature_probabilities(logits, 0)


def multiplied_by_the_temperature(logits, temperature):
    """You multiply the logits by the temperature, so a low one makes the model bold. Divide: a low
    temperature stretches the gaps between logits, and sharpens the distribution."""
    return _softmax(logits * temperature) if temperature else _greedy(logits)


def probabilities_divided(logits, temperature):
    """You divide the probabilities by the temperature: the rows no longer sum to 1, and the ratios
    of the tokens are what they were. Divide the logits, before the softmax."""
    return _softmax(logits) / temperature if temperature else _greedy(logits)


def temperature_cancels(logits, temperature):
    """Your probabilities are those of temperature 1, whatever the temperature is. Divided by it
    after the exponential, numerator and denominator lose it alike: divide the logits."""
    return _softmax(logits) if temperature else _greedy(logits)


def power_without_renormalising(logits, temperature):
    """You raise the probabilities to the power 1 / temperature, which gives the right ratios, but
    the rows no longer sum to 1. Normalise after it, or divide the logits before the softmax."""
    return _softmax(logits) ** (1 / temperature) if temperature else _greedy(logits)


def power_of_the_temperature(logits, temperature):
    """You raise the probabilities to the power of the temperature. The power would be 1 /
    temperature, and the rows have to sum to 1 afterwards: divide the logits instead."""
    return _softmax(logits) ** temperature if temperature else _greedy(logits)


def softmax_of_probabilities(logits, temperature):
    """You divide finished probabilities by the temperature and take their softmax: two softmaxes.
    Probabilities differ by less than 1, so the result is far too flat. Divide the logits."""
    return _softmax(_softmax(logits) / temperature) if temperature else _greedy(logits)


def logarithm_of_the_softmax(logits, temperature):
    """You go back from finished probabilities to their logarithms. One that has become 0 stays 0 at
    every temperature, though a high one should revive it. Start from the logits."""
    if temperature == 0:
        return _greedy(logits)
    with np.errstate(divide="ignore"):
        return _softmax(np.log(_softmax(logits)) / temperature)


def exponent_overflows(logits, temperature):
    """exp(1000) is infinite, and inf / inf is NaN; at a low temperature moderate logits get there
    too. Subtract the row's largest before the exponential: the softmax does not change."""
    if temperature == 0:
        return _greedy(logits)
    with np.errstate(all="ignore"):
        weights = np.exp(logits / temperature)
        return weights / weights.sum(axis=1, keepdims=True)


def logits_clipped(logits, temperature):
    """You clip the logits before the exponential. Nothing overflows, but logits beyond the limit
    all become equal. Subtract the row's largest instead: that changes nothing."""
    if temperature == 0:
        return _greedy(logits)
    weights = np.exp(np.clip(logits / temperature, -100, 100))
    return weights / weights.sum(axis=1, keepdims=True)


def one_maximum_for_all(logits, temperature):
    """You subtract the largest logit of the whole batch. In a row of far smaller logits every
    exponential becomes 0, and 0 / 0 is NaN. Each row needs its own maximum."""
    if temperature == 0:
        return _greedy(logits)
    with np.errstate(all="ignore"):
        weights = np.exp((logits - logits.max()) / temperature)
        return weights / weights.sum(axis=1, keepdims=True)


def softmax_over_the_batch_axis(logits, temperature):
    """You take the softmax down the columns, axis 0: each token's probabilities over the batch sum
    to 1. Each row is a distribution: axis 1, and the maximum too."""
    if temperature == 0:
        return _greedy(logits)
    with np.errstate(invalid="ignore"):
        return _softmax(logits.T / temperature).T


def divided_by_zero(logits, temperature):
    """At temperature 0 you divide by 0, and the row is NaN. It is asked for by those who want no
    chance at all: treat it apart, and put everything on the largest logit."""
    if temperature == 0:
        return np.full(logits.shape, np.nan)
    return temperature_probabilities(logits, temperature)


def small_number_for_zero(logits, temperature):
    """At temperature 0 you divide by a small number instead. Tokens that tie, or nearly, then share
    the probability: treat 0 apart, and take the first of the largest logits."""
    return temperature_probabilities(logits, max(temperature, 1e-8))


def greedy_ties_share(logits, temperature):
    """At temperature 0 you share the probability among equal largest logits. Here the first of them
    takes all, as `argmax` does, so that greedy decoding leaves nothing to chance."""
    if temperature == 0:
        largest = logits == logits.max(axis=1, keepdims=True)
        return largest / largest.sum(axis=1, keepdims=True)
    return temperature_probabilities(logits, temperature)


def greedy_takes_the_last_of_ties(logits, temperature):
    """At temperature 0 you take the last of equal largest logits. The first is asked for, as
    `argmax` gives it; the end of an ascending sort is the last."""
    if temperature == 0:
        return temperature_probabilities(logits[:, ::-1], 0)[:, ::-1]
    return temperature_probabilities(logits, temperature)


def one_greedy_token_for_all(logits, temperature):
    """At temperature 0 you find one largest logit in the whole batch, and the other rows get
    nothing. Each row has its own: `argmax` with axis=1."""
    if temperature == 0:
        return np.eye(logits.size)[logits.argmax()].reshape(logits.shape)
    return temperature_probabilities(logits, temperature)


def cases(rng):
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 0.5, 3.0]])
    yield Case("two rows of three tokens, temperature 0.5", (logits, 0.5))
    for temperature in (1.0, 4.0, 0.0):
        yield Case(f"the same at temperature {temperature:g}", (logits, temperature))
    ties = np.array([[1.0, 3, 3, 2], [5, 5, 5, 5], [-7, -2, -9, -2]])
    yield Case("equal largest logits, temperature 0", (ties, 0.0))
    yield Case("equal largest logits, temperature 0.25", (ties, 0.25))
    near = np.array([[1.0, 1 + 1e-9, 0.5], [-4, -3, -3 - 1e-9]])
    yield Case("largest logits that nearly tie, temperature 0", (near, 0.0))
    ruled_out = np.array([[-np.inf, -3.0, -np.inf, -5.0], [-np.inf, 0.5, 1.0, -np.inf]])
    for temperature in (0.0, 0.7, 50.0):
        yield Case(f"tokens ruled out, temperature {temperature:g}", (ruled_out, temperature))
    # Quotients by 0.5 are exact: whether one divides or subtracts first does not show.
    large = np.array([[1000.0, 999.5, 1000.25], [-1000, -1000.5, -1001], [0, -900, 0.5]])
    yield Case("rows of ±1000, temperature 0.5", (large, 0.5))
    # Those by 0.1 are near 800: rounding in the exponent is as large as in a number of that size.
    low = np.array([[80.0, 80.1, 79.8], [-80.2, -80.0, -80.1]])
    yield Case("rows of ±80, temperature 0.1", (low, 0.1), condition=10)
    faint = np.array([[0.0, -800.0, -750.0], [-760, -790, 20]])
    yield Case("gaps of 800, temperature 100", (faint, 100.0))
    yield Case("a vocabulary of one token", (np.array([[-3.0], [2.0]]), 0.8))
    for shape, temperature in (((7, 5), 0.6), ((4, 31), 1.7), ((1, 11), 0.0)):
        note = f"{shape[0]} random rows of {shape[1]} tokens, temperature {temperature:g}"
        yield Case(note, (2 * rng.normal(size=shape), temperature))


DRILL = Drill(
    reference=temperature_probabilities,
    cases=cases,
    alternatives=(row_by_row, with_logaddexp),
    mistakes=(
        multiplied_by_the_temperature,
        probabilities_divided,
        temperature_cancels,
        power_without_renormalising,
        power_of_the_temperature,
        softmax_of_probabilities,
        logarithm_of_the_softmax,
        exponent_overflows,
        logits_clipped,
        one_maximum_for_all,
        softmax_over_the_batch_axis,
        divided_by_zero,
        small_number_for_zero,
        greedy_ties_share,
        greedy_takes_the_last_of_ties,
        one_greedy_token_for_all,
    ),
    hints=(
        "The temperature acts on the logits. Which of the two makes gaps larger when it is low?",
        "Two things break a plain softmax(logits / temperature): the exponential of a large number "
        "and the division by 0. The first goes away when each row's largest logit is subtracted.",
        "At 0: `np.eye(vocabulary)[logits.argmax(axis=1)]`. Otherwise exp((logits − the row's "
        "maximum) / temperature), divided by its sum along axis 1 with keepdims=True.",
    ),
    explanation=(
        "Dividing logits by T raises probabilities to the power 1 / T and renormalises: T → 0 is "
        "greedy, T = 1 the model itself, T → ∞ uniform. The name is from physics, where exp(−E / T)"
        " weighs states of energy E; Ackley, Hinton and Sejnowski (1985) brought it to networks. "
        "Asked next: does temperature change which token is likeliest, and what does it do to the "
        "perplexity? No; and perplexity is measured at T = 1, or you measure another model."
    ),
    difficulty=1,
    taught_in="03_recurrent_networks, section 7",
)
