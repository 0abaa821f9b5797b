import numpy as np

from helpers.drills.spec import Case, Drill


def principal_components(X: np.ndarray, k: int) -> tuple:
    """Find the directions in which data vary most: principal component analysis, PCA.

    `X` has the shape (n, d), one example a row, n at least 2; 1 ≤ k ≤ min(n − 1, d). Subtract from
    every feature its mean, and nothing else: the features are not scaled. The first direction is
    the vector of length 1 along which the data have the largest variance, the second has the
    largest among those at right angles to the first, and so on. The first k of these variances are
    above 0, and no two of the first k + 1 are equal.

    Return (directions, ratios): the first k directions as rows, shape (k, d), and for each, shape
    (k,), the share of the total variance that lies along it: its variance divided by the sum over
    all features of theirs. Each direction may point either way: both signs are right. There may be
    30,000 examples, so make no table of n · n numbers.
    """
    centred = X - X.mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    variances = lengths**2  # times a constant, which the ratios do not see
    return directions[:k], variances[:k] / variances.sum()


def of_the_scatter_matrix(X, k):
    centred = X - X.mean(axis=0)
    scatter = centred.T @ centred  # n times the covariance
    variances, vectors = np.linalg.eigh(scatter)  # from the smallest up, vectors in columns
    best = np.argsort(variances)[::-1][:k]
    return vectors[:, best].T, variances[best] / np.trace(scatter)


def one_after_the_other(X, k):
    """By power iteration on the scatter matrix, squared again and again; then what it has found is
    taken out."""
    rest = X - sum(X) / len(X)
    total, directions, ratios = np.sum(rest**2), [], []
    for _ in range(k):
        scatter = rest.T @ rest
        for _ in range(40):  # to the power 2^40
            scatter = scatter @ scatter
            scatter /= scatter.max()
        direction = scatter[scatter.diagonal().argmax()]  # every row points that way
        direction = direction / np.sqrt(direction @ direction)
        along = rest @ direction
        rest = rest - np.outer(along, direction)
        directions.append(direction)
        ratios.append(along @ along / total)
    return np.array(directions), np.array(ratios)


def _of(centred, k):
    """The directions and ratios of data that are taken to be centred."""
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    return directions[:k], lengths[:k] ** 2 / np.sum(lengths**2)


def not_centred(X, k):
    """You do not subtract the mean, so the first direction points from the origin to the middle of
    the data. Variance is measured around the mean."""
    return _of(X, k)


def one_mean_for_all_features(X, k):
    """You subtract a single mean from the whole table. Every feature has its own: axis 0."""
    return _of(X - X.mean(), k)


def examples_centred(X, k):
    """You subtract from every *example* the mean of its features. Variance is between examples:
    each column loses its mean."""
    return _of(X - X.mean(axis=1, keepdims=True), k)


def features_scaled(X, k):
    """You divide every feature by its standard deviation: that is the PCA of the correlations,
    right where units cannot be compared. Here the features keep their spread."""
    centred = X - X.mean(axis=0)
    spread = centred.std(axis=0)
    return _of(centred / np.where(spread > 0, spread, 1), k)


def rows_taken_for_features(X, k):
    """You find directions among the examples: `np.cov(X)` takes each *row* for a variable, unless
    told `rowvar=False`, and X @ X.T is as large as n · n. A direction has d numbers."""
    if len(X) > 10_000:
        raise MemoryError
    variances, vectors = np.linalg.eigh(np.cov(X))
    return vectors[:, ::-1].T[:k], variances[::-1][:k] / variances.sum()


def singular_values_not_squared(X, k):
    """Your ratios are of singular values. A singular value is like a standard deviation: the
    variance is its square."""
    centred = X - X.mean(axis=0)
    lengths = np.linalg.svd(centred, compute_uv=False)
    return _of(centred, k)[0], lengths[:k] / lengths.sum()


def eigenvalues_squared(X, k):
    """You square the eigenvalues of the covariance. They are variances already; it is singular
    values that have to be squared."""
    directions, ratios = _of(X - X.mean(axis=0), X.shape[1])
    return directions[:k], ratios[:k] ** 2 / np.sum(ratios**2)


def smallest_first(X, k):
    """You return the directions of the *smallest* variances: `eigh` gives them in ascending order.
    Turn values and vectors round before you cut."""
    centred = X - X.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred.T @ centred)
    return vectors[:, :k].T, variances[:k] / variances.sum()


def ratios_not_turned_round(X, k):
    """Your directions are in the right order, and the ratios still in that of `eigh`, from the
    smallest up. Sort both with the same indices."""
    centred = X - X.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred.T @ centred)
    return vectors[:, ::-1].T[:k], variances[:k] / variances.sum()


def largest_in_ascending_order(X, k):
    """You have the right k directions, the last of them first. The largest variance comes first."""
    directions, ratios = _of(X - X.mean(axis=0), k)
    return directions[::-1], ratios[::-1]


def rows_of_the_eigenvectors(X, k):
    """You cut rows out of the matrix of eigenvectors, and they are its columns. With a square
    matrix no shape tells: multiply the covariance by your direction, and look."""
    centred = X - X.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred.T @ centred)
    best = np.argsort(variances)[::-1][:k]
    return vectors[best], variances[best] / variances.sum()


def columns_of_the_svd(X, k):
    """`np.linalg.svd` returns V *transposed*: the directions are its rows. You take columns, which
    are of length 1 too, so that nothing complains."""
    centred = X - X.mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=len(X) <= X.shape[1])
    return directions[:, :k].T, lengths[:k] ** 2 / np.sum(lengths**2)


