import copy

import numpy as np

from helpers.drills.spec import Case, Drill


def stratified_split(labels: np.ndarray, test_share: float, rng: np.random.Generator) -> tuple:
    """Split examples into training and test part so that every class keeps its share: without it, a
    rare class may be missing from the test.

    `labels` holds class numbers, shape (n,), often sorted by class in the file. From every class of
    c examples floor(c · test_share + 0.5) go into the test part, drawn at random with `rng`, and
    with nothing else, so that the same generator gives the same split. Return (train_indices,
    test_indices): positions in `labels`, in any order, each exactly once in one of the two.
    """
    test = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        test.extend(members[: int(len(members) * test_share + 0.5)])
    return np.setdiff1d(np.arange(len(labels)), test), np.array(test, int)


def with_a_mask(labels, test_share, rng):
    in_test = np.zeros(len(labels), bool)
    for label in set(labels.tolist()):
        members = np.flatnonzero(labels == label)
        count = int(len(members) * test_share + 0.5)
        in_test[rng.choice(members, count, replace=False)] = True
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def one_shuffle_for_all(labels, test_share, rng):
    wanted = {c: int((labels == c).sum() * test_share + 0.5) for c in labels.tolist()}
    train, test = [], []
    for index in rng.permutation(len(labels)).tolist():
        label = labels[index]
        part = test if wanted[label] > 0 else train
        wanted[label] -= 1
        part.append(index)
    return train, test


def not_stratified(labels, test_share, rng):
    """You draw from all examples together, so the classes' shares are left to chance, and a rare
    class may be missing from the test. Draw from each class by itself."""
    order = rng.permutation(len(labels))
    count = int(len(labels) * test_share + 0.5)
    return order[count:], order[:count]


def first_ones_of_each_class(labels, test_share, rng):
    """You take the first examples of each class. A file is rarely in random order: draw them with
    `rng`."""
    return stratified_split(labels, test_share, _NoShuffle())


def last_ones_of_each_class(labels, test_share, rng):
    """You take the last examples of each class. A file is rarely in random order: draw them with
    `rng`."""
    return stratified_split(labels, test_share, _Backwards())


class _NoShuffle:
    def permutation(self, values):
        return values


class _Backwards:
    def permutation(self, values):
        return values[::-1]


def global_random_state(labels, test_share, rng):
    """You draw with NumPy's global random state, so the same generator gives another split each
    time, and nobody can repeat your experiment. Draw with `rng`."""
    return stratified_split(labels, test_share, np.random)


def always_the_same_split(labels, test_share, rng):
    """You make a generator of your own with a fixed seed: whatever `rng` is, the split is the same,
    and repeating the experiment shows no spread. Draw with `rng`."""
    return stratified_split(labels, test_share, np.random.default_rng(0))


def shares_exchanged(labels, test_share, rng):
    """Your test part has the size that the training part should have: exchange them."""
    train, test = stratified_split(labels, test_share, rng)
    return test, train


def test_examples_left_in_training(labels, test_share, rng):
    """Your training part still holds the test examples. The model is then tested on what it has
    learnt by heart: remove them."""
    _, test = stratified_split(labels, test_share, rng)
    return np.arange(len(labels)), test


def drawn_with_replacement(labels, test_share, rng):
    """You draw with replacement, so some examples are in the test part twice."""
    test = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        test.extend(rng.choice(members, int(len(members) * test_share + 0.5)))
    return np.setdiff1d(np.arange(len(labels)), test), np.array(test, int)


def _with_counts(rounded, labels, test_share, rng):
    """The split in which another rounding of c · test_share says how many examples are tested."""
    test = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        test.extend(members[: rounded(len(members) * test_share)])
    return np.setdiff1d(np.arange(len(labels)), test), np.array(test, int)


def counts_rounded_down(labels, test_share, rng):
    """You round the number of test examples down, so a small class loses all of them. Round to the
    nearest: floor(c · test_share + 0.5)."""
    return _with_counts(int, labels, test_share, rng)


def counts_rounded_up(labels, test_share, rng):
    """You round the number of test examples up, so a small class loses too many to the test part.
    Round to the nearest: floor(c · test_share + 0.5)."""
    return _with_counts(lambda count: int(np.ceil(count)), labels, test_share, rng)


def halves_rounded_to_even(labels, test_share, rng):
    """Python's `round` takes halves to the even neighbour: round(0.5) is 0. Here a half is rounded
    up: floor(c · test_share + 0.5)."""
    return _with_counts(round, labels, test_share, rng)


def last_class_lost(labels, test_share, rng):
    """You leave out the class with the largest number: its examples are in neither part. There are
    max + 1 classes, counted from 0."""
    train, test = stratified_split(labels, test_share, rng)
    return train[labels[train] < labels.max()], test[labels[test] < labels.max()]


def parts_drawn_apart(labels, test_share, rng):
    """You shuffle once for the training part and again for the test part, so some examples are in
    both and some in neither. Cut one shuffled order in two."""
    return (
        stratified_split(labels, test_share, rng)[0],
        stratified_split(labels, test_share, rng)[1],
    )


def masks_for_indices(labels, test_share, rng):
    """You return True and False for every example. Return positions: `np.flatnonzero` turns a mask
    into them."""
    in_test = np.zeros(len(labels), bool)
    in_test[stratified_split(labels, test_share, rng)[1]] = True
    return ~in_test, in_test


