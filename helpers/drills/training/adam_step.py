import numpy as np

from helpers.drills.spec import Case, Drill


def adam_step(
    weights: list,
    gradients: list,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> list:
    """Train a model of several parameters with Adam, one step after the other, and keep its state
    yourself.

    `weights` is a list of float arrays, one for each parameter, of any shapes. `gradients` has one
    entry for each step: a list of arrays, one for each parameter, in its shape. Every number of
    every parameter has two moments of its own, m and v, which are 0 before the first step. A step
    with the gradient g sets m ← beta_1·m + (1 − beta_1)·g, and v ← beta_2·v + (1 − beta_2)·g²; then
    weight ← weight − learning_rate · m̂ / (√v̂ + epsilon), with m̂ = m / (1 − beta_1^t) and v̂ = v /
    (1 − beta_2^t). t counts the steps from 1, the same t for all parameters. A g of 0, as most rows
    of an embedding have, is a gradient like any other: m and v shrink, and the weight moves on.

    Return the list of the weights after the last step, and leave the arguments alone; without steps
    they are as given. Keras has epsilon beside the root of the *uncorrected* v,
    m̂ · √(1 − beta_2^t) / (√v + epsilon): either is right here.
    """
    weights = list(weights)
    m = [np.zeros_like(weight) for weight in weights]
    v = [np.zeros_like(weight) for weight in weights]
    for t, step in enumerate(gradients, start=1):  # one t for all parameters
        for i, g in enumerate(step):
            m[i] = beta_1 * m[i] + (1 - beta_1) * g
            v[i] = beta_2 * v[i] + (1 - beta_2) * g**2
            m_hat, v_hat = m[i] / (1 - beta_1**t), v[i] / (1 - beta_2**t)
            weights[i] = weights[i] - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
    return weights


def as_keras_does(weights, gradients, learning_rate, beta_1, beta_2, epsilon):
    """Epsilon beside the root of the uncorrected second moment."""
    weights = list(weights)
    m, v = ([np.zeros(np.shape(weight)) for weight in weights] for _ in range(2))
    for t, step in enumerate(gradients, start=1):
        rate = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        for i, g in enumerate(step):
            m[i] = m[i] + (g - m[i]) * (1 - beta_1)
            v[i] = v[i] + (g * g - v[i]) * (1 - beta_2)
            weights[i] = weights[i] - rate * m[i] / (np.sqrt(v[i]) + epsilon)
    return weights


def with_weighted_means(weights, gradients, learning_rate, beta_1, beta_2, epsilon):
    """The corrected moments are weighted means of the gradients so far; the newest weighs most."""

    def mean(values, beta):
        share = beta ** np.arange(len(values))[::-1]
        return np.tensordot(share / share.sum(), values, axes=1)

    results = []
    for i, weight in enumerate(weights):
        seen = np.array([step[i] for step in gradients])
        moves = [
            mean(seen[: t + 1], beta_1) / (mean(seen[: t + 1] ** 2, beta_2) ** 0.5 + epsilon)
            for t in range(len(seen))
        ]
        results.append(weight - learning_rate * sum(moves))
    return results


def as_one_long_vector(weights, gradients, learning_rate, beta_1, beta_2, epsilon):
    def flat(arrays):
        return np.concatenate([np.ravel(array) for array in arrays])

    w = flat(weights)
    m, v = np.zeros_like(w), np.zeros_like(w)
    kept_1, kept_2 = 1.0, 1.0
    for step in gradients:
        g = flat(step)
        kept_1, kept_2 = kept_1 * beta_1, kept_2 * beta_2
        m += (1 - beta_1) * (g - m)
        v += (1 - beta_2) * (g * g - v)
        w -= learning_rate / (1 - kept_1) * m / (np.sqrt(v / (1 - kept_2)) + epsilon)
    ends = np.cumsum([np.size(weight) for weight in weights])
    parts = zip(np.split(w, ends[:-1]), weights, strict=True)
    return [part.reshape(np.shape(weight)) for part, weight in parts]


def _adam(weights, gradients, rate, betas, epsilon, time=None, move=None, keep=None):
    """Adam with other parts: time(t, i, n) of parameter i of n in step t, move(m, v, g, t), and
    keep(m, v, t), the moments for the next step."""
    weights, n = list(weights), len(weights)
    moments = [(np.zeros_like(weight), np.zeros_like(weight)) for weight in weights]
    with np.errstate(all="ignore"):
        for step_number, step in enumerate(gradients, start=1):
            for i, g in enumerate(step):
                t = time(step_number, i, n) if time else step_number
                m = betas[0] * moments[i][0] + (1 - betas[0]) * g
                v = betas[1] * moments[i][1] + (1 - betas[1]) * g**2
                if move:
                    change = move(m, v, g, t)
                else:
                    root = np.sqrt(v / (1 - betas[1] ** np.float64(t)))
                    change = m / (1 - betas[0] ** np.float64(t)) / (root + epsilon)
                weights[i] = weights[i] - rate * change
                moments[i] = keep(m, v, t) if keep else (m, v)
    return weights


def t_counts_parameters(weights, gradients, rate, beta_1, beta_2, epsilon):
    """Your t grows with every parameter, so that the later ones of a step are corrected as if more
    steps had been made. Count once a step, outside the loop over the parameters."""

    def time(t, i, n):
        return (t - 1) * n + i + 1

    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, time)


