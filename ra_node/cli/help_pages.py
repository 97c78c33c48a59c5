"""Appends examples and exit codes to the help of every command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import typer
from typer.models import CommandInfo

from ra_node.cli.exit_codes import SIGNALLED, Exit


@dataclass(frozen=True, slots=True)
class Page:
    """Examples of a command, and the meaning of its exit code 1."""

    examples: tuple[str, ...]
    failed: str = ""


PAGES = {
    "demo": Page(("ra-node demo", "ra-node demo --out /tmp/demo"), "no report came in time"),
    "run": Page(("ra-node run --config /etc/ra-node/node.toml",)),
    "listen": Page(("ra-node listen --config /etc/ra-node/node.toml",)),
    "work": Page(("ra-node work --config /etc/ra-node/node.toml",)),
    "deliver": Page(("ra-node deliver --config /etc/ra-node/node.toml",), "a thread of a destination failed"),
    "schedule": Page(("ra-node schedule --config /etc/ra-node/node.toml",)),
    "init": Page(("ra-node init --systemd", "ra-node init /etc/ra-node --data /var/lib/ra-node")),
    "web": Page(("ra-node web --config /etc/ra-node/node.toml",)),
    "web-password": Page(("ra-node web-password alice",)),
    "check": Page(("ra-node check", "ra-node check --json"), "a check failed; its row says what to do"),
    "status": Page(("ra-node status", "ra-node status --json")),
    "ready": Page(
        ("ra-node ready", "ra-node ready --wait-s 120"),
    ),
    "studies": Page(("ra-node studies --limit 10", "ra-node studies 1.2.840.1"), "no such study"),
    "requeue": Page(("ra-node requeue 1.2.840.1", "ra-node requeue pacs"), "nothing has this name"),
    "drop": Page(
        ("ra-node drop 1.2.840.1", "ra-node drop --peer pacs"), "nothing is pending under this name"
    ),
    "purge": Page(("ra-node purge --dry-run",)),
    "clock": Page(("ra-node clock", "ra-node clock --accept"), "the clock is not trusted"),
    "audit": Page(("ra-node audit --since 2026-11-01", "ra-node audit --csv > events.csv")),
    "patient merge": Page(
        ("ra-node patient merge", "ra-node patient merge --from-file merge.txt"), "the two cannot be merged"
    ),
    "withdraw": Page(
        (
            'ra-node withdraw 1.2.840.1 --reason "sides exchanged" --safety',
            "ra-node withdraw --bundle 1f3a9c2e --since 2026-11-01 --dry-run",
        ),
        "nothing is left to withdraw",
    ),
    "scrub": Page(("ra-node scrub", "ra-node scrub --json"), "a kept file is missing or damaged"),
    "backup": Page(("ra-node backup /backup/ledger.sqlite3",)),
    "restore": Page(("ra-node restore /backup/ledger.sqlite3",), "the copy is of another ledger"),
    "adopt": Page(("ra-node adopt", "ra-node adopt --yes --ingest"), "a role is running"),
    "guide": Page(("ra-node guide", "ra-node guide install"), "no such page"),
    "conformance": Page(("ra-node conformance --format html --out conformance.html",)),
    "bundle verify": Page(("ra-node bundle verify bundles/new",), "the bundle is not fit for use"),
    "bundle install": Page(("ra-node bundle install bundles/new",), "the bundle is not fit for use"),
    "bundle list": Page(("ra-node bundle list", "ra-node bundle list --json")),
    "bundle promote": Page(
        ("ra-node bundle promote demo-0.2.0",), "no such bundle, or it is not fit for use"
    ),
    "bundle rollback": Page(("ra-node bundle rollback",), "nothing was promoted"),
    "bundle history": Page(("ra-node bundle history",)),
    "reader-study create": Page(
        (
            "ra-node reader-study create wrists /archive/2024 --reader anna --reader ben --by-joint",
            "ra-node reader-study create hard --held --sampling discordant --count 300",
        ),
    ),
    "reader-study list": Page(("ra-node reader-study list",)),
    "reader-study show": Page(
        ("ra-node reader-study show wrists", "ra-node reader-study show wrists --json")
    ),
    "reader-study add-reader": Page(
        (
            "ra-node reader-study add-reader wrists ben",
            "ra-node reader-study add-reader wrists carla --third",
        )
    ),
    "reader-study close": Page(("ra-node reader-study close wrists anna",)),
    "reader-study export": Page(("ra-node reader-study export wrists --out /data/wrists",)),
    "reader-study work": Page(("ra-node reader-study work --config /etc/ra-node/node.toml",)),
    "hands": Page(
        ("ra-node hands one.dcm two.png --picture drawn", "ra-node hands *.dcm --json"),
        "a file could not be read; the others are analysed",
    ),
    "analyse": Page(
        (
            "ra-node analyse /archive --out results",
            "ra-node analyse studies.txt --from pacs --out results",
            "ra-node analyse studies.txt --from https://pacs/dicom-web --out results --table-only",
        ),
        "a study or a file could not be read or fetched; the table says why",
    ),
}
GENERAL = (
    "ra-node COMMAND --help is the manual of a command.",
    "The configuration is --config FILE, else RA_NODE_CONFIG, config/node.toml, /etc/ra-node/node.toml.",
    "Results go to standard output (with --json nothing but JSON), progress and errors to standard error.",
    "Completion of commands and options in your shell: ra-node --install-completion",
)


def complete(app: typer.Typer) -> None:
    """Append the help pages to the app and its commands; call it when all are registered."""
    app.info.epilog = _paragraphs([*GENERAL, _codes("")])
    for path, command in commands_of(app):
        page = PAGES.get(path, Page(()))
        command.help = _literal(command.help or inspect.getdoc(_called(command)) or "")
        command.epilog = _paragraphs([*(f"Example: {one}" for one in page.examples), _codes(page.failed)])


def commands_of(app: typer.Typer, within: str = "") -> Iterator[tuple[str, CommandInfo]]:
    """Every command of an app and of its groups, by its name."""
    for command in app.registered_commands:
        name = command.name or _called(command).__name__.replace("_", "-")
        yield f"{within} {name}".strip(), command
    for group in app.registered_groups:
        assert group.typer_instance is not None
        name = group.name if isinstance(group.name, str) else ""
        yield from commands_of(group.typer_instance, f"{within} {name}".strip())


def _called(command: CommandInfo) -> Callable[..., object]:
    assert command.callback is not None
    return command.callback


def _codes(failed: str) -> str:
    """The exit codes, with what 1 means for this command."""
    said = {code: failed if failed and code is Exit.FAILED else code.words for code in Exit}
    codes = "; ".join(f"{int(code)} {words}" for code, words in said.items())
    return f"Exit codes: {codes}; {SIGNALLED} + N ended by signal N."


def _paragraphs(lines: list[str]) -> str:
    return "\n\n".join(map(_literal, lines))


def _literal(text: str) -> str:
    """Escape brackets, which rich would read as markup."""
    return text.replace("[", r"\[")
