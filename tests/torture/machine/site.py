"""The hospital beside a machine: PACS (DCMTK's storescp), modality (storescu), configuration and key."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread

from tests.conftest import find_tool, wait_until
from tests.node.studies import two_hands
from tests.torture.machine.debian import Machine

NODE_PORT, PACS_PORT = 11112, 11113
EDITS = (
    ('host = "127.0.0.1"', 'host = "0.0.0.0"'),
    ("quiet_s = 5.0", "quiet_s = 1.0"),
    ("min_free_gib = 2.0", "min_free_gib = 0.5"),
    (
        "[tls]",
        (
            '[tls]\ncert = "/etc/ra-node/cert.pem"\nca = "/etc/ra-node/cert.pem"\n'
            'key = "/etc/ra-node/secrets/key.pem"'
        ),
    ),
)
"""What the administrator changes in the configuration that `ra-node init` has written, and what is added."""
PEERS = f"""
[[peer]]
name = "modality"
ae_title = "STORESCU"
host = "127.0.0.1"
roles = ["source"]
[[peer]]
name = "pacs"
ae_title = "PACS"
host = "127.0.0.1"
port = {PACS_PORT}
roles = ["destination"]
"""


def write_configuration(machine: Machine) -> None:
    """What the administrator writes in the editor, and a key that root alone may read."""
    folder = machine.root / "etc" / "ra-node"
    text = (folder / "node.toml").read_text(encoding="utf-8")
    for old, new in EDITS:
        if text.count(f"\n{old}") != 1:
            raise AssertionError(f"expected {old} once in the configuration of ra-node init")
        text = text.replace(f"\n{old}", f"\n{new}")
    (folder / "node.toml").write_text(text + PEERS, encoding="utf-8")
    key, cert = folder / "secrets" / "key.pem", folder / "cert.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "400", "-subj", "/CN=node"]
    argv = [find_tool("openssl"), *words, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
    key.chmod(0o600)
    cert.chmod(0o644)


@dataclass(frozen=True, slots=True)
class Site:
    """A running PACS and what it has received."""

    machine: Machine
    folder: Path

    def send(self, seed: int) -> str:
        """Store a study of two hands in the node; return its UID. Raises where it is not acknowledged."""
        image = two_hands(seed)
        path = self.folder / f"{seed}.dcm"
        image.save_as(path, enforce_file_format=True)
        titles = ["-aet", "STORESCU", "-aec", "RA_NODE"]
        argv = [find_tool("storescu"), "-R", *titles, "127.0.0.1", str(NODE_PORT), str(path)]
        done = subprocess.run(
            self.machine.beside(argv), capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            raise AssertionError(f"storescu: exit {done.returncode}: {done.stdout}{done.stderr}")
        return str(image.StudyInstanceUID)

    def listens(self) -> bool:
        """Whether the node answers a C-ECHO."""
        titles = ["-aet", "STORESCU", "-aec", "RA_NODE", "-to", "5"]
        argv = [find_tool("echoscu"), *titles, "127.0.0.1", str(NODE_PORT)]
        return subprocess.run(self.machine.beside(argv), capture_output=True, check=False).returncode == 0

    def answers(self, study_uid: str) -> list[str]:
        """The modalities of what the PACS has received in a study."""
        found = []
        for path in self._received():
            dataset = dcmread(path, stop_before_pixels=True)
            if dataset.StudyInstanceUID == study_uid:
                found.append(str(dataset.Modality))
        return sorted(found)

    def wait_for_answers(self, study_uid: str, timeout_s: float = 300.0) -> list[str]:
        """Wait for report and overlay."""
        wait_until(lambda: len(set(self.answers(study_uid))) == 2, f"the results of {study_uid}", timeout_s)
        return self.answers(study_uid)

    def _received(self) -> list[Path]:
        return [path for path in (self.folder / "received").iterdir() if not path.name.endswith(".part")]


@contextmanager
def beside(machine: Machine, folder: Path) -> Iterator[Site]:
    """A PACS in the machine's network while the block runs."""
    received = folder / "received"
    received.mkdir(parents=True, exist_ok=True)
    argv = [find_tool("storescp"), "-q", "-aet", "PACS", "+B", "-od", str(received), str(PACS_PORT)]
    with (folder / "storescp.log").open("ab") as log:
        pacs = subprocess.Popen(machine.beside(argv), stdout=log, stderr=log)
        try:
            yield Site(machine, folder)
        finally:
            pacs.terminate()
            pacs.wait(30)
