"""Drills as programs that read standard input and print: the format, and what the judge makes of
programs."""

import re

import numpy as np
import pytest

from helpers.drills import judge_program, logbook, names, program, programs
from helpers.drills.compare import difference, plain
from helpers.drills.judge import find

pytestmark = pytest.mark.usefixtures("own_progress")
PROGRAMS = [name for name in names() if programs.can_be_a_program(find(name))]

AUC = """
import numpy as np
n = int(input())
labels = np.array(input().split(), int)
input()
scores = np.array(input().split(), float)
if labels.min() == labels.max():
    print("error")
else:
    values, inverse, size = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[inverse]
    ones = int(labels.sum())
    print((rank[labels == 1].sum() - ones * (ones + 1) / 2) / (ones * (n - ones)))
"""


def test_many_drills_can_be_practised_so():
    assert len(PROGRAMS) >= 50
    assert {"levenshtein_distance", "roc_auc", "k_means", "intersection_over_union"} <= set(
        PROGRAMS
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_program_should_print_is_read_as_it_was_meant(name):
    task = programs.for_programs(find(name))
    for case in task.make_cases():
        assert programs.encoded(case.args).endswith("\n")
        try:
            expected = plain(task.reference(*case.args))
        except Exception:
            continue
        read = programs.decoded(programs.printed(expected), expected)
        assert difference(read, expected) is None


def test_the_format_of_the_input():
    args = (3, "两个 words", [1, 2.5], np.array([[1, 0], [0, 1], [2, 2]]), ["a", "b c"], True)
    text = "3\n两个 words\n2\n1.0 2.5\n3 2\n1 0\n0 1\n2 2\n2\na\nb c\n1\n"
    assert programs.encoded(args) == text
    for value in ({"a": 1}, [[1], [2, 3]], "two\nlines", np.zeros((2, 2, 2)), len):
        with pytest.raises(TypeError, match="the format has"):
            programs.encoded(value)


def test_the_task_shows_an_input_and_its_output():
    text = repr(program("roc_auc"))
    assert text.startswith("▸ Program `roc_auc`") and "%%program roc_auc" in text
    assert re.search(r"4\n +0 0 1 1\n +4\n +0.1 0.4 0.35 0.8\n\nhas this output:\n\n +0.75", text)


def test_a_right_program_passes_and_counts_as_the_drill():
    card = judge_program("roc_auc", AUC)
    assert card.kind == "right"
    assert logbook.standings()["roc_auc"].score == 100


def test_the_mistake_of_a_program_is_named():
    wrong = AUC.replace("rank = (np.cumsum(size) - (size - 1) / 2)", "rank = np.cumsum(size)")
    card = judge_program("roc_auc", wrong)
    assert card.kind == "wrong" and "roc_auc([" in repr(card)
    (event,) = logbook.events()
    assert event["source"] == wrong, "the program is kept"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("print(1", "Line 1 is no Python: '(' was never closed."),
        ("import sklearn.metrics", "It uses `sklearn.metrics`: write that part yourself."),
        ("from sklearn import metrics", "It uses `sklearn`: write that part yourself."),
        ("x = 1\nint('a')", "RuntimeError: line 2: ValueError: invalid literal for int()"),
        ("import sys; sys.exit(3)", "RuntimeError: it failed"),
        ("print('maybe')", "maybe"),
        ("print(0.5, 0.5)", "0.5 0.5"),
        ("x = 1", "not right yet"),
    ],
)
def test_a_program_that_is_wrong_learns_why(source, message):
    card = judge_program("roc_auc", source)
    assert card.kind == "wrong" and message in " ".join(repr(card).split())


@pytest.mark.parametrize("source", ["", "# nothing yet", "...", "pass\n"])
def test_an_empty_program_awaits_an_answer(source):
    assert judge_program("roc_auc", source).kind == "awaiting" and logbook.events() == []


def test_a_program_that_never_ends_is_stopped():
    card = judge_program("roc_auc", "while True: pass")
    assert "did not finish within" in " ".join(repr(card).split())


def test_a_drill_for_functions_only_is_refused():
    other = next(name for name in names() if name not in PROGRAMS)
    with pytest.raises(ValueError, match=f"{other} is a drill for a function only; as programs: "):
        program(other)


def test_the_notebook_knows_the_magic(make_notebook):
    from helpers.execute import execute

    path = make_notebook(
        "from helpers.drills import program", f"%%program roc_auc\n{AUC}", "%%program roc_auc\n..."
    )
    execute(path)
    text = path.read_text(encoding="utf-8")
    assert "is right in all" in text and "awaits your answer" in text
