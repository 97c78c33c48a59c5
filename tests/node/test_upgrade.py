"""A node of the first version, stopped in the middle of its work, is upgraded and finishes it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from pydicom import Dataset
from sqlalchemy import create_engine, text

from ra_node.ledger import migrations
from ra_node.network.scp.loopback_archive import LoopbackArchive
from tests.conftest import wait_until
from tests.node.harness import Node
from tests.node.studies import two_hands

ROWS = """
INSERT INTO association VALUES ('a', 'old-host:11112', 'STORESCU', '127.0.0.1', {at}, {at});
INSERT INTO study VALUES ('{open}', {at}, {at}, 0, 0, 'open', NULL);
INSERT INTO study VALUES ('{answered}', {at}, {at}, 1, 1, 'answered', NULL);
INSERT INTO instance (id, sop_instance_uid, study_uid, series_uid, sop_class_uid, transfer_syntax_uid, path,
  size_bytes, calling_ae, association_id, received_at, counts)
  VALUES ('i1', '{image}', '{open}', '{series}', '{sop_class}', '{syntax}', 'inbox/old/i1.dcm',
    1, 'STORESCU', 'a', {at}, 1);
INSERT INTO result VALUES ('{answered}', 1, '{{}}', {at}, '{sent}', NULL);
INSERT INTO object VALUES ('{sent}', '{answered}', 1, 'overlay', '{sop_class}', 'results/old/o1.dcm');
INSERT INTO delivery VALUES ('{sent}', 'pacs', 'waiting', NULL, NULL, 1, {at});
INSERT INTO job (id, kind, key, study_uid, instance_id, version, peer, state, run_at, attempt, excused,
  max_attempts, fence, owner, lease_until, created_at)
  VALUES ('j1', 'examine', 'examine:{image}', '{open}', 'i1', NULL, NULL, 'leased',
           {at}, 1, 0, 3, 1, 'work-1', {at}, {at}),
         ('j2', 'deliver', 'deliver:{answered}:1:pacs', '{answered}', NULL, 1, 'pacs', 'leased',
           {at}, 1, 0, 5, 1, 'deliver-1', {at}, {at});
INSERT INTO event (at, study_uid, what, detail) VALUES ({at}, '{open}', 'instance_stored', '{{}}');
"""


def first_version(state: Path, image: Dataset, sent: Dataset) -> None:
    """The data folder as the first version left it: an image under examination, an object on its way."""
    for path, dataset in (("inbox/old/i1.dcm", image), ("results/old/o1.dcm", sent)):
        (state / path).parent.mkdir(parents=True)
        dataset.save_as(state / path, enforce_file_format=True)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{state / 'ledger.sqlite3'}")
    words = {
        "open": image.StudyInstanceUID,
        "image": image.SOPInstanceUID,
        "series": image.SeriesInstanceUID,
        "sop_class": image.SOPClassUID,
        "syntax": image.file_meta.TransferSyntaxUID,
        "answered": sent.StudyInstanceUID,
        "sent": sent.SOPInstanceUID,
        "at": time.time() - 3600,
    }
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in ROWS.format(**words).split(";\n"):
            if statement.strip():
                connection.execute(text(statement))
    engine.dispose()


def test_work_in_flight_of_the_first_version_is_finished_by_todays_roles(tmp_path: Path):
    """The image is examined and answered, the object that was on its way arrives, and the trail goes on."""
    image, sent = two_hands(seed=301), two_hands(seed=302)
    state = tmp_path / "node" / "state"
    state.mkdir(parents=True)
    first_version(state, image, sent)
    with LoopbackArchive(tmp_path / "archive", ae_title="PACS") as archive:
        node = Node(tmp_path / "node", [("pacs", "PACS", archive.port)], forked=True)
        node.start(["schedule", "work", "deliver"])
        try:
            wait_until(lambda: len(archive.objects) >= 3, "three objects in the archive", 240)
            studies = {one.path.stem for one in archive.objects}
            assert str(sent.SOPInstanceUID) in studies
            story = json.loads(node.cli("studies", str(image.StudyInstanceUID), "--json"))
        finally:
            node.stop()
    assert "Right hand" in story["text"]
    assert story["events"][0]["what"] == "instance_stored"
