"""The guide tells the truth: every command line in it parses and every configuration key exists."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ra_node.cli.app import app
from ra_node.cli.help_pages import commands_of
from ra_node.errors import Refused
from ra_node.services.guide_pages import ORDER, guide_page, guide_titles
from ra_node.settings.node import settings_from
from tests.node.harness import REPOSITORY

FOLDER = REPOSITORY / "ra_node" / "guide"
PAGES = [*sorted(FOLDER.glob("*.md")), REPOSITORY / "README.md"]
COMMANDS = {path.split()[0] for path, _ in commands_of(app)}
COMMAND = re.compile(r"(?<![\w/-])ra-node ([a-z][a-z-]*)")
OPTION = re.compile(r"ra-node ([a-z][a-z-]*(?: [a-z][a-z-]*)?)[^\n`]*?(--[a-z-]+)")
MODULE = re.compile(r"python -m ((?:training|tests)[\w.]*)(?: ([a-z][a-z-]*))?")
SECTION_KEY = re.compile(r"`\[\[?(\w+)\]?\] (\w+)")
KEY_VALUE = re.compile(r"`(\w+) = [^`]*`")
LINK = re.compile(r"\]\(((?:ra_node|config|training|tests)[^)#]*)\)")
RELATIVE = re.compile(r"\]\((\.\./[^)#]*)\)")
SOURCE = re.compile(r"`((?:ra_node|training|tests|config|systemd)/[\w./-]+)`")


def keys() -> dict[str, set[str]]:
    """Every key of config/node.toml by section, commented ones included."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in (REPOSITORY / "config" / "node.toml").read_text(encoding="utf-8").splitlines():
        if head := re.match(r"#? ?\[+(\w+)\]+", line):
            section = head.group(1)
        elif key := re.match(r"#? ?(\w+) = ", line):
            found.setdefault(section, set()).add(key.group(1))
    return found


def test_every_page_is_listed_and_every_listed_page_exists():
    assert {path.stem for path in FOLDER.glob("*.md")} == set(ORDER)
    assert all(guide_titles().values())


def test_an_unknown_topic_names_the_nearest_one():
    with pytest.raises(Refused, match="did you mean install"):
        guide_page("instal")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_command_of_a_page_exists(path: Path):
    words = set(COMMAND.findall(path.read_text(encoding="utf-8")))
    assert words <= COMMANDS, f"unknown commands: {sorted(words - COMMANDS)}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_option_of_a_page_exists(path: Path):
    root = get_command(app)
    known = {"--help", "--install-completion", "--version"}
    for name, option in OPTION.findall(path.read_text(encoding="utf-8")):
        command = root.commands[name.split()[0]]
        below = name.split()[1:]
        if below and below[0] in getattr(command, "commands", {}):
            command = command.commands[below[0]]
        flags = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
        assert option in flags | known, f"`ra-node {name}` has no option {option}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_module_of_a_page_exists(path: Path):
    for module, _ in MODULE.findall(path.read_text(encoding="utf-8")):
        place = REPOSITORY / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_key_of_a_page_exists(path: Path):
    known, text = keys(), path.read_text(encoding="utf-8")
    for section, key in SECTION_KEY.findall(text):
        assert key in known[section], f"[{section}] has no key {key}"
    names = set().union(*known.values())
    missing = set(KEY_VALUE.findall(text)) - names
    assert not missing, f"unknown keys: {sorted(missing)}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_file_of_a_page_exists(path: Path):
    text = path.read_text(encoding="utf-8")
    for name in (*LINK.findall(text), *SOURCE.findall(text)):
        assert (REPOSITORY / name).exists(), name
    for name in RELATIVE.findall(text):
        assert (path.parent / name).exists(), name


def test_a_link_to_a_source_file_is_a_path_where_there_is_no_repository():
    """On the page and in the terminal; `../` would lead to a page that is not there."""
    shown = guide_page("architecture")
    assert "`network/scp/server.py`" in shown
    assert "](../" not in shown


def test_the_architecture_fits_on_two_pages():
    text = guide_page("architecture")
    assert len(text.split()) < 700
    assert len(text.splitlines()) < 100


def test_of_fifty_search_terms_all_but_four_are_in_the_path_that_they_lead_to():
    """By its longest word; the links are followed by the test of all files that a page names."""
    text = (FOLDER / "naming.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| \[[^]]+\]\(\.\./([^)]+)\) \|$", text, re.MULTILINE)
    assert len({term for term, _ in rows}) == 50
    words = {term: max(term.lower().split(), key=len).replace("-", "_") for term, _ in rows}
    assert {term for term, path in rows if words[term] not in path} == {
        "C-ECHO",
        "retry",
        "dead letter",
        "fsync",
    }


def test_the_command_lists_the_pages_and_prints_one():
    listed = CliRunner().invoke(app, ["guide"])
    shown = CliRunner().invoke(app, ["guide", "glossary"])
    assert listed.exit_code == shown.exit_code == 0
    assert "several-hosts" in listed.stdout
    assert shown.stdout == f"{guide_page('glossary')}\n"


def warned_events() -> set[str]:
    """Every event that the node logs as a warning or worse, also where one of two is chosen."""
    found = set()
    for path in (REPOSITORY / "ra_node").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            warns = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            if warns and call.func.attr in ("warning", "error", "critical", "exception") and call.args:
                texts = [one.value for one in ast.walk(call.args[0]) if isinstance(one, ast.Constant)]
                found |= {text for text in texts if isinstance(text, str)}
    return found


def test_every_event_that_warns_has_its_cause_and_its_remedy():
    """And no event stands there that the node does not log."""
    text = guide_page("troubleshooting")
    listed = set(re.findall(r"`([a-z0-9_]+)`", text.split("## Log events")[1].replace("`quiet_s`", "")))
    events = warned_events()
    assert len(events) > 60
    assert events - listed == set()
    rows = [row.split("|") for row in text.splitlines() if row.startswith("| `")]
    assert all(cell.strip() for row in rows for cell in row[1:-1])


def test_the_examples_of_configuration_are_toml():
    for path in PAGES:
        for block in re.findall(r"```toml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            settings_from(tomllib.loads(block), base=path.parent)
        for block in re.findall(r"```json\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            json.loads(block)


def test_every_shell_block_of_a_page_is_shell():
    """Read by sh without running it; words in capitals stand for the reader's own."""
    for path in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            done = subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True, check=False)
            assert done.returncode == 0, (path.name, done.stderr)


def test_how_to_read_it_is_there_in_both_languages_with_pictures_that_the_page_serves():
    """Linked from the study page and the PDF; the pictures are drawn by `python -m tests.guide_pictures`."""
    for topic, language in (("how-to-read", "en"), ("how-to-read-zh", "zh")):
        pictures = re.findall(r"!\[[^\]]+\]\(/static/(guide/[\w-]+\.jpg)\)", guide_page(topic))
        assert len(pictures) == 3
        assert all(name.endswith(f"-{language}.jpg") for name in pictures)
        assert all((REPOSITORY / "ra_node" / "web" / "static" / name).exists() for name in pictures)
    template = (REPOSITORY / "ra_node" / "web" / "templates" / "study.html").read_text(encoding="utf-8")
    assert "/guide/how-to-read" in template