def t_starts_at_zero(weights, gradients, rate, beta_1, beta_2, epsilon):
    """Your first t is 0: there 1 − beta^0 is 0, and the weights become NaN. The first step has
    t = 1."""
    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, lambda t, i, n: t - 1)


def t_starts_at_two(weights, gradients, rate, beta_1, beta_2, epsilon):
    """Your t is one too large in every step, as if it were raised before the first and again in the
    power. At the first step, the corrected moments are g and g²."""
    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, lambda t, i, n: t + 1)


def t_stays_at_one(weights, gradients, rate, beta_1, beta_2, epsilon):
    """Your correction is that of the first step for ever. It fades as the moments fill: raise t
    with every step."""
    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, lambda t, i, n: 1)


def bias_not_corrected(weights, gradients, rate, beta_1, beta_2, epsilon):
    """You use m and v as they are. Both come from 0 and start too small, by different factors, so
    the first steps have the wrong length: correct both."""
    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, lambda t, i, n: np.inf)


def corrected_moments_carried_on(weights, gradients, rate, beta_1, beta_2, epsilon):
    """You put m̂ and v̂ in the place of m and v, so that the next step corrects what is corrected.
    Give them names of their own."""

    def keep(m, v, t):
        return m / (1 - beta_1**t), v / (1 - beta_2**t)

    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, keep=keep)


def moments_begin_anew(weights, gradients, rate, beta_1, beta_2, epsilon):
    """Your moments are set to 0 in every step, so each step knows its own gradient only. Make them
    once, before the first."""
    return _adam(
        weights, gradients, rate, (beta_1, beta_2), epsilon, keep=lambda m, v, t: (0 * m, 0 * v)
    )


def zero_gradients_skipped(weights, gradients, rate, beta_1, beta_2, epsilon):
    """You leave a number alone where its gradient is 0: "lazy" Adam. In plain Adam its moments go
    on shrinking, and while m is not 0 the weight moves."""
    weights = [np.array(weight, float) for weight in weights]
    m, v = ([np.zeros_like(weight) for weight in weights] for _ in range(2))
    for t, step in enumerate(gradients, start=1):
        for i, g in enumerate(step):
            on = g != 0
            m[i] = np.where(on, beta_1 * m[i] + (1 - beta_1) * g, m[i])
            v[i] = np.where(on, beta_2 * v[i] + (1 - beta_2) * g**2, v[i])
            change = m[i] / (1 - beta_1**t) / (np.sqrt(v[i] / (1 - beta_2**t)) + epsilon)
            weights[i] = weights[i] - rate * np.where(on, change, 0)
    return weights


def weights_rest_without_gradient(weights, gradients, rate, beta_1, beta_2, epsilon):
    """Your moments shrink where the gradient is 0, but the weight rests there. It moves by m̂, not
    by the gradient, and m̂ remembers."""

    def move(m, v, g, t):
        change = m / (1 - beta_1**t) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        return np.where(g != 0, change, 0)

    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, move=move)


def one_array_for_m_and_v(weights, gradients, rate, beta_1, beta_2, epsilon):
    """m and v are the same array under two names, `m = v = zeros`, and what is written into one is
    in the other. Make two."""
    weights = [np.array(weight, float) for weight in weights]
    moments = [np.zeros_like(weight) for weight in weights]
    with np.errstate(all="ignore"):
        for t, step in enumerate(gradients, start=1):
            for i, g in enumerate(step):
                both = beta_1 * moments[i] + (1 - beta_1) * g
                both = beta_2 * both + (1 - beta_2) * g**2
                root = np.sqrt(both / (1 - beta_2**t))
                weights[i] = weights[i] - rate * both / (1 - beta_1**t) / (root + epsilon)
                moments[i] = both
    return weights


def one_v_for_each_parameter(weights, gradients, rate, beta_1, beta_2, epsilon):
    """You average g² over the whole parameter: then all its numbers share one step size, and rare
    rows lose theirs. v has the parameter's shape."""

    def move(m, v, g, t):
        root = np.sqrt(v.mean() / (1 - beta_2**t))
        return m / (1 - beta_1**t) / (root + epsilon)

    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, move=move)


def first_moment_not_used(weights, gradients, rate, beta_1, beta_2, epsilon):
    """You move by the gradient itself over √v̂: that is RMSprop. Adam moves by the mean of the
    gradients, m̂."""

    def move(m, v, g, t):
        return g / (np.sqrt(v / (1 - beta_2**t)) + epsilon)

    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, move=move)


