import math

import numpy as np

from helpers.drills.spec import Case, Drill


def gradient_penalty(
    real: np.ndarray, fake: np.ndarray, epsilon: np.ndarray, W: np.ndarray, v: np.ndarray
) -> tuple:
    """Compute the gradient penalty of WGAN-GP, and how it moves the critic's weights: a gradient of
    a gradient.

    The critic is f(x) = tanh(x @ W) @ v, one number for each example; `W` has the shape (features,
    hidden), `v` (hidden,). `real` and `fake` have the shape (batch, features), `epsilon` (batch,):
    one weight for each pair. The points are epsilon · real + (1 − epsilon) · fake, pair by pair.

    At each point take g, the gradient of f with respect to that point, and its Euclidean norm.
    Return (penalty, dW, dv): `penalty` is the mean over the batch of (norm − 1)², without a factor
    for its weight in a loss; `dW` and `dv` are the gradients of the penalty with respect to W and
    v, in their shapes. g depends on W in two ways, as a factor and inside tanh: both count. Where a
    norm is exactly 0 (W or v is 0, or every tanh saturated) it has no derivative: take it as 0
    there, so that this example adds to the penalty and not to dW and dv.
    """
    weight = epsilon[:, None]
    points = weight * real + (1 - weight) * fake
    t = np.tanh(points @ W)  # (batch, hidden)
    slope = 1 - t**2
    g = (slope * v) @ W.T  # df/dx at the points, (batch, features)
    norm = np.sqrt((g**2).sum(axis=1, keepdims=True))
    # Backward through all that. d_ is the derivative of the penalty with respect to what follows.
    direction = g / np.where(norm > 0, norm, 1)  # 0 where g is
    d_g = 2 * (norm - 1) * direction / len(g)
    d_scaled = d_g @ W  # of slope * v
    d_z = d_scaled * v * -2 * t * slope  # of points @ W, through the slope of tanh
    dW = d_g.T @ (slope * v) + points.T @ d_z
    dv = (d_scaled * slope).sum(axis=0)
    return ((norm - 1) ** 2).mean(), dW, dv


def through_the_gram_matrix(real, fake, epsilon, W, v):
    # The squared norm is u · (W.T @ W) · u with u = slope * v.
    points = fake + (real - fake) * epsilon[:, None]
    t = np.tanh(np.einsum("nf,fh->nh", points, W))
    u = (1 - t**2) * v
    u_gram = u @ (W.T @ W)
    norm = np.linalg.norm(np.inner(u, W), axis=1)
    share = np.zeros(len(norm))
    share[norm != 0] = (1 - 1 / norm[norm != 0]) / len(norm)  # of the derivative by norm²
    dW = 2 * W @ np.einsum("n,nh,nk->hk", share, u, u)
    dW -= 4 * np.einsum("n,nf,nh->fh", share, points, u_gram * u * t)
    dv = 2 * np.einsum("n,nh->h", share, u_gram * (1 - t**2))
    return np.mean((norm - 1) ** 2), dW, dv


def example_by_example(real, fake, epsilon, W, v):
    penalty, dW, dv = 0.0, np.zeros(W.shape), np.zeros(v.shape)
    for one, other, mix in zip(real, fake, epsilon, strict=True):
        x = mix * one + (1 - mix) * other
        t = np.tanh(x @ W)
        g = W @ (v * (1 - t**2))
        norm = math.hypot(*g)
        penalty += (norm - 1) ** 2 / len(real)
        if norm:
            pull = 2 * (norm - 1) / norm / len(real) * g
            along = (pull @ W) * (1 - t**2)
            dv += along
            dW += np.outer(pull, v * (1 - t**2)) - 2 * np.outer(x, along * v * t)
    return penalty, dW, dv


