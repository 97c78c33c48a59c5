"""Guarantees of the node, broken on purpose: the harness must see each of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from ra_node.ledger.database import engine
from ra_node.ledger.jobs import queue
from ra_node.ledger.storage import durable_files as files
from ra_node.network.scp.c_store import StoreOutcome
from ra_node.services.analysis import image_examination
from ra_node.services.reception import ingest


def skip_the_sync() -> None:
    """Received files and results are renamed without having been synced."""
    files._sync_file = lambda path: path.chmod(0o600)


def skip_the_folder_sync() -> None:
    """The new name of a file is left to the kernel to write when it likes."""
    files._sync_folder = lambda path: None


def commit_without_sync() -> None:
    """SQLite hands its commits to the kernel and does not wait."""
    prepare = engine._prepare_sqlite

    def unsafe(connection: Any, record: object) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous = OFF")

    engine._prepare_sqlite = unsafe


def acknowledge_before_the_commit() -> None:
    """The peer hears Success while the row is still to be written."""
    keep = ingest.Ingest.keep
    waiting: list[threading.Thread] = []

    def early(self: ingest.Ingest, file: Any) -> StoreOutcome:
        safe = file.path.rename(file.path.with_suffix(".early"))

        def late() -> None:
            threading.Event().wait(0.3)
            safe.rename(file.path)
            keep(self, file)

        waiting.append(threading.Thread(target=late))
        waiting[-1].start()
        return StoreOutcome.STORED

    ingest.Ingest.keep = early


def drop_the_fence() -> None:
    """A worker that lost its lease may finish what another now does, or has done."""
    queue._held = lambda job: queue._table.c.id == job.id


POISON_UID = "2.25.666"
"""SOP Instance UID of the image that kills its worker."""


def die_of_one_image() -> None:
    """The networks take the whole process down when they see one image, as a driver's bug may."""
    judge_looks = image_examination.judge_looks

    def deadly(looks: Any, judge: Any) -> Any:
        if any(look.finding.sop_instance_uid == POISON_UID for look in looks):
            os._exit(139)
        return judge_looks(looks, judge)

    image_examination.judge_looks = deadly


BROKEN: dict[str, Callable[[], None]] = {
    "skip the sync": skip_the_sync,
    "skip the folder sync": skip_the_folder_sync,
    "commit without sync": commit_without_sync,
    "acknowledge before the commit": acknowledge_before_the_commit,
    "drop the fence": drop_the_fence,
    "die of one image": die_of_one_image,
}
