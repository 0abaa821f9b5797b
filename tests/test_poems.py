"""The poems as a language model sees them: no twin across the split, nothing lost on the way."""

import numpy as np
import pandas as pd
import pytest

from helpers import poems as tang
from helpers.data import load_poems


@pytest.fixture(scope="module")
def poems():
    return load_poems()


@pytest.fixture(scope="module")
def rows(poems):
    return tang.split(poems)


@pytest.fixture(scope="module")
def characters(poems, rows):
    return tang.Characters(poems.text.iloc[rows["train"]])


def test_the_lines_of_a_poem():
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    assert tang.lines_of(text) == ["白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"]
    assert tang.lines_of("谁知心事？白云飞。") == ["谁知心事", "白云飞"]


def test_no_held_out_poem_shares_two_lines_with_training(poems, rows):
    known = {line for text in poems.text.iloc[rows["train"]] for line in tang.lines_of(text)}
    for part in ("validation", "test"):
        for text in poems.text.iloc[rows[part]]:
            assert sum(line in known for line in tang.lines_of(text)) < 2
    assert len(rows["train"]) == len(poems) - 3_000
    assert 1_350 < len(rows["validation"]) < 1_500 and 1_350 < len(rows["test"]) < 1_500


def test_no_poem_is_in_two_parts(rows):
    together = np.concatenate(list(rows.values()))
    assert len(set(together.tolist())) == len(together)


def test_the_split_depends_on_the_seed_alone(poems, rows):
    again, other = tang.split(poems), tang.split(poems, seed=1)
    assert all(np.array_equal(again[part], rows[part]) for part in rows)
    assert not np.array_equal(other["test"], rows["test"])


def test_characters_are_numbered_by_frequency():
    characters = tang.Characters(["aab", "abc"], at_least=2)
    assert characters.common == ["a", "b"] and characters.size == tang.FIRST + 2
    assert characters.encode("cba") == [tang.RARE, tang.FIRST + 1, tang.FIRST]
    ids = np.array([2, *characters.encode("abca"), tang.END, tang.FIRST])
    assert characters.decode(ids) == "ab□a"


def test_encoded_poems_come_back(poems, rows, characters):
    some = poems.iloc[rows["test"][:200]]
    encoded = tang.encode(some, characters)
    assert sum(map(len, encoded.values())) == 200
    for form, (width, lines) in tang.FORMS.items():
        ids = encoded[form]
        assert ids.dtype == np.int32 and ids.shape[1] == lines * (width + 1) + 2
        assert (ids[:, 0] == form).all() and (ids[:, -1] == tang.END).all()
        texts = some.text[(some.width == width) & (some.lines == lines)]
        for row, text in zip(ids, texts, strict=True):
            expected = "".join(c if c in characters.number_of else "□" for c in text)
            assert characters.decode(row) == expected


def test_batches_are_shifted_whole_and_repeatable():
    rng = np.random.default_rng(0)
    data = {2: rng.integers(6, 50, (30, 10), "int32"), 3: rng.integers(6, 50, (21, 16), "int32")}
    epoch = [(x.numpy(), y.numpy()) for x, y in tang.batches(data, 0, tokens=45)]
    assert {x.shape for x, _ in epoch} == {(5, 9), (3, 15)} and len(epoch) == 6 + 7
    for x, y in epoch:
        assert np.array_equal(x[:, 1:], y[:, :-1])
    seen = {tuple(row) for x, _ in epoch for row in x}
    assert seen == {tuple(row[:-1]) for ids in data.values() for row in ids}
    again = [x.numpy() for x, _ in tang.batches(data, 0, tokens=45)]
    assert all(np.array_equal(a, x) for a, (x, _) in zip(again, epoch, strict=True))
    other = [x.numpy() for x, _ in tang.batches(data, 1, tokens=45)]
    assert not all(a.shape == x.shape and (a == x).all() for a, x in zip(again, other, strict=True))


def test_bits_charge_rare_characters_and_the_end():
    data = {2: np.array([[2, 6, 0, 7, 1]])}  # three characters, one of them rare, and the end
    bits = tang.bits_per_character(data, lambda ids: np.full((1, 4), np.log(2)), rare_kinds=8)
    assert bits == pytest.approx((4 + 3) / 3)


@pytest.mark.parametrize(("one", "other", "same"), [("山", "间", True), ("天", "月", False),
                         ("流", "楼", True), ("光", "霜", True), ("光", "乡", True),
                         ("新", "人", True), ("月", "河", False), ("月", "夜", True)])  # fmt: skip
def test_rhymes_that_every_child_knows(one, other, same):
    assert (tang.rhyme_sound(one) == tang.rhyme_sound(other)) == same


def test_who_knows_the_rhyme_gives_it_all_probability(poems, rows, characters):
    """And one who knows nothing gives it what another poem's rhyme gets."""
    ids = tang.encode(poems.iloc[rows["test"]], characters)[2]
    by_sound = {}
    for number, character in enumerate(characters.common, start=tang.FIRST):
        by_sound.setdefault(tang.rhyme_sound(character), []).append(number)

    def knows(beginnings):
        logits = np.zeros((*beginnings.shape, characters.size), "float32")
        for row, number in enumerate(beginnings[:, 11]):
            sound = tang.rhyme_sound(characters.common[number - tang.FIRST])
            logits[row, -1, by_sound[sound]] = 50
        return logits

    rhyme, chance = tang.rhyme_probability(ids, knows, characters)
    assert rhyme == pytest.approx(1) and 0.02 < chance < 0.2
    rhyme, chance = tang.rhyme_probability(
        ids, lambda ids: np.zeros((*ids.shape, characters.size)), characters
    )
    assert rhyme == pytest.approx(chance)


def test_a_frame_with_other_rows_is_encoded_too(characters):
    frame = pd.DataFrame({"text": ["一二三四五，" * 4], "width": [5], "lines": [4]}, index=[77])
    assert tang.encode(frame, characters)[2].shape == (1, 26)
