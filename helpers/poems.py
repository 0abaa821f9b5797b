"""The Tang poems as a language model sees them: parts, numbers, batches, bits and rhymes.

Notebook 03 shows this source while its LSTM learns to write, 06 trains GPTs on the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from pypinyin import Style, lazy_pinyin
from scipy.special import softmax

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow as tf

FORMS = {2: (5, 4), 3: (7, 4), 4: (5, 8), 5: (7, 8)}  # number: characters a line, lines
RARE, END, FIRST = 0, 1, 6  # a rare character, the end of a poem, the first common character


def lines_of(text: str) -> list[str]:
    """The lines of a poem, without the marks that close them."""
    return re.findall("[^，。？]+", text)


def split(poems: pd.DataFrame, held_out: int = 1_500, seed: int = 0) -> dict[str, np.ndarray]:
    """Rows for "train", "validation" and "test", drawn at random.

    Many poems are handed down twice, with a character changed. A held-out poem that shares two or
    more lines with the training poems is left out, so fewer than `held_out` remain in each part.
    """
    order = np.random.default_rng(seed).permutation(len(poems))
    rows = {"train": order[2 * held_out :]}
    known = {line for text in poems.text.iloc[rows["train"]] for line in lines_of(text)}
    for number, part in enumerate(("validation", "test")):
        drawn = order[number * held_out : (number + 1) * held_out]
        texts = poems.text.iloc[drawn]
        shared = np.array([sum(line in known for line in lines_of(text)) for text in texts])
        rows[part] = drawn[shared < 2]
    return rows


class Characters:
    """Numbers for the characters that `texts` hold at least so often; all others are RARE.

    Attributes:
        common: the characters with a number of their own, the most frequent first.
        number_of: the number of each of them, from FIRST up.
        size: of the vocabulary: RARE, END, the forms, and the common characters.
    """

    def __init__(self, texts: Iterable[str], at_least: int = 20):
        counts = Counter("".join(texts))
        self.common = [character for character, n in counts.most_common() if n >= at_least]
        self.number_of = {c: number for number, c in enumerate(self.common, start=FIRST)}
        self.size = FIRST + len(self.common)

    def encode(self, text: str) -> list[int]:
        """The number of each character."""
        return [self.number_of.get(character, RARE) for character in text]

    def decode(self, ids: Iterable[int]) -> str:
        """The text up to END, without the form; □ for a rare character."""
        text = []
        for number in ids:
            if number == END:
                break
            if number == RARE or number >= FIRST:
                text.append("□" if number == RARE else self.common[number - FIRST])
        return "".join(text)


def encode(poems: pd.DataFrame, characters: Characters) -> dict[int, np.ndarray]:
    """The poems of each form: its number, the text with its marks, END, without any padding.

    Returns:
        For each key of FORMS ids (poems, 1 + length of the text + 1), int32.
    """
    encoded: dict = {form: [] for form in FORMS}
    form_of = {shape: form for form, shape in FORMS.items()}
    for text, *shape in poems[["text", "width", "lines"]].itertuples(index=False):
        form = form_of[tuple(shape)]
        encoded[form].append([form, *characters.encode(text), END])
    return {form: np.array(ids, "int32") for form, ids in encoded.items()}


def batches(data: dict[int, np.ndarray], epoch: int, tokens: int = 3_072) -> tf.data.Dataset:
    """Batches (inputs, targets) of about so many characters, in an order that the epoch decides.

    Each holds poems of one form: equal lengths, so no padding, no mask, no lost work. The targets
    are the inputs' next characters, (batch, time) int32.
    """
    import tensorflow as tf

    rng = np.random.default_rng(epoch)
    parts = []
    for ids in data.values():
        size = tokens // (ids.shape[1] - 1)
        shuffled = rng.permutation(ids)
        parts += [shuffled[i : i + size] for i in range(0, len(ids) - size + 1, size)]

    def inputs_and_targets():
        for number in rng.permutation(len(parts)):
            yield parts[number][:, :-1], parts[number][:, 1:]

    spec = tf.TensorSpec((None, None), tf.int32)
    return tf.data.Dataset.from_generator(
        inputs_and_targets, output_signature=(spec, spec)
    ).prefetch(2)


def bits_per_character(data: dict[int, np.ndarray], nll_of: Callable, rare_kinds: int) -> float:
    """The mean of −log₂ p over the characters of the poems in `data`.

    Args:
        data: ids of each form, from `encode`.
        nll_of: called on ids (poems, length), gives −ln p of each after the first,
            (poems, length − 1).
        rare_kinds: how many characters share RARE. Each costs the bits to say which it is, so that
            nobody gains by giving up on hard characters.
    """
    total = n_characters = 0
    for ids in data.values():
        total += nll_of(ids).sum() + np.sum(ids == RARE) * np.log(rare_kinds)
        n_characters += ids.shape[0] * (ids.shape[1] - 2)  # of the text: form and end are ours
    return float(total / n_characters / np.log(2))


@cache
def rhyme_sound(character: str) -> str:
    """The syllable from its main vowel on: "ian" and "an" are both "an". A rough rule."""
    final = lazy_pinyin(character, style=Style.FINALS)[0]
    final = re.sub("^[iv](n|ng)$", r"e\1", final)  # "in" is said i + en, "ing" i + eng
    final = re.sub("^[iv]e$", "ê", final)  # as in yè and yuè, another e than that of hé
    return re.sub("^[iuv](?=[aeo])", "", final)


def rhyme_probability(
    ids: np.ndarray, logits_of: Callable, characters: Characters
) -> tuple[float, float]:
    """How probable a rhyme at the end of line 4 is, and by chance: the rhyme of another poem.

    Args:
        ids: poems of four lines of five, (poems, 26), from `encode`.
        logits_of: called on their beginnings (poems, 23), gives logits (poems, 23, vocabulary).
        characters: those that numbered the poems.
    """
    end_of_line_2, end_of_line_4 = 11, 23  # their places in a row
    sounds = np.array([rhyme_sound(character) for character in characters.common])
    ids = ids[ids[:, end_of_line_2] >= FIRST]  # not rare: its sound is known
    last = softmax(np.asarray(logits_of(ids[:, :end_of_line_4]))[:, -1], axis=-1)[:, FIRST:]
    rhyming = sounds[ids[:, end_of_line_2] - FIRST][:, None] == sounds  # (poems, characters)
    of_another = np.roll(rhyming, 1, axis=0)  # of the poem before
    return tuple(float((last * right).sum(axis=1).mean()) for right in (rhyming, of_another))
