"""What several test files need."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from hypothesis import settings
from nbformat.v4 import new_code_cell, new_notebook, new_output

# A slow machine is no failure.
settings.register_profile("course", deadline=None)
settings.load_profile("course")


@pytest.fixture
def own_progress(tmp_path: Path, monkeypatch) -> Path:
    """An empty log of a reader's own, in a folder that does not exist yet."""
    from helpers.drills import logbook

    path = tmp_path / "new" / "progress.sqlite3"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    for name in ("_pending", "_known", "_trouble"):
        monkeypatch.setattr(logbook, name, [])
    return path


@pytest.fixture(scope="module")
def keras():
    """Keras in float64, whatever policy an earlier test chose: in float32 it agrees to seven digits
    only. Imported here, since TensorFlow takes seconds."""
    import keras

    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield keras
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def make_notebook(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a notebook of code cells, each a source or (source, stored text)."""

    def make(*cells: str | tuple[str, str], name: str = "tiny.ipynb") -> Path:
        notebook = new_notebook()
        for count, cell in enumerate(cells, start=1):
            source, text = (cell, "") if isinstance(cell, str) else cell
            outputs = [new_output("stream", name="stdout", text=text)] if text else []
            notebook.cells.append(
                new_code_cell(source, id=f"cell-{count}", execution_count=count, outputs=outputs)
            )
        path = tmp_path / name
        nbformat.write(notebook, path)
        return path

    return make
