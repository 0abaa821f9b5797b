"""Rewritings: copies of a right function that look different and are as right.

What a reader writes never looks like the reference. A judge that refuses one of these judges the
looks: names, the order of operands, the container or the type that numbers are returned in.
"""

import ast
import random
from collections.abc import Callable, Collection

import numpy as np
from function_source import function_of, tree_of

TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE,
          ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}  # fmt: skip
SEQUENCES = (ast.List, ast.Tuple, ast.ListComp, ast.JoinedStr)
SEQUENCE_TYPES = ("list", "tuple", "str", "sorted", "join", "split", "tolist")


# The same value in another container or type: the last step of an answer.


def as_lists(value):
    """Arrays as lists, tuples too."""
    if isinstance(value, tuple | list):
        return [as_lists(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def arrays_as_lists(value):
    """Arrays as lists, and everything else as it is."""
    return value.tolist() if isinstance(value, np.ndarray) else value


def as_numpy(value):
    """Lists as tuples, Python's numbers as arrays without axes."""
    if isinstance(value, tuple | list):
        return tuple(as_numpy(item) for item in value)
    return np.array(value) if isinstance(value, bool | int | float) else value


def as_float32(value):
    """Float64 in half the bits, where they hold its numbers."""
    if isinstance(value, tuple | list):
        return type(value)(as_float32(item) for item in value)
    if not isinstance(value, float | np.ndarray) or np.asarray(value).dtype != np.float64:
        return value
    finite = np.abs(np.asarray(value)[np.isfinite(value)])
    if np.any((finite > 1e30) | ((finite < 1e-30) & (finite > 0))):
        return value
    return np.asarray(value, np.float32)


VARIANTS = (as_lists, as_numpy, as_float32)


def rewritings(
    function: Callable, count: int, seed: int, variants: Collection[Callable] = VARIANTS
) -> list[tuple[str, Callable]]:
    """`count` copies of the function, no two the same, with one to three random changes each that
    keep what it computes; each with a description of the changes.

    Args:
        function: what is rewritten.
        count: how many copies.
        seed: of the random choices.
        variants: how the value may be returned otherwise.
    """
    rng = random.Random(seed)
    found = {ast.unparse(tree_of(function)): None}
    while len(found) <= count:
        tree, done = tree_of(function), []
        changes = rng.sample([*CHANGES, *variants], rng.randint(1, 3))
        for change in changes:
            before = ast.unparse(tree)
            if change in CHANGES:
                change(tree, rng)
            elif not set(done) & {variant.__name__ for variant in variants}:
                _return_through(tree, change.__name__)
            if ast.unparse(tree) != before:
                done.append(change.__name__)
        source = ast.unparse(tree)
        if done and source not in found:
            helpers = [variant for variant in variants if variant.__name__ in done]
            found[source] = (", ".join(done), function_of(source, function, *helpers))
    return list(found.values())[1:]


def locals_renamed(tree: ast.FunctionDef, rng: random.Random) -> None:
    nodes = list(ast.walk(tree))
    kept = {node.arg for node in nodes if isinstance(node, ast.arg)}
    kept |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ExceptHandler)}
    kept |= {n for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for n in node.names}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    made = sorted({node.id for node in names if isinstance(node.ctx, ast.Store)} - kept)
    new = {name: f"{name}_{rng.randrange(100)}" for name in made if rng.random() < 0.7}
    for node in names:
        node.id = new.get(node.id, node.id)


def operands_exchanged(tree: ast.FunctionDef, rng: random.Random) -> None:
    """Sums and products of two numbers are exactly the same either way, in floating point too."""
    sequences = _sequence_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
            sides = (node.left, node.right)
            added = isinstance(node.op, ast.Add)
            joined = added and any(_may_be_sequence(side, sequences) for side in sides)
            if not joined and not all(_draws(side) for side in sides) and rng.random() < 0.7:
                node.left, node.right = node.right, node.left


def comparisons_turned(tree: ast.FunctionDef, rng: random.Random) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in TURNED:
            if rng.random() < 0.7:
                node.left, node.comparators = node.comparators[0], [node.left]
                node.ops = [TURNED[type(node.ops[0])]()]


def branches_exchanged(tree: ast.FunctionDef, rng: random.Random) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp) and rng.random() < 0.7:
            node.test = ast.UnaryOp(ast.Not(), node.test)
            node.body, node.orelse = node.orelse or [ast.Pass()], node.body


def result_named(tree: ast.FunctionDef, rng: random.Random) -> None:
    name = f"result_{rng.randrange(100)}"

    def rewrite(node: ast.Return) -> list[ast.stmt]:
        named = ast.Assign([ast.Name(name, ast.Store())], node.value, lineno=0)
        return [named, ast.Return(ast.Name(name, ast.Load()))]

    _rewrite_returns(tree, rewrite)


def unused_name_added(tree: ast.FunctionDef, rng: random.Random) -> None:
    unused = ast.parse(f"unused_{rng.randrange(100)} = {rng.randrange(100)}").body[0]
    tree.body.insert(rng.randrange(len(tree.body)), unused)


CHANGES = (
    locals_renamed,
    operands_exchanged,
    comparisons_turned,
    branches_exchanged,
    result_named,
    unused_name_added,
)


def _return_through(tree: ast.FunctionDef, name: str) -> None:
    def rewrite(node: ast.Return) -> list[ast.stmt]:
        return [ast.Return(ast.Call(ast.Name(name, ast.Load()), [node.value], []))]

    _rewrite_returns(tree, rewrite)


def _rewrite_returns(tree: ast.FunctionDef, rewrite: Callable) -> None:
    """Put `rewrite(node)` for each `return` with a value; those of inner functions stay."""
    for field in ("body", "orelse", "handlers", "finalbody"):
        statements = getattr(tree, field, None)
        if isinstance(statements, list):
            new = []
            for node in statements:
                if isinstance(node, ast.Return) and node.value is not None:
                    new += rewrite(node)
                else:
                    if not isinstance(node, ast.FunctionDef):
                        _rewrite_returns(node, rewrite)
                    new.append(node)
            setattr(tree, field, new)


def _sequence_names(tree: ast.FunctionDef) -> set[str]:
    """Names that may hold a list, a tuple or text, as far as can be seen: these add up in order."""
    given: list[tuple[ast.expr, ast.expr]] = []  # what is named, and where it comes from
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension):
            given.append((node.target, node.iter))
        elif isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            given += zip(target.elts, value.elts, strict=True) if both else [(target, value)]
    names = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg) and node.annotation
             and ast.unparse(node.annotation).startswith(SEQUENCE_TYPES)}  # fmt: skip
    for _ in given:  # as often as a name can hand it on
        for target, value in given:
            if _may_be_sequence(value, names):
                names |= {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
    return names


def _may_be_sequence(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", getattr(node.func, "id", "")) in SEQUENCE_TYPES
    if isinstance(node, ast.BinOp):
        return any(_may_be_sequence(side, names) for side in (node.left, node.right))
    if isinstance(node, ast.Subscript):
        return _may_be_sequence(node.value, names)
    if isinstance(node, ast.Name):
        return node.id in names
    return isinstance(node, SEQUENCES) or isinstance(getattr(node, "value", None), str)


def _draws(node: ast.expr) -> bool:
    """Whether evaluating it moves a generator of random numbers or takes something out."""
    names = {getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node)}
    return bool(names & {"rng", "generator", "next", "pop"})
