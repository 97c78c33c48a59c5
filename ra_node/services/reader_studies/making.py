"""Makes a reader study: cuts its hands on all cores, draws the sample, gives readers their order.

Resumable: an image whose row is there is not cut again, and a hand's files have names that follow from study
and image, so that a repetition after a crash writes the same bytes in the same place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter
from sqlalchemy import Connection

from ra_node.domain.reader_study.plan import SamplingKind, StudyPlan, checked_plan, drawn
from ra_node.domain.reader_study.roles import Account, AccountRole, Phase, ReaderDuty
from ra_node.errors import Refused
from ra_node.filesystem.durable_write import fsync_stream, write_atomically
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.reader_studies.studies import (
    HandRecord,
    ReaderRecord,
    StudyRecord,
    choose_hands,
    count_hands,
    find_study,
    hands_of,
    images_of,
    insert_image,
    insert_reader,
    insert_study,
    plan_to_json,
    readers_of,
    update_study,
)
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.adjudication import ModelAnswer
from ra_node.services.reader_studies.cutting import CutImage, SourceImage, StudyCutter
from ra_node.services.reader_studies.phases import begin_reading
from ra_node.services.reader_studies.sources import (
    StudySourceSpec,
    checked_source,
    spec_to_json,
)
from ra_node.services.reader_studies.study_folder import (
    HANDS,
    IMAGES,
    SOURCE,
    alone,
    detector_of,
    finished_images,
    image_key,
    source_of,
    study_folder,
)

SHORTEST_NAME, LONGEST_NAME = 1, 64

Cut = Callable[[StudyCutter, Sequence[SourceImage]], Iterator[CutImage]]
"""Cuts images on all cores, in their order."""
Report = Callable[[int, int], None]
_ANSWER = TypeAdapter(ModelAnswer)


@dataclass(frozen=True, slots=True)
class StudyMade:
    """The result of making a reader study."""

    images: int
    refused: int
    cut: int
    chosen: int


def create_study(
    ledger: Ledger,
    files: Files,
    name: str,
    source: StudySourceSpec,
    plan: StudyPlan,
    by: str,
    readers: Sequence[Account] = (),
    adjudicator: Account | None = None,
) -> StudyRecord:
    """Create a reader study, still without hands; its hands are cut by `make_study`.

    The same call again gives the study that is already there, as long as its hands are being cut. Refused for
    a name that another one has, a source without images, and a reader of another role.
    """
    if not SHORTEST_NAME <= len(name) <= LONGEST_NAME or not name.isprintable() or "/" in name:
        raise Refused(f"expected a name of 1 to {LONGEST_NAME} characters without /, found another")
    checked_plan(plan)
    checked_source(source)
    for account in (*readers, *([adjudicator] if adjudicator else [])):
        _expect_reader(account)
    files.expect_identity()
    with ledger.read() as connection:
        known = find_study(connection, name)
    if known is not None:
        return _continued(ledger, files, known, source, plan)
    study = StudyRecord(
        ledger.new_id(), name, ledger.clock(), by, plan, json.dumps({"kind": str(source.kind)}), Phase.MAKING
    )
    folder = study_folder(files, study.id)
    (folder / HANDS).mkdir(mode=0o700, parents=True)
    write_atomically(folder / SOURCE, spec_to_json(source).encode())
    with ledger.write() as connection:
        if not insert_study(connection, study):
            raise Refused(f"expected a new name, found a reader study {name}")
        for account in readers:
            _add(connection, ledger, study, account, ReaderDuty.READER)
        if adjudicator is not None:
            _add(connection, ledger, study, adjudicator, ReaderDuty.ADJUDICATOR)
        note(connection, study.created_at, "reader_study_created", None, reader_study=name, by=by)
    return study


def make_study(
    ledger: Ledger,
    files: Files,
    study: StudyRecord,
    images: Sequence[SourceImage],
    cutter: StudyCutter,
    detector: str,
    cut: Cut,
    report: Report = lambda _done, _total: None,
) -> StudyMade:
    """Cut the hands of all images that are not cut yet, draw the sample, and open the reading.

    `detector` is the hash of the hand detector. Raises Retryable where another process makes it, Refused
    without any hand to read, and where it was begun with another detector.
    """
    folder = study_folder(files, study.id)
    with alone(folder):
        _expect_phase(ledger, study)
        _expect_detector(ledger, study, detector)
        done = finished_images(folder)
        left = [one for one in images if image_key(one) not in done]
        report(len(images) - len(left), len(images))
        with (folder / IMAGES).open("a", encoding="utf-8") as journal:
            (folder / IMAGES).chmod(0o600)
            for number, (source, found) in enumerate(zip(left, cut(cutter, left), strict=True), start=1):
                with ledger.write() as connection:
                    insert_image(connection, found.image, found.hands)
                line = {"key": image_key(source), "image": found.image.image_id, "path": str(source.path)}
                journal.write(json.dumps(line) + "\n")
                fsync_stream(journal)
                report(len(images) - len(left) + number, len(images))
        return _open_reading(ledger, study)


def add_reader(ledger: Ledger, study: str, account: Account, *, adjudicator: bool = False) -> StudyRecord:
    """Add one of the two readers, or the third one who decides what these do not agree on."""
    _expect_reader(account)
    with ledger.write() as connection:
        found = find_study(connection, study)
        if found is None:
            raise Refused(f"expected a reader study, found none named {study}")
        _add(connection, ledger, found, account, ReaderDuty.ADJUDICATOR if adjudicator else ReaderDuty.READER)
        return found


def _continued(
    ledger: Ledger, files: Files, known: StudyRecord, source: StudySourceSpec, plan: StudyPlan
) -> StudyRecord:
    """The reader study that is there; one that gave no hand yet gets another source and plan."""
    same = known.phase is Phase.MAKING and known.plan == plan and source_of(files, known.id) == source
    if same:
        return known
    with ledger.write() as connection:
        now = find_study(connection, known.id)
        if now is None or now.phase is not Phase.MAKING or hands_of(connection, known.id, chosen=None):
            raise Refused(f"expected a new name, found a reader study {known.name}")
        write_atomically(study_folder(files, known.id) / SOURCE, spec_to_json(source).encode())
        update_study(connection, known.id, plan_json=plan_to_json(plan), problem="")
    return replace(known, plan=plan, problem="")


def _expect_phase(ledger: Ledger, study: StudyRecord) -> None:
    with ledger.read() as connection:
        now = find_study(connection, study.id)
    if now is None or now.phase is not Phase.MAKING:
        raise Refused("expected a reader study that is being made, found one that is made")


def _expect_detector(ledger: Ledger, study: StudyRecord, detector: str) -> None:
    """All hands of a reader study are cut by one detector; the first start records which."""
    with ledger.write() as connection:
        now = find_study(connection, study.id)
        assert now is not None
        known = detector_of(now)
        if known and known != detector:
            raise Refused(
                f"expected the hand detector {known[:12]} with which this reader study was begun, found"
                f" {detector[:12]}: promote its bundle again, or create another reader study"
            )
        if not known:
            about = json.loads(now.source_json) | {"detector": detector}
            update_study(connection, study.id, source_json=json.dumps(about))


def _expect_reader(account: Account) -> None:
    if account.role is not AccountRole.READER:
        raise Refused(
            f"expected an account of role reader, found {account.name} of role {account.role}: who sees the"
            " operator page or the agreement is not blinded; `ra-node web-password NAME --role reader`"
        )


def _add(
    connection: Connection, ledger: Ledger, study: StudyRecord, account: Account, duty: ReaderDuty
) -> None:
    known = readers_of(connection, study.id)
    if any(one.account == account.name for one in known):
        raise Refused(f"expected another reader, found {account.name} in this reader study already")
    if study.phase not in (Phase.MAKING, Phase.READING):
        raise Refused(f"expected the phase reading, found {study.phase}: its readers are fixed")
    most = 2 if duty is ReaderDuty.READER else 1
    if sum(one.duty is duty for one in known) >= most:
        raise Refused(f"expected at most {most} of duty {duty}, found {most} already")
    taken = {one.place for one in known}
    place = 3 if duty is ReaderDuty.ADJUDICATOR else next(n for n in (1, 2) if n not in taken)
    insert_reader(connection, ReaderRecord(study.id, account.name, place, duty, ledger.clock()))
    if duty is ReaderDuty.READER and study.phase is Phase.READING:
        begin_reading(connection, ledger, study, account.name)


def _open_reading(ledger: Ledger, study: StudyRecord) -> StudyMade:
    """Draw the sample and give the readers their order, in one transaction."""
    with ledger.write() as connection:
        images = images_of(connection, study.id)
        hands = hands_of(connection, study.id, chosen=None)
        strata = _strata(study.plan.sampling.kind, hands)
        chosen = drawn(study.plan.sampling, strata)
        choose_hands(connection, study.id, [hands[number].hand_id for number in chosen])
        count = count_hands(connection, study.id)
        refused = sum(bool(image.refusal) for image in images)
        if not count:
            problem = f"expected hands to read, found none ({len(images)} images, {refused} with a refusal)"
            update_study(connection, study.id, problem=problem)
        else:
            update_study(connection, study.id, phase=str(Phase.READING), made_at=ledger.clock(), problem="")
            for reader in readers_of(connection, study.id):
                if reader.duty is ReaderDuty.READER:
                    begin_reading(connection, ledger, study, reader.account)
            note(connection, ledger.clock(), "reader_study_made", None, reader_study=study.name, hands=count)
    if not count:
        raise Refused(problem)
    return StudyMade(len(images), refused, len(hands), count)


def _strata(kind: SamplingKind, hands: Sequence[HandRecord]) -> list[str | None]:
    """The stratum of each hand; None for the second of two equal pictures, and for hands outside the plan."""
    seen: set[tuple[str, str]] = set()
    strata: list[str | None] = []
    for hand in hands:
        twice = (hand.patient, hand.pixels) in seen
        seen.add((hand.patient, hand.pixels))
        strata.append(None if twice else _stratum(kind, hand))
    return strata


def _stratum(kind: SamplingKind, hand: HandRecord) -> str | None:
    if kind is SamplingKind.SOURCE:
        return hand.source
    if kind in (SamplingKind.STAGE, SamplingKind.DISCORDANT):
        answer = None if hand.model_json is None else _ANSWER.validate_json(hand.model_json)
        if answer is None:
            return None
        if kind is SamplingKind.STAGE:
            return str(answer.stage)
        return "" if answer.contradicts_itself else None
    return ""
