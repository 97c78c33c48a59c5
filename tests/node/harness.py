"""A whole node as processes of its own, and a real Orthanc as the PACS beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ra_node.network.scu.c_store import PeerAddress, echo
from tests.conftest import wait_until
from tests.node import forked
from tests.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
ROLES = ("listen", "work", "deliver", "schedule")
REPLY_S, END_S = 300, 120
"""How long a slow machine may take over one answer, and over an orderly end."""
Role = subprocess.Popen[bytes] | forked.Forked


@dataclass
class Orthanc:
    """A real PACS in a folder of its own; it is asked by its REST interface."""

    program: str
    folder: Path
    ae_title: str = "ORTHANC"
    dicom_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    plugins: Sequence[Path] = ()
    modalities: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """Whom it knows, as (AE title, host, port): those to whom it may report commitment."""
    environment: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    """Further settings of its configuration."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps(self._configuration()), encoding="utf-8")
        with (self.folder / "orthanc.log").open("ab") as log:
            environment = {**os.environ, **self.environment}
            argv = [self.program, str(config)]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)
        with left_running_only_if_whole(self.stop):
            wait_until(self._answers, "Orthanc's REST interface", 600)

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            end([process])

    def introduce(self, ae_title: str, port: int) -> None:
        """Make a peer of this machine known, so that commitment can be reported to it."""
        body = json.dumps([ae_title, "127.0.0.1", port]).encode()
        where = f"http://127.0.0.1:{self.http_port}/modalities/{ae_title.lower()}"
        request = urllib.request.Request(where, body, method="PUT")
        with urllib.request.urlopen(request, timeout=REPLY_S):
            pass

    def get(self, path: str) -> Any:
        return json.loads(self.get_bytes(path))

    def get_bytes(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=REPLY_S) as answer:
            return bytes(answer.read())

    def delete(self, path: str) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", method="DELETE")
        urllib.request.urlopen(request, timeout=REPLY_S).close()

    def find(self, level: str, query: dict[str, str]) -> list[dict[str, Any]]:
        body = json.dumps({"Level": level, "Query": query, "Expand": True}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/tools/find", body)
        with urllib.request.urlopen(request, timeout=REPLY_S) as answer:
            found = json.loads(answer.read())
        return list(found)

    def instances_of(self, study_uid: str) -> dict[str, list[dict[str, Any]]]:
        """The instances that the PACS holds of a study, by modality."""
        by_modality: dict[str, list[dict[str, Any]]] = {}
        for series in self.find("Series", {"StudyInstanceUID": study_uid}):
            modality = series["MainDicomTags"]["Modality"]
            for instance in series["Instances"]:
                by_modality.setdefault(modality, []).append(self.get(f"/instances/{instance}"))
        return by_modality

    def file(self, instance: dict[str, Any]) -> bytes:
        return self.get_bytes(f"/instances/{instance['ID']}/file")

    def _answers(self) -> bool:
        try:
            return bool(self.get("/system"))
        except OSError:
            return False

    def _configuration(self) -> dict[str, Any]:
        return {
            "Name": "test PACS",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "index"),
            "DicomAet": self.ae_title,
            "DicomPort": self.dicom_port,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomCheckCalledAet": False,
            "DicomModalities": {name: list(where) for name, where in self.modalities.items()},
            "StableAge": 1,
            "Plugins": [str(plugin) for plugin in self.plugins],
            "OverwriteInstances": False,
            **self.settings,
        }


@dataclass
class Node:
    """The roles of one node, each of which can be killed and started by itself."""

    folder: Path
    destinations: Sequence[tuple[str, str, int]]
    sources: Sequence[str] = ("STORESCU",)
    quiet_s: float = 0.5
    extra: str = ""
    port: int = field(default_factory=free_port)
    forked: bool = False
    """Whether its roles come from the fork server instead of `python -m ra_node`."""
    roles: dict[str, Role] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "node.toml"

    @property
    def address(self) -> PeerAddress:
        return PeerAddress("node", "RA_NODE", "127.0.0.1", self.port, calling_ae=self.sources[0])

    def start(self, roles: Sequence[str] = ROLES) -> None:
        """Start roles and wait for the listener; where it does not come up, none is left behind."""
        self.write_config()
        with left_running_only_if_whole(self.stop):
            for role in roles:
                self.roles[role] = self._started(role)
            if "listen" in roles:
                wait_until(self._listens, "the node's C-ECHO", 600)

    def _started(self, role: str) -> Role:
        words, path = [role, "--config", str(self.config)], self.folder / f"{role}.log"
        if self.forked:
            return forked.start(words, path)
        with path.open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "ra_node", *words], stdout=log, stderr=log)

    def _listens(self) -> bool:
        alive = echo(self.address).alive
        if self.roles["listen"].poll() is not None:
            raise AssertionError(f"the listener ended: {self.log('listen')[-2000:]}")
        return alive

    def write_config(self) -> None:
        """Write the configuration, once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.config.exists():
            self.config.write_text(self._configuration(), encoding="utf-8")

    def kill(self, role: str) -> None:
        """Like a power cut for this one process."""
        self.roles[role].send_signal(signal.SIGKILL)
        self.roles.pop(role).wait()

    def stop(self) -> None:
        processes = list(self.roles.values())
        self.roles.clear()
        end(processes)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.cli("status", "--json")))

    def cli(self, *words: str) -> str:
        done = forked.run([*words, "--config", str(self.config)], timeout_s=REPLY_S)
        done.check_returncode()
        return done.stdout

    def log(self, role: str) -> str:
        path = self.folder / f"{role}.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _configuration(self) -> str:
        peers = [
            f'[[peer]]\nname = "source{n}"\nae_title = "{title}"\nroles = ["source"]\n'
            for n, title in enumerate(self.sources)
        ]
        peers += [
            f'[[peer]]\nname = "{name}"\nae_title = "{title}"\nport = {port}\nroles = ["destination"]\n'
            for name, title, port in self.destinations
        ]
        bundle = REPOSITORY / "config" / "bundles" / "demo"
        return (
            f'[node]\nport = {self.port}\ndata_dir = "state"\n'
            f"[study]\nquiet_s = {self.quiet_s}\n"
            f'[models]\nbundle = "{bundle}"\ndevice = "cpu"\n{self.extra}\n' + "\n".join(peers)
        )


@contextmanager
def left_running_only_if_whole(stop: Callable[[], None]) -> Iterator[None]:
    """Stop what was started where the start fails, and tell of that failure alone."""
    try:
        yield
    except BaseException:
        with suppress(AssertionError):
            stop()
        raise


def end(processes: Sequence[Role]) -> None:
    """Ask processes to end; one that does not within a minute is killed, and a failure."""
    for process in processes:
        process.terminate()
    deaf = []
    for process in processes:
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            deaf.append(process.args)
    assert not deaf, f"had to be killed: {deaf}"


def run_tool(argv: Sequence[str], *, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a peer's program and return what it said."""
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        env={**os.environ, "LC_ALL": "C"},
    )
