import copy

import numpy as np

from helpers.drills.spec import Case, Drill


def inverted_dropout(
    x: np.ndarray, upstream: np.ndarray, rate: float, training: bool, rng: np.random.Generator
) -> tuple:
    """Run dropout forward and backward, with a mask that you draw yourself.

    `x` is float64 of any shape, and may hold zeros, as after ReLU. In training every number of x is
    dropped with the probability `rate`, 0 ≤ rate < 1, each independently of all others and anew in
    every call: y is 0 there, and x / (1 − rate) where the number is kept. So the expectation of y
    is x. In evaluation, where `training` is False, y is x. `upstream`, of the shape of x, is dL/dy,
    the gradient of some loss with respect to the output of this very call. Return (y, dL/dx), both
    of the shape of x.

    All randomness comes from `rng`, so that the same generator in the same state gives the same
    result; how you draw is yours to choose. Leave the arrays alone.
    """
    if not training:
        return x, upstream
    kept = rng.random(x.shape) >= rate
    factors = kept / (1 - rate)  # both passes multiply by these: remember them
    return x * factors, upstream * factors


def drawn_as_coins(x, upstream, rate, training, rng):
    keep = 1 - rate if training else 1.0
    mask = rng.binomial(1, keep, size=x.shape) > 0
    y, dx = np.zeros(x.shape), np.zeros(x.shape)
    y[mask] = x[mask] / keep
    dx[mask] = upstream[mask] / keep
    return y, dx


def number_by_number(x, upstream, rate, training, rng):
    y, dx = x.copy(), upstream.copy()
    for place in np.ndindex(x.shape):
        if training:
            dropped = rng.uniform() < rate
            y[place] = 0.0 if dropped else x[place] / (1 - rate)
            dx[place] = 0.0 if dropped else upstream[place] / (1 - rate)
    return y, dx


def drawn_by_choice(x, upstream, rate, training, rng):
    if training:
        factors = rng.choice([0.0, 1.0 / (1.0 - rate)], x.shape, p=[rate, 1.0 - rate])
        x, upstream = x * factors, upstream * factors
    return x, upstream


def _kept(x, rate, rng):
    return rng.random(x.shape) >= rate


def not_scaled_up(x, upstream, rate, training, rng):
    """What is kept stays as large as it was, so that the sums of the next layer are smaller in
    training than in evaluation by the share that is dropped. Make up for it, in both passes."""
    kept = _kept(x, rate, rng) if training else 1.0
    return x * kept, upstream * kept


def scaled_by_the_rate(x, upstream, rate, training, rng):
    """You divide by the probability of being dropped. What survives has to stand for all: divide by
    the probability of being kept. The two are the same only at a half."""
    if not training:
        return x, upstream
    with np.errstate(all="ignore"):
        factors = np.where(_kept(x, rate, rng), 1 / np.float64(rate), 0)
    return x * factors, upstream * factors


def scaled_down(x, upstream, rate, training, rng):
    """You multiply what is kept by the probability of keeping it, and the expectation falls twice.
    Divide by it."""
    factors = _kept(x, rate, rng) * (1 - rate) if training else 1.0
    return x * factors, upstream * factors


def dropped_in_evaluation(x, upstream, rate, training, rng):
    """You drop in evaluation as well. There the whole network answers: y is x, and nothing is
    drawn."""
    return inverted_dropout(x, upstream, rate, True, rng)


def scaled_in_evaluation(x, upstream, rate, training, rng):
    """You leave training unscaled and shrink in evaluation. That is the first form of dropout;
    *inverted* dropout scales in training, so that a deployed model needs to know nothing of it."""
    factors = _kept(x, rate, rng) if training else 1 - rate
    return x * factors, upstream * factors


def new_mask_backward(x, upstream, rate, training, rng):
    """Your backward pass draws a mask of its own. Gradients then flow through numbers that took no
    part, and not through those that did: keep the mask of the forward pass."""
    y, _ = inverted_dropout(x, upstream, rate, training, rng)
    return y, inverted_dropout(x, upstream, rate, training, rng)[1]


def gradient_passed_through(x, upstream, rate, training, rng):
    """You hand the gradient on as it came. A dropped number had no influence on the loss, and a
    kept one had 1 / (1 − rate) times as much."""
    return inverted_dropout(x, upstream, rate, training, rng)[0], upstream


def gradient_masked_only(x, upstream, rate, training, rng):
    """Your gradient has the right zeros and lacks the factor. y is x times a number: the gradient
    takes the same one."""
    y, dx = inverted_dropout(x, upstream, rate, training, rng)
    return y, dx * (1 - rate) if training else dx


def gradient_scaled_only(x, upstream, rate, training, rng):
    """Your gradient is scaled, and not masked: dropped numbers get one too, and should get 0."""
    y, dx = inverted_dropout(x, upstream, rate, training, rng)
    return y, upstream / (1 - rate) if training else dx


