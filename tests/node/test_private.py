"""Whatever goes through the node, the patient stays in the DICOM objects: not in logs, ledger or commands."""

from __future__ import annotations

import json
import stat
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from sqlalchemy import select
from typer.testing import CliRunner

from ra_node.bootstrap.node_context import open_state
from ra_node.cli.app import app
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.schema import CommitmentState, DeliveryState, delivery
from ra_node.network.presentation_contexts import accepted_contexts
from ra_node.network.pynetdicom_ext.ae import prepare, serve, stop_serving
from ra_node.network.scu.c_store import OutgoingObject, send
from ra_node.network.status.c_store import Answer
from ra_node.settings.node import load_settings
from tests.conftest import wait_until
from tests.network.commitment_peer import CommitmentPeer
from tests.network.fakes import TENDED
from tests.node import forked
from tests.node.harness import Node
from tests.node.studies import two_hands
from training.phantom.film import WHITE
from training.phantom.negatives import draw_other
from training.phantom.study import ImageRecipe, wrap

MARKS = (
    "Quxbert",
    "Zarquon",
    "钱学森",
    "PIDZQ7788",
    "19310203",
    "ACCZQ4455",
    "CMTZQ66",
    "备注甲乙丙",
    "STRZQ1",
)
"""Nothing else in a node is called so."""
VALUE = b"QUXBERT1"
"""In the place of a number, where a library would quote it."""
ENCODINGS = ("utf-8", "utf-16-le", "gb18030", "unicode_escape")


def marked(image: Dataset) -> Dataset:
    """A patient with marks in everything that says who it is."""
    image.SpecificCharacterSet = "ISO_IR 192"
    image.PatientName = "Zarquon^Quxbert=钱学森"
    image.PatientID = "PIDZQ7788"
    image.PatientBirthDate = "19310203"
    image.AccessionNumber = "ACCZQ4455"
    image.PatientComments = "CMTZQ66 备注甲乙丙"
    image.ImageComments = "CMTZQ66 备注甲乙丙"
    image.PatientAddress = "STRZQ1"
    image.ReferringPhysicianName = "Zarquon^Referrer"
    image.OperatorsName = "Quxbert^Operator"
    return image


def saved(image: Dataset, path: Path) -> OutgoingObject:
    image.save_as(path, enforce_file_format=True)
    syntax = image.file_meta.TransferSyntaxUID
    return OutgoingObject(path, image.SOPClassUID, image.SOPInstanceUID, syntax)


def without_numbers(one: OutgoingObject, placeholder: bytes) -> OutgoingObject:
    """Put a mark where a number was, past every check of the library."""
    content = one.path.read_bytes()
    assert content.count(placeholder) == 1
    one.path.write_bytes(content.replace(placeholder, VALUE))
    return one


@contextmanager
def rude_archive() -> Iterator[int]:
    """A destination that refuses everything and says of whom."""

    def refuse(event: evt.Event) -> Dataset:
        status = Dataset()
        status.Status = 0xA900
        status.ErrorComment = f"{event.dataset.PatientID} Zarquon is unknown here"
        return status

    prepare()
    handlers = [TENDED, (evt.EVT_C_STORE, refuse)]
    server = serve(AE("RUDE"), ("127.0.0.1", 0), accepted_contexts(), handlers)
    try:
        yield int(server.server_address[1])
    finally:
        stop_serving(server)


def destination(name: str, port: int, *, commitment: bool) -> str:
    return (
        f'[[peer]]\nname = "{name}"\nae_title = "{name.upper()}"\nport = {port}\n'
        f'roles = ["destination"]\ncommitment = {str(commitment).lower()}\n'
    )


@pytest.fixture(scope="module")
def through(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Path]]:
    """A node that logs all it can, after all that may happen has happened; and what its commands said."""
    folder = tmp_path_factory.mktemp("private")
    sources, said = folder / "sources", folder / "said"
    sources.mkdir()
    said.mkdir()
    with (
        ExitStack() as stack,
        pytest.MonkeyPatch.context() as patch,
        rude_archive() as rude,
        CommitmentPeer("KIND", same_association=True).listening() as kind,
    ):
        patch.setenv("RA_NODE_LOG_LEVEL", "debug")
        extra = destination("kind", kind.port, commitment=True) + destination("rude", rude, commitment=False)
        node = Node(folder / "node", [], extra=extra)
        node.start()
        try:
            study = feed(node, sources)
            ledger = open_state(load_settings(node.config)).ledger
            stack.callback(ledger.close)
            wait_until(lambda: at_rest(ledger), "every study to be answered and refused or committed", 240)
            ask(node, said, study, sources)
            yield node, said
        finally:
            node.stop()


def feed(node: Node, folder: Path) -> str:
    """Send a good study, whose UID is returned, a chest, marks for numbers, garbage, and a contradiction."""
    good = saved(marked(two_hands(seed=201)), folder / "good.dcm")
    chest = marked(wrap(draw_other("chest", 600, 500, seed=3), ImageRecipe("private chest"), white=WHITE))
    numbers = marked(two_hands(seed=202))
    numbers.WindowCenter, numbers.WindowWidth = "12345678", "23456789"
    odd = without_numbers(saved(numbers, folder / "odd.dcm"), b"12345678")
    garbage = saved(marked(two_hands(seed=203)), folder / "garbage.dcm")
    garbage.path.write_bytes(garbage.path.read_bytes()[:400] + " Zarquon^Quxbert 钱学森".encode() * 50)
    answers = [send_one(node, one) for one in (good, saved(chest, folder / "chest.dcm"), odd, garbage)]
    assert answers == [Answer.ACCEPTED, Answer.ACCEPTED, Answer.ACCEPTED, Answer.REFUSED]
    image = dcmread(good.path)
    pixels = bytearray(image.PixelData)
    pixels[:1000] = bytes(1000)
    image.PixelData = bytes(pixels)
    assert send_one(node, saved(image, folder / "contradiction.dcm")) is Answer.REFUSED
    return str(image.StudyInstanceUID)


