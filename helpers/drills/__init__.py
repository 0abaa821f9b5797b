"""Drills: write a function, and learn at once, and precisely, how it is wrong.

In a notebook::

    from helpers.drills import drill, hint, solution, progress

    drill("roc_auc")          # the task

    @drill("roc_auc")         # judges the function below when the cell runs
    def roc_auc(y_true, scores):
        ...

    hint("roc_auc")           # the next of three hints
    solution("roc_auc")       # a right answer, explained; opens after a try
    progress()                # where you stand

Each drill is one file, `<topic>/<name>.py`. An answer is judged in another process (`sandbox`) by
a judge that a notebook cannot disturb (`server`); what it says is decided in `verdict`.
"""

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable

from helpers.drills.card import Card
from helpers.drills.judge import find, names
from helpers.drills.judge import judge as _judge
from helpers.drills.logbook import events, export_progress, is_kept, record, standings
from helpers.drills.spec import Drill
from helpers.drills.verdict import Verdict, show

__all__ = ["Task", "drill", "export_progress", "hint", "names", "progress", "solution"]

LEVELS = {1: "easy", 2: "middling", 3: "hard"}


class Task:
    """A drill as a reader meets it: shown, it is the task; as a decorator, it judges."""

    def __init__(self, drill: Drill) -> None:
        self.drill = drill

    def __call__(self, answer: Callable) -> Callable:
        """Judge a function, keep the try, show the verdict; return the function as it is."""
        verdict = _judge(self.drill, answer)
        card = _verdict_card(verdict, answer)
        if verdict.status != "awaiting":
            record(self.drill.name, verdict.status, mistake=verdict.mistake, source=_source(answer))
            score = standings()[self.drill.name].score
            if score is not None:
                again = "" if verdict.status == "right" else "You have solved it before. "
                card.parts.append(f"{again}Score: {score} of 100.")
            card.parts += _not_kept()
        _show(card)
        return answer

    def judge(self, answer: Callable) -> Card:
        """The verdict on a function, without keeping the try."""
        return _verdict_card(_judge(self.drill, answer), answer)

    def card(self) -> Card:
        """The task: statement, signature, example, and what is allowed."""
        name, example = self.drill.name, self.drill.make_cases()[0]
        call = f"{name}({', '.join(show(argument) for argument in example.args)})"
        kind, hunt = "Drill", []
        if self.drill.given:
            kind = "Bug hunt"
            code = _body(self.drill.given).replace(self.drill.given.__name__, name)
            hunt = [
                "This code runs, and is wrong. Find out why, and write it right:",
                ("code", code),
            ]
        return Card(
            "task",
            f"{kind} `{name}`: {self.drill.topic}, {LEVELS[self.drill.difficulty]}",
            [
                self.drill.statement,
                *hunt,
                ("code", f'@drill("{name}")\n{_broken(self.drill.signature)}\n    ...'),
                f"For example, {example.note}:",
                ("code", f"{call}\n→ {show(self.drill.reference(*example.args))}"),
                f"Allowed: {self.drill.allowed} Taught in {self.drill.taught_in}. Stuck: "
                f'`hint("{name}")`. Tolerance: 2e-13 of the largest number expected, 1e-4 where '
                "you return float32.",
            ],
        )

    def __repr__(self) -> str:
        return repr(self.card())

    def _repr_html_(self) -> str:
        return self.card()._repr_html_()


def drill(name: str) -> Task:
    """The task of that name: show it, or decorate your answer with it.

    Raises:
        ValueError: there is no such drill.
    """
    return Task(find(name))


def hint(name: str) -> Card:
    """The next of three hints. Each costs 20 points of 100 until the drill is solved."""
    task = find(name)
    before = sum((event["drill"], event["kind"]) == (name, "hint") for event in events())
    if before < len(task.hints):
        record(name, "hint")
    shown = task.hints[: before + 1]
    title = f"Hint {len(shown)} of {len(task.hints)} for `{name}`"
    return Card("note", title, [f"{number}. {text}" for number, text in enumerate(shown, start=1)])


