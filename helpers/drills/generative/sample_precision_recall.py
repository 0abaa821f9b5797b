import numpy as np

from helpers.drills.spec import Case, Drill


def sample_precision_recall(
    real_features: np.ndarray, fake_features: np.ndarray, k: int
) -> tuple[float, float]:
    """Tell two faults of a generator apart: precision is the share of its samples that look real,
    recall the share of the real data that it can make.

    `real_features` has shape (n, d), `fake_features` (m, d); rows are examples. Around every real
    point lies a ball whose radius is the Euclidean distance to the k-th nearest *other* real point;
    a copy of the point, in another row, is another point, at distance 0. Precision is the share of
    the fake points that lie in at least one of these n balls. Recall is the same with the roles
    exchanged: the share of the real points that lie in at least one of the m balls around fake
    points, whose radii are distances to the k-th nearest other fake point. A point whose distance
    equals the radius is inside. k ≥ 1; n and m are at least k + 1. Return (precision, recall).
    """

    def squared_distances(points, others):  # as good as distances for comparing them
        return np.sum((points[:, None] - others) ** 2, axis=2)  # (len(points), len(others))

    def share_covered(points, centres):
        # A row of distances from each centre, in ascending order. Column 0 is the centre itself.
        radii = np.sort(squared_distances(centres, centres))[:, k]
        return np.mean(np.any(squared_distances(points, centres) <= radii, axis=1))

    return share_covered(fake_features, real_features), share_covered(real_features, fake_features)


def point_by_point(real_features, fake_features, k):
    def share(points, centres):
        radii = []
        for i, centre in enumerate(centres):
            others = [np.linalg.norm(centre - other) for other in np.delete(centres, i, axis=0)]
            radii.append(sorted(others)[k - 1])
        inside = 0
        for point in points:
            gaps = [np.linalg.norm(point - centre) for centre in centres]
            inside += any(gap <= radius for gap, radius in zip(gaps, radii, strict=True))
        return inside / len(points)

    return share(fake_features, real_features), share(real_features, fake_features)


def with_one_matrix(real_features, fake_features, k):
    n = len(real_features)
    both = np.concatenate([real_features, fake_features])
    distance = np.linalg.norm(both[:, None] - both, axis=-1)  # (n + m, n + m)
    np.fill_diagonal(distance, np.inf)
    real_radii = np.sort(distance[:n, :n])[:, k - 1]
    fake_radii = np.sort(distance[n:, n:])[:, k - 1]
    between = distance[:n, n:]
    precision = (between.T <= real_radii).any(axis=1).mean()
    return precision, (between <= fake_radii).any(axis=1).mean()


def _distances(points, others):
    return np.linalg.norm(points[:, None] - others, axis=2)


def _radii(centres, k):
    return np.sort(_distances(centres, centres), axis=1)[:, k]


def _share(points, centres, radii):
    return (_distances(points, centres) <= radii).any(axis=1).mean()


def _both_ways(share, real_features, fake_features):
    return share(fake_features, real_features), share(real_features, fake_features)


def point_counted_as_its_own_neighbour(real_features, fake_features, k):
    """Your balls reach the neighbour k − 1: each point is its own nearest one, at distance 0, and
    takes a place in your count. The k-th nearest *other* point is asked for; at k = 1 your balls
    have the radius 0."""
    return sample_precision_recall(real_features, fake_features, k - 1)


def one_neighbour_too_many(real_features, fake_features, k):
    """Your balls reach the neighbour k + 1. In a sorted row of distances with the point itself, at
    index 0, the k-th nearest other point has index k; without it, k − 1."""

    def share(points, centres):
        return _share(points, centres, _radii(centres, min(k + 1, len(centres) - 1)))

    return _both_ways(share, real_features, fake_features)


def exchanged(real_features, fake_features, k):
    """You return (recall, precision), or lay the balls around the points that you judge. Precision
    judges the fakes: the balls for it are around the real points."""
    return sample_precision_recall(real_features, fake_features, k)[::-1]


def radii_of_the_judged_points(real_features, fake_features, k):
    """You give each judged point a ball, and ask whether anything of the other set is in it: a fake
    far outside has a large ball and passes. The balls, centres and radii, belong to the set that
    is the measure: real points for precision."""

    def share(points, centres):
        inside = _distances(points, centres) <= _radii(points, k)[:, None]
        return inside.any(axis=1).mean()

    return _both_ways(share, real_features, fake_features)


def coverage_for_recall(real_features, fake_features, k):
    """Your second number is the share of the balls around real points that hold a fake. That is the
    *coverage* of Naeem et al. (2020). Recall has its balls around the fakes."""
    inside = _distances(real_features, fake_features) <= _radii(real_features, k)[:, None]
    precision, _ = sample_precision_recall(real_features, fake_features, k)
    return precision, inside.any(axis=1).mean()


def neighbours_in_the_other_set(real_features, fake_features, k):
    """Your radius is the distance to the k-th nearest point of the *other* set: the balls then
    reach the points that they judge, however far off. A radius comes from the centre's own set."""

    def share(points, centres):
        radii = np.sort(_distances(centres, points), axis=1)[:, k - 1]
        return _share(points, centres, radii)

    return _both_ways(share, real_features, fake_features)


