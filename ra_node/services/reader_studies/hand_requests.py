"""Hands that the detector refused or missed, added by the box that a lead draws on the image.

The worker cuts them: the page holds no networks.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import TypeAdapter

from ra_node.domain.reader_study.roles import Account, AccountRole, Phase, ReaderDuty
from ra_node.errors import Refused
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.reader_studies.studies import (
    HandRecord,
    find_image,
    find_study,
    insert_hand,
    readers_of,
    update_hand,
)
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.cutting import StudyCutter
from ra_node.services.reader_studies.image_reading import DrawnBox
from ra_node.services.reader_studies.phases import begin_reading
from ra_node.services.reader_studies.study_folder import image_path

_BOX = TypeAdapter(DrawnBox)


def request_hand(
    ledger: Ledger, study: str, account: Account, image_id: str, drawn_box: DrawnBox
) -> HandRecord:
    """Ask for a hand that the detector refused or missed, by the box that a lead drew on the image.

    It is cut by the next run of the worker, and then comes at the end of each reader's order. Refused once a
    reader has closed his reading, and without the lead's confirmation that the box holds no text on the
    patient: readers see all that is in the box.
    """
    if account.role is not AccountRole.LEAD:
        raise Refused("expected an account of role lead, found another")
    x0, y0, x1, y1 = drawn_box.box
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1) or (x1 - x0) < 0.02 or (y1 - y0) < 0.02:
        raise Refused("expected a box inside the image, found another")
    if drawn_box.side not in ("R", "L"):
        raise Refused("expected the side R or L, found another")
    if not drawn_box.no_text:
        raise Refused(
            "expected the confirmation that no name, date or institution is in the box, found none: readers"
            " see all that is in it; draw it closer to the hand where there is one"
        )
    with ledger.write() as connection:
        found = find_study(connection, study)
        image = None if found is None else find_image(connection, found.id, image_id)
        if found is None or image is None:
            raise Refused("expected an image of this reader study, found none")
        if any(one.reading_closed_at is not None for one in readers_of(connection, found.id)):
            raise Refused("expected an open reading, found a reader who has closed his")
        hand = HandRecord(
            found.id,
            ledger.new_id()[:20],
            image_id,
            image.number,
            patient="",
            source="",
            side=drawn_box.side,
            chosen=False,
            pixels="",
            model_json=None,
            path=None,
            sha256=None,
            picture_path=None,
            picture_sha256=None,
            added_by=account.name,
            request_json=_BOX.dump_json(drawn_box).decode(),
        )
        insert_hand(connection, hand)
        note(connection, ledger.clock(), "hand_requested", None, reader_study=found.name, by=account.name)
    return hand


def cut_requested(ledger: Ledger, files: Files, cutter: StudyCutter, hand: HandRecord) -> HandRecord:
    """Cut a hand at its drawn box, and put it at the end of each reader's order."""
    assert hand.request_json is not None
    path = image_path(files, hand.study_id, hand.image_id)
    if path is None:
        made = replace(hand, problem="expected the file of this image, found none")
    else:
        made = cutter.draw(hand, path, _BOX.validate_json(hand.request_json))
    with ledger.write() as connection:
        update_hand(connection, made)
        study = find_study(connection, hand.study_id)
        if study is not None and study.phase is Phase.READING and not made.problem:
            for reader in readers_of(connection, study.id):
                if reader.duty is ReaderDuty.READER and reader.reading_closed_at is None:
                    begin_reading(connection, ledger, study, reader.account)
    return made
