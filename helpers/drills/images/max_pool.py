import numpy as np

from helpers.drills.spec import Case, Drill


def max_pool(
    images: np.ndarray, window: int, stride: int, padding: int, upstream: np.ndarray
) -> tuple:
    """Run maximum pooling forward and backward.

    `images` is float64 of shape (n, height, width, channels). A window of `window` × `window`
    pixels starts at the upper left corner and is moved by `stride` pixels, to the right and down,
    as long as it lies inside whole; windows overlap where `stride` is smaller than `window`. Before
    that, `padding` rows and columns are added on all four sides, at most window / 2 of them. They
    only make room: the maximum is that of the real pixels in the window. The output has the shape
    (n, out height, out width, channels), with out height = ⌊(height + 2 · padding − window) /
    stride⌋ + 1, and the width likewise; each channel is pooled by itself.

    `upstream`, of the output's shape, is dL/d output. The gradient of an output number goes whole
    to the pixel that was the maximum; where several were, to the first of them in reading order,
    row by row and from left to right. Return (output, dL/d images), the second of the shape of
    `images`. Leave the arguments alone.
    """
    height, width = images.shape[1:3]
    border = (padding, padding)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)), constant_values=-np.inf)
    view = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(1, 2))
    view = view[:, ::stride, ::stride]  # (n, out height, out width, channels, window, window)
    flat = view.reshape(*view.shape[:4], window * window)
    winner = flat.argmax(axis=4)  # the first, where several are equal
    image, row, column, channel = np.indices(winner.shape)
    row = row * stride + winner // window
    column = column * stride + winner % window
    d_padded = np.zeros_like(padded)
    np.add.at(d_padded, (image, row, column, channel), upstream)  # counts repeated places
    d_images = d_padded[:, padding : padding + height, padding : padding + width]
    return flat.max(axis=4), d_images


def place_by_place(images, window, stride, padding, upstream):
    output, d_images = np.empty_like(upstream), np.zeros_like(images)
    for n, r, s, c in np.ndindex(upstream.shape):
        top, left = r * stride - padding, s * stride - padding
        first = max(top, 0), max(left, 0)
        pixels = images[n, first[0] : top + window, first[1] : left + window, c]
        place = np.unravel_index(np.argmax(pixels), pixels.shape)
        output[n, r, s, c] = pixels[place]
        d_images[n, first[0] + place[0], first[1] + place[1], c] += upstream[n, r, s, c]
    return output, d_images


def a_race_over_the_window(images, window, stride, padding, upstream):
    """One place of the window after the other challenges the best so far; it has to be larger."""
    n, height, width, channels = images.shape
    down, across = upstream.shape[1:3]
    shape = (n, height + 2 * padding, width + 2 * padding, channels)
    inside = np.s_[:, padding : padding + height, padding : padding + width]
    padded = np.full(shape, -np.inf)
    padded[inside] = images
    best, winner = np.full(upstream.shape, -np.inf), np.zeros(upstream.shape, int)
    places = [
        np.s_[:, i : i + stride * down : stride, j : j + stride * across : stride]
        for i in range(window)
        for j in range(window)
    ]
    for number, place in enumerate(places):
        better = padded[place] > best
        best = np.where(better, padded[place], best)
        winner[better] = number
    d_padded = np.zeros(shape)
    for number, place in enumerate(places):
        d_padded[place] += np.where(winner == number, upstream, 0)
    return best, d_padded[inside]


def _windows(images, window, stride, padding, fill=-np.inf):
    """(n, out height, out width, channels, window²), and the padded images."""
    border = (padding, padding)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(1, 2))
    view = view[:, ::stride, ::stride]
    return view.reshape(*view.shape[:4], window * window), padded


def _spread(shares, images, window, stride, padding):
    """The gradient, where each place of each window gets such a share."""
    n, height, width, channels = images.shape
    d_padded = np.zeros((n, height + 2 * padding, width + 2 * padding, channels))
    down, across = shares.shape[1:3]
    for place in range(window * window):
        i, j = divmod(place, window)
        rows, columns = slice(i, i + stride * down, stride), slice(j, j + stride * across, stride)
        d_padded[:, rows, columns] += shares[..., place]
    return d_padded[:, padding : padding + height, padding : padding + width]


