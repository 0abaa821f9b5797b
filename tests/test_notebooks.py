"""The form of the notebooks; what they compute is compared by nbval."""

import json
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# A figure costs 10 to 40 kB; beyond this a notebook is slow to open on the web.
MAX_BYTES = 1_500_000
SHELL = re.compile(r"^\s*(!|%%(bash|sh|script|system)|%(pip|conda|cd)\b)", re.MULTILINE)
ONE_MACHINE = re.compile(r"(/(root|work|tmp|home/\w+)/|C:\\+Users)")


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def shown(output: nbformat.NotebookNode) -> str:
    """The text of one output, in all its forms; pictures left out."""
    data = {kind: value for kind, value in output.get("data", {}).items() if "image" not in kind}
    return json.dumps([data, output.get("text", ""), output.get("traceback", [])])


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request) -> Path:
    return request.param


def test_is_valid_small_and_named_in_the_readme(notebook):
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) >= (4, 5), "cells need ids"
    nbformat.validate(content)
    assert notebook.stat().st_size <= MAX_BYTES
    assert notebook.stem in (ROOT / "README.md").read_text(encoding="utf-8")


def test_was_run_from_the_first_cell_to_the_last_in_one_kernel(notebook):
    # nbval compares no outputs of a cell that was not run.
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "run it: make run"


def test_cells_are_short_and_install_nothing(notebook):
    for number, cell in enumerate(code_cells(notebook), start=1):
        assert cell.source.strip(), f"cell [{number}] is empty"
        assert cell.source.count("\n") < 30, f"cell [{number}] is longer than 30 lines"
        assert not SHELL.search(cell.source), f"cell [{number}] calls a shell or installs"


def test_outputs_are_clean(notebook):
    for number, cell in enumerate(code_cells(notebook), start=1):
        tags = cell.metadata.get("tags", [])
        for output in cell.outputs:
            assert output.get("name") != "stderr", f"cell [{number}] stored warnings"
            if output.output_type == "error":
                assert "raises-exception" in tags, f"cell [{number}] stored an error"
            found = ONE_MACHINE.search(shown(output))
            assert not found, f"cell [{number}] shows a path of one machine: {found[0]}"
        assert not ONE_MACHINE.search(cell.source), f"cell [{number}] names a path of one machine"


def test_its_outputs_are_compared(notebook):
    tags = [tag for cell in code_cells(notebook) for tag in cell.metadata.get("tags", [])]
    assert tags.count("nbval-ignore-output") <= 3, "compare outputs wherever that is possible"
    assert "nbval-skip" not in tags, "every cell must run"
