"""The command that merges two patients; identifiers come from a prompt or a file, never from argv."""
# ruff: noqa: PLC0415, FBT002 - imports inside for a fast start; a flag is a bool in typer's idiom

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ra_node.cli.console import print_json, say
from ra_node.cli.options import DEFAULT_CONFIG, ConfigPath, Json, account, named_settings
from ra_node.errors import Refused

if TYPE_CHECKING:
    from ra_node.ledger.patients.patient_merges import PatientIdentifier

patient = typer.Typer(help="Patients that were merged in the hospital.", no_args_is_help=True)


@patient.callback()
def _group() -> None:
    """Keep `merge` a command of its own."""


@patient.command()
def merge(
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from-file",
            help="Four lines: old ID, its issuer, new ID, its issuer; empty: none.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Let an old Patient ID name the patient of a new one, so that earlier reports are found again."""
    from ra_node.bootstrap.node_context import open_state
    from ra_node.ledger.patient_key import KEY_FILE, open_secret
    from ra_node.ledger.patients.patient_merges import merge_patients

    settings = named_settings(config)
    old, new = _asked() if from_file is None else _read(from_file)
    ledger = open_state(settings).ledger
    secret = open_secret(settings.node.data_dir / KEY_FILE)
    merged = merge_patients(ledger, secret, old, new, account())
    if as_json:
        print_json({"merged": merged.new, "results": merged.results})
    elif merged.new:
        say(f"merged; {merged.results} results belong to the new identifier")
    else:
        say("merged before; nothing changed")


def _asked() -> tuple[PatientIdentifier, PatientIdentifier]:
    from ra_node.ledger.patients.patient_merges import PatientIdentifier

    words = ("Old Patient ID", "Its issuer (empty: none)", "New Patient ID", "Its issuer (empty: none)")
    a, b, c, d = (typer.prompt(word, default="", show_default=False, err=True) for word in words)
    return PatientIdentifier(a, b), PatientIdentifier(c, d)


def _read(path: Path) -> tuple[PatientIdentifier, PatientIdentifier]:
    from ra_node.ledger.patients.patient_merges import PatientIdentifier

    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("expected a readable text file in UTF-8, found none") from error
    while len(lines) > 4 and not lines[-1]:
        lines.pop()
    if len(lines) != 4:
        raise Refused(f"expected four lines (old ID, issuer, new ID, issuer), found {len(lines)}")
    return PatientIdentifier(lines[0], lines[1]), PatientIdentifier(lines[2], lines[3])
