import numpy as np

from helpers.drills.spec import Case, Drill


def intersection_over_union(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Measure how well boxes cover each other: the intersection over union (IoU) of each box of one
    set with each of another, by which detections are matched with the truth.

    `boxes`, shape (m, 4), and `others`, (n, 4), hold a box a row: x1, y1, x2, y2, two opposite
    corners with x1 ≤ x2 and y1 ≤ y2, in whole or fractional pixels. Coordinates are positions, not
    numbers of pixels: the width is x2 − x1. Return an array (m, n): entry [i, j] is the area that
    boxes[i] and others[j] have in common, divided by the area that they cover together. Boxes that
    do not meet, or only touch, have 0 in common. Where both have no area it is zero over zero: let
    it be 0. m and n are at least 1.
    """
    left_top = np.maximum(boxes[:, None, :2], others[:, :2])  # (m, n, 2)
    right_bottom = np.minimum(boxes[:, None, 2:], others[:, 2:])
    sides = np.maximum(right_bottom - left_top, 0)  # negative where the boxes do not meet
    common = sides[..., 0] * sides[..., 1]  # (m, n)

    def area(corners):
        return (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])

    union = area(boxes)[:, None] + area(others) - common
    return common / np.where(union == 0, 1, union)  # without a union nothing is in common


def pair_by_pair(boxes, others):
    def overlap(start, end, other_start, other_end):
        return max(0.0, min(end, other_end) - max(start, other_start))

    result = np.zeros((len(boxes), len(others)))
    for i, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        for j, (u1, v1, u2, v2) in enumerate(others.tolist()):
            common = overlap(x1, x2, u1, u2) * overlap(y1, y2, v1, v2)
            if common:
                both = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1)
                result[i, j] = common / (both - common)
    return result


def column_by_column(boxes, others):
    x1, y1, x2, y2 = (column[:, None] for column in boxes.T)
    u1, v1, u2, v2 = others.T
    width = (np.minimum(x2, u2) - np.maximum(x1, u1)).clip(0)
    height = (np.minimum(y2, v2) - np.maximum(y1, v1)).clip(0)
    shared = width * height
    union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - shared
    ratio = np.zeros(union.shape)
    ratio[union > 0] = shared[union > 0] / union[union > 0]
    return ratio


def _sides(boxes, others, extra=0):
    """Width and height of what each pair has in common; negative where it does not meet."""
    left_top = np.maximum(boxes[:, None, :2], others[:, :2])
    sides = np.minimum(boxes[:, None, 2:], others[:, 2:]) - left_top + extra
    return sides[..., 0], sides[..., 1]


def _areas(boxes, others, extra=0):
    areas = [(b[:, 2] - b[:, 0] + extra) * (b[:, 3] - b[:, 1] + extra) for b in (boxes, others)]
    return areas[0][:, None], areas[1]


def _ratio(common, union):
    return np.where(union == 0, 0.0, common / np.where(union == 0, 1, union))


def _common(boxes, others):
    width, height = _sides(boxes, others)
    return np.maximum(width, 0) * np.maximum(height, 0)


def sides_not_cut_at_zero(boxes, others):
    """Where two boxes do not meet, width or height of what they share is negative in yours. One
    negative side makes a negative area, and two make a positive one. Cut each side at 0."""
    width, height = _sides(boxes, others)
    one, other = _areas(boxes, others)
    return _ratio(width * height, one + other - width * height)


def product_cut_at_zero(boxes, others):
    """You cut the product at 0, not the sides: two boxes that lie apart both ways have two negative
    sides, and their product is positive. Cut each side."""
    width, height = _sides(boxes, others)
    one, other = _areas(boxes, others)
    common = np.maximum(width * height, 0)
    return _ratio(common, one + other - common)


def sides_made_positive(boxes, others):
    """You take the absolute value of the sides, so that a gap between two boxes counts as if they
    shared it. Where they do not meet they share nothing."""
    width, height = map(np.abs, _sides(boxes, others))
    one, other = _areas(boxes, others)
    return _ratio(width * height, one + other - width * height)


def one_pixel_added(boxes, others):
    """You add 1 to every width and height, as where coordinates number pixels from the first to the
    last. Here they are positions: the width is x2 − x1."""
    width, height = (np.maximum(side, 0) for side in _sides(boxes, others, 1))
    one, other = _areas(boxes, others, 1)
    return _ratio(width * height, one + other - width * height)


def common_part_counted_twice(boxes, others):
    """You divide by the sum of the two areas. It counts the common part twice: take it off once, or
    no pair reaches 1."""
    one, other = _areas(boxes, others)
    return _ratio(_common(boxes, others), one + other)


def dice_coefficient(boxes, others):
    """You divide twice the common area by the sum of both. That is the Dice coefficient, the F1 of
    areas; IoU divides by the union."""
    one, other = _areas(boxes, others)
    return _ratio(2 * _common(boxes, others), one + other)


def over_the_smaller_box(boxes, others):
    """You divide by the area of the smaller box, so a tiny box inside a large one gets 1. Divide by
    what both cover together."""
    return _ratio(_common(boxes, others), np.minimum(*_areas(boxes, others)))


def over_the_first_box(boxes, others):
    """You divide by the area of the first box, so the result depends on which comes first. Divide
    by what both cover together."""
    one, other = _areas(boxes, others)
    return _ratio(_common(boxes, others), one + 0 * other)


def over_the_box_around_both(boxes, others):
    """You divide by the area of the box around both, which holds corners that neither covers. Add
    the two areas, and take off what they share."""
    low = np.minimum(boxes[:, None, :2], others[:, :2])
    high = np.maximum(boxes[:, None, 2:], others[:, 2:])
    return _ratio(_common(boxes, others), np.prod(high - low, axis=2))


def penalised_by_the_box_around(boxes, others):
    """You subtract what is empty in the box around both: that is the generalised IoU, a loss, which
    goes down to −1. The plain one is asked for."""
    iou = intersection_over_union(boxes, others)
    low = np.minimum(boxes[:, None, :2], others[:, :2])
    high = np.maximum(boxes[:, None, 2:], others[:, 2:])
    around = np.prod(high - low, axis=2)
    one, other = _areas(boxes, others)
    return iou - _ratio(around - (one + other - _common(boxes, others)), around)


def width_and_height_for_corners(boxes, others):
    """You take the last two numbers of a box for its width and height. They are its opposite
    corner, x2 and y2."""
    wide = [np.column_stack([b[:, :2], b[:, :2] + b[:, 2:]]) for b in (boxes, others)]
    return intersection_over_union(*wide)


def zero_over_zero(boxes, others):
    """Two boxes without an area cover nothing together, and 0 / 0 is NaN in yours. It is to be 0:
    look at the union before you divide."""
    one, other = _areas(boxes, others)
    common = _common(boxes, others)
    with np.errstate(all="ignore"):
        return common / (one + other - common)


def boxes_in_pairs(boxes, others):
    """You compare the first box with the first of the others, the second with the second, and so
    on. Each is to be compared with each: put one set along a new axis."""
    count = min(len(boxes), len(others))
    return np.diagonal(intersection_over_union(boxes[:count], others[:count]))


def rounded_to_whole_pixels(boxes, others):
    """You round the coordinates, or keep them in an array of integers. Boxes lie between pixels,
    too: compute with floats."""
    return intersection_over_union(boxes.astype(int), others.astype(int))


def small_number_added(boxes, others):
    """You add a small number to the union against 0 / 0. That changes every result a little, and
    that of small boxes, in units of the image's size, a lot. Treat the case by itself."""
    one, other = _areas(boxes, others)
    common = _common(boxes, others)
    return common / (one + other - common + 1e-6)


def random_boxes(rng, count, size=10.0):
    corners = rng.uniform(0, size, (count, 2, 2))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def cases(rng):
    one = np.array([[0, 0, 4, 2]])
    yield Case("a box and two others", (one, np.array([[2, 0, 6, 2], [0, 0, 4, 2]])))
    apart = np.array([[5, 3, 7, 6], [5, 0, 7, 2], [0, 3, 4, 5], [4, 0, 6, 2], [4, 2, 5, 3]])
    yield Case("boxes that lie apart, or touch", (one, apart))
    yield Case("one inside the other", (np.array([[0.0, 0, 8, 8]]), np.array([[1.0, 2, 3, 3]])))
    cross = np.array([[0, 3, 9, 5]]), np.array([[4, 0, 6, 8]])
    yield Case("a cross", cross)
    nothing = np.array([[1, 1, 1, 1], [0, 2, 5, 2], [0, 0, 2, 2], [1, 1, 1, 1]])
    yield Case("boxes without an area", (nothing, nothing[:3]))
    unit = random_boxes(rng, 3, 0.01)
    yield Case("tiny boxes", (unit, unit[[1, 2, 0, 0]] * 1.1))
    negative = random_boxes(rng, 2) - 5
    yield Case("negative coordinates", (negative, random_boxes(rng, 3) - 5))
    for m, n in ((3, 5), (7, 2), (6, 31)):
        yield Case(f"{m} and {n} random boxes", (random_boxes(rng, m), random_boxes(rng, n)))


DRILL = Drill(
    reference=intersection_over_union,
    cases=cases,
    alternatives=(pair_by_pair, column_by_column),
    mistakes=(
        sides_not_cut_at_zero,
        product_cut_at_zero,
        sides_made_positive,
        one_pixel_added,
        common_part_counted_twice,
        dice_coefficient,
        over_the_smaller_box,
        over_the_first_box,
        over_the_box_around_both,
        penalised_by_the_box_around,
        width_and_height_for_corners,
        zero_over_zero,
        boxes_in_pairs,
        rounded_to_whole_pixels,
        small_number_added,
    ),
    hints=(
        "Where does the common part of two boxes begin on the x-axis, and where does it end? What "
        "if it ends before it begins?",
        "Width: min(x2, u2) − max(x1, u1), cut at 0; height likewise. The union is the sum of both "
        "areas less the common one.",
        "boxes[:, None, :2] against others[:, :2] gives all pairs at once, (m, n, 2): np.maximum "
        "for the upper left corners, np.minimum for the lower right ones. Divide by 1 where the "
        "union is 0.",
    ),
    explanation=(
        "A box is a product of two intervals, and the common part of two boxes is the product of "
        "the common parts. IoU does not change when the image is scaled, and is 1 only for equal "
        "boxes: so a detection counts as right from 0.5 on (PASCAL VOC), or is averaged over "
        "limits from 0.5 to 0.95 (COCO). Asked next: why is 1 − IoU a poor loss? It is flat where "
        "the boxes do not meet; the generalised IoU (Rezatofighi and others, 2019) is not. And "
        "where does it come in elsewhere? In the suppression of double detections, and in "
        "matching predictions with the truth for the average precision."
    ),
    difficulty=1,
    taught_in="09_mock_interview, section 3",
)
