"""Drills: write a function, and learn at once, and precisely, how it is wrong.

In a notebook::

    from helpers.drills import drill, hint, solution, progress

    drill("roc_auc")          # the task

    @drill("roc_auc")         # judges the function below when the cell runs
    def roc_auc(y_true, scores):
        ...

    program("roc_auc")        # the task, to be solved by a program that reads and prints

    %%program roc_auc
    ...                       # judges the program in this cell

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

from helpers.drills import programs
from helpers.drills.card import Card
from helpers.drills.compare import plain
from helpers.drills.judge import find, names
from helpers.drills.judge import judge as _judge
from helpers.drills.logbook import (
    Standing,
    events,
    export_progress,
    record,
    standings,
    trouble,
)
from helpers.drills.spec import Drill
from helpers.drills.verdict import Verdict, show

__all__ = [
    "Task",
    "drill",
    "export_progress",
    "hint",
    "judge_program",
    "names",
    "program",
    "progress",
    "solution",
]

LEVELS = {1: "easy", 2: "middling", 3: "hard"}


class Task:
    """A drill as a reader meets it: shown, it is the task; as a decorator, it judges."""

    def __init__(self, drill: Drill) -> None:
        self.drill = drill

    def __call__(self, answer: Callable) -> Callable:
        """Judge a function, keep the try, show the verdict; return the function as it is."""
        _show(self.attempt(answer, _source(answer))[1])
        return answer

    def attempt(self, answer: Callable, source: str) -> tuple[Verdict, Card]:
        """Judge a function and keep the try, with its text; return the verdict, and its card."""
        verdict = _judge(self.drill, answer)
        return verdict, _kept(self.drill, verdict, verdict_card(verdict, answer), source)

    def judge(self, answer: Callable) -> Card:
        """The verdict on a function, without keeping the try."""
        return verdict_card(_judge(self.drill, answer), answer)

    def stub(self) -> str:
        """What an answer begins with; of a bug hunt, the code to be mended."""
        if self.drill.given:
            return _body(self.drill.given).replace(self.drill.given.__name__, self.drill.name)
        return f"{_broken(self.drill.signature)}\n    ..."

    def card(self) -> Card:
        """The task: statement, signature, example, and what is allowed."""
        name = self.drill.name
        kind, hunt = "Drill", []
        if self.drill.given:
            kind = "Bug hunt"
            hunt = [
                "This code runs, and is wrong. Find out why, and write it right:",
                ("code", self.stub()),
                *self.symptom(),
            ]
        return Card(
            "task",
            f"{kind} `{name}`: {self.drill.topic}, {LEVELS[self.drill.difficulty]}",
            [
                self.drill.statement,
                *hunt,
                ("code", f'@drill("{name}")\n{_broken(self.drill.signature)}\n    ...'),
                *self.example(),
                f"Allowed: {self.drill.allowed} Taught in {self.drill.taught_in}. Stuck: "
                f'`hint("{name}")`. Tolerance: 2e-13 of the largest number expected, 1e-4 where '
                "you return float32.",
            ],
        )

    def example(self) -> list[str | tuple]:
        """The first case, and what comes of it, as parts of a card."""
        case = self.drill.make_cases()[0]
        call = f"{self.drill.name}({', '.join(show(argument) for argument in case.args)})"
        result = show(self.drill.reference(*case.args))
        return [f"For example, {case.note}:", ("code", f"{call}\n→ {result}")]

    def symptom(self) -> list[str | tuple]:
        """What a bug hunt's code makes of the smallest case in which it is wrong, likewise."""
        verdict = _judge(self.drill, self.drill.given)
        call = f"{verdict.call}\n→ {verdict.got}\n  instead of {verdict.expected}"
        return [f"What one sees, {verdict.note}:", ("code", call)]

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


