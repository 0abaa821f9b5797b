"""Drills the way written tests run them (笔试): a program that reads standard input and prints.

The drill's own cases judge it, and its known mistakes are named as for a function. One format,
`FORMAT`, serves all drills whose arguments and results can be written as lines.
"""

import ast
import dataclasses
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from helpers.drills.compare import plain
from helpers.drills.spec import Drill, call

FORMAT = (
    "Input: the arguments in their order. A number or a text has a line of its own; a list has its "
    "length on a line and its items on the next, texts a line each; a table has its two sizes, "
    "then its rows. Output: the numbers in their order, separated by spaces or lines; texts a line "
    "each. Where the function would raise an exception, print `error`."
)


LEAST = 5  # cases, for a program to be judged


def for_programs(drill: Drill) -> Drill:
    """The drill with those of its cases that can be written as lines and look like the first one.

    Raises:
        ValueError: too few can.
    """
    cases = drill.make_cases()
    forms = [_form(drill, case.args) for case in cases]
    kept = [case for case, form in zip(cases, forms, strict=True) if form and form == forms[0]]
    if len(kept) < LEAST or drill.observe is not call:
        raise ValueError(f"{drill.name} is a drill for a function only")
    return dataclasses.replace(drill, cases=lambda rng: kept)


def can_be_a_program(drill: Drill) -> bool:
    """Whether enough of what goes in and comes out can be written as lines."""
    try:
        for_programs(drill)
    except ValueError:
        return False
    return True


def _form(drill: Drill, args: tuple) -> tuple | None:
    """How the arguments look as lines; None where they, or the result, cannot be written so."""
    try:
        encoded(args)
        printed(_expected(drill, args))
    except TypeError:
        return None
    return tuple(
        "text"
        if isinstance(value, str)
        else "texts"
        if isinstance(value, list) and value and isinstance(value[0], str)
        else np.ndim(value)
        for value in args
    )


def encoded(value: Any) -> str:
    """A value as lines of input.

    Raises:
        TypeError: the format has no place for it.
    """
    if isinstance(value, tuple):
        return "".join(map(encoded, value))
    if isinstance(value, bool | np.bool_):
        return f"{int(value)}\n"
    is_line = isinstance(value, str) and "\n" not in value
    if is_line or isinstance(value, int | float | np.number):
        return f"{value}\n"
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "".join(f"{line}\n" for line in [len(value), *value])
    if isinstance(value, list | np.ndarray):
        try:
            table = np.asarray(value)
        except ValueError:  # rows of unequal lengths
            raise TypeError("the format has no lists in lists") from None
        if table.ndim in (1, 2) and table.dtype.kind in "biuf":
            rows = table if table.ndim == 2 else [table]
            lines = [table.shape, *(row.tolist() for row in rows)]
            return "".join(" ".join(str(item + 0) for item in line) + "\n" for line in lines)
    raise TypeError(f"{type(value).__name__}: the format has numbers, texts, lists and tables")


def printed(value: Any) -> str:
    """A value, as `plain` gives it, as a program should print it."""
    return "".join(f"{item}\n" for item in _leaves(value))


def decoded(output: str, like: Any) -> Any:
    """What was printed, in the form of ``like``; as lines of text where it does not fit it."""
    lines = [line.strip() for line in output.strip().splitlines()]
    texts = any(isinstance(leaf, str) for leaf in _leaves(like))
    items = lines if texts else output.split()
    if len(items) != len(list(_leaves(like))):
        return tuple(lines)
    try:
        return _filled(like, iter(items))
    except ValueError:
        return tuple(lines)


def as_function(drill: Drill, source: str) -> Callable:
    """A function that runs a program on its arguments, and returns what the program printed."""
    reference, expected = drill.reference, _expected

    def answer(*args: Any) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", source],
            input=encoded(args),
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
        )
        if done.returncode:
            lines = re.findall(r'File "<string>", line (\d+)', done.stderr)
            where = f"line {lines[-1]}: " if lines else ""
            raise RuntimeError(where + (done.stderr.strip().splitlines() or ["it failed"])[-1])
        if done.stdout.strip() == "error":
            raise ValueError
        return decoded(done.stdout, expected(drill, args))

    answer.__name__ = drill.name
    answer.__signature__ = inspect.signature(reference)
    return answer


def complaint(drill: Drill, source: str) -> str | None:
    """What is wrong with a program before it runs; "" where it is empty, None where it may run."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return f"Line {error.lineno} is no Python: {error.msg}."
    except (ValueError, RecursionError, MemoryError) as error:
        return f"It is no Python: {error}."
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name.partition(".")[0] in drill.forbidden:
                return f"It uses `{name}`: write that part yourself."
    return "" if all(isinstance(node, ast.Pass) or _is_dots(node) for node in tree.body) else None


def _is_dots(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _expected(drill: Drill, args: tuple) -> Any:
    """What the reference returns, as `plain` gives it; "error" where it raises."""
    try:
        return plain(drill.reference(*args))
    except Exception:
        return "error"


def _leaves(value: Any) -> Iterator[Any]:
    """The numbers and texts of a plain value, in order."""
    if isinstance(value, tuple):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        yield from (item + 0 for item in value.ravel().tolist())
    elif isinstance(value, str):
        yield value
    else:
        raise TypeError(f"{type(value).__name__}: the format has numbers and texts")


def _filled(like: Any, items: Iterator[str]) -> Any:
    if isinstance(like, tuple):
        return tuple(_filled(part, items) for part in like)
    if isinstance(like, str):
        return next(items)
    return np.array([float(next(items)) for _ in range(like.size)]).reshape(like.shape)
