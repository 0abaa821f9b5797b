import numpy as np

from helpers.drills.spec import Case, Drill


def transposed_convolution_size(size: int, kernel: int, stride: int, padding: str) -> int:
    """Predict how long the output of a transposed convolution is along one axis: a generator has to
    arrive at 28 pixels exactly.

    `size`, `kernel` and `stride` are ints, at least 1; the kernel may be smaller than the stride.
    Each input number writes one copy of the kernel, times itself, into the output, and each copy
    begins `stride` places after the one before. With `padding` "valid" the output has room for all
    copies in full. Where a kernel is smaller than the stride, gaps remain between the copies, and
    the last copy is followed by its gap as well: every input number has at least `stride` places.
    With "same" the output is cut so that every input number has `stride` places, whatever the
    kernel. These are the rules of Keras's `Conv1DTranspose` and `Conv2DTranspose` without
    `output_padding`. Return the length, an int. Raise ValueError for every other padding.
    """
    if padding == "same":
        return size * stride
    if padding == "valid":
        return (size - 1) * stride + max(kernel, stride)
    raise ValueError(f'padding is {padding!r}: it should be "same" or "valid"')


def what_sticks_out(size, kernel, stride, padding):
    sticks_out = {"same": 0, "valid": max(kernel - stride, 0)}
    if padding not in sticks_out:
        raise ValueError(padding)
    return size * stride + sticks_out[padding]


def from_the_last_copy(size, kernel, stride, padding):
    starts = stride * np.arange(size)
    needed = {"same": [stride], "valid": [stride, kernel]}
    if padding not in needed:
        raise ValueError(padding)
    return np.max(starts[-1] + needed[padding])


def _for_valid(formula, size, kernel, stride, padding):
    """Right, but for the length that `formula` gives for "valid"."""
    if padding == "valid":
        return formula
    return transposed_convolution_size(size, kernel, stride, padding)


