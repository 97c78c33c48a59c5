"""Corrected, moved, merged, refused, withdrawn: real Orthancs with overwrite off and on, and a scripted SCP.

At the end each of them holds exactly one current result of a study, of the right patient and side.
"""

from __future__ import annotations

import json
import urllib.request
from functools import partial
from io import BytesIO

import pytest
from pydicom import dcmread

from ra_node.domain.laterality.evidence import Side
from ra_node.network.scu.c_store import OutgoingObject, PeerAddress, send
from ra_node.network.status.c_store import Answer
from tests.conftest import find_tool, wait_until
from tests.node.archive_of_another_patient import AE_TITLE, archive_of
from tests.node.harness import Node, Orthanc
from tests.node.test_bad_input import sent
from tests.ports import free_port
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import phantom_study

MOVED = {"PatientID": "MARKED-MOVED", "PatientName": "MARKED^MOVED", "PatientBirthDate": "20110101"}
ROLES = ("listen", "work", "deliver", "schedule", "web")


class Site:
    """The node with its three destinations."""

    def __init__(self, node, folder, off, on, scripted, port):
        self.node, self.folder, self.off, self.on, self.scripted = node, folder, off, on, scripted
        self.port = port

    def take(self, image):
        """Send an image to the node; it is acknowledged."""
        assert sent(self.node, image, self.folder).answer is Answer.ACCEPTED

    def archived(self, image):
        """Send an image to both Orthancs, as a modality does."""
        path = self.folder / "archived.dcm"
        image.save_as(path, enforce_file_format=True)
        syntax = image.file_meta.TransferSyntaxUID
        one = OutgoingObject(path, image.SOPClassUID, image.SOPInstanceUID, syntax)
        for pacs in (self.off, self.on):
            peer = PeerAddress("pacs", pacs.ae_title, "127.0.0.1", pacs.dicom_port, calling_ae="STORESCU")
            assert send(peer, [one]).outcomes[0].answer is Answer.ACCEPTED

    def study(self, uid):
        return json.loads(self.node.cli("studies", uid, "--json"))

    def delivered(self, uid, count):
        """Wait until so many versions of a study were delivered to a destination."""

        def done():
            found = [event["what"] for event in self.study(uid)["events"]]
            return found.count("version_delivered") == count

        wait_until(done, "the deliveries", 600)

    def current(self, image, version, held=None):
        """The one current report of a study in each Orthanc, once that version came; they are the same."""
        uid, found = str(image.StudyInstanceUID), []
        for pacs in (self.off, self.on):
            wait_until(partial(_has, pacs, uid, version), f"version {version}", 600)
            reports = _reports(pacs, uid)
            assert len(reports) == (held or version)
            replaced = {uid for one in reports for uid in _predecessors(one)}
            (newest,) = [one for one in reports if one.SOPInstanceUID not in replaced]
            found.append(newest)
        assert found[0].SOPInstanceUID == found[1].SOPInstanceUID
        return found[0]


def _reports(pacs, uid):
    return [dcmread(BytesIO(pacs.file(one))) for one in pacs.instances_of(uid).get("SR", ())]


def _versions(pacs, uid):
    return sorted(int(one.InstanceNumber) for one in _reports(pacs, uid))


def _has(pacs, uid, version):
    return _versions(pacs, uid)[-1:] == [version]


def _predecessors(report):
    """All documents that a report replaces, the nearest first."""
    series = [
        one
        for study in report.get("PredecessorDocumentsSequence", ())
        for one in study.ReferencedSeriesSequence
    ]
    return [str(item.ReferencedSOPInstanceUID) for one in series for item in one.ReferencedSOPSequence]


@pytest.fixture(scope="module")
def site(orthanc, tmp_path_factory):
    folder = tmp_path_factory.mktemp("corrections")
    program = find_tool("Orthanc")
    overwriting = Orthanc(program, folder / "orthanc", "OVERWRITES", settings={"OverwriteInstances": True})
    overwriting.start()
    with archive_of(**MOVED) as scripted:
        peers = [
            ("off", orthanc.ae_title, orthanc.dicom_port, 0.0),
            ("on", overwriting.ae_title, overwriting.dicom_port, 0.0),
            ("dcm4chee", AE_TITLE, scripted.port, 24.0),
        ]
        extra = "".join(
            f'[[peer]]\nname = "{name}"\nae_title = "{title}"\nport = {port}\n'
            f'roles = ["destination"]\nask_patient_after_h = {hours}\n'
            for name, title, port, hours in peers
        )
        port = free_port()
        node = Node(folder / "node", [], extra=f"[web]\nport = {port}\n{extra}", forked=True)
        node.start(ROLES)
        yield Site(node, folder, orthanc, overwriting, scripted, port)
        node.stop()
    overwriting.stop()


def one_hand(seed, **attributes):
    """A right hand at stage 4 of a patient with a marked name."""
    recipe = PhantomRecipe((HandRecipe(Side.RIGHT, stage=4),), rows=800, columns=480, seed=seed)
    (image,) = phantom_study(recipe, uid_key=f"corrections {seed}")
    image.PatientID, image.PatientName = f"MARKED-{seed}", "MARKED^NAME"
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    return image