def v_not_under_a_root(weights, gradients, rate, beta_1, beta_2, epsilon):
    """You divide by v̂. It is a mean of squares: only its root has the gradient's unit, which then
    cancels."""

    def move(m, v, g, t):
        return m / (1 - beta_1**t) / (v / (1 - beta_2**t) + epsilon)

    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, move=move)


def epsilon_inside_the_root(weights, gradients, rate, beta_1, beta_2, epsilon):
    """You take the root of v̂ + epsilon. Epsilon is added after the root, to √v̂."""

    def move(m, v, g, t):
        return m / (1 - beta_1**t) / np.sqrt(v / (1 - beta_2**t) + epsilon)

    return _adam(weights, gradients, rate, (beta_1, beta_2), epsilon, move=move)


def betas_in_each_others_place(weights, gradients, rate, beta_1, beta_2, epsilon):
    """beta_2 smooths your gradients and beta_1 their squares. It is the other way round: the
    squares are smoothed longer."""
    return adam_step(weights, gradients, rate, beta_2, beta_1, epsilon)


def last_step_left_out(weights, gradients, rate, beta_1, beta_2, epsilon):
    """The last entry of `gradients` has no effect on what you return. There are as many steps as
    entries: move the weights after the last one too."""
    return adam_step(weights, gradients[:-1], rate, beta_1, beta_2, epsilon)


def cases(rng):
    usual = 0.1, 0.9, 0.99, 1e-3
    steps = [[np.array(g)] for g in ([0.5, 0.1], [0.5, 0.0])]
    yield Case("one parameter, two steps", ([np.array([1.0, -2.0])], steps, *usual))
    yield Case("one step", ([np.array([1.0, -2.0])], steps[:1], *usual))
    yield Case("no step", ([np.array([1.0, -2.0])], [], *usual))
    pair = [np.array([1.0, -2.0]), np.array([0.5, 3.0])]
    steps = [[np.array([0.5, 0.1]), np.array([-0.2, 0.3])], [np.array([0.1, 0.4]), np.ones(2)]]
    yield Case("two parameters of the same shape", (pair, steps, *usual))
    still = [[g, np.zeros(2)] for g, _ in steps]
    yield Case("a parameter that never has a gradient", (pair, still, *usual))
    rows = [[np.zeros((4, 2))] for _ in range(6)]
    rows[0][0][1], rows[2][0][3], rows[3][0][1] = [1.0, -2.0], [0.3, 0.1], [-0.5, 1.0]
    note = "an embedding of which few rows have a gradient"
    yield Case(note, ([rng.normal(size=(4, 2))], rows, 0.05, 0.8, 0.95, 1e-2))
    shapes = (3, 2), (2,), (2, 4), ()
    for steps, epsilon in ((3, 0.3), (41, 1e-4)):
        weights = [np.array(rng.normal(size=shape)) for shape in shapes]
        gradients = [[np.array(rng.normal(size=shape)) for shape in shapes] for _ in range(steps)]
        note = f"four parameters, {steps} random steps"
        yield Case(note, (weights, gradients, 0.03, 0.85, 0.95, epsilon))


DRILL = Drill(
    reference=adam_step,
    cases=cases,
    alternatives=(with_weighted_means, as_one_long_vector),
    conventions=(as_keras_does,),
    mistakes=(
        t_counts_parameters,
        t_starts_at_zero,
        t_starts_at_two,
        t_stays_at_one,
        bias_not_corrected,
        corrected_moments_carried_on,
        moments_begin_anew,
        zero_gradients_skipped,
        weights_rest_without_gradient,
        one_array_for_m_and_v,
        one_v_for_each_parameter,
        first_moment_not_used,
        v_not_under_a_root,
        epsilon_inside_the_root,
        betas_in_each_others_place,
        last_step_left_out,
    ),
    hints=(
        "What has to live from one step to the next? For each parameter two arrays, and one "
        "number for all of them together.",
        "Two loops: over the steps, where t grows, and inside over the parameters. The corrected "
        "moments are used once and thrown away.",
        "for t, step in enumerate(gradients, start=1): for each parameter i update m[i] and v[i], "
        "then weights[i] = weights[i] − learning_rate · (m[i] / (1 − beta_1**t)) / (np.sqrt(v[i] / "
        "(1 − beta_2**t)) + epsilon).",
    ),
    explanation=(
        "Written out, m̂ is a weighted mean of all gradients so far, with weights beta_1^0, "
        "beta_1^1, … from the newest back: dividing by 1 − beta_1^t is what makes these weights "
        "sum to 1 (Kingma and Ba, 2015). Because m fades slowly, a row of an embedding keeps "
        "moving for some ten steps after its word was last seen, although no gradient asks for it; "
        "and because v fades more slowly still, one wild gradient shortens the steps long after "
        "it. Asked next: what does a checkpoint have to hold? m, v and t, or the first steps after "
        "loading are corrected as if training began there."
    ),
    difficulty=2,
    taught_in="01_training_pipeline, section 5",
)
