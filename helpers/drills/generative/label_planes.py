import numpy as np

from helpers.drills.spec import Case, Drill


def label_planes(labels: np.ndarray, height: int, width: int, classes: int) -> np.ndarray:
    """Spread labels over images, so that a conditional discriminator can read the class at every
    pixel.

    `labels`, ints of shape (batch,), are from 0 to classes − 1. Return an array (batch, height,
    width, classes): at every pixel of image i stands the one-hot row of its label, 1 at
    labels[i] and 0 elsewhere. So the plane [i, :, :, labels[i]] is 1 everywhere, and the other
    planes of that image are 0 everywhere. A class that does not occur has its plane too.
    """
    one_hot = np.eye(classes)[labels]  # (batch, classes)
    return np.tile(one_hot[:, None, None], (1, height, width, 1))


def with_repeat_along_an_axis(labels, height, width, classes):
    one_hot = (labels[:, None] == np.arange(classes)).astype(float)
    pixels = np.repeat(one_hot, height * width, axis=0)  # (batch · height · width, classes)
    return pixels.reshape(len(labels), height, width, classes)


def plane_by_plane(labels, height, width, classes):
    planes = np.zeros((len(labels), height, width, classes))
    for image, label in zip(planes, labels, strict=True):
        image[:, :, label] = 1
    return planes


def as_given(labels, height, width, classes):
    """This is the code as given, or its bug is still in it: the discriminator of a conditional GAN
    hardly looks at the
    class. Add the planes of one image up: at each pixel the sum should be 1,
    and the total is as it should be. For 28 × 28 pixels and 10 classes, at how many of the 784
    pixels is there anything?"""
    batch = len(labels)
    one_hot = np.zeros((batch, classes))
    one_hot[np.arange(batch), labels] = 1
    # The discriminator reads the class at every pixel: as many copies as there are pixels.
    pixels = height * width
    planes = np.repeat(one_hot, pixels)
    return planes.reshape(batch, height, width, classes)


def _one_hot(labels, classes):
    return np.eye(classes)[labels]


def labels_mixed_along_the_batch(labels, height, width, classes):
    """You repeat the whole batch of one-hot rows, one after the other. After the reshape the class
    changes from pixel to pixel, and the images share each other's labels: repeat each row, not the
    batch."""
    rows = np.tile(_one_hot(labels, classes), (height * width, 1))
    return rows.reshape(len(labels), height, width, classes)


def batch_behind_the_pixels(labels, height, width, classes):
    """You let broadcasting put height and width in front of the batch: (height, width, batch,
    classes). Give the one-hot rows two axes of length 1 behind the batch."""
    return np.broadcast_to(_one_hot(labels, classes), (height, width, len(labels), classes))


def classes_before_the_pixels(labels, height, width, classes):
    """Your planes are right and stand in front of height and width: (batch, classes, height,
    width). Here the channels come last."""
    return label_planes(labels, height, width, classes).transpose(0, 3, 1, 2)


def height_and_width_exchanged(labels, height, width, classes):
    """Your planes have width rows and height columns. Where the images are square, nobody sees
    it."""
    return label_planes(labels, width, height, classes)


def one_pixel_only(labels, height, width, classes):
    """You write the class into the first pixel alone. Every pixel is to have it."""
    planes = np.zeros((len(labels), height, width, classes))
    planes[:, 0, 0] = _one_hot(labels, classes)
    return planes


def first_row_only(labels, height, width, classes):
    """You spread the class over the width and not over the height: only the first row of pixels has
    it. Every pixel is to have it."""
    planes = np.zeros((len(labels), height, width, classes))
    planes[:, 0] = _one_hot(labels, classes)[:, None]
    return planes


def axes_of_length_one_left(labels, height, width, classes):
    """You return (batch, 1, 1, classes). Broadcasting would do the rest in a sum; to stand beside
    an image's channels the planes need the full height and width."""
    return _one_hot(labels, classes)[:, None, None]