def mask_read_off_the_output(x, upstream, rate, training, rng):
    """In the backward pass you take for dropped what is 0 in the output. A number that was 0
    before, as half of them are after ReLU, may have been kept: remember the mask itself."""
    y, dx = inverted_dropout(x, upstream, rate, training, rng)
    return y, upstream * (y != 0) / (1 - rate) if training else dx


def one_mask_for_the_batch(x, upstream, rate, training, rng):
    """You draw a mask for one row and use it for all: the whole batch trains the same thinned
    network. Draw one of the shape of x."""
    if not training:
        return x, upstream
    factors = np.broadcast_to(_kept(x[:1], rate, rng) / (1 - rate), x.shape)
    return x * factors, upstream * factors


def whole_rows_dropped(x, upstream, rate, training, rng):
    """You draw one number for each row, and a row lives or dies as a whole. An example that is all
    zeros teaches nothing: draw for each number."""
    if not training:
        return x, upstream
    draws = rng.random((len(x), *[1] * (x.ndim - 1)))
    factors = np.broadcast_to((draws >= rate) / (1 - rate), x.shape)
    return x * factors, upstream * factors


def rate_taken_for_keeping(x, upstream, rate, training, rng):
    """You keep with the probability `rate`, as TensorFlow 1 did with keep_prob. Here, as in Keras
    and PyTorch, it is the probability of dropping."""
    if not training:
        return x, upstream
    with np.errstate(all="ignore"):
        factors = np.where(rng.random(x.shape) < rate, 1 / np.float64(rate), 0)
    return x * factors, upstream * factors


def compared_the_wrong_way(x, upstream, rate, training, rng):
    """You keep where the draw is below `rate`, so too many are dropped at small rates and too few
    at large ones; the factor is right. Turn the comparison round."""
    if not training:
        return x, upstream
    factors = (rng.random(x.shape) < rate) / (1 - rate)
    return x * factors, upstream * factors


def fixed_count_dropped(x, upstream, rate, training, rng):
    """You drop the same count in every call, chosen at random. Each number has to be dropped by a
    draw of its own; the count then varies."""
    if not training:
        return x, upstream
    dropped = rng.permutation(x.size) < round(rate * x.size)
    factors = np.where(dropped, 0, 1 / (1 - rate)).reshape(x.shape)
    return x * factors, upstream * factors


def normal_draws(x, upstream, rate, training, rng):
    """You draw from a normal distribution and compare with `rate`. Only uniform draws from 0 to 1
    fall below `rate` with just that probability."""
    if not training:
        return x, upstream
    factors = (rng.normal(size=x.shape) >= rate) / (1 - rate)
    return x * factors, upstream * factors


def same_mask_in_every_call(x, upstream, rate, training, rng):
    """You seed a generator of your own inside, so every call drops the same numbers, and their
    weights are never trained. Draw with `rng`, and let it move on."""
    return inverted_dropout(x, upstream, rate, training, np.random.default_rng(0))


def global_random_state(x, upstream, rate, training, rng):
    """You draw with `np.random` itself. A run then cannot be repeated from `rng`: draw with
    that."""
    return inverted_dropout(x, upstream, rate, training, np.random)


CALLS = 1_500


def _factor(result, given, kept):
    """The one number by which all that is kept was multiplied, or words."""
    if not kept.any():
        return "nothing is kept"
    with np.errstate(all="ignore"):
        ratios = (result / given.astype(result.dtype))[kept]
    same = np.ptp(ratios) <= 1e-4 * np.abs(ratios).max() if np.isfinite(ratios).all() else False
    return ratios.flat[0] if same else "not one factor"


def _share(dropped, rate):
    """Which share was dropped, in words, so that chance does not show."""
    error = 6 * np.sqrt(max(rate * (1 - rate), 1e-9) / dropped.size)
    for name, share in [("`rate`", rate), ("1 − `rate`", 1 - rate), ("none", 0), ("all", 1)]:
        if abs(dropped.mean() - share) <= error:
            return name
    return "another share"


