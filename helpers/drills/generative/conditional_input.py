import numpy as np

from helpers.drills.spec import Case, Drill


def conditional_input(images: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Tell a convolutional discriminator which class an image is said to be of: put the label
    behind the image's channels, as planes.

    `images`, floats, has the shape (batch, height, width, channels), `labels`, ints, (batch,), each
    from 0 to classes − 1. Return an array (batch, height, width, channels + classes): first the
    image's channels as they are, then one plane, (height, width), for each class in order. The
    plane of the image's own class is 1 everywhere, the others are 0 everywhere. A class that does
    not occur in the batch has its plane all the same. If any label is negative, or classes or
    more, raise ValueError.
    """
    if np.any((labels < 0) | (labels >= classes)):
        raise ValueError(f"labels must be from 0 to {classes - 1}: {labels}")
    one_hot = np.eye(classes)[labels]  # (batch, classes)
    planes = np.broadcast_to(one_hot[:, None, None], (*images.shape[:3], classes))
    return np.concatenate([images, planes], axis=3)


def plane_by_plane(images, labels, classes):
    if not set(labels.tolist()) <= set(range(classes)):
        raise ValueError("an unknown label")
    batch, height, width, channels = images.shape
    result = np.zeros((batch, height, width, channels + classes))
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        result[row, :, :, :channels] = image
        result[row, :, :, channels + label] = 1
    return result


def with_repeat(images, labels, classes):
    batch, height, width, _ = images.shape
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError("an unknown label")
    own = labels[:, None] == np.arange(classes)
    pixels = np.repeat(own, height * width, axis=0)  # image after image, pixel after pixel
    return np.concatenate([images, pixels.reshape(batch, height, width, classes)], axis=-1)


def _checked(labels, classes):
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError
    return np.eye(classes)[labels]


def _joined(images, one_hot):
    planes = np.broadcast_to(one_hot[:, None, None], (*images.shape[:3], one_hot.shape[1]))
    return np.concatenate([images, planes], axis=3)


def planes_before_the_channels(images, labels, classes):
    """You put the planes before the image's channels. They come after them."""
    planes = _joined(images[..., :0], _checked(labels, classes))
    return np.concatenate([planes, images], axis=3)


def label_as_one_plane(images, labels, classes):
    """You add one plane that holds the label's number. That puts the classes in an order, with 9
    far from 0 and near 8, though they have none: one plane for each class."""
    _checked(labels, classes)
    return _joined(images, labels[:, None])


def label_for_one(images, labels, classes):
    """Your plane holds the label's number where it should hold 1. Which plane it is says the class
    already, and class 0 has no plane at all that way."""
    return _joined(images, _checked(labels, classes) * labels[:, None])


def minus_one_for_zero(images, labels, classes):
    """The planes of the other classes are −1 in yours. That fits images from −1 to 1; asked for is
    0."""
    return _joined(images, 2 * _checked(labels, classes) - 1)


def labels_mixed_along_the_batch(images, labels, classes):
    """You repeat the whole batch of labels instead of each label (`np.tile` for `np.repeat`): from
    pixel to pixel the class changes. All pixels of an image have its own label."""
    batch, height, width, _ = images.shape
    pixels = np.tile(_checked(labels, classes), (height * width, 1))
    return np.concatenate([images, pixels.reshape(batch, height, width, classes)], axis=3)


def one_label_for_all(images, labels, classes):
    """You give all images the label of the first. Each has its own."""
    one_hot = _checked(labels, classes)
    return _joined(images, np.broadcast_to(one_hot[0], one_hot.shape))


def labels_counted_from_one(images, labels, classes):
    """You count the classes from 1: each image's ones stand one plane too early, and class 0 comes
    last. Labels begin at 0."""
    return _joined(images, np.roll(_checked(labels, classes), -1, axis=1))


def classes_counted_in_the_batch(images, labels, classes):
    """You make as many planes as the largest label of the batch needs. The next batch would then
    have another width: `classes` planes, whether they occur or not."""
    return _joined(images, _checked(labels, classes)[:, : labels.max() + 1])


def only_the_classes_that_occur(images, labels, classes):
    """You make planes for the classes of this batch only. The meaning of a plane would change from
    batch to batch: `classes` planes, whether they occur or not."""
    one_hot = _checked(labels, classes)
    return _joined(images, one_hot[:, np.unique(labels)])


def channels_first(images, labels, classes):
    """You put channels before height and width. In this course, as in TensorFlow, the channels
    come last: (batch, height, width, channels)."""
    return _joined(images, _checked(labels, classes)).transpose(0, 3, 1, 2)


def height_and_width_exchanged(images, labels, classes):
    """In your result height and width are exchanged."""
    return _joined(images, _checked(labels, classes)).transpose(0, 2, 1, 3)


def planes_without_the_image(images, labels, classes):
    """You return the planes alone. The image's channels come first."""
    return _joined(images[..., :0], _checked(labels, classes))


def negative_labels_count_from_the_end(images, labels, classes):
    """You let negative labels pass: as an index −1 is the last class, and a missing label becomes a
    wrong one in silence. Compare with 0, too, and raise ValueError."""
    if labels.max() >= classes:
        raise ValueError
    return _joined(images, np.eye(classes)[labels])


def labels_not_checked(images, labels, classes):
    """You do not check the labels. One that is too large raises IndexError, and a negative one
    counts from the end, in silence: raise ValueError for both."""
    return _joined(images, np.eye(classes)[labels])


def unknown_labels_have_no_plane(images, labels, classes):
    """A label that is no class gives an image without any ones, in silence. Check first, and raise
    ValueError."""
    return _joined(images, (labels[:, None] == np.arange(classes)).astype(float))


def unknown_labels_clipped(images, labels, classes):
    """You move labels that are no class to the nearest one. Such a label is an error in the data:
    raise ValueError."""
    return _joined(images, np.eye(classes)[np.clip(labels, 0, classes - 1)])


def classes_allowed_as_a_label(images, labels, classes):
    """You let the label `classes` pass your check. With n classes the last label is n − 1: raise
    ValueError for n, too."""
    if labels.min() < 0 or labels.max() > classes:
        raise ValueError
    return _joined(images, np.eye(classes)[labels])


def cases(rng):
    images = np.array([[[[0.5], [0.25]]], [[[0.75], [-1.0]]]])
    note = "two images of 1 × 2 pixels, one channel, two classes"
    yield Case(note, (images, np.array([1, 0]), 2))
    for shape, classes in [((1, 3, 2, 1), 4), ((3, 2, 3, 2), 3), ((5, 4, 3, 3), 7)]:
        images, labels = rng.uniform(-1, 1, shape), rng.integers(1, classes, shape[0])
        note = "{}, {} × {} pixels, channels: {}, classes: {}".format(*shape, classes)
        yield Case(f"images: {note}", (images, labels, classes))
    images = rng.uniform(-1, 1, (3, 2, 2, 1))
    yield Case("classes that do not occur", (images, np.array([2, 0, 2]), 5))
    yield Case("one class", (images, np.array([0, 0, 0]), 1))
    yield Case("a label equal to classes", (images, np.array([0, 3, 1]), 3))
    yield Case("a label far beyond", (images, np.array([0, 1, 9]), 3))
    yield Case("a label of −1", (images, np.array([-1, 0, 1]), 3))


DRILL = Drill(
    reference=conditional_input,
    cases=cases,
    alternatives=(plane_by_plane, with_repeat),
    mistakes=(
        planes_before_the_channels,
        label_as_one_plane,
        label_for_one,
        minus_one_for_zero,
        labels_mixed_along_the_batch,
        one_label_for_all,
        labels_counted_from_one,
        classes_counted_in_the_batch,
        only_the_classes_that_occur,
        channels_first,
        height_and_width_exchanged,
        planes_without_the_image,
        negative_labels_count_from_the_end,
        labels_not_checked,
        unknown_labels_have_no_plane,
        unknown_labels_clipped,
        classes_allowed_as_a_label,
    ),
    hints=(
        "A label is one number, an image has height · width pixels. In which form does every "
        "pixel know the class, without an order among the classes?",
        "One-hot rows, (batch, classes), then two axes of length 1 between: (batch, 1, 1, "
        "classes). Broadcast them to the images' height and width. Check the labels first, on "
        "both sides.",
        "planes = np.broadcast_to(one_hot[:, None, None, :], (batch, height, width, classes)), "
        "then np.concatenate([images, planes], axis=3).",
    ),
    explanation=(
        "A convolution sees a small window and looks for the same thing everywhere, so the class "
        "has to stand at every pixel; on a plane of its own a class shifts the first layer's "
        "sums by weights of its own, like a bias. Mirza and Osindero (2014) joined labels and "
        "inputs, and as planes they come with the DCGAN that followed. The generator gets the "
        "same one-hot rows beside z. Asked next: what does a discriminator do that never looks at "
        "the planes? It only asks whether an image is real, and the generator may ignore the "
        "label; the projection of Miyato and Koyama (2018) makes that harder."
    ),
    difficulty=1,
    taught_in="04_generative_adversarial_networks, section 6",
)
