"""The tools that try the judge: mutants differ, rewritings do not, and both travel."""

import random
import subprocess
import sys

import cloudpickle
import numpy as np
import pytest
from mutants import mutants, sample, second_order
from rewritings import CHANGES, VARIANTS, rewritings

from helpers.drills.compare import difference, plain

HALF = 0.5


def halved(values):
    return values * HALF


def everything(values: np.ndarray, limit: int = 3) -> tuple[float, np.ndarray]:
    """Do a little of everything: 1 and `+` in this text are left alone."""
    if len(values) < 2 or limit == 0:
        raise ValueError("give 2 or more")
    total, weights = 0.0, np.ones(limit)
    for i in range(len(values) - 1):
        if values[i] <= values[i + 1]:
            total += halved(values[i]) ** 2
        else:
            total -= -values[i] * 0.25
    inside = ~(np.isnan(values)) & (values > -9.0)
    rows = np.outer(values[:limit], weights[1:]).sum(axis=0, keepdims=True)
    place = np.searchsorted(np.sort(values[inside]), total, side="left")
    rows[0] = place + rows[0] if total > 1 else rows[0]
    return total, rows


VALUES = np.array([0.5, 3.0, 2.0, 2.0, -1.0])


@pytest.mark.parametrize(
    "change",
    [
        "line 2: `len(values) < 2` → `len(values) <= 2`",
        "line 2: `len(values) < 2` → `len(values) < 1`",
        "line 2: `len(values) < 2 or limit == 0` → `len(values) < 2 and limit == 0`",
        "line 2: `len(values) < 2` → `len(values) + 1 < 2`",
        "line 2: `if len(values) < 2 or limit == 0:` → `if False:`",
        "line 5: `range(len(values) - 1)` → `range(len(values) - 1 + 1)`",
        "line 5: `len(values) - 1` → `len(values) + 1`",
        "line 6: `values[i] <= values[i + 1]` → `values[i] >= values[i + 1]`",
        "line 7: `total += halved(values[i]) ** 2` → `pass`",
        "line 7: `total += halved(values[i]) ** 2` → `total -= halved(values[i]) ** 2`",
        "line 7: `halved(values[i]) ** 2` → `halved(values[i]) * 2`",
        "line 9: `-values[i] * 0.25` → `values[i] * 0.25`",
        "line 9: `-values[i] * 0.25` → `-values[i] * 0.5`",
        "line 10: `~np.isnan(values)` → `np.isnan(values)`",
        "line 10: `~np.isnan(values) & (values > -9.0)` → `~np.isnan(values) | (values > -9.0)`",
        "`np.outer(values[:limit], weights[1:])` → `np.outer(values[:limit - 1], weights[1:])`",
        "`np.outer(values[:limit], weights[1:])` → `np.outer(values[1:limit], weights[1:])`",
        "axis=0, keepdims=True)` → `np.outer(values[:limit], weights[1:]).sum(axis=1, keepdims",
        "axis=0, keepdims=True)` → `np.outer(values[:limit], weights[1:]).sum(axis=0)`",
        "axis=0, keepdims=True)` → `np.outer(values[:limit], weights[1:]).mean(axis=0, keepdims",
        "`np.outer(values[:limit], weights[1:])` → `np.outer(weights[1:], values[:limit])`",
        "line 12: `np.sort(values[inside])` → `values[inside]`",
        "side='left')` → `np.searchsorted(np.sort(values[inside]), total, side='right')`",
        "line 13: `rows[0] = place + rows[0] if total > 1 else rows[0]` → `pass`",
        "line 13: `place + rows[0] if total > 1 else rows[0]` → `place + rows[0] if True else rows",
        "line 14: `return (total, rows)` → `return (rows, total)`",
    ],
)
def test_each_kind_of_mutant_occurs(change):
    assert any(change in mutant.description for mutant in mutants(everything))


def test_mutants_are_all_different_and_described_by_their_own_words():
    found = mutants(everything)
    assert len({m.source for m in found}) == len({m.description for m in found}) == len(found)
    assert [m.source for m in found] == [m.source for m in mutants(everything)]
    for mutant in found:
        assert mutant.function.__name__ == "everything"
        assert "give 2 or more" in mutant.source  # messages stay as they are
        assert mutant.source.startswith("def everything(values: np.ndarray, limit: int=3)")


def test_a_sample_is_filled_up_with_pairs_of_which_neither_is_equivalent():
    singles = mutants(halved)
    assert [m.description for m in singles] == [
        "halved, line 2: `return values * HALF` → `return values / HALF`"
    ]
    assert sample([halved], 1, seed=0) == singles
    many, known = mutants(everything), mutants(everything)[5].description
    chosen = sample([everything], len(many) + 40, seed=3, equivalent={known})
    assert {m.description for m in many} <= {m.description for m in chosen}
    pairs = [m.description.split("; then ") for m in chosen if "; then " in m.description]
    assert len(pairs) == 40 and not any(known in pair for pair in pairs)
    assert len({m.source for m in chosen}) == len(chosen)
    assert chosen == sample([everything], len(many) + 40, seed=3, equivalent={known})
    assert chosen != sample([everything], len(many) + 40, seed=4, equivalent={known})
    assert all(m.description.startswith(many[0].description) for m in second_order(many[0]))


def test_a_mutant_and_a_rewriting_run_in_a_process_that_has_not_their_module():
    functions = [m.function for m in sample([everything], 3, seed=1)]
    functions += [function for _, function in rewritings(everything, 20, seed=1)]
    code = "import pickle, sys; [f([1., 2.], 2) for f in pickle.load(sys.stdin.buffer)[3:]]"
    pickled = cloudpickle.dumps(functions)
    assert b"test_mutants" not in pickled.replace(__file__.encode(), b"")
    code = code.replace("[1., 2.]", "__import__('numpy').array([1., 2.])")
    subprocess.run([sys.executable, "-I", "-c", code], input=pickled, check=True)


@pytest.mark.parametrize("seed", range(5))
def test_rewritings_compute_the_same(seed):
    expected = plain(everything(VALUES))
    found = rewritings(everything, 40, seed)
    for description, function in found:
        assert difference(plain(function(VALUES)), expected) is None, description
        with pytest.raises(ValueError):
            function(VALUES[:1])
    done = {word for description, _ in found for word in description.split(", ")}
    assert done == {change.__name__ for change in (*CHANGES, *VARIANTS)}


def test_what_is_joined_keeps_its_order():
    def joined(words: list, more: list) -> list:
        head, start = words[:1], "<"
        for word in more:
            head += [start + word]
        return head + more + sorted(words)

    for description, function in rewritings(joined, 30, seed=0):
        assert list(function(["b", "a"], ["c"])) == ["b", "<c", "c", "a", "b"], description


def test_draws_keep_their_order():
    def drawn(rng: random.Random) -> float:
        return rng.random() + rng.random() * 3

    for description, function in rewritings(drawn, 30, seed=0):
        value = float(function(random.Random(0)))
        assert value == pytest.approx(drawn(random.Random(0)), rel=1e-6), description
