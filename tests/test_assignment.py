"""An assignment, from `make assignment` to the table of marks, by nbgrader's own commands; and what
no answer may do."""

import copy
import csv
import inspect
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from helpers.classroom.answers import check, mark, new_cases, outline
from helpers.classroom.assignment import NOTEBOOKS, answer_cell, drills_of, write_assignment
from helpers.classroom.confine import landlock_version
from helpers.drills.compare import difference, plain
from helpers.drills.judge import find, names
from helpers.drills.verdict import is_stub

NAME = "03_recurrent_networks"
POINTS = {"rnn_step": 2, "bigram_model": 4, "ctc_collapse": 2, "next_token_pairs": 2}

# By heart: right wherever the result has been seen.
BY_HEART = """
import numpy as np

RESULTS = {results}


def rnn_step(x_t, h, W_x, W_h, b):
    return np.array(RESULTS[repr([array.tolist() for array in (x_t, h, W_x, W_h, b)])])
"""

EMPTY_RAISES = """
def ctc_collapse(path, blank):
    labels = [label for label, before in zip(path, [path[0] + 1, *path]) if label != before]
    return [label for label in labels if label != blank]
"""

ENDLESS = """
def rnn_step(x_t, h, W_x, W_h, b):
    while True:
        pass
"""

COPIED = """
from helpers.drills.recurrent.bigram_model import bigram_model as solution


def bigram_model(*arguments):
    return solution(*arguments)
"""

EQUALS_EVERYTHING = """
class Anything:
    def __eq__(self, other):
        return True

    def __len__(self):
        return 3


def ctc_collapse(path, blank):
    return Anything()
"""

PATCHES = """
import numpy as np

import helpers.classroom.answers
import helpers.drills.judge
from helpers.drills.verdict import Verdict

helpers.drills.judge.judge = lambda drill, answer: Verdict(drill.name, "right")
helpers.classroom.answers.mark = lambda *rest: 1_000
np.allclose = np.array_equal = lambda *rest: True


def check(answer, points):
    return points
"""

FAKE = "raise RuntimeError('a module of the student was imported')\n"


def by_heart() -> str:
    task = find("rnn_step")
    results = {
        repr([array.tolist() for array in case.args]): task.reference(*case.args).tolist()
        for case in task.make_cases()
    }
    return BY_HEART.format(results=results)


