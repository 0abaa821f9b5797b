"""Mutants: copies of a function with one small mistake, as mutation testing makes them.

A judge is as good as the mistakes that it catches. Each rule below takes a node of the syntax tree
and yields what could stand in its place. A mutant that a judge lets pass shows a missing case, or
it computes the same: then it belongs in `equivalent_mutants.py`, with the reason.
"""

import ast
import copy
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from function_source import function_of, tree_of

OPERATORS = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult, ast.FloorDiv],
    ast.FloorDiv: [ast.Div, ast.Mult], ast.Mod: [ast.FloorDiv], ast.Pow: [ast.Mult],
    ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd], ast.BitXor: [ast.BitOr],
}  # fmt: skip
COMPARISONS = {
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt, ast.GtE], ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.LtE], ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot], ast.IsNot: [ast.Is], ast.In: [ast.NotIn], ast.NotIn: [ast.In],
}  # fmt: skip
TEXTS = {"left": "right", "right": "left"}
# In a matrix, axis -1 is axis 1: that exchange would be no mistake.
AXES = {"0": 1, "1": 0, "-1": 0}
SIBLINGS = {
    "sum": ["mean"], "mean": ["sum"], "max": ["min"], "min": ["max"], "maximum": ["minimum"],
    "minimum": ["maximum"], "log": ["log2", "log1p"], "log2": ["log"], "log1p": ["log"],
    "exp": ["expm1"], "expm1": ["exp"], "floor": ["ceil"], "ceil": ["floor"],
    "argmax": ["argmin"], "argmin": ["argmax"], "any": ["all"], "all": ["any"],
    "zeros": ["ones"], "ones": ["zeros"], "zeros_like": ["ones_like"],
    "ones_like": ["zeros_like"], "std": ["var"], "var": ["std"], "prod": ["sum"],
    "median": ["mean"], "tanh": ["sin"], "cos": ["sin"], "sin": ["cos"],
    "nansum": ["sum"], "nanmean": ["mean"],
}  # fmt: skip
# Replaced by their first argument, or by the object whose method they are.
LEFT_OUT = {"cumsum", "cumprod", "sort", "sorted", "sqrt", "square", "abs", "clip", "round", "diff"}
LEFT_OUT |= {"reversed", "floor", "ceil", "set", "log", "exp"}
# Arguments whose values are not taken apart: an axis has a rule of its own; the others guard
# against inputs that are not given, or choose among ways to the same result.
WHOLE = {"axis", "strict", "kind"}
COMMUTATIVE = {"max", "min", "maximum", "minimum", "logaddexp", "array_equal", "hypot", "gcd"}


@dataclass(frozen=True)
class Mutant:
    """A changed copy of `original`; the description says where and what, apart from the file."""

    original: Callable
    source: str
    description: str

    @cached_property
    def function(self) -> Callable:
        return function_of(self.source, self.original)


def mutants(function: Callable) -> list[Mutant]:
    """All mutants of the function with one change, without doubles."""
    return [Mutant(function, *mutation) for mutation in _mutations(tree_of(function))]


def second_order(first: Mutant) -> list[Mutant]:
    """All mutants with a change on another line than that of `first`: on the same one, the second
    would often undo the first."""
    place = first.description.partition(":")[0]
    return [
        Mutant(first.original, source, f"{first.description}; then {description}")
        for source, description in _mutations(ast.parse(first.source).body[0])
        if description.partition(":")[0] != place
    ]


def sample(
    functions: Collection[Callable], count: int, seed: int, equivalent: Collection[str] = ()
) -> list[Mutant]:
    """`count` random mutants of the functions: each with one change, then, where those run out,
    with two of which neither is `equivalent`. Fewer where there are no more."""
    rng = random.Random(seed)
    chosen = [mutant for function in functions for mutant in mutants(function)]
    rng.shuffle(chosen)
    seen = {mutant.source for mutant in chosen} | {ast.unparse(tree_of(f)) for f in functions}
    for first in [mutant for mutant in chosen if mutant.description not in equivalent]:
        if len(chosen) >= count:
            break
        for pair in second_order(first):
            if pair.source not in seen and pair.description.split("; then ")[1] not in equivalent:
                seen.add(pair.source)
                chosen.append(pair)
    singles = [mutant for mutant in chosen if "; then " not in mutant.description]
    pairs = [mutant for mutant in chosen if "; then " in mutant.description]
    rng.shuffle(pairs)
    return (singles + pairs)[:count]


