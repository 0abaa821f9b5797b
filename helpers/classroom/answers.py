"""Judge and mark an answer to a drill by the text of its cell: in a student's notebook, and by the
same rules in the teacher's `nbgrader autograde`.

A cell stands alone: it imports what it uses, and its text runs in a process of its own, where
`confine` has left it nothing to spoil. Whatever else a notebook has done (a patched judge, a
changed NumPy, an overwritten test) is neither seen nor executed.
"""

import ast
import inspect
import linecache
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle
from IPython.display import display

from helpers.classroom.confine import confine
from helpers.drills import programs, verdict_card
from helpers.drills.card import Card
from helpers.drills.judge import find, judge
from helpers.drills.spec import Drill
from helpers.drills.verdict import Verdict, is_stub

FILE = "<answer>"  # stands for the cell in messages of Python
POINTS = {1: 2, 2: 4, 3: 6}  # by difficulty


@dataclass(frozen=True)
class Mark:
    """What an answer earned, and the judge's words for it."""

    points: float
    card: Card


def check(answer: Callable, points: float = 1) -> float:
    """In a student's notebook: show the verdict on the cell that defined a function.

    It is judged as it will be for the mark, by the cases that the course shows; the mark comes from
    others.

    Args:
        answer: the function. Its name is the drill's.
        points: what a right answer is worth.

    Returns:
        The points that these cases would give.

    Raises:
        TypeError: answer is no Python function.
        ValueError: no drill has its name.
        OSError: the function comes from no cell.
        RuntimeError: nbgrader runs this while it marks, without the settings of `grading`.
    """
    if os.environ.get("NBGRADER_EXECUTION") == "autograde":
        raise RuntimeError(
            "nbgrader has not read the nbgrader_config.py of this course: start it in that folder"
        )
    function = inspect.unwrap(answer)
    if not inspect.isfunction(function):
        raise TypeError(f"answer is {type(answer).__name__}: it should be a Python function")
    cell, _ = inspect.findsource(function)
    earned = mark(find(answer.__name__), "".join(cell), points)
    display(earned.card)
    return earned.points


def mark(drill: Drill, source: str, points: float) -> Mark:
    """Judge the text of a cell, and give points for the share of cases that pass.

    Where the drill has another seed than the course's, only some of its cases are new. The share is
    counted over all cases and over the new ones, and the lower counts: who has learnt the shown
    results by heart gets nothing. A bug hunt has no part marks, since the code given passes some
    cases. Points are rounded down to halves.

    Raises:
        RuntimeError: the judge itself failed.
    """
    with warnings.catch_warnings():  # of the answer's syntax
        warnings.simplefilter("ignore")
        verdict, runs = _judged(drill, source)
    share = float(verdict.status == "right")
    if verdict.status == "wrong" and verdict.failing and not drill.given:
        failing = set(verdict.failing)
        groups = [group for group in (range(verdict.total), new_cases(drill)) if group]
        share = min(1 - len(failing.intersection(group)) / len(group) for group in groups)
    earned = math.floor(2 * points * share) / 2
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    card = verdict_card(verdict, runs)
    card.parts.append(f"Points: {earned:g} of {points:g}.")
    return Mark(earned, card)


def new_cases(drill: Drill) -> list[int]:
    """The numbers of a drill's cases that are none of the course's: its seed makes them."""
    shown = {cloudpickle.dumps(case.args) for case in replace(drill, seed=0).make_cases()}
    every = enumerate(drill.make_cases())
    return [number for number, case in every if cloudpickle.dumps(case.args) not in shown]


def outline(source: str, name: str) -> Callable | None:
    """The last function of that name in a cell, with its parameters and its body, made without
    running anything: defaults are None, decorators and annotations left out. None where the cell
    is no Python or defines no such function.
    """
    try:
        tree = ast.parse(source)
        *_, function = (
            node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
        )
        parameters = function.args
        for node in ast.walk(parameters):
            if isinstance(node, ast.arg):
                node.annotation = None
        nothing = ast.Constant(None)
        parameters.defaults = [nothing for _ in parameters.defaults]
        parameters.kw_defaults = [default and nothing for default in parameters.kw_defaults]
        function.decorator_list, function.returns, function.type_params = [], None, []
        module = ast.fix_missing_locations(ast.Module([function], []))
        namespace: dict[str, Any] = {}
        exec(compile(module, FILE, "exec"), namespace)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return namespace[name]


def _judged(drill: Drill, source: str) -> tuple[Verdict, Callable]:
    """The verdict on a cell, and a function whose file is the cell."""
    total = len(drill.make_cases())
    course = replace(drill, forbidden=(*drill.forbidden, "helpers"))
    function = outline(source, drill.name)
    if complaint := programs.complaint(course, source):
        return Verdict(drill.name, "wrong", complaint, total=total), drill.reference
    if complaint == "" or (function and is_stub(function)):
        return Verdict(drill.name, "awaiting"), drill.reference
    if function is None:
        message = f"The cell defines no function `{drill.name}`."
        return Verdict(drill.name, "wrong", message, total=total), drill.reference
    runs = _runs(source, function)
    return judge(drill, runs), runs


def _runs(source: str, function: Callable) -> Callable:
    """A function that runs the cell and calls what it defines: only ever called by the judge, in
    the process that it makes for an answer."""
    name, defined, file = function.__name__, {}, FILE

    def answer(*args: Any) -> Any:
        if not defined:
            confine()
            namespace = {"__name__": "__main__"}
            exec(compile(source, file, "exec"), namespace)
            defined[name] = namespace[name]
        return defined[name](*args)

    answer.__name__ = name
    answer.__signature__ = inspect.signature(function)
    # The line that raised is looked for in the file of the function that the judge has.
    answer.__code__ = answer.__code__.replace(co_filename=FILE)
    return answer
