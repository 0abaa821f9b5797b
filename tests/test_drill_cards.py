"""What a reader sees and what is kept: cards, hints, solutions, the log of progress."""

import dataclasses
import json
import os
import re
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from helpers import drills
from helpers.drills import drill, export_progress, hint, logbook, progress, solution
from helpers.drills.card import Card
from helpers.drills.judge import find, judge
from helpers.drills.metrics.roc_auc import by_searching, roc_auc, ties_count_nothing


@pytest.fixture(autouse=True)
def own_log(own_progress):
    return own_progress


def stub(y_true, scores): ...


# ---- cards -------------------------------------------------------------------------------------
def test_a_task_shows_all_that_is_needed():
    text = repr(drill("roc_auc"))
    assert "def roc_auc(y_true: np.ndarray, scores: np.ndarray) -> float:" in text
    assert "roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])\n    → 0.75" in text
    assert (
        "the AUC is\nundefined: raise ValueError" in text
        and "Allowed: NumPy" in text
        and "Taught in 02_" in text
    )


def test_a_bug_hunt_shows_the_code_as_given_under_its_own_name():
    text = repr(drill("next_token_pairs"))
    assert text.startswith("▸ Bug hunt `next_token_pairs`")
    assert "write it right:\n\n    def next_token_pairs(token_ids, pad_id):\n        batch" in text
    assert "as_given" not in text and "watch the loss" not in text, "the symptom is for later"


@pytest.mark.parametrize("name", [name for name in drills.names() if find(name).given])
def test_the_code_that_a_bug_hunt_shows_runs_by_itself_and_is_diagnosed(name):
    parts = iter(drill(name).card().parts)
    assert any(part[:14] == "This code runs" for part in parts)
    _, code = next(parts)
    namespace = {"np": np}
    exec(code, namespace)
    verdict = judge(name, namespace[name])
    assert (verdict.mistake, verdict.certain) == (find(name).given.__name__, True)


def test_a_drill_that_is_no_bug_hunt_shows_no_code_to_mend():
    text = repr(drill("roc_auc"))
    assert text.startswith("▸ Drill `roc_auc`") and "This code runs" not in text


def test_what_is_given_is_one_of_the_mistakes():
    with pytest.raises(ValueError, match="given of roc_auc is <function by_searching"):
        dataclasses.replace(find("roc_auc"), given=by_searching)
    hunt = dataclasses.replace(find("roc_auc"), given=ties_count_nothing)
    assert "np.searchsorted(negative, scores[y_true == 1]" in repr(drills.Task(hunt))


def test_the_decorator_returns_the_answer_and_prints_the_verdict(capsys):
    assert drill("roc_auc")(ties_count_nothing) is ties_count_nothing
    out = capsys.readouterr().out
    assert out.startswith("✗ `roc_auc` is not right yet: 5 of 12 cases pass")
    assert "The mistake: ties count nothing." in out and "they count one half" in out
    assert "a positive after its tie" in out and "got       0.5\n        expected  0.75" in out


def test_an_error_shows_the_line_of_the_answer(capsys):
    @drill("roc_auc")
    def answer(y_true, scores):
        return scores[len(scores)]

    assert "at        return scores[len(scores)]" in capsys.readouterr().out


def test_an_untouched_stub_is_not_kept(capsys):
    drill("roc_auc")(stub)
    assert capsys.readouterr().out.startswith("○ `roc_auc` awaits your answer")
    assert logbook.events() == []


def test_judging_without_a_record():
    card = drill("roc_auc").judge(by_searching)
    assert card.kind == "right" and logbook.events() == []


def test_html_escapes_and_can_be_read_aloud():
    parts = [
        "a < b in `x[y < 1]`\n\nsecond",
        ("code", "if a < b:"),
        ("table", [("h",), ("a & b",)]),
    ]
    page = Card("wrong", "no <script>", parts)._repr_html_()
    assert 'role="status"' in page and "no &lt;script&gt;" in page
    assert "<p>a &lt; b in <code>x[y &lt; 1]</code></p><p>second</p>" in page
    assert "<pre" in page and "if a &lt; b:" in page
    assert '<th scope="col">h</th>' in page and "a &amp; b" in page
    assert '<span aria-hidden="true">✗</span>' in page, "the sign repeats what the words say"


