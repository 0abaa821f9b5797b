import math
import operator

import numpy as np

from helpers.drills.spec import Case, Drill


def spectral_norm(W: np.ndarray, u: np.ndarray, iterations: int) -> tuple:
    """Estimate the largest singular value of a matrix by power iteration, as a discriminator with
    spectral normalisation does at each training step.

    `W` has the shape (rows, columns), `u`, the start vector, (rows,); its length is any but 0. In
    each of `iterations` ≥ 1 rounds compute first v = W.T @ u, (columns,), divided by its Euclidean
    norm, then u = W @ v, (rows,), divided by its Euclidean norm. No small number is added to the
    norms; W and u are such that none of them is 0. Return (sigma, u): sigma = u · W · v with the
    last u and the last v, one number, and that last u, from which the next step would go on. Return
    the estimate after so many rounds, even where it is still far from the largest singular value.
    """
    for _ in range(iterations):
        v = W.T @ u
        v = v / np.linalg.norm(v)
        u = W @ v
        u = u / np.linalg.norm(u)
    return u @ W @ v, u


def with_the_length_of_the_last_product(W, u, iterations):
    # The last u is W @ v over its norm, so u · W · v is that norm itself.
    for _ in range(iterations):
        back = u @ W
        forth = W @ (back / math.hypot(*back))
        sigma = math.hypot(*forth)
        u = forth / sigma
    return sigma, u


def with_plain_numbers(W, u, iterations):
    rows, u = W.tolist(), u.tolist()
    columns = list(zip(*rows, strict=True))

    def product(matrix, vector):
        return [sum(map(operator.mul, line, vector)) for line in matrix]

    def normalised(vector):
        norm = sum(number**2 for number in vector) ** 0.5
        return [number / norm for number in vector]

    for _ in range(iterations):
        v = normalised(product(columns, u))
        u = normalised(product(rows, v))
    return sum(map(operator.mul, u, product(rows, v))), np.array(u)


def _normalised(vector):
    return vector / np.linalg.norm(vector)


def not_normalised(W, u, iterations):
    """You never divide by the norms: the vectors grow with each round, and sigma with them.
    Normalise v and u each time."""
    with np.errstate(all="ignore"):
        for _ in range(iterations):
            v = W.T @ u
            u = W @ v
        return u @ W @ v, u


def normalised_at_the_end_only(W, u, iterations):
    """You normalise after the last round only. The direction is right, until after many rounds the
    numbers overflow or vanish: normalise in each round."""
    with np.errstate(all="ignore"):
        for _ in range(iterations):
            v = W.T @ u
            u = W @ v
        v, u = _normalised(v), _normalised(u)
        return u @ W @ v, u


def normalised_by_the_sum(W, u, iterations):
    """You divide by the sum, as if these were probabilities. Divide by the Euclidean norm."""
    for _ in range(iterations):
        v = W.T @ u
        v = v / v.sum()
        u = W @ v
        u = u / u.sum()
    return u @ W @ v, u


def small_number_in_the_denominator(W, u, iterations):
    """You add a small number to the norms. That guards against 0, which does not come here, and
    makes sigma too small for a matrix of tiny numbers. Divide by the norm alone."""
    for _ in range(iterations):
        v = W.T @ u
        v = v / (np.linalg.norm(v) + 1e-12)
        u = W @ v
        u = u / (np.linalg.norm(u) + 1e-12)
    return u @ W @ v, u


def frobenius_norm(W, u, iterations):
    """Your sigma is the Frobenius norm, the root of the sum of all squares. It is the length of all
    singular values together, and too large; asked for is the largest alone."""
    return np.linalg.norm(W), spectral_norm(W, u, iterations)[1]


def largest_row_norm(W, u, iterations):
    """Your sigma is the length of the longest row. The largest singular value is at least that, and
    larger where several rows pull the same way. Asked for is u · W · v."""
    return np.linalg.norm(W, axis=1).max(), spectral_norm(W, u, iterations)[1]


def singular_value_decomposition(W, u, iterations):
    """You decompose W. That gives the exact value, at far greater cost; asked for is the estimate
    after `iterations` rounds from the start vector u."""
    left, values, _ = np.linalg.svd(W)
    return values[0], left[:, 0]


def eigenvector_of_W(W, u, iterations):
    """You multiply by W again and again, without its transpose. That looks for an eigenvalue, which
    only a square matrix has, and which may be smaller. A round goes through W.T and W."""
    for _ in range(iterations):
        u = _normalised(W @ u)
    return u @ W @ u, u


