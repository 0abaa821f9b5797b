import numpy as np

from helpers.drills.spec import Case, Drill


def convolution_backward(
    images: np.ndarray, kernel: np.ndarray, stride: int, padding: int, upstream: np.ndarray
) -> tuple:
    """Compute the gradients of a convolution with a bias by hand.

    Forward: `images`, of shape (n, height, width, channels), get `padding` rows and columns of
    zeros on all four sides. For every output place (r, s) the patch whose upper left corner is
    (r · stride, s · stride) of the padded images is multiplied by `kernel`, of shape (rows,
    columns, channels, filters), not flipped, and summed over rows, columns and channels, one sum
    for each filter; then a bias of shape (filters,) is added. There are out height = ⌊(height + 2 ·
    padding − rows) / stride⌋ + 1 places downwards, and across likewise: pixels at the right or at
    the bottom that no patch reaches have no influence. All arrays are float64.

    Some loss L, a single number, depends on the output. `upstream`, shape (n, out height, out
    width, filters), is dL/d output; whatever the loss averages over is in it already: add no factor
    of your own. Return the tuple (dL/d images, dL/d kernel, dL/d bias), of the shapes of `images`,
    `kernel` and the bias. Leave the arguments alone.
    """
    height, width = images.shape[1:3]
    rows, columns = kernel.shape[:2]
    down, across = upstream.shape[1:3]
    border = (padding, padding)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    d_padded, d_kernel = np.zeros_like(padded), np.empty_like(kernel)
    for i in range(rows):
        for j in range(columns):
            # Where kernel[i, j] lies in each of the patches.
            down_from_i = slice(i, i + stride * down, stride)
            across_from_j = slice(j, j + stride * across, stride)
            met = padded[:, down_from_i, across_from_j]  # (n, down, across, channels)
            d_kernel[i, j] = np.einsum("nrsc,nrsf->cf", met, upstream)
            d_padded[:, down_from_i, across_from_j] += upstream @ kernel[i, j].T
    d_images = d_padded[:, padding : padding + height, padding : padding + width]
    return d_images, d_kernel, upstream.sum(axis=(0, 1, 2))


def place_by_place(images, kernel, stride, padding, upstream):
    """The forward pass patch by patch, and each patch backwards."""
    height, width = images.shape[1:3]
    rows, columns = kernel.shape[:2]
    border = (padding, padding)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    d_padded, d_kernel = np.zeros_like(padded), np.zeros_like(kernel)
    d_bias = np.zeros(kernel.shape[3])
    for image, r, s in np.ndindex(upstream.shape[:3]):
        top, left = r * stride, s * stride
        patch = np.s_[image, top : top + rows, left : left + columns]
        given = upstream[image, r, s]
        d_padded[patch] += kernel @ given
        d_kernel += padded[patch][..., None] * given
        d_bias += given
    return d_padded[:, padding:, padding:][:, :height, :width], d_kernel, d_bias


