from itertools import groupby, pairwise

import numpy as np

from helpers.drills.spec import Case, Drill


def ctc_collapse(path: list, blank: int) -> list:
    """Turn a path of CTC into the labels that it stands for. A network that reads speech or
    handwriting gives one label to each frame, and a character lasts for many frames.

    `path` is a list of whole numbers, one for each frame; `blank` is the number that stands for "no
    label here", any whole number, wherever it stands among the others. Apply CTC's rule, in this
    order: merge each run of equal neighbours into one, then remove the blanks. So with − for the
    blank, h e l l − l o o gives h e l l o: the blank between two equal labels keeps them apart.
    Return the labels in order, as a list. A path may be empty, or all blank: the result is then
    empty. The blank need not occur.
    """
    merged = [label for label, _ in groupby(path)]  # one for each run of equal frames
    return [label for label in merged if label != blank]


def frame_by_frame(path, blank):
    labels, previous = [], blank
    for label in path:
        if label != previous and label != blank:
            labels.append(label)
        previous = label
    return labels


def with_numpy(path, blank):
    before = np.array([blank, *path])[:-1]
    frames = np.array([*path, blank])[:-1]
    return frames[(frames != before) & (frames != blank)].tolist()


def double_letters_lost(path, blank):
    """A double letter comes out single: in your answer a blank does not part two equal labels. You
    remove the blanks before you merge, or compare each label with the last one *kept*. Compare it
    with the frame before it, blank or not."""
    return [label for label, _ in groupby(label for label in path if label != blank)]


def every_label_once(path, blank):
    """You keep each label at its first place only, as a set would. Merge equal *neighbours*: a
    label that comes back later counts again."""
    return [label for label in dict.fromkeys(path) if label != blank]


def every_label_once_and_sorted(path, blank):
    """You return the different labels in the order of their numbers (`set`, `np.unique`). The order
    is that of the path, and a label that comes back counts again."""
    return sorted(set(path) - {blank})


def repeats_not_merged(path, blank):
    """You remove the blanks and leave the repeats. A character lasts for several frames: merge each
    run of equal frames into one."""
    return [label for label in path if label != blank]


def blanks_kept(path, blank):
    """You merge the repeats and leave the blanks in. They stand for no label: remove them,
    afterwards."""
    return [label for label, _ in groupby(path)]


def repeats_merged_in_pairs(path, blank):
    """Three equal frames give two labels in your answer: you merge two at a time. A run has any
    length, and gives one."""
    labels, place = [], 0
    while place < len(path):
        labels.append(path[place])
        place += 2 if path[place : place + 1] == path[place + 1 : place + 2] else 1
    return [label for label in labels if label != blank]


def blank_taken_to_be_zero(path, blank):
    """You remove label 0. The blank's number is an argument: PyTorch's loss takes 0,
    TensorFlow's greedy decoder the last class."""
    return ctc_collapse(path, 0)


def blank_taken_to_be_last(path, blank):
    """You remove the largest number of the path. The blank's number is an argument, and the blank
    need not occur in the path at all."""
    return ctc_collapse(path, max(path, default=blank))


def zero_removed_too(path, blank):
    """You remove label 0 besides the blank: `if label` is false for 0. Compare with the blank."""
    return [label for label, _ in groupby(path) if label and label != blank]


def zero_in_front_lost(path, blank):
    """You start with 0 as the frame before the first, so a path that begins with label 0 loses it.
    Start with something that is no label, or with the blank."""
    labels, previous = [], 0
    for label in path:
        if label != previous and label != blank:
            labels.append(label)
        previous = label
    return labels


def first_label_lost(path, blank):
    """You compare neighbours in pairs and keep the second of each pair: the first frame is never
    the second, so its label is lost."""
    return [label for before, label in pairwise(path) if label != before and label != blank]


def last_label_lost(path, blank):
    """You keep a label when the next frame differs. The last frame has no next one, so its label is
    lost."""
    return [label for label, after in pairwise(path) if label != after and label != blank]


def empty_path_raises(path, blank):
    """Your code takes the first frame of an empty path. No frames give no labels: return an empty
    list."""
    labels, previous = [], path[0]
    if previous != blank:
        labels.append(previous)
    for label in path[1:]:
        if label not in (previous, blank):
            labels.append(label)
        previous = label
    return labels


def cases(rng):
    yield Case("a double letter", ([8, 5, 5, 12, 0, 12, 12, 15], 0))
    yield Case("a blank that is not 0", ([0, 0, 2, 2, 4, 0, 0, 4, 4, 0, 3], 4))
    yield Case("a label that comes back", ([3, 1, 1, 3, 3, 1, 2], 0))
    yield Case("runs of three and more", ([5, 5, 5, 6, 5, 5, 5, 5, 5, 6, 6, 6], 7))
    yield Case("a negative blank", ([-1, 0, 0, 0, -1, -1, 0, 2, 1], -1))
    yield Case("no frames", ([], 0))
    yield Case("blanks only", ([2, 2, 2], 2))
    yield Case("one frame", ([1], 3))
    for frames, labels, blank in [(7, 3, 1), (31, 4, 3), (57, 6, 0)]:
        path = np.repeat(rng.integers(0, labels, frames), rng.integers(1, 4, frames))[:frames]
        yield Case(f"{frames} random frames", (path.tolist(), blank))


DRILL = Drill(
    reference=ctc_collapse,
    cases=cases,
    alternatives=(frame_by_frame, with_numpy),
    mistakes=(
        double_letters_lost,
        every_label_once,
        every_label_once_and_sorted,
        repeats_not_merged,
        blanks_kept,
        repeats_merged_in_pairs,
        blank_taken_to_be_zero,
        blank_taken_to_be_last,
        zero_removed_too,
        zero_in_front_lost,
        first_label_lost,
        last_label_lost,
        empty_path_raises,
    ),
    hints=(
        "Two steps, and their order matters. What would become of h e l − l o if the blanks went "
        "first?",
        "A label counts where it differs from the frame before it. The blank takes part in this "
        "comparison, and is left out of the result.",
        "Go through the path with `previous = blank` at first: keep the label if it is neither "
        "`previous` nor `blank`; then, in each turn, set `previous` to it. Or merge runs with "
        "`itertools.groupby`, and drop the blanks from what is left.",
    ),
    explanation=(
        "CTC (Graves et al., 2006) trains on texts that are not aligned with their frames: the "
        "probability of a text is the sum over all paths that collapse to it. The blank does two "
        "things: it fills the frames between characters, and it parts equal neighbours. So a path "
        "of T frames holds a text of at most T labels, fewer if it has double letters. Asked next: "
        "is the best path's text the best text? No, many weaker paths may share another text: "
        "that is what prefix beam search adds up."
    ),
    difficulty=1,
    taught_in="03_recurrent_networks, section 8",
)
