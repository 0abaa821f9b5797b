"""`make run`: order, failures that name their cell, and files that are whole at every moment."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest

from helpers import execute
from helpers.execute import CellFailedError, main

ROOT = Path(__file__).resolve().parent.parent


def outputs(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]


def test_runs_in_place_in_this_environment_and_the_notebooks_folder(make_notebook, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = make_notebook("import os, sys; print(sys.prefix)", "print(os.getcwd())", "print(1 + 1)")
    seen = []
    run = execute.execute(path, lambda: seen.append(1))
    assert outputs(path) == [f"{sys.prefix}\n", f"{path.parent}\n", "2\n"]
    assert (run.notebook, run.cells, len(seen)) == ("tiny", 3, 3)
    assert run.seconds > 0


def test_a_second_run_changes_nothing(make_notebook):
    path = make_notebook("import sys\nfor i in range(50): print(i, flush=True)", "print('b')")
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.language_info = {"name": "python", "version": "3.99.0"}
    notebook.cells[0].metadata.execution = {"iopub.execute_input": "2000-01-01T00:00:00Z"}
    nbformat.write(notebook, path)
    execute.execute(path)
    first = path.read_bytes()
    execute.execute(path)
    assert path.read_bytes() == first
    assert b"3.99.0" not in first and b"2000-01-01" not in first
    assert [cell.id for cell in nbformat.read(path, as_version=4).cells] == ["cell-1", "cell-2"]


def test_a_failed_cell_is_named_and_the_file_is_as_it_was(make_notebook, capfd):
    good = make_notebook("print('fine')", name="00_good.ipynb")
    bad = make_notebook("x = 1", "\n# The cause.\ny = 1 / 0", "print('later')", name="01_bad.ipynb")
    before = bad.read_bytes()
    assert main([str(good), str(bad)]) == 1
    shown = capfd.readouterr()
    assert re.search(r"01_bad.ipynb, cell \[2\], which begins\n    # The cause.\n", shown.err)
    assert "ZeroDivisionError: division by zero" in shown.err
    assert re.search(r"^00_good +1 +\d", shown.out, re.MULTILINE)
    assert bad.read_bytes() == before
    assert outputs(good) == ["fine\n"]


def test_a_dead_kernel_is_named(make_notebook):
    path = make_notebook("import os; os._exit(1)")
    with pytest.raises(CellFailedError, match=r"cell \[1\].*\n.*\nthe kernel died"):
        execute.execute(path)


def test_the_table_gives_cells_and_seconds_and_their_sum(make_notebook, capsys):
    paths = [make_notebook("1", "2", name="a.ipynb"), make_notebook("1", name="b.ipynb")]
    assert main([str(path) for path in paths]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines] == [
        ["notebook", "cells"], ["a", "2"], ["b", "1"], ["together", "3"]
    ]  # fmt: skip
    assert float(lines[3][2]) == pytest.approx(float(lines[1][2]) + float(lines[2][2]), abs=0.11)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"nbformat": 4, "cells"', b"\xff\xfe"])
def test_what_is_no_notebook_is_refused(content, tmp_path, capsys):
    path = tmp_path / "broken.ipynb"
    path.write_bytes(content)
    assert main([str(path)]) == 1
    assert f"{path} is not a notebook" in capsys.readouterr().err
    assert path.read_bytes() == content


def test_a_missing_notebook_is_named(tmp_path, capsys):
    assert main([str(tmp_path / "none.ipynb")]) == 1
    assert "none.ipynb" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_notebook_and_no_scraps(make_notebook, monkeypatch):
    path = make_notebook("print(1)")
    before = path.read_bytes()

    def no_space(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        execute.execute(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_leaves_the_notebook_as_it_was(sign, make_notebook):
    marker = "started"
    path = make_notebook(f"open({marker!r}, 'w').close()\nimport time; time.sleep(20)")
    before = path.read_bytes()
    command = [sys.executable, "-m", "helpers.execute", str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (path.parent / marker).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    for _ in range(3):  # like a reader: an interrupt at a bad moment gets lost, so press again
        process.send_signal(sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
            break
    errors = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    assert path.read_bytes() == before
    if sign == signal.SIGINT:
        assert b"Stopped: the notebook that was running is as it was." in errors
