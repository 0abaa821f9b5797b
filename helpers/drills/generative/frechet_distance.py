import numpy as np

from helpers.drills.spec import Case, Drill


def frechet_distance(real_features: np.ndarray, fake_features: np.ndarray) -> float:
    """Measure how far generated samples are from real ones: the Fréchet distance between the two
    Gaussians that have the means and the covariances of their features (the FID, if the features
    come from Inception).

    `real_features` has shape (n, d), `fake_features` (m, d); rows are examples, n and m at least 2,
    and they may differ. With means mu1, mu2 of shape (d,) and covariance matrices C1, C2 of shape
    (d, d), in which sums over the examples are divided by n − 1 and m − 1, return

        |mu1 − mu2|² + trace(C1 + C2 − 2 (C1 C2)^½),

    a real number. M^½ is the matrix whose product with itself is M, with eigenvalues ≥ 0; its trace
    is the sum of the square roots of M's eigenvalues. d may be 1. n and m may be smaller than d,
    and a feature may never vary: C1 and C2 are then singular, and the result has to be right to
    seven digits. Nothing is added to the covariances, and no root is taken of the result.
    """

    def mean_and_factor(features):
        mean = features.mean(axis=0)
        deviations = (features - mean) / np.sqrt(len(features) - 1)
        # R.T @ R is the covariance, and R has no more rows than the features have columns.
        return mean, np.linalg.qr(deviations, mode="r")

    mu1, R1 = mean_and_factor(real_features)
    mu2, R2 = mean_and_factor(fake_features)
    # The squares of these singular values are the eigenvalues of C1 C2: no root is needed.
    trace_of_root = np.linalg.svd(R1 @ R2.T, compute_uv=False).sum()
    return np.sum((mu1 - mu2) ** 2) + np.sum(R1**2) + np.sum(R2**2) - 2 * trace_of_root


def with_a_symmetric_root(real_features, fake_features):
    C1, C2 = _covariance(real_features), _covariance(fake_features)
    values, vectors = np.linalg.eigh(C1)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    squares = np.linalg.eigvalsh(root @ C2 @ root)  # those of C1 @ C2
    trace_of_root = np.sqrt(np.maximum(squares, 0)).sum()
    gap = real_features.mean(axis=0) - fake_features.mean(axis=0)
    return gap @ gap + np.trace(C1 + C2) - 2 * trace_of_root


def with_eigenvalues_of_the_product(real_features, fake_features):
    gap = np.linalg.norm(np.mean(real_features, axis=0) - np.mean(fake_features, axis=0)) ** 2
    C1, C2 = _covariance(real_features), _covariance(fake_features)
    squares = np.linalg.eigvals(C1 @ C2).real
    roots = np.sqrt(np.maximum(squares, 0))
    return gap + np.trace(C1) + np.trace(C2) - 2 * roots.sum()


def _covariance(features):
    return np.atleast_2d(np.cov(features, rowvar=False))


def _covariances(*features):
    return [_covariance(x) for x in features]


def _gap(real_features, fake_features):
    return np.sum((real_features.mean(axis=0) - fake_features.mean(axis=0)) ** 2)


def _trace_of_root(C1, C2):
    return np.sqrt(np.linalg.eigvals(C1 @ C2).real.clip(0)).sum()


def _symmetric_root(C):
    values, vectors = np.linalg.eigh(C)
    return vectors * np.sqrt(values.clip(0)) @ vectors.T


def divided_by_n(real_features, fake_features):
    """You divide the covariances by n and m. `np.cov` divides by n − 1 and m − 1, and so does
    every published distance: with few examples it shows."""
    C1, C2 = _covariances(real_features, fake_features)
    C1, C2 = C1 * (1 - 1 / len(real_features)), C2 * (1 - 1 / len(fake_features))
    spread = np.trace(C1 + C2) - 2 * _trace_of_root(C1, C2)
    return _gap(real_features, fake_features) + spread


def features_taken_for_independent(real_features, fake_features):
    """Your third term sees only the variances, as the root of the product number by number,
    C1 * C2, does too: the result is that of independent features. Multiply matrices, and take the
    root of the matrix."""
    spread1, spread2 = real_features.std(axis=0, ddof=1), fake_features.std(axis=0, ddof=1)
    return _gap(real_features, fake_features) + np.sum((spread1 - spread2) ** 2)