def program(name: str) -> Card:
    """The task of that name for a program that reads and prints, as in written tests.

    Answer it in a cell that begins with ``%%program NAME``.

    Raises:
        ValueError: there is no such drill, or its arguments cannot be written as lines.
    """
    task = _as_program(name)
    args = task.make_cases()[0].args
    expected = programs.printed(plain(task.reference(*args)))
    return Card(
        "task",
        f"Program `{name}`: {task.topic}, {LEVELS[task.difficulty]}",
        [
            task.statement,
            f"Write it as a program. {programs.FORMAT}",
            ("code", f"%%program {name}\n..."),
            f"The arguments are those of `{task.signature.removeprefix('def ').rstrip(':')}`. "
            "For example, this input:",
            ("code", programs.encoded(args)),
            "has this output:",
            ("code", expected),
        ],
    )


def judge_program(name: str, source: str) -> Card:
    """Judge the text of a program by the drill's cases, keep the try, and return the verdict."""
    task = _as_program(name)
    complaint = programs.complaint(task, source)
    if complaint is None:
        verdict = _judge(task, programs.as_function(task, source))
        verdict.line = None  # of the function that runs the program
    else:
        status = "wrong" if complaint else "awaiting"
        verdict = Verdict(name, status, complaint, total=len(task.make_cases()))
    return _kept(task, verdict, verdict_card(verdict, task.reference), source)


def _as_program(name: str) -> Drill:
    try:
        return programs.for_programs(find(name))
    except ValueError as error:
        if name not in names():
            raise
        can = [other for other in names() if programs.can_be_a_program(find(other))]
        raise ValueError(f"{error}; as programs: {', '.join(can)}") from None


def hint(name: str) -> Card:
    """The next of three hints. Each costs 20 points of 100 until the drill is solved."""
    task = find(name)
    before = sum(event["drill"] == name for event in events(["hint"]))
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


def progress(topic: str | None = None) -> Card:
    """The catalogue: every drill, or those of a topic, and where you stand with each.

    Raises:
        ValueError: there is no such topic.
    """
    tasks = sorted((find(name) for name in names()), key=lambda task: (task.topic, task.name))
    topics = sorted({task.topic for task in tasks})
    if topic not in (None, *topics):
        raise ValueError(f"topic is {topic!r}: it should be one of {', '.join(topics)}")
    reached = standings()
    parts, solved, count = [], 0, 0
    for shown in topics if topic is None else [topic]:
        rows = [("drill", "kind", "difficulty", "taught in", "tries", "hints", "score")]
        for task in tasks:
            if task.topic == shown:
                rows.append(_row(task, reached.get(task.name)))
        done = sum(row[-1].isdigit() for row in rows)
        solved, count = solved + done, count + len(rows) - 1
        parts.append(("folded", (f"{shown}: {done} of {len(rows) - 1}", rows)))
    return Card("note", f"{solved} of {count} drills solved", [*parts, *trouble()])


def _row(task: Drill, standing: Standing | None) -> tuple[str, ...]:
    kind = "bug hunt" if task.given else "task"
    if programs.can_be_a_program(task):
        kind += ", program"
    about = (task.name, kind, LEVELS[task.difficulty], task.taught_in)
    if standing is None:
        return (*about, "", "", "")
    score = "open" if standing.score is None else str(standing.score)
    return (*about, str(standing.tries), str(standing.hints), score)


def _kept(task: Drill, verdict: Verdict, card: Card, source: str) -> Card:
    """Keep the try, and say on the card what it is worth."""
    if verdict.status == "awaiting":
        return card
    record(task.name, verdict.status, mistake=verdict.mistake, source=source)
    score = standings()[task.name].score
    if verdict.status == "right" and task.given:
        card.parts.append(f"The lesson: {task.explanation}")
    if score is not None:
        again = "" if verdict.status == "right" else "You have solved it before. "
        card.parts.append(f"{again}Score: {score} of 100.")
    card.parts += trouble()
    return card


def verdict_card(verdict: Verdict, answer: Callable) -> Card:
    """A verdict as a reader meets it. The answer's file or cell gives the line that raised."""
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


def _register_magic() -> None:
    """Teach the notebook ``%%program NAME``."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    if get_ipython() is not None:
        magic = lambda line, cell: _show(judge_program(line.strip(), cell))  # noqa: E731
        get_ipython().register_magic_function(magic, "cell", "program")


_register_magic()