def _mutations(tree: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """Source and description of each way to change one place of the tree."""
    seen, met = {ast.unparse(tree)}, Counter()
    for path in _places(tree):
        node = _at(tree, path)
        for new in _replacements(node, _at(tree, path[:-1])):
            changed = _changed(tree, path, new)
            source = ast.unparse(changed)
            if source in seen:
                continue
            seen.add(source)
            description = _description(tree, changed, path)
            met[description] += 1
            again = f" ({met[description]})" if met[description] > 1 else ""
            yield source, description + again


def _places(node: ast.AST, path: tuple = ()) -> Iterator[tuple]:
    """The path, as (field, index) steps, of every node that may be replaced, outer ones first."""
    if path:
        yield path
    skipped = isinstance(node, ast.Raise | ast.JoinedStr | ast.arguments)  # messages and signature
    if skipped or (isinstance(node, ast.keyword) and node.arg in WHOLE):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield from _places(child, (*path, (field, index)))


def _at(tree: ast.AST, path: tuple) -> ast.AST:
    for field, index in path:
        tree = getattr(tree, field) if index is None else getattr(tree, field)[index]
    return tree


def _changed(node: ast.AST, path: tuple, new: ast.AST | None) -> ast.AST | None:
    """A copy of the tree with `new` at the path; None leaves the node out of its list."""
    if not path:
        return new
    field, index = path[0]
    child = _changed(_at(node, path[:1]), path[1:], new)
    if index is not None:
        items = getattr(node, field)
        child = [*items[:index], *([] if child is None else [child]), *items[index + 1 :]]
    return _with(node, **{field: child})


def _description(tree: ast.AST, changed: ast.AST, path: tuple) -> str:
    """Name and line, and the change with so much around it that it can be recognised."""
    if isinstance(_at(tree, path), ast.keyword) or len(ast.unparse(_at(tree, path))) < 15:
        while not isinstance(_at(tree, path), ast.stmt):
            path = path[:-1]
            if len(ast.unparse(_at(tree, path))) >= 15:
                break
    before, after = (ast.unparse(_at(t, path)).strip().split("\n")[0] for t in (tree, changed))
    line = next(_at(tree, path[:end]).lineno for end in range(len(path), 0, -1)
                if hasattr(_at(tree, path[:end]), "lineno"))  # fmt: skip
    return f"{tree.name}, line {line}: `{before}` → `{after}`"


def _replacements(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST | None]:
    if isinstance(node, ast.BinOp | ast.AugAssign):
        for operator in OPERATORS.get(type(node.op), []):
            yield _with(node, op=operator())
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield node.operand
    if isinstance(node, ast.Compare):
        for place, old in enumerate(node.ops):
            for operator in COMPARISONS[type(old)]:
                yield _with(node, ops=[*node.ops[:place], operator(), *node.ops[place + 1 :]])
    if isinstance(node, ast.BoolOp):
        yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    if isinstance(node, ast.Constant):
        yield from map(ast.Constant, _other_values(node.value))
    if isinstance(node, ast.keyword):
        if node.arg not in ("strict", "kind") and ast.unparse(node) != "side='left'":  # the default
            yield None
        if node.arg == "axis" and ast.unparse(node.value) in AXES:
            yield _with(node, value=ast.Constant(AXES[ast.unparse(node.value)]))
    if isinstance(node, ast.If | ast.IfExp):
        yield _with(node, test=ast.Constant(True))
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield _with(node, test=ast.Constant(False))
    if isinstance(node, ast.comprehension) and node.ifs:
        yield _with(node, ifs=[])
    if isinstance(node, ast.Slice):
        yield from _other_bounds(node)
    if isinstance(node, ast.Call):
        yield from _other_calls(node)
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        items = node.value.elts
        for i in range(len(items) - 1):
            swapped = [*items[:i], items[i + 1], items[i], *items[i + 2 :]]
            yield _with(node, value=ast.Tuple(swapped, ast.Load()))
    if isinstance(node, ast.stmt) and _can_go(node, parent):
        yield ast.Pass()


def _with(node: ast.AST, **fields) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _other_values(value: object) -> list:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 2, 0.0] if value else [1.0]
    return [TEXTS[value]] if isinstance(value, str) and value in TEXTS else []


def _moved(bound: ast.expr) -> list[ast.expr]:
    """One more and one less; a number moves as a constant already."""
    if isinstance(getattr(bound, "operand", bound), ast.Constant):
        return []
    return [ast.BinOp(bound, operator(), ast.Constant(1)) for operator in (ast.Add, ast.Sub)]


def _other_bounds(node: ast.Slice) -> Iterator[ast.Slice]:
    lower = [ast.Constant(1)] if node.lower is None else _moved(node.lower)
    upper = [ast.Constant(-1)] if node.upper is None else _moved(node.upper)
    backwards = node.step is not None and ast.unparse(node.step).startswith("-")
    if not backwards:
        yield from (_with(node, lower=bound) for bound in lower)
        yield from (_with(node, upper=bound) for bound in upper)


def _other_calls(node: ast.Call) -> Iterator[ast.expr]:
    method = isinstance(node.func, ast.Attribute)
    name = node.func.attr if method else getattr(node.func, "id", "")
    for sibling in SIBLINGS.get(name, []):
        yield _with(node, func=_with(node.func, **{"attr" if method else "id": sibling}))
    of_module = method and ast.unparse(node.func.value) in ("np", "math")
    if name in LEFT_OUT:
        yield node.args[0] if of_module or not method else node.func.value
    if name == "len":
        yield ast.BinOp(node, ast.Add(), ast.Constant(1))
    if name in ("range", "arange"):
        for i, bound in enumerate(node.args):
            for new in _moved(bound):
                yield _with(node, args=[*node.args[:i], new, *node.args[i + 1 :]])
    if len(node.args) >= 2 and name not in COMMUTATIVE:
        yield _with(node, args=[node.args[1], node.args[0], *node.args[2:]])


def _can_go(node: ast.stmt, parent: ast.AST) -> bool:
    """Statements whose removal leaves a function that still runs. Where one is the whole of an
    `if`, a false condition does the same."""
    whole = isinstance(parent, ast.If) and parent.body == [node] and not parent.orelse
    place = isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)
    kinds = ast.AugAssign | ast.Raise | ast.Expr | ast.Continue | ast.Break
    return not whole and (place or isinstance(node, kinds))
