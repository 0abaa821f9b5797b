"""Execute the notebooks in place, from top to bottom, each in a fresh kernel: ``make run``.

``python -m helpers.execute`` takes all notebooks in order;
``python -m helpers.execute notebooks/01_training_pipeline.ipynb`` takes the named ones.

A notebook is written once all its cells have run, and then in one step: a run that fails or is
stopped leaves the file as it was. What would differ from machine to machine without meaning
anything (times of execution, the version of Python) is not written.
"""

import argparse
import os
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from PIL import Image
from tqdm import tqdm

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"

# What JupyterLab writes too, but for Python's version, which differs from reader to reader.
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}


class Run(NamedTuple):
    """One notebook's execution."""

    notebook: str
    cells: int
    seconds: float


class CellFailedError(RuntimeError):
    """A cell raised, or its kernel died; the message names notebook, cell, first line and error."""


def execute(path: Path, after_cell: Callable[[], object] = lambda: None) -> Run:
    """Execute one notebook in a fresh kernel, in the notebook's folder, and write it in place.

    Args:
        path: the notebook.
        after_cell: called after each code cell.

    Returns:
        The notebook's name, its number of code cells, and the seconds from the kernel's start to
        its end.

    Raises:
        CellFailedError: a cell failed. The file is as it was.
        FileNotFoundError: there is no such file.
        ValueError: the file is not a notebook.
        OSError: the result could not be written. The file is as it was.
    """
    notebook = _read(path)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    number = 0
    started = time.perf_counter()
    # What the kernel logs about itself would fall into the progress bar; cells' stderr is kept.
    with client.setup_kernel(stderr=subprocess.DEVNULL):
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            number += 1
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                raise _failure(path, number, cell, f"{error.ename}: {error.evalue}") from error
            except DeadKernelError as error:
                cause = "the kernel died, perhaps for want of memory"
                raise _failure(path, number, cell, cause) from error
            after_cell()
    seconds = time.perf_counter() - started
    _normalise(notebook)
    _write(path, notebook)
    return Run(path.stem, number, seconds)


def main(arguments: list[str] | None = None) -> int:
    """Execute the named notebooks, or all; return the exit status, 0 where every cell ran."""
    parser = argparse.ArgumentParser(prog="python -m helpers.execute", description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of notebooks/")
    paths = parser.parse_args(arguments).notebooks or sorted(NOTEBOOKS.glob("*.ipynb"))
    runs: list[Run] = []
    failure = ""
    try:
        total = sum(cell.cell_type == "code" for path in paths for cell in _read(path).cells)
        # The bar draws to stderr, so that the table alone goes to stdout.
        with tqdm(total=total, unit="cell", leave=False) as bar:
            for path in paths:
                bar.set_description(path.stem)
                runs.append(execute(path, bar.update))
    except (CellFailedError, OSError, ValueError) as error:
        failure = str(error)
    except KeyboardInterrupt:
        failure = "Stopped: the notebook that was running is as it was."
    print(_table(runs))
    if failure:
        print(failure, file=sys.stderr)
    return 1 if failure else 0


def _read(path: Path) -> NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    # nbformat raises the last for JSON that is not an object.
    except (ValueError, nbformat.ValidationError, AttributeError) as error:
        raise ValueError(f"{path} is not a notebook: {error}") from error


def _failure(path: Path, number: int, cell: NotebookNode, cause: str) -> CellFailedError:
    """The number is the one that JupyterLab shows beside the cell after a run in order."""
    first_line = cell.source.strip().partition("\n")[0]
    return CellFailedError(f"{path.name}, cell [{number}], which begins\n    {first_line}\n{cause}")


def _normalise(notebook: NotebookNode) -> None:
    notebook.metadata.update(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            # The number of a widget that is gone: JupyterLab would show "model not found" instead
            # of the text beside it, and it differs from run to run.
            if "text/plain" in data:
                data.pop("application/vnd.jupyter.widget-view+json", None)
            if "image/png" in data:
                data["image/png"] = _smaller(data["image/png"])


def _smaller(png: str) -> str:
    """The same picture in a tenth fewer bytes: matplotlib stores a transparency without any."""
    image = Image.open(BytesIO(b64decode(png)))
    if image.mode != "RGBA" or image.getextrema()[3] != (255, 255):
        return png
    packed = BytesIO()
    image.convert("RGB").save(packed, "png", optimize=True)
    shorter = b64encode(packed.getvalue()).decode()
    return min(png, shorter, key=len)


def _write(path: Path, notebook: NotebookNode) -> None:
    """Write a new file beside the old one, and put it in its place in one step."""
    target = path.resolve()
    partial = target.with_name(target.name + ".part")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            nbformat.write(notebook, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def _table(runs: list[Run]) -> str:
    width = max([len("notebook"), *(len(run.notebook) for run in runs)])
    lines = [f"{'notebook':<{width}}  cells  seconds"]
    lines += [f"{run.notebook:<{width}}  {run.cells:5}  {run.seconds:7.1f}" for run in runs]
    total = sum(run.seconds for run in runs)
    lines.append(f"{'together':<{width}}  {sum(run.cells for run in runs):5}  {total:7.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
