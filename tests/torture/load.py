"""Modalities that send studies with real programs and repeat what was not acknowledged to them.

What counts as acknowledged is the sender's own log of C-STORE responses with status Success.
"""

from __future__ import annotations

import random
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom import Dataset

from ra_node.dicom.uids import derive_uid
from tests.conftest import find_tool
from tests.node.studies import two_hands
from training.phantom.study import ImageRecipe, wrap

STORESCU, DCMSEND = "STORESCU", "DCMSEND"
GIVE_UP_S = 120


@dataclass(frozen=True, slots=True)
class Image:
    """One file to send."""

    path: Path
    study_uid: str
    sop_instance_uid: str


def templates() -> list[Dataset]:
    """Two hands, a chest by its header, and a small picture without a hand: what a careless route sends."""
    empty = np.full((64, 64), 900, np.uint16)
    chest = wrap(empty, ImageRecipe("torture chest"))
    chest.BodyPartExamined = "CHEST"
    return [two_hands(seed=500), chest, wrap(empty, ImageRecipe("torture blank"))]


def studies(folder: Path, seed: int, hands_share: float = 0.15) -> Iterator[list[Image]]:
    """Write studies without end: one or two images each, each with UIDs of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    hands, chest, blank = templates()
    number = 0
    while True:
        number += 1
        study_uid = derive_uid("torture", str(seed), str(number))
        images = []
        for n in range(1 + (draw.random() < 0.3)):
            chosen = hands if draw.random() < hands_share else draw.choice([chest, blank, blank])
            images.append(_written(chosen, folder / f"{number}-{n}.dcm", study_uid, n))
        yield images


def one_image(path: Path, study_uid: str, sop_instance_uid: str) -> Image:
    """Write a small picture without a hand, which is examined like every other."""
    return _written(templates()[2], path, study_uid, 1, sop_instance_uid)


def _written(template: Dataset, path: Path, study_uid: str, number: int, uid: str = "") -> Image:
    uid = uid or derive_uid("torture image", study_uid, str(number))
    template.StudyInstanceUID = study_uid
    template.PatientID, template.PatientName = f"T-{study_uid[-12:]}", "Torture"
    template.PatientBirthDate, template.PatientSex = "20110101", "O"
    template.AccessionNumber = template.PatientID
    template.SeriesInstanceUID = derive_uid("torture series", study_uid)
    template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = uid
    template.save_as(path, enforce_file_format=True)
    return Image(path, study_uid, uid)


def store(program: str, port: int, images: Sequence[Image], called: str = "RA_NODE") -> set[str]:
    """Send images in one association; return the SOP Instance UIDs that were acknowledged with Success."""
    if program == STORESCU:
        return _storescu(port, images, called)
    return _dcmsend(port, images, called)


def _storescu(port: int, images: Sequence[Image], called: str) -> set[str]:
    by_path = {str(one.path): one.sop_instance_uid for one in images}
    options = ["-v", "-nh", "-to", "10", "-ta", "20", "-td", str(GIVE_UP_S), "-aet", STORESCU, "-aec", called]
    said = _said([find_tool("storescu"), *options, "127.0.0.1", str(port), *by_path])
    acknowledged, sending = set(), ""
    for line in said.splitlines():
        if line.startswith("I: Sending file: "):
            sending = line.removeprefix("I: Sending file: ").strip()
        elif "Received Store Response (Success)" in line:
            acknowledged.add(by_path[sending])
    return acknowledged


def _dcmsend(port: int, images: Sequence[Image], called: str) -> set[str]:
    report = images[0].path.with_suffix(f".{threading.get_ident()}.txt")
    options = [
        "-nuc",
        "-nh",
        "-to",
        "10",
        "-ta",
        "20",
        "-td",
        str(GIVE_UP_S),
        "-aet",
        DCMSEND,
        "-aec",
        called,
    ]
    paths = [str(one.path) for one in images]
    _said([find_tool("dcmsend"), *options, "+crf", str(report), "127.0.0.1", str(port), *paths])
    if not report.exists():
        return set()
    text = report.read_text(encoding="utf-8", errors="replace")
    report.unlink()
    parts = text.split("\nNumber        : ")[1:]
    uids = [re.search(r"SOP Instance  : (\S+)", part) for part in parts if "0x0000 (Success)" in part]
    return {uid.group(1) for uid in uids if uid}


def _said(argv: Sequence[str]) -> str:
    """What a program prints; one that hangs is ended, as its user would."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=4 * GIVE_UP_S)
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="replace") + (late.stderr or b"").decode(errors="replace")
    return done.stdout + done.stderr


@dataclass
class Acknowledged:
    """Everything that any sender was told Success for."""

    images: dict[str, Image] = field(default_factory=dict)
    repeats: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, batch: Sequence[Image], uids: set[str]) -> None:
        with self._lock:
            for one in batch:
                if one.sop_instance_uid in uids:
                    self.repeats += one.sop_instance_uid in self.images
                    self.images[one.sop_instance_uid] = one

    def some(self, draw: random.Random, count: int) -> list[Image]:
        with self._lock:
            return draw.sample(list(self.images.values()), min(count, len(self.images)))

    @property
    def studies(self) -> set[str]:
        with self._lock:
            return {one.study_uid for one in self.images.values()}


class Sender(threading.Thread):
    """Sends studies from a common source until told to stop, and then what it still holds."""

    def __init__(
        self, program: str, port: int, source: Iterator[list[Image]], told: Acknowledged, seed: int
    ) -> None:
        super().__init__(name=program, daemon=True)
        self.program, self.port, self.source, self.told = program, port, source, told
        self.draw = random.Random(seed)
        self.enough = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.held: list[Image] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.enough.is_set() or self.held:
                if self.may_go_on.is_set() or self.enough.is_set():
                    self._send_some()
                else:
                    self._repeat_some()
        except BaseException as error:
            self.failure = error
            raise

    def _repeat_some(self) -> None:
        """While the node is behind: what it has already, so that it makes no new work."""
        batch = self.told.some(self.draw, 2)
        if batch:
            self.told.add(batch, store(self.program, self.port, batch))
        self.enough.wait(0.2)

    def _send_some(self) -> None:
        if not self.enough.is_set() and len(self.held) < 6:
            self.held += [image for _ in range(self.draw.randint(1, 3)) for image in next(self.source)]
        self.draw.shuffle(self.held)  # so that the images of a study come in several associations
        batch = self.held[: self.draw.randint(1, 5)]
        if self.draw.random() < 0.15:
            batch = batch + [one for one in self.told.some(self.draw, 1) if one not in batch]
        acknowledged = store(self.program, self.port, batch)
        self.told.add(batch, acknowledged)
        self.held = [one for one in self.held if one.sop_instance_uid not in acknowledged]
        if not acknowledged:
            self.enough.wait(0.2)


class Shared:
    """An iterator that several senders may draw from."""

    def __init__(self, source: Iterator[list[Image]]) -> None:
        self._source, self._lock = source, threading.Lock()

    def __iter__(self) -> Shared:
        return self

    def __next__(self) -> list[Image]:
        with self._lock:
            return next(self._source)