def _apart(real, fake, epsilon, W, v, penalty_of):
    """The penalty, dW through W as a factor, dW through tanh, and dv, for a penalty of the norms:
    penalty_of(norm) returns it and its derivative by each norm."""
    points = epsilon[:, None] * real + (1 - epsilon[:, None]) * fake
    slope = 1 - np.tanh(points @ W) ** 2
    norm = np.linalg.norm((slope * v) @ W.T, axis=1)
    penalty, d_norm = penalty_of(norm)
    d_g = (d_norm / np.where(norm, norm, 1))[:, None] * ((slope * v) @ W.T)
    inside = -2 * points.T @ (d_g @ W * v * np.tanh(points @ W) * slope)
    return penalty, d_g.T @ (slope * v), inside, (d_g @ W * slope).sum(axis=0)


def _with(real, fake, epsilon, W, v, penalty_of):
    penalty, factor, inside, dv = _apart(real, fake, epsilon, W, v, penalty_of)
    return penalty, factor + inside, dv


def _usual(norm):
    return ((norm - 1) ** 2).mean(), 2 * (norm - 1) / len(norm)


def one_norm_over_the_whole_batch(real, fake, epsilon, W, v):
    """You take one norm of the gradients of the whole batch. Each example has its own: the critic
    is to have slope 1 everywhere, not on the whole."""

    def penalty_of(norm):
        whole = np.linalg.norm(norm)
        return (whole - 1) ** 2, 2 * (whole - 1) * norm / (whole or 1)

    return _with(real, fake, epsilon, W, v, penalty_of)


def one_weight_for_all_pairs(real, fake, epsilon, W, v):
    """You mix all pairs with the first weight. Each pair has its own number of epsilon."""
    return gradient_penalty(real, fake, np.full_like(epsilon, epsilon[0]), W, v)


def real_and_fake_exchanged(real, fake, epsilon, W, v):
    """You weight the fake examples with epsilon and the real ones with 1 − epsilon. It makes no
    difference to the mean over many random draws, but here epsilon belongs to `real`."""
    return gradient_penalty(fake, real, epsilon, W, v)


def slope_inside_tanh_taken_as_constant(real, fake, epsilon, W, v):
    """Your dW knows W as a factor of g only. The slope 1 − tanh² depends on W as well: the second
    derivative of tanh is missing."""
    penalty, factor, _, dv = _apart(real, fake, epsilon, W, v, _usual)
    return penalty, factor, dv


def factor_taken_as_constant(real, fake, epsilon, W, v):
    """Your dW knows W inside tanh only. g is a product with W.T: as that factor it counts too."""
    penalty, _, inside, dv = _apart(real, fake, epsilon, W, v, _usual)
    return penalty, inside, dv


def slope_of_tanh_left_out(real, fake, epsilon, W, v):
    """Your g is W @ v at every point, as if the critic had no tanh. Multiply by its slope, 1 −
    tanh²(x @ W), between v and W."""
    g = W @ v
    norm = np.linalg.norm(g)
    pull = 2 * (norm - 1) / (norm or 1) * g
    return (norm - 1) ** 2, np.outer(pull, v), pull @ W


def gradient_of_the_mean_output(real, fake, epsilon, W, v):
    """Your g is the gradient of the batch's mean output: smaller by the size of the batch. Each
    output depends on its own point only; differentiate their sum."""
    batch = len(real)
    penalty, dW, dv = gradient_penalty(real, fake, epsilon, W, v / batch)
    return penalty, dW, dv / batch


def squared_norm(real, fake, epsilon, W, v):
    """You subtract 1 from the squared norm: the root is missing. The minimum is at the same place,
    and the pull towards it is not."""

    def penalty_of(norm):
        return ((norm**2 - 1) ** 2).mean(), 4 * norm * (norm**2 - 1) / len(norm)

    return _with(real, fake, epsilon, W, v, penalty_of)


def target_of_zero(real, fake, epsilon, W, v):
    """You pull the norm towards 0: the −1 is missing. The critic of the earth mover's distance has
    slope 1; a penalty on any slope flattens it."""
    return _with(real, fake, epsilon, W, v, lambda norm: ((norm**2).mean(), 2 * norm / len(norm)))


