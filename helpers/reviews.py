"""Clean the reviews and split them without leaks.

Notebook 01 takes these steps one by one; every later notebook calls `split_reviews()`, so that
all of them judge on the same held-out reviews.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TEST_SIZE = 4_000
VALIDATION_SIZE = 1_500


def normalise(text: str) -> str:
    """One spelling for what reads the same: NFKC turns full-width forms (as in ＡＢＣ１) into plain
    ones, and every run of white space becomes one space (Unicode Standard Annex 15)."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def fingerprint(text: str) -> str:
    """The letters and digits of a text in lower case, equal for copies that differ in marks."""
    return "".join(c for c in normalise(text).lower() if c.isalnum())


def near_duplicate_groups(fingerprints: list[str]) -> list[int]:
    """Number the texts so that near-duplicates share a number.

    Two texts are near-duplicates if the sets of their character 3-grams overlap by 60 % (Jaccard
    index), or if nine tenths of the smaller set, of 8 or more, lie in the larger one (an excerpt).
    The groups are the connected components, so a copy of a copy is caught too.
    Source: Broder, "On the resemblance and containment of documents", 1997.
    """
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from sklearn.feature_extraction.text import CountVectorizer

    shingler = CountVectorizer(
        analyzer="char", ngram_range=(3, 3), binary=True, lowercase=False, dtype=np.float32
    )
    shingles = shingler.fit_transform(f"^{text}$" for text in fingerprints)  # (texts, 3-grams)
    size = np.asarray(shingles.sum(axis=1)).ravel()
    rows, columns = [], []
    for start in range(0, len(fingerprints), 2_000):  # in blocks, to bound the memory
        common = (shingles[start : start + 2_000] @ shingles.T).tocoo()
        i, j = common.row + start, common.col
        smaller = np.minimum(size[i], size[j])
        similar = common.data >= 0.6 * (size[i] + size[j] - common.data)
        excerpt = (common.data >= 0.9 * smaller) & (smaller >= 8)
        rows.append(i[similar | excerpt])
        columns.append(j[similar | excerpt])
    i, j = np.concatenate(rows), np.concatenate(columns)
    graph = coo_matrix((np.ones(len(i)), (i, j)), shape=(len(fingerprints),) * 2)
    return connected_components(graph, directed=False)[1].tolist()


def clean_reviews(reviews: pd.DataFrame) -> pd.DataFrame:
    """Normalise the texts; keep the first of equal fingerprints, the longest of near-duplicates.

    Lines without a letter or digit go, and so does every fingerprint or group that holds both
    labels: nobody can say which one is right.

    Args:
        reviews: columns `text` and `label`, as `helpers.data.load_reviews` gives them.
    Returns:
        The same columns, a fresh index, in the order of first appearance.
    Raises:
        ValueError: a column is missing.
    """
    if missing := {"text", "label"} - set(reviews.columns):
        raise ValueError(f"reviews lacks the column(s) {sorted(missing)}: pass load_reviews()")
    frame = reviews[["text", "label"]].assign(
        text=reviews["text"].map(normalise), fingerprint=reviews["text"].map(fingerprint)
    )
    frame = frame[frame["fingerprint"] != ""]
    frame = frame[frame.groupby("fingerprint")["label"].transform("nunique") == 1]
    frame = frame.drop_duplicates("fingerprint", ignore_index=True)

    groups = frame.assign(
        group=near_duplicate_groups(frame["fingerprint"].tolist()),
        length=frame["text"].str.len(),
    ).groupby("group")
    longest = groups["length"].idxmax()[groups["label"].nunique() == 1]
    return frame.loc[sorted(longest), ["text", "label"]].reset_index(drop=True)


def split_reviews(
    reviews: pd.DataFrame | None = None, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Split clean reviews into train, validation (1,500) and test (4,000), each with the same share
    of positives. Near-duplicates are gone before, so no text stands on both sides.

    Args:
        reviews: clean reviews; by default `clean_reviews(load_reviews())`.
        seed: which split. The course, and the pretrained encoder, use 0: under another seed the
            encoder has read some of the test reviews.
    Returns:
        train, validation and test, each with the columns `text` and `label` and a fresh index.
    Raises:
        ValueError: fewer reviews than the two held-out parts and as many again for training.
    """
    from sklearn.model_selection import train_test_split

    if reviews is None:
        from helpers.data import load_reviews

        reviews = clean_reviews(load_reviews())
    if len(reviews) < 2 * (TEST_SIZE + VALIDATION_SIZE):
        raise ValueError(
            f"reviews has {len(reviews)} rows, but {2 * (TEST_SIZE + VALIDATION_SIZE)} are needed"
        )
    rest, test = train_test_split(
        reviews, test_size=TEST_SIZE, stratify=reviews["label"], random_state=seed
    )
    train, validation = train_test_split(
        rest, test_size=VALIDATION_SIZE, stratify=rest["label"], random_state=seed
    )
    return tuple(part.reset_index(drop=True) for part in (train, validation, test))
