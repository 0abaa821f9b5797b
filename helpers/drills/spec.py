"""What a drill is: a reference, the cases that try an answer, and the mistakes known in advance.

A drill is one file, ``helpers/drills/<topic>/<name>.py``, that defines ``DRILL``. Its parts are
plain functions, so that what the judge says can be read beside the code that it is about:

- the **reference** carries the drill's name, its signature, and, as docstring, the statement;
- a **known mistake** is the same function with one classic error: its name is the mistake's name,
  its docstring what the judge tells a reader who has made it.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One call of the answer.

    Args:
        note: what is special about it, for the reader: "all scores tied".
        args: the arguments, in order.
        condition: by how much rounding may be amplified; the tolerance is multiplied by it.
        seconds: the time limit of the call.
    """

    note: str
    args: tuple
    condition: float = 1.0
    seconds: float = 5.0


def call(answer: Callable, *args: Any) -> Any:
    """What the judge looks at unless a drill says otherwise: the value returned."""
    return answer(*args)


@dataclass(frozen=True)
class Drill:
    """A task, and everything that the judge needs to answer back.

    Args:
        reference: the solution in float64; name, signature and docstring are the task's.
        cases: gives the cases, the same for the same generator. The first is the example shown.
        alternatives: at least two right answers, written differently.
        mistakes: at least three; see above.
        hints: three, each giving more away.
        explanation: goes with the reference when the solution is opened.
        difficulty: 1, 2 or 3.
        taught_in: notebook and section.
        allowed: what may be used, in words.
        forbidden: what may not be called: packages ("sklearn") or functions of a package
            ("numpy.trapezoid").
        conventions: other references that are right too, where the field has more than one.
        observe: ``observe(answer, *args)`` calls the answer and returns what is compared: by
            default what it returned; where many outputs are right, or where it matters what moved,
            a dict of named observations.
        given: for a bug hunt, the mistake whose code is shown with the task, to be mended. Its
            docstring names the symptom and leaves the cause to the reader.
        seed: of the generator that `cases` gets; a class is marked by cases of another.
    """

    reference: Callable
    cases: Callable[[np.random.Generator], Iterable[Case]]
    alternatives: tuple[Callable, ...]
    mistakes: tuple[Callable, ...]
    hints: tuple[str, str, str]
    explanation: str
    difficulty: int
    taught_in: str
    allowed: str = "NumPy and plain Python."
    forbidden: tuple[str, ...] = ("sklearn", "scipy", "tensorflow", "keras")
    conventions: tuple[Callable, ...] = ()
    observe: Callable = call
    given: Callable | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, group, least in [("mistakes", self.mistakes, 3), ("hints", self.hints, 3),
                                   ("alternatives", self.alternatives, 2)]:  # fmt: skip
            if len(group) < least:
                raise ValueError(
                    f"{name} of {self.name} has {len(group)} entries: at least {least}"
                )
        for function in (self.reference, *self.mistakes):
            if not inspect.getdoc(function):
                raise ValueError(f"{function.__name__} of {self.name} has no docstring")
        if self.given not in (None, *self.mistakes):
            raise ValueError(f"given of {self.name} is {self.given}: one of its mistakes, or None")
        if self.difficulty not in (1, 2, 3):
            raise ValueError(f"difficulty of {self.name} is {self.difficulty}: 1, 2 or 3")

    @property
    def name(self) -> str:
        return self.reference.__name__

    @property
    def topic(self) -> str:
        return self.reference.__module__.split(".")[-2]

    @property
    def statement(self) -> str:
        return inspect.getdoc(self.reference)

    @property
    def signature(self) -> str:
        """The first line of an answer."""
        text = f"def {self.name}{inspect.signature(self.reference)}:"
        for prefix, short in [("numpy.", "np."), ("_generator.", ""), ("collections.abc.", "")]:
            text = text.replace(prefix, short)
        return text

    def make_cases(self) -> list[Case]:
        """The cases, the same every time."""
        return list(self.cases(np.random.default_rng(self.seed)))