def solution(name: str, *, anyway: bool = False) -> Card:
    """A right answer, explained. It opens after a judged try, or on request with ``anyway=True``.

    Opened before the drill is solved, it takes the points.
    """
    task = find(name)
    standing = standings().get(name)
    if not anyway and not (standing and standing.tries):
        text = f'One honest try first: it need not be right. Or `solution("{name}", anyway=True)`.'
        return Card("awaiting", f"The solution of `{name}` is still closed", [text])
    record(name, "solution")
    return Card(
        "note", f"A solution of `{name}`", [("code", _body(task.reference)), task.explanation]
    )


def progress() -> Card:
    """Every drill, and where you stand with it."""
    reached = standings()
    rows = [("drill", "topic", "taught in", "tries", "hints", "score")]
    for name in names():
        task, standing = find(name), reached.get(name)
        row = (name, task.topic, task.taught_in)
        if standing is None:
            rows.append((*row, "", "", ""))
        else:
            score = "open" if standing.score is None else str(standing.score)
            rows.append((*row, str(standing.tries), str(standing.hints), score))
    solved = sum(standing.score is not None for standing in reached.values())
    return Card(
        "note", f"{solved} of {len(names())} drills solved", [("table", rows), *_not_kept()]
    )


def _verdict_card(verdict: Verdict, answer: Callable) -> Card:
    name = f"`{verdict.drill}`"
    if verdict.status == "awaiting":
        text = f'Write its body and run the cell. Stuck: `hint("{verdict.drill}")`.'
        return Card("awaiting", f"{name} awaits your answer", [text])
    if verdict.status == "right":
        return Card("right", f"{name} is right in all {verdict.total} cases", verdict.remarks)
    card = Card("wrong", f"{name} is not right yet: {verdict.passed} of {verdict.total} cases pass")
    if verdict.mistake:
        known = "The mistake" if verdict.certain else "One mistake of several"
        card.parts.append(f"{known}: {verdict.mistake.replace('_', ' ')}.")
    card.parts.append(verdict.message)
    if verdict.call:
        lines = [verdict.call, f"    got       {verdict.got}", f"    expected  {verdict.expected}"]
        if verdict.line:
            source = linecache.getline(inspect.unwrap(answer).__code__.co_filename, verdict.line)
            lines.append(f"    at        {source.strip() or f'line {verdict.line}'}")
        card.parts += [f"The smallest case that fails, {verdict.note}:", ("code", "\n".join(lines))]
    if verdict.printed:
        card.parts += ["Your code said:", ("code", verdict.printed.rstrip())]
    card.parts += verdict.remarks
    return card


def _not_kept() -> list[str]:
    if is_kept():
        return []
    return ["Your progress has not been written yet: its file cannot be used at the moment."]


def _broken(signature: str) -> str:
    """A long signature over several lines, as one would write it."""
    if len(signature) <= 88:
        return signature
    name, _, rest = signature.partition("(")
    parameters, _, result = rest.rpartition(")")
    glued = f"{parameters},".replace(": ", ":\N{NO-BREAK SPACE}")
    lines = [line.replace("\N{NO-BREAK SPACE}", " ") for line in textwrap.wrap(glued, 84)]
    return "\n    ".join([f"{name}(", *lines]) + f"\n){result}"


def _source(answer: Callable) -> str:
    try:
        return inspect.getsource(answer)
    except (OSError, TypeError):
        return ""


def _body(function: Callable) -> str:
    """A function's source without its docstring, which is the statement that the reader knows."""
    lines = inspect.getsource(function).splitlines()
    docstring = ast.parse("\n".join(lines)).body[0].body[0]
    return "\n".join(lines[: docstring.lineno - 1] + lines[docstring.end_lineno :])


def _show(card: Card) -> None:
    try:
        from IPython import get_ipython
    except ImportError:
        print(card)
        return
    if get_ipython() is None:
        print(card)
    else:
        from IPython.display import display

        display(card)
