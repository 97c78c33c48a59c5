"""Files of a running node change on the disk: nothing of it is reported or delivered, and all of it is found.

Images before they are examined and before they are reported, previews, results before they are delivered,
and all kinds of file afterwards. Every study shows the same two hands, so that each report must say the same.
"""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom import dcmread
from sqlalchemy import select

from ra_node.domain.refusal import Reason
from ra_node.domain.report import ImageFinding
from ra_node.ledger.alarms import AlarmKind
from ra_node.ledger.database import schema
from ra_node.ledger.report_json import finding_to_json
from tests.conftest import wait_until
from tests.node.harness import Orthanc
from tests.torture.load import Image, studies
from tests.torture.site import Site, reason_of, site
from tests.torture.verdict import Verdict

Harm = Callable[[Path, random.Random], None]


NOBODY = ("", "", "")
"""The patient of a report whose only image is gone."""


def flip(path: Path, draw: random.Random) -> None:
    """a byte flipped"""
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def invert(path: Path, _draw: random.Random) -> None:
    """pixels inverted"""
    dataset = dcmread(path)
    top = (1 << int(dataset.BitsStored)) - 1
    dataset.PixelData = (top - dataset.pixel_array).astype("<u2").tobytes()
    dataset.save_as(path)


def rename(path: Path, _draw: random.Random) -> None:
    """another Patient ID"""
    dataset = dcmread(path)
    dataset.PatientID = "SOMEBODY ELSE"
    dataset.save_as(path)


def truncate(path: Path, draw: random.Random) -> None:
    """truncated"""
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])


def remove(path: Path, _draw: random.Random) -> None:
    """gone"""
    path.unlink()


BEFORE: tuple[Harm, ...] = (flip, invert, rename, truncate, remove)
"""What is done to images that wait for their examination, one each."""


@dataclass
class Rotten:
    """What was harmed, and what became of it."""

    harmed: int = 0
    """Images before their report."""
    refused: int = 0
    """Of these, answered with the reason that the file was damaged."""
    alarmed: int = 0
    """Of these, with an alarm."""
    results: int = 0
    """Results harmed before their delivery."""
    wrong: list[str] = field(default_factory=list)
    """Reports that say something else than the others, and objects delivered with another content."""
    scrubbed: tuple[int, int] = (0, 0)
    """Damaged files that `ra-node scrub` named, of those harmed after delivery or not yet sent again."""
    mended: int = 0
    """Harmed images whose last report has the hands, after their senders sent them once more."""
    alarms_left: int = -1
    verdict: Verdict = field(default_factory=Verdict)
    unseen: list[str] = field(default_factory=list)
    """What is wrong with the reports and objects of a node that checks no digest."""


def rot(folder: Path, pacs: Orthanc, seed: int) -> Rotten:
    """Harm files of one node at every step of their way, then of a node that checks nothing."""
    draw, found = random.Random(seed), Rotten()
    drawn = (study[0] for study in studies(folder / "sent", seed, hands_share=1.0) if len(study) == 1)
    with site(folder, pacs) as one:
        whole, made, seen, shown = (next(drawn) for _ in range(4))
        waiting = [next(drawn) for _ in BEFORE]
        one.start("listen", "work")
        one.send([whole, made, seen, shown])
        wait_until(lambda: _examined(one, 4), "the examinations", 120)
        one.stop("work")
        one.send(waiting)
        for harm, image in zip(BEFORE, waiting, strict=True):
            harm(_kept(one, image, "path"), draw)
        invert(_kept(one, seen, "path"), draw)
        flip(_kept(one, shown, "preview_path"), draw)
        one.start("work", "schedule")
        wait_until(lambda: one.answered([whole, made, seen, shown, *waiting]), "the reports", 180)
        for harm, path in zip((rename, truncate, remove), _results(one, [made, seen, shown]), strict=False):
            harm(path, draw)
            found.results += 1
        one.start("deliver")
        one.rest()
        harmed = [*waiting, seen]
        _count(one, found, harmed, whole)
        _scrub(one, found, draw, harmed, whole, made)
        one.send([*harmed, whole])
        one.rest()
        found.mended = sum(_hands(one, image) == _hands(one, made) != "" for image in harmed)
        _scrubbed(one)  # makes the result again whose image was harmed too
        found.alarms_left = len(one.alarms(AlarmKind.CONTENT))
        found.wrong += _wrong(one, made)
        found.verdict = one.verdict()
        one.stop()
        found.unseen = _unchecked(one, [next(drawn), next(drawn), next(drawn)], made, draw)
    return found


