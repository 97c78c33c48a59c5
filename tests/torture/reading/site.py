"""A node with accounts and a reader study, whose page is a process that can be killed."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
from typer.testing import CliRunner

from ra_node.bootstrap import reader_studies
from ra_node.cli.app import app
from ra_node.domain.laterality.evidence import Side
from tests.conftest import REPOSITORY, wait_until
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import phantom_study

PASSWORD = "correct horse battery"
MARKED = ("MARKED^NAME", "MARKED-ID-77", "MARKED HOSPITAL", "19610203")
NAME = "torture"


@dataclass
class Node:
    """The role web as a process, which can be killed and started again on the same port."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.folder / "node.toml"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "web.log").open("ab") as log:
            command = [*node_command("web"), "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers, "the page")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/login", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


def node_command(*words: str) -> list[str]:
    return [sys.executable, "-m", "ra_node", *words]


def run(*command: str, given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def draw_images(folder: Path, hands: int, radiographs: Path | None) -> None:
    """Half phantom studies of two hands with marked headers, half real hands where a folder is given."""
    folder.mkdir(parents=True)
    real = sorted(radiographs.glob("*.png"))[: hands // 2] if radiographs else []
    for path in real:
        shutil.copyfile(path, folder / path.name)
    for number in range((hands - len(real)) // 2):
        pair = (HandRecipe(Side.RIGHT, stage=number % 6), HandRecipe(Side.LEFT, stage=(number // 6) % 6))
        recipe = PhantomRecipe(pair, rows=1000, columns=1200, seed=number)
        (image,) = phantom_study(recipe, uid_key=f"torture {number}")
        image.PatientName, image.PatientID = MARKED[0], f"{MARKED[1]}-{number}"
        image.InstitutionName, image.PatientBirthDate = MARKED[2], MARKED[3]
        image.save_as(folder / f"phantom-{number}.dcm", enforce_file_format=True)


def prepared(folder: Path, hands: int, radiographs: Path | None) -> Node:
    """A node with accounts and a reader study whose hands are cut."""
    draw_images(folder / "archive", hands, radiographs)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    node = Node(folder, port)
    bundle = REPOSITORY / "config" / "bundles" / "demo"
    node.config.write_text(
        f'[node]\ndata_dir = "state"\n[models]\nbundle = "{bundle}"\ndevice = "cpu"\n'
        f"[limits]\nmin_free_gib = 0\n[web]\nenabled = true\nport = {port}\n"
    )
    config = ("--config", str(node.config))
    for name, role in (("alice", "reader"), ("bob", "reader"), ("chief", "lead")):
        run(*node_command("web-password", name, "--role", role, *config), given=PASSWORD + "\n")
    words = ("reader-study", "create", NAME, str(folder / "archive"), "--by-joint", "--side", "L")
    readers = ("--reader", "alice", "--reader", "bob", *config)
    reader_studies.NICENESS = 0  # the command yields to the node's work; nothing else of a node runs here
    made = CliRunner().invoke(app, [*words, *readers])
    if made.exit_code:
        raise SystemExit(made.output)
    print(made.output.strip().splitlines()[-1])
    return node
