import numpy as np

from helpers.drills.spec import Case, Drill


def convolution_im2col(
    images: np.ndarray, kernel: np.ndarray, stride: int, padding: int
) -> np.ndarray:
    """Run a convolution of deep learning as one matrix product: cut out all patches, write each as
    a row of a matrix, and multiply (im2col).

    `images` is float64 of shape (n, height, width, channels), `kernel` (rows, columns, channels,
    filters). The images get `padding` rows and columns of zeros on all four sides. Then the kernel
    is laid on the upper left corner and moved by `stride` pixels, to the right and down, as long as
    it lies inside whole: what is left over at the right and at the bottom is not used. An output
    number is the sum over the patch of pixel times kernel, over all channels, one for each filter.
    The kernel is *not* flipped. Return (n, out height, out width, filters), where out height =
    ⌊(height + 2 · padding − rows) / stride⌋ + 1, and the width likewise; the kernel fits in at
    least once.

    A loop over the kernel's places is as good as none, and one over all pixels is slower and still
    right. Loops down to single numbers take too long for the last case.
    """
    rows, columns, channels, filters = kernel.shape
    border = (padding, padding)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(1, 2))
    patches = patches[:, ::stride, ::stride]  # (n, out height, out width, channels, rows, columns)
    patches = np.moveaxis(patches, 3, 5)  # the order of the kernel's axes
    matrix = patches.reshape(-1, rows * columns * channels)
    products = matrix @ kernel.reshape(-1, filters)
    return products.reshape(*patches.shape[:3], filters)


def a_sum_over_the_kernel(images, kernel, stride, padding):
    """No patches: each place of the kernel meets a thinned-out, shifted copy of the images."""
    n, height, width, _ = images.shape
    rows, columns, _, filters = kernel.shape
    padded = np.zeros((n, height + 2 * padding, width + 2 * padding, images.shape[3]))
    padded[:, padding : padding + height, padding : padding + width] = images
    down = (padded.shape[1] - rows) // stride + 1
    across = (padded.shape[2] - columns) // stride + 1
    result = np.zeros((n, down, across, filters))
    for i in range(rows):
        for j in range(columns):
            met = padded[:, i::stride, j::stride][:, :down, :across]
            result += met @ kernel[i, j]
    return result


def pixel_by_pixel(images, kernel, stride, padding):
    border = (padding, padding)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    rows, columns = kernel.shape[:2]
    result = []
    for top in range(0, padded.shape[1] - rows + 1, stride):
        for left in range(0, padded.shape[2] - columns + 1, stride):
            patches = padded[:, top : top + rows, left : left + columns]
            result.append(np.tensordot(patches, kernel, 3))
    across = (padded.shape[2] - columns) // stride + 1
    return np.stack(result, axis=1).reshape(len(images), -1, across, kernel.shape[3])


def by_index_arrays(images, kernel, stride, padding):
    """im2col as in Stanford's CS231n: arrays of the row and column of every number of a patch."""
    rows, columns, channels, filters = kernel.shape
    padded = np.pad(images, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    down = 1 + (images.shape[1] - rows + 2 * padding) // stride
    across = 1 + (images.shape[2] - columns + 2 * padding) // stride
    row = np.repeat(np.arange(rows), columns)
    column = np.tile(np.arange(columns), rows)
    top = stride * np.repeat(np.arange(down), across)
    left = stride * np.tile(np.arange(across), down)
    matrix = padded[:, top[:, None] + row, left[:, None] + column]  # (n, patches, places, channels)
    products = np.einsum("npkc,kcf->npf", matrix, kernel.reshape(-1, channels, filters))
    return products.reshape(-1, down, across, filters)


def _patches(images, shape, stride, padding):
    """(n, out height, out width, rows, columns, channels)"""
    rows, columns = shape[:2]
    border = (padding, padding) if isinstance(padding, int) else padding
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(1, 2))
    return np.moveaxis(windows[:, ::stride, ::stride], 3, 5)


def _product(patches, kernel):
    n, down, across = patches.shape[:3]
    matrix = patches.reshape(n * down * across, -1)
    products = matrix @ kernel.reshape(-1, kernel.shape[3])
    return products.reshape(n, down, across, kernel.shape[3])


def kernel_flipped(images, kernel, stride, padding):
    """You turn the kernel round, up with down and left with right. Mathematicians do; the layer
    called convolution lays the kernel on as it is (a cross-correlation)."""
    return convolution_im2col(images, kernel[::-1, ::-1], stride, padding)


