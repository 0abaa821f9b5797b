"""Functions taken out of a notebook without running it: what is tested is what the reader sees."""

import ast
import linecache
from pathlib import Path
from types import SimpleNamespace

import nbformat

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def notebook_functions(name: str, imports: str) -> SimpleNamespace:
    """The functions that the notebook defines; `imports` is code that makes the names they use."""
    namespace: dict = {"__name__": __name__}  # a module that exists: AutoGraph asks for it
    exec(imports, namespace)
    for node in _statements(name):
        if isinstance(node, FUNCTION) and not node.decorator_list:
            _run(node, namespace)
    return SimpleNamespace(**namespace)


def notebook_names(name: str, constants: set[str]) -> SimpleNamespace:
    """What the notebook imports and defines, and of its assignments those to `constants`."""
    namespace: dict = {"__name__": __name__}  # a module that exists: AutoGraph asks for it
    for node in _statements(name):
        wanted = isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef)
        wanted |= isinstance(node, FUNCTION) and not node.decorator_list
        if isinstance(node, ast.Assign):
            assigned = {n.id for n in ast.walk(node.targets[0]) if isinstance(n, ast.Name)}
            wanted = bool(assigned) and assigned <= constants
        if wanted:
            _run(node, namespace)
    if missing := constants - namespace.keys():
        raise ValueError(f"notebook {name} assigns nothing to {sorted(missing)}")
    return SimpleNamespace(**namespace)


def _statements(name: str) -> list[ast.stmt]:
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    return [node for source in sources for node in ast.parse(source).body]


def _run(node: ast.stmt, namespace: dict) -> None:
    source, filename = ast.unparse(node), f"<notebook {len(linecache.cache)}>"
    # TensorFlow's AutoGraph reads the source of a function before it compiles it.
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), namespace)