def _at(winner, upstream, window):
    """Shares: all of upstream to the winner's place."""
    return np.where(np.arange(window**2) == winner[..., None], upstream[..., None], 0)


def all_ties_get_it(images, window, stride, padding, upstream):
    """Where several pixels are the maximum, each of them gets the whole gradient, so more comes
    back than came in: `images == maximum` is true for all of them. Take the first."""
    flat, _ = _windows(images, window, stride, padding)
    ties = flat == flat.max(axis=4, keepdims=True)
    shares = np.where(ties, upstream[..., None], 0)
    return flat.max(axis=4), _spread(shares, images, window, stride, padding)


def shared_among_ties(images, window, stride, padding, upstream):
    """Where several pixels are the maximum, you share the gradient among them. That is a possible
    rule too; here the first gets all."""
    flat, _ = _windows(images, window, stride, padding)
    ties = flat == flat.max(axis=4, keepdims=True)
    shares = np.where(ties, upstream[..., None], 0) / ties.sum(axis=4, keepdims=True)
    return flat.max(axis=4), _spread(shares, images, window, stride, padding)


def last_tie_gets_it(images, window, stride, padding, upstream):
    """Where several pixels are the maximum, you give the gradient to the last. Go through the
    window in reading order, and let only a larger pixel take the lead."""
    flat, _ = _windows(images, window, stride, padding)
    winner = window**2 - 1 - flat[..., ::-1].argmax(axis=4)
    shares = _at(winner, upstream, window)
    return flat.max(axis=4), _spread(shares, images, window, stride, padding)


def ties_by_columns(images, window, stride, padding, upstream):
    """Among equal pixels you find the first of the leftmost column. Reading order goes row by
    row."""
    flat, _ = _windows(images, window, stride, padding)
    turned = flat.reshape(*flat.shape[:4], window, window).swapaxes(4, 5).reshape(flat.shape)
    column, row = np.divmod(turned.argmax(axis=4), window)
    shares = _at(row * window + column, upstream, window)
    return flat.max(axis=4), _spread(shares, images, window, stride, padding)


def averaged(images, window, stride, padding, upstream):
    """You take the mean of each window, and spread the gradient evenly. That is average pooling;
    here the largest pixel counts alone."""
    flat, _ = _windows(images, window, stride, padding)
    real = np.isfinite(flat)
    count = real.sum(axis=4, keepdims=True)
    output = np.where(real, flat, 0).sum(axis=4) / count[..., 0]
    shares = np.where(real, upstream[..., None], 0) / count
    return output, _spread(shares, images, window, stride, padding)


def gradient_spread_evenly(images, window, stride, padding, upstream):
    """Your output is right, and every pixel of the window gets a part of the gradient. A pixel that
    was not the maximum had no influence: its part is 0."""
    flat, _ = _windows(images, window, stride, padding)
    shares = np.broadcast_to(upstream[..., None] / window**2, flat.shape)
    return flat.max(axis=4), _spread(shares, images, window, stride, padding)


def winners_overwritten(images, window, stride, padding, upstream):
    """A pixel that is the maximum of several windows gets the gradient of one only: assigning, or
    `+=` at arrays of indices, keeps the last. Add them up; `np.add.at` does."""
    output, d_images = np.empty_like(upstream), np.zeros_like(images)
    for n, r, s, c in np.ndindex(upstream.shape):
        top, left = r * stride - padding, s * stride - padding
        first = max(top, 0), max(left, 0)
        pixels = images[n, first[0] : top + window, first[1] : left + window, c]
        row, column = np.unravel_index(np.argmax(pixels), pixels.shape)
        output[n, r, s, c] = pixels[row, column]
        d_images[n, first[0] + row, first[1] + column, c] = upstream[n, r, s, c]
    return output, d_images


def zeros_join_in(images, window, stride, padding, upstream):
    """You pad with zeros, and at the border they beat negative pixels: the output is 0 where no
    pixel is, and the gradient is lost. The border has to lose against every pixel."""
    flat, _ = _windows(images, window, stride, padding, fill=0.0)
    shares = _at(flat.argmax(axis=4), upstream, window)
    return flat.max(axis=4), _spread(shares, images, window, stride, padding)


