"""How nbgrader marks the course's assignments: `configure` is called in `nbgrader_config.py`.

nbgrader as it comes executes a submission, and believes what its kernel says; but what a student's
code has changed in that kernel may say anything. Here no kernel is started. Of a submission only
the text of the answers is taken, and put into the assignment as it was released (`TakeAnswers`);
then each answer is judged outside (`JudgeAnswers`), by cases made from the seeds in `SEEDS`, a file
that only the teacher has.

What remains possible:

- An answer may be copied, from a neighbour or from the course, whose solutions any reader can open.
  Digging one out of the judge's memory comes to the same.
- Where the system has no Landlock (macOS, Linux before 5.13, some containers; `autograde` warns),
  an answer runs with your rights but for writing to files: it can read your files, and delete them.
  There, mark in a container or in an account that holds nothing else.
- An answer may use a processor up to the drill's limit of time, and 4 GB of memory.
"""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
from nbformat.v4 import new_output
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets.config import Config

from helpers.classroom.answers import mark, outline
from helpers.classroom.confine import landlock_version
from helpers.drills.card import Card
from helpers.drills.judge import find

SEEDS = "hidden_seeds.json"  # the seed of the hidden cases by drill
STUB = "# Your code here."
TEST = re.compile(r"check\((\w+), points=\d+\)")  # the whole of a test cell


def configure(config: Config) -> None:
    """Set up nbgrader to withhold the solutions and to mark in this module's way."""
    # nbgrader makes its gradebook by a command: it is in the path of activated environments only.
    scripts = os.path.dirname(sys.executable)
    os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    config.ClearSolutions.code_stub = {"python": STUB}
    config.Autograde.sanitize_preprocessors = [
        "helpers.classroom.grading.TakeAnswers",
        "nbgrader.preprocessors.OverwriteKernelspec",
        "nbgrader.preprocessors.OverwriteCells",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    config.Autograde.autograde_preprocessors = [
        "helpers.classroom.grading.JudgeAnswers",
        "nbgrader.preprocessors.LimitOutput",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]


class TakeAnswers(NbGraderPreprocessor):
    """The assignment as released, with a submission's answers in it, and nothing else of it."""

    def preprocess(self, nb, resources):
        ids, course = resources["nbgrader"], CourseDirectory(parent=self)
        folder = course.format_path(course.release_directory, ".", ids["assignment"])
        released = nbformat.read(Path(folder, f"{ids['notebook']}.ipynb"), as_version=4)
        drills = {match[1] for cell in released.cells if (match := TEST.fullmatch(cell.source))}
        for cell in released.cells:
            if is_solution(cell):
                name = cell.metadata.nbgrader.grade_id
                found = [other for other in nb.cells if _grade_id(other) == name]
                if name in drills:
                    found += _definitions(nb.cells, name)
                for answer in found[-1:]:
                    cell.source = answer.source
                    if "attachments" in answer:  # pictures in a written answer
                        cell.attachments = answer.attachments
        return released, resources


class JudgeAnswers(NbGraderPreprocessor):
    """Judge every answer, and write the verdict and the points into the test cell below it."""

    def preprocess(self, nb, resources):
        seeds = Path(CourseDirectory(parent=self).root, SEEDS)
        if not seeds.exists():
            raise FileNotFoundError(f"{seeds} is missing: `make assignment` writes it")
        hidden = json.loads(seeds.read_text(encoding="utf-8"))
        if not landlock_version():
            self.log.warning("This system has no Landlock: answers are not kept from your files.")
        answers = {_grade_id(cell): cell.source for cell in nb.cells if is_solution(cell)}
        tests = [cell for cell in nb.cells if is_grade(cell) and not is_solution(cell)]
        for count, cell in enumerate(tests, start=1):
            if not (match := TEST.fullmatch(cell.source)):
                raise ValueError(
                    f"the test cell {_grade_id(cell)} is {cell.source!r}: it should be a check of "
                    "this course, or have manual points; nothing else is executed here"
                )
            drill = replace(find(match[1]), seed=hidden[match[1]])
            try:
                earned = mark(drill, answers[drill.name], cell.metadata.nbgrader.points)
                card, points = earned.card, earned.points
            except Exception:
                self.log.exception("Judging %s failed: it gets 0 points, please look.", drill.name)
                card, points = Card("wrong", "The judge could not judge this answer"), 0.0
            cell.execution_count = count
            shown = {"text/html": card._repr_html_(), "text/plain": repr(card)}
            value = {"text/plain": repr(points)}
            cell.outputs = [
                new_output("display_data", shown),
                new_output("execute_result", value, execution_count=count),
            ]
        return nb, resources


def _grade_id(cell) -> str | None:
    nbgrader = cell.metadata.get("nbgrader")
    return nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None


def _definitions(cells: list, name: str) -> list:
    """The cells above a drill's test that define its function: in a notebook that is executed from
    the top, the last of them is what the test sees."""
    test = next((i for i, cell in enumerate(cells) if _grade_id(cell) == f"test_{name}"), None)
    code = [cell for cell in cells[:test] if cell.cell_type == "code"]
    return [cell for cell in code if outline(cell.source, name)]
