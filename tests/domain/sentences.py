"""Reads out of the node's code the sentences that it writes into reports, composed as they will be read.

A value that the code does not hold is "7".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

import ra_node

ROOT = Path(ra_node.__file__).parent

_SENTENCE = re.compile(r"[A-Z7].* .*\.", re.DOTALL)
_FEWEST_SIGNS = 15
_DEEPEST = 6


def _as_sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


COMPOSED: dict[str, Callable[..., str]] = {
    "unreadable": _as_sentence,
    "_poor": lambda expected, found: f"Expected {expected}, found {found}.",
    "Refusal": lambda _reason, text: text,
    "failed_finding": lambda _header, why: f"The analysis of this image failed: {why}",
    "DatasetRefused": lambda text: text,
    "TooMuchError": lambda text: f"not readable: {text}",
    "CutOffError": lambda text: f"truncated: {text}",
}
"""The functions and classes that make a sentence of a report, and what they make of their arguments."""

_FOR_OPERATORS = ("alarm_text",)
"""Functions whose text no report has."""


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def writers() -> set[str]:
    """Every module that makes a refusal or a remark."""
    modules = (str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py"))
    return {module for module in modules if any(_makes(node) for node in ast.walk(_tree(module)))}


def sentences(module: str) -> Iterator[str]:
    """Every sentence that a module writes, and every part of one that its functions give or collect."""
    tree = _tree(module)
    yield from dict.fromkeys(_written(tree, dict(_assigned(tree.body))))


def _makes(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and (_name(node) in COMPOSED or _collects(node))


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _collects(call: ast.Call) -> bool:
    """Whether a call is `remarks.append(...)`."""
    of = call.func
    return (
        isinstance(of, ast.Attribute)
        and of.attr == "append"
        and isinstance(of.value, ast.Name)
        and of.value.id in ("remarks", "notes")
    )


Scope = dict[str, list[ast.expr]]


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, list[ast.expr]]]:
    found: Scope = {}
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            names, values = node.targets[0].elts, getattr(node.value, "elts", [])
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).append(value)
    yield from found.items()


def _written(node: ast.AST, scope: Scope) -> Iterator[str]:
    if _is_not_for_reports(node):
        return
    if isinstance(node, ast.FunctionDef):
        scope = {**scope, **dict(_assigned(node.body))}
    said = _said(node, scope)
    if said is not None:
        yield from (text for text in said if re.search("[a-z]", text))
        return
    if isinstance(node, ast.Return) and node.value is not None:
        yield from (text for text in _texts(node.value, scope) if text.startswith("expected "))
    for child in ast.iter_child_nodes(node):
        yield from _written(child, scope)


def _is_not_for_reports(node: ast.AST) -> bool:
    """Docstrings, what is raised for the log and the operator, and what makes sentences of its arguments."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=exc):
            return not (isinstance(exc, ast.Call) and _name(exc) in COMPOSED)
        case ast.FunctionDef(name=name):
            return name in COMPOSED or name in _FOR_OPERATORS
    return False


def _said(node: ast.AST, scope: Scope) -> list[str] | None:
    """The sentences that a node is; None where they may be further inside."""
    match node:
        case ast.Call() if _name(node) in COMPOSED:
            arguments = product(*(_texts(argument, scope) for argument in node.args))
            return [COMPOSED[_name(node)](*said) for said in arguments]
        case ast.Call() if _collects(node):
            return _texts(node.args[0], scope)
        case ast.Constant() | ast.JoinedStr():
            texts = _texts(node, scope)
            return [text for text in texts if _SENTENCE.fullmatch(text) and len(text) > _FEWEST_SIGNS]
    return None


def _texts(node: ast.expr, scope: Scope, depth: int = 0) -> list[str]:
    """Everything that an expression may say."""
    if depth > _DEEPEST:
        return ["7"]
    deeper = depth + 1
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(said) for said in product(*(_texts(part, scope, deeper) for part in parts))]
        case ast.FormattedValue(value=value):
            return _texts(value, scope, deeper)
        case ast.IfExp(body=one, orelse=other):
            return _texts(one, scope, deeper) + _texts(other, scope, deeper)
        case ast.BoolOp(op=ast.Or(), values=values):
            return [text for value in values for text in _texts(value, scope, deeper)]
        case ast.Name(id=name) if name in scope:
            said = [text for value in scope[name] for text in _texts(value, scope, deeper)]
            return list(dict.fromkeys(said))
        case _:
            return ["7"]