def ordinary_convolution(size, kernel, stride, padding):
    """You give the length after an ordinary convolution, which makes the input shorter. The
    transposed one goes the other way: from its output's length back to its input's."""
    if padding == "same":
        return -(-size // stride)
    return _for_valid((size - kernel) // stride + 1, size, kernel, stride, padding)


def size_times_stride_for_both(size, kernel, stride, padding):
    """You give size · stride for "valid" too. A kernel larger than the stride sticks out at the
    end, and "valid" cuts nothing off."""
    return _for_valid(size * stride, size, kernel, stride, padding)


def small_kernel_without_its_gap(size, kernel, stride, padding):
    """Your formula ends with the last copy. That is PyTorch's without padding; in Keras a kernel
    smaller than the stride is followed by its gap, so that every input number has `stride`
    places."""
    return _for_valid((size - 1) * stride + kernel, size, kernel, stride, padding)


def smaller_of_kernel_and_stride(size, kernel, stride, padding):
    """You add the smaller of kernel and stride at the end. The last copy needs the larger one."""
    return _for_valid((size - 1) * stride + min(kernel, stride), size, kernel, stride, padding)


def one_stride_too_many(size, kernel, stride, padding):
    """You add the kernel to size · stride. Between `size` copies there are size − 1 strides: try a
    single input number."""
    return _for_valid(size * stride + kernel, size, kernel, stride, padding)


def one_place_too_few(size, kernel, stride, padding):
    """Your length is one too small: it is the index of the last place. Try one input number and a
    kernel of one."""
    right = (size - 1) * stride + max(kernel, stride) - 1
    return _for_valid(right, size, kernel, stride, padding)


def zeros_after_every_number(size, kernel, stride, padding):
    """You spread the input to size · stride places and let the kernel reach over both ends. The
    last number is followed by no zeros before the kernel reaches over: copies begin at 0, stride,
    …, (size − 1) · stride."""
    return _for_valid(size * stride + kernel - 1, size, kernel, stride, padding)


def kernel_kept_inside(size, kernel, stride, padding):
    """You spread the input and then convolve without padding, which takes kernel − 1 places away.
    In a transposed convolution the kernel reaches over both ends, and adds them."""
    return _for_valid((size - 1) * stride + 1 - kernel + 1, size, kernel, stride, padding)


def kernel_stretched_too(size, kernel, stride, padding):
    """You multiply the kernel's share by the stride as well. The stride moves the copies apart, not
    the numbers within one: that would be dilation."""
    return _for_valid((size + kernel - 1) * stride, size, kernel, stride, padding)


def kernel_counts_for_same(size, kernel, stride, padding):
    """For "same" you take PyTorch's formula with padding = kernel // 2, whose result depends on
    whether the kernel is odd. Keras cuts to size · stride, whatever the kernel."""
    if padding == "same":
        return (size - 1) * stride - 2 * (kernel // 2) + kernel
    return transposed_convolution_size(size, kernel, stride, padding)


def paddings_exchanged(size, kernel, stride, padding):
    """You have "same" and "valid" the wrong way round. "valid" keeps all, "same" cuts."""
    other = {"same": "valid", "valid": "same"}.get(padding, padding)
    return transposed_convolution_size(size, kernel, stride, other)


def unknown_padding_taken_for_valid(size, kernel, stride, padding):
    """You take every padding that is not "same" for "valid". A misspelt word then goes unnoticed:
    raise ValueError."""
    known = "same" if padding == "same" else "valid"
    return transposed_convolution_size(size, kernel, stride, known)


def unknown_padding_taken_for_same(size, kernel, stride, padding):
    """You take every padding that is not "valid" for "same". A misspelt word then goes unnoticed:
    raise ValueError."""
    known = "valid" if padding == "valid" else "same"
    return transposed_convolution_size(size, kernel, stride, known)


def none_for_an_unknown_padding(size, kernel, stride, padding):
    """For an unknown padding you return None, and the error comes later, elsewhere. Raise
    ValueError."""
    if padding in ("same", "valid"):
        return transposed_convolution_size(size, kernel, stride, padding)


def cases(rng):
    yield Case("seven places to more, kernel 5, stride 2, valid", (7, 5, 2, "valid"))
    yield Case("the same with padding same", (7, 5, 2, "same"))
    for kernel, stride in [(3, 3), (2, 5), (1, 4), (4, 1), (1, 1)]:
        yield Case(f"kernel {kernel}, stride {stride}, valid", (6, kernel, stride, "valid"))
    yield Case("one place, kernel 4, stride 3, valid", (1, 4, 3, "valid"))
    yield Case("one place, kernel 2, stride 3, same", (1, 2, 3, "same"))
    for padding in ("full", "causal", 1):
        yield Case(f"padding {padding!r}", (5, 3, 2, padding))
    for padding in ("valid", "same"):
        for size, kernel, stride in rng.integers(2, 14, (3, 3)).tolist():
            note = f"{size} places, kernel {kernel}, stride {stride}, padding {padding}"
            yield Case(note, (size, kernel, stride, padding))


DRILL = Drill(
    reference=transposed_convolution_size,
    cases=cases,
    alternatives=(what_sticks_out, from_the_last_copy),
    mistakes=(
        ordinary_convolution,
        size_times_stride_for_both,
        small_kernel_without_its_gap,
        smaller_of_kernel_and_stride,
        one_stride_too_many,
        one_place_too_few,
        zeros_after_every_number,
        kernel_kept_inside,
        kernel_stretched_too,
        kernel_counts_for_same,
        paddings_exchanged,
        unknown_padding_taken_for_valid,
        unknown_padding_taken_for_same,
        none_for_an_unknown_padding,
    ),
    hints=(
        "Draw three input numbers, a stride of 2 and a kernel of 3: where does each copy of the "
        "kernel begin, and where does the last one end?",
        "The last copy begins at (size − 1) · stride. How many places follow, if the kernel is "
        "larger than the stride, and if it is smaller?",
        '"same": size · stride. "valid": (size − 1) · stride + max(kernel, stride). Else raise '
        "ValueError.",
    ),
    explanation=(
        "A transposed convolution is the gradient of a convolution with respect to its input, so "
        "it undoes the length: a convolution of the output has `size` places again. With a stride "
        "several lengths would do, since the division by it loses a remainder, and each library "
        "has its rule. Asked next: what is PyTorch's? (size − 1) · stride − 2 · padding + kernel + "
        "output_padding, without dilation. And why do checkerboards appear where the stride does "
        "not divide the kernel (Odena et al., 2016)? Some places get more copies than others."
    ),
    difficulty=1,
    taught_in="04_generative_adversarial_networks, section 4",
)