def channels_first_in_the_patches(images, kernel, stride, padding):
    """Your patches and your kernel are flattened in different orders: `sliding_window_view` puts
    the window's axes last, behind the channels, and the kernel has them first. Bring the axes into
    one order before you reshape."""
    patches = np.moveaxis(_patches(images, kernel.shape, stride, padding), 5, 3)
    return _product(patches, kernel)


def rows_and_columns_exchanged(images, kernel, stride, padding):
    """Your patches lie on their side: their rows meet the columns of the kernel. With a symmetric
    kernel nobody would see it."""
    patches = _patches(images, kernel.shape, stride, padding)
    return _product(np.swapaxes(patches, 3, 4), kernel)


def kernel_reshaped_from_the_back(images, kernel, stride, padding):
    """You reshape the kernel to (filters, …) where you need its transpose: reshaping moves no axis,
    and each filter gets numbers of others. The filters are the last axis already."""
    patches = _patches(images, kernel.shape, stride, padding)
    n, down, across = patches.shape[:3]
    products = patches.reshape(n * down * across, -1) @ kernel.reshape(kernel.shape[3], -1).T
    return products.reshape(n, down, across, -1)


def results_in_the_order_of_the_patches(images, kernel, stride, padding):
    """Your matrix has the same place of all images in neighbouring rows, and you reshape as if each
    image's rows came together. With one image nobody would see it."""
    patches = _patches(images, kernel.shape, stride, padding)
    shape = (*patches.shape[:3], kernel.shape[3])
    return _product(np.moveaxis(patches, 0, 2), kernel).reshape(shape)


def stride_forgotten(images, kernel, stride, padding):
    """You move the kernel by one pixel, whatever the stride."""
    return convolution_im2col(images, kernel, 1, padding)


def stride_for_rows_only(images, kernel, stride, padding):
    """You move by the stride downwards and by one pixel to the right. It holds for both."""
    return convolution_im2col(images, kernel, 1, padding)[:, ::stride]


def patches_side_by_side(images, kernel, stride, padding):
    """You cut the images into tiles that do not overlap: your step is the size of the kernel, and
    not the stride."""
    rows, columns = kernel.shape[:2]
    return convolution_im2col(images, kernel, 1, padding)[:, ::rows, ::columns]


def padding_forgotten(images, kernel, stride, padding):
    """You leave the padding out, and the output is too small: the border of zeros goes round the
    images before any patch is cut."""
    return convolution_im2col(images, kernel, stride, 0)


def padded_at_the_end_only(images, kernel, stride, padding):
    """You add all zeros at the bottom and at the right. The size of the output comes out right, and
    its content is shifted: half of the zeros belong at the top and at the left."""
    return _product(_patches(images, kernel.shape, stride, (0, 2 * padding)), kernel)


def padding_counted_once(images, kernel, stride, padding):
    """Your padded images, or the size of your output, have `padding` rows more and not twice as
    many. There are zeros on both sides."""
    return _product(_patches(images, kernel.shape, stride, (padding, 0)), kernel)


def edges_repeated(images, kernel, stride, padding):
    """You pad with the pixels at the edge. Padding with zeros is asked for."""
    border = (padding, padding)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)), mode="edge")
    return convolution_im2col(padded, kernel, stride, 0)


def last_place_lost(images, kernel, stride, padding):
    """You forget the + 1 in the size of the output: as a fence has one post more than it has gaps,
    there is one place more than there are moves."""
    return convolution_im2col(images, kernel, stride, padding)[:, :-1, :-1]


def size_of_stride_one(images, kernel, stride, padding):
    """You divide height + 2 · padding − rows + 1 by the stride. Where the stride is larger than 1
    this loses a place: divide first, and add 1 then."""
    full = convolution_im2col(images, kernel, 1, padding)
    down, across = full.shape[1] // stride, full.shape[2] // stride
    return full[:, ::stride, ::stride][:, :down, :across]


def size_rounded_up(images, kernel, stride, padding):
    """Where the stride does not fit you make one move more, and the kernel hangs over the edge.
    Round the size of the output down."""
    over = [-(images.shape[i] + 2 * padding - kernel.shape[i - 1]) % stride for i in (1, 2)]
    pads = [(0, 0), (padding, padding + over[0]), (padding, padding + over[1]), (0, 0)]
    return convolution_im2col(np.pad(images, pads), kernel, stride, 0)