def transposed_in_the_wrong_half(W, u, iterations):
    """You multiply u by W and v by W.T. u has one number for each row: W.T @ u comes first, W @ v
    second. A square matrix does not show it by its shapes."""
    for _ in range(iterations):
        v = _normalised(W @ u)
        u = _normalised(W.T @ v)
    return u @ W @ v, u


def one_round_too_few(W, u, iterations):
    """You make one round too few before the last u and v are used. `iterations` rounds, each with
    both halves."""
    u = _normalised(u)
    for _ in range(iterations - 1):
        u = _normalised(W @ _normalised(W.T @ u))
    return u @ W @ _normalised(W.T @ u), u


def sigma_squared(W, u, iterations):
    """Your sigma is its square, the eigenvalue of W @ W.T. The singular value is the root."""
    sigma, u = spectral_norm(W, u, iterations)
    return sigma**2, u


def v_returned(W, u, iterations):
    """You return v, (columns,). The next step goes on from u, (rows,)."""
    sigma, u = spectral_norm(W, u, iterations)
    for _ in range(iterations):
        v = _normalised(W.T @ u)
    return sigma, v


def sign_of_u_lost(W, u, iterations):
    """Your u has no negative numbers. It is W @ v over its norm, signs and all."""
    sigma, u = spectral_norm(W, u, iterations)
    return sigma, np.abs(u)


def returned_in_the_other_order(W, u, iterations):
    """You return (u, sigma). Asked for is (sigma, u)."""
    return spectral_norm(W, u, iterations)[::-1]


def cases(rng):
    W = np.array([[3.0, 0.0], [4.0, 5.0]])
    yield Case("two rows and two columns, one round", (W, np.array([1.0, 0.0]), 1))
    yield Case("the same, two rounds", (W, np.array([1.0, 0.0]), 2))
    yield Case("the same, a long start vector that points back", (W, np.array([-40.0, -10.0]), 1))
    W = np.array([[3.0, 0.0], [0.0, 1.0]])
    note = "a start vector at right angles to the largest direction"
    yield Case(note, (W, np.array([0.0, 1.0]), 3))
    yield Case("one column", (np.array([[3.0], [-4.0], [0.0]]), np.array([1.0, 1.0, 1.0]), 1))
    for rows, columns, size, iterations in [(3, 5, 1, 1), (7, 4, 1, 2), (5, 5, 1, 3)]:
        W, u = size * rng.normal(size=(rows, columns)), rng.normal(size=rows)
        yield Case(f"{rows} rows and {columns} columns, rounds: {iterations}", (W, u, iterations))
    W, u = rng.normal(size=(4, 6)), rng.normal(size=4)
    yield Case("large numbers, a hundred rounds", (1e4 * W, u, 100))
    yield Case("tiny numbers", (1e-9 * W, u, 2))


DRILL = Drill(
    reference=spectral_norm,
    cases=cases,
    alternatives=(with_the_length_of_the_last_product, with_plain_numbers),
    mistakes=(
        not_normalised,
        normalised_at_the_end_only,
        normalised_by_the_sum,
        small_number_in_the_denominator,
        frobenius_norm,
        largest_row_norm,
        singular_value_decomposition,
        eigenvector_of_W,
        transposed_in_the_wrong_half,
        one_round_too_few,
        sigma_squared,
        v_returned,
        sign_of_u_lost,
        returned_in_the_other_order,
    ),
    hints=(
        "W stretches one direction most. Send a vector through W.T and W again and again, and it "
        "turns towards that direction. What has to be done to its length meanwhile?",
        "One round: v = W.T @ u, then v over its norm; u = W @ v with the new v, then u over its "
        "norm. The shapes say which half needs the transpose.",
        "After the loop return (u @ W @ v, u). Let `u = W @ v` make a new array, and divide by "
        "np.linalg.norm(u).",
    ),
    explanation=(
        "In the basis of singular vectors a round multiplies each part of u by its singular value "
        "squared, so the largest outgrows the others, by (second / first)² a round. The weights "
        "change little from step to step, so u is kept and one round a step is enough (Miyato et "
        "al., 2018); W / sigma then has the slope 1 at most. A convolution's kernel is reshaped "
        "to a matrix first. Keras's layer stores W.T, so to speak: its u has one number for each "
        "unit. Asked next: does the gradient go through u and v? No, they are held constant."
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 6",
)