def labels_for_indices(labels, test_share, rng):
    """You return the labels of the two parts. Return positions: the texts or images have to be
    split in the same way."""
    return tuple(labels[part] for part in stratified_split(labels, test_share, rng))


def places_within_a_class(labels, test_share, rng):
    """You return places within each class, from 0 on. Turn them into positions in `labels`, for
    example with `np.flatnonzero(labels == label)`."""
    train, test = [], []
    for label in np.unique(labels):
        members = rng.permutation(np.sum(labels == label))
        count = int(len(members) * test_share + 0.5)
        train.extend(members[count:])
        test.extend(members[:count])
    return np.array(train, int), np.array(test, int)


def observe(answer, labels, test_share, rng):
    """What must hold for every right split, whatever was drawn and in which way."""
    parts, again = (answer(labels, test_share, copy.deepcopy(rng)) for _ in range(2))
    if not isinstance(parts, tuple | list) or len(parts) != 2:
        return {"two parts are returned": False}
    train, test = (np.array(list(part)) for part in parts)
    if train.ndim != 1 or test.ndim != 1:
        return {"two parts are returned": True, "each part is one-dimensional": False}
    masks = bool in (train.dtype, test.dtype)
    fractions = any(part.dtype.kind == "f" and part.size for part in (train, test))
    train, test = train.astype(int), test.astype(int)
    # Other generators: what a split owes to chance is not compared.
    others = [answer(labels, test_share, np.random.default_rng(100 + seed)) for seed in range(8)]
    classes = range(max(labels, default=0) + 1)
    seen = {
        "two parts are returned": True,
        "each part is one-dimensional": True,
        "a part is a mask": masks,
        "positions are floating-point numbers": fractions,
        "a position is in both parts": bool(set(train) & set(test)),
        "a position is in neither part": bool(set(range(len(labels))) - set(train) - set(test)),
        "a position does not exist": bool((set(train) | set(test)) - set(range(len(labels)))),
        "a position is in one part twice": any(len(set(p)) < len(p) for p in (train, test)),
    }
    if not any(list(seen.values())[2:]):
        counts = [
            [int(np.sum(labels[np.array(list(p), int)] == c)) for c in classes] for _, p in others
        ]
        seen["the test's classes depend on the generator"] = any(c != counts[0] for c in counts)
        if not seen["the test's classes depend on the generator"]:
            seen["test examples of each class"] = counts[0]
        if len(labels) > 20:
            kept = labels[list({*test.tolist()}.intersection(*(p for _, p in others)))]
            seen["classes of which every split tests the same examples"] = [
                c for c in classes if 1 < np.sum(labels[test] == c) == np.sum(kept == c)
            ]
    seen["the same generator gives the same split"] = set(again[1]) == set(test.tolist())
    if len(labels) > 20:
        seen["another generator gives another split"] = set(others[0][1]) != set(test.tolist())
        for name, order in (("first", _NoShuffle()), ("last", _Backwards())):
            ones = stratified_split(labels, test_share, order)[1]
            seen[f"simply the {name} ones of each class"] = set(ones) == set(test.tolist())
    return seen


def cases(rng):
    seed = np.random.default_rng
    yield Case("eight examples of two classes", (np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, seed(3)))
    yield Case("a class of two", (np.array([0, 0, 0, 0, 0, 0, 1, 1]), 0.25, seed(4)))
    yield Case("half a test example is one", (np.array([0, 0, 1, 1, 1, 1, 1, 1]), 0.25, seed(5)))
    yield Case("a class too small for the test part", (np.array([0, 0, 0, 0, 0, 1]), 0.25, seed(6)))
    yield Case("no test part", (np.array([0, 1, 1, 0]), 0.0, seed(7)))
    yield Case("everything is test", (np.array([0, 1, 1, 0]), 1.0, seed(8)))
    yield Case("sorted by class", (np.repeat([0, 1, 2], [30, 17, 4]), 0.3, seed(9)))
    for n, share in ((57, 0.2), (101, 0.35)):
        yield Case(
            f"{n} random labels", (rng.integers(0, 4, n) * rng.integers(0, 2, n), share, seed(n))
        )


DRILL = Drill(
    reference=stratified_split,
    cases=cases,
    observe=observe,
    alternatives=(with_a_mask, one_shuffle_for_all),
    mistakes=(
        not_stratified,
        first_ones_of_each_class,
        last_ones_of_each_class,
        global_random_state,
        always_the_same_split,
        shares_exchanged,
        test_examples_left_in_training,
        drawn_with_replacement,
        counts_rounded_down,
        counts_rounded_up,
        halves_rounded_to_even,
        last_class_lost,
        parts_drawn_apart,
        masks_for_indices,
        labels_for_indices,
        places_within_a_class,
    ),
    hints=(
        "One class at a time: where are its examples, and how many of them go into the test part?",
        "`np.flatnonzero(labels == label)` gives the positions of a class; `rng.permutation` "
        "shuffles them.",
        "Shuffle the positions of each class, give the first int(c · test_share + 0.5) to the test "
        "part and the others to the training part, and collect both over the classes.",
    ),
    explanation=(
        "Drawing within each class fixes the classes' counts, so the test's shares are those of "
        "the data up to rounding, and scores vary less from split to split. It does not help "
        "against duplicates or several examples of one person: those are kept together by a "
        "*group* split. Asked next: when must a split follow time instead?"
    ),
    difficulty=2,
    taught_in="01_training_pipeline, section 2",
)
