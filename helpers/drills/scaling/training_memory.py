import numpy as np

from helpers.drills.spec import Case, Drill


def training_memory(parameters: int, cards: int, stage: int) -> float:
    """Compute how much memory training takes on each card, when Adam trains in mixed precision and
    the cards share out what they need not all hold: ZeRO.

    The model has `parameters` weights. For each of them training keeps a weight and a gradient, of
    2 bytes each, and the states of the optimizer, of 4 bytes each: the master copy of the weight
    and Adam's two moments. There are `cards` cards, at least 1, which train on different data. At
    stage 0 every card holds everything. At stage 1 the states of the optimizer are shared out, so
    that each card holds 1 / cards of them; at stage 2 the gradients too; at stage 3 the weights of
    2 bytes too. Return the bytes on each card, a float: parts are not rounded. Activations are not
    counted. Another stage raises ValueError.
    """
    if stage not in (0, 1, 2, 3):
        raise ValueError(f"stage is {stage}: it should be 0, 1, 2 or 3")
    weights = 2.0 * parameters
    gradients = 2.0 * parameters
    states = (4.0 + 4.0 + 4.0) * parameters  # master weights and two moments
    if stage >= 1:
        states /= cards
    if stage >= 2:
        gradients /= cards
    if stage >= 3:
        weights /= cards
    return weights + gradients + states


def from_a_table(parameters, cards, stage):
    held_by_all = {0: 16, 1: 4, 2: 2, 3: 0}  # bytes for each weight
    if stage not in held_by_all:
        raise ValueError("no such stage")
    whole = held_by_all[stage]
    return parameters * (whole + (16 - whole) / cards)


def part_by_part(parameters, cards, stage):
    if not 0 <= stage <= 3:
        raise ValueError("no such stage")
    on_how_many_cards = np.ones(3)
    on_how_many_cards[:stage] = cards
    return parameters * np.sum([12, 2, 2] / on_how_many_cards)


def _bytes(parameters, cards, stage, order=(12, 2, 2)):
    """Bytes a weight of each part, in the order in which the stages share them out."""
    if stage not in (0, 1, 2, 3):
        raise ValueError(f"stage is {stage}: it should be 0, 1, 2 or 3")
    return parameters * (sum(order[:stage]) / cards + sum(order[stage:]))


def stage_one_shares_nothing(parameters, cards, stage):
    """You share out one part less than the stage says: your stage 1 is stage 0. Stage 1 shares the
    states of the optimizer already."""
    right = _bytes(parameters, cards, stage)
    return _bytes(parameters, cards, stage - 1) if stage else right


def stage_zero_shares_already(parameters, cards, stage):
    """You share out one part more than the stage says. At stage 0 every card holds everything."""
    right = _bytes(parameters, cards, stage)
    return _bytes(parameters, cards, stage + 1) if stage < 3 else right


def weights_shared_first(parameters, cards, stage):
    """You share out the weights first and the states of the optimizer last. It is the other way
    round: the states are the largest part, and sharing them costs no time."""
    return _bytes(parameters, cards, stage, order=(2, 2, 12))


def only_the_part_of_the_stage(parameters, cards, stage):
    """You share out one part only: at stage 2 the gradients, at stage 3 the weights. Each stage
    shares what the one before does, and a part more."""
    whole = _bytes(parameters, cards, stage)
    if stage:
        part = (12, 2, 2)[stage - 1]
        whole = parameters * (16 - part + part / cards)
    return whole


def everything_divided(parameters, cards, stage):
    """You divide everything by the number of cards. That is stage 3; below it, something lies on
    every card whole."""
    _bytes(parameters, cards, stage)
    return 16 * parameters / cards


def gradients_in_four_bytes(parameters, cards, stage):
    """You count 4 bytes for a gradient. Here it is kept as it is computed, in 2."""
    return _bytes(parameters, cards, stage, order=(12, 4, 2))


