import numpy as np

from helpers.drills.spec import Case, Drill


def adamw_step(
    weight: np.ndarray,
    gradient: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    step: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float,
) -> tuple:
    """Take one step of AdamW, the optimizer of most transformers: Adam with decoupled weight decay.

    `weight`, `gradient` and the moments `m` and `v` have one shape; `step` counts from 1. Update
    m ← beta_1·m + (1 − beta_1)·gradient and v ← beta_2·v + (1 − beta_2)·gradient². Correct their
    bias towards zero: m̂ = m / (1 − beta_1^step), v̂ = v / (1 − beta_2^step). Then
    weight ← weight − learning_rate · (m̂ / (√v̂ + epsilon) + weight_decay · weight). Return
    (weight, m, v), the moments uncorrected, and leave the arguments alone. Keras adds epsilon to
    the root of the *uncorrected* v, m̂ · √(1 − beta_2^step) / (√v + epsilon): either is right here.
    """
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient**2
    m_hat = m / (1 - beta_1**step)
    v_hat = v / (1 - beta_2**step)
    update = m_hat / (np.sqrt(v_hat) + epsilon) + weight_decay * weight
    return weight - learning_rate * update, m, v


def as_keras_does(
    weight, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon, weight_decay
):
    """Epsilon beside the root of the uncorrected second moment."""
    rate = learning_rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    decayed = weight - learning_rate * weight_decay * weight
    m = m + (gradient - m) * (1 - beta_1)
    v = v + (gradient**2 - v) * (1 - beta_2)
    return decayed - rate * m / (np.sqrt(v) + epsilon), m, v


def decay_first(weight, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon, weight_decay):
    m = m + (1 - beta_1) * (gradient - m)
    v = v + (1 - beta_2) * (gradient * gradient - v)
    root = np.sqrt(v / (1 - np.power(beta_2, step)))
    moved = weight * (1 - learning_rate * weight_decay)
    return moved - learning_rate / (1 - np.power(beta_1, step)) * m / (root + epsilon), m, v


def number_by_number(
    weight, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon, weight_decay
):
    result = [np.empty_like(weight) for _ in range(3)]
    for place in np.ndindex(weight.shape):
        first = beta_1 * m[place] + (1 - beta_1) * gradient[place]
        second = beta_2 * v[place] + (1 - beta_2) * gradient[place] ** 2
        direction = first / (1 - beta_1**step) / ((second / (1 - beta_2**step)) ** 0.5 + epsilon)
        new = weight[place] - learning_rate * (direction + weight_decay * weight[place])
        for array, value in zip(result, (new, first, second), strict=True):
            array[place] = value
    return tuple(result)