def root_of_each_number(real_features, fake_features):
    """You take the root of every number of C1 @ C2. That squared is not C1 @ C2, and negative
    numbers have no real root at all. What is meant is the root of the matrix: look at its
    eigenvalues."""
    C1, C2 = _covariances(real_features, fake_features)
    with np.errstate(invalid="ignore"):
        root = np.sqrt(C1 @ C2)
    return _gap(real_features, fake_features) + np.trace(C1 + C2 - 2 * root)


def product_of_the_roots(real_features, fake_features):
    """You multiply the root of C1 with the root of C2. That is the root of C1 C2 only if the two
    commute, as they do for a single feature. Take the root of the product."""
    C1, C2 = _covariances(real_features, fake_features)
    root = _symmetric_root(C1) @ _symmetric_root(C2)
    return _gap(real_features, fake_features) + np.trace(C1 + C2 - 2 * root)


def root_missing(real_features, fake_features):
    """You subtract 2 C1 C2 without its root. A product of two covariances has the unit of a
    variance squared, and cannot be subtracted from one."""
    C1, C2 = _covariances(real_features, fake_features)
    return _gap(real_features, fake_features) + np.trace(C1 + C2 - 2 * C1 @ C2)


def factor_two_missing(real_features, fake_features):
    """You subtract the root once. It is subtracted twice, as in (a − b)² = a² + b² − 2ab: equal
    sets then have the distance 0."""
    C1, C2 = _covariances(real_features, fake_features)
    return frechet_distance(real_features, fake_features) + _trace_of_root(C1, C2)


def distance_of_means_not_squared(real_features, fake_features):
    """You add the distance between the means. Its square is asked for, in the unit of the
    variances beside it."""
    gap = _gap(real_features, fake_features)
    return frechet_distance(real_features, fake_features) - gap + np.sqrt(gap)


def features_not_centred(real_features, fake_features):
    """You compute the covariances from features whose mean is still in them: that counts the means
    twice. Subtract each set's own mean first."""
    C1, C2 = (x.T @ x / (len(x) - 1) for x in (real_features, fake_features))
    spread = np.trace(C1 + C2) - 2 * _trace_of_root(C1, C2)
    return _gap(real_features, fake_features) + spread


def rows_taken_for_features(real_features, fake_features):
    """Your covariances are between examples. `np.cov` takes rows for variables unless
    `rowvar=False` is said; here the columns are features, and C1 has shape (d, d)."""
    C1, C2 = np.cov(real_features), np.cov(fake_features)
    spread = np.trace(C1) + np.trace(C2) - 2 * _trace_of_root(C1, C2)
    return _gap(real_features, fake_features) + spread


def scalar_covariance(real_features, fake_features):
    """With one feature `np.cov` returns a number without axes, and the matrix functions refuse it.
    Make it a matrix of one row and one column."""
    C1, C2 = np.cov(real_features, rowvar=False), np.cov(fake_features, rowvar=False)
    spread = np.trace(C1) + np.trace(C2) - 2 * _trace_of_root(C1, C2)
    return _gap(real_features, fake_features) + spread


def number_added_to_the_diagonal(real_features, fake_features):
    """You add a small number to the diagonals. Where a covariance is singular, the root makes it
    large: of 1e-6 it is 1e-3. There is a way that needs no such help."""
    C1, C2 = _covariances(real_features, fake_features)
    extra = 1e-6 * np.eye(len(C1))
    spread = np.trace(C1 + C2) - 2 * _trace_of_root(C1 + extra, C2 + extra)
    return _gap(real_features, fake_features) + spread


def cholesky_of_a_singular_matrix(real_features, fake_features):
    """Your Cholesky factor exists only for covariances that are not singular: fewer examples than
    features, or a feature that never varies, and it raises LinAlgError. The centred features are a
    factor that always exists."""
    L1, L2 = (np.linalg.cholesky(C) for C in _covariances(real_features, fake_features))
    spread = np.sum(L1**2) + np.sum(L2**2) - 2 * np.linalg.norm(L1.T @ L2, "nuc")
    return _gap(real_features, fake_features) + spread


