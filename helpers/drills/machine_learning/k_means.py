import math

import numpy as np

from helpers.drills.spec import Case, Drill


def k_means(points: np.ndarray, centres: np.ndarray, max_steps: int) -> tuple:
    """Find clusters by Lloyd's algorithm, "k-means", from given start centres.

    `points` has the shape (n, d), `centres` (k, d), both of ints or floats; n, d and k are at least
    1. One step first assigns every point to the nearest centre (Euclidean distance; of centres at
    equal distance, the one with the lowest index), and only then moves every centre to the mean of
    its points. A centre without points stays where it is. Stop as soon as a step moves no centre
    at all, and after `max_steps` steps in any case; `max_steps` may be 0, and may be a billion.

    Return (centres, labels): the centres after the last step, float, shape (k, d), and for every
    point the index of the one nearest to it among *these* centres, ints of shape (n,). Coordinates
    of 100,000,000 with distances of 1 occur, and such as 0.000000001 too. The arguments stay as
    they are.
    """

    def nearest(centres):
        distances = np.linalg.norm(points[:, None] - centres, axis=2)  # (n, k)
        return distances.argmin(axis=1)  # the first of equal ones

    centres = np.array(centres, float)  # a copy, and no longer of ints
    for _ in range(max_steps):
        labels = nearest(centres)
        moved = centres.copy()
        for j in np.unique(labels):  # only centres that have points
            moved[j] = points[labels == j].mean(axis=0)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres, nearest(centres)


def until_the_labels_stay(points, centres, max_steps):
    def nearest(centres):
        gaps = (points - centre for centre in centres)
        return np.argmin([np.einsum("nd,nd->n", gap, gap) for gap in gaps], axis=0)

    labels, centres = nearest(centres), centres.astype(float)
    for _ in range(max_steps):
        total = np.zeros(centres.shape)
        np.add.at(total, labels, points)
        count = np.bincount(labels, minlength=len(centres))
        filled = count > 0
        centres[filled] = total[filled] / count[filled, None]
        before, labels = labels, nearest(centres)
        if np.array_equal(labels, before):
            break
    return centres, labels


def with_plain_lists(points, centres, max_steps):
    rows, middles = points.tolist(), centres.tolist()

    def nearest(row):
        distances = [math.dist(row, middle) for middle in middles]
        return distances.index(min(distances))

    labels = [nearest(row) for row in rows]
    for _ in range(max_steps):
        before, groups = middles, [[] for _ in middles]
        for row, label in zip(rows, labels, strict=True):
            groups[label].append(row)
        middles = [
            [sum(column) / len(group) for column in zip(*group, strict=True)] if group else middle
            for group, middle in zip(groups, middles, strict=True)
        ]
        if middles == before:
            break
        labels = [nearest(row) for row in rows]
    return np.array(middles, float), np.array(labels)


def _squares(points, centres):
    return ((points[:, None] - centres) ** 2).sum(axis=2)


def _means(points, labels, centres):
    """One mean for each centre; a centre without points stays."""
    moved = np.array(centres, float)
    for j in np.unique(labels):
        moved[j] = points[labels == j].mean(axis=0)
    return moved


def _lloyd(points, centres, max_steps, distances=_squares, means=_means, still=np.array_equal):
    """Lloyd's algorithm with other parts."""
    centres = np.array(centres, float)
    for _ in range(max_steps):
        moved = means(points, distances(points, centres).argmin(axis=1), centres)
        if still(moved, centres):
            break
        centres = moved
    return centres, distances(points, centres).argmin(axis=1)


def centres_moved_one_by_one(points, centres, max_steps):
    """You move one centre, and assign the points anew before you move the next. A step assigns all
    points once, to the centres of its start, and then moves all centres."""
    centres = np.array(centres, float)
    for _ in range(max_steps):
        before = centres.copy()
        for j in range(len(centres)):
            mine = _squares(points, centres).argmin(axis=1) == j
            if mine.any():
                centres[j] = points[mine].mean(axis=0)
        if np.array_equal(centres, before):
            break
    return centres, _squares(points, centres).argmin(axis=1)


def coordinates_mixed(points, centres, max_steps):
    """Your mean of a cluster runs over all its coordinates, so every centre lies on the diagonal.
    Take it over the points alone, axis 0: one mean for each coordinate."""

    def means(points, labels, centres):
        moved = np.array(centres, float)
        for j in np.unique(labels):
            moved[j] = points[labels == j].mean()
        return moved

    return _lloyd(points, centres, max_steps, means=means)