def by_im2col(images, kernel, stride, padding, upstream):
    """As a dense layer on the patches; what belongs to the same pixel is added up at the end."""
    border = (padding, padding)
    number = np.arange(images.size).reshape(images.shape) + 1  # 0 is the padding
    number = np.pad(number, ((0, 0), border, border, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(number, kernel.shape[:2], axis=(1, 2))
    windows = windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)
    pixels = windows.reshape(len(upstream.reshape(-1, kernel.shape[3])), -1)
    patches = np.append(0.0, images)[pixels]
    given = upstream.reshape(len(pixels), -1)
    d_patches = given @ kernel.reshape(-1, given.shape[1]).T
    summed = np.bincount(pixels.ravel(), d_patches.ravel(), minlength=images.size + 1)
    d_kernel = (patches.T @ given).reshape(kernel.shape)
    return summed[1:].reshape(images.shape), d_kernel, np.ones(len(given)) @ given


def as_convolutions(images, kernel, stride, padding, upstream):
    """Both gradients are convolutions: that of the images one of the spread-out upstream with the
    kernel turned round, that of the kernel one of the images with the spread-out upstream."""
    n, height, width, channels = images.shape
    rows, columns, _, filters = kernel.shape
    high, wide = height + 2 * padding, width + 2 * padding
    # Zeros between the numbers of upstream, and behind them to the size at stride 1.
    spread = np.zeros((n, high - rows + 1, wide - columns + 1, filters))
    spread[:, ::stride, ::stride] = upstream
    around = np.pad(spread, [(0, 0), (rows - 1, rows - 1), (columns - 1, columns - 1), (0, 0)])
    view = np.lib.stride_tricks.sliding_window_view
    turned = kernel[::-1, ::-1]
    d_padded = np.einsum("nyxfij,ijcf->nyxc", view(around, (rows, columns), axis=(1, 2)), turned)
    padded = np.zeros((n, high, wide, channels))
    padded[:, padding : padding + height, padding : padding + width] = images
    places = view(padded, spread.shape[1:3], axis=(1, 2))  # (n, rows, columns, channels, …)
    d_kernel = np.einsum("nijcyx,nyxf->ijcf", places, spread)
    inside = [slice(padding, d_padded.shape[axis] - padding) for axis in (1, 2)]
    return d_padded[:, *inside], d_kernel, np.einsum("nyxf->f", upstream)


def _padded(images, padding):
    return np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def _slices(kernel, stride, upstream):
    """(i, j) and where kernel[i, j] lies in each patch."""
    down, across = (stride * size for size in upstream.shape[1:3])
    for i, j in np.ndindex(kernel.shape[:2]):
        yield i, j, np.s_[:, i : i + down : stride, j : j + across : stride]


def _cut(d_padded, images, padding):
    height, width = images.shape[1:3]
    return d_padded[:, padding : padding + height, padding : padding + width]


def overlaps_overwritten(images, kernel, stride, padding, upstream):
    """Where patches overlap, a pixel gets the gradient of only one of them, by `=`, or by `+=` at
    arrays of indices that name it several times (NumPy then adds once). All patches that cover a
    pixel give it their share: add in a loop, or with `np.add.at`."""
    d_padded = np.zeros_like(_padded(images, padding))
    for n, r, s in np.ndindex(upstream.shape[:3]):
        top, left = r * stride, s * stride
        rows, columns = kernel.shape[:2]
        d_padded[n, top : top + rows, left : left + columns] = kernel @ upstream[n, r, s]
    others = convolution_backward(images, kernel, stride, padding, upstream)[1:]
    return _cut(d_padded, images, padding), *others


def one_place_of_the_kernel_kept(images, kernel, stride, padding, upstream):
    """You go through the kernel's places, and each overwrites what the ones before have given to
    the pixels. Start from zeros, and add."""
    d_padded = np.zeros_like(_padded(images, padding))
    for i, j, place in _slices(kernel, stride, upstream):
        d_padded[place] = upstream @ kernel[i, j].T
    others = convolution_backward(images, kernel, stride, padding, upstream)[1:]
    return _cut(d_padded, images, padding), *others


def kernel_not_transposed(images, kernel, stride, padding, upstream):
    """You multiply `upstream` by the kernel as it is. Forward it leads from channels to filters;
    backward you need its transpose, from filters to channels."""
    d_padded = np.zeros_like(_padded(images, padding))
    for i, j, place in _slices(kernel, stride, upstream):
        d_padded[place] += upstream @ kernel[i, j]
    others = convolution_backward(images, kernel, stride, padding, upstream)[1:]
    return _cut(d_padded, images, padding), *others


def kernel_turned_once_too_often(images, kernel, stride, padding, upstream):
    """Your pixels get the kernel's numbers from the opposite side. If you scatter `upstream`, the
    kernel stays as it is; if you slide it over `upstream` padded with zeros, it has to be turned
    round, up with down and left with right."""
    turned = kernel[::-1, ::-1]
    d_images = convolution_backward(images, turned, stride, padding, upstream)[0]
    return d_images, *convolution_backward(images, kernel, stride, padding, upstream)[1:]


def kernel_gradient_turned(images, kernel, stride, padding, upstream):
    """The gradient of the kernel comes out turned round. The forward pass does not flip it, so
    neither does the backward pass."""
    d_images, d_kernel, d_bias = convolution_backward(images, kernel, stride, padding, upstream)
    return d_images, d_kernel[::-1, ::-1], d_bias


def padding_left_on(images, kernel, stride, padding, upstream):
    """You return the gradient of the padded images. The border is made of constants: cut it off on
    all four sides."""
    wide = _padded(images, padding)
    return convolution_backward(wide, kernel, stride, 0, upstream)


def padding_cut_at_the_end(images, kernel, stride, padding, upstream):
    """You cut the padding off at the bottom and at the right only, so the gradient is shifted
    against the images."""
    d_padded = padding_left_on(images, kernel, stride, padding, upstream)[0]
    d_images = d_padded[:, : images.shape[1], : images.shape[2]]
    return d_images, *convolution_backward(images, kernel, stride, padding, upstream)[1:]


def cut_with_minus_padding(images, kernel, stride, padding, upstream):
    """You cut with `[padding:-padding]`. For a padding of 0 that is `[0:-0]`, which is empty: say
    where the images end."""
    d_padded = padding_left_on(images, kernel, stride, padding, upstream)[0]
    d_images = d_padded[:, padding:-padding, padding:-padding]
    return d_images, *convolution_backward(images, kernel, stride, padding, upstream)[1:]


def images_not_padded_for_the_kernel(images, kernel, stride, padding, upstream):
    """For the gradient of the kernel you use the images without their padding, so each patch is
    taken too far down and to the right. Pad them as the forward pass does."""
    end = ((0, 0), (0, 2 * padding), (0, 2 * padding), (0, 0))
    d_kernel = convolution_backward(np.pad(images, end), kernel, stride, 0, upstream)[1]
    d_images, _, d_bias = convolution_backward(images, kernel, stride, padding, upstream)
    return d_images, d_kernel, d_bias


def rest_lost(images, kernel, stride, padding, upstream):
    """Where the stride does not fit, your gradient is smaller than the images: you work out their
    size from that of `upstream`. Pixels that no patch reaches have the gradient 0; they are
    there all the same."""
    d_padded = padding_left_on(images, kernel, stride, padding, upstream)[0]
    down, across = ((size - 1) * stride for size in upstream.shape[1:3])
    high, wide = down + kernel.shape[0] - padding, across + kernel.shape[1] - padding
    d_images = d_padded[:, padding:high, padding:wide]
    return d_images, *convolution_backward(images, kernel, stride, padding, upstream)[1:]


def stride_ignored(images, kernel, stride, padding, upstream):
    """Your patches lie one pixel apart, whatever the stride. Output place (r, s) belongs to the
    patch at (r · stride, s · stride)."""
    d_padded, d_kernel = np.zeros_like(_padded(images, padding)), np.zeros_like(kernel)
    for i, j, place in _slices(kernel, 1, upstream):
        d_padded[place] += upstream @ kernel[i, j].T
        met = _padded(images, padding)[place]
        d_kernel[i, j] = np.einsum("nrsc,nrsf->cf", met, upstream)
    return _cut(d_padded, images, padding), d_kernel, upstream.sum(axis=(0, 1, 2))


def batch_averaged(images, kernel, stride, padding, upstream):
    """You average the gradients of kernel and bias over the images. If the loss is a mean, the
    factor is in `upstream`: add them up."""
    d_images, *others = convolution_backward(images, kernel, stride, padding, upstream)
    return d_images, *(gradient / len(images) for gradient in others)


def last_image_only(images, kernel, stride, padding, upstream):
    """The gradients of kernel and bias are those of the last image: each image overwrites them. All
    images use one kernel; sum over the batch."""
    d_images = convolution_backward(images, kernel, stride, padding, upstream)[0]
    last = convolution_backward(images[-1:], kernel, stride, padding, upstream[-1:])
    return d_images, *last[1:]


def batch_kept_in_the_kernel(images, kernel, stride, padding, upstream):
    """You return a gradient of the kernel for each image. There is one kernel: sum them."""
    d_images, _, d_bias = convolution_backward(images, kernel, stride, padding, upstream)
    each = [
        convolution_backward(x[None], kernel, stride, padding, d[None])[1]
        for x, d in zip(images, upstream, strict=True)
    ]
    return d_images, np.array(each), d_bias


def bias_for_each_place(images, kernel, stride, padding, upstream):
    """You sum the bias's gradient over the batch and leave the places. One bias is added
    everywhere: sum over height and width too."""
    d_images, d_kernel, _ = convolution_backward(images, kernel, stride, padding, upstream)
    return d_images, d_kernel, upstream.sum(axis=0)


def bias_averaged_over_places(images, kernel, stride, padding, upstream):
    """The gradient of your bias is a mean over height and width. Each place adds its share: sum."""
    d_images, d_kernel, _ = convolution_backward(images, kernel, stride, padding, upstream)
    return d_images, d_kernel, upstream.mean(axis=(1, 2)).sum(axis=0)


def cases(rng):
    image = np.array([[1.0, 2.0, 3.0]])[None, :, :, None]
    kernel = np.array([[10.0, 1.0]])[:, :, None, None]
    given = np.array([[1.0, 2.0]])[None, :, :, None]
    yield Case("1 × 3 pixels, a kernel of 1 × 2", (image, kernel, 1, 0, given))
    given = np.arange(1.0, 13).reshape(1, 3, 4, 1)
    yield Case("1 × 3 pixels, padding 1", (image, kernel, 1, 1, given))
    for note, images, size, stride, padding in [
        ("a kernel of one pixel", (2, 3, 2, 3), (1, 1, 4), 1, 0),
        ("a kernel as large as the images", (3, 3, 4, 2), (3, 4, 3), 1, 0),
        ("a stride that fits, as many filters as channels", (2, 5, 7, 3), (3, 1, 3), 2, 0),
        ("a stride that does not fit", (2, 6, 8, 2), (3, 3, 1), 2, 0),
        ("a stride larger than the kernel", (2, 7, 9, 1), (2, 2, 2), 3, 0),
        ("five images, stride 1, padding 1", (5, 4, 3, 2), (3, 3, 3), 1, 1),
        ("three images, stride 2, padding 2", (3, 6, 5, 2), (4, 3, 3), 2, 2),
        ("two images, stride 3, padding 1", (2, 8, 6, 3), (3, 4, 2), 3, 1),
    ]:
        rows, columns, filters = size
        down, across = (
            (length + 2 * padding - place) // stride + 1
            for length, place in zip(images[1:3], size[:2], strict=True)
        )
        upstream = rng.normal(size=(images[0], down, across, filters))
        kernel = rng.normal(size=(rows, columns, images[3], filters))
        yield Case(note, (rng.normal(size=images), kernel, stride, padding, upstream))


DRILL = Drill(
    reference=convolution_backward,
    cases=cases,
    alternatives=(place_by_place, by_im2col, as_convolutions),
    mistakes=(
        overlaps_overwritten,
        one_place_of_the_kernel_kept,
        kernel_not_transposed,
        kernel_turned_once_too_often,
        kernel_gradient_turned,
        padding_left_on,
        padding_cut_at_the_end,
        cut_with_minus_padding,
        images_not_padded_for_the_kernel,
        rest_lost,
        stride_ignored,
        batch_averaged,
        last_image_only,
        batch_kept_in_the_kernel,
        bias_for_each_place,
        bias_averaged_over_places,
    ),
    hints=(
        "Think of one output place as a dense layer on its patch. What are the gradients of that "
        "patch, of the weights and of the bias? Which of them meet those of other places?",
        "Everything that is shared adds up: the kernel over images and places, a pixel over the "
        "patches that cover it. Loop over the kernel's places (i, j): at stride s they meet the "
        "rows i, i + s, i + 2 · s, … of the padded images.",
        "At (i, j): d_kernel[i, j] is the sum over images and places of pixel times upstream, and "
        "upstream @ kernel[i, j].T is added to those same pixels. At the end cut the padding off, "
        "from `padding` to `padding + height`.",
    ),
    explanation=(
        "A convolution is a dense layer whose weights are shared by all places, and whose inputs "
        "overlap; both kinds of sharing become sums on the way back (LeCun and others, 1989). The "
        "gradient of the images is itself a convolution, with the kernel turned round, channels "
        "and filters exchanged, and stride − 1 zeros between the numbers of `upstream`. Used "
        "forward, this is the transposed convolution that generators enlarge with, checkerboards "
        "included. Asked next: what does the backward pass cost? Two products, each as large as "
        "the forward one, so twice as much. And what must be kept in memory? The images, for the "
        "kernel's gradient; the output is not needed."
    ),
    difficulty=3,
    taught_in="04_generative_adversarial_networks, section 4",
)