def send_one(node: Node, one: OutgoingObject) -> Answer:
    peer = replace(node.address, acse_timeout_s=60.0, dimse_timeout_s=120.0)
    return send(peer, [one]).outcomes[0].answer


def at_rest(ledger: Ledger) -> bool:
    """All three studies are refused by the one destination, and accepted and committed by the other."""
    with ledger.read() as connection:
        found = connection.execute(select(delivery.c.state, delivery.c.commitment)).all()
    refused = [row for row in found if row.state == DeliveryState.REFUSED]
    committed = [row for row in found if row.commitment == CommitmentState.COMMITTED]
    return len(refused) == len(committed) == len(found) // 2 == 6


def ask(node: Node, folder: Path, study: str, sources: Path) -> None:
    """Keep what the commands of the operator say; the one on files writes to a folder of its own."""
    config = ["--config", str(node.config)]
    asked = {"status": ["status"], "studies": ["studies"], "study": ["studies", study], "check": ["check"]}
    for name, words in asked.items():
        for form in ([], ["--json"]):
            said = CliRunner().invoke(app, [*words, *form, *config]).output
            (folder / f"{name}{''.join(form)}.txt").write_text(said, encoding="utf-8")
    files = [str(sources / f"{name}.dcm") for name in ("good", "odd", "garbage")]
    out = ["--out", str(folder / "out")]
    for name, words in {
        "hands": ["hands", "--json", *files],
        "analyse": ["analyse", *out, *files[:2]],
        "refused": ["analyse", *out, files[2]],
    }.items():
        done = forked.run([*words, *config])
        (folder / f"{name}.txt").write_text(done.stdout + done.stderr, encoding="utf-8")


def holders(folder: Path) -> set[str]:
    """The files below a folder that hold a mark in any encoding, by suffix or name."""
    wanted = {mark.encode(encoding) for mark in MARKS for encoding in ENCODINGS} | {VALUE}
    lowered = {one.lower() for one in wanted}
    found = set()
    for path in folder.rglob("*"):
        if path.is_file() and any(one in path.read_bytes().lower() for one in lowered):
            found.add(path.suffix if path.suffix == ".dcm" else str(path.relative_to(folder)))
    return found


def test_the_patient_is_in_the_dicom_objects_and_nowhere_else(through: tuple[Node, Path]):
    """Not in the ledger with its journal, previews, locks, or the logs of all roles at debug level."""
    node, _ = through
    assert holders(node.folder) == {".dcm"}, "a patient attribute was written outside of a DICOM object"
    assert all((node.folder / f"{role}.log").stat().st_size for role in node.roles)
    assert (node.folder / "state" / "ledger.sqlite3").exists()


def test_no_command_names_the_patient(through: tuple[Node, Path]):
    """Lists, timelines, preflight and what files are answered with; the objects of `analyse` must."""
    _, said = through
    assert holders(said) == {".dcm"}
    assert "refused" in (said / "status.txt").read_text(encoding="utf-8")
    assert "odd.dcm" in (said / "hands.txt").read_text(encoding="utf-8")
    assert "0 studies" in (said / "refused.txt").read_text(encoding="utf-8")
    assert "Traceback" not in "".join(path.read_text(encoding="utf-8") for path in said.glob("*.txt"))


def test_why_a_delivery_was_refused_is_told_without_whom(through: tuple[Node, Path]):
    _, said = through
    deliveries = json.loads((said / "study--json.txt").read_text(encoding="utf-8"))["deliveries"]
    details = {one["detail"] for one in deliveries if one["peer"] == "rude"}
    assert len(details) == 1
    assert details.pop().endswith("(text of the peer withheld: it may name a patient)")


def test_what_the_node_writes_is_for_its_account_alone(through: tuple[Node, Path]):
    """Files 0600 (bundles 0400) in folders 0700, everywhere below the data folder, and so for `analyse`."""
    node, said = through
    paths = [*(node.folder / "state").rglob("*"), node.folder / "state", *(said / "out").rglob("*")]
    assert len(paths) > 20
    open_to_others = [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == []


def test_a_secret_in_the_ledger_url_is_told_by_nobody(tmp_path: Path):
    """Neither on the command line, where there is no option for it, nor when the server cannot be reached."""
    config = tmp_path / "node.toml"
    config.write_text(
        '[node]\ndata_dir = "state"\n[ledger]\nurl = "postgresql+pg8000://node:SECRETZQ@127.0.0.1:1/ra"\n'
    )
    for words in (["status"], ["check"], ["studies"]):
        done = CliRunner().invoke(app, [*words, "--config", str(config)])
        assert done.exit_code != 0
        assert "SECRETZQ" not in done.output + "".join(traceback.format_exception(done.exception))