def empty_cluster_is_nan(points, centres, max_steps):
    """A cluster without points has the mean 0 / 0, and argmin takes the NaN for the nearest of all:
    the next step gives it every point. Leave such a centre where it is."""

    def means(points, labels, centres):
        moved = _means(points, labels, centres)
        moved[np.bincount(labels, minlength=len(centres)) == 0] = np.nan
        return moved

    return _lloyd(points, centres, max_steps, means=means)


def empty_cluster_at_the_origin(points, centres, max_steps):
    """You divide a sum of no points by 1, so a centre without points jumps to the origin. It keeps
    its place."""

    def means(points, labels, centres):
        moved = _means(points, labels, centres)
        moved[np.bincount(labels, minlength=len(centres)) == 0] = 0
        return moved

    return _lloyd(points, centres, max_steps, means=means)


def empty_cluster_dropped(points, centres, max_steps):
    """You drop centres without points, so that fewer come back than were given, with other indices.
    A centre that has no points keeps its place, and may get some later."""

    def means(points, labels, centres):
        return _means(points, labels, centres)[np.unique(labels)]

    return _lloyd(points, centres, max_steps, means=means)


def ties_to_the_last(points, centres, max_steps):
    """A point halfway between two centres goes to the later one: `<=` lets an equal distance win.
    The lowest index has it."""

    def backwards(points, centres):
        return _squares(points, centres[::-1])

    def means(points, labels, centres):
        return _means(points, len(centres) - 1 - labels, centres)

    centres, labels = _lloyd(points, centres, max_steps, backwards, means)
    return centres, len(centres) - 1 - labels


def stopped_when_one_number_rests(points, centres, max_steps):
    """You stop once *some* coordinate of some centre has stayed. A centre may rest for a step, or
    be empty, while others still move: all of them have to stay."""

    def still(moved, centres):
        return np.any(moved == centres)

    return _lloyd(points, centres, max_steps, still=still)


def stopped_when_nearly_still(points, centres, max_steps):
    """You stop once the centres move less than a tolerance; `np.allclose` has one of 1e-8 and
    0.001 % that nobody sees. In small units every step is smaller than that. Stop when nothing
    moves: the labels then repeat, and so do the centres, to the last digit."""
    return _lloyd(points, centres, max_steps, still=np.allclose)


def never_stops_early(points, centres, max_steps):
    """You always make all the steps. After a step that moves nothing every other one is the same:
    stop there."""
    return _lloyd(points, centres, max_steps, still=lambda moved, centres: False)


def first_labels_taken_for_old_ones(points, centres, max_steps):
    """You stop when the labels stay, and compare the first ones with zeros. If all points begin in
    cluster 0 you stop before any centre has moved. Begin with labels that no point can have."""
    centres, labels = np.array(centres, float), np.zeros(len(points), int)
    for _ in range(max_steps):
        before, labels = labels, _squares(points, centres).argmin(axis=1)
        if np.array_equal(labels, before):
            break
        centres = _means(points, labels, centres)
    return centres, _squares(points, centres).argmin(axis=1)


def one_step_only(points, centres, max_steps):
    """You make one step. The points have new nearest centres then: assign and move again, until
    nothing moves."""
    return k_means(points, centres, min(max_steps, 1))


def labels_of_the_step_before(points, centres, max_steps):
    """Your labels are those with which the last step began: they belong to centres that have moved
    since. Assign the points once more, to the centres that you return."""
    moved = k_means(points, centres, max_steps)[0]
    before = k_means(points, centres, max_steps - 1)[0]
    return moved, _squares(points, before).argmin(axis=1)


def city_block_distance(points, centres, max_steps):
    """You add the absolute differences of the coordinates. That distance goes with medians; the
    mean is the best centre for squared differences."""

    def distances(points, centres):
        return np.abs(points[:, None] - centres).sum(axis=2)

    return _lloyd(points, centres, max_steps, distances)


def squares_multiplied_out(points, centres, max_steps):
    """You compute the squared distance as |x|² − 2 x · c + |c|². That saves memory, but far from
    the origin two huge numbers cancel, and what is left is rounding. Subtract first, then square;
    or move the points' mean to the origin before."""

    def distances(points, centres):
        of_points = (points.astype(float) ** 2).sum(axis=1)[:, None]
        return of_points - 2 * points @ centres.T + (centres**2).sum(axis=1)

    return _lloyd(points, centres, max_steps, distances)