def directions_as_columns(X, k):
    """Your directions are the columns of a (d, k) table. Return them as rows, (k, d)."""
    directions, ratios = _of(X - X.mean(axis=0), k)
    return directions.T, ratios


def share_of_the_kept_ones(X, k):
    """Your ratios always sum to 1: you divide by the variance along the k directions that you keep.
    The total has that of the others too."""
    directions, ratios = _of(X - X.mean(axis=0), k)
    return directions, ratios / ratios.sum()


def variances_for_ratios(X, k):
    """You return variances. Divide them by the total variance."""
    centred = X - X.mean(axis=0)
    directions, ratios = _of(centred, k)
    return directions, ratios * centred.var(axis=0).sum()


def running_total(X, k):
    """Your ratios add up as they go, each with those before it. Asked for is the share of each
    direction alone."""
    directions, ratios = _of(X - X.mean(axis=0), k)
    return directions, np.cumsum(ratios)


def data_projected(X, k):
    """You return the data in their new coordinates. Asked for are the directions themselves: k rows
    of d numbers."""
    centred = X - X.mean(axis=0)
    directions, ratios = _of(centred, k)
    return centred @ directions.T, ratios


def scaled_by_their_variance(X, k):
    """Your directions have the length of the standard deviation along them ("loadings"). Leave
    their length at 1."""
    centred = X - X.mean(axis=0)
    directions, ratios = _of(centred, k)
    return directions * np.sqrt(ratios * centred.var(axis=0).sum())[:, None], ratios


def whole_decomposition(X, k):
    """Right on small data, but your SVD makes the whole of U, n · n numbers, which nobody asks for.
    `full_matrices=False` leaves it at what the data can fill."""
    if len(X) > 10_000:  # 7 GB
        raise MemoryError
    return principal_components(X, k)


def observe(answer, X, k):
    """The two values, each direction turned so that it points the same way as the reference's."""
    result = answer(X, k)
    if not isinstance(result, tuple | list) or len(result) != 2:
        return {"two values are returned": False}
    directions, expected = np.asarray(result[0]), principal_components(X, k)[0]
    if directions.shape == expected.shape:
        away = (directions * expected).sum(axis=1, keepdims=True) < 0
        directions = np.where(away, -directions, directions)
    seen = {"directions (either sign is right)": directions, "ratios": result[1]}
    return {"two values are returned": True} | seen


def cases(rng):
    def data(n, spreads, mean):
        d = len(spreads)
        turned = np.linalg.qr(rng.normal(size=(d, d)))[0]
        return rng.normal(size=(n, d)) * spreads @ turned + mean

    X = np.array([[13.0, 24.0], [7.0, 16.0], [9.2, 20.6], [10.8, 19.4]])
    yield Case("four points near a line, one direction", (X, 1), condition=10)
    yield Case("the same, both directions", (X, 2), condition=10)
    X = np.array([[1.0, 0.0, 2.0], [3.0, 0.0, -1.0]])
    yield Case("two examples, and a feature that is always 0", (X, 1), condition=10)
    yield Case("one feature", (np.array([[2.0], [5.0], [-1.0]]), 1), condition=10)
    yield Case(
        "fewer examples than features", (data(4, [5, 3, 2, 1, 0.5, 3], 1.0), 3), condition=10
    )
    yield Case("as many examples as features", (data(4, [4, 2, 1, 0.5], 3.0), 2), condition=10)
    for n, spreads, k in ((31, [3, 1, 0.3], 2), (57, [1, 4, 2, 0.5, 0.2], 3), (17, [1, 3], 2)):
        mean = 5 * rng.normal(size=len(spreads))
        note = f"{n} random examples, {len(spreads)} features"
        yield Case(note, (data(n, spreads, mean), k), condition=10)
    yield Case("30,000 examples", (data(30_000, [2, 1, 4], 1.0), 2), condition=100)


DRILL = Drill(
    reference=principal_components,
    cases=cases,
    observe=observe,
    alternatives=(of_the_scatter_matrix, one_after_the_other),
    mistakes=(
        not_centred,
        one_mean_for_all_features,
        examples_centred,
        features_scaled,
        rows_taken_for_features,
        singular_values_not_squared,
        eigenvalues_squared,
        smallest_first,
        ratios_not_turned_round,
        largest_in_ascending_order,
        rows_of_the_eigenvectors,
        columns_of_the_svd,
        directions_as_columns,
        share_of_the_kept_ones,
        variances_for_ratios,
        running_total,
        data_projected,
        scaled_by_their_variance,
        whole_decomposition,
    ),
    hints=(
        "Variance is measured around the mean: what has to happen to X before anything else? Over "
        "which axis?",
        "Two ways: the eigenvectors of the (d, d) covariance matrix (`np.linalg.eigh`: ascending "
        "order, vectors in columns), or the SVD of the centred data (descending, vectors in rows).",
        "_, s, directions = np.linalg.svd(X − X.mean(axis=0), full_matrices=False). The first k "
        "rows, and s[:k]² / (s²).sum().",
    ),
    explanation=(
        "The variance along a direction w of length 1 is w · C · w, C being the covariance matrix. "
        "It is largest for C's eigenvector with the largest eigenvalue, and then it *is* that "
        "eigenvalue. With the SVD of the centred data, U · S · Vᵀ, C is V · S² · Vᵀ / n: the same "
        "directions, and more digits, for squaring the data squares their condition. Whether one "
        "divides by n or by n − 1 cancels in the ratios. Asked next: when do you scale the "
        "features? When their units differ. And why does a sign differ between two libraries? If w "
        "is an eigenvector, so is −w."
    ),
    difficulty=2,
    taught_in="09_mock_interview, section 3",
    allowed="NumPy, `np.linalg` included, and plain Python.",
)
