"""Functions taken out of a notebook without running it: what is tested is what the reader sees."""

import ast
from pathlib import Path
from types import SimpleNamespace

import nbformat

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def notebook_functions(name: str, imports: str) -> SimpleNamespace:
    """The functions that the notebook defines; `imports` is code that makes the names they use."""
    namespace: dict = {}
    exec(imports, namespace)
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef) and not node.decorator_list:
                    exec(compile(ast.Module([node], []), name, "exec"), namespace)
    return SimpleNamespace(**namespace)
