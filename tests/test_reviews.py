"""The reviews: one spelling, no copies, no contradictions, and a split that leaks nothing."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.data import load_reviews
from helpers.reviews import (
    clean_reviews,
    fingerprint,
    near_duplicate_groups,
    normalise,
    split_reviews,
)

# All different, so that texts share exactly the 3-grams that the tests count. A text of n of them
# has n 3-grams with the two at its edges.
CHARACTERS = "".join(chr(0x4E00 + i) for i in range(120))


@pytest.fixture(scope="module")
def clean():
    return clean_reviews(load_reviews())


@pytest.fixture(scope="module")
def parts(clean):
    return dict(zip(("train", "validation", "test"), split_reviews(clean), strict=True))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("ＡＢＣ１２３", "ABC123"),
        ("很好！，？", "很好!,?"),
        ("\u3000 房间\t很\r\n大\u00a0 ", "房间 很 大"),
        ("。Good", "。Good"),  # no half-width form, and the case stays
        (" \u3000\n", ""),
    ],
)
def test_normalise(text, expected):
    assert normalise(text) == expected


@given(st.text())
def test_normalise_a_second_time_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


def test_fingerprint_ignores_marks_spaces_case_and_width():
    copies = ["房间很大，Wifi快", " 房间 很大!!ＷＩＦＩ快。", "“房间很大”wifi——快"]
    assert {fingerprint(copy) for copy in copies} == {"房间很大wifi快"}
    assert fingerprint("！！。 ~") == ""
    assert fingerprint("房间2个") == "房间2个" != fingerprint("房间3个")


def test_a_copy_of_a_copy_is_in_the_group():
    first, second, third = (CHARACTERS[start : start + 30] for start in (0, 5, 10))
    assert near_duplicate_groups([first, second]) == [0, 0]  # 23 of 37 3-grams are common
    assert near_duplicate_groups([first, third]) == [0, 1]  # 18 of 42
    groups = near_duplicate_groups([first, CHARACTERS[60:90], third, second])
    assert groups == [0, 1, 0, 0]


@pytest.mark.parametrize("shift, groups", [(5, [0, 0]), (6, [0, 1])])
def test_copies_overlap_by_sixty_percent(shift, groups):  # 62 %, 58 %
    assert near_duplicate_groups([CHARACTERS[:30], CHARACTERS[shift : shift + 30]]) == groups


@pytest.mark.parametrize("length, groups", [(20, [0, 0]), (19, [0, 1])])
def test_an_excerpt_has_nine_tenths_in_the_whole(length, groups):  # 18 of 20, 17 of 19
    excerpt = CHARACTERS[5 : 5 + length]
    assert near_duplicate_groups([CHARACTERS, excerpt]) == groups
    assert near_duplicate_groups([excerpt, CHARACTERS]) == groups


@pytest.mark.parametrize("length, groups", [(8, [0, 0]), (7, [0, 1])])
def test_a_short_text_is_no_excerpt(length, groups):
    short = CHARACTERS[:length]  # opens and closes the long one, so all its 3-grams are there
    assert near_duplicate_groups([short, short + CHARACTERS[20:60] + short]) == groups


def test_unrelated_and_short_texts_stay_apart():
    texts = ["房间很干净服务也很热情", "这本书写得太差了不值得买", "很好", "不好", "很好啊", "好"]
    assert near_duplicate_groups(texts) == [0, 1, 2, 3, 4, 5]
    assert near_duplicate_groups(["很好", "好", "很好", "好"]) == [0, 1, 0, 1]


def test_groups_do_not_depend_on_the_block():
    # 2,000 different texts fill a block; the copies lie in the next one.
    texts = [f"{i:04d}" * 8 for i in range(2_000)]
    groups = near_duplicate_groups([*texts, texts[0], texts[1_999]])
    assert groups[2_000:] == [groups[0], groups[1_999]]
    assert len(near_duplicate_groups(texts[:1_000])) == 1_000


def test_clean_reviews_row_by_row():
    copied, twice, disputed = CHARACTERS[:30], CHARACTERS[40:60], CHARACTERS[80:110]
    rows = [
        ("\u3000 ", 1),  # blank
        ("房间　很大，ＷＩＦＩ快", 1),  # normalised
        (copied, 0),
        ("服务一般", 1),  # a contradiction
        ("！！。", 0),  # no letter
        (disputed, 1),  # a contradiction between near-duplicates
        (twice, 1),  # twice, apart from the mark
        (copied + "再来", 0),  # the longest of three
        ("服务一般!", 0),
        (copied + "来", 0),
        (disputed + "来", 0),
        (twice + "。", 1),
        ("书很好看", 0),
    ]
    reviews = pd.DataFrame(rows, columns=["text", "label"], index=range(100, 113))
    reviews["label"] = reviews["label"].astype("int8")
    before = reviews.copy()
    result = clean_reviews(reviews.assign(other=0))
    expected = pd.DataFrame(
        {
            "text": ["房间 很大,WIFI快", twice, copied + "再来", "书很好看"],
            "label": pd.Series([1, 1, 0, 0], dtype="int8"),
        }
    )
    pd.testing.assert_frame_equal(result, expected)
    pd.testing.assert_frame_equal(reviews, before)  # the caller's frame is left alone


@pytest.mark.parametrize("missing", ["text", "label"])
def test_clean_reviews_names_the_missing_column(missing):
    reviews = pd.DataFrame({"text": ["很好"], "label": [1]}).drop(columns=missing)
    with pytest.raises(ValueError, match=rf"reviews lacks the column\(s\) \['{missing}'\]"):
        clean_reviews(reviews)


def test_the_clean_reviews_are_17_161(clean):
    assert len(clean) == 17_161
    assert list(clean.columns) == ["text", "label"]
    assert clean.index.equals(pd.RangeIndex(17_161))
    assert clean["label"].dtype == "int8" and set(clean["label"]) == {0, 1}
    assert clean["label"].is_monotonic_decreasing  # the source's order: the positives first
    assert (clean["text"].map(normalise) == clean["text"]).all()
    assert (clean["text"].map(fingerprint) != "").all()


def test_no_two_clean_reviews_are_near_duplicates(clean):
    groups = near_duplicate_groups(clean["text"].map(fingerprint).tolist())
    assert len(set(groups)) == len(clean)


def test_the_split_has_its_sizes_and_every_review_once(clean, parts):
    sizes = {name: len(part) for name, part in parts.items()}
    assert sizes == {"train": 11_661, "validation": 1_500, "test": 4_000}
    for part in parts.values():
        assert list(part.columns) == ["text", "label"]
        assert part.index.equals(pd.RangeIndex(len(part)))
    together = pd.concat(parts.values()).sort_values("text", ignore_index=True)
    pd.testing.assert_frame_equal(together, clean.sort_values("text", ignore_index=True))


def test_no_fingerprint_is_on_two_sides(parts):
    prints = {name: set(part["text"].map(fingerprint)) for name, part in parts.items()}
    assert prints["train"].isdisjoint(prints["validation"])
    assert prints["train"].isdisjoint(prints["test"])
    assert prints["validation"].isdisjoint(prints["test"])


def test_each_part_has_the_same_share_of_positives(clean, parts):
    share = clean["label"].mean()
    for part in parts.values():
        assert part["label"].sum() == pytest.approx(share * len(part), abs=1)
        assert not part["label"].is_monotonic_decreasing  # shuffled


def test_the_split_is_the_same_each_time(parts):
    for part, again in zip(parts.values(), split_reviews(), strict=True):  # cleaned anew, too
        pd.testing.assert_frame_equal(part, again)


def test_another_seed_is_another_split(clean, parts):
    other = split_reviews(clean, seed=1)[2]
    assert len(other) == 4_000
    assert len(set(other["text"]) & set(parts["test"]["text"])) < 2_000  # 23 % by chance


def test_too_few_reviews_to_split(clean):
    with pytest.raises(ValueError, match=r"reviews has 10999 rows, but 11000 are needed"):
        split_reviews(clean.head(10_999))
    assert [len(part) for part in split_reviews(clean.head(11_000))] == [5_500, 1_500, 4_000]
