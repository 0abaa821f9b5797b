"""Make an nbgrader assignment of a notebook's drills: ``make assignment NOTEBOOK=03``.

It writes, into a course folder of nbgrader's, `source/NOTEBOOK/NOTEBOOK.ipynb`: for each drill the
statement, a cell for the answer, and a locked test. From there on nbgrader's own commands go on;
`grading` says how they mark here.
"""

import argparse
import ast
import glob
import inspect
import json
import os
import re
import secrets
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from tqdm import tqdm

from helpers.classroom.answers import POINTS, new_cases
from helpers.classroom.grading import SEEDS
from helpers.drills import LEVELS, Task
from helpers.drills.judge import find, judge, names
from helpers.drills.spec import Drill

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TRIES = 20  # seeds that are tried for one drill

CONFIG = '''"""nbgrader's settings for this course. Add yours below."""

from helpers.classroom.grading import configure

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "deep-learning-notebooks"
configure(c)
'''

RULES = """Write each answer into the cell below its question, run the cell, then the test below it.
The test says what the judge makes of it, by the cases that the course shows. Your mark comes from
other cases of the same kind; an answer that is right in a part of them gets a part of the points.

- **An answer stands alone**: its cell imports and defines all that it uses.
- Cells that you add are yours; they are not marked.
- `hint("NAME")` from `helpers.drills` helps, and costs no points here."""