def starts_from_zero(images, window, stride, padding, upstream):
    """Your search for the maximum starts from 0, so a window of negative pixels has the maximum 0
    and passes no gradient on. Start from the first pixel, or from minus infinity."""
    flat, _ = _windows(images, window, stride, padding)
    shares = _at(flat.argmax(axis=4), upstream, window) * (flat.max(axis=4) > 0)[..., None]
    return np.maximum(flat.max(axis=4), 0), _spread(shares, images, window, stride, padding)


def padding_left_out(images, window, stride, padding, upstream):
    """You pool without the padding: there are too few windows, and they begin at another place."""
    return _without_upstreams_shape(images, window, stride, 0, upstream)


def _without_upstreams_shape(images, window, stride, padding, upstream):
    """As many windows as fit; where upstream has none, its share is 0."""
    flat, _ = _windows(images, window, stride, padding)
    fitted = np.zeros(flat.shape[:4])
    down, across = (min(pair) for pair in zip(flat.shape[1:3], upstream.shape[1:3], strict=True))
    fitted[:, :down, :across] = upstream[:, :down, :across]
    shares = _at(flat.argmax(axis=4), fitted, window)
    return flat.max(axis=4), _spread(shares, images, window, stride, padding)


def gradient_of_the_padded_images(images, window, stride, padding, upstream):
    """Your gradient still has the rows and columns that were added. They were never pixels: return
    the part that belongs to `images`."""
    flat, padded = _windows(images, window, stride, padding)
    shares = _at(flat.argmax(axis=4), upstream, window)
    return flat.max(axis=4), _spread(shares, padded, window, stride, 0)


def windows_never_overlap(images, window, stride, padding, upstream):
    """You move by the size of the window and ignore `stride`. The two are often equal, and need not
    be."""
    return _without_upstreams_shape(images, window, window, padding, upstream)


def last_window_missing(images, window, stride, padding, upstream):
    """Your output lacks its last row and column: the number of windows is that of the moves, plus
    1."""
    output, _ = max_pool(images, window, stride, padding, upstream)
    cut = np.zeros_like(upstream)
    cut[:, :-1, :-1] = upstream[:, :-1, :-1]
    return output[:, :-1, :-1], max_pool(images, window, stride, padding, cut)[1]


def half_windows_counted(images, window, stride, padding, upstream):
    """Where the stride does not fit you pool what is left at the right and at the bottom, too. A
    window has to lie inside whole."""
    over = [-(size + 2 * padding - window) % stride for size in images.shape[1:3]]
    pads = ((0, 0), (0, over[0]), (0, over[1]), (0, 0))
    wide = np.pad(images, pads, constant_values=-np.inf)
    output, d_wide = _without_upstreams_shape(wide, window, stride, padding, upstream)
    return output, d_wide[:, : images.shape[1], : images.shape[2]]


def channels_compete(images, window, stride, padding, upstream):
    """You take one maximum over the window and all channels. Each channel has its own."""
    flat, _ = _windows(images, window, stride, padding)
    together = np.moveaxis(flat, 3, 4).reshape(*flat.shape[:3], -1)
    winner = np.arange(together.shape[3]) == together.argmax(axis=3)[..., None]
    shares = winner.reshape(*flat.shape[:3], window**2, -1) * upstream[..., None, :]
    output = np.broadcast_to(together.max(axis=3)[..., None], upstream.shape)
    return output, _spread(np.moveaxis(shares, 4, 3), images, window, stride, padding)


def row_and_column_of_the_winner_exchanged(images, window, stride, padding, upstream):
    """In a window of width w, place k lies in row k // w and column k % w. Yours are exchanged, and
    the gradient goes to the mirror image of the maximum."""
    flat, _ = _windows(images, window, stride, padding)
    row, column = np.divmod(flat.argmax(axis=4), window)
    shares = _at(column * window + row, upstream, window)
    return flat.max(axis=4), _spread(shares, images, window, stride, padding)


def gradient_at_the_corner(images, window, stride, padding, upstream):
    """All gradients go to the first pixel of their windows. Remember where each maximum was."""
    flat, _ = _windows(images, window, stride, padding)
    first = np.isfinite(flat).argmax(axis=4)
    shares = _at(first, upstream, window)
    return flat.max(axis=4), _spread(shares, images, window, stride, padding)