def test_in_a_notebook_the_verdict_is_html(make_notebook):
    from helpers.execute import execute

    path = make_notebook(
        "from helpers.drills import drill\n\n@drill('roc_auc')\ndef roc_auc(y_true, scores): ...",
        "drill('roc_auc')",
    )
    execute(path)
    cells = json.loads(path.read_text())["cells"]
    for cell, words in zip(cells, ["awaits your answer", "Compute the area"], strict=True):
        (output,) = cell["outputs"]
        assert words in "".join(output["data"]["text/plain"])
        assert words in "".join(output["data"]["text/html"])


# ---- hints and solutions -----------------------------------------------------------------------
def test_hints_come_one_by_one_and_cost_points():
    for number in (1, 2, 3, 3):
        card = hint("roc_auc")
        assert card.title == f"Hint {number} of 3 for `roc_auc`" and len(card.parts) == number
    assert [event["kind"] for event in logbook.events()] == ["hint"] * 3, "the third costs once"
    drill("roc_auc")(by_searching)
    assert logbook.standings()["roc_auc"].score == 40
    hint("roc_auc")
    assert logbook.standings()["roc_auc"].score == 40, "after solving, hints are free"


def test_a_solution_opens_after_a_try(capsys):
    assert "One honest try first" in repr(solution("roc_auc"))
    assert logbook.events() == []
    drill("roc_auc")(stub)
    assert "One honest try first" in repr(solution("roc_auc")), "a stub is no try"
    drill("roc_auc")(ties_count_nothing)
    text = repr(solution("roc_auc"))
    assert "rank = np.cumsum(size)" in text and "Mann-Whitney" in text
    assert "Compute the area" not in text, "the statement is known by now"
    drill("roc_auc")(roc_auc)
    assert logbook.standings()["roc_auc"].score == 0
    assert "Score: 0 of 100." in capsys.readouterr().out


def test_a_solution_opens_on_request():
    assert "Mann-Whitney" in repr(solution("roc_auc", anyway=True))


def test_progress_lists_every_drill(capsys):
    assert repr(progress()).startswith(f"· 0 of {len(drills.names())} drills solved")
    drill("roc_auc")(ties_count_nothing)
    drill("roc_auc")(by_searching)
    text = repr(progress())
    assert text.startswith("· 1 of ") and all(name in text for name in drills.names())
    assert re.search(r"02_evaluation_metrics, section 3 +2 +0 +100", text)


def test_progress_of_a_topic_is_a_page_of_the_catalogue():
    text = repr(progress("recurrent"))
    assert "lstm_cell" in text and "roc_auc" not in text
    assert re.search(r"stateful_batches +bug hunt, program +\w+ +03_", text)
    page = progress("recurrent")._repr_html_()
    assert "<summary>recurrent: 0 of " in page and page.count("<details>") == 1
    with pytest.raises(ValueError, match="topic is 'rnn': it should be one of"):
        progress("rnn")


# ---- the log -----------------------------------------------------------------------------------
def test_the_readers_text_is_kept(tmp_path):
    drill("roc_auc")(ties_count_nothing)
    target = tmp_path / "mine.json"
    assert export_progress(target) == 1
    (event,) = json.loads(target.read_text(encoding="utf-8"))
    assert event["source"].startswith("def ties_count_nothing(y_true, scores):")
    assert (event["kind"], event["mistake"]) == ("wrong", "ties_count_nothing")


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind is 'guess': it should be one of wrong, right"):
        logbook.record("roc_auc", "guess")


def test_an_export_that_fails_leaves_what_was_there(tmp_path):
    with pytest.raises(OSError):
        export_progress(tmp_path / "missing" / "mine.json")


def broken_file(path):
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 100)


def folder_in_its_place(path):
    path.mkdir(parents=True)


def file_as_folder(path):
    path.parent.write_text("a file where the folder should be")