def root_of_a_negative_eigenvalue(real_features, fake_features):
    """An eigenvalue that should be 0 comes out as −1e-17, and its root is NaN. Negative ones are
    rounding errors: set them to 0, or avoid the root."""
    C1, C2 = _covariances(real_features, fake_features)
    root = _symmetric_root(C1)
    with np.errstate(invalid="ignore"):
        roots = np.sqrt(np.linalg.eigvalsh(root @ C2 @ root))
    return _gap(real_features, fake_features) + np.trace(C1 + C2) - 2 * roots.sum()


def root_of_the_result(real_features, fake_features):
    """You take the square root of the whole. What is called the Fréchet distance in this field,
    and reported, is the square."""
    return np.sqrt(frechet_distance(real_features, fake_features))


def cases(rng):
    real = np.array([[0.0, 1], [2, 0], [1, 3], [3, 4]])
    fake = np.array([[1.0, 0], [4, 1], [3, -1]])
    yield Case("four real and three fake examples of two features", (real, fake))
    yield Case("the same set, moved by (3, 4)", (real, real + np.array([3.0, 4])))
    yield Case("one feature", (rng.normal(size=(7, 1)), 2 * rng.normal(size=(5, 1)) - 1))
    for n, m, d in [(31, 23, 3), (12, 12, 5), (200, 57, 4)]:
        real = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 1
        fake = rng.normal(size=(m, d)) @ rng.normal(size=(d, d))
        yield Case(f"{n} and {m} examples of {d} features", (real, fake), condition=10)
    # Here the square root of a rounding error, 1e-8, is forgiven.
    real = rng.normal(size=(9, 3)) * [1, 2, 0] + [0, 0, 5]
    yield Case(
        "a feature that never varies", (real, rng.normal(size=(7, 3)) * [0, 1, 3]), condition=1e6
    )
    yield Case(
        "two examples each", (rng.normal(size=(2, 4)), 3 * rng.normal(size=(2, 4))), condition=1e6
    )
    for n, m, d in [(5, 8, 31), (6, 47, 19)]:
        real, fake = rng.normal(size=(n, d)) + 0.5, rng.normal(size=(m, d)) * 1.5
        note = f"{n} and {m} examples of {d} features: singular"
        yield Case(note, (real, fake @ rng.normal(size=(d, d)) / d**0.5), condition=1e6)


DRILL = Drill(
    reference=frechet_distance,
    cases=cases,
    alternatives=(
        with_a_symmetric_root,
        with_eigenvalues_of_the_product,
    ),
    mistakes=(
        divided_by_n,
        features_taken_for_independent,
        root_of_each_number,
        product_of_the_roots,
        root_missing,
        factor_two_missing,
        distance_of_means_not_squared,
        features_not_centred,
        rows_taken_for_features,
        scalar_covariance,
        number_added_to_the_diagonal,
        cholesky_of_a_singular_matrix,
        root_of_a_negative_eigenvalue,
        root_of_the_result,
    ),
    hints=(
        "Only the trace of the root is needed, not the root. What are the eigenvalues of (C1 C2)^½ "
        "if you know those of C1 C2?",
        "The eigenvalues of C1 C2 are real and ≥ 0, up to rounding; those of S C2 S, with S the "
        "symmetric root of C1, are the same and come from `eigvalsh`. Better still: let A and B be "
        "the centred features over √(n − 1) and √(m − 1), so that C1 = A.T @ A and C2 = B.T @ B.",
        "The squares of the singular values of A @ B.T are the eigenvalues of C1 C2, so the trace "
        "of the root is np.linalg.svd(A @ B.T, compute_uv=False).sum(). A QR decomposition makes A "
        "and B small if there are many examples.",
    ),
    explanation=(
        "AᵀA BᵀB has the eigenvalues of (ABᵀ)(ABᵀ)ᵀ, apart from zeros, and the roots of these are "
        "the singular values of ABᵀ. Roots of eigenvalues turn a rounding error of 1e-16 into 1e-8 "
        "per missing dimension; singular values do not. The formula is of Dowson and Landau "
        "(1982), its use for GANs of Heusel et al. (2017). Asked next: is it biased? Yes, it falls "
        "with the number of samples, even for a perfect generator, so compare at equal numbers; "
        "and it sees means and covariances only, so memorised examples score best."
    ),
    difficulty=3,
    taught_in="04_generative_adversarial_networks, section 3",
)