class Class:
    """A course folder, and nbgrader's commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_assignment(NOTEBOOKS / f"{NAME}.ipynb", list(POINTS), folder)
        self.run("generate_assignment", NAME)
        self.released = nbformat.read(folder / "release" / NAME / f"{NAME}.ipynb", as_version=4)

    def run(self, *command: str, fails: bool = False) -> str:
        # As in a terminal where .venv is not activated, and in the folder of the course.
        nbgrader = Path(sys.executable).with_name("nbgrader")
        done = subprocess.run(
            [nbgrader, *command], cwd=self.folder, capture_output=True, encoding="utf-8"
        )
        assert done.returncode == fails, done.stderr
        return done.stderr

    def submit(self, student: str, answers: dict[str, str], change=None) -> Path:
        """Hand in the released notebook with these answers by grade id, changed further."""
        notebook = copy.deepcopy(self.released)
        for cell in notebook.cells:
            cell.source = answers.get(cell.metadata.nbgrader.grade_id, cell.source)
        if change:
            change(notebook)
        path = self.folder / "submitted" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
        return path

    def marks(self) -> dict[str, float]:
        self.run("export")
        with open(self.folder / "grades.csv", encoding="utf-8") as table:
            return {row["student_id"]: float(row["score"]) for row in csv.DictReader(table)}

    def feedback(self, student: str) -> str:
        path = self.folder / "feedback" / student / NAME / f"{NAME}.html"
        return path.read_text(encoding="utf-8")


def everything_of_the_cheats(notebook) -> None:
    """Patch the judge, overwrite a test, raise its points."""
    notebook.cells.insert(0, new_code_cell(PATCHES))
    by_id = {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells[1:]}
    by_id["setup"].source = PATCHES
    test = by_id["test_next_token_pairs"]
    test.source, test.metadata.nbgrader.points = "1_000", 1_000
    test.metadata.nbgrader.locked = False
    notebook.cells.append(new_code_cell("while True:\n    pass"))


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Class:
    """A class whose submissions are graded, and whose feedback is written."""
    course = Class(tmp_path_factory.mktemp("a class"))
    right = {name: answer_cell(find(name)) for name in POINTS}
    course.submit("perfect", right)
    course.submit("half", {"rnn_step": right["rnn_step"], "ctc_collapse": EMPTY_RAISES})
    course.submit("empty", {})
    course.submit("blank", {}, lambda notebook: notebook.cells.clear())
    course.submit("endless", {**right, "rnn_step": ENDLESS})
    cheats = {
        "rnn_step": by_heart(),
        "bigram_model": COPIED,
        "ctc_collapse": EQUALS_EVERYTHING,
    }
    beside = course.submit("cheating", cheats, everything_of_the_cheats).parent
    (beside / "helpers").mkdir()
    for name in ("helpers/__init__.py", "numpy.py", "nbgrader_config.py", "sitecustomize.py"):
        (beside / name).write_text(FAKE)
    course.submit("untidy", right, in_other_cells)
    course.submit("unreadable", {}).write_text("{")
    course.said = course.run("autograde", NAME, fails=True)
    course.run("generate_feedback", NAME)
    return course


def in_other_cells(notebook) -> None:
    """Answers in cells that the student has added, above the tests; a test deleted."""
    for cell in list(notebook.cells):
        name = cell.metadata.nbgrader.get("grade_id", "")
        if name in POINTS:
            notebook.cells.insert(notebook.cells.index(cell) + 1, new_code_cell(cell.source))
            cell.source = "%matplotlib inline"
        elif name == "test_rnn_step":
            notebook.cells.remove(cell)


# ---- the round trip ----------------------------------------------------------------------------
def test_each_submission_gets_the_mark_that_it_deserves(graded):
    assert graded.marks() == {
        "perfect": 10,
        "half": 2 + 1.5,  # all of one question, ten of eleven cases of another
        "empty": 0,
        "blank": 0,
        "endless": 8,
        "cheating": 0,
        "untidy": 10,
        "unreadable": 0,
    }


def test_only_a_file_that_cannot_be_read_is_an_error(graded):
    errors = [line for line in graded.said.splitlines() if "error processing" in line]
    assert errors and all("unreadable" in line for line in errors)


def test_feedback_shows_the_diagnosis_and_the_points(graded):
    half = graded.feedback("half")
    assert "Your code takes the first frame of an empty path." in half
    assert "Points: 1.5 of 2." in half
    assert "<code>bigram_model</code> awaits your answer" in half
    assert "did not finish within" in graded.feedback("endless")
    cheating = graded.feedback("cheating")
    assert "KeyError" in cheating and "It uses <code>helpers.drills" in cheating
    assert "<code>rnn_step</code> is right in all" in graded.feedback("perfect")


def test_what_is_known_by_heart_passes_the_cases_shown_and_no_other():
    assert mark(find("rnn_step"), by_heart(), 14).points == 14
    hidden = mark(replace(find("rnn_step"), seed=5), by_heart(), 14)
    assert hidden.points == 0 and "1 of 7 cases pass" in hidden.card.title


def test_the_released_notebook_withholds_solutions_and_seeds(graded):
    text = "\n".join(cell.source for cell in graded.released.cells)
    assert "SOLUTION" not in text and "seed" not in text
    for name in POINTS:
        lines = inspect.getsource(find(name).reference).partition('"""\n')[2].splitlines()
        assert lines and not any(line in text for line in lines if line.strip())
    assert not (graded.folder / "release" / NAME / "hidden_seeds.json").exists()


def test_the_released_notebook_has_stubs_locked_tests_and_points(graded):
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in graded.released.cells}
    for name, points in POINTS.items():
        test = cells[f"test_{name}"]
        assert test.source == f"check({name}, points={points})"
        assert test.metadata.nbgrader.points == points and not test.metadata.editable
        assert is_stub(outline(cells[name].source, name)) == (find(name).given is None)
    assert "Mend it" in cells["task_next_token_pairs"].source


