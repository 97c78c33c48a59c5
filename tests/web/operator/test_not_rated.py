"""Why nothing was rated: by source, device and week, with what a radiographer can do."""

from __future__ import annotations

import re

from ra_node.ledger.search.not_rated import rooms
from ra_node.services.monitoring.event_counters import NEWEST, Durations
from tests.web.conftest import browser, sign_in


def test_each_room_has_its_reasons_and_a_room_without_any_its_count(hospital):
    for number in range(2):
        study = hospital.receive(f"chest {number}", BodyPartExamined="CHEST", calling_ae="WARD_CR",
                                 StationName="ROOM2", DeviceSerialNumber="SN-77")  # fmt: skip
        hospital.answer(study)
    hospital.answer(hospital.receive("hand"), 0, 0)
    found = rooms(hospital.state.ledger, 12)
    assert [(room.calling_ae, room.reported, room.not_rated) for room in found] == [
        ("WARD_CR", 2, 2),
        ("MODALITY", 1, 0),
    ]
    assert found[0].device.startswith("ROOM2 SN-77")
    assert (found[0].count("other_body_part", 1), found[0].count("other_body_part", 12)) == (2, 2)
    with browser(hospital) as client:
        sign_in(client)
        text = client.get("/not-rated").text
    ward = re.sub(r"\s+", " ", text.partition("WARD_CR")[2].partition("</section>")[0])
    for words in ("ROOM2 SN-77", "2 of 2 reported studies", "other body part", "hand studies only"):
        assert words in ward


def test_an_old_study_counts_in_its_own_week_and_not_after_twelve(hospital):
    from sqlalchemy import update

    from ra_node.ledger.database import schema

    uid = hospital.receive("chest", BodyPartExamined="CHEST")
    hospital.answer(uid)
    ledger = hospital.state.ledger
    for days, recent, shown in ((1, 1, 1), (10, 0, 1), (100, 0, 0)):
        with ledger.write() as connection:
            at = ledger.clock() - days * 86400
            connection.execute(update(schema.study).values(first_received_at=at))
        found = rooms(ledger, 12)
        assert len(found) == shown
        assert sum(room.count("other_body_part", 1) for room in found) == recent


def test_median_and_95_percent_are_of_the_newest_durations():
    took = Durations()
    assert took.share(0.5) is None
    for seconds in [1000.0] * 5 + [*range(1, NEWEST + 1)]:
        took.add(float(seconds))
    assert (took.share(0.5), took.share(0.95)) == (500.0, 950.0)
    assert sum(took.counts) == NEWEST + 5
