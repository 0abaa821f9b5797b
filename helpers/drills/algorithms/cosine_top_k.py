import numpy as np

from helpers.drills.spec import Case, Drill


def cosine_top_k(queries: np.ndarray, documents: np.ndarray, k: int) -> tuple:
    """Find for each query the k documents whose embeddings point most nearly in its direction: the
    exact search that every approximate index is measured by.

    `queries`, shape (m, d), and `documents`, shape (n, d), hold one vector a row, of any length.
    The cosine similarity of two vectors is their dot product divided by the product of their
    lengths; where one of them is zero, it is 0. Return (indices, similarities), both of shape (m,
    k): row i holds the indices of the k documents most similar to query i, in order of falling
    similarity, and these similarities. Among equal similarities the lower index comes first. m, n,
    d and k are at least 1; k > n raises ValueError.
    """
    if k > len(documents):
        raise ValueError(f"k is {k}: there are only {len(documents)} documents")

    def unit(vectors):
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(length == 0, 1, length)  # a zero vector stays one

    similarity = unit(queries) @ unit(documents).T  # (m, n)
    indices = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return indices, np.take_along_axis(similarity, indices, axis=1)


def by_partition(queries, documents, k):
    lengths = np.sqrt(np.sum(queries**2, axis=1))[:, None] * np.sqrt(np.sum(documents**2, axis=1))
    dots = queries @ documents.T
    similarity, indices = np.zeros(dots.shape), []
    similarity[lengths > 0] = dots[lengths > 0] / lengths[lengths > 0]
    for row in similarity:
        least = np.partition(row, -k)[-k]  # the k-th largest; a ValueError where k > n
        candidates = np.flatnonzero(row >= least)  # more than k where there are ties
        order = np.lexsort((candidates, -row[candidates]))
        indices.append(candidates[order][:k])
    indices = np.array(indices)
    return indices, similarity[np.arange(len(queries))[:, None], indices]


def pair_by_pair(queries, documents, k):
    if len(documents) < k:
        raise ValueError("k is larger than the number of documents")
    indices, similarities = [], []
    for query in queries:
        scored = []
        for number, document in enumerate(documents):
            length = np.linalg.norm(query) * np.linalg.norm(document)
            scored.append((-(query @ document) / length if length else 0.0, number))
        scored = sorted(scored)[:k]
        indices.append([number for _, number in scored])
        similarities.append([0.0 - negative for negative, _ in scored])
    return np.array(indices), np.array(similarities)


def _unit(vectors, axis=1):
    length = np.linalg.norm(vectors, axis=axis, keepdims=True)
    return vectors / np.where(length == 0, 1, length)


def _top(similarity, k):
    """The k first of each row, after the check that all but one of the mistakes make."""
    if k > similarity.shape[1]:
        raise ValueError
    indices = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return indices, np.take_along_axis(similarity, indices, axis=1)


def dot_products(queries, documents, k):
    """You compare dot products: a long document vector wins whatever its direction. Divide by the
    lengths of both vectors."""
    return _top(queries @ documents.T, k)


def only_queries_divided(queries, documents, k):
    """You divide by the lengths of the queries only: among the documents the long ones still win.
    Divide by theirs too."""
    return _top(_unit(queries) @ documents.T, k)


def only_documents_divided(queries, documents, k):
    """You divide by the lengths of the documents only. The order is right, and the similarities are
    not between −1 and 1: divide by those of the queries too."""
    return _top(queries @ _unit(documents).T, k)


def divided_down_the_columns(queries, documents, k):
    """You divide each column by its own length. A vector is a row: take the norm along axis 1."""
    return _top(_unit(queries, 0) @ _unit(documents, 0).T, k)


def one_length_for_all(queries, documents, k):
    """You divide by the norm of the whole matrix, as np.linalg.norm gives it without an axis. Each
    row has a length of its own."""
    similarity = queries @ documents.T
    with np.errstate(all="ignore"):
        return _top(similarity / (np.linalg.norm(queries) * np.linalg.norm(documents)), k)