def filters_before_places(images, kernel, stride, padding):
    """You return (n, filters, out height, out width), the order of PyTorch. Here, as in Keras, the
    filters come last."""
    return np.moveaxis(convolution_im2col(images, kernel, stride, padding), 3, 1)


def number_by_number(images, kernel, stride, padding):
    """You go through channels and filters in Python too, and what you compute is right. It takes
    hundreds of times as long as a product of matrices: let NumPy sum over a patch."""
    patches = _patches(images, kernel.shape, stride, padding)
    result = np.zeros((*patches.shape[:3], kernel.shape[3]))
    for *place, f in np.ndindex(result.shape):
        patch = patches[tuple(place)]
        for spot in np.ndindex(patch.shape):
            result[(*place, f)] += patch[spot] * kernel[(*spot, f)]
    return result


def cases(rng):
    image = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])[None, :, :, None]
    kernel = np.array([[1.0, 10.0], [0.0, 100.0]])[:, :, None, None]
    yield Case("2 × 3 pixels, a kernel of 2 × 2", (image, kernel, 1, 0))
    yield Case("one row and column of zeros around", (image, kernel, 1, 1))
    yield Case("a stride of 2 that fits", (image, kernel[:1], 2, 0))
    yield Case("a kernel of one pixel", (*_random(rng, (2, 3, 2, 3), (1, 1, 4)), 1, 0))
    yield Case("a kernel as large as the image", (*_random(rng, (2, 3, 4, 2), (3, 4, 3)), 1, 0))
    yield Case("a stride that does not fit", (*_random(rng, (1, 6, 7, 1), (3, 2, 1)), 2, 0))
    yield Case("a stride larger than the kernel", (*_random(rng, (2, 7, 9, 2), (2, 2, 3)), 3, 0))
    for images, size, stride, padding in [
        ((3, 5, 7, 2), (3, 2, 5), 1, 2),
        ((2, 8, 5, 3), (3, 3, 3), 2, 1),
        ((2, 9, 6, 4), (2, 4, 3), 3, 2),
    ]:
        shape = " × ".join(map(str, images))
        note = f"random images, {shape}, stride {stride}, padding {padding}"
        yield Case(note, (*_random(rng, images, size), stride, padding))
    note = "72 × 72 pixels of 32 channels"
    yield Case(note, (*_random(rng, (1, 72, 72, 32), (7, 7, 16)), 2, 0), seconds=1)


def _random(rng, images, kernel):
    rows, columns, filters = kernel
    return rng.normal(size=images), rng.normal(size=(rows, columns, images[3], filters))


DRILL = Drill(
    reference=convolution_im2col,
    cases=cases,
    alternatives=(a_sum_over_the_kernel, pixel_by_pixel, by_index_arrays),
    mistakes=(
        kernel_flipped,
        channels_first_in_the_patches,
        rows_and_columns_exchanged,
        kernel_reshaped_from_the_back,
        results_in_the_order_of_the_patches,
        stride_forgotten,
        stride_for_rows_only,
        patches_side_by_side,
        padding_forgotten,
        padded_at_the_end_only,
        padding_counted_once,
        edges_repeated,
        last_place_lost,
        size_of_stride_one,
        size_rounded_up,
        filters_before_places,
        number_by_number,
    ),
    hints=(
        "One patch and one filter first: two blocks of rows · columns · channels numbers, "
        "multiplied and summed, a scalar product of two long vectors. What are then all patches "
        "and all filters?",
        "np.pad takes one pair for each axis. `np.lib.stride_tricks.sliding_window_view(padded, "
        "(rows, columns), axis=(1, 2))` gives all patches at stride 1 without a copy; thin them "
        "out. It puts the window's axes at the end.",
        "Move axis 3 of the patches to the end, reshape to (patches, rows · columns · channels), "
        "multiply by kernel.reshape(−1, filters), and reshape to (n, out height, out width, "
        "filters).",
    ),
    explanation=(
        "A product of matrices runs near the machine's full speed, which is why the first fast "
        "libraries turned convolutions into one (Chellapilla and others, 2006). The price is "
        "memory: at stride 1 each pixel is copied rows · columns times, nine times for a kernel of "
        "3 × 3. cuDNN forms the patches inside the product, piece by piece (Chetlur and others, "
        "2014). Asked next: how many multiplications? n · out height · out width · filters · rows "
        "· columns · channels. And a kernel of 1 × 1? It is a dense layer on every pixel, and "
        "im2col is a reshape. Why is it called a convolution, if nothing is flipped? A kernel that "
        "is learned can be learned flipped."
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 4",
)
