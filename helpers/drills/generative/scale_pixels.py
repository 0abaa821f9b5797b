import numpy as np

from helpers.drills.spec import Case, Drill


def scale_pixels(images: np.ndarray) -> np.ndarray:
    """Prepare a batch of real images for a GAN of dense layers whose generator ends in tanh, so
    that real and fake images arrive at the discriminator in the same form and the same range.

    `images`, of type uint8 and shape (batch, height, width), holds grey values from 0 to 255.
    Return floating-point numbers of shape (batch, height · width): each image is one row, its lines
    of pixels one after another. Black, 0, becomes −1; white, 255, becomes 1; what lies between is
    spread evenly. The scale is the same for every image and every batch.
    """
    rows = images.reshape(len(images), -1)
    return rows / 127.5 - 1


def pixel_by_pixel(images):
    result = []
    for image in images.tolist():
        result.append([(2 * pixel - 255) / 255 for line in image for pixel in line])
    return np.array(result)


def from_a_table(images):
    table = np.linspace(-1, 1, 256)  # one entry for each grey value
    return np.stack([table[image].ravel() for image in images])


def as_given(images):
    """This is the code as given, or both its bugs are still in it: after ten steps the
    discriminator is right about every image, and one that looks at the brightest pixel only is as
    good. And drawn as a picture, the first row of a batch of 64 shows a little of all 64 images."""
    batch, height, width = images.shape
    # A dense layer takes one row of numbers for each image.
    rows = images.reshape(height * width, batch).T
    return rows.astype(float)


def _rows(images):
    return images.reshape(len(images), -1).astype(float)


def range_still_that_of_bytes(images):
    """Each image is a row of its own now, but its pixels go from 0 to 255, where those of a tanh
    go from −1 to 1: the range gives the real ones away."""
    return _rows(images)


def images_still_mixed(images):
    """The range is right now, but the pixels of all images are still mixed: a reshape keeps the
    order of the numbers, and the transpose comes too late. The first axis stays the batch."""
    batch, height, width = images.shape
    return images.reshape(height * width, batch).T / 127.5 - 1


def from_zero_to_one(images):
    """Your pixels go from 0 to 1, the range of a sigmoid. The generator ends in tanh: from −1 to
    1."""
    return _rows(images) / 255


def divided_by_128(images):
    """You subtract 128 and divide by it: white becomes 0.992, which a discriminator may notice.
    The middle of 0 and 255 is 127.5."""
    return (_rows(images) - 128) / 128


def bytes_overflow(images):
    """You compute with the bytes themselves, and 2 · 200 is 144 in a byte: bright pixels turn dark.
    Make them floating-point numbers first."""
    rows = images.reshape(len(images), -1)
    return rows * np.uint8(2) / 255 - 1


def black_and_white_exchanged(images):
    """Black becomes 1 in yours and white −1: the generator would learn negatives. Black is −1."""
    return 1 - _rows(images) / 127.5


def scaled_by_the_batch(images):
    """You spread the pixels from the darkest of the batch to the brightest. Then the same image
    looks different in another batch: the scale is 0 to 255, always."""
    rows = _rows(images)
    spread = max(np.ptp(rows), 1)
    return 2 * (rows - rows.min()) / spread - 1


def scaled_by_the_image(images):
    """You spread each image from its own darkest to its own brightest pixel, and a pale one loses
    what made it pale. The scale is 0 to 255, always."""
    rows = _rows(images)
    low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
    return 2 * (rows - low) / np.maximum(high - low, 1) - 1


def standardised(images):
    """You subtract the mean and divide by the standard deviation. What a classifier likes leaves
    the range of a tanh, −1 to 1, which the generator cannot follow."""
    rows = _rows(images)
    return (rows - rows.mean()) / max(rows.std(), 1)


def not_flattened(images):
    """The range is right, the shape is not: a dense layer would treat each line of the image as an
    example. Put the lines of an image one after another."""
    return images / 127.5 - 1


def batch_flattened_too(images):
    """You flatten the whole batch to one long row. Each image is an example: keep the first
    axis."""
    return images.reshape(1, -1) / 127.5 - 1


def column_after_column(images):
    """You put the columns of an image one after another. A generator's output is reshaped line by
    line, and its images would lie on their side: take the lines."""
    return _rows(images.transpose(0, 2, 1)) / 127.5 - 1


def rounded_to_integers(images):
    """You cut the result to whole numbers: only −1, 0 and 1 are left. Keep it in floating
    point."""
    return (_rows(images) / 127.5 - 1).astype(int)


def cases(rng):
    first = np.array([[[0, 255], [51, 102]], [[255, 0], [204, 0]]], np.uint8)
    yield Case("two images of 2 × 2 pixels", (first,))
    yield Case("one image", (rng.integers(0, 256, (1, 3, 5)).astype(np.uint8),))
    yield Case("all black", (np.zeros((2, 2, 3), np.uint8),))
    yield Case("all white", (np.full((2, 3, 2), 255, np.uint8),))
    yield Case("pale images", (rng.integers(100, 151, (3, 2, 4)).astype(np.uint8),))
    for batch, height, width in ((3, 4, 5), (5, 7, 3), (2, 8, 8)):
        images = rng.integers(0, 256, (batch, height, width)).astype(np.uint8)
        yield Case(f"{batch} random images of {height} × {width} pixels", (images,))


DRILL = Drill(
    reference=scale_pixels,
    cases=cases,
    given=as_given,
    alternatives=(pixel_by_pixel, from_a_table),
    mistakes=(
        as_given,
        range_still_that_of_bytes,
        images_still_mixed,
        from_zero_to_one,
        divided_by_128,
        bytes_overflow,
        black_and_white_exchanged,
        scaled_by_the_batch,
        scaled_by_the_image,
        standardised,
        not_flattened,
        batch_flattened_too,
        column_after_column,
        rounded_to_integers,
    ),
    hints=(
        "Give it two images, one all 0 and one all 255. What should the two rows be, and what are "
        "they?",
        "A reshape does not move a number: it reads them in their order. With which axis first do "
        "the pixels of one image stay together? And which two numbers should 0 and 255 become?",
        "rows = images.reshape(len(images), -1), and then rows / 127.5 − 1: dividing makes "
        "floating-point numbers of the bytes.",
    ),
    explanation=(
        "Whatever differs between real and fake apart from the images is what the discriminator "
        "learns: here the range, elsewhere the size, the compression, a border. It wins at once, "
        "its loss is 0, and the generator gets no gradient that says anything about images. The "
        "mixed rows do not even do that: real rows look like noise, and a generator of noise would "
        "pass. Asked next: where else does the range matter? Where fakes are saved: turn −1 to 1 "
        "back into 0 to 255, and clip. And for pretrained features, as the Fréchet distance uses "
        "them: each network wants the range that it was trained with."
    ),
    difficulty=1,
    taught_in="04_generative_adversarial_networks, section 2",
)