def squared_lengths(queries, documents, k):
    """You divide by the squared lengths: the sum of the squares still needs its square root."""
    lengths = np.sum(queries**2, axis=1)[:, None] * np.sum(documents**2, axis=1)
    return _top(queries @ documents.T / np.where(lengths == 0, 1, lengths), k)


def zero_over_zero(queries, documents, k):
    """A vector of zeros has the length 0 in your division: 0 / 0 is NaN, and NaN sorts where it
    likes. The similarity is 0 there, between that of likes and that of opposites."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(documents, axis=1)
        return _top(queries @ documents.T / lengths, k)


def zero_vectors_come_last(queries, documents, k):
    """You put a vector of zeros behind all others, as if it were the opposite. Its similarity is 0:
    better than a negative one."""
    similarity = _unit(queries) @ _unit(documents).T
    return _top(np.where(np.any(documents, axis=1), similarity, -1.0), k)


def least_similar_ones(queries, documents, k):
    """You return the documents that are least similar: `argsort` sorts in ascending order. Take the
    other end."""
    indices, similarities = _top(-_unit(queries) @ _unit(documents).T, k)
    return indices, -similarities


def in_rising_order(queries, documents, k):
    """The right documents, in rising order: the best one is the last. Turn each row round."""
    indices, similarities = _top(_unit(queries) @ _unit(documents).T, k)
    return indices[:, ::-1], similarities[:, ::-1]


def left_as_partitioned(queries, documents, k):
    """The right documents, in the order in which `argpartition` leaves the end of a row, which is
    none. Sort the k of each row."""
    similarity = _unit(queries) @ _unit(documents).T
    if k > len(documents):
        raise ValueError
    indices = np.argpartition(similarity, -k, axis=1)[:, -k:]
    return indices, np.take_along_axis(similarity, indices, axis=1)


def left_as_partitioned_in_front(queries, documents, k):
    """The right documents, but `argpartition` only brings the k smallest of the negative ones to
    the front, in no order. Sort these k of each row."""
    similarity = _unit(queries) @ _unit(documents).T
    if k > len(documents):
        raise ValueError
    indices = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    return indices, np.take_along_axis(similarity, indices, axis=1)


def ties_to_the_higher_index(queries, documents, k):
    """Among equal similarities you put the higher index first: you sort in ascending order and turn
    the result round, ties included. Sort the negative similarities, with a stable sort."""
    if k > len(documents):
        raise ValueError
    similarity = _unit(queries) @ _unit(documents).T
    indices = np.argsort(similarity, axis=1, kind="stable")[:, ::-1][:, :k]
    return indices, np.take_along_axis(similarity, indices, axis=1)


def opposites_count_as_similar(queries, documents, k):
    """You take the absolute value: a document that points the other way comes out as near. Leave
    the sign."""
    return _top(np.abs(_unit(queries) @ _unit(documents).T), k)


def distances_for_similarities(queries, documents, k):
    """You return 1 − cosine. That is the cosine *distance*: the similarity is asked for."""
    indices, similarities = cosine_top_k(queries, documents, k)
    return indices, 1 - similarities


def nearest_points(queries, documents, k):
    """You look for the smallest distance between the points. A document twice as long as the query
    points the same way and lies far off: for cosine the lengths do not count."""
    distance = np.linalg.norm(queries[:, None] - documents, axis=2)
    indices, _ = _top(-distance, k)
    similarity = _unit(queries) @ _unit(documents).T
    return indices, np.take_along_axis(similarity, indices, axis=1)


def first_columns_of_the_similarities(queries, documents, k):
    """You sort the indices and return the first k columns of the similarities as they were. Each
    similarity belongs to the document beside it: gather them with the indices."""
    indices, _ = cosine_top_k(queries, documents, k)
    return indices, (_unit(queries) @ _unit(documents).T)[:, :k]


def fewer_than_k(queries, documents, k):
    """Where k is larger than the number of documents you return fewer without a word. Raise
    ValueError."""
    return cosine_top_k(queries, documents, min(k, len(documents)))


def cases(rng):
    documents = np.array([[3.0, 4.0], [0.0, 2.0], [10.0, 0.0], [-1.0, 0.0]])
    yield Case("one query, two of four documents", (np.array([[0.0, 5.0]]), documents, 2))
    yield Case("all documents", (np.array([[2.0, 0.0], [3.0, 4.0]]), documents, 4))
    yield Case("k larger than n", (np.array([[2.0, 0.0]]), documents, 5))
    # Signs times powers of two: lengths and cosines are exact, and so are the ties.
    signs = np.where(rng.random((12, 4)) < 0.5, -1.0, 1.0) * 2.0 ** rng.integers(-3, 4, (12, 1))
    yield Case("ties", (signs[:3] * 2, signs, 7))
    yield Case("the same document again and again", (np.array([[1.0, 0.0]]), signs[[1] * 5, :2], 3))
    zeros = np.array([[-2.0, 0.0], [0.0, 0.0], [-4.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    yield Case("documents of zeros", (np.array([[8.0, 0.0]]), zeros, 4))
    yield Case("a query of zeros", (np.array([[0.0, 0.0], [0.0, 1.0]]), documents, 3))
    yield Case("one document", (np.array([[1.0, 2.0, 2.0]]), np.array([[0.0, 0.0, -3.0]]), 1))
    for m, n, d, k in ((5, 7, 3, 2), (4, 40, 6, 9), (3, 31, 17, 31), (2, 700, 5, 300)):
        queries = rng.normal(0.3, 1, (m, d)) * rng.uniform(0.2, 5, (m, 1))
        documents = rng.normal(0.3, 1, (n, d)) * rng.uniform(0.2, 5, (n, 1))
        yield Case(f"{m} queries, {n} documents, k = {k}, random", (queries, documents, k))


DRILL = Drill(
    reference=cosine_top_k,
    cases=cases,
    alternatives=(by_partition, pair_by_pair),
    mistakes=(
        dot_products,
        only_queries_divided,
        only_documents_divided,
        divided_down_the_columns,
        one_length_for_all,
        squared_lengths,
        zero_over_zero,
        zero_vectors_come_last,
        least_similar_ones,
        in_rising_order,
        left_as_partitioned,
        left_as_partitioned_in_front,
        ties_to_the_higher_index,
        opposites_count_as_similar,
        distances_for_similarities,
        nearest_points,
        first_columns_of_the_similarities,
        fewer_than_k,
    ),
    hints=(
        "If all vectors had length 1, which one product of matrices would hold all similarities?",
        "Divide each row by its length (axis=1, keepdims=True), and let a row of zeros be divided "
        "by 1. Then sort each row of the similarities in falling order.",
        "np.argsort(-similarity, axis=1, kind='stable')[:, :k] gives the indices, with ties to the "
        "lower one; np.take_along_axis(similarity, indices, axis=1) the similarities.",
    ),
    explanation=(
        "Documents are divided by their lengths once, when they are stored; a query then costs one "
        "product with a matrix. For many documents take `argpartition`, which is linear in n, and "
        "sort the k that remain; ties on the border need care. On unit vectors cosine, dot product "
        "and Euclidean distance give the same order, since |a − b|² = 2 − 2 a·b: so one index "
        "serves all three. Asked next: 100 million documents? Approximate search: HNSW (Malkov and "
        "Yashunin, 2020) or inverted lists with product quantisation (Jégou and others, 2011), and "
        "its recall is measured against this function."
    ),
    difficulty=2,
    taught_in="08_serving_and_costs, section 4",
)
