"""Decide whether an answer is right, and where it is not, say which mistake it makes."""

import dis
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import numpy as np

from helpers.drills.compare import difference
from helpers.drills.sandbox import Outcome, outcomes, parameter_names
from helpers.drills.spec import Case, Drill

EMPTY_BODY = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}


@dataclass
class Verdict:
    """What the judge has to say.

    Attributes:
        drill: its name.
        status: "right", "wrong", or "awaiting" an answer.
        message: the diagnosis, or the first thing that differs.
        mistake: the known mistake that gives the answer's own outputs, or None.
        certain: False where the mistake explains only a part of the failing cases.
        passed, total: cases that are right, and all.
        failing: the numbers of the others.
        note: what is special about the case below.
        call: the smallest failing case as a call.
        got, expected: what came of it.
        line: the answer's line that raised.
        printed: what the answer printed there.
        remarks: what else the reader should know.
    """

    drill: str
    status: str
    message: str = ""
    mistake: str | None = None
    certain: bool = True
    passed: int = 0
    total: int = 0
    failing: list[int] = field(default_factory=list)
    note: str = ""
    call: str = ""
    got: str = ""
    expected: str = ""
    line: int | None = None
    printed: str = ""
    remarks: list[str] = field(default_factory=list)


def examine(drill: Drill, answer: Callable) -> Verdict:
    """Run an answer on a drill's cases and judge it. What the answer does harms nothing here."""
    cases, expectations = _prepared(drill)
    if is_stub(answer):
        return Verdict(drill.name, "awaiting")
    if complaint := _wrong_signature(drill, answer):
        return Verdict(drill.name, "wrong", complaint, total=len(cases))
    if name := _forbidden_name(answer, drill.forbidden):
        message = f"It uses `{name}`: write that part yourself."
        return Verdict(drill.name, "wrong", message, total=len(cases))
    got = list(outcomes(drill.observe, answer, cases, drill.forbidden))
    if got[0].kind == "raised" and got[0].value == "NotImplementedError":
        return Verdict(drill.name, "awaiting")
    # Where the field has several conventions, the one that the answer follows best is its own.
    expected = min(expectations, key=lambda convention: len(_failing(cases, got, convention)))
    failing = _failing(cases, got, expected)
    if not failing:
        return Verdict(drill.name, "right", passed=len(cases), total=len(cases))
    verdict = _describe(drill, answer, cases, got, expected, failing)
    if got[-1].kind != "cheated":
        _diagnose(drill, cases, got, failing, verdict)
    return verdict


@lru_cache(maxsize=64)
def _prepared(drill: Drill) -> tuple[list[Case], list[list[Outcome]]]:
    """The cases, and for each convention what its reference makes of them."""
    cases = drill.make_cases()
    right = [list(outcomes(drill.observe, f, cases)) for f in (drill.reference, *drill.conventions)]
    for convention in right:
        if len(convention) < len(cases) or convention[-1].kind == "stopped":
            raise RuntimeError(f"the reference of {drill.name} fails: {convention[-1].reason}")
    return cases, right


def is_stub(answer: Callable) -> bool:
    """Whether the body does nothing: ``...``, ``pass``, a docstring, or ``return None``."""
    if not hasattr(answer, "__code__"):
        return False
    steps = list(dis.get_instructions(answer))
    returned = [step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")]
    return {step.opname for step in steps} <= EMPTY_BODY and returned == [None]


def _wrong_signature(drill: Drill, answer: Callable) -> str:
    parameters = inspect.signature(drill.reference).parameters
    try:
        inspect.signature(answer).bind(*parameters)
    except TypeError as error:
        call = f"{drill.name}({', '.join(parameters)})"
        return f"Your function cannot be called as {call}: {error}."
    return ""


def _forbidden_name(answer: Callable, forbidden: tuple[str, ...]) -> str | None:
    """A global of the answer that comes from a forbidden package: its compiled functions are not
    seen when they are called."""
    used = inspect.getclosurevars(inspect.unwrap(answer))
    for name, value in {**used.globals, **used.nonlocals}.items():
        if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] in forbidden:
            return name
        if isinstance(value, np.ufunc) and getattr(np, value.__name__, None) is not value:
            return name
    return None


def _wrong(case: Case, got: Outcome, expected: Outcome, sizes=None) -> str | None:
    """In what an outcome differs from the expected one; None where it does not."""
    if got.changed:
        return f"the answer changes its argument {got.changed}: work on a copy"
    if got.kind in ("stopped", "cheated"):
        return None if got.kind == expected.kind else got.reason
    if got.kind == "raised" and got.kind == expected.kind and got.value == expected.value:
        return None
    if got.kind == "raised":
        return f"it raises {got.value}: {got.reason}" if got.reason else f"it raises {got.value}"
    if expected.kind == "raised":
        return f"it returns a value; expected {expected.value}"
    if expected.kind != "returned":
        return "it returns a value"
    return difference(got.value, expected.value, case.condition, sizes=sizes)