def test_a_student_sees_verdict_and_points_in_the_notebook(graded, tmp_path):
    from nbclient import NotebookClient

    notebook = copy.deepcopy(graded.released)
    for cell in notebook.cells:
        if cell.metadata.nbgrader.grade_id == "rnn_step":
            cell.source = answer_cell(find("rnn_step"))
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = {c.metadata.nbgrader.grade_id: c.get("outputs") for c in notebook.cells}
    card, value = outputs["test_rnn_step"]
    assert "is right in all 7 cases" in card.data["text/plain"]
    assert value.data["text/plain"] == "2.0"
    card, value = outputs["test_ctc_collapse"]
    assert "awaits your answer" in card.data["text/plain"] and value.data["text/plain"] == "0.0"


def test_the_same_assignment_is_not_overwritten(graded):
    with pytest.raises(FileExistsError, match="delete it to have it made anew"):
        write_assignment(NOTEBOOKS / f"{NAME}.ipynb", ["rnn_step"], graded.folder)


def test_another_assignment_keeps_the_seeds_and_the_settings(graded):
    seeds = json.loads((graded.folder / "hidden_seeds.json").read_text())
    settings = graded.folder / "nbgrader_config.py"
    settings.write_text(settings.read_text() + "# the teacher's own\n")
    notebook = NOTEBOOKS / "02_evaluation_metrics.ipynb"
    write_assignment(notebook, ["confusion_counts", "rnn_step"], graded.folder)
    after = json.loads((graded.folder / "hidden_seeds.json").read_text())
    assert after == {**seeds, "confusion_counts": after["confusion_counts"]}
    assert settings.read_text().endswith("# the teacher's own\n")


# ---- what an answer may not do -----------------------------------------------------------------
def earned(source: str, name: str = "rnn_step"):
    return mark(replace(find(name), seed=5), source, 2)


RIGHT = """\
import numpy as np
def rnn_step(x, h, W_x, W_h, b): return np.tanh(x @ W_x + h @ W_h + b)
"""

VANDAL = """
import os, shutil
{right}
tried = []
for attempt in (
    lambda: open({file!r}).read(),
    lambda: open({file!r}, "a").write("100"),
    lambda: os.truncate({file!r}, 0),
    lambda: os.replace({file!r}, {file!r} + "2"),
    lambda: os.unlink({file!r}),
    lambda: shutil.rmtree({folder!r}),
    lambda: os.kill(os.getppid(), 15),
):
    try:
        attempt()
        tried.append("done")
    except OSError:
        pass
if tried:
    raise RuntimeError(tried)
"""


@pytest.mark.skipif(not landlock_version(), reason="this system cannot confine an answer")
def test_an_answer_reaches_neither_files_nor_processes(tmp_path):
    grades = tmp_path / "gradebook.db"
    grades.write_text("50")
    source = VANDAL.format(right=RIGHT, file=str(grades), folder=str(tmp_path))
    assert earned(source).points == 2, "every attempt fails, and the answer itself is right"
    assert grades.read_text() == "50" and os.listdir(tmp_path) == ["gradebook.db"]


FORGER = """
import os, pickle
from multiprocessing.connection import Connection

class Command:
    def __reduce__(self):
        return os.system, ("touch {file}",)

def rnn_step(x, h, W_x, W_h, b):
    for descriptor in range(3, 1_024):
        try:
            Connection(descriptor, readable=False).send_bytes({message})
        except OSError:
            pass
    os._exit(0)
"""


@pytest.mark.parametrize("message", ["pickle.dumps(Command())", "b'no pickle'", "pickle.dumps(7)"])
def test_a_message_to_the_judge_is_never_run(tmp_path, message):
    forged = earned(FORGER.format(file=tmp_path / "forged", message=message))
    assert forged.points == 0 and "disturbed the process" in repr(forged.card)
    assert os.listdir(tmp_path) == []
    assert earned(RIGHT).points == 2


