"""A reader study in the data folder of a hospital, made without detector: small pictures, joints in place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.reader_study.plan import StudyPlan
from ra_node.domain.reader_study.roles import AccountRole, Phase, ReaderDuty
from ra_node.imaging.hand_cuts.hand_cut import HandCut, cut_to_json
from ra_node.ledger.reader_studies.studies import (
    HandRecord,
    ImageRecord,
    ReaderRecord,
    StudyRecord,
    insert_image,
    insert_reader,
    insert_study,
)
from ra_node.services.reader_studies.phases import begin_reading
from tests.web.hospital import PASSWORD, Hospital

PLACES = {
    "ip_1": (0.14, 0.50), "pip_2": (0.33, 0.27), "pip_3": (0.50, 0.22), "pip_4": (0.66, 0.26),
    "pip_5": (0.83, 0.36),
    "mcp_1": (0.22, 0.62), "mcp_2": (0.37, 0.47), "mcp_3": (0.50, 0.45), "mcp_4": (0.62, 0.47),
    "mcp_5": (0.74, 0.53),
    "wrist_1": (0.40, 0.80), "wrist_2": (0.52, 0.79), "wrist_3": (0.64, 0.81),
}  # fmt: skip
"""Centres of the joints in shares of columns and rows."""

MARKED_MODEL = '{"stage": 4, "probability": 0.987654, "threshold": 0.5, "joints": {"mcp_2": 4}}'
"""The model's answer, which no byte to a reader may hold."""
MARKED_PATIENT = "MARKED0PATIENT0KEY"


@dataclass(frozen=True)
class PlannedHand:
    """A picture of 16-bit words with its joints in pixels."""

    words: NDArray[np.uint16]
    joints: dict[str, tuple[float, float]]
    side: str = "R"


def drawn_hands(count: int, rows: int = 240, columns: int = 180) -> list[PlannedHand]:
    """Pictures that differ in every pixel: bright discs where joints are, each with its own noise."""
    found = []
    for number in range(count):
        random = np.random.default_rng(number)
        words = random.integers(2000, 9000, (rows, columns), dtype=np.uint16)
        joints = {name: (x * columns, y * rows) for name, (x, y) in PLACES.items()}
        for x, y in joints.values():
            cv2.circle(words, (round(x), round(y)), columns // 22, 40000 + 100 * number, -1)
        found.append(PlannedHand(words, joints, "RL"[number % 2]))
    return found


def make_study(
    hospital: Hospital,
    hands: Iterable[PlannedHand],
    *,
    name: str = "hands",
    readers: tuple[str, ...] = ("alice", "bob"),
    adjudicator: str = "",
    by_joint: bool = True,
    repeats: float = 0.0,
    reveal: bool = False,
    threshold: int = 1,
) -> str:
    """Make a reader study whose readers can begin; return its id. All accounts have the same password."""
    ledger, data = hospital.state.ledger, hospital.settings.node.data_dir
    now, plan = (
        ledger.clock(),
        StudyPlan(by_joint=by_joint, repeats=repeats, reveal=reveal, threshold=threshold),
    )
    study = StudyRecord(ledger.new_id(), name, now, "chief", plan, "{}", Phase.READING, made_at=now)
    with ledger.write() as connection:
        insert_study(connection, study)
        for number, hand in enumerate(hands, start=1):
            record = _hand(data, study.id, number, hand)
            insert_image(connection, ImageRecord(study.id, record.image_id, number, 1), [record])
        everyone = [(account, ReaderDuty.READER) for account in readers]
        everyone += [(adjudicator, ReaderDuty.ADJUDICATOR)] if adjudicator else []
        for place, (account, duty) in enumerate(everyone, start=1):
            insert_reader(connection, ReaderRecord(study.id, account, place, duty, ledger.clock()))
            if duty is ReaderDuty.READER:
                begin_reading(connection, ledger, study, account)
    known = hospital.desk.passwords.names()
    for account, _ in everyone:
        if account not in known:
            add_account(hospital, account, AccountRole.READER)
    return study.id


def keep_image(hospital: Hospital, study: str, path: Path) -> None:
    """Write the first image of a reader study to `path`, and where it lies to the journal of the study."""
    cv2.imwrite(str(path), np.full((300, 400), 77, np.uint8))
    line = {"key": "k", "image": "image-1", "path": str(path)}
    journal = hospital.settings.node.data_dir / "reader-studies" / study / "images.jsonl"
    journal.write_text(json.dumps(line) + "\n")


def add_account(hospital: Hospital, name: str, role: AccountRole) -> None:
    """An account with the password of all; hashing takes 0.1 s, so one hash serves all."""
    path: Path = hospital.desk.passwords.path
    lines = path.read_text().splitlines()
    hashed = next(line.split(":")[1] for line in lines if line.startswith("night:"))
    path.write_text("\n".join([*lines, f"{name}:{hashed}:{role}"]) + "\n")
    assert PASSWORD


def _hand(data: Path, study: str, number: int, hand: PlannedHand) -> HandRecord:
    rows, columns = hand.words.shape
    hand_id = hashlib.sha256(f"{study} {number}".encode()).hexdigest()[:24]
    low, high = np.percentile(hand.words, (1, 99.5))
    cut = HandCut(
        hand_id, MARKED_PATIENT, hand.side, "", "PA", "source", "0" * 64, "F", 61, rows, columns, 0,
        (0, 0, columns, rows), (), 0.9, {joint: (*place, 0.9) for joint, place in hand.joints.items()}, "",
        "0" * 64, "0" * 64, 0.0, 1.0, window=(int(low), int(high)),
    )  # fmt: skip
    folder = Path("reader-studies") / study
    (data / folder).mkdir(parents=True, exist_ok=True)
    written = {}
    encoded = cv2.imencode(".png", hand.words)[1].tobytes()
    for ending, content in (("json", cut_to_json(cut)), ("png", encoded)):
        path = folder / f"{hand_id}.{ending}"
        (data / path).write_bytes(content)
        written[ending] = (str(path), hashlib.sha256(content).hexdigest())
    known = {"study_id": study, "hand_id": hand_id, "image_id": f"image-{number}", "number": number}
    known |= {"patient": MARKED_PATIENT, "source": "source", "side": hand.side, "chosen": True}
    names = ("path", "sha256", "picture_path", "picture_sha256")
    files = dict(zip(names, (*written["json"], *written["png"]), strict=True))
    return HandRecord(**known, pixels=f"{number:064d}", model_json=MARKED_MODEL, **files)
