import numpy as np

from helpers.drills.spec import Case, Drill


def dropout_layer(x: np.ndarray, rate: float, draws: np.ndarray, training: bool) -> np.ndarray:
    """Switch off random numbers of a layer's output in training, so that no unit relies on another.

    `x` is float64 of any shape. `rate`, 0 ≤ rate ≤ 1, is the share that is switched off. `draws`
    has the shape of x and holds uniform random numbers from 0 to below 1: they take the place of a
    generator, so that the result is certain. In training a number of x becomes 0 where its draw is
    below `rate`, and all others are divided by 1 − rate: the expectation stays what it was. At a
    rate of 0 nothing changes, at a rate of 1 all become 0: no NaN, no error. Where `training` is
    False return x as it is, whatever the rate. Return an array of the shape of x, and leave the
    arguments alone.
    """
    if not training:
        return x
    kept = draws >= rate
    result = np.zeros(x.shape)
    result[kept] = x[kept] / (1 - rate)  # at a rate of 1 there are none to divide
    return result


def number_by_number(x, rate, draws, training):
    result = np.array(x, float)
    if training:
        for place in np.ndindex(x.shape):
            result[place] = 0 if draws[place] < rate else x[place] / (1 - rate)
    return result


def by_a_mask_of_factors(x, rate, draws, training):
    mask = (rate <= draws).astype(float)
    if rate < 1:
        mask = mask / (1 - rate)
    return x * (mask if training else 1)


def _masked(x, kept, factor):
    with np.errstate(all="ignore"):
        return np.where(kept, x * factor, 0.0)


def _scale(rate):
    """1 / (1 − rate), and 0 where all is dropped."""
    return 0.0 if rate == 1 else 1 / (1 - rate)


def as_given(x, rate, draws, training):
    """This is the code as given, or its bug is still in it: ask the trained model twice for the
    score of one sentence. It gives two answers."""
    if rate > 0 or training:
        kept = draws >= rate
        result = np.zeros(x.shape)
        result[kept] = x[kept] / (1 - rate)
        return result
    return x


def still_on_at_inference_without_scale(x, rate, draws, training):
    """At inference you do not rescale any more, but numbers are still switched off at random. There
    every unit takes part: return x as it is."""
    kept = draws >= rate
    return _masked(x, kept, _scale(rate) if training else 1.0)


def flag_turned_round(x, rate, draws, training):
    """Your condition is the wrong way round: dropout is on at inference and off in training."""
    return dropout_layer(x, rate, draws, not training)


def not_rescaled(x, rate, draws, training):
    """Dropout is off at inference now, but in training you do not divide what is kept: the next
    layer gets less in training than at inference. Divide by 1 − rate."""
    return _masked(x, draws >= rate, 1.0) if training else x


def rescaled_at_inference(x, rate, draws, training):
    """You leave the sizes in training alone and multiply by 1 − rate at inference. So the first
    paper did; now the division belongs into training, and inference leaves x as it is."""
    return _masked(x, draws >= rate, 1.0) if training else x * (1 - rate)


def rescaled_twice(x, rate, draws, training):
    """You divide by 1 − rate in training *and* multiply by it at inference. One of the two makes up
    for the other; leave x as it is at inference."""
    return dropout_layer(x, rate, draws, training) * (1 if training else 1 - rate)


def divided_by_the_rate(x, rate, draws, training):
    """You divide by `rate`, the share that is switched off. Divide by the share that stays."""
    with np.errstate(all="ignore"):
        factor = 1 / np.float64(rate)
    return _masked(x, draws >= rate, factor) if training else x


def multiplied_instead_of_divided(x, rate, draws, training):
    """You multiply what is kept by 1 − rate, and make it smaller still. It has to stand in for what
    is gone: divide."""
    return _masked(x, draws >= rate, 1 - rate) if training else x


def nan_at_rate_one(x, rate, draws, training):
    """At a rate of 1 you compute 0 / 0, which is NaN. Nothing is kept there: return zeros, without
    a division."""
    if not training:
        return x
    with np.errstate(all="ignore"):
        return x * (draws >= rate) / np.float64(1 - rate)


def error_at_rate_one(x, rate, draws, training):
    """At a rate of 1 you compute 1 / 0, and Python raises. Nothing is kept there: return zeros,
    without a division."""
    return _masked(x, draws >= rate, 1 / (1 - rate)) if training else x


def kept_and_dropped_exchanged(x, rate, draws, training):
    """You keep the numbers whose draw is below the rate: a rate of 0.1 switches off nine of ten.
    Those are the ones to drop."""
    return _masked(x, draws < rate, _scale(rate)) if training else x


def equal_draws_dropped(x, rate, draws, training):
    """You also drop where the draw equals the rate; at a rate of 0 a draw of 0 then loses its
    number. Drop where it is *below* the rate."""
    return _masked(x, draws > rate, _scale(rate)) if training else x


def one_mask_for_all(x, rate, draws, training):
    """You use the draws of the first row for every row: all examples lose the same units. Each
    number has a draw of its own."""
    return dropout_layer(x, rate, np.broadcast_to(draws[:1], x.shape), training)


def cases(rng):
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    draws = np.array([[0.25, 0.75, 0.5], [0.625, 0.125, 0.875]])
    # Training first: the example shown should drop something.
    for training in (True, False):
        when = "training" if training else "inference"
        yield Case(f"two rows, {when}", (x, 0.5, draws, training))
        for rate in (0.25, 0.0, 1.0):
            yield Case(f"a rate of {rate}, {when}", (x, rate, draws, training))
        yield Case(f"draws of 0, a rate of 0, {when}", (x, 0.0, np.zeros((2, 3)), training))
        for shape, rate in [((7,), 0.3), ((4, 5), 0.9), ((3, 2, 6), 0.1)]:
            args = (rng.normal(size=shape), rate, rng.random(shape), training)
            yield Case(f"random numbers of shape {shape}, {when}", args)


DRILL = Drill(
    reference=dropout_layer,
    cases=cases,
    given=as_given,
    alternatives=(number_by_number, by_a_mask_of_factors),
    mistakes=(
        as_given,
        still_on_at_inference_without_scale,
        flag_turned_round,
        not_rescaled,
        rescaled_at_inference,
        rescaled_twice,
        divided_by_the_rate,
        multiplied_instead_of_divided,
        nan_at_rate_one,
        error_at_rate_one,
        kept_and_dropped_exchanged,
        equal_draws_dropped,
        one_mask_for_all,
    ),
    hints=(
        "Call it with training=False and two different arrays of draws. What should not depend on "
        "them?",
        "Which calls get into the first branch? Write down all four: a rate of 0 or not, training "
        "or not.",
        "Only `training` decides: where it is False, return x before anything else. What the "
        "given code does in training is right.",
    ),
    explanation=(
        "Dropout trains a random part of the network at each step, and inference asks the whole "
        "(Srivastava and others, 2014, Dropout: A Simple Way to Prevent Neural Networks from "
        "Overfitting). The paper scaled the weights at inference; dividing in training, inverted "
        "dropout, leaves inference alone, and libraries do that. Asked next: is it ever right "
        "to leave it on? To measure uncertainty: ask many times and look at the spread, Monte "
        "Carlo dropout (Gal and Ghahramani, 2016). In Keras `model(x, training=True)` does that, "
        "and is how this bug gets in; `predict` switches it off."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 6",
)
