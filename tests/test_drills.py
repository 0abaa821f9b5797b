"""Every drill, proved on its judge: what is right passes, what is wrong is caught and named."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest
from equivalent_mutants import EQUIVALENT
from mutants import mutants, sample, second_order
from rewritings import VARIANTS, arrays_as_lists, rewritings

from helpers.drills import Task
from helpers.drills.judge import find, judge, names
from helpers.drills.spec import Drill, call

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


@pytest.fixture(params=names())
def drill(request) -> Drill:
    return find(request.param)


def each_mistake() -> list[tuple[str, str]]:
    return [(name, mistake.__name__) for name in names() for mistake in find(name).mistakes]


def test_right_answers_pass(drill):
    for answer in (drill.reference, *drill.alternatives, *drill.conventions):
        verdict = judge(drill, answer)
        assert verdict.status == "right", f"{answer.__name__}: {verdict}"
        assert verdict.passed == verdict.total == len(drill.make_cases())


@pytest.mark.parametrize("body", ["...", "pass", "raise NotImplementedError"])
def test_a_stub_awaits_an_answer(drill, body):
    namespace = {"np": np, "Callable": Callable, "__name__": "answer"}
    exec(f"{drill.signature}\n    {body}", namespace)
    assert judge(drill, namespace[drill.name]).status == "awaiting"


@pytest.mark.parametrize(("name", "mistake"), each_mistake())
def test_a_known_mistake_is_diagnosed_as_itself(name, mistake):
    answer = next(f for f in find(name).mistakes if f.__name__ == mistake)
    verdict = judge(name, answer)
    assert (verdict.status, verdict.mistake, verdict.certain) == ("wrong", mistake, True)
    assert verdict.message == " ".join(inspect.getdoc(answer).split())


def test_right_answers_pass_however_they_are_written(drill):
    # Where the judge observes more than the value returned, the value's own type may matter.
    variants = VARIANTS if drill.observe is call else (arrays_as_lists,)
    for description, answer in rewritings(drill.reference, 10, seed=0, variants=variants):
        verdict = judge(drill, answer)
        assert verdict.status == "right", f"{description}: {verdict}"


def test_a_sample_of_mutants_is_caught(drill):
    """Two hundred of each drill are for `make bench`."""
    known = EQUIVALENT.get(drill.name, {})
    for mutant in sample((drill.reference, *drill.alternatives), 12, seed=0, equivalent=known):
        if mutant.description not in known:
            assert judge(drill, mutant.function).status == "wrong", mutant.description


def test_no_mutant_is_called_equivalent_that_is_not_made(drill):
    made = {m.description: m for f in (drill.reference, *drill.alternatives) for m in mutants(f)}
    for description, reason in EQUIVALENT.get(drill.name, {}).items():
        assert reason, description
        first = made.get(description.split("; then ")[0])
        assert first, f"{description}: no such mutant (any more)"
        if first.description != description:
            assert description in {pair.description for pair in second_order(first)}


def test_equivalent_mutants_belong_to_drills():
    assert set(EQUIVALENT) <= set(names())


def test_drill_is_complete(drill):
    assert Path(inspect.getfile(drill.reference)).stem == drill.name
    assert len(drill.hints) == len(set(drill.hints)) == 3
    assert all(text.strip() == text for text in (drill.statement, drill.explanation, *drill.hints))
    notes = [case.note for case in drill.make_cases()]
    assert len(set(notes)) == len(notes), "two cases have the same note"


def test_drill_can_be_shown_and_opened(drill):
    text = repr(Task(drill))
    assert f"def {drill.name}(" in text and "→ " in text
    assert drill.name in Task(drill)._repr_html_()
    assert not re.search(r"_generator|numpy\.|collections\.", text)


def test_drill_names_the_section_that_teaches_it(drill):
    notebook, section = re.fullmatch(r"(\w+), section (\d+)", drill.taught_in).groups()
    path = NOTEBOOKS / f"{notebook}.ipynb"
    if path.exists():
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        assert re.search(rf"^## {section}\b", text, re.MULTILINE), f"{path.name} has none"
