import numpy as np

from helpers.drills.spec import Case, Drill


def non_maximum_suppression(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list:
    """Keep one detection of each object: a detector finds the same one many times, in boxes that
    overlap.

    `boxes`, shape (n, 4), holds x1, y1, x2, y2 a row, with x1 < x2 and y1 < y2; `scores`, (n,), how
    sure the detector is of each. Go through the boxes by falling score; among equal scores the
    lower index comes first. A box is kept, unless its intersection over union (IoU) with one of the
    boxes kept before is greater than `threshold`; an IoU equal to it does not suppress. A box that
    was not kept suppresses nothing. Return the indices of the kept boxes, in the order in which
    they were kept. The IoU of two boxes is their common area, 0 if they do not meet, divided by the
    area that they cover together; the width of a box is x2 − x1. n may be 0: then nothing is kept.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    waiting = np.argsort(-scores, kind="stable")
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        left_top = np.maximum(boxes[best, :2], boxes[waiting, :2])
        right_bottom = np.minimum(boxes[best, 2:], boxes[waiting, 2:])
        common = np.prod(np.maximum(right_bottom - left_top, 0), axis=1)
        iou = common / (area[best] + area[waiting] - common)
        waiting = waiting[iou <= threshold]
    return kept


def box_by_box(boxes, scores, threshold):
    def iou(a, b):
        width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
        height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
        common = width * height
        areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
        return common / (areas - common)

    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if not any(iou(boxes[i], boxes[k]) > threshold for k in kept):
            kept.append(i)
    return kept


def with_a_table_of_overlaps(boxes, scores, threshold):
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = (high - low).clip(0).prod(axis=2)
    own = np.diagonal(common)
    overlaps = common / (own[:, None] + own - common) > threshold  # (n, n)
    alive = np.ones(len(boxes), bool)
    order = np.lexsort((np.arange(len(scores)), -scores))
    for i in order:
        if alive[i]:
            alive &= ~overlaps[i]
            alive[i] = True
    return order[alive[order]]


def _iou(boxes):
    low = np.maximum(boxes[:, None, :2], boxes[:, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    common = np.maximum(high - low, 0).prod(axis=2)
    own = np.diagonal(common)
    return common / (own[:, None] + own - common)


def _suppress(order, overlaps):
    """Go through the boxes in this order; overlaps[i, k] says that i and k do not go together."""
    kept = []
    for i in order:
        if not any(overlaps[i, k] for k in kept):
            kept.append(int(i))
    return kept


def _order(scores):
    return np.argsort(-scores, kind="stable")


def boxes_not_sorted(boxes, scores, threshold):
    """You go through the boxes as they stand, so that a poor box that comes first suppresses a good
    one. The highest score goes first."""
    return _suppress(range(len(boxes)), _iou(boxes) > threshold)


def lowest_score_first(boxes, scores, threshold):
    """You begin with the lowest score: `argsort` sorts in ascending order. The surest box is to
    suppress the others."""
    return _suppress(np.argsort(scores, kind="stable"), _iou(boxes) > threshold)


def suppressed_ones_suppress(boxes, scores, threshold):
    """You compare a box with all that have a higher score, kept or not. A box that was suppressed
    is gone: only the kept ones count."""
    order = _order(scores)
    overlaps = _iou(boxes) > threshold
    return [int(i) for n, i in enumerate(order) if not any(overlaps[i, k] for k in order[:n])]


def last_kept_one_only(boxes, scores, threshold):
    """You compare a box with the one kept last. Those kept before it suppress as well: compare with
    all of them."""
    overlaps, kept = _iou(boxes) > threshold, []
    for i in _order(scores):
        if not kept or not overlaps[i, kept[-1]]:
            kept.append(int(i))
    return kept


def best_one_only(boxes, scores, threshold):
    """You compare all boxes with the one of the highest score, and stop there. Each box that is
    kept suppresses in its turn."""
    overlaps, order = _iou(boxes) > threshold, _order(scores)
    return [int(i) for n, i in enumerate(order) if n == 0 or not overlaps[i, order[0]]]


def equal_overlap_suppresses(boxes, scores, threshold):
    """A box whose IoU is equal to the threshold is suppressed in yours. Only a greater one does:
    you have turned the comparison for keeping into < instead of ≤."""
    return _suppress(_order(scores), _iou(boxes) >= threshold)


def comparison_turned_round(boxes, scores, threshold):
    """You drop the boxes that overlap *little* and keep those that overlap much: other objects go,
    and doubles stay. Turn the comparison round."""
    return _suppress(_order(scores), _iou(boxes) <= threshold)


def box_suppresses_itself(boxes, scores, threshold):
    """A box is compared with itself, too: its IoU is 1, and it goes. Leave out the box that is just
    being kept."""
    order = _order(scores)
    overlaps = _iou(boxes) > threshold
    return [int(i) for n, i in enumerate(order) if not any(overlaps[i, k] for k in order[: n + 1])]


def places_for_indices(boxes, scores, threshold):
    """You return places in the sorted order. The indices of the boxes as they were given are asked
    for: look them up in the order."""
    place = np.empty(len(scores), int)
    place[_order(scores)] = np.arange(len(scores))
    return [int(place[i]) for i in non_maximum_suppression(boxes, scores, threshold)]


def sorted_by_index(boxes, scores, threshold):
    """The right boxes, in the order of their indices. The order in which they were kept, by falling
    score, is asked for."""
    return sorted(non_maximum_suppression(boxes, scores, threshold))


def ties_to_the_higher_index(boxes, scores, threshold):
    """Among equal scores you take the higher index first: you turn an ascending order round, and
    its ties with it. Sort the negative scores, with a stable sort."""
    order = np.argsort(scores, kind="stable")[::-1]
    return _suppress(order, _iou(boxes) > threshold)


def boxes_for_indices(boxes, scores, threshold):
    """You return the boxes. Return their indices: scores and classes have to be looked up as
    well."""
    return boxes[non_maximum_suppression(boxes, scores, threshold)]


def mask_for_indices(boxes, scores, threshold):
    """You return True and False for each box. Return the indices of those that are kept, best
    first."""
    return np.isin(np.arange(len(boxes)), non_maximum_suppression(boxes, scores, threshold))


def overlap_over_the_smaller_box(boxes, scores, threshold):
    """You divide the common area by that of the smaller box, so that a small object in front of a
    large one is suppressed. Divide by what both cover together."""
    low = np.maximum(boxes[:, None, :2], boxes[:, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    common = np.maximum(high - low, 0).prod(axis=2)
    own = np.diagonal(common)
    return _suppress(_order(scores), common / np.minimum(own[:, None], own) > threshold)


def sides_below_zero(boxes, scores, threshold):
    """Two boxes that lie apart both ways have two negative sides in yours, whose product is a
    positive area: they may suppress each other. Cut each side at 0."""
    low = np.maximum(boxes[:, None, :2], boxes[:, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    common = np.prod(high - low, axis=2)
    own = np.diagonal(common)
    with np.errstate(all="ignore"):
        overlaps = common / (own[:, None] + own - common) > threshold
    return _suppress(_order(scores), overlaps)


def one_pixel_wider(boxes, scores, threshold):
    """Your boxes are one pixel wider and higher, as where x2 is the last pixel. Here it is a
    position: the width is x2 − x1."""
    return non_maximum_suppression(boxes + np.array([0, 0, 1, 1]), scores, threshold)


def no_boxes_fail(boxes, scores, threshold):
    """Your code fails where there are no boxes. An image may show nothing: keep nothing."""
    if len(boxes) == 0:
        raise IndexError
    return non_maximum_suppression(boxes, scores, threshold)


def cases(rng):
    boxes = np.array([[0, 0, 4, 4], [1, 0, 5, 4], [6, 6, 9, 9]])
    yield Case("two boxes on one object", (boxes, np.array([0.6, 0.9, 0.7]), 0.5))
    row = np.array([[0.0, 0, 4, 2], [2, 0, 6, 2], [4, 0, 8, 2], [6, 0, 10, 2]])
    yield Case("a chain, IoU 1/3 each", (row, np.array([0.9, 0.8, 0.7, 0.6]), 0.3))
    twice = np.array([[0, 0, 2, 2], [0, 0, 2, 4], [0, 0, 2, 2], [5, 5, 7, 7]])
    yield Case("an IoU equal to the threshold", (twice, np.array([0.9, 0.8, 0.7, 0.95]), 0.5))
    yield Case("equal scores", (row, np.array([0.5, 0.8, 0.8, 0.5]), 0.3))
    yield Case("no boxes", (np.zeros((0, 4)), np.zeros(0), 0.5))
    yield Case("one box", (np.array([[1.0, 2, 3, 5]]), np.array([0.1]), 0.0))
    apart = np.array([[0, 0, 2, 2], [5, 6, 7, 8], [9, 9, 11, 11], [0, 4, 2, 6]])
    yield Case("boxes that lie apart", (apart, np.array([0.2, 0.9, 0.4, 0.3]), 0.1))
    yield Case("boxes that touch, threshold 0", (row[[0, 2, 1, 3]], np.array([3.0, 2, 1, 0]), 0.0))
    inside = np.array([[0, 0, 10, 10], [1, 1, 4, 4], [6, 5, 9, 8], [0, 0, 10, 9]])
    yield Case("small ones inside a large one", (inside, np.array([0.7, 0.6, 0.8, 0.75]), 0.4))
    yield Case("equal boxes, threshold 1", (twice, np.array([0.1, 0.2, 0.3, 0.4]), 1.0))
    unit = rng.uniform(0, 0.5, (13, 4)) + np.array([0, 0, 0.5, 0.5])
    yield Case("13 boxes in units of the image's size", (unit, rng.normal(size=13), 0.3))
    for n, threshold in ((9, 0.2), (31, 0.35), (57, 0.1)):
        centres, sides = rng.uniform(2, 16, (n, 2)), rng.uniform(2, 7, (n, 2))
        boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
        scores = rng.integers(0, 25, n) / 25
        note = f"{n} random boxes with equal scores, threshold {threshold}"
        yield Case(note, (boxes, scores, threshold))


DRILL = Drill(
    reference=non_maximum_suppression,
    cases=cases,
    alternatives=(box_by_box, with_a_table_of_overlaps),
    mistakes=(
        boxes_not_sorted,
        lowest_score_first,
        suppressed_ones_suppress,
        last_kept_one_only,
        best_one_only,
        equal_overlap_suppresses,
        comparison_turned_round,
        box_suppresses_itself,
        places_for_indices,
        sorted_by_index,
        ties_to_the_higher_index,
        boxes_for_indices,
        mask_for_indices,
        overlap_over_the_smaller_box,
        sides_below_zero,
        one_pixel_wider,
        no_boxes_fail,
    ),
    hints=(
        "Which box is certainly kept? Once it is, which of the others are settled, too?",
        "Take the waiting box with the highest score, keep it, and strike out the waiting ones "
        "that overlap it too much. Repeat until none waits.",
        "waiting = np.argsort(-scores, kind='stable'). While len(waiting): best = waiting[0] is "
        "kept; compute its IoU with boxes[waiting[1:]], and go on with those where IoU ≤ "
        "threshold.",
    ),
    explanation=(
        "A greedy choice: each box is compared with the kept ones only, so of a chain A, B, C, in "
        "which neighbours overlap, A and C stay. It takes as many rounds as boxes are kept, and n "
        "comparisons each. Of several classes each is treated by itself; the usual trick is to "
        "move every class to a region of its own, by an offset larger than the image. Asked next: "
        "two people who stand close? The second is suppressed; Soft-NMS (Bodla and others, 2017) "
        "lowers its score instead. And can it be left out? DETR (Carion and others, 2020) trains "
        "with a matching of one to one and needs none."
    ),
    difficulty=2,
    taught_in="09_mock_interview, section 3",
)
