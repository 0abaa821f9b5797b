"""Compare an answer's value with the expected one, and name the first thing that differs.

**Tolerance.** Two numbers agree when they differ by at most 1,024 units of rounding of the answer's
floating-point type, relative to the largest expected number, times the condition that the case
states: 2e-13 in float64, 1e-4 in float32. Infinities and NaN agree with themselves.
"""

import math
import numbers
from typing import Any

import numpy as np

ROUNDINGS = 1_024
LARGEST = 1_000_000  # numbers in one value

# Factors by which answers are off so often that the factor names the mistake.
FACTORS = {
    math.log(2): "ln 2: the base of a logarithm",
    1 / math.log(2): "1 / ln 2: the base of a logarithm",
    math.log(10): "ln 10: the base of a logarithm",
    1 / math.log(10): "1 / ln 10: the base of a logarithm",
    100.0: "100: a percentage",
    0.01: "1 / 100: a percentage",
}


def plain(value: Any) -> Any:
    """The value in NumPy arrays, tuples, dicts, text and None; anything else as its type's name.

    Tensors become arrays, and lists tuples, so that a right answer passes in whatever it is held.
    Text is cut, and more than a million numbers are only counted: both travel between processes.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return str(value[:500])
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and len(value) <= LARGEST:
        return tuple(plain(item) for item in value)
    if isinstance(value, numbers.Number | np.ndarray) or hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype == object and array.size <= LARGEST:
            try:
                array = array.astype(float)  # Fractions, and numbers in a careless array
            except (TypeError, ValueError):
                return "an array of objects"
        if array.size <= LARGEST and not array.dtype.hasobject:
            return array.copy()
        return f"{array.size:,} numbers"
    return f"an object of type {type(value).__name__}"


def difference(
    got: Any,
    expected: Any,
    condition: float = 1.0,
    subject: str = "the value",
    sizes: dict[int, str] | None = None,
) -> str | None:
    """The first thing in which ``got`` differs from ``expected``, in words; None where they agree.

    Args:
        got: the answer's value, as `plain` gives it.
        expected: the reference's value, as `plain` gives it.
        condition: multiplies the tolerance.
        subject: what is compared, for the message.
        sizes: lengths that occur in the arguments, with what they are: names a wrong factor.
    """
    if isinstance(got, tuple) and isinstance(expected, np.ndarray):
        got = _stacked(got)
    if isinstance(got, np.ndarray) and got.ndim and isinstance(expected, tuple):
        got = tuple(np.asarray(item) for item in got)
    if got is None and expected is not None:
        return f"{subject} is None" + (": is a `return` missing?" if subject == "the value" else "")
    if type(got) is not type(expected):
        return f"{subject} is {_kind(got)}; expected {_kind(expected)}"
    if isinstance(expected, dict):
        return _different_dicts(got, expected, condition, sizes)
    if isinstance(expected, tuple):
        return _different_tuples(got, expected, condition, subject, sizes)
    if isinstance(expected, np.ndarray):
        return _different_arrays(got, expected, condition, subject, sizes or {})
    return None if got == expected else f"{subject} is {_kind(got)}; expected {_kind(expected)}"


def _stacked(items: tuple) -> Any:
    try:
        return np.array(items)
    except ValueError:  # rows of different lengths, or items that are no numbers
        return items


def _different_dicts(got, expected, condition, sizes) -> str | None:
    for key in expected:
        if key not in got:
            return f"the key `{key}` is missing"
        part = f"`{key}`" if key.isidentifier() else f'"{key}"'
        if found := difference(got[key], expected[key], condition, part, sizes):
            return found
    surplus = [key for key in got if key not in expected]
    return f"the key `{surplus[0]}` is not asked for" if surplus else None


def _different_tuples(got, expected, condition, subject, sizes) -> str | None:
    if len(got) != len(expected):
        return f"{subject} has {len(got)} items; expected {len(expected)}"
    base = "`result`" if subject == "the value" else subject
    for index, (one, other) in enumerate(zip(got, expected, strict=True)):
        part = f"{base[:-1]}[{index}]`" if base.endswith("`") else f"{base}[{index}]"
        if found := difference(one, other, condition, part, sizes):
            return found
    return None


def _different_arrays(got, expected, condition, subject, sizes) -> str | None:
    if got.dtype.kind not in "biuf":
        return f"{subject} has the type {got.dtype}; expected real numbers"
    if _agree(got, expected, condition):
        return None
    if got.ndim > 1 and _agree(got.T, expected, condition):
        return f"{subject} is transposed: its rows are the expected columns"
    if got.shape != expected.shape:
        if not (got.ndim and expected.ndim):
            return f"{subject} is {_kind(got)}; expected {_kind(expected)}"
        return f"{subject} has the shape {got.shape}; expected {expected.shape}"
    bad = np.isnan(got) & ~np.isnan(expected)
    if bad.any():
        return f"{subject} is NaN{_place(bad)}; expected {_number(expected, bad)}"
    if got.size > 1:
        if not got.any():
            return f"{subject} is zero everywhere: nothing reaches it"
        if _agree(np.flip(got), expected, condition):
            return f"{subject} has the right numbers in reverse order"
        if _agree(np.sort(got, axis=None), np.sort(expected, axis=None), condition):
            return f"{subject} has the right numbers in the wrong places"
    with np.errstate(all="ignore"):  # ratios of tiny numbers
        pattern = _pattern(got, expected, condition, subject, sizes)
    return pattern or _first(got, expected, subject)


def _pattern(got, expected, condition, subject, sizes) -> str | None:
    """One sign, factor or constant that explains the whole difference."""
    got, expected = got.astype(float), expected.astype(float)
    everywhere = " everywhere" if got.size > 1 else ""
    if _agree(-got, expected, condition):
        return f"{subject} has the wrong sign{everywhere}"
    if not (np.isfinite(got).all() and np.isfinite(expected).all() and expected.any()):
        return None
    largest = np.argmax(np.abs(expected))
    factor = got.flat[largest] / expected.flat[largest]
    if abs(factor - 1) > 1e-4 and factor and _agree(got / factor, expected, condition):
        known = dict(FACTORS)
        # Small numbers are often in a simple ratio by chance.
        for size, what in [item for item in sizes.items() if everywhere or item[0] > 4]:
            known |= {
                float(size): f"{size}, which is {what}",
                1 / size: f"1 / {size}; {size} is {what}",
            }
        for value, meaning in known.items():
            if math.isclose(factor, value, rel_tol=1e-9):
                return f"{subject} is off by the factor {meaning}"
        # One number is always some factor of another: that says nothing.
        if everywhere:
            return f"{subject} is {factor:.6g} times what is expected, everywhere"
    shift = got.flat[0] - expected.flat[0]
    if everywhere and _agree(got - shift, expected, condition):
        return f"{subject} is {abs(shift):.6g} too {'large' if shift > 0 else 'small'}, everywhere"
    return None


def _first(got, expected, subject) -> str:
    scale = _scale(expected)
    off = ~_close(got, expected, 1e-9 * scale)
    if not off.any():
        return (
            f"{subject} agrees to nine digits and no further: was a small number added, perhaps to "
            "a denominator?"
        )
    near = _close(got, expected, 1e-4 * scale).all()
    reason = "; so near a miss suggests float32, or a small number added to a denominator"
    reason = reason if near else ""
    return (
        f"{subject} is {_number(got, off)}{_place(off)}; expected {_number(expected, off)}{reason}"
    )


def _agree(got: np.ndarray, expected: np.ndarray, condition: float) -> bool:
    if got.shape != expected.shape:
        return False
    # Half precision has no tolerance of its own: 1,024 of its units would be 100 %.
    single = got.dtype.kind == "f" and got.dtype.itemsize <= 4
    rounding = np.finfo(np.float32 if single else float).eps
    return bool(_close(got, expected, ROUNDINGS * rounding * condition * _scale(expected)).all())


def _close(got: np.ndarray, expected: np.ndarray, tolerance: float) -> np.ndarray:
    with np.errstate(all="ignore"):
        near = np.abs(got.astype(float) - expected.astype(float)) <= tolerance
    return near | (got == expected) | (np.isnan(got) & np.isnan(expected))


def _scale(expected: np.ndarray) -> float:
    finite = np.abs(expected[np.isfinite(expected)].astype(float))
    return float(finite.max()) if finite.any() else 1.0


def _place(mask: np.ndarray) -> str:
    return f" at [{', '.join(str(i) for i in np.argwhere(mask)[0].tolist())}]" if mask.ndim else ""


def _number(array: np.ndarray, mask: np.ndarray) -> str:
    return repr(array[mask].flat[0].item())


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} values"
    if isinstance(value, dict):
        return "a dict"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" if value.ndim else "a number"
    return value if isinstance(value, str) and value.startswith("an object") else repr(value)
