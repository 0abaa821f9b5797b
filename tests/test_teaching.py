"""The teaching guide is whole, and names nothing that the course does not have."""

import re
from pathlib import Path

import pytest

from helpers.drills import LEVELS
from helpers.drills.judge import find as find_drill
from helpers.drills.judge import names as drill_names
from helpers.interview import bank
from helpers.interview.quiz import quizzes
from helpers.interview.sections import find_section

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "TEACHING.md").read_text(encoding="utf-8")

NOTEBOOKS = {name[:2]: name for name in re.findall(r"^\| \[`(\d\d_\w+)`\]", README, re.MULTILINE)}
CHAPTERS = dict(re.findall(r"^## (\d\d) (.+?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL))
PLANS = {"50 minutes": 50, "90 minutes": 90}
PARTS = [*PLANS, "The board", "Ask aloud", "Where students get stuck", "Homework", "Rubric"]

each_chapter = pytest.mark.parametrize("number", NOTEBOOKS)


def part(number: str, name: str) -> str:
    """The text of a chapter's part."""
    start = f"\n### {number} · {name}\n"
    assert CHAPTERS[number].count(start) == 1, f"chapter {number} has no one part {name!r}"
    return CHAPTERS[number].partition(start)[2].partition("\n### ")[0]


def rows(text: str) -> list[list[str]]:
    """The rows of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def section(number: str, name: str) -> None:
    """Fails unless there is such a section: "3.1", "Recap", "01, 7.2", "quiz 3"."""
    if other := re.fullmatch(r"(\d\d), (.+)", name):
        number, name = other.groups()
    if name.startswith("quiz "):
        name = name.removeprefix("quiz ")
        assert name in {quiz.section for quiz in quizzes(NOTEBOOKS[number])}, f"{number}: no {name}"
    find_section(f"{NOTEBOOKS[number]}#{name}")


def test_there_is_a_chapter_for_every_notebook_in_order():
    assert list(CHAPTERS) == list(NOTEBOOKS)
    assert len(NOTEBOOKS) >= 10


def test_the_readme_links_it_and_its_own_links_lead_somewhere():
    assert "](TEACHING.md)" in README
    headings = re.findall(r"^##+ (.+)$", GUIDE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#(.+?)\)", GUIDE)) - anchors == set()
    assert {"set-up-the-lab", "a-server-for-the-class", "assignments"} <= anchors


@each_chapter
def test_a_chapter_has_all_parts_in_the_same_order(number):
    headings = re.findall(r"^### (.+)$", CHAPTERS[number], re.MULTILINE)
    assert headings == [f"{number} · {name}" for name in PARTS]
    opening = CHAPTERS[number].partition("\n### ")[0]
    assert "\n**Afterwards** students can " in opening and "\n**Before:** " in opening


@each_chapter
@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_adds_up_and_names_sections_of_its_notebook(number, plan):
    table = rows(part(number, plan))
    assert sum(int(minutes) for minutes, _, _ in table) == PLANS[plan]
    for _, where, _ in table:
        for name in where.split("; "):
            section(number, name)


@each_chapter
def test_a_board_can_be_drawn(number):
    (board,) = re.findall(r"```\n(.+?)```", part(number, "The board"), re.DOTALL)
    assert 3 <= board.count("\n") <= 8
    assert max(len(line) for line in board.splitlines()) <= 100


@each_chapter
def test_each_question_has_its_wrong_answer_a_reply_and_the_section_that_settles_it(number):
    questions = re.findall(r"^\d\. .+$", part(number, "Ask aloud"), re.MULTILINE)
    assert 4 <= len(questions) <= 6
    for question in questions:
        found = re.fullmatch(r"\d\. \*.+\* They say: \".+ Reply: .+ \((.+)\)", question)
        assert found, question
        for name in found[1].split("; "):
            section(number, name)


@each_chapter
def test_every_trouble_has_its_cure(number):
    troubles = re.findall(r"^- .+$", part(number, "Where students get stuck"), re.MULTILINE)
    assert 3 <= len(troubles) <= 5
    assert all(re.fullmatch(r"- \*\*.+?\*\* .+", trouble) for trouble in troubles)


@each_chapter
def test_homework_names_drills_an_assignment_and_an_open_task_with_its_rubric(number):
    first, second, third = part(number, "Homework").strip().splitlines()
    assert re.match(r"- Drills: .*`\w+` \((easy|middling|hard), \d+ min\)", first)
    listed = re.findall(r"`(\w+)` \((?:easy|middling|hard)", first)
    command = re.match(rf'- `make assignment NOTEBOOK={number} DRILLS="?([\w ]+)"?`', second)
    assert command[1].split() == listed
    assert re.match(r"- Open task \(.+\): ", third)
    levels = re.findall(r"^- \*\*(\d)\*\*: .+$", part(number, "Rubric"), re.MULTILINE)
    assert levels == ["4", "3", "2", "1"]


def test_each_drill_exists_and_is_as_hard_as_said():
    named = re.findall(r"`(\w+)` \((easy|middling|hard), (\d+) min\)", GUIDE)
    assert len(named) > 40
    minutes = {"easy": "15", "middling": "25", "hard": "45"}
    for name, level, time in named:
        assert LEVELS[find_drill(name).difficulty] == level, name
        assert time == minutes[level], name


def test_whatever_looks_like_a_drill_or_a_question_is_one():
    exam = GUIDE.partition("\n## The exam\n")[2].partition("\n## ")[0]
    term = GUIDE.partition("\n## A term of twelve weeks\n")[2].partition("\n## ")[0]
    table = "\n".join("".join(row) for row in rows(exam.partition("\n### An oral")[0]) + rows(term))
    named = set(re.findall(r"`([\w-]+)`", table))
    assert len(named) > 12
    assert named - set(drill_names()) - {question.id for question in bank.questions()} == set()


def test_every_section_named_anywhere_exists():
    named = re.findall(r"\b(0\d), (\d(?:\.\d)?)(?![\d.]*\d)", GUIDE)
    assert len(named) > 5
    for number, name in named:
        section(number, name)
    for number, chapter in CHAPTERS.items():
        for names in re.findall(r"\((\d(?:\.\d)?(?:, \d(?:\.\d)?)*)\)", chapter):
            for name in names.split(", "):
                section(number, name)


def test_twelve_weeks_hold_every_notebook():
    term = GUIDE.partition("\n## A term of twelve weeks\n")[2].partition("\n## ")[0]
    weeks = rows(term)
    assert [int(week[0]) for week in weeks] == list(range(1, 13))
    assert {week[1][:2] for week in weeks} == set(NOTEBOOKS)
    assert all(all(week) for week in weeks)


def test_the_exam_fills_its_time_from_the_bank():
    written = GUIDE.partition("\n### A written exam of 90 minutes\n")[2].partition("\n### ")[0]
    assert sum(int(minutes) for minutes, _, _ in rows(written)) == 90
    design = re.findall(r"one design question \| `([\w-]+)`.+?`([\w-]+)`", written)[0]
    assert all("design" in bank.find(name).tags for name in design)


def test_code_in_the_guide_runs(capsys):
    for code in re.findall(r"```python\n(.+?)```", GUIDE, re.DOTALL):
        exec(code, {})
    found = int(re.match(r"(\d+) seeds", capsys.readouterr().out)[1])
    assert found >= 8, "too few seeds for thirty students"


def test_the_make_targets_that_it_names_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert {"lab", "test"} <= set(re.findall(r"`make ([a-z]+)", GUIDE)) <= targets | {"assignment"}
