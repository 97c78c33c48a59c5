"""Commands that read files, and need no node.

A command imports only what it runs, so that the other commands start fast.
"""
# ruff: noqa: PLC0415, FBT002 - imports inside, see above; a flag is a bool in typer's idiom

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ra_node.errors import NodeError
from ra_node.options import DEFAULT_CONFIG, ConfigPath, Json, settings_or_defaults

FILES = "Look at files"

files = typer.Typer()


@files.command(rich_help_panel=FILES)
def hands(
    files: Annotated[list[Path], typer.Argument(help="DICOM or PNG radiographs.")],
    config: ConfigPath = DEFAULT_CONFIG,
    picture: Annotated[Path | None, typer.Option(help="Also draw what was found into this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Say which hands are in each file, where, and which side; or why there are none."""
    from ra_node.bootstrap.working import reading_rules
    from ra_node.services.offline import draw_file, find_in_file
    from ra_node.terminal import hands_line, print_hands

    rules = reading_rules(settings_or_defaults(config))
    failed = False
    for path in files:
        try:
            finding = draw_file(path, rules, picture) if picture else find_in_file(path, rules)
            line = hands_line(path, finding)
        except (NodeError, OSError) as error:
            failed = True
            line = {"file": str(path), "hands": [], "refusal": str(error)}
        typer.echo(json.dumps(line)) if as_json else print_hands(line)
    if failed:
        raise typer.Exit(1)


@files.command(rich_help_panel=FILES)
def analyse(
    files: Annotated[list[Path], typer.Argument(help="DICOM radiographs; one report a study.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder for SR, overlay, PNG and report.json.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Do the whole analysis of files without a network and write the results to a folder."""
    from ra_node.bootstrap.working import build_offline
    from ra_node.services.offline import studies_of
    from ra_node.terminal import progress

    found = studies_of(files)
    analyse_files = build_offline(settings_or_defaults(config))
    for done in progress(analyse_files(found, out), "Analysing studies", len(found)):
        typer.echo((done.files[0].parent / "report.txt").read_text(encoding="utf-8"))
        for path in done.files:
            typer.echo(f"  {path}")