def test_a_cell_is_read_without_running_it(tmp_path):
    trap = f"open({str(tmp_path / 'trap')!r}, 'w')"
    source = f"@{trap}\ndef rnn_step(x: {trap}, h, W_x=1, *, b={trap}) -> {trap}: {trap}\n"
    function = outline(source + trap, "rnn_step")
    assert list(inspect.signature(function).parameters) == ["x", "h", "W_x", "b"]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "awaits your answer"),
        ("# nothing yet", "awaits your answer"),
        ("def rnn_step(x_t, h, W_x, W_h, b):\n    raise NotImplementedError", "awaits your answer"),
        ("def rnn_step(x_t, h, W_x, W_h, b):\n    return tanh(", "Line 2 is no Python"),
        ("%timeit 1\n" + RIGHT, "Line 1 is no Python"),
        ("\0", "no Python"),
        ("(" * 5_000, "no Python"),
        ("rnn = 1", "The cell defines no function `rnn_step`."),
        ("def rnn_step(x_t): return x_t", "cannot be called as rnn_step(x_t, h, W_x, W_h, b)"),
        (RIGHT + "from helpers.drills import drill", "It uses `helpers.drills`"),
        (RIGHT + "import scipy.special", "It uses `scipy.special`"),
        (RIGHT + "np.tanh = np.sin", "replaces `numpy.tanh`"),
        (RIGHT + "while True: pass", "did not finish within"),
        (RIGHT + "raise SystemExit", "SystemExit"),
        (RIGHT.replace("import numpy as np", ""), "NameError: name 'np' is not defined"),
        (RIGHT.replace("h @", "h[9] @"), "at def rnn_step("),
    ],
)
def test_what_is_no_answer_gets_no_points_and_a_reason(source, words):
    got = earned(source)
    assert got.points == 0 and words in " ".join(repr(got.card).split())


def test_part_marks_are_halves_and_no_more_than_the_new_cases_give():
    (half_mended,) = (
        inspect.getsource(mistake).replace(mistake.__name__, "next_token_pairs")
        for mistake in find("next_token_pairs").mistakes
        if mistake.__name__ == "zero_taken_for_padding"
    )
    hunt = earned("import numpy as np\n" + half_mended, "next_token_pairs")
    assert "4 of 8 cases pass" in hunt.card.title and hunt.points == 0, "a hunt has no part marks"
    assert earned(EMPTY_RAISES, "ctc_collapse").points == 1.5


def test_check_needs_a_function():
    with pytest.raises(TypeError, match="answer is int: it should be a Python function"):
        check(5)


def test_marking_without_the_settings_of_the_course_gives_no_points(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(RuntimeError, match=r"has not read the nbgrader_config\.py of this course"):
        check(find("rnn_step").reference)


# ---- all drills --------------------------------------------------------------------------------
@pytest.mark.parametrize("name", names())
def test_every_drill_can_be_asked(name):
    task = find(name)
    assert new_cases(replace(task, seed=5)), "another seed makes no new case"
    cell = answer_cell(task)
    assert "helpers" not in cell
    namespace, shown = {}, task.given or task.reference
    exec(cell, namespace)
    case = task.make_cases()[0]
    got, expected = (plain(task.observe(f, *copy.deepcopy(case.args)))
                     for f in (namespace[name], task.reference))  # fmt: skip
    assert difference(got, expected, case.condition) is None
    before, _, rest = cell.partition("### BEGIN SOLUTION")
    stub = outline(before + "# Your code here." + rest.partition("### END SOLUTION")[2], name)
    assert [*inspect.signature(stub).parameters] == [*inspect.signature(shown).parameters]
    assert is_stub(stub) == (task.given is None)


def test_every_notebook_has_drills_to_ask():
    drills = {path.stem: drills_of(path) for path in NOTEBOOKS.glob("*.ipynb")}
    assert len(drills) == 10 and all(drills.values())
    assert drills[NAME][:2] == ["rnn_forward", "rnn_backward"]
    assert "mlp_backward" in drills["00_start_here"], "which shows none"
