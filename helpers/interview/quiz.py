"""Quizzes at the end of the sections: one TOML file a notebook, ``quizzes/<notebook>.toml``.

The package jupyterquiz asks them. It needs a live kernel; where there is none, as on the web, the
same questions stand there with folded answers.
"""

import random
import tomllib
from dataclasses import dataclass
from functools import cache
from math import inf, nextafter
from pathlib import Path

from helpers.interview.show import bullets, inline, live

FOLDER = Path(__file__).parent / "quizzes"
CHOICE = {"section", "question", "right", "wrong"}
NUMBER = {"section", "question", "value", "within", "why", "wrong"}


@dataclass(frozen=True)
class Quiz:
    """One question of a quiz.

    Attributes:
        section: number, or start of the heading, of the main section that it closes.
        question: what is asked.
        right: the right option, or number, as text.
        why: why it is right.
        wrong: the other options, or numbers that slips give, each with its reason.
        within: for a number, how far from it is still right; None for a choice.
    """

    section: str
    question: str
    right: str
    why: str
    wrong: tuple[tuple[str, str], ...]
    within: float | None = None

    def for_jupyterquiz(self) -> dict:
        """The same in the package's form."""
        found = [(self.right, self.why, True), *((*pair, False) for pair in self.wrong)]
        if self.within is None:
            # In an order that does not tell which is right, and is the same for everybody.
            found.sort(key=lambda option: random.Random(self.question + option[0]).random())
            kind, forms = "multiple_choice", [{"answer": _marked(option)} for option, _, _ in found]
        else:
            kind = "numeric"
            ends = [
                (float(number) - self.within, float(number) + self.within) for number, *_ in found
            ]
            # The package leaves the upper end out.
            forms = [{"type": "range", "range": [low, nextafter(high, inf)]} for low, high in ends]
        answers = [
            form | {"correct": correct, "feedback": _marked(reason)}
            for form, (_, reason, correct) in zip(forms, found, strict=True)
        ]
        if kind == "numeric":
            answers.append({"type": "default", "feedback": "Not yet: work it out on paper."})
        return {"question": _marked(self.question), "type": kind, "answers": answers}


class QuizCard:
    """The quiz of a section: live where a kernel is, else with folded answers."""

    def __init__(self, found: list[Quiz]) -> None:
        self.found = found

    def __repr__(self) -> str:
        return "\n".join(f"Quiz: {quiz.question}" for quiz in self.found)

    def _repr_html_(self) -> str:
        return "\n".join(map(_folded, self.found))

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return live(_widget(self.found), repr(self), self._repr_html_())


def quiz(notebook: str, section: str | int) -> QuizCard:
    """The quiz that closes a main section.

    Args:
        notebook: "03_recurrent_networks".
        section: the section's number, or the start of its heading where it has none.

    Raises:
        ValueError: there is none.
    """
    found = [one for one in quizzes(notebook) if one.section == str(section)]
    if not found:
        raise ValueError(f"section is {section!r}: {notebook} has no quiz for it")
    return QuizCard(found)


@cache
def quizzes(notebook: str) -> tuple[Quiz, ...]:
    """All quizzes of a notebook.

    Raises:
        ValueError: the notebook has none, or one is incomplete.
    """
    file = FOLDER / f"{notebook}.toml"
    if not file.exists():
        raise ValueError(f"notebook is {notebook!r}: there are no quizzes for it")
    return tuple(map(_quiz, tomllib.loads(file.read_text(encoding="utf-8"))["quiz"]))


def _quiz(table: dict) -> Quiz:
    if set(table) not in (CHOICE, NUMBER):
        raise ValueError(f"a quiz has {sorted(table)}: {sorted(CHOICE)} or {sorted(NUMBER)}")
    wrong = tuple((str(option), reason) for option, reason in table["wrong"])
    if set(table) == CHOICE:
        right, why = table["right"]
        return Quiz(table["section"], table["question"], right, why, wrong)
    right, within = str(table["value"]), float(table["within"])
    return Quiz(table["section"], table["question"], right, table["why"], wrong, within)


def _marked(text: str) -> str:
    """As HTML, with dollars that jupyterquiz does not take for the beginning of a formula."""
    return inline(text).replace("$", "&#36;")


def _folded(quiz: Quiz) -> str:
    options = ""
    if quiz.within is None:
        answers = [answer["answer"] for answer in quiz.for_jupyterquiz()["answers"]]
        options = "<ul>" + "".join(f"<li>{answer}</li>" for answer in answers) + "</ul>"
    reasons = bullets([f"{option}: {reason}" for option, reason in quiz.wrong])
    return (
        f"<p><b>Quiz.</b> {inline(quiz.question)}</p>{options}<details><summary>Answer</summary>"
        f"<p><b>{inline(quiz.right)}</b>: {inline(quiz.why)}</p>{reasons}</details>"
    )


def _widget(found: list[Quiz]):
    """A widget that holds what jupyterquiz displays."""
    from IPython.utils.capture import capture_output
    from ipywidgets import Output
    from jupyterquiz import display_quiz

    # jupyterquiz draws the name of its box from Python's generator, which is the notebook's.
    state = random.getstate()
    random.seed(found[0].question)
    with capture_output() as captured:
        display_quiz([quiz.for_jupyterquiz() for quiz in found], shuffle_answers=False)
    random.setstate(state)
    output = Output()
    for shown in captured.outputs:
        output.append_display_data(shown)
    return output