def observe(answer, x, upstream, rate, training, rng):
    """What holds of every right dropout, whatever it draws and how: seen over many calls."""
    again = copy.deepcopy(rng)
    pair = answer(x, upstream, rate, training, rng)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return {"a pair is returned": False}
    if not training:
        return {"y": pair[0], "dL/dx": pair[1]}
    if any(np.shape(part) != x.shape for part in pair):
        return {"the shape of y": np.shape(pair[0]), "the shape of dL/dx": np.shape(pair[1])}
    repeated = answer(x, upstream, rate, training, again)
    pairs = [pair] + [answer(x, upstream, rate, training, rng) for _ in range(CALLS - 1)]
    y, dx = (np.array(parts) for parts in zip(*pairs, strict=True))  # (calls, *x.shape)
    nonzero = x != 0  # of a zero, y does not tell whether it was dropped
    gone, blocked = y == 0, dx == 0
    seen = {
        "zeros of x stay zeros": bool(gone[:, ~nonzero].all()),
        "dropped": _share(gone[:, nonzero], rate),
        "factor of y": _factor(y, np.broadcast_to(x, y.shape), ~gone & nonzero),
        "without gradient": _share(blocked, rate),
        "factor of dL/dx": _factor(dx, np.broadcast_to(upstream, y.shape), ~blocked),
        "gradient is zero where y was dropped": bool(np.all((gone == blocked)[:, nonzero])),
        "the same generator gives the same": all(map(np.array_equal, pair, repeated)),
    }
    if 0 < rate < 1:
        lost = gone[:, nonzero]
        seen["every call drops the same"] = bool(np.all(lost == lost[0]))
        seen["every call drops as many"] = x.size > 1 and len(set(lost.sum(axis=1).tolist())) == 1
        rows = gone.reshape(len(gone), len(x), -1)[:, nonzero.reshape(len(x), -1).all(axis=1)]
        if rows.shape[1] > 1:
            seen["all rows lose the same"] = bool(np.all(rows == rows[:, :1]))
        if rows.shape[2] > 1:
            seen["a row is lost as a whole"] = bool(np.all(rows == rows[:, :, :1]))
        if not seen["every call drops the same"]:
            with np.errstate(all="ignore"):
                related = np.corrcoef(blocked.reshape(len(blocked), -1), rowvar=False)
            apart = related[~np.eye(x.size, dtype=bool)] if x.size > 1 else np.zeros(1)
            seen["numbers are dropped independently"] = bool(np.nanmax(np.abs(apart)) < 0.25)
    return seen


def cases(rng):
    x, upstream = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 1.0], [2.0, 2.0]])
    seed = np.random.default_rng
    yield Case("a rate of a half", (x, upstream, 0.5, True, seed(5)))
    yield Case("evaluation", (x, upstream, 0.5, False, seed(2)))
    yield Case("a rate of 0.2", (x, upstream, 0.2, True, seed(3)))
    yield Case("nothing is dropped", (x, upstream, 0.0, True, seed(4)))
    yield Case("a rate of 0, evaluation", (x, upstream, 0.0, False, seed(5)))
    zeros = np.array([[0.0, -1.5, 0.0], [2.0, 0.0, 0.5], [1.0, 3.0, -2.0], [4.0, -1.0, 1.0]])
    yield Case("zeros in x", (zeros, rng.normal(size=zeros.shape), 0.3, True, seed(6)))
    for shape, rate in [((7,), 0.7), ((3, 5), 0.95), ((2, 3, 2), 0.1)]:
        x, upstream = rng.normal(size=(2, *shape))
        note = f"random numbers of shape {shape}, a rate of {rate}"
        yield Case(note, (x, upstream, rate, True, seed(rng.integers(100))))
    yield Case("random numbers, evaluation", (x, upstream, 0.9, False, seed(7)))


DRILL = Drill(
    reference=inverted_dropout,
    cases=cases,
    observe=observe,
    alternatives=(drawn_as_coins, number_by_number, drawn_by_choice),
    mistakes=(
        not_scaled_up,
        scaled_by_the_rate,
        scaled_down,
        dropped_in_evaluation,
        scaled_in_evaluation,
        new_mask_backward,
        gradient_passed_through,
        gradient_masked_only,
        gradient_scaled_only,
        mask_read_off_the_output,
        one_mask_for_the_batch,
        whole_rows_dropped,
        rate_taken_for_keeping,
        compared_the_wrong_way,
        fixed_count_dropped,
        normal_draws,
        same_mask_in_every_call,
        global_random_state,
    ),
    hints=(
        "In training y is x times an array of factors, each 0 or one other number. What is then "
        "the gradient of y with respect to x, number by number?",
        "The probability of keeping is 1 − rate. For the expectation of y to be x, what is kept "
        "has to be divided by it. Draw the factors once, and use them in both passes.",
        "factors = (rng.random(x.shape) >= rate) / (1 − rate); return x · factors and upstream · "
        "factors. In evaluation return x and upstream.",
    ),
    explanation=(
        "For a given mask dropout is a product with constants, so its gradient is the same product "
        "(Srivastava and others, 2014). The mask is state: a layer keeps it, or the seed that it "
        "was drawn from, between the passes; recomputing activations to save memory has to draw "
        "the same one again. Asked next: what about a recurrent network? With a new mask at every "
        "step little of a memory survives, so one mask serves all steps of a sequence (Gal and "
        "Ghahramani, 2016), as with Keras's `recurrent_dropout`. And the variance? The factor "
        "keeps the mean and not the variance, so batch normalisation behind dropout learns a "
        "variance that evaluation does not have (Li and others, 2019)."
    ),
    difficulty=1,
    taught_in="03_recurrent_networks, section 6",
)