def _failing(cases: list[Case], got: list[Outcome], expected: list[Outcome]) -> list[int]:
    """The numbers of the cases that are wrong or were never reached."""
    return [
        number
        for number, (case, one, other) in enumerate(zip_longest(cases, got, expected))
        if one is None or _wrong(case, one, other)
    ]


def _describe(drill, answer, cases, got, expected, failing) -> Verdict:
    """The verdict on the smallest failing case that was reached."""
    reached = [number for number in failing if number < len(got)]
    # Ordinary cases first: that an edge is not refused is easily mended later.
    number = min(reached, key=lambda i: (expected[i].kind == "raised", _size(cases[i].args)))
    case, outcome = cases[number], got[number]
    names = parameter_names(answer, len(case.args))
    both = [(_shown(outcome, n), _shown(expected[number], n)) for n in (6, 15)]
    got_text, expected_text = next((pair for pair in both if pair[0] != pair[1]), both[0])
    return Verdict(
        drill.name,
        "wrong",
        _sentence(_wrong(case, outcome, expected[number], _sizes(names, case.args))),
        passed=len(cases) - len(failing),
        total=len(cases),
        failing=failing,
        note=case.note,
        call=f"{drill.name}({', '.join(show(argument) for argument in case.args)})",
        got=got_text,
        expected=expected_text,
        line=outcome.line,
        printed=outcome.printed,
    )


def _diagnose(drill, cases, got, failing, verdict: Verdict) -> None:
    """Find the known mistake that gives the answer's own outputs; the whole of them if possible."""
    for mistake in drill.mistakes:
        if _same_outputs(drill, mistake, cases, got, range(len(got))):
            break
    else:
        # Two mistakes at once: the one that explains the case shown and most of the others.
        reached = [i for i in failing if i < len(got) and got[i].kind != "stopped"]
        shown = [i for i in reached if cases[i].note == verdict.note]
        explained = {
            mistake: sum(_same_outputs(drill, mistake, cases, got, [i]) for i in reached)
            for mistake in drill.mistakes
            if shown and _same_outputs(drill, mistake, cases, got, shown)
        }
        mistake = max(explained, key=explained.get, default=None)
        if mistake is None or explained[mistake] < max(2, len(reached) / 2):
            return
        verdict.certain = False
    verdict.mistake = mistake.__name__
    verdict.message = " ".join(inspect.getdoc(mistake).split())


def _same_outputs(drill, mistake, cases, got, numbers) -> bool:
    """Whether a mistake gives what the answer gave, on these cases."""
    made = _made(drill, mistake)
    return all(
        i < len(made)
        and _wrong(cases[i], got[i], made[i]) is None
        and got[i].changed == made[i].changed
        for i in numbers
    )


@lru_cache(maxsize=1_024)
def _made(drill: Drill, mistake: Callable) -> list[Outcome]:
    """What a mistake makes of the cases: the same for every answer, so computed once."""
    return list(outcomes(drill.observe, mistake, _prepared(drill)[0]))


def _size(value: Any) -> int:
    """How many numbers a reader would have to look at."""
    if isinstance(value, dict):
        return _size(tuple(value.values()))
    return sum(map(_size, value)) if isinstance(value, list | tuple) else np.size(value)


def _sizes(names: list[str], args: tuple) -> dict[int, str]:
    """Lengths in the arguments, with what they are: a wrong factor is often one of them."""
    sizes: dict[int, str] = {}
    for name, argument in zip(names, args, strict=True):
        for axis, length in enumerate(
            np.shape(argument) if isinstance(argument, np.ndarray) else ()
        ):
            where = "the length" if np.ndim(argument) == 1 else f"axis {axis}"
            if length > 1:
                sizes.setdefault(length, f"{where} of `{name}`")
    return sizes


def show(value: Any, digits: int = 6) -> str:
    """A value for people: short, with so many digits. A generator is read."""
    if isinstance(value, types.GeneratorType):
        value = list(value)
    if isinstance(value, np.ndarray) and not value.ndim:
        value = value.item()
    if isinstance(value, np.ndarray):
        form = {"float_kind": lambda number: f"{number:.{digits}g}"}
        text = np.array2string(value, threshold=24, edgeitems=2, separator=", ", formatter=form)
        return " ".join(text.split())
    if isinstance(value, dict):
        items = [f"{show(key, digits)}: {show(item, digits)}" for key, item in value.items()]
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list | tuple):
        left, right = "[]" if isinstance(value, list) else "()"
        items = [show(item, digits) for item in value[:8]] + ["…"] * (len(value) > 8)
        comma = "," * (left == "(" and len(items) == 1)
        return f"{left}{', '.join(items)}{comma}{right}"
    if isinstance(value, float | np.floating):
        return f"{value:.{digits}g}"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return "rng" if isinstance(value, np.random.Generator) else repr(value)


def _shown(outcome: Outcome, digits: int) -> str:
    if outcome.kind == "raised":
        return f"{outcome.value}: {outcome.reason}" if outcome.reason else outcome.value
    return show(outcome.value, digits) if outcome.kind == "returned" else outcome.reason


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"