def squared_against_unsquared(real_features, fake_features, k):
    """You compare squared distances with radii that are not squared. Square both or neither:
    distances below 1 shrink when squared, those above 1 grow."""

    def share(points, centres):
        return (_distances(points, centres) ** 2 <= _radii(centres, k)).any(axis=1).mean()

    return _both_ways(share, real_features, fake_features)


def nearest_ball_only(real_features, fake_features, k):
    """You look only at the ball around the nearest centre. A centre further off may have the larger
    ball: one of all is enough."""

    def share(points, centres):
        distance = _distances(points, centres)
        return (distance.min(axis=1) <= _radii(centres, k)[distance.argmin(axis=1)]).mean()

    return _both_ways(share, real_features, fake_features)


def border_outside(real_features, fake_features, k):
    """You leave out points that lie exactly on the border of a ball. They are inside: the distance
    may equal the radius, as it does for copies of training examples."""

    def share(points, centres):
        return (_distances(points, centres) < _radii(centres, k)).any(axis=1).mean()

    return _both_ways(share, real_features, fake_features)


def one_radius_for_all(real_features, fake_features, k):
    """You use the mean of the radii for all balls. Each point has its own: small where the data
    are dense, large where they are thin."""

    def share(points, centres):
        return _share(points, centres, _radii(centres, k).mean())

    return _both_ways(share, real_features, fake_features)


def balls_counted_for_precision(real_features, fake_features, k):
    """You count the balls that hold a point, and divide by k: that is the *density* of Naeem et
    al. (2020), which may exceed 1. Here a point is inside or not."""

    def share(points, centres):
        return (_distances(points, centres) <= _radii(centres, k)).sum(axis=1).mean() / k

    return _both_ways(share, real_features, fake_features)


def copies_not_counted(real_features, fake_features, k):
    """You skip all neighbours at distance 0. Only the point itself is to be skipped; a copy of it
    in another row is a neighbour, and makes the ball small."""

    def share(points, centres):
        distance = _distances(centres, centres)
        distance[distance == 0] = np.inf
        return _share(points, centres, np.sort(distance, axis=1)[:, k - 1])

    return _both_ways(share, real_features, fake_features)


def cases(rng):
    real = np.array([[0.0, 0], [1, 0], [0, 2], [3, 3]])
    fake = np.array([[0.0, 1], [1, 1], [2, -3]])
    yield Case("four real and three fake points in the plane, k = 1", (real, fake, 1))
    yield Case("the same with k = 2", (real, fake, 2))
    line = np.array([[0.0], [3], [9], [2]])
    yield Case("points on a line", (line, line - 3, 1))
    yield Case("fakes that are copies of one real point", (line, np.full((3, 1), 3.0), 2))
    copies = np.array([[1.0, 1], [1, 1], [5, 1], [5, 2]])
    fake = np.array([[1.0, 2], [1, 1], [5, 3]])
    yield Case("a real point that occurs twice", (copies, fake, 1))
    for n, m, d, k in [(7, 9, 2, 3), (31, 17, 3, 2), (23, 40, 2, 5), (19, 13, 7, 4)]:
        real = rng.normal(size=(n, d)) * rng.choice([0.2, 1, 3], size=(n, 1))
        fake = rng.normal(size=(m, d)) * rng.choice([0.2, 1], size=(m, 1)) + 0.5
        yield Case(f"{n} real and {m} fake points in {d} dimensions, k = {k}", (real, fake, k))


DRILL = Drill(
    reference=sample_precision_recall,
    cases=cases,
    alternatives=(point_by_point, with_one_matrix),
    mistakes=(
        point_counted_as_its_own_neighbour,
        one_neighbour_too_many,
        exchanged,
        radii_of_the_judged_points,
        coverage_for_recall,
        neighbours_in_the_other_set,
        squared_against_unsquared,
        nearest_ball_only,
        border_outside,
        one_radius_for_all,
        balls_counted_for_precision,
        copies_not_counted,
    ),
    hints=(
        "Write one function for the share of points that lie in the balls around centres, and call "
        "it twice. What are points and what are centres for precision?",
        "All distances at once: points[:, None] − centres has shape (points, centres, d). The "
        "radii come from the distances between the centres; the point itself is among them.",
        "radii = np.sort(distances(centres, centres), axis=1)[:, k]; the share is (distances("
        "points, centres) <= radii).any(axis=1).mean(). Precision: share(fake, real).",
    ),
    explanation=(
        "The balls stand for the region that a set covers, and adapt to its density (Kynkäänniemi "
        "et al., 2019). A generator that makes one perfect picture has full precision and hardly "
        "any recall; the Fréchet distance mixes the two in one number. Asked next: what fools it? "
        "One real outlier has a huge ball, which raises precision; Naeem et al. (2020) count "
        "differently for that reason. And copies of the training set score 1 on both."
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 3",
)
