"""An archive analysed by the command: from files, a real PACS, DICOMweb; killed; beside live work."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread

from ra_node.domain.laterality.evidence import Side
from ra_node.network.scu.c_store import OutgoingObject, PeerAddress, send
from tests.conftest import absent, find_tool, wait_until
from tests.node import forked
from tests.node.harness import REPOSITORY, run_tool
from tests.node.ohif import DICOMWEB
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import phantom_study

STUDIES = 2


@dataclass(frozen=True)
class Archived:
    """The same studies as files and in the PACS; the last one compressed."""

    folder: Path
    uids: tuple[str, ...]
    config: Path


@pytest.fixture(scope="module")
def archived(orthanc, tmp_path_factory) -> Archived:
    folder = tmp_path_factory.mktemp("archived")
    uids, objects = [], []
    for number in range(STUDIES):
        recipe = PhantomRecipe(
            (HandRecipe(Side.RIGHT, stage=number),), rows=620, columns=460, seed=70 + number
        )
        (image,) = phantom_study(recipe)
        path = folder / "files" / f"box{number % 2}" / f"IM{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save_as(path, enforce_file_format=True)
        if number == STUDIES - 1:
            assert run_tool([find_tool("dcmcjpeg"), "+e1", str(path), str(path)]).returncode == 0
        uids.append(str(image.StudyInstanceUID))
        syntax = str(dcmread(path).file_meta.TransferSyntaxUID)
        objects.append(OutgoingObject(path, str(image.SOPClassUID), str(image.SOPInstanceUID), syntax))
    to = PeerAddress("pacs", orthanc.ae_title, "127.0.0.1", orthanc.dicom_port, "STORESCU")
    assert {one.status for one in send(to, objects).outcomes} == {0}
    orthanc.introduce("RETRO", 104)  # it gives studies only to those whom it knows
    (folder / "files" / "notes.txt").write_text("no image " * 30)
    config = folder / "node.toml"
    bundle = REPOSITORY / "config" / "bundles" / "demo"
    config.write_text(
        f'[node]\nae_title = "RETRO"\n[models]\nbundle = "{bundle}"\ndevice = "cpu"\n'
        '[[peer]]\nname = "pacs"\n'
        f'ae_title = "{orthanc.ae_title}"\nport = {orthanc.dicom_port}\nroles = ["source"]\n'
    )
    return Archived(folder / "files", tuple(uids), config)


def told(archived, out, *words):
    return ["analyse", *words, "--out", str(out), "--config", str(archived.config), "--json"]


def argv(archived, out, *words):
    return [sys.executable, "-m", "ra_node", *told(archived, out, *words)]


def analyse(archived, out, *words, code=0):
    done = forked.run(told(archived, out, *words))
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def table(out):
    with (out / "hands.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def from_files(archived, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "files"
    summary = analyse(archived, out, str(archived.folder))
    return out, summary


def judged(out):
    """What the table says of each hand, by study: all but where it came from."""
    rows = [row for row in table(out) if row["outcome"] == "judged"]
    return {row["study_uid"]: {**row, "file": ""} for row in rows}


def test_a_folder_is_analysed_whole_and_says_how_it_went(archived, from_files):
    out, summary = from_files
    assert (summary["studies"], summary["answered"], summary["failed"]) == (STUDIES, STUDIES, 0)
    assert (summary["hands_judged"], summary["skipped_files"]) == (STUDIES, 1)
    assert set(judged(out)) == set(archived.uids)
    for uid in archived.uids:
        assert str(dcmread(out / uid / "sr.dcm").StudyInstanceUID) == uid
        assert oct((out / uid / "sr.dcm").stat().st_mode & 0o777) == "0o600"


@pytest.mark.parametrize("way", ["C-GET", "DICOMweb"])
def test_the_pacs_gives_the_same_answers_as_its_files(archived, from_files, orthanc, tmp_path, way):
    if way == "DICOMweb" and not DICOMWEB.exists():
        absent("Orthanc's DICOMweb plugin is not installed")
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join([*archived.uids, "1.2.3.4.5"]))
    came_from = "pacs" if way == "C-GET" else f"http://127.0.0.1:{orthanc.http_port}/dicom-web"
    out = tmp_path / "out"
    summary = analyse(archived, out, str(listed), "--from", came_from, "--table-only", code=1)
    assert (summary["answered"], summary["failed"]) == (STUDIES, 1)
    assert judged(out) == judged(from_files[0])
    (lost,) = [row for row in table(out) if row["outcome"] == "failed"]
    assert (lost["study_uid"], lost["refusal"], lost["file"]) == ("1.2.3.4.5", "not_fetched", came_from)
    assert {path.name for path in out.iterdir()} == {"hands.csv", "journal.sqlite3"}


def results(out):
    """All bytes but the journal, which knows how often the run began."""
    files = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith("journal")]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_killed_and_started_again_it_redoes_nothing_and_leaves_nothing_half_written(archived, tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(argv(archived, out, str(archived.folder)), stdout=-3, stderr=-3) as process:
        wait_until(lambda: list(out.glob("[0-9]*/sr.dcm")), "the first answer", 300)
        process.send_signal(signal.SIGKILL)
    finished = results(out)
    done = {name: data for name, data in finished.items() if name[0].isdigit()}
    assert done
    summary = analyse(archived, out, str(archived.folder))
    assert summary["done_before"] + summary["answered"] == STUDIES
    after = results(out)
    assert not [name for name in after if "part" in name or name.startswith(".")]
    for name, data in done.items():
        assert after[name] == data


def test_live_studies_come_first(archived, node, tmp_path):
    """While the node has work the run waits, in a lower priority; it goes on when the node is done."""
    out = tmp_path / "out"
    node.kill("work")
    try:
        recipe = PhantomRecipe((HandRecipe(Side.LEFT, stage=2),), rows=620, columns=460, seed=99)
        (image,) = phantom_study(recipe)
        image.save_as(tmp_path / "live.dcm", enforce_file_format=True)
        syntax = str(image.file_meta.TransferSyntaxUID)
        one = OutgoingObject(tmp_path / "live.dcm", str(image.SOPClassUID), str(image.SOPInstanceUID), syntax)
        assert send(node.address, [one]).outcomes[0].status == 0
        command = argv(archived, out, str(archived.folder / "box0"), "--table-only")
        command[command.index("--config") + 1] = str(node.config)
        with subprocess.Popen(command, stdout=-3, stderr=subprocess.PIPE, text=True) as process:
            silent = threading.Timer(600, process.kill)  # it would wait for the node for ever
            silent.start()
            try:
                assert process.stderr is not None
                for line in process.stderr:
                    if "waiting" in line:
                        break
                assert "live jobs" in line
                ours = os.getpriority(os.PRIO_PROCESS, 0)
                assert os.getpriority(os.PRIO_PROCESS, process.pid) >= min(ours + 10, 19)
                assert (out / "hands.partial.csv").read_text().count("\n") == 1, "only its header"
                node.start(["work"])
                process.stderr.read()
                assert process.wait(600) == 0
            finally:
                silent.cancel()
                process.kill()
    finally:
        if "work" not in node.roles:
            node.start(["work"])
    story = json.loads(node.cli("studies", str(image.StudyInstanceUID), "--json"))
    (answered,) = [event["at"] for event in story["events"] if event["what"] == "study_answered"]
    assert answered <= (out / "hands.csv").stat().st_mtime