def maximum_times_upstream(images, window, stride, padding, upstream):
    """The gradient goes to the right pixel, multiplied by the pixel. The output is that pixel
    itself: its derivative is 1."""
    output, d_images = max_pool(images, window, stride, padding, upstream)
    return output, d_images * images


def cases(rng):
    image = np.array([[1.0, 3.0, 2.0], [0.0, 1.0, 5.0]])[None, :, :, None]
    yield Case("overlapping windows", (image, 2, 1, 0, np.array([[10.0, 20.0]])[None, :, :, None]))
    tied = np.array([[1.0, 7.0, 4.0, 4.0], [7.0, 7.0, 4.0, 4.0]])[None, :, :, None]
    yield Case("ties", (tied, 2, 2, 0, np.array([[10.0, 20.0]])[None, :, :, None]))
    yield Case("windows of one pixel", (image, 1, 2, 0, np.array([[1.0, 2]])[None, :, :, None]))
    for note, shape, window, stride, padding in [
        ("one window", (2, 3, 3, 2), 3, 1, 0),
        ("windows side by side", (2, 4, 6, 3), 2, 2, 0),
        ("a stride that does not fit", (2, 6, 8, 2), 3, 2, 0),
        ("gaps between the windows", (1, 5, 8, 2), 2, 3, 0),
        ("negative pixels, padding 1", (2, 3, 5, 2), 2, 2, 1),
        ("negative pixels, overlap, padding 1", (3, 5, 4, 1), 3, 2, 1),
        ("windows of four pixels, padding 2", (2, 5, 7, 3), 4, 3, 2),
    ]:
        images = rng.normal(-1 if padding else 0, 1, shape)
        if "negative" in note:
            images = -np.abs(images)
        yield _case(note, images, window, stride, padding, rng)
    images = rng.integers(-2, 2, (3, 5, 6, 2)).astype(float)
    yield _case("pixels of four values, many ties", images, 3, 1, 1, rng)


def _case(note, images, window, stride, padding, rng):
    n, height, width, channels = images.shape
    down, across = ((size + 2 * padding - window) // stride + 1 for size in (height, width))
    upstream = rng.normal(size=(n, down, across, channels))
    return Case(note, (images, window, stride, padding, upstream))


DRILL = Drill(
    reference=max_pool,
    cases=cases,
    alternatives=(place_by_place, a_race_over_the_window),
    mistakes=(
        all_ties_get_it,
        shared_among_ties,
        last_tie_gets_it,
        ties_by_columns,
        averaged,
        gradient_spread_evenly,
        winners_overwritten,
        zeros_join_in,
        starts_from_zero,
        padding_left_out,
        gradient_of_the_padded_images,
        windows_never_overlap,
        last_window_missing,
        half_windows_counted,
        channels_compete,
        row_and_column_of_the_winner_exchanged,
        gradient_at_the_corner,
        maximum_times_upstream,
    ),
    hints=(
        "The output is a copy of some pixels. Which numbers besides the maximum does the backward "
        "pass need of each window?",
        "Flatten each window and take `argmax`: it finds the first of equal ones. With padding, "
        "which number never wins?",
        "With k from argmax, the pixel is in row r · stride + k // window and column s · stride + "
        "k % window of the padded images. A pixel may win several windows: `np.add.at` adds all.",
    ),
    explanation=(
        "The maximum of a window has the slope 1 in its largest number and 0 in the others, so "
        "pooling only routes gradients, and remembers the routes: an index for each output, not "
        "the window. At a tie there is no derivative, and any share-out will do: pooling layers "
        "take one pixel, `tf.reduce_max` shares. After ReLU whole windows of zeros are ties, so "
        "two right answers may differ there. Padding by minus infinity is what Keras's "
        '`padding="same"` means. Asked next: max or average? Maxima keep what is sharp and '
        "give a gradient to one pixel of each window, means keep the whole and reach all. And why "
        "do GANs avoid both? A strided convolution learns its own way to shrink, and has a "
        "gradient for every pixel (Radford and others, 2015)."
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 4",
)