@pytest.mark.parametrize("spoil", [broken_file, folder_in_its_place, file_as_folder])
def test_without_a_file_judging_goes_on(own_progress, spoil, capsys):
    spoil(own_progress)
    hint("roc_auc")
    drill("roc_auc")(by_searching)
    out = capsys.readouterr().out
    assert out.startswith("✓") and "Score: 80 of 100." in out
    assert "not been written yet" in out and "not been written yet" in repr(progress())
    if spoil is broken_file:
        assert "it is no progress file of this course" in out
        assert own_progress.read_bytes() == b"this is no database" * 100, "not ours to repair"


def damaged(path, events: int) -> bytes:
    """A progress file of which a page in the middle was overwritten."""
    for number in range(events):
        logbook.record("roc_auc", "wrong", source=f"{number} " + "x" * 500)
    content = bytearray(path.read_bytes())
    page = 4096 * (len(content) // 8192)
    content[page : page + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    return bytes(content)


def test_a_damaged_file_is_set_aside_and_what_can_be_read_goes_on(own_progress, monkeypatch):
    content = damaged(own_progress, 100)
    monkeypatch.setattr(logbook, "_known", [])  # as a new kernel
    logbook.record("roc_auc", "right")
    (aside,) = own_progress.parent.glob("progress-damaged-*.sqlite3")
    assert aside.read_bytes() == content, "nothing is lost"
    kept = [event["source"].split()[0] for event in logbook.events(["wrong"])]
    assert 10 < len(kept) < 100 and kept == [str(number) for number in range(len(kept))]
    assert logbook.events()[-1]["kind"] == "right" and logbook.is_kept()
    text = repr(progress())
    assert f"{len(kept)} of its events could be read" in " ".join(text.split())
    assert aside.name in " ".join(text.split())


def test_what_a_kernel_has_read_outlives_the_damage(own_progress):
    damaged(own_progress, 100)
    assert len(logbook.events()) == 100


def test_a_file_of_a_newer_course_is_left_as_it_is(own_progress):
    own_progress.parent.mkdir()
    with sqlite3.connect(own_progress) as connection:
        connection.execute("pragma user_version = 7")
    content = own_progress.read_bytes()
    logbook.record("roc_auc", "right")
    assert own_progress.read_bytes() == content and not logbook.is_kept()
    assert "a newer version of the course wrote it" in " ".join(repr(progress()).split())


def test_what_could_not_be_written_is_written_later(own_progress):
    logbook.record("roc_auc", "hint")
    lock = sqlite3.connect(own_progress)
    lock.execute("begin exclusive")
    logbook.record("roc_auc", "right")
    assert not logbook.is_kept()
    assert logbook.standings()["roc_auc"].score == 80, "what is known is not forgotten"
    lock.rollback()
    lock.close()
    assert len(logbook.events()) == 2 and logbook.is_kept()
    rows = sqlite3.connect(own_progress).execute("select kind from event order by id").fetchall()
    assert rows == [("hint",), ("right",)]


WRITE = """
import sys
from helpers.drills import logbook
for number in range(int(sys.argv[1])):
    logbook.record("roc_auc", "wrong", source=f"{sys.argv[2]} {number}")
    print(number, flush=True)
"""


def writer(count: int, name: str) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITE, str(count), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)


def test_two_notebooks_at_once_lose_nothing():
    writers = [writer(25, name) for name in ("one", "two")]
    assert [process.wait(60) for process in writers] == [0, 0]
    for process in writers:
        process.stdout.close()
    kept = {event["source"] for event in logbook.events()}
    assert kept == {f"{name} {number}" for name in ("one", "two") for number in range(25)}


def test_a_kernel_that_is_killed_loses_nothing_written(own_progress):
    process = writer(100_000, "one")
    for _ in range(5):
        process.stdout.readline()
    process.kill()
    said = 5 + len(process.stdout.readlines())
    process.wait()
    process.stdout.close()
    time.sleep(0.1)
    assert len(logbook.events()) in (said, said + 1)
    assert sqlite3.connect(own_progress).execute("pragma integrity_check").fetchone() == ("ok",)
    logbook.record("roc_auc", "right")
    assert logbook.events()[-1]["kind"] == "right"
