"""Cost of the operator page with few and with many studies: the list, a search, what needs an operator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection

from ra_node.domain.patient.identity import identity
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.patient_key import KEY_FILE, kept_identity, open_secret
from ra_node.ledger.search.terms import add_identifiers, replace_result_terms
from tests.benchmarks.growth import growing, median_s
from tests.benchmarks.scale import Scale
from tests.benchmarks.table import Row
from tests.web.conftest import browser, sign_in, token_in
from tests.web.hospital import Hospital

PEERS = ("pacs", "archive")
WHOLE_S = 0.3
"""Most seconds of CPU of a page."""


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Each page with many studies beside that with few."""
    costs = list(page_costs(folder / "hospital", scale.listed))
    for name in ("list", "search by accession number", "search by a part of a UID", "needs me"):
        each = ((load, cost[name]) for load, cost in costs)
        yield from growing(f"{name} of {{}} studies", each, "ms of CPU")


def page_costs(folder: Path, loads: tuple[int, ...]) -> Iterator[tuple[int, dict[str, float]]]:
    """CPU milliseconds of the server for each page, with so many studies in one ledger."""
    hospital = Hospital(folder)
    secret = open_secret(hospital.settings.node.data_dir / KEY_FILE)
    kept = 0
    with browser(hospital) as client:
        sign_in(client)
        csrf = token_in(client.get("/").text)
        for load in loads:
            fill(hospital.state.ledger, secret, kept, load)
            kept = load

            def find(typed: str) -> None:
                where = client.post("/search", data={"csrf": csrf, "find": typed}).headers["location"]
                assert client.get(where).text.count('id="study-') == 1

            pages = {
                "list": lambda: client.get("/"),
                "search by accession number": lambda: find("A7"),
                "search by a part of a UID": lambda: find("99.7.1.1"),
                "needs me": lambda: client.get("/?needs=me"),
            }
            yield load, {name: 1000 * median_s(look, clock=time.process_time) for name, look in pages.items()}
    hospital.close()


def fill(ledger: Ledger, secret: bytes, first: int, last: int) -> None:
    """Reported studies with numbers of their own, delivered to two peers; one in 200 was refused."""
    with ledger.write() as connection:
        for number in range(first, last):
            _study(connection, ledger.clock() - number, number)
            patient = kept_identity(secret, identity(patient_id=f"P{number}", accession=f"A{number}"))
            uid = f"1.2.99.{number}"
            add_identifiers(connection, uid, patient)
            told = {"probabilities": "0.9 0.1", "positive": number % 2, "refusals": "no_hand" * (number % 3)}
            replace_result_terms(connection, uid, told)


def _study(connection: Connection, at: float, number: int) -> None:
    uid = f"1.2.99.{number}"
    row = {"first_received_at": at, "last_received_at": at, "version": 1, "answered_version": 1}
    connection.execute(schema.study.insert(), [{"study_uid": uid, "state": "answered", **row}])
    image = {"series_uid": f"{uid}.1", "sop_class_uid": "c", "transfer_syntax_uid": "t", "path": "x"}
    images = [
        {"id": f"{number}-{n}", "sop_instance_uid": f"{uid}.1.{n}", "study_uid": uid, "size_bytes": 1,
         "calling_ae": "CR", "received_at": at, "counts": True, "version": 1, **image}
        for n in range(1, 5)
    ]  # fmt: skip
    connection.execute(schema.instance.insert(), images)
    result = {"study_uid": uid, "version": 1, "report_json": "{}", "created_at": at, "sr_uid": f"{uid}.2"}
    connection.execute(schema.result.insert(), [result])
    objects = [
        {"sop_instance_uid": f"{uid}.2.{kind}", "study_uid": uid, "version": 1, "kind": kind, "path": "y",
         "sop_class_uid": "c"}
        for kind in ("sr", "overlay")
    ]  # fmt: skip
    connection.execute(schema.result_object.insert(), objects)
    state = "refused" if number % 200 == 3 else "accepted"
    deliveries = [
        {"object_uid": one["sop_instance_uid"], "peer": peer, "state": state, "attempts": 1, "updated_at": at}
        for one in objects
        for peer in PEERS
    ]
    connection.execute(schema.delivery.insert(), deliveries)
    jobs = [
        {"id": f"{number}-{peer}", "kind": "deliver", "key": f"{uid} {peer}", "study_uid": uid, "version": 1,
         "peer": peer, "state": "done", "run_at": at, "attempt": 1, "excused": 0, "max_attempts": 5,
         "fence": 1, "created_at": at}
        for peer in PEERS
    ]  # fmt: skip
    connection.execute(schema.job.insert(), jobs)
    told = '{"probabilities": "0.9 0.1", "positive": 1, "stages": "3 0"}'
    event = {"at": at, "study_uid": uid, "what": "study_answered", "detail": told}
    connection.execute(schema.event.insert(), [event])