def drills_of(notebook: Path) -> list[str]:
    """The drills that a notebook shows, in its order; if it shows none, those that it teaches."""
    cells = nbformat.read(notebook, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    shown = re.findall(r'^(?:drill|program)\("(\w+)"\)', code, re.MULTILINE)
    taught = (name for name in names() if find(name).taught_in.startswith(f"{notebook.stem},"))
    return list(dict.fromkeys(shown or taught))


def write_assignment(notebook: Path, drills: list[str], course: Path) -> Path:
    """Write the assignment of these drills, and what nbgrader needs around it.

    Returns:
        The notebook written, in the course folder.

    Raises:
        ValueError: a drill does not exist, or is named twice.
        FileExistsError: the assignment is there already. It may have been edited, or released.
    """
    tasks = [find(name) for name in drills]
    if len(set(drills)) < len(drills):
        raise ValueError(f"drills is {drills}: each should be named once")
    path = course / "source" / notebook.stem / notebook.name
    if path.exists():
        raise FileExistsError(f"{path} is there already: delete it to have it made anew")
    seeds_file = course / SEEDS
    seeds = json.loads(seeds_file.read_text(encoding="utf-8")) if seeds_file.exists() else {}
    for task in tqdm(tasks, desc="Choosing hidden cases", leave=False):
        if not is_sound(task, seeds.get(task.name, 0)):
            seeds[task.name] = sound_seed(task)
    path.parent.mkdir(parents=True, exist_ok=True)
    seeds_file.touch(mode=0o600)
    seeds_file.write_text(json.dumps(seeds, indent=1) + "\n", encoding="utf-8")
    if not (course / "nbgrader_config.py").exists():
        (course / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    nbformat.write(assignment_notebook(notebook, tasks), path)
    return path


def assignment_notebook(notebook: Path, tasks: list[Drill]) -> nbformat.NotebookNode:
    """The teacher's version, with solutions."""
    original = nbformat.read(notebook, as_version=4)
    title = original.cells[0].source.splitlines()[0].removeprefix("# ")
    setup = "import numpy as np\n\nfrom helpers.classroom.answers import check"
    cells = [
        _locked(new_markdown_cell(f"# Assignment: {title}\n\n{RULES}"), "rules"),
        _locked(new_code_cell(setup), "setup"),
    ]
    for number, task in enumerate(tasks, start=1):
        points = POINTS[task.difficulty]
        test = f"check({task.name}, points={points})"
        cells += [
            _locked(new_markdown_cell(_question(number, task)), f"task_{task.name}"),
            _marked(new_code_cell(answer_cell(task)), task.name, solution=True),
            _locked(new_code_cell(test), f"test_{task.name}", grade=True, points=points),
        ]
    for cell in cells:
        cell.id = cell.metadata.nbgrader.grade_id.replace("_", "-")
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def sound_seed(drill: Drill) -> int:
    """A seed by whose cases a drill marks as it does by its own.

    Raises:
        RuntimeError: none was found.
    """
    for _ in range(TRIES):
        seed = secrets.randbelow(2**31 - 1) + 1
        if is_sound(drill, seed):
            return seed
    raise RuntimeError(f"{drill.name} is not sound by any of {TRIES} seeds")


def is_sound(drill: Drill, seed: int) -> bool:
    """Whether a seed makes new cases, right answers are right by them, and known mistakes named."""
    hidden = replace(drill, seed=seed)
    right = (drill.reference, *drill.alternatives, *drill.conventions)
    return (
        bool(new_cases(hidden))
        and all(judge(hidden, answer).status == "right" for answer in right)
        and all(judge(hidden, answer).mistake == answer.__name__ for answer in drill.mistakes)
    )


def _question(number: int, task: Drill) -> str:
    """The task, in Markdown."""
    kind = "Bug hunt" if task.given else "Question"
    points = POINTS[task.difficulty]
    parts = [
        f"## {kind} {number}: `{task.name}` ({LEVELS[task.difficulty]}, {points} points)",
        _escaped(task.statement),
    ]
    if task.given:
        parts.append("The code below runs, and is wrong. Mend it; there are no part marks.")
    for part in [*(Task(task).symptom() if task.given else []), *Task(task).example()]:
        parts.append(f"```\n{part[1]}\n```" if isinstance(part, tuple) else _escaped(part))
    parts.append(_escaped(f"Allowed: {task.allowed} Taught in {task.taught_in}."))
    return "\n\n".join(parts)


def _escaped(text: str) -> str:
    """Text with `code` in it, so that Markdown shows it as it is."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    pieces = re.split(r"(`[^`]+`)", "\n\n".join(paragraphs))
    pieces[::2] = [re.sub(r"([\\*_<>$#|\[\]~])", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)


def answer_cell(task: Drill) -> str:
    """The cell of an answer, with the solution where nbgrader will put the stub."""
    lines = inspect.getsource(task.reference).splitlines()
    docstring = ast.parse("\n".join(lines)).body[0].body[0]
    head, body = lines[: docstring.lineno - 1], lines[docstring.end_lineno :]
    if task.given:
        indent, shown, solution = "", [Task(task).stub(), "", ""], [*head, *body]
    else:
        indent, shown, solution = "    ", [*head, '    """See the question."""'], body
    module = inspect.getsource(inspect.getmodule(task.reference))
    imports = _imports(module, [*shown, "np"])
    more = [line for line in _imports(module, solution) if line not in imports]
    region = ["### BEGIN SOLUTION", *more]
    end = f"{indent}### END SOLUTION"
    marked = [f"{indent}{line}" for line in region]
    return "\n".join([*imports, "", "", *shown, *marked, *solution, end])


def _imports(module: str, lines: list[str]) -> list[str]:
    """The import statements of a module for the names that some lines use."""
    used = set(re.findall(r"\w+", "\n".join(lines)))
    return [
        ast.unparse(ast.ImportFrom(node.module, [name], 0) if hasattr(node, "module") else node)
        for node in ast.parse(module).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
        if (name.asname or name.name) in used
    ]


def _locked(cell: nbformat.NotebookNode, grade_id: str, **marks) -> nbformat.NotebookNode:
    return _marked(cell, grade_id, locked=True, **marks)


def _marked(cell: nbformat.NotebookNode, grade_id: str, **marks) -> nbformat.NotebookNode:
    """A cell as nbgrader's, version 3 of its metadata."""
    nothing = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata.nbgrader = {"schema_version": 3, "grade_id": grade_id, **nothing, **marks}
    return cell


def _next_steps(path: Path, course: Path) -> str:
    name = path.parent.name
    activate = os.path.relpath(Path(sys.executable).with_name("activate"))
    return f"""{path} is yours to read and to change. Then:

    . {activate}
    cd {course}
    nbgrader generate_assignment {name}
        makes release/{name}/: what students get, without the solutions.
        Hand it out by any way you like, or by: nbgrader release_assignment {name}
        Submissions belong into submitted/STUDENT/{name}/, or: nbgrader collect {name}
    nbgrader autograde {name}
    nbgrader generate_feedback {name}
        makes feedback/STUDENT/{name}/, with the judge's words for each answer.
    nbgrader export
        makes grades.csv.

{course / SEEDS} makes the hidden cases: keep it to yourself."""


def main() -> None:
    """The command line of ``make assignment``."""
    parser = argparse.ArgumentParser(prog="make assignment", description=__doc__)
    parser.add_argument("notebook", help="its number, or the beginning of its name")
    parser.add_argument("--drills", nargs="+", help="those to ask; else the notebook's")
    parser.add_argument("--course", type=Path, default=Path("classroom"), help="nbgrader's folder")
    arguments = parser.parse_args()
    found = sorted(NOTEBOOKS.glob(f"{glob.escape(arguments.notebook)}*.ipynb"))
    if len(found) != 1:
        parser.error(f"notebook is {arguments.notebook!r}: it should name one of {_names()}")
    drills = arguments.drills or drills_of(found[0])
    try:
        path = write_assignment(found[0], drills, arguments.course)
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))
    print(_next_steps(path, arguments.course))


def _names() -> str:
    return ", ".join(sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")))


if __name__ == "__main__":
    main()