def _count(one: Site, found: Rotten, harmed: Sequence[Image], whole: Image) -> None:
    """What was said of the harmed images, and whether anything wrong was said or delivered."""
    alarms = {alarm.subject for alarm in one.alarms(AlarmKind.CONTENT)}
    found.harmed = len(harmed)
    found.refused = sum(_reason(one, image) is Reason.FILE_DAMAGED for image in harmed)
    found.alarmed = len(alarms & {image.sop_instance_uid for image in harmed})
    found.wrong += _wrong(one, whole)


def _scrub(
    one: Site, found: Rotten, draw: random.Random, harmed: Sequence[Image], whole: Image, made: Image
) -> None:
    """Harm one file of each kind that is done with, and let the command look for all that is harmed."""
    expected = {_kept(one, image, "path") for image in harmed}
    afterwards = [_kept(one, whole, "path"), _kept(one, made, "preview_path"), _results(one, [whole])[0]]
    for path in afterwards:
        flip(path, draw)
    expected |= set(afterwards)
    named = {one.state / problem["path"] for problem in _scrubbed(one)}
    found.scrubbed = (len(named & expected) if named == expected else len(named - expected), len(expected))


def _scrubbed(one: Site) -> list[dict[str, Any]]:
    """What `ra-node scrub` finds."""
    argv = [sys.executable, "-m", "ra_node", "scrub", "--json", "--config", str(one.node.config)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    return list(json.loads(said.stdout)["problems"])


def _unchecked(one: Site, images: Sequence[Image], made: Image, draw: random.Random) -> list[str]:
    """What reaches the PACS where no digest is compared."""
    before = set(_wrong(one, made))
    one.start("listen", broken="skip the digest")
    one.send(images)
    rename(_kept(one, images[0], "path"), draw)
    invert(_kept(one, images[1], "path"), draw)
    one.start("work", "schedule", broken="skip the digest")
    wait_until(lambda: one.answered(images), "the reports", 180)
    rename(_results(one, [images[2]])[0], draw)
    one.start("deliver", broken="skip the digest")
    one.rest()
    one.stop()
    return [what for what in _wrong(one, made) if what not in before]


def _wrong(one: Site, right: Image) -> list[str]:
    """Reports with other hands than those of the image that all have, and objects of another patient."""
    hands = _hands(one, right)
    found = [
        f"report {report.version} of {study_uid}"
        for study_uid, versions in one.reports().items()
        for report in versions
        for image in report.images
        if reason_of(image) is not Reason.FILE_DAMAGED and _said(image) != hands
    ]
    sent = {image.study_uid: _patient(dcmread(image.path)) for image in one.told.images.values()}
    return found + [
        f"{kind} of {study_uid}"
        for study_uid in sorted(one.told.studies)
        for kind, held in one.pacs.instances_of(study_uid).items()
        for instance in held
        if _patient(dcmread(io.BytesIO(one.pacs.file(instance)))) not in (sent[study_uid], NOBODY)
    ]


def _patient(dataset: Any) -> tuple[str, ...]:
    return tuple(str(dataset.get(name, "")) for name in ("PatientID", "PatientName", "PatientBirthDate"))


def _said(image: ImageFinding) -> str:
    """The hands of an image and what was found in them; a batch of another size differs in the 7th digit."""
    hands = json.loads(finding_to_json(image), parse_float=lambda digits: f"{float(digits):.3f}")["hands"]
    return json.dumps(hands)


def _hands(one: Site, image: Image) -> str:
    """What the last report says of an image; "" where it has none."""
    last = one.reports()[image.study_uid][-1]
    (found,) = last.images
    return _said(found) if found.hands else ""


def _reason(one: Site, image: Image) -> Reason | None:
    (found,) = one.reports()[image.study_uid][-1].images
    return reason_of(found)


def _examined(one: Site, count: int) -> bool:
    table = schema.instance
    with one.ledger() as ledger, ledger.read() as connection:
        query = select(table.c.id).where(table.c.finding_json.is_not(None))
        return len(connection.execute(query).all()) >= count


def _kept(one: Site, image: Image, column: str) -> Path:
    """Where the node keeps an image or its preview."""
    table = schema.instance
    query = select(table.c[column]).where(table.c.sop_instance_uid == image.sop_instance_uid)
    with one.ledger() as ledger, ledger.read() as connection:
        return one.state / str(connection.execute(query).scalar_one())


def _results(one: Site, images: Sequence[Image]) -> list[Path]:
    """A result of each study, now a report and now an overlay."""
    table, paths = schema.result_object, []
    with one.ledger() as ledger, ledger.read() as connection:
        for number, image in enumerate(images):
            kind = ("sr", "overlay")[number % 2]
            query = select(table.c.path).where(table.c.study_uid == image.study_uid, table.c.kind == kind)
            paths.append(
                one.state / str(connection.execute(query.order_by(table.c.version)).scalars().first())
            )
    return paths