def decay_inside_the_gradient(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """You add the decay to the gradient: that is Adam with an L2 penalty, where the decay of each
    weight is divided by its root of v. AdamW decays the weight itself, beside the update."""
    return adamw_step(
        weight, gradient + decay * weight, m, v, step, rate, beta_1, beta_2, epsilon, 0.0
    )


def decay_without_the_learning_rate(w, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """Your decay is not multiplied by the learning rate, so a schedule no longer scales it. The
    paper leaves a schedule factor there; PyTorch and Keras multiply by the learning rate."""
    new, m, v = adamw_step(w, gradient, m, v, step, rate, beta_1, beta_2, epsilon, 0.0)
    return new - decay * w, m, v


def decay_forgotten(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """Your weights do not decay: this is Adam. Subtract learning_rate · weight_decay · weight
    too."""
    return adamw_step(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, 0.0)


def decay_of_the_moved_weight(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """You decay the weight after it has moved. The decay is taken of the weight before the step."""
    new, m, v = adamw_step(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, 0.0)
    return new * (1 - rate * decay), m, v


def moments_not_corrected(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """You use the moments without correcting their bias. They start at zero, so the first steps
    come out of proportion: divide by 1 − beta^step."""
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient**2
    return weight - rate * (m / (np.sqrt(v) + epsilon) + decay * weight), m, v


def only_m_corrected(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """You correct the bias of m and not that of v. With v still near zero the first steps are far
    too long: divide v by 1 − beta_2^step too."""
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient**2
    m_hat = m / (1 - beta_1**step)
    return weight - rate * (m_hat / (np.sqrt(v) + epsilon) + decay * weight), m, v


def only_v_corrected(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """You correct the bias of v and not that of m. The first steps come out too short: divide m by
    1 − beta_1^step too."""
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient**2
    v_hat = v / (1 - beta_2**step)
    return weight - rate * (m / (np.sqrt(v_hat) + epsilon) + decay * weight), m, v


def corrected_moments_kept(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """You return the corrected moments, so the next step corrects them again. Correct copies, and
    keep the raw moments."""
    new, m, v = adamw_step(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay)
    return new, m / (1 - beta_1**step), v / (1 - beta_2**step)


def step_counted_from_0(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """Your correction is one step behind: step is 1 at the first call. With 0 you would divide by
    1 − 1."""
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient**2
    with np.errstate(all="ignore"):
        m_hat, v_hat = m / (1 - beta_1 ** (step - 1)), v / (1 - beta_2 ** (step - 1))
        return weight - rate * (m_hat / (np.sqrt(v_hat) + epsilon) + decay * weight), m, v


def epsilon_under_the_root(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """Your epsilon is under the root, where 1e-8 acts like 1e-4. It is added to the root."""
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient**2
    m_hat, v_hat = m / (1 - beta_1**step), v / (1 - beta_2**step)
    return weight - rate * (m_hat / np.sqrt(v_hat + epsilon) + decay * weight), m, v


def gradient_not_squared(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """Your second moment averages the gradient, not its square, and can become negative under the
    root."""
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient
    m_hat, v_hat = m / (1 - beta_1**step), v / (1 - beta_2**step)
    with np.errstate(all="ignore"):
        return weight - rate * (m_hat / (np.sqrt(v_hat) + epsilon) + decay * weight), m, v


def root_forgotten(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """You divide by v̂ itself: the step then grows as the gradient shrinks. Divide by its root."""
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient**2
    m_hat, v_hat = m / (1 - beta_1**step), v / (1 - beta_2**step)
    return weight - rate * (m_hat / (v_hat + epsilon) + decay * weight), m, v


def moments_of_the_step_before(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """You move the weight with the moments from before this gradient. Update them first."""
    m_hat, v_hat = m / (1 - beta_1**step), v / (1 - beta_2**step)
    new_m, new_v = beta_1 * m + (1 - beta_1) * gradient, beta_2 * v + (1 - beta_2) * gradient**2
    return weight - rate * (m_hat / (np.sqrt(v_hat) + epsilon) + decay * weight), new_m, new_v


def betas_exchanged(weight, gradient, m, v, step, rate, beta_1, beta_2, epsilon, decay):
    """You use beta_1 where beta_2 belongs: beta_1 averages the gradient, beta_2 its square."""
    return adamw_step(weight, gradient, m, v, step, rate, beta_2, beta_1, epsilon, decay)


def cases(rng):
    zero, usual = np.zeros(2), (0.1, 0.9, 0.99, 1e-3, 0.02)
    yield Case(
        "the first step", (np.array([1.0, -2.0]), np.array([0.5, 0.1]), zero, zero, 1, *usual)
    )
    moments = np.array([0.2, -0.1]), np.array([0.05, 0.3])
    yield Case("step 7", (np.array([1.0, -2.0]), np.array([0.5, 0.1]), *moments, 7, *usual))
    yield Case("no gradient", (np.array([1.0, -2.0]), zero, *moments, 3, *usual))
    yield Case("no gradient ever", (np.array([1.0, -2.0]), zero, zero, zero, 1, *usual))
    yield Case(
        "no decay", (np.array([1.0, -2.0]), np.array([0.5, 0.1]), *moments, 2, *usual[:4], 0.0)
    )
    for shape, step, epsilon in (((3, 2), 1, 1e-2), ((5,), 12, 0.3), ((2, 7), 900, 1e-4)):
        weight, gradient, m = rng.normal(size=(3, *shape))
        v, decay = rng.random(shape), rng.random() / 5
        rest = step, 0.03, 0.8, 0.95, epsilon, decay
        yield Case(f"random weights, step {step}", (weight, gradient, m, v, *rest))


DRILL = Drill(
    reference=adamw_step,
    cases=cases,
    alternatives=(decay_first, number_by_number),
    conventions=(as_keras_does,),
    mistakes=(
        decay_inside_the_gradient,
        decay_without_the_learning_rate,
        decay_forgotten,
        decay_of_the_moved_weight,
        moments_not_corrected,
        only_m_corrected,
        only_v_corrected,
        corrected_moments_kept,
        step_counted_from_0,
        epsilon_under_the_root,
        gradient_not_squared,
        root_forgotten,
        moments_of_the_step_before,
        betas_exchanged,
    ),
    hints=(
        "Five lines in this order: m, v, m̂, v̂, weight. Which of them use the gradient?",
        "The decay has nothing to do with m and v: it shrinks the weight by learning_rate · "
        "weight_decay of itself. That is the W in AdamW.",
        "weight − learning_rate · (m / (1 − beta_1**step) / (np.sqrt(v / (1 − beta_2**step)) + "
        "epsilon) + weight_decay · weight), with m and v already updated.",
    ),
    explanation=(
        "m is a running mean of the gradient, v of its square; their ratio is a step of about the "
        "learning rate in every coordinate (Kingma and Ba, 2015). Both start at zero and are too "
        "small by the factor 1 − beta^step, which the correction divides out. Decay inside the "
        "gradient would be divided by √v too, and so be weakest where gradients are largest "
        "(Loshchilov and Hutter, 2019). Asked next: how much memory does Adam need beside the "
        "weights? Twice their own."
    ),
    difficulty=2,
    taught_in="01_training_pipeline, section 5",
)
