"""A function as a syntax tree, and a changed tree as a function again."""

import ast
import inspect
import itertools
import linecache
import textwrap
import types
from collections.abc import Callable

# No such module can be imported, so a function that claims to come from it travels to another
# process by value, as one that a reader wrote in a notebook does.
MODULE = "answer"
_numbers = itertools.count(1)


def tree_of(function: Callable) -> ast.FunctionDef:
    """The function's definition without docstrings and decorators.

    The tree is parsed from its own unparsed text: line numbers count from the `def`.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    return ast.parse(ast.unparse(tree)).body[0]


def function_of(source: str, like: Callable, *helpers: Callable) -> Callable:
    """Compile `source`, which defines a function named like `like`, among the globals of `like`.

    The module that `like` comes from does not come along: what else the source uses of it, and the
    `helpers`, are made to come from `MODULE` too.
    """
    names = {name: value for name, value in like.__globals__.items() if name[:2] != "__"}
    namespace = {**names, **{helper.__name__: helper for helper in helpers}, "__name__": MODULE}
    for name, value in namespace.items():
        if inspect.isfunction(value) and (value in helpers or value.__module__ == like.__module__):
            namespace[name] = types.FunctionType(
                value.__code__, namespace, name, value.__defaults__, value.__closure__
            )
            namespace[name].__kwdefaults__ = value.__kwdefaults__
            namespace[name].__module__ = MODULE
    filename = f"<{like.__name__} {next(_numbers)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), namespace)
    return namespace[like.__name__]
