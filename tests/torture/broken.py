"""Guarantees of the node, broken on purpose: the harness must see each of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from ra_node.bootstrap import node_context
from ra_node.filesystem import durable_write
from ra_node.ledger import clock_trust, inbox
from ra_node.ledger.database import engine
from ra_node.ledger.jobs import queue
from ra_node.ledger.storage import durable_files as files
from ra_node.ledger.storage import identity
from ra_node.network.scp.c_store import StoreOutcome
from ra_node.runtime import scheduler
from ra_node.services.analysis import image_examination
from ra_node.services.jobs import folder_binding, lease
from ra_node.services.reception import ingest
from ra_node.services.reporting import answer, sources
from ra_node.services.retention import maintenance, orphans, purge


def skip_the_sync() -> None:
    """Received files and results are renamed without having been synced."""
    durable_write.fsync_file = lambda path, mode=None: path.chmod(0o600 if mode is None else mode)


def skip_the_folder_sync() -> None:
    """The new name of a file is left to the kernel to write when it likes."""
    durable_write.fsync_folder = lambda path: None


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


def drop_the_identity() -> None:
    """Any ledger is taken for that of any data folder, and an empty one is made where there is none."""
    node_context.bind = lambda _ledger, _files: ""
    node_context.has_history = lambda _files: False
    for module in (folder_binding, maintenance):
        module.problem_of = lambda _ledger, _files: ""
    for module in (orphans, purge):
        module.problem_before_deletion = lambda _ledger, _files: ""


def drop_the_mark() -> None:
    """A ledger that knows less than its folder has seen is taken for the newest."""
    identity._older_than_mark = lambda _ledger, _files: ""


def skip_the_digest() -> None:
    """A kept file is whole wherever it is there."""

    def there(self: files.Files, relative: str, _sha256: str | None, *, from_disk: bool = False) -> Any:
        return None if self.path(relative).exists() else files.Damage.MISSING

    files.Files.damage = there


def trust_every_clock() -> None:
    """The wall clock decides what is purged and given up, whatever it shows."""
    clock_trust.ClockWatch.trust = lambda _self: clock_trust.Trust()
    clock_trust.ClockWatch.observe = lambda _self: clock_trust.Trust()


def let_due_times_stand() -> None:
    """What a wrong clock has put off waits for as long as it says."""
    inbox.is_due = lambda at, now, _most_s: at <= now
    maintenance.mend_due_times = lambda _ledger: 0


def let_tasks_rest() -> None:
    """A task whose next time is an hour away by a clock that was set back rests for an hour."""
    scheduler._make_due = lambda *_: None


def blame_the_image() -> None:
    """Every error is that of the image at which it came."""
    for module in (lease, image_examination, answer, sources):
        module.is_machine_fault = lambda _error: False
    image_examination._Failed.is_healthy = lambda _self: True


BROKEN: dict[str, Callable[[], None]] = {
    "skip the sync": skip_the_sync,
    "skip the folder sync": skip_the_folder_sync,
    "commit without sync": commit_without_sync,
    "acknowledge before the commit": acknowledge_before_the_commit,
    "drop the fence": drop_the_fence,
    "die of one image": die_of_one_image,
    "drop the identity": drop_the_identity,
    "drop the mark": drop_the_mark,
    "skip the digest": skip_the_digest,
    "trust every clock": trust_every_clock,
    "let due times stand": let_due_times_stand,
    "let tasks rest": let_tasks_rest,
    "blame the image": blame_the_image,
}
