"""Measured numbers in the text of a notebook: how they are written, and the band they must fall in.

A measured number (an accuracy, a loss, seconds) differs a little from run to run and from machine
to machine. It is written with a leading ≈, and the comparison of stored and fresh outputs
(tests/sanitize.cfg) leaves such a number out. What guards it instead is a claim: a band taken from
at least three seeds, outside which the notebook fails.
"""

import math
import numbers
from typing import Any


def measured(value: Any, digits: int = 3, unit: str = "") -> str:
    """Write a measured number, for example ``measured(0.8527)`` gives ``≈0.853``.

    Args:
        value: a real number, or a scalar array or tensor.
        digits: significant digits, at least 1.
        unit: written after the number with a space, for example ``"s"`` or ``"%"``.

    Returns:
        The text, always with a leading ≈. A value that is not finite is written as ``≈nan``,
        ``≈inf`` or ``≈-inf``; the comparison of outputs does not leave that out.

    Raises:
        TypeError: value is not one real number, digits not an integer, or unit not text.
        ValueError: digits is below 1.
    """
    if not isinstance(digits, int) or isinstance(digits, bool):
        raise TypeError(f"digits is {digits!r}: it should be an integer, at least 1")
    if digits < 1:
        raise ValueError(f"digits is {digits}: it should be at least 1")
    _check_text("unit", unit)
    number = _number("value", value)
    return f"≈{_rounded(number, digits)}{_after(unit)}"


def claim(name: str, value: Any, low: Any, high: Any, unit: str = "") -> None:
    """Print a measured value with the band that it must fall in, and fail outside it.

    ``claim("test accuracy", 0.8527, 0.84, 0.87)`` prints
    ``✓ test accuracy ≈0.853, within 0.84 to 0.87``.

    Args:
        name: what was measured.
        value: a real number, or a scalar array or tensor.
        low: the lower end of the band, itself inside; ``-math.inf`` for none.
        high: the upper end, itself inside; ``math.inf`` for none.
        unit: written after the value, for example ``"s"``; the band is in the same unit.

    Raises:
        AssertionError: value is outside the band, or not finite.
        TypeError: value, low or high is not one real number; name or unit is not text.
        ValueError: low is above high, an end is not a number (nan), both ends are open, or name
            is empty.
    """
    _check_text("name", name)
    _check_text("unit", unit)
    if not name.strip():
        raise ValueError("name is empty: it should say what was measured")
    number, bottom, top = _number("value", value), _number("low", low), _number("high", high)
    if math.isnan(bottom) or math.isnan(top):
        raise ValueError(f"low is {low}, high is {high}: neither may be nan")
    if bottom > top:
        raise ValueError(f"low is {low}, high is {high}: low should not be above high")
    if math.isinf(bottom) and math.isinf(top):
        raise ValueError(f"low is {low}, high is {high}: at least one end should be a number")
    band = _band(bottom, top)
    if not (math.isfinite(number) and bottom <= number <= top):
        # All digits here: a rounded value could look as if it lay inside the band.
        raise AssertionError(f"{name}: {number!r}{_after(unit)} is not {band}{_after(unit)}")
    print(f"✓ {name} {measured(number, unit=unit)}, {band}{_after(unit)}")


def _number(argument: str, value: Any) -> float:
    """The value as a float, if it is one real number."""
    plain = value.numpy() if hasattr(value, "numpy") else value
    if getattr(plain, "shape", None) == ():
        plain = plain.item()
    if isinstance(plain, bool) or not isinstance(plain, numbers.Real):
        kind = type(value).__name__
        shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
        raise TypeError(f"{argument} is {kind}{shape}: it should be one real number")
    return float(plain)


def _check_text(argument: str, text: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{argument} is {type(text).__name__}: it should be text")


def _rounded(number: float, digits: int) -> str:
    """The number with that many significant digits; an exponent only where it is tiny or huge."""
    if not math.isfinite(number):
        return str(number)
    if number == 0:
        return "0"
    scientific = f"{number:.{digits - 1}e}"
    places = digits - 1 - int(scientific.partition("e")[2])
    if -9 < places < digits + 4:
        return f"{float(scientific):,.{max(places, 0)}f}"
    return scientific


def _band(low: float, high: float) -> str:
    if math.isinf(high):
        return f"at least {_plain(low)}"
    if math.isinf(low):
        return f"at most {_plain(high)}"
    return f"within {_plain(low)} to {_plain(high)}"


def _plain(number: float) -> str:
    return f"{number:,}".removesuffix(".0")


def _after(unit: str) -> str:
    return f" {unit}" if unit else ""
