"""The places at which a role can be killed: before and after every call that makes something durable.

A point is a function of the product, by the name under which its caller finds it. The product holds
no code for this: `wrapped` puts a wrapper in the function's place, in the process of a test alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from typing import Any, Literal

COMMIT = "ra_node.ledger.database.engine:Ledger.write"
"""The one way to write to the ledger: its points lie before and after every COMMIT of a role."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A place in a role, in the words of what has just happened or is about to happen."""

    role: str
    words: str
    target: str
    when: Literal["before", "after"] = "after"
    only_with_result: bool = False
    """Passes that return nothing, such as a claim that finds no job, do not count."""
    pdu_type: int = 0
    """Only passes with a PDU of this type count (PS3.8 9.3.1); 0: all."""


def _files(role: str) -> list[Point]:
    """A file's way to safety: write, sync, rename, sync of the folder."""
    write = "ra_node.filesystem.durable_write"
    return [
        Point(role, "file written, not synced", f"{write}:fsync_file", "before"),
        Point(role, "file synced, not moved", f"{write}:fsync_file"),
        Point(role, "file moved, folder not synced", f"{write}:fsync_folder", "before"),
        Point(role, "file safe, without a row", "ra_node.ledger.storage.durable_files:Files.keep"),
    ]


def _commits(role: str) -> list[Point]:
    return [
        Point(role, "transaction written, not committed", COMMIT, "before"),
        Point(role, "transaction committed", COMMIT, "after"),
    ]


LISTEN = [
    Point("listen", "association recorded", "ra_node.services.reception.ingest:open_association"),
    Point(
        "listen", "data set half received", "ra_node.network.pynetdicom_ext.spool:ArrivingFile.add_received"
    ),
    Point("listen", "data set received", "ra_node.services.reception.ingest:Ingest.keep", "before"),
    *_files("listen"),
    Point("listen", "row committed, nothing said", "ra_node.services.reception.ingest:keep_instance"),
    Point(
        "listen",
        "repeat compared, copy still here",
        "ra_node.ledger.storage.durable_files:Files.remove",
        "before",
    ),
    Point("listen", "answer decided, not sent", "ra_node.network.scp.server:on_c_store"),
    Point("listen", "answer handed to the socket", "pynetdicom.transport:AssociationSocket.send", pdu_type=4),
    Point(
        "listen",
        "commitment reported, not recorded",
        "ra_node.services.delivery.storage_commitment:record_report",
        "before",
    ),
    Point(
        "listen",
        "commitment recorded, not answered",
        "ra_node.services.delivery.storage_commitment:record_report",
    ),
    Point(
        "listen",
        "association ended, not recorded",
        "ra_node.services.reception.ingest:close_association",
        "before",
    ),
    Point("listen", "end of association recorded", "ra_node.services.reception.ingest:close_association"),
    *_commits("listen"),
]
WORK = [
    Point("work", "jobs claimed", "ra_node.runtime.roles.job_loop:claim", only_with_result=True),
    Point(
        "work", "images read, not judged", "ra_node.services.analysis.image_examination:judge_looks", "before"
    ),
    Point("work", "hands judged, not recorded", "ra_node.services.analysis.image_examination:judge_looks"),
    Point(
        "work",
        "examination not recorded",
        "ra_node.services.analysis.image_examination:finish_examination",
        "before",
    ),
    Point("work", "examination recorded", "ra_node.services.analysis.image_examination:finish_examination"),
    Point("work", "findings read for the report", "ra_node.services.reporting.answer:findings_of"),
    Point("work", "results made, not written", "ra_node.services.reporting.answer:publish"),
    *_files("work"),
    Point(
        "work", "results written, not recorded", "ra_node.services.reporting.answer:finish_report", "before"
    ),
    Point("work", "answer recorded", "ra_node.services.reporting.answer:finish_report"),
    *_commits("work"),
]
DELIVER = [
    Point("deliver", "job claimed", "ra_node.runtime.roles.job_loop:claim", only_with_result=True),
    Point("deliver", "association open, nothing sent", "ra_node.network.scu.association:_request"),
    Point("deliver", "object not yet sent", "ra_node.network.scu.c_store:_store", "before"),
    Point("deliver", "object accepted by the PACS, not recorded", "ra_node.network.scu.c_store:_store"),
    Point("deliver", "delivery not recorded", "ra_node.services.delivery.deliver:record_delivery", "before"),
    Point("deliver", "delivery recorded", "ra_node.services.delivery.deliver:record_delivery"),
    Point(
        "deliver",
        "commitment noted, not asked",
        "ra_node.services.delivery.storage_commitment:begin_transaction",
    ),
    Point(
        "deliver",
        "commitment asked, not recorded",
        "ra_node.services.delivery.storage_commitment:end_transaction",
        "before",
    ),
    *_commits("deliver"),
]
SCHEDULE = [
    Point("schedule", "study found due", "ra_node.ledger.inbox:_settle", "before"),
    Point("schedule", "version fixed, not committed", "ra_node.ledger.inbox:_fix_version"),
    Point("schedule", "study settled", "ra_node.ledger.inbox:_settle", only_with_result=True),
    Point("schedule", "dead worker found", "ra_node.services.retention.maintenance:abandon", "before"),
    Point(
        "schedule",
        "its work given back, its lock still here",
        "ra_node.services.retention.maintenance:abandon",
    ),
    Point("schedule", "lock of a dead worker removed", "ra_node.services.retention.maintenance:forget"),
    *_commits("schedule"),
]
POINTS = (*LISTEN, *WORK, *DELIVER, *SCHEDULE)


def resolve(target: str) -> tuple[Any, str, Callable[..., Any]]:
    """Find what holds a function, its name there, and the function; AttributeError where it is gone."""
    module, _, path = target.partition(":")
    holder: Any = import_module(module)
    *classes, name = path.split(".")
    for part in classes:
        holder = getattr(holder, part)
    return holder, name, getattr(holder, name)


def wrapped(point: Point, act: Callable[[], None], nth: int = 1) -> None:
    """From now on call `act` in this process when the point is passed for the nth time and later."""
    holder, name, original = resolve(point.target)
    counted = _Countdown(nth, act)
    wrapper = _commit if point.target == COMMIT else _call
    setattr(holder, name, wrapper(original, point, counted))


class _Countdown:
    def __init__(self, nth: int, act: Callable[[], None]) -> None:
        self._left = nth
        self._act = act
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left > 0:
                return
        self._act()


def _call(original: Callable[..., Any], point: Point, passed: Callable[[], None]) -> Callable[..., Any]:
    @wraps(original)
    def call(*arguments: Any, **named: Any) -> Any:
        if point.pdu_type and arguments[1][0] != point.pdu_type:
            return original(*arguments, **named)
        if point.when == "before":
            passed()
        result = original(*arguments, **named)
        if point.when == "after" and (result or not point.only_with_result):
            passed()
        return result

    return call


def _commit(original: Callable[..., Any], point: Point, passed: Callable[[], None]) -> Callable[..., Any]:
    @contextmanager
    def write(ledger: Any) -> Iterator[Any]:
        with original(ledger) as connection:
            yield connection
            if point.when == "before":
                passed()
        if point.when == "after":
            passed()

    return write