def one_sided(real, fake, epsilon, W, v):
    """You penalise only norms above 1. That variant is in the paper too; asked for is the two-sided
    one, which also pulls small norms up."""
    return _with(real, fake, epsilon, W, v, lambda norm: _usual(np.maximum(norm, 1)))


def summed_over_the_batch(real, fake, epsilon, W, v):
    """You add up over the batch. Take the mean, so that the batch does not weigh the penalty."""
    return tuple(len(real) * part for part in gradient_penalty(real, fake, epsilon, W, v))


def cases(rng):
    real, fake = np.array([[1.0, 0.0], [0.5, 1.0]]), np.array([[0.0, 2.0], [-1.0, 0.0]])
    W, v = np.array([[1.0], [-0.5]]), np.array([2.0])
    yield Case("two pairs, one hidden unit", (real, fake, np.array([0.25, 0.5]), W, v))

    def random(batch, features, hidden, size):
        real, fake = rng.normal(size=(2, batch, features))
        W, v = size * rng.normal(size=(features, hidden)), size * rng.normal(size=hidden)
        return real, fake, rng.uniform(size=batch), W, v

    yield Case("as many pairs as features", random(3, 3, 2, 0.7))
    yield Case("one pair", random(1, 2, 3, 0.8))
    yield Case("a flat critic: all norms below 1", random(5, 4, 7, 0.2))
    yield Case("a steep critic", random(7, 5, 3, 1.2))
    real, fake, epsilon, W, v = random(4, 3, 6, 0.6)
    yield Case("v = 0: all norms are 0", (real, fake, epsilon, W, 0 * v))
    yield Case("W = 0: all norms are 0", (real, fake, epsilon, 0 * W, v))
    far = np.array([[0.0], [500], [0], [0]])
    yield Case("every tanh saturated at a point", (real + far, fake + far, epsilon, np.abs(W), v))


DRILL = Drill(
    reference=gradient_penalty,
    cases=cases,
    alternatives=(through_the_gram_matrix, example_by_example),
    mistakes=(
        one_norm_over_the_whole_batch,
        one_weight_for_all_pairs,
        real_and_fake_exchanged,
        slope_inside_tanh_taken_as_constant,
        factor_taken_as_constant,
        slope_of_tanh_left_out,
        gradient_of_the_mean_output,
        squared_norm,
        target_of_zero,
        one_sided,
        summed_over_the_batch,
    ),
    hints=(
        "Write the forward pass down first, step by step, the gradient g included: points, t = "
        "tanh(points @ W), slope = 1 − t², g = (slope * v) @ W.T, norm, penalty. Then go back "
        "through these lines as through any network.",
        "By g: 2·(norm − 1) / batch · g / norm. From there two ways lead to W: g is a product "
        "with W.T, and slope contains t, whose derivative brings −2·t.",
        "With d_g as above: d_scaled = d_g @ W, dv = (d_scaled * slope).sum(axis=0), d_z = "
        "d_scaled * v * (−2·t·slope), dW = d_g.T @ (slope * v) + points.T @ d_z. Norm 0: d_g = 0.",
    ),
    explanation=(
        "The critic of the earth mover's distance has slopes of at most 1, and the best one has "
        "slope 1 along the lines between paired real and fake points: so the penalty is taken "
        "there (Gulrajani et al., 2017). Its gradient needs the critic's second derivative, by "
        "two nested tapes in TensorFlow, `create_graph=True` in PyTorch. The gradient of "
        "`tf.norm` at 0 is NaN; here that example is left out. Asked next: why no BatchNorm in "
        "this critic? Each output would depend on the whole batch, and a norm for each example "
        "means nothing then."
    ),
    difficulty=3,
    taught_in="04_generative_adversarial_networks, section 6",
)
