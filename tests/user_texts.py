"""Collects, by program, every text that a person reads, with the place where it stands."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

PACKAGES = ("ra_node", "training")
LOG_METHODS = ("debug", "info", "warning", "error", "critical", "exception")

_PROSE = re.compile(r"[^\W\d_]{2,}[^\w\n]*\s|\s[^\W\d_]{2,}|[\u4e00-\u9fff]")
_STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|PRAGMA|ALTER|BEGIN|SHOW)\b")
_JINJA = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_CODE = re.compile(r"```.*?```|`[^`]*`|\[?[\w./-]+\.py\]?|\]\([^)]*\)|--[a-z][a-z-]*|\{[^{}]*\}", re.DOTALL)
_ATTRIBUTES = ("aria-label", "alt", "title", "placeholder", "content")


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the file and line where it begins."""

    place: str
    words: str


def user_texts(root: Path) -> Iterator[Text]:
    """Every text below a checkout that a person reads while using the node or the training commands."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            yield from _named(root, path, module_texts(path.read_text(encoding="utf-8")))
        for path in sorted((root / package).rglob("*.html")):
            yield from _named(root, path, template_texts(path.read_text(encoding="utf-8")))
        for path in sorted((root / package).rglob("*.toml")):
            yield from _named(root, path, catalogue_texts(path.read_text(encoding="utf-8")))
        for path in sorted((root / package).rglob("*.md")):
            yield from _named(root, path, page_texts(path.read_text(encoding="utf-8")))
    yield from _around(root)


def _around(root: Path) -> Iterator[Text]:
    """README, configuration with its comments, units, alert rules and dashboard."""
    for path in sorted(root.glob("README.md")):
        yield from _named(root, path, page_texts(path.read_text(encoding="utf-8")))
    for folder, pattern in (("config", "*.toml"), ("config", "*/*.yml"), ("systemd", "*")):
        for path in sorted((root / folder).glob(pattern)):
            yield from _named(root, path, enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    for path in sorted((root / "config").glob("*/*.json")):
        quoted = re.findall(r'"(?:title|description)": "([^"]*)"', path.read_text(encoding="utf-8"))
        yield from _named(root, path, ((0, text) for text in quoted))


def _named(root: Path, path: Path, found: Iterator[tuple[int, str]] | enumerate[str]) -> Iterator[Text]:
    for line, words in found:
        yield Text(f"{path.relative_to(root)}:{line}", words)


def module_texts(source: str) -> Iterator[tuple[int, str]]:
    """Literals with more than one word, docstrings of commands, and names of log events.

    Other docstrings, the sentences below attributes and SQL are for developers; what is encoded seeds a hash.
    A literal of one word is a key, a code or a column unless it is the text of a badge.
    """
    silent: set[int] = set()
    literals: list[tuple[int, ast.AST]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr | ast.Attribute) and _is_silent(node):
            silent.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            silent.update(id(part) for part in node.values if isinstance(part, ast.Constant))
            literals.append((node.lineno, node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            literals.append((node.lineno, node))
        elif isinstance(node, ast.FunctionDef) and _is_command(node):
            yield node.lineno, ast.get_docstring(node) or ""
        elif isinstance(node, ast.Call):
            words = (
                [text for part in node.args for text in _constants(part)] if _called(node) == "Badge" else []
            )
            yield from ((node.lineno, word) for word in words if not _PROSE.search(word))
            yield from ((node.lineno, event.replace("_", " ")) for event in _events(node))
    for line, node in literals:
        text = _literal(node) if id(node) not in silent else ""
        if _PROSE.search(text) and not _STATEMENT.match(text):
            yield line, text


def log_events(source: str) -> Iterator[str]:
    """Names of log events: the literals in the first argument of a logger's method."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield from _events(node)


def _events(call: ast.Call) -> Iterator[str]:
    if call.args and _logs(call.func):
        first = call.args[0]
        for part in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
            yield from _constants(part)


def _is_silent(node: ast.Expr | ast.Attribute) -> bool:
    return isinstance(node.value, ast.Constant) if isinstance(node, ast.Expr) else node.attr == "encode"


def template_texts(source: str) -> Iterator[tuple[int, str]]:
    """Text and spoken attributes of an HTML template, and the quoted words of its expressions."""
    for match in _JINJA.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        yield from ((line, a or b) for a, b in _QUOTED.findall(match.group()))
    page = _Page()
    page.feed(_JINJA.sub(lambda match: "\n" * match.group().count("\n"), source))
    yield from page.found


def catalogue_texts(source: str) -> Iterator[tuple[int, str]]:
    """Every string of a TOML catalogue."""
    yield from ((0, text) for text in _strings(tomllib.loads(source)))


def page_texts(source: str) -> Iterator[tuple[int, str]]:
    """Lines of a Markdown page without code and addresses; of a row of the glossary not its last cell."""
    bare = _CODE.sub(lambda match: "\n" * match.group().count("\n"), source)
    glossary = source.startswith("# Glossary\n")
    for number, line in enumerate(bare.splitlines(), start=1):
        yield number, line.rstrip("| ").rpartition("|")[0] if glossary and line.startswith("|") else line


def without_code(text: str) -> str:
    """A text without what is in backticks, file names, options and placeholders."""
    return _CODE.sub(" ", text)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _literal(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return ""


def _constants(node: ast.AST) -> Iterator[str]:
    yield from (text for part in ast.walk(node) if (text := _literal(part)))


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _logs(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in LOG_METHODS and _is_logger(function.value)


def _is_logger(of: ast.expr) -> bool:
    if isinstance(of, ast.Call):
        return _called(of) in ("get_logger", "bind") or _is_logger(getattr(of.func, "value", of.func))
    return isinstance(of, ast.Name) and of.id in ("log", "bound", "logger")


def _is_command(function: ast.FunctionDef) -> bool:
    made_by = " ".join(ast.unparse(part) for part in function.decorator_list)
    return "command" in made_by or "callback" in made_by


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("style", "script", "code")
        self.found += [(self.getpos()[0], value) for name, value in attrs if name in _ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "script", "code")

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.found.append((self.getpos()[0], " ".join(data.split())))