def one_label_for_all(labels, height, width, classes):
    """You give all images the label of the first. Each has its own."""
    return label_planes(np.full_like(labels, labels[0]), height, width, classes)


def labels_counted_from_one(labels, height, width, classes):
    """You count the classes from 1: the ones stand one plane too early, and class 0 comes last.
    Labels begin at 0."""
    return label_planes((labels - 1) % classes, height, width, classes)


def label_for_one(labels, height, width, classes):
    """Your planes hold the label's number where they should hold 1; class 0 has no plane at all
    that way."""
    return label_planes(labels, height, width, classes) * labels[:, None, None, None]


def label_as_one_plane(labels, height, width, classes):
    """You make one plane with the label's number. That puts the classes in an order that they do
    not have: one plane for each class."""
    return np.broadcast_to(labels[:, None, None, None], (len(labels), height, width, 1))


def spread_thin(labels, height, width, classes):
    """You divide by the number of pixels, so that a plane sums to 1. Every pixel is to have a whole
    1."""
    return label_planes(labels, height, width, classes) / (height * width)


def classes_counted_in_the_batch(labels, height, width, classes):
    """You make as many planes as the largest label of the batch needs. The next batch would then
    have another number of planes: `classes`, whether they occur or not."""
    return label_planes(labels, height, width, 1 + labels.max())


def cases(rng):
    yield Case("two images of 1 × 2 pixels, two classes", (np.array([0, 1]), 1, 2, 2))
    yield Case("one image", (np.array([2]), 3, 2, 4))
    yield Case("square images", (np.array([1, 2, 0]), 3, 3, 3))
    yield Case("one pixel", (np.array([1, 0, 3]), 1, 1, 4))
    yield Case("one class", (np.array([0, 0]), 2, 3, 1))
    for batch, height, width, classes in [(5, 4, 3, 3), (4, 5, 7, 10), (7, 2, 5, 6)]:
        labels = rng.integers(0, classes, batch)
        note = f"images: {batch}, {height} × {width} pixels, classes: {classes}"
        yield Case(note, (labels, height, width, classes))


DRILL = Drill(
    reference=label_planes,
    cases=cases,
    given=as_given,
    alternatives=(with_repeat_along_an_axis, plane_by_plane),
    mistakes=(
        as_given,
        labels_mixed_along_the_batch,
        batch_behind_the_pixels,
        classes_before_the_pixels,
        height_and_width_exchanged,
        one_pixel_only,
        first_row_only,
        axes_of_length_one_left,
        one_label_for_all,
        labels_counted_from_one,
        label_for_one,
        label_as_one_plane,
        spread_thin,
        classes_counted_in_the_batch,
    ),
    hints=(
        "Run it for one label, 2 × 2 pixels and 3 classes, and print the planes pixel by pixel. "
        "Where are the ones, and in which order should they come?",
        "Print `planes` before the reshape. Without an axis, `np.repeat` repeats each *number*: "
        "all zeros of a class, then all its ones. The reshape reads one-hot rows, pixel after "
        "pixel.",
        "Repeat whole rows: np.repeat(one_hot, pixels, axis=0) and the same reshape; or give the "
        "one-hot rows two axes of length 1 and broadcast them.",
    ),
    explanation=(
        "`np.repeat` without an axis flattens and repeats number by number. For 28 × 28 pixels "
        "and 10 classes that makes 784 ones in a row, and ten numbers are a pixel: a band of 79 "
        "or 80 of 784 pixels, at a height that tells the class, with ones in all ten channels. "
        "So the label is not lost, it is hidden in a place, which is worse than an error: "
        "training goes on, and a convolution, the same everywhere, can hardly use it. Shapes "
        "that fit prove nothing about the order. Asked next: which one-line test would have seen "
        "it? `(planes.sum(axis=-1) == 1).all()`."
    ),
    difficulty=1,
    taught_in="04_generative_adversarial_networks, section 6",
)