def test_a_corrected_side_is_reported_and_then_taken_back(site):
    """Version 1 names no side that the header got wrong, version 2 says right, version 3 withdraws it."""
    image = one_hand(71, ImageLaterality="L", PatientOrientation=["R", "F"])
    site.archived(image)
    site.take(image)
    first = site.current(image, 1)
    assert "Right hand" not in site.study(str(image.StudyInstanceUID))["text"]
    image.ImageLaterality, image.PatientOrientation = "R", ["L", "F"]
    site.take(image)
    second = site.current(image, 2)
    assert first.SOPInstanceUID in _predecessors(second)
    text = site.study(str(image.StudyInstanceUID))["text"]
    assert "Right hand" in text
    assert "undetermined" not in text.lower()
    site.node.cli("withdraw", str(image.StudyInstanceUID), "--reason", "wrong side", "--safety")
    third = site.current(image, 3)
    assert second.SOPInstanceUID in _predecessors(third)
    assert third.PatientID == "MARKED-71"
    assert third.SeriesDescription == "RA AI: result withdrawn"


def test_a_study_that_was_moved_in_the_archive_is_reported_under_its_patient_of_today(site):
    """Moved after the first report; a later image comes under the old patient, as from an old worklist."""
    image = one_hand(72)
    uid = str(image.StudyInstanceUID)
    site.archived(image)
    site.take(image)
    site.current(image, 1)
    site.delivered(uid, 3)  # an object on its way would come back under the earlier patient
    for pacs in (site.off, site.on):
        _move(pacs, uid, MOVED)
    late = one_hand(720, StudyInstanceUID=image.StudyInstanceUID, PatientID=image.PatientID)
    site.take(late)
    wait_until(lambda: "peer_patient_changed" in json.dumps(site.study(uid)["events"]), "the question", 600)
    current = site.current(image, 3, held=2)  # version 2, of the earlier patient, was sent to neither
    assert (current.PatientID, str(current.PatientName)) == (MOVED["PatientID"], MOVED["PatientName"])
    for pacs in (site.off, site.on):
        assert {one.PatientID for one in _reports(pacs, uid)} == {MOVED["PatientID"]}


def test_an_archive_that_answers_0xa778_gets_the_result_of_its_own_patient(site):
    """Refused once, asked by C-FIND, rebuilt: all that it holds names its patient."""
    image = one_hand(73)
    uid = str(image.StudyInstanceUID)
    site.scripted.moved.add(uid)
    site.take(image)

    def held():
        return [one for one in site.scripted.stored if one.StudyInstanceUID == uid and one.Modality == "SR"]

    wait_until(held, "the report of the archive's patient", 600)
    assert site.scripted.refused > 0
    assert {one.PatientID for one in held()} == {MOVED["PatientID"]}
    assert len({one.SOPInstanceUID for one in held()}) == 1


def test_after_a_merge_the_earlier_report_is_found_again(site, tmp_path):
    """Under the old ID before the merge, under the new one after it; identifiers come from a file."""
    born = {"PatientBirthDate": "20110101", "PatientSex": "O"}
    first = one_hand(74, PatientID="MARKED-OLD", StudyDate="20260105", **born)
    second = one_hand(75, PatientID="MARKED-NEW", StudyDate="20260205", **born)
    lines = tmp_path / "merge.txt"
    lines.write_text("MARKED-OLD\n\nMARKED-NEW\n\n", encoding="utf-8")
    site.archived(first)
    site.take(first)
    site.current(first, 1)
    site.node.cli("patient", "merge", "--from-file", str(lines))
    site.archived(second)
    site.take(second)
    report = site.current(second, 1)
    (earlier,) = report.PertinentOtherEvidenceSequence
    assert earlier.StudyInstanceUID == first.StudyInstanceUID
    assert report.PatientID == "MARKED-NEW"


def test_no_marked_name_is_in_a_log_an_event_a_metric_or_an_argument(site):
    """Of both patients, the old and the new one; the last of this module."""
    told = [site.node.cli("audit", "--json"), site.node.cli("status", "--json")]
    told += [site.node.log(role) for role in ROLES]
    told += [" ".join(role.args) for role in site.node.roles.values()]
    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/metrics", timeout=120) as metrics:
        told.append(metrics.read().decode())
    assert 'ra_node_studies_withdrawn_total{cause="patient_safety"} 1.0' in told[-1]
    for text in told:
        assert "MARKED" not in text


def _move(pacs, uid, patient):
    """Move a study of an Orthanc to another patient: all its UIDs stay."""
    files = [pacs.file(one) for instances in pacs.instances_of(uid).values() for one in instances]
    (study,) = pacs.find("Study", {"StudyInstanceUID": uid})
    pacs.delete(f"/studies/{study['ID']}")
    for content in files:
        dataset, moved = dcmread(BytesIO(content)), BytesIO()
        for keyword, value in patient.items():
            setattr(dataset, keyword, value)
        dataset.save_as(moved)
        where = f"http://127.0.0.1:{pacs.http_port}/instances"
        urllib.request.urlopen(urllib.request.Request(where, moved.getvalue())).close()