def means_cut_to_whole_numbers(points, centres, max_steps):
    """The given centres are ints, and so is your copy of them: writing a mean into it cuts off what
    is behind the point. Copy them as floats."""

    def means(points, labels, centres_):
        moved = _means(points, labels, centres_)
        return moved.astype(centres.dtype).astype(float)

    return _lloyd(points, centres, max_steps, means=means)


def cases(rng):
    def case(note, points, centres, max_steps, **limits):
        return Case(note, (np.array(points), np.array(centres), max_steps), **limits)

    four = [[0.0, 0.0], [2.0, 0.0], [9.0, 0.0], [11.0, 4.0]]
    yield case("four points, two centres", four, [[0.0, 0.0], [2.0, 0.0]], 10)
    yield case("the same, one step", four, [[0.0, 0.0], [2.0, 0.0]], 1)
    yield case("the same, no step", four, [[0.0, 0.0], [2.0, 0.0]], 0)
    yield case("a point halfway", [[0.0], [2.0], [4.0], [5.0]], [[0.0], [4.0]], 1)
    yield case("a tie of three", [[0, 1], [1, 0], [0, -1], [-3, 0]], [[0, 2], [0, -2], [2, 0]], 9)
    yield case("ints whose means are none", [[0, 1], [1, 3], [7, 7], [8, 5]], [[0, 0], [7, 7]], 5)
    yield case("a centre without points", [[1.0, 2.0], [3.0, 1.0]], [[0.0, 0.0], [50.0, 9.0]], 5)
    yield case("the first centre without points", [[1.0], [3.0], [5.0]], [[-9.0], [2.0], [6.0]], 5)
    # Centre 1 has no points at first; when centre 0 has moved on, it gets one.
    yield case("without points at first", [[1.0], [2.5], [9.0]], [[2.0], [-1.5], [30.0]], 5)
    yield case("one centre", [[1.0, 5.0], [3.0, 0.0], [8.0, 1.0]], [[3.0, 1.0]], 5)
    for n, d, k, max_steps in ((17, 2, 3, 2), (31, 3, 4, 100), (57, 1, 5, 3), (40, 2, 6, 100)):
        points = rng.normal(size=(n, d))
        note = f"{n} random points, {k} centres, {max_steps} steps at most"
        yield case(note, points, points[:k], max_steps)
    points = rng.normal(size=(30, 2))
    points[::2] += 2
    yield case("coordinates of a billionth", points / 1e9, points[:2] / 1e9, 50)
    yield case("coordinates of 100,000,000", points + 1e8, points[:3] + 1e8, 50)
    points = rng.normal(size=(41, 2))
    yield case("a billion steps at most", points, points[:3], 10**9, seconds=2.0)


DRILL = Drill(
    reference=k_means,
    cases=cases,
    alternatives=(until_the_labels_stay, with_plain_lists),
    mistakes=(
        centres_moved_one_by_one,
        coordinates_mixed,
        empty_cluster_is_nan,
        empty_cluster_at_the_origin,
        empty_cluster_dropped,
        ties_to_the_last,
        stopped_when_one_number_rests,
        stopped_when_nearly_still,
        never_stops_early,
        first_labels_taken_for_old_ones,
        one_step_only,
        labels_of_the_step_before,
        city_block_distance,
        squares_multiplied_out,
        means_cut_to_whole_numbers,
    ),
    hints=(
        "Two halves make a step: assign, then move. Which of them looks at the centres of the "
        "step's start, and which at the labels only?",
        "points[:, None] − centres has the shape (n, k, d): the sum of its squares over axis 2 and "
        "argmin over axis 1 give the labels, and argmin takes the first of equal ones.",
        "Copy the centres as floats. In a loop: labels; means of points[labels == j], where there "
        "are any; stop if np.array_equal(new, old). After it, labels once more.",
    ),
    explanation=(
        "Each half can only lower the sum of squared distances to the own centre: the assignment "
        "for fixed centres, the mean for fixed labels. There are finitely many assignments, so it "
        "stops (Lloyd, 1982), at a local minimum that depends on the start. k-means++ draws the "
        "start centres far apart (Arthur and Vassilvitskii, 2007), and one takes the best of "
        "several runs. A step costs n · k · d. Asked next: how do you choose k? And which clusters "
        "does it miss? Long ones, rings, and those of very different size: the border between two "
        "centres is always halfway."
    ),
    difficulty=2,
    taught_in="09_mock_interview, section 3",
)
