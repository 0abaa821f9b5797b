import math

import numpy as np

from helpers.drills.spec import Case, Drill


def attention_scores(query: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Measure how well each query matches each key, head by head: the scores of which attention
    takes the softmax.

    `query`, floats, has shape (batch, heads, queries, d), and `key` (batch, heads, keys, d); there
    may be more queries than keys, or fewer. Return an array (batch, heads, queries, keys): the dot
    products of queries and keys of the same text and head, times one positive factor, so that the
    spread of the scores does not depend on the sizes. That is: where all numbers of queries and
    keys are independent, with mean 0 and variance 1, every score has mean 0 and variance 1, for any
    d. The factor depends on the shapes only, not on the numbers. Do not change the arguments.
    """
    dot_products = query @ key.transpose(0, 1, 3, 2)  # (batch, heads, queries, keys)
    return dot_products / np.sqrt(query.shape[3])


def pair_by_pair(query, key):
    batch, heads, queries, d = query.shape
    scores = np.empty((batch, heads, queries, key.shape[2]))
    for b, h, q, k in np.ndindex(scores.shape):
        products = query[b, h, q] * key[b, h, k]
        scores[b, h, q, k] = math.fsum(products) / math.sqrt(d)
    return scores


def each_side_by_its_share(query, key):
    # Half the factor on each side keeps float16 from overflowing in the product.
    share = query.shape[-1] ** -0.25
    return np.einsum("bhqd,bhkd->bhqk", query * share, key * share)


def _products(query, key):
    return query @ key.transpose(0, 1, 3, 2)


def as_given(query, key):
    """This is the code as given, or its bug is still in it: draw queries and keys from the standard
    normal distribution, and look at the standard deviation of the scores for d = 4, 64 and 1024.
    It falls, and the softmax of wide heads is a plain mean over all keys."""
    d = query.shape[-1]
    # The mean of the products, so that wide heads do not have larger scores.
    return np.einsum("bhqd,bhkd->bhqk", query, key) / d


def not_scaled(query, key):
    """The factor is gone, and now the scores grow with d: a sum of d independent products has the
    variance d. The softmax of wide heads puts all weight on one key."""
    return _products(query, key)


def scaled_by_the_root_of_the_keys(query, key):
    """You divide by the root of the number of keys. The dot product does not sum over keys: a
    longer text would make every score smaller. Which axis disappears in the product?"""
    return _products(query, key) / np.sqrt(key.shape[2])


def scaled_by_the_root_of_the_queries(query, key):
    """You divide by the root of the number of queries. The dot product does not sum over queries: a
    single one would get other scores than many at once. Which axis disappears in the product?"""
    return _products(query, key) / np.sqrt(query.shape[2])


def scaled_by_the_root_of_the_heads(query, key):
    """You divide by the root of the number of heads. The dot product does not sum over heads. Which
    axis disappears in the product?"""
    return _products(query, key) / np.sqrt(query.shape[1])


def scaled_by_the_root_of_the_width(query, key):
    """You divide by the root of the whole width, heads · d. That is right for a single head; each
    of several sums over its own d numbers only, and the spread would fall with their number."""
    return _products(query, key) / np.sqrt(query.shape[1] * query.shape[3])


def one_side_by_the_fourth_root(query, key):
    """You divide by the fourth root of d only once. Where each side is scaled on its own, queries
    and keys both need it: variances of products multiply."""
    return _products(query, key) / query.shape[3] ** 0.25


def spread_measured(query, key):
    """You divide by the standard deviation of these very scores. Then the spread is 1 whatever the
    network has learned, and a score depends on all other texts of the batch. Compute the factor
    from the shape."""
    scores = _products(query, key)
    return scores / (scores.std() or 1.0)


def lengths_divided_out(query, key):
    """You divide by the lengths of query and key: cosines. They too get smaller as d grows, and a
    network can no longer sharpen its attention by longer queries. The factor depends on the shape
    only."""
    lengths = (
        np.linalg.norm(query, axis=3, keepdims=True),
        np.linalg.norm(key, axis=3, keepdims=True),
    )
    return _products(query / lengths[0], key / lengths[1])


def cases(rng):
    query = np.array([[[[1.0, 2.0, 0.0, 1.0]], [[0.0, 1.0, -1.0, 2.0]]]])
    key = np.array([[[[2.0, 1, 1, 0], [1, 0, 1, 3], [0, 0, 2, 2]],
                     [[1, 3, 1, 1], [2, 0, 1, 1], [1, 1, 1, 1]]]])  # fmt: skip
    yield Case("one text, two heads, one query, three keys, d = 4", (query, key))
    for batch, heads, queries, keys, d in [
        (2, 3, 4, 5, 7), (3, 2, 6, 3, 5), (1, 5, 2, 7, 3), (2, 4, 3, 3, 16), (2, 3, 2, 4, 1),
        (1, 2, 3, 5, 257),
    ]:  # fmt: skip
        query = rng.normal(size=(batch, heads, queries, d))
        key = rng.normal(size=(batch, heads, keys, d))
        note = f"{batch} × {heads} heads, {queries} random queries, {keys} keys, d = {d}"
        yield Case(note, (query, key))


DRILL = Drill(
    reference=attention_scores,
    cases=cases,
    given=as_given,
    alternatives=(pair_by_pair, each_side_by_its_share),
    mistakes=(
        as_given,
        not_scaled,
        scaled_by_the_root_of_the_keys,
        scaled_by_the_root_of_the_queries,
        scaled_by_the_root_of_the_heads,
        scaled_by_the_root_of_the_width,
        one_side_by_the_fourth_root,
        spread_measured,
        lengths_divided_out,
    ),
    hints=(
        "What is the variance of one product of two independent numbers of variance 1, and that of "
        "a sum of d such products?",
        "The variance of the sum is d. Divided by c, a number's variance is divided by c²: which c "
        "makes it 1?",
        "The einsum is right. Divide by np.sqrt(d) in the place of d.",
    ),
    explanation=(
        "Variances of independent terms add up: d in all; a division by √d leaves 1, one by d "
        "leaves 1 / d (Vaswani and others, 2017, Attention Is All You Need, section 3.2.1). With d "
        "= 64 the scores as given have a standard deviation of 1/8: a softmax that is nearly "
        "uniform, with gradients too small, and no error. Asked next: are queries "
        "and keys independent after training? No, and scores then grow with d, not √d; so muP "
        "(Yang and others, 2022, Tensor Programs V) does divide by d, on purpose, with a constant "
        "that makes up for it at one width."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 1",
)
