"""Commands for backup, restore, scrub and adopt.

A command imports only what it runs, so that the other commands start fast.
"""
# ruff: noqa: PLC0415, FBT002 - imports inside, see above; a flag is a bool in typer's idiom

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ra_node.cli.console import say
from ra_node.cli.options import DEFAULT_CONFIG, ConfigPath, Json, account, named_settings

if TYPE_CHECKING:
    from ra_node.services.retention.restore import Restored

WATCH = "Operate"

keep = typer.Typer()


@keep.command(rich_help_panel=WATCH)
def backup(
    to: Annotated[Path, typer.Argument(help="New file for the copy.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Copy the ledger while the node runs; PostgreSQL has pg_dump for this.

    The copy holds the key by which earlier reports of a patient are found: keep it as private as the ledger.
    Images, results and installed bundles are files of the data folder: copy them after it.
    """
    from ra_node.ledger.backup import backup as copy
    from ra_node.ledger.backup import file_of
    from ra_node.ledger.patient_key import KEY_FILE

    settings = named_settings(config)
    size = copy(file_of(settings.ledger_url), to, settings.node.data_dir / KEY_FILE)
    say(f"{to}: {size / 2**20:.1f} MiB")


@keep.command(rich_help_panel=WATCH)
def restore(
    copy: Annotated[Path, typer.Argument(help="A file that `ra-node backup` wrote.", exists=True)],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Restore a copy of the ledger, while the node is stopped; the present one is kept beside it."""
    from ra_node.bootstrap.node_context import open_state
    from ra_node.ledger.backup import file_of
    from ra_node.ledger.database.engine import open_ledger
    from ra_node.ledger.storage.durable_files import Files
    from ra_node.services.monitoring.operator_actions import Operator, acted
    from ra_node.services.retention.restore import restore_ledger

    settings = named_settings(config)
    done = restore_ledger(
        copy,
        file_of(settings.ledger_url),
        Files(settings.node.data_dir),
        lambda: open_ledger(settings.ledger_url),
    )
    ledger = open_state(settings).ledger
    acted(ledger, Operator(account(), ""), "ledger_restored", images_set_aside=done.images)
    ledger.close()
    say("the ledger is restored" + (f"; the previous one: {done.before}" if done.before else ""))
    for line in _left_to_do(done, settings.node.data_dir):
        say(line)


@keep.command(rich_help_panel=WATCH)
def scrub(config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Compare every kept file with its SHA-256; damaged results are rebuilt.

    Exit code 1 where damage remains. The node does the same slowly in the background.
    """
    from ra_node.bootstrap.maintenance import build_scrubber
    from ra_node.bootstrap.node_context import open_state
    from ra_node.cli.render_scrub import print_scrubbed
    from ra_node.cli.render_status import progress
    from ra_node.ledger.storage.identity import Unbound
    from ra_node.ledger.storage.kept_files import count_kept
    from ra_node.services.monitoring.operator_actions import Operator, acted

    settings = named_settings(config)
    state = open_state(settings)
    if state.problem:
        raise Unbound(state.problem)
    total = count_kept(state.ledger)
    done = build_scrubber(settings, state, mend=True).scrub(lambda files: progress(files, "files", total))
    by = Operator(account(), "")
    acted(state.ledger, by, "content_checked", files=done.files, problems=len(done.problems))
    print_scrubbed(done, as_json=as_json)
    if any(not one.mended for one in done.problems):
        raise typer.Exit(1)


@keep.command(rich_help_panel=WATCH)
def adopt(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    ingest: Annotated[
        bool,
        typer.Option("--ingest", help="Take in the images in unlisted/ as if they were sent now."),
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Bind data folder and ledger to each other, while the node is stopped, after one of them was replaced.

    Removes nothing: files without a row are moved to unlisted/ in the data folder. Where the ledger is lost
    and there is no backup, a new one is created.
    """
    from ra_node.bootstrap.maintenance import adopt_folder, survey_of
    from ra_node.services.monitoring.operator_actions import Operator

    settings = named_settings(config)
    found = survey_of(settings)
    say(f"data folder {settings.node.data_dir}: {_identity_words(found.folder)}")
    say(f"ledger: {_identity_words(found.ledger)}")
    say(
        f"{found.images} images, {found.made} previews and results without a row: to unlisted/;"
        f" {found.missing} files that the ledger names are not in the folder"
    )
    if not yes:
        typer.confirm("Bind this data folder and this ledger to each other?", abort=True)
    done = adopt_folder(settings, Operator(account(), ""), typer.echo, ingest=ingest)
    say(f"bound; {done.moved} images moved to {done.unlisted}")
    if ingest:
        say(f"{done.taken} images taken in again: they are reported once the node runs")


def _identity_words(identity: str | None) -> str:
    return "no identity" if identity is None else f"identity {identity or 'unreadable'}"


def _left_to_do(done: Restored, data_dir: Path) -> Iterator[str]:
    """Print what the restored ledger does not contain: later images, missing files, the patient key."""
    if done.images:
        yield (
            f"{done.images} images arrived after this backup: `ra-node adopt --ingest` takes those in"
            f" {done.unlisted} in again, or send them to the node again"
        )
    if done.missing:
        yield (
            f"{done.missing} files that it names are not in {data_dir}:"
            " copy inbox, previews and results there before you start the node"
        )
    if done.secret_missing:
        yield (
            f"this copy has no patient key: copy patient.key to {data_dir} before you start the node,"
            " or earlier reports will not be found"
        )
