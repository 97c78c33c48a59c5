"""A node whose roles are started again when they end, as under a supervisor, and what is wrong with it."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sqlalchemy import select

from ra_node.bootstrap.node_context import raised_alarms
from ra_node.domain.job import JobState
from ra_node.domain.refusal import Reason
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.ledger.alarms import Alarm, AlarmKind, alarms
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, open_ledger
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.storage.durable_files import INBOX, PREVIEWS, RESULTS, Files
from ra_node.settings.node import load_settings
from tests.conftest import wait_until
from tests.node.harness import ROLES, Node, Orthanc
from tests.torture.campaign import at_rest
from tests.torture.faults import Faults
from tests.torture.load import STORESCU, Acknowledged, Image, store
from tests.torture.role import Plan, spawn
from tests.torture.verdict import Verdict, compare

PAUSE_S = 0.5
"""Until a role that ended is started again."""
LIMITS = "[limits]\nmin_free_gib = 0.1\njob_lease_s = 10\n"


class _Kept(threading.Thread):
    """Keeps one role running until told to stop."""

    def __init__(self, role: str, node: Node, plan: Plan) -> None:
        super().__init__(name=f"keeper of {role}", daemon=True)
        self.role, self.node, self.plan = role, node, plan
        self.process: ForkServerProcess | None = None
        self.deaths = 0
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            self.process = spawn(
                self.role, self.node.config, self.node.folder / f"{self.role}.log", self.plan
            )
            self.process.join()
            self.deaths += 1
            self._ending.wait(PAUSE_S)

    def end(self) -> None:
        self._ending.set()
        while self.is_alive():
            if self.process is not None and self.process.is_alive():
                self.process.terminate()
            self.join(5)


@dataclass
class Site:
    """One node with a real PACS; its ledger lies beside the data folder, so that either can be exchanged."""

    folder: Path
    pacs: Orthanc
    study: str = ""
    """Further keys of [study]."""
    told: Acknowledged = field(default_factory=Acknowledged)
    _kept: dict[str, _Kept] = field(default_factory=dict)

    def __post_init__(self) -> None:
        place = self.folder / "node"
        self.file = place / "ledger.sqlite3"
        self.url = f"sqlite:///{self.file}"
        destination = [("pacs", self.pacs.ae_title, self.pacs.dicom_port)]
        extra = f'{LIMITS}[ledger]\nurl = "{self.url}"\n'
        self.node = Node(place, destination, sources=[STORESCU], quiet_s=0.3, extra=extra)
        self.node.write_config()
        if self.study:
            self.configure("[study]\n", f"[study]\n{self.study}\n")
        self.state = place / "state"
        self.faults = Faults(place / "faults")

    def configure(self, old: str, new: str) -> None:
        """Exchange a part of the configuration."""
        text = self.node.config.read_text(encoding="utf-8")
        assert old in text, old
        self.node.config.write_text(text.replace(old, new), encoding="utf-8")

    def start(self, *names: str, broken: str = "") -> None:
        """Keep roles running, all of them where none is named."""
        plan = Plan(broken=broken, faults=self.node.folder / "faults", hurried=True)
        for role in names or ROLES:
            self._kept[role] = _Kept(role, self.node, plan)
            self._kept[role].start()

    def stop(self, *names: str) -> None:
        """End roles in good order, all of them where none is named."""
        for role in names or tuple(self._kept):
            self._kept.pop(role).end()

    def deaths(self, role: str) -> int:
        return self._kept[role].deaths

    def pid(self, role: str) -> int:
        process = self._kept[role].process
        assert process is not None
        return int(process.pid or 0)

    def logged(self, role: str, *words: str) -> int:
        """How often the log of a role has one of these words."""
        return sum(self.node.log(role).count(word) for word in words)

    def send(self, images: Sequence[Image]) -> float:
        """Send until each image is acknowledged; return when that was, by a monotonic clock."""
        for image in images:
            done = wait_until(partial(store, STORESCU, self.node.port, [image]), "a Success", 120)
            self.told.add([image], done)
        return time.monotonic()

    def is_refused(self, image: Image) -> bool:
        """Whether an image gets no Success now."""
        return not store(STORESCU, self.node.port, [image])

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        opened = open_ledger(self.url, may_create=False)
        try:
            yield opened
        finally:
            opened.close()

    def rest(self, timeout_s: float = 300.0) -> None:
        """Wait until nothing waits in the ledger."""
        with self.ledger() as opened:
            wait_until(lambda: at_rest(opened), "the node to come to rest", timeout_s)

    def reports(self) -> dict[str, list[StudyReport]]:
        """Every report by its study, the oldest first."""
        table = schema.result
        query = select(table.c.study_uid, table.c.report_json).order_by(table.c.version)
        found: dict[str, list[StudyReport]] = {}
        with self.ledger() as opened, opened.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.study_uid, []).append(report_from_json(row.report_json))
        return found

    def answered(self, images: Collection[Image]) -> bool:
        return {image.study_uid for image in images} <= self.reports().keys()

    def failed(self) -> list[str]:
        """Images that were answered "analysis failed", in any version."""
        return [
            image.sop_instance_uid
            for versions in self.reports().values()
            for report in versions
            for image in report.images
            if reason_of(image) is Reason.ANALYSIS_FAILED
        ]

    def named(self) -> set[str]:
        """Images that a report names."""
        return {
            image.sop_instance_uid
            for versions in self.reports().values()
            for report in versions
            for image in report.images
        }

    def buried(self) -> int:
        job = schema.job
        with self.ledger() as opened, opened.read() as connection:
            return len(connection.execute(select(job.c.id).where(job.c.state == JobState.BURIED)).all())

    def alarms(self, kind: AlarmKind) -> list[Alarm]:
        with self.ledger() as opened:
            return [one for one in alarms(opened) if one.kind is kind]

    def shown(self, kind: AlarmKind) -> list[Alarm]:
        """What `ra-node status` shows of one kind, also where the ledger is lost."""
        return [one for one in raised_alarms(load_settings(self.node.config)) if one.kind is kind]

    def digests(self) -> dict[str, str]:
        """The SHA-256 of each received and made file, by its path."""
        kept = (
            path
            for name in (INBOX, PREVIEWS, RESULTS)
            for path in (self.state / name).rglob("*")
            if path.is_file() and not path.name.startswith(".")
        )
        return {
            path.relative_to(self.state).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in kept
        }

    def age(self, seconds: float = 7200.0) -> None:
        """Let every file look as old as the sweep wants it."""
        then = time.time() - seconds
        for path in self.state.rglob("*"):
            if path.is_file():
                os.utime(path, (then, then))

    def verdict(self) -> Verdict:
        with self.ledger() as opened:
            return compare(self.pacs, opened, Files(self.state), list(self.told.images.values()))


def reason_of(image: ImageFinding) -> Reason | None:
    return image.refusal.reason if image.refusal else None


@contextmanager
def site(folder: Path, pacs: Orthanc, study: str = "") -> Iterator[Site]:
    """A node in a folder of its own; its roles end with the block."""
    made = Site(folder, pacs, study)
    try:
        yield made
    finally:
        made.faults.fail()
        made.faults.shift_s = 0.0
        made.stop()
