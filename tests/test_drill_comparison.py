"""The words for a difference, and that equal things have none."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from helpers.drills.compare import difference, plain

GRID = np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 5.0]])
ROW = np.array([3.0, 1.0, 7.0, 2.0])


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        (None, 1.0, "the value is None: is a `return` missing?"),
        ("text", 1.0, "the value is 'text'; expected a number"),
        ("a", "b", "the value is 'a'; expected 'b'"),
        (object(), ROW, "an object of type object; expected an array of shape (4,)"),
        (ROW, (1.0, 2.0), "the value has 4 items; expected 2"),
        (3.0, (1.0, 2.0), "the value is a number; expected 2 values"),
        ([[1.0], [2.0, 3.0]], GRID, "the value is 2 values; expected an array of shape (2, 3)"),
        ({"a": 1.0}, {"a": 1.0, "b": 2.0}, "the key `b` is missing"),
        ({"a": 1.0, "b": 2.0}, {"a": 1.0}, "the key `b` is not asked for"),
        ({"a": 2.0}, {"a": ROW}, "`a` is a number; expected an array of shape (4,)"),
        ((1.0, ROW), (1.0, -ROW), "`result[1]` has the wrong sign everywhere"),
        (((1.0, ROW),), ((1.0, -ROW),), "`result[0][1]` has the wrong sign"),
        ({"the loss": (1.0, 2.0)}, {"the loss": (1.0, 3.0)}, '"the loss"[1] is 2.0; expected 3.0'),
        (ROW.astype(complex), ROW, "the value has the type complex128; expected real numbers"),
        (GRID.T, GRID, "the value is transposed: its rows are the expected columns"),
        (GRID[:, :2].T, GRID[:, :2], "the value is transposed"),
        (ROW[:, None], ROW, "the value has the shape (4, 1); expected (4,)"),
        (np.array([3, np.nan, 7, 2]), ROW, "the value is NaN at [1]; expected 1.0"),
        (math.nan, 0.5, "the value is NaN; expected 0.5"),
        (np.zeros(4), ROW, "the value is zero everywhere: nothing reaches it"),
        (ROW[::-1], ROW, "the value has the right numbers in reverse order"),
        (ROW[[1, 0, 2, 3]], ROW, "the value has the right numbers in the wrong places"),
        (-0.5, 0.5, "the value has the wrong sign"),
        (0.5 / math.log(2), 0.5, "off by the factor 1 / ln 2: the base of a logarithm"),
        (50.0, 0.5, "off by the factor 100: a percentage"),
        (ROW * 12, ROW, "off by the factor 12, which is the length of `x`"),
        (ROW / 12, ROW, "off by the factor 1 / 12; 12 is the length of `x`"),
        (ROW * 5, ROW, "the value is 5 times what is expected, everywhere"),
        (ROW - 2, ROW, "the value is 2 too small, everywhere"),
        (ROW + np.eye(4)[2], ROW, "the value is 8.0 at [2]; expected 7.0"),
        (np.inf, 0.5, "the value is inf; expected 0.5"),
        (0.3, 0.4, "the value is 0.3; expected 0.4"),
        (ROW + 1e-6 * np.array([1, 2, 0, 1]), ROW, "so near a miss suggests float32"),
        (0.5 + 1e-11, 0.5, "agrees to nine digits and no further"),
        (False, True, "the value is False; expected True"),
    ],
)
def test_the_first_difference_is_named(got, expected, words):
    assert words in difference(plain(got), plain(expected), sizes={12: "the length of `x`"})


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ([3.0, 1.0, 7.0, 2.0], ROW),
        ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
        (np.array([1.0, 2.0]), (1.0, 2.0)),
        ((ROW, 2), [ROW, np.float32(2)]),
        (np.int64(3), 3.0),
        (np.array(3), 3),
        (True, 1),
        (np.array([np.nan, np.inf, -np.inf]), np.array([np.nan, np.inf, -np.inf])),
        (0.1 + 0.2, 0.3),
        (np.float32(0.1), 0.1),
        ({"a": [1, None]}, {"a": (1, None)}),
        (np.array([]), np.array([])),
    ],
)
def test_what_holds_the_same_numbers_is_equal(got, expected):
    assert difference(plain(got), plain(expected)) is None


def test_the_condition_widens_the_tolerance():
    assert difference(np.array(1 + 1e-11), np.array(1.0)) is not None
    assert difference(np.array(1 + 1e-11), np.array(1.0), condition=100) is None


@given(arrays(float, array_shapes(max_dims=3), elements=st.floats(-1e6, 1e6)))
def test_an_array_equals_itself_and_not_a_changed_one(values):
    assert difference(values, values.copy()) is None
    changed = values.copy()
    changed.flat[-1] += max(1.0, np.abs(values).max())
    assert difference(changed, values) is not None
