"""Commands that copy the ledger and put a copy back.

A command imports only what it runs, so that the other commands start fast.
"""
# ruff: noqa: PLC0415 - imports inside, see above

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ra_node.options import DEFAULT_CONFIG, ConfigPath, account, named_settings
from ra_node.tabular import say

if TYPE_CHECKING:
    from ra_node.services.restore import Restored

WATCH = "Watch and mend"

keep = typer.Typer()


@keep.command(rich_help_panel=WATCH)
def backup(
    to: Annotated[Path, typer.Argument(help="New file for the copy.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Copy the ledger while the node runs; PostgreSQL has pg_dump for this.

    The copy holds the key that earlier reports of a patient are found by: keep it as private as the ledger.
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
    """Put a copy of the ledger back, while the node is stopped; the present one is kept beside it."""
    from ra_node.bootstrap.state import open_state
    from ra_node.ledger.backup import file_of
    from ra_node.ledger.engine import open_ledger
    from ra_node.ledger.files import Files
    from ra_node.services.operate import Operator, acted
    from ra_node.services.restore import restore_ledger

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
    say("the ledger is restored" + (f"; the one before: {done.before}" if done.before else ""))
    for line in _left_to_do(done, settings.node.data_dir):
        say(line)


def _left_to_do(done: Restored, data_dir: Path) -> Iterator[str]:
    """What a ledger cannot bring back by itself."""
    if done.images:
        yield f"{done.images} images came after this backup: send those in {done.unlisted} to the node again"
    if done.missing:
        yield (
            f"{done.missing} files that it names are not in {data_dir}:"
            " copy inbox, previews and results there before you start the node"
        )
    if done.secret_missing:
        yield (
            f"this copy has no key of its patients: copy patient.key to {data_dir} before you start the node,"
            " or earlier reports are found no more"
        )
