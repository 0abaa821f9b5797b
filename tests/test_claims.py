"""Claims and measured numbers, and the comparison of outputs that rests on how they are written."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.claims import claim, measured

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.8527, 3, "≈0.853"),
        (0.85, 3, "≈0.850"),
        (-0.5, 2, "≈-0.50"),
        (9.996, 3, "≈10.0"),
        (1234.5, 3, "≈1,230"),
        (22_713_216, 3, "≈22,700,000"),
        (1e-12, 2, "≈1.0e-12"),
        (0, 3, "≈0"),
        (math.nan, 3, "≈nan"),
        (-math.inf, 3, "≈-inf"),
        (np.float32(0.25), 2, "≈0.25"),
        (np.array(7), 1, "≈7"),
    ],
)
def test_measured_rounds_to_significant_digits(value, digits, text):
    assert measured(value, digits) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 12))
def test_measured_keeps_the_value_and_what_the_sanitizer_expects(value, digits):
    text = measured(value, digits)
    assert re.fullmatch(r"≈[-+0-9.,e]+", text)
    assert float(text[1:].replace(",", "")) == float(f"{value:.{digits}g}")


def test_unit_follows_after_a_space():
    assert measured(1.5, 2, "s") == "≈1.5 s"


@pytest.mark.parametrize(
    ("arguments", "error", "names"),
    [
        (("0.5",), TypeError, "value is str"),
        ((True,), TypeError, "value is bool"),
        ((None,), TypeError, "value is NoneType"),
        ((1 + 0j,), TypeError, "value is complex"),
        ((np.zeros((1, 2)),), TypeError, r"value is ndarray of shape \(1, 2\)"),
        ((0.5, 0), ValueError, "digits is 0"),
        ((0.5, 2.0), TypeError, "digits is 2.0"),
        ((0.5, 2, None), TypeError, "unit is NoneType"),
    ],
)
def test_measured_refuses_what_is_no_number(arguments, error, names):
    with pytest.raises(error, match=names):
        measured(*arguments)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("test accuracy", 0.853, 0.84, 0.87), "✓ test accuracy ≈0.853, within 0.84 to 0.87\n"),
        (("time", 2, 1, 5, "s"), "✓ time ≈2.00 s, within 1 to 5 s\n"),
        (("ratio", 7.31, 5, math.inf), "✓ ratio ≈7.31, at least 5\n"),
        (("loss", 0.1, -math.inf, 0.2), "✓ loss ≈0.100, at most 0.2\n"),
        (("edge", 0.84, 0.84, 0.84), "✓ edge ≈0.840, within 0.84 to 0.84\n"),
    ],
)
def test_claim_prints_the_value_and_its_band(arguments, line, capsys):
    claim(*arguments)
    assert capsys.readouterr().out == line


@pytest.mark.parametrize("value", [0.83999999, 0.87000001, math.nan, math.inf, -math.inf])
def test_claim_fails_outside_its_band_and_prints_no_tick(value, capsys):
    with pytest.raises(AssertionError, match=r"test accuracy: .* is not within 0.84 to 0.87"):
        claim("test accuracy", value, 0.84, 0.87)
    assert capsys.readouterr().out == ""


def test_an_open_band_still_refuses_infinity():
    with pytest.raises(AssertionError, match="speed: inf times is not at least 5 times"):
        claim("speed", math.inf, 5, math.inf, "times")


@pytest.mark.parametrize(
    ("arguments", "error", "names"),
    [
        (("x", 0.5, 1, 0), ValueError, "low is 1, high is 0"),
        (("x", 0.5, math.nan, 1), ValueError, "nan"),
        (("x", 0.5, -math.inf, math.inf), ValueError, "at least one end"),
        ((" ", 0.5, 0, 1), ValueError, "name is empty"),
        ((3, 0.5, 0, 1), TypeError, "name is int"),
        (("x", "0.5", 0, 1), TypeError, "value is str"),
        (("x", 0.5, "0", 1), TypeError, "low is str"),
        (("x", 0.5, 0, [1]), TypeError, "high is list"),
    ],
)
def test_claim_refuses_what_is_no_claim(arguments, error, names):
    with pytest.raises(error, match=names):
        claim(*arguments)


def run_nbval(*arguments: object) -> dict[int, str]:
    """The outcome of each cell of a notebook, under the options that plain pytest has here."""
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT]
    command += ["-p", "no:cacheprovider", "-rA", "--tb=no", *arguments]
    report = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120).stdout
    found = re.findall(r"^(PASSED|FAILED|XFAIL|ERROR) .*::Cell (\d+)", report, re.MULTILINE)
    assert found, report
    return {int(cell): outcome for outcome, cell in found}


def test_stored_outputs_are_compared_but_for_measured_numbers(make_notebook):
    cells = {
        "the same text": ("print('ready')", "ready\n"),
        "another measured number": ("print('loss ≈0.412 after')", "loss ≈1,000.5 after\n"),
        "a table's columns moved": ("print('a   ≈1.00 s  b')", "a ≈12.345 s   b\n"),
        "another exact number": ("print(3)", "4\n"),
        "another word": ("print('loss ≈0.412 before')", "loss ≈0.412 after\n"),
        "a number that became nan": ("print('≈nan')", "≈0.5\n"),
        "no output any more": ("pass", "ready\n"),
        "a warning that was not there": ("import sys; print('!', file=sys.stderr)", ""),
        "an exception": ("raise ValueError('wrong')", ""),
    }
    path = make_notebook(*cells.values())
    expected = dict(zip(cells, ["PASSED"] * 3 + ["FAILED"] * 6, strict=True))
    assert dict(zip(cells, run_nbval(path).values(), strict=True)) == expected


def test_a_cell_that_takes_too_long_fails(make_notebook):
    path = make_notebook("import time", "time.sleep(60)")
    assert run_nbval("--nbval-cell-timeout=1", path) == {0: "PASSED", 1: "FAILED"}
