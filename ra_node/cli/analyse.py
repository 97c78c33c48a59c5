"""Commands on files, which need no node.

A command imports only what it runs, so that the other commands start fast.
"""
# ruff: noqa: PLC0415, FBT002 - imports inside, see above; a flag is a bool in typer's idiom

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ra_node.cli.console import print_json, say
from ra_node.cli.exit_codes import SIGNALLED, Exit
from ra_node.cli.options import DEFAULT_CONFIG, ConfigPath, Json, settings_or_defaults
from ra_node.domain.texts.printable import printable
from ra_node.errors import NodeError, Retryable
from ra_node.settings.node import Settings

if TYPE_CHECKING:
    from ra_node.bootstrap.archive_run import ArchiveRunRequest
    from ra_node.services.archive_run.summary import Summary

FILES = "Analyse files"

files = typer.Typer()


@files.command(rich_help_panel=FILES)
def hands(
    files: Annotated[list[Path], typer.Argument(help="DICOM or PNG radiographs.")],
    config: ConfigPath = DEFAULT_CONFIG,
    picture: Annotated[
        Path | None, typer.Option(help="Also write images with the detected hands to this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Detect the hands in each file: box, side and joints, or the reason why there are none."""
    from ra_node.bootstrap.analysis import reading_rules
    from ra_node.cli.render_status import hands_line, print_hands
    from ra_node.services.offline_analysis import draw_file, find_in_file, picture_names

    rules = reading_rules(settings_or_defaults(config))
    failed = False
    for path, name in zip(files, picture_names(files), strict=True):
        try:
            finding = draw_file(path, rules, picture, name) if picture else find_in_file(path, rules)
            line = hands_line(path, finding)
        except (NodeError, OSError) as error:
            failed = True
            line = {"file": str(path), "hands": [], "refusal": str(error)}
        print_json(line) if as_json else print_hands(line)
    if failed:
        raise typer.Exit(1)


@files.command(rich_help_panel=FILES)
def analyse(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="DICOM files and folders; with --from Study Instance UIDs, or files with one a line.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the table and the results.", show_default=False)],
    came_from: Annotated[
        str,
        typer.Option("--from", metavar="PEER|URL", help="Name of a peer (C-GET), or the URL of DICOMweb."),
    ] = "",
    table_only: Annotated[
        bool, typer.Option("--table-only", help="Write no SR and overlay, only the table.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many studies.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the bearer token for DICOMweb.", exists=True)
    ] = None,
    patient_key: Annotated[
        Path | None, typer.Option(help="File with a secret salt: write a key for each patient to the table.")
    ] = None,
    with_patient_id: Annotated[
        bool, typer.Option("--with-patient-id", help="Write the Patient ID to the table as it is.")
    ] = False,
    yielding: Annotated[
        bool, typer.Option("--yield/--no-yield", help="Pause while the node has live studies.")
    ] = True,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Analyse an archive apart from the live node: a table (hands.csv), and a folder for each study."""
    from ra_node.bootstrap.archive_run import ArchiveRunRequest
    from ra_node.cli.render_archive_run import print_summary
    from ra_node.runtime.signals import stopping

    if not came_from:
        _expect_paths(sources)
    settings = settings_or_defaults(config)
    with stopping() as stop:
        asked = ArchiveRunRequest(
            tuple(sources),
            out.absolute(),
            came_from,
            token_file=token_file,
            salt_file=patient_key,
            with_patient_id=with_patient_id,
            table_only=table_only,
            yields=yielding,
            stop=stop.event,
        )
        try:
            summary = _look_back(settings, asked, limit)
        except Retryable as error:
            if not stop.number:
                raise
            say(f"ra-node: {error}", err=True)
            raise typer.Exit(SIGNALLED + stop.number) from error
    print_summary(summary, as_json=as_json)
    if stop.number:
        raise typer.Exit(SIGNALLED + stop.number)
    if summary.something_failed:
        raise typer.Exit(Exit.FAILED)


def _look_back(settings: Settings, asked: ArchiveRunRequest, limit: int | None) -> Summary:
    from ra_node.bootstrap.archive_run import building_run
    from ra_node.cli.render_archive_run import watching
    from ra_node.services.archive_run.summary import summarise

    with watching() as watcher, building_run(settings, asked, watcher) as run:
        ran = run.go(limit)
        return summarise(ran, run.table, run.out, run.analyst.bundle)


def _expect_paths(sources: list[str]) -> None:
    for source in sources:
        if not Path(source).exists():
            raise typer.BadParameter(
                f"no file or folder {printable(source)}; for study UIDs name an archive with --from"
            )