def weights_and_gradients_in_four_bytes(parameters, cards, stage):
    """You count as for training in float32: 4 bytes for weights and gradients, and no master copy.
    That is 16 bytes as well, but the parts, and so what is shared out, are others."""
    return _bytes(parameters, cards, stage, order=(8, 4, 4))


def master_weights_or_a_moment_forgotten(parameters, cards, stage):
    """You count 8 bytes for the states of the optimizer: the master copy of the weights, or one of
    Adam's two moments, is missing. They are three, of 4 bytes each. (Without the master copy, steps
    that are small beside the weight would be rounded away.)"""
    return _bytes(parameters, cards, stage, order=(8, 2, 2))


def gradients_forgotten(parameters, cards, stage):
    """You leave out the gradients, 2 bytes each."""
    return _bytes(parameters, cards, stage, order=(12, 0, 2))


def all_cards_together(parameters, cards, stage):
    """You return the bytes on all cards together. What has to fit is each card's."""
    return cards * _bytes(parameters, cards, stage)


def any_stage_accepted(parameters, cards, stage):
    """You return a number for a stage that there is not. Raise ValueError below 0 and above 3."""
    return _bytes(parameters, cards, min(max(stage, 0), 3))


def cases(rng):
    yield Case("a hundred weights, four cards, stage 1", (100, 4, 1))
    for stage in (0, 2, 3):
        yield Case(f"a hundred weights, four cards, stage {stage}", (100, 4, stage))
    yield Case("one card, stage 3", (100, 1, 3))
    yield Case("one card, stage 0", (100, 1, 0))
    yield Case("parts that are not whole, stage 1", (50, 7, 1))
    yield Case("parts that are not whole, stage 3", (50, 7, 3))
    for stage in (1, 2, 3):
        yield Case(f"7.5 billion weights, 64 cards, stage {stage}", (7_500_000_000, 64, stage))
    for stage in (0, 1, 2, 3):
        parameters, cards = (int(rng.integers(2, top)) for top in (10_000, 40))
        note = f"random: {parameters} weights, {cards} cards, stage {stage}"
        yield Case(note, (parameters, cards, stage))
    yield Case("stage 4", (100, 4, 4))
    yield Case("stage −1", (100, 4, -1))


DRILL = Drill(
    reference=training_memory,
    cases=cases,
    alternatives=(from_a_table, part_by_part),
    mistakes=(
        stage_one_shares_nothing,
        stage_zero_shares_already,
        weights_shared_first,
        only_the_part_of_the_stage,
        everything_divided,
        gradients_in_four_bytes,
        weights_and_gradients_in_four_bytes,
        master_weights_or_a_moment_forgotten,
        gradients_forgotten,
        all_cards_together,
        any_stage_accepted,
    ),
    hints=(
        "Three parts: weights, gradients, states of the optimizer. How many bytes for each weight "
        "has each of them?",
        "2, 2 and 12 bytes. A part that is shared out is divided by the number of cards; which "
        "parts are, at each stage?",
        "Per weight: 16 at stage 0, 4 + 12 / cards at stage 1, 2 + 14 / cards at stage 2, "
        "16 / cards at stage 3; times parameters. Anything else: raise ValueError.",
    ),
    explanation=(
        "The stages are those of Rajbhandari and others, 2020, ZeRO: Memory Optimizations Toward "
        "Training Trillion Parameter Models. Their example, 7.5 billion weights on 64 cards, falls "
        "from 120 GB a card to 31.4, 16.6 and 1.9 GB. Keras and JAX reach the same by giving each "
        "variable a layout over the devices. Asked next: what does it cost? At stages 1 and 2 no "
        "more traffic than an all-reduce, for each card then needs only its part of the summed "
        "gradient. Stage 3 sends half as much again: every card has to fetch the weights of each "
        "layer, forward and backward. And what is not in the count? Activations, which "
        "recomputing makes smaller, and buffers."
    ),
    difficulty=1,
    taught_in="07_scaling_up, section 5",
)
