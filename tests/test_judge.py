"""The judge, on a toy drill: accidents, tricks, and the words that it finds for them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from numpy import mean as average

from helpers.drills import judge as judge_module
from helpers.drills.judge import find, judge, names
from helpers.drills.spec import Case, Drill

# The judge's process cannot import this file: what is defined here travels by value, as the cells
# of a notebook do.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def centre(values: np.ndarray) -> np.ndarray:
    """Subtract the mean from `values`, shape (n,). Without values raise ValueError."""
    if not len(values):
        raise ValueError("no values")
    return values - sum(values) / len(values)


def with_numpy(values):
    if not len(values):
        raise ValueError
    return values - average(values)


def in_a_list(values):
    if not len(values):
        raise ValueError
    return [value - sum(values) / len(values) for value in values]


def by_the_median(values):
    """You subtract the median: take the mean."""
    return values - np.median(values)


def sign_exchanged(values):
    """You subtract the values from the mean."""
    return -centre(values)


def empty_is_allowed(values):
    """Without values you return an empty array: raise ValueError."""
    return centre(values) if len(values) else values


def cases(rng):
    yield Case("three values", (np.array([1.0, 2.0, 6.0]),), seconds=1)
    yield Case("no values", (np.array([]),), seconds=1)
    yield Case("seven values", (rng.normal(size=7),), seconds=1)
    yield Case("two values", (np.array([0.0, 3.0]),), seconds=1)


def drill_of(**changes) -> Drill:
    parts = {
        "reference": centre,
        "cases": cases,
        "alternatives": (with_numpy, in_a_list),
        "mistakes": (by_the_median, sign_exchanged, empty_is_allowed),
        "hints": ("one", "two", "three"),
        "explanation": "The mean is a sum divided by a count.",
        "difficulty": 1,
        "taught_in": "00_start_here, section 1",
        "forbidden": ("scipy", "numpy.median"),
    }
    return Drill(**parts | changes)


TOY = drill_of()


# ---- right answers -----------------------------------------------------------------------------
@pytest.mark.parametrize("answer", [centre, with_numpy, in_a_list])
def test_right_answers(answer):
    verdict = judge(TOY, answer)
    assert (verdict.status, verdict.passed, verdict.total) == ("right", 4, 4)


def test_float32_is_judged_by_its_own_rounding():
    assert judge(TOY, lambda values: centre(values).astype(np.float32)).status == "right"
    hidden = judge(TOY, lambda values: centre(values).astype(np.float32).astype(float))
    assert hidden.status == "wrong" and "float32" in hidden.message


def test_an_answer_may_use_other_cells_and_itself():
    def total(values):
        return values[0] + total(values[1:]) if len(values) else 0.0

    def recursive(values, depth=0):
        if not len(values):
            raise ValueError
        return recursive(values, 1) if depth == 0 else values - total(values) / len(values)

    assert judge(TOY, recursive).status == "right"


def test_a_recursive_answer_finds_itself_while_it_is_decorated():
    cell = (
        "def f(x, n=1):\n  if not len(x): raise ValueError\n  return f(x, 0) if n else x - x.mean()"
    )
    namespace = {"__name__": "__main__", "f": "an older answer"}
    exec(cell, namespace)
    answer = namespace["f"]
    namespace["f"] = "an older answer"  # as in a notebook, where the decorator runs first
    assert judge(TOY, answer).status == "right"


def test_another_convention_is_right_too():
    def sum_to_one(values):
        """Divide instead."""
        return centre(values) + 1

    assert judge(TOY, sum_to_one).status == "wrong"
    assert judge(drill_of(conventions=(sum_to_one,)), sum_to_one).status == "right"


# ---- stubs and things that are no answers ------------------------------------------------------
def test_stubs_await():
    def ellipsis(values): ...

    def documented(values):
        """Text."""

    def unwritten(values):
        raise NotImplementedError

    for answer in (ellipsis, documented, unwritten, lambda values: None):
        assert judge(TOY, answer).status == "awaiting"
    assert judge(TOY, lambda values: 1).status == "wrong"


def test_only_functions_are_judged():
    with pytest.raises(TypeError, match="answer is int: it should be a Python function"):
        judge(TOY, 5)


def test_a_drill_that_does_not_exist():
    with pytest.raises(
        ValueError, match="'roc_acu': there is no such drill; did you mean 'roc_auc"
    ):
        find("roc_acu")
    with pytest.raises(ValueError, match=r"there are .*roc_auc"):
        find("zzz")
    assert "roc_auc" in names()


def test_wrong_number_of_parameters():
    verdict = judge(TOY, lambda values, weights: values)
    assert verdict.status == "wrong" and "missing a required argument: 'weights'" in verdict.message


# ---- diagnosis ---------------------------------------------------------------------------------
def test_a_known_mistake_is_named_though_it_is_written_differently():
    verdict = judge(TOY, lambda values: values - np.sort(values)[len(values) // 2])
    assert verdict.mistake is None  # no values: an IndexError, which the known mistake has not
    verdict = judge(TOY, lambda values: in_a_list(values) if len(values) else [])
    assert (verdict.mistake, verdict.certain) == ("empty_is_allowed", True)
    assert verdict.message == "Without values you return an empty array: raise ValueError."


def test_one_of_two_mistakes_is_named():
    verdict = judge(TOY, lambda values: sum(values) / max(len(values), 1) - values)
    assert (verdict.mistake, verdict.certain) == ("sign_exchanged", False)
    assert verdict.note == "two values", "the smallest ordinary case"


def test_the_smallest_failing_case_is_shown():
    verdict = judge(
        TOY, lambda values: centre(values) * (1 + (len(values) == 7) * np.arange(7)[: len(values)])
    )
    assert (verdict.note, verdict.passed) == ("seven values", 3)
    assert verdict.mistake is None and "[1]" in verdict.message
    assert verdict.call.startswith("centre([") and verdict.got != verdict.expected


def test_an_exception_is_shown_with_its_line():
    def answer(values):
        empty = []
        return empty[3]

    verdict = judge(TOY, answer)
    assert verdict.message == "It raises IndexError: list index out of range."
    assert verdict.line == answer.__code__.co_firstlineno + 2
    assert verdict.note == "two values"


def test_what_it_prints_and_warns_is_shown():
    def answer(values):
        print("so far", len(values))
        return np.log(-np.ones(1))[0] + values

    verdict = judge(TOY, answer)
    assert "so far 2" in verdict.printed and "RuntimeWarning: invalid value" in verdict.printed


# ---- accidents ---------------------------------------------------------------------------------
def endless(values):
    while True:
        pass


def sleeping(values):
    time.sleep(60)


def flood(values):
    while True:
        print("x" * 1_000)


def exits(values):
    sys.exit(3)


def kills_itself(values):
    os._exit(0)


def segfault(values):
    import ctypes

    ctypes.string_at(0)


def hoards(values):
    return np.ones(50 * 2**30 // 8)


def asks(values):
    return input("and now?")


def interrupts(values):
    raise KeyboardInterrupt


def recursion(values):
    return recursion(values)


def leaves_a_child(values):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    while True:
        pass


def swallows(values):
    while True:
        try:
            raise ValueError
        except BaseException:
            pass


def patches(values):
    np.mean = np.sum
    return with_numpy(values)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (endless, "did not finish within 1 s"),
        (sleeping, "did not finish within 1 s"),
        (flood, "did not finish within 1 s"),
        (leaves_a_child, "did not finish within 1 s"),
        (swallows, "did not finish within 1 s"),
        (exits, "SystemExit: 3"),
        (kills_itself, "ended its process"),
        (segfault, "ended its process"),
        (asks, "EOFError"),
        (interrupts, "KeyboardInterrupt"),
        (recursion, "RecursionError"),
        (patches, "replaces `numpy.mean`"),
    ],
)
def test_accidents_are_reported_and_nothing_else_happens(answer, words, capfd):
    average_before, folder, alive = np.mean, os.getcwd(), threading.active_count()
    verdict = judge(TOY, answer)
    assert verdict.status == "wrong" and words in verdict.message
    assert np.mean is average_before and os.getcwd() == folder
    assert threading.active_count() == alive and capfd.readouterr() == ("", "")
    assert judge(TOY, centre).status == "right"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="macOS does not limit memory")
def test_fifty_gigabytes_are_refused():
    verdict = judge(TOY, hoards)
    assert "more than 4 GB" in verdict.message and "50.0 GiB" in verdict.message


def test_an_argument_that_changes():
    def answer(values):
        result = centre(values)
        values[:] = 0
        return result

    assert "changes its argument `values`" in judge(TOY, answer).message


def test_a_notebook_that_has_patched_numpy_is_told(monkeypatch):
    monkeypatch.setattr(np, "sum", lambda values: 0)

    def answer(values):
        if not len(values):
            raise ValueError
        return values - np.sum(values) / len(values)

    verdict = judge(TOY, answer)
    assert verdict.status == "right" and "replaced `numpy.sum`" in verdict.remarks[0]


def test_something_that_cannot_be_copied_is_named():
    lock = threading.Lock()
    verdict = judge(TOY, lambda values: lock)
    assert verdict.status == "wrong" and "lock" in verdict.message


def test_the_judge_comes_back_when_its_process_dies():
    judge(TOY, centre)
    judge_module._server.process.kill()
    judge_module._server.process.wait()
    assert judge(TOY, centre).status == "right"


def test_an_interrupt_leaves_no_stale_verdict(monkeypatch):
    judge(TOY, centre)

    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(judge_module._server.pipe, "poll", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        judge(TOY, sign_exchanged)
    assert judge(TOY, centre).status == "right"


def test_an_interrupt_ends_the_answer_too(tmp_path):
    def answer(values):
        (tmp_path / "pid").write_text(str(os.getpid()))
        while True:
            pass

    with pytest.raises(RuntimeError, match="an alarm of the notebook"):
        signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, 0.7)
        judge(drill_of(cases=slow_cases), answer)
    pid = int((tmp_path / "pid").read_text())
    time.sleep(0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert judge(TOY, centre).status == "right", "and no stale verdict"


def alarm(*_):
    raise RuntimeError("an alarm of the notebook")


def slow_cases(rng):
    yield Case("three values", (np.array([1.0, 2.0, 6.0]),), seconds=30)


def test_large_values_and_long_words_are_cut():
    verdict = judge(TOY, lambda values: np.zeros(2_000_000))
    assert verdict.message == "The value is '2,000,000 numbers'; expected an array of shape (2,)."
    for answer in (lambda values: "x" * 10**6, raises_at_length):
        assert len(str(vars(judge(TOY, answer)))) < 10_000


def raises_at_length(values):
    print("\ud800")
    raise ValueError("\ud800" + "y" * 10**6)


def test_a_message_that_fails_is_no_crash():
    class Awkward(Exception):
        def __str__(self):
            raise TypeError

    def answer(values):
        raise Awkward

    assert "It raises Awkward: (a message that cannot be shown)" in judge(TOY, answer).message


def test_the_readers_own_module_is_read_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "own_tools.py"
    module.write_text("def middle(values): return 0\n")
    import own_tools

    def answer(values):
        if not len(values):
            raise ValueError
        return values - own_tools.middle(values)

    assert judge(TOY, answer).status == "wrong"
    module.write_text("def middle(values): return sum(values) / len(values)  # mended\n")
    assert judge(TOY, answer).status == "right"


def test_a_path_in_sys_path_that_is_no_text(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    judge_module._server.stop()
    assert judge(TOY, centre).status == "right"


def test_compiled_functions_of_a_forbidden_package_are_seen():
    from scipy import special
    from scipy.special import expit

    for answer in (lambda values: expit(values), lambda values: special.expit(values)):
        assert judge(TOY, answer).message.startswith("It uses `")


def test_a_wrong_reference_is_our_fault():
    with pytest.raises(RuntimeError, match="the reference of endless fails"):
        endless.__doc__ = "Never ends."
        judge(drill_of(reference=endless), centre)


# ---- what is not allowed -----------------------------------------------------------------------
def test_forbidden_functions_are_seen_however_they_are_called():
    from numpy import median as middle

    def imports(values):
        from scipy import stats

        return values - stats.trim_mean(values, 0)

    for answer, used in [
        (lambda values: values - np.median(values), "numpy.median"),
        (lambda values: values - middle(values), "numpy.median"),
        (lambda values: values - getattr(np, "med" + "ian")(values), "numpy.median"),
        (imports, "scipy"),
    ]:
        verdict = judge(TOY, answer)
        assert verdict.status == "wrong" and f"uses `{used}`" in verdict.message
        assert verdict.mistake is None, "no other diagnosis beside it"


# ---- what moved --------------------------------------------------------------------------------
def both_modes(answer, values):
    return {"with training on": answer(values, True), "with training off": answer(values, False)}


def test_a_switch_that_is_ignored_is_named():
    def halve(values, training):
        """Halve in training."""
        return values / 2 if training else values

    switched = drill_of(reference=halve, observe=both_modes, mistakes=(halve,) * 3)
    verdict = judge(switched, lambda values, training: values / 2)
    assert verdict.message.startswith('"with training off" is off by the factor')
    assert verdict.mistake is None


def test_a_forgotten_return_is_named_whatever_is_observed():
    def total(answer, values):
        return {"the total": sum(answer(values)) if len(values) else 0.0}

    verdict = judge(drill_of(observe=total), lambda values: print(values))
    assert verdict.message == "The value is None: is a `return` missing?"


def test_the_drill_that_contributing_shows_works():
    text = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = text.partition("## A drill")[2].partition("```python\n")[2].partition("```")[0]
    namespace = {"__name__": "answer.metrics.mean_error"}
    exec(code, namespace)
    shown = namespace["DRILL"]
    for answer in (shown.reference, *shown.alternatives):
        assert judge(shown, answer).status == "right"
    for mistake in shown.mistakes:
        assert judge(shown, mistake).mistake == mistake.__name__


def test_a_drill_says_what_it_lacks():
    with pytest.raises(ValueError, match="mistakes of centre has 2 entries: at least 3"):
        drill_of(mistakes=(by_the_median, sign_exchanged))
    with pytest.raises(ValueError, match="with_numpy of centre has no docstring"):
        drill_of(mistakes=(by_the_median, sign_exchanged, with_numpy))
    with pytest.raises(ValueError, match="hints of centre has 1 entries"):
        drill_of(hints=("one",))
    with pytest.raises(ValueError, match="alternatives of centre"):
        drill_of(alternatives=(with_numpy,))
    with pytest.raises(ValueError, match="difficulty of centre is 4: 1, 2 or 3"):
        drill_of(difficulty=4)
