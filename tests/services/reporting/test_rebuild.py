"""A made object that is missing or damaged leaves the node as it was made, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from sqlalchemy import update

from ra_node.domain.job import JobKind
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.alarms import alarms
from ra_node.ledger.database import schema
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.jobs.queue import claim
from ra_node.ledger.overview import buried_jobs
from ra_node.ledger.results import objects_of
from ra_node.network.scp.loopback_archive import Behaviour, LoopbackArchive
from ra_node.network.scu.c_store import PeerAddress
from ra_node.services.delivery.deliver import Deliverer
from ra_node.services.reporting.answer import Destination
from ra_node.services.reporting.rebuild import Rebuilder
from tests.dicom.builders import PRODUCER, source
from tests.services.builders import LEASE_S
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)
SENT = tuple(kind for kind in ObjectKind if kind != ObjectKind.SR_FALLBACK)


@pytest.fixture
def answered(bench):
    bench.keep(source())
    bench.settle()
    examine(bench)
    answer(bench, Destination("pacs", SENT))
    return bench


def deliver(bench, port, producer=PRODUCER, attempts=1):
    peer = PeerAddress("pacs", "ARCHIVE", "127.0.0.1", port, calling_ae="RA_NODE", connect_timeout_s=60)
    rebuilder = Rebuilder(bench.ledger, bench.files, producer)
    deliverer = Deliverer(bench.ledger, bench.files, {"pacs": peer}, 7e6, rebuild=rebuilder.rebuild)
    for _ in range(attempts):
        deliverer.deliver(claim(bench.ledger, [JobKind.DELIVER], "worker", 8, LEASE_S, peer="pacs"))
        bench.clock.advance(4000)


def objects(bench):
    return objects_of(bench.ledger, STUDY, 1)


def states(bench):
    return {one.object.kind: one.state for one in deliveries_of(bench.ledger, STUDY)}


def change_patient(path: Path) -> None:
    dataset = dcmread(path)
    dataset.PatientID = "P-9"
    dataset.save_as(path)


DAMAGES = pytest.mark.parametrize(
    "damage", [Path.unlink, change_patient, lambda path: path.write_bytes(b"x")]
)


@DAMAGES
def test_damaged_objects_are_made_again_byte_by_byte_and_delivered(answered, tmp_path, damage):
    """Every kind: the same SOP Instance UID and the same content."""
    as_made = {}
    for one in objects(answered):
        path = answered.files.path(one.path)
        as_made[one.sop_instance_uid] = path.read_bytes()
        damage(path)
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(answered, archive.port)
    assert {str(one.sop_instance_uid) for one in archive.objects} == {
        one.sop_instance_uid for one in objects(answered) if one.kind != ObjectKind.SR_FALLBACK
    }
    for one in objects(answered):
        assert answered.files.path(one.path).read_bytes() == as_made[one.sop_instance_uid]
    assert set(states(answered).values()) == {DeliveryState.ACCEPTED}
    assert alarms(answered.ledger) == []


def test_an_object_that_cannot_be_made_again_is_not_sent_and_says_so(answered, tmp_path):
    """Its preview is gone with it; the SR, which needs none, arrives."""
    (overlay,) = (one for one in objects(answered) if one.kind == ObjectKind.OVERLAY)
    change_patient(answered.files.path(overlay.path))
    for preview in (answered.folder / "previews").iterdir():
        preview.unlink()
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(answered, archive.port)
    assert states(answered).pop(ObjectKind.OVERLAY) is DeliveryState.REFUSED
    assert overlay.sop_instance_uid not in {one.sop_instance_uid for one in archive.objects}
    assert states(answered)[ObjectKind.SR] is DeliveryState.ACCEPTED
    (job,) = buried_jobs(answered.ledger)
    assert "cannot be rebuilt" in job.last_error
    assert [one.subject for one in alarms(answered.ledger)] == [overlay.sop_instance_uid]


def test_another_maker_would_make_another_content_and_makes_none(answered, tmp_path):
    """The station was renamed since: never two contents under one UID."""
    (sr,) = (one for one in objects(answered) if one.kind == ObjectKind.SR)
    answered.files.path(sr.path).unlink()
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(answered, archive.port, replace(PRODUCER, station_name="OTHER"), attempts=5)
    assert sr.sop_instance_uid not in {one.sop_instance_uid for one in archive.objects}
    assert states(answered)[ObjectKind.SR] is DeliveryState.REFUSED


def test_a_damaged_source_makes_no_object(answered, tmp_path):
    """Its header would put another patient on the SR."""
    (sr,) = (one for one in objects(answered) if one.kind == ObjectKind.SR)
    change_patient(answered.files.path(sr.path))
    for image in (answered.folder / "inbox").rglob("*.dcm"):
        change_patient(image)
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(answered, archive.port)
    assert sr.sop_instance_uid not in {one.sop_instance_uid for one in archive.objects}


@pytest.mark.parametrize(("known", "state"), [(True, DeliveryState.ACCEPTED), (False, DeliveryState.REFUSED)])
def test_a_duplicate_is_a_delivery_where_the_uid_tells_the_content(answered, tmp_path, known, state):
    """0x0111: of an object of an older version nobody knows which content the archive has."""
    if not known:
        with answered.ledger.write() as connection:
            connection.execute(update(schema.result_object).values(sha256=None))
    with LoopbackArchive(tmp_path / "archive", behaviour=Behaviour(statuses=(0x0111,) * 9)) as archive:
        deliver(answered, archive.port)
    assert set(states(answered).values()) == {state}
    for one in deliveries_of(answered.ledger, STUDY):
        assert known or "not known" in one.detail
