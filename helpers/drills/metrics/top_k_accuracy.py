import numpy as np

from helpers.drills.spec import Case, Drill


def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Compute the top-k accuracy, the share of examples whose true class is among the k classes
    with the highest scores: the measure for many classes that are easily mistaken for each other.

    `scores` holds any finite numbers, shape (n, classes), n ≥ 1; `labels` the true classes, shape
    (n,), integers from 0; k ≥ 1, and may exceed the number of classes. An example counts when
    fewer than k classes have a strictly higher score than its true class: ties are for the true
    class. Return one float between 0 and 1.
    """
    own = scores[np.arange(len(labels)), labels]  # (n,)
    higher = np.sum(scores > own[:, None], axis=1)
    return float(np.mean(higher < k))


def by_sorting(scores, labels, k):
    least = np.sort(scores)[:, -k:].min(axis=1)  # what it takes to be among the k highest
    return np.mean(scores[np.arange(len(labels)), labels] >= least)


def row_by_row(scores, labels, k):
    hits = 0
    for row, label in zip(scores, labels, strict=True):
        if sorted(row, reverse=True).index(row[label]) < k:
            hits += 1
    return hits / len(labels)


def k_lowest(scores, labels, k):
    """You look among the k *lowest* scores: `argsort` sorts in ascending order. Take the other end,
    or sort the negative scores."""
    return top_k_accuracy(-scores, labels, k)


def kth_place_only(scores, labels, k):
    """You count the examples whose true class is in place k exactly. It may be in any of the first
    k places."""
    own = scores[np.arange(len(labels)), labels]
    return np.mean(np.sum(scores > own[:, None], axis=1) == k - 1)


def first_place_only(scores, labels, k):
    """You compute the ordinary accuracy, whatever k is. The true class may be in any of the first
    k places."""
    return top_k_accuracy(scores, labels, 1)


def one_place_too_many(scores, labels, k):
    """You let k + 1 places count. A class with k better ones above it is in place k + 1: fewer
    than k may be better."""
    return top_k_accuracy(scores, labels, k + 1)


def one_place_too_few(scores, labels, k):
    """You let k − 1 places count, so for k = 1 nothing is ever right. With k − 1 better classes
    above it the true class is in place k, and that counts."""
    return top_k_accuracy(scores, labels, k - 1)


def ties_against_the_true_class(scores, labels, k):
    """You rank classes with the same score above the true class. Only strictly higher scores count
    against it here: compare with >, not >=."""
    own = scores[np.arange(len(labels)), labels]
    return np.mean(np.sum(scores >= own[:, None], axis=1) <= k)


def ties_to_the_lower_class(scores, labels, k):
    """Among equal scores you take the class with the lower number first, so the result depends on
    how the classes are numbered. Count the strictly higher scores instead of sorting."""
    places = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.mean(np.any(places == labels[:, None], axis=1))


def ties_to_the_higher_class(scores, labels, k):
    """Among equal scores you take the class with the higher number first, as the end of an
    ascending sort does. Count the strictly higher scores instead of sorting."""
    places = np.argsort(scores, axis=1, kind="stable")[:, -k:]
    return np.mean(np.any(places == labels[:, None], axis=1))


def sorted_along_the_examples(scores, labels, k):
    """You sort along the first axis, so the examples are compared with each other. Each example
    ranks its own classes: they lie along axis 1."""
    own = scores[np.arange(len(labels)), labels]
    higher = [np.sum(scores[:, label] > score) for label, score in zip(labels, own, strict=True)]
    return np.mean(np.array(higher) < k)


def count_for_the_share(scores, labels, k):
    """You return how many examples count. Divide by the number of examples."""
    return top_k_accuracy(scores, labels, k) * len(labels)


def divided_by_k(scores, labels, k):
    """You divide by k as well. An example has one true class, which is found or not: it counts 1,
    not 1 / k."""
    return top_k_accuracy(scores, labels, k) / k


def averaged_over_classes(scores, labels, k):
    """You compute the share for each class and average these. Every example counts the same here:
    take one mean over all of them."""
    classes = np.unique(labels)
    return np.mean([top_k_accuracy(scores[labels == c], labels[labels == c], k) for c in classes])


def cases(rng):
    scores = np.array([[0.5, 0.2, 0.3], [0.1, 0.3, 0.6], [0.3, 0.6, 0.1], [0.2, 0.3, 0.5]])
    yield Case("four examples, two places", (scores, np.array([0, 1, 2, 2]), 2))
    for k in (1, 3, 5):
        yield Case(f"three classes, k = {k}", (scores, np.array([0, 1, 2, 2]), k))
    ties = (
        np.array(
            [[3, 3, 1, 3], [2, 5, 5, 5], [4, 1, 4, 2], [7, 7, 7, 7], [1, 2, 3, 3], [5, 5, 2, 2]]
        )
        / 8
    )
    for k in (1, 2, 3):
        yield Case(f"tied scores, k = {k}", (ties, np.array([1, 2, 0, 3, 2, 3]), k))
    near = np.array([[0.5, 0.5 + 1e-9, 0.1], [0.2, 0.1, 0.2 - 1e-9]])
    yield Case("scores that nearly tie", (near, np.array([0, 2]), 1))
    yield Case("one example", (np.array([[-2.0, -7.0, -4.0, -3.0]]), np.array([3]), 2))
    for n, classes, k in ((7, 5, 2), (31, 11, 3), (57, 6, 4)):
        labels = (classes * rng.random(n) ** 2).astype(int)
        scores = rng.integers(0, 9, (n, classes)) / 4
        scores[np.arange(n), labels] += 0.5
        yield Case(f"{n} examples of {classes} classes with ties, k = {k}", (scores, labels, k))
    yield Case(
        "29 examples without ties, k = 5", (rng.normal(size=(29, 13)), rng.integers(0, 13, 29), 5)
    )


DRILL = Drill(
    reference=top_k_accuracy,
    cases=cases,
    alternatives=(by_sorting, row_by_row),
    mistakes=(
        k_lowest,
        kth_place_only,
        first_place_only,
        one_place_too_many,
        one_place_too_few,
        ties_against_the_true_class,
        ties_to_the_lower_class,
        ties_to_the_higher_class,
        sorted_along_the_examples,
        count_for_the_share,
        divided_by_k,
        averaged_over_classes,
    ),
    hints=(
        "You need not know which classes are in front: how many are is enough.",
        "Look up the score of each example's true class, and compare all scores of the row with "
        "it.",
        "`scores[np.arange(n), labels]` gives the true classes' scores; as a column they can be "
        "compared with all of `scores`. Count along axis 1 where a score is higher; the answer is "
        "the share of rows with a count below k.",
    ),
    explanation=(
        "The number of strictly higher scores is the true class's place, counted from 0, and needs "
        "no sort: n · classes comparisons. The rule for ties matters. A model that gives all "
        "classes the same score gets 1 here, and the share of one class where `argsort` decides; "
        "scikit-learn takes the higher class number. Top-5 error was ImageNet's measure "
        "(Russakovsky and others, 2015). Asked next: how do you find a tie that flatters a model?"
    ),
    difficulty=1,
    taught_in="02_evaluation_metrics, section 1",
)
