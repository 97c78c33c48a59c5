"""The units of systemd/: complete, hardened, and every command line runs as it is written."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ra_node.runtime.roles.supervised_node import ROLES
from tests.conftest import absent, wait_until
from tests.node.harness import REPOSITORY
from tests.ports import free_port

UNITS = REPOSITORY / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
INSTALLED = "/opt/ra-node/bin/"
MOST_EXPOSURE = 2.0
NOBODY = 65534
Tool = Callable[[str], str]


def parsed(unit: Path) -> configparser.ConfigParser:
    """The keys of a unit that stand there once."""
    reader = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    reader.optionxform = str  # type: ignore[assignment, method-assign]
    reader.read(unit, encoding="utf-8")
    return reader


def test_every_role_has_its_unit_and_the_target_starts_those_a_node_needs():
    wanted = parsed(UNITS / "ra-node.target")["Unit"]["Wants"].split()
    assert wanted == [f"ra-node-{role}.service" for role in ROLES]
    assert {unit.name for unit in SERVICES} == {*wanted, "ra-node-web.service"}
    for unit in SERVICES:
        role = unit.stem.removeprefix("ra-node-")
        keys = parsed(unit)
        assert keys["Service"]["ExecStart"] == f"{INSTALLED}ra-node {role}"
        assert keys["Unit"]["PartOf"] == "ra-node.target"
        assert keys["Service"]["Type"] == "notify"


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_unit_is_hardened(unit: Path, require_tool: Tool):
    """`systemd-analyze security` gives at most 2.0 of 10."""
    analyze = require_tool("systemd-analyze")
    argv = [analyze, "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSURE, done.stdout


def test_the_worker_alone_sees_a_gpu_and_has_no_network():
    """It decodes what strangers made; everybody else has no device and talks."""
    for unit in SERVICES:
        service = parsed(unit)["Service"]
        is_worker = unit.stem == "ra-node-work"
        assert service.get("DeviceAllow") == ("char-nvidia* rw" if is_worker else None)
        assert service.get("PrivateNetwork") == ("true" if is_worker else None)


def test_systemd_finds_no_fault_in_the_units(require_tool: Tool, tmp_path: Path):
    """`systemd-analyze verify` on an empty machine with these units, the node and systemd's own targets."""
    analyze = require_tool("systemd-analyze")
    units, programs = tmp_path / "etc/systemd/system", tmp_path / "opt/ra-node/bin"
    units.mkdir(parents=True)
    programs.mkdir(parents=True)
    (programs / "ra-node").write_text("#!/bin/sh\n")
    (programs / "ra-node").chmod(0o755)
    for own in (*SERVICES, UNITS / "ra-node.target"):
        shutil.copy(own, units)
    for name in ("sysinit", "shutdown", "basic", "multi-user", "network-online", "time-sync"):
        shutil.copy(f"/usr/lib/systemd/system/{name}.target", units)
    names = [unit.name for unit in (*SERVICES, UNITS / "ra-node.target")]
    argv = [analyze, "verify", f"--root={tmp_path}", "--man=no", *names]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_account_and_folders_are_made_as_written(require_tool: Tool, tmp_path: Path):
    """By systemd-sysusers and systemd-tmpfiles in a folder of their own: secrets are root's, state is not."""
    sysusers, tmpfiles = require_tool("systemd-sysusers"), require_tool("systemd-tmpfiles")
    if os.geteuid() != 0:
        absent("only root may make accounts and give folders away")
    (tmp_path / "etc/ra-node").mkdir(parents=True)
    (tmp_path / "etc/ra-node/node.toml").touch()
    for argv in (
        [sysusers, f"--root={tmp_path}", str(UNITS / "ra-node.sysusers.conf")],
        [tmpfiles, "--create", f"--root={tmp_path}", str(UNITS / "ra-node.tmpfiles.conf")],
    ):
        subprocess.run(argv, check=True, capture_output=True, timeout=300)
    account = re.search(
        r"^ra-node:x:(\d+):(\d+):.*:(.*)$", (tmp_path / "etc/passwd").read_text(), re.MULTILINE
    )
    assert account is not None
    uid, gid, shell = int(account[1]), int(account[2]), account[3]
    assert shell.endswith("/nologin")
    paths = ("etc/ra-node", "etc/ra-node/secrets", "etc/ra-node/node.toml", "var/lib/ra-node")
    found = {path: (tmp_path / path).stat() for path in paths}
    made = {path: (one.st_mode & 0o7777, one.st_uid) for path, one in found.items()}
    assert made == {
        "etc/ra-node": (0o750, 0),
        "etc/ra-node/secrets": (0o700, 0),
        "etc/ra-node/node.toml": (0o640, 0),
        "var/lib/ra-node": (0o700, uid),
    }
    assert found["etc/ra-node/node.toml"].st_gid == gid


@pytest.fixture
def installed() -> Iterator[Path]:
    """A node's configuration and state folder, where an account without rights may reach them."""
    with tempfile.TemporaryDirectory(prefix="ra-node-") as made:
        yield installed_in(Path(made))


def installed_in(folder: Path) -> Path:
    folder.chmod(0o755)
    bundle = REPOSITORY / "config" / "bundles" / "demo"
    (folder / "node.toml").write_text(
        f'[node]\nport = {free_port()}\ndata_dir = "state"\n[models]\nbundle = "{bundle}"\ndevice = "cpu"\n'
        f"[web]\nenabled = true\nport = {free_port()}\n"
        f'[[peer]]\nname = "pacs"\nae_title = "PACS"\nport = {free_port()}\n'
    )
    (folder / "node.toml").chmod(0o644)
    (folder / "state").mkdir()
    if os.geteuid() == 0:
        os.chown(folder / "state", NOBODY, NOBODY)
    return folder


def as_plain_user(argv: list[str]) -> list[str]:
    """Run a command without any right of root, and as nobody where that account may read the interpreter."""
    if os.geteuid() != 0:
        return argv
    plain = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    nobody = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        absent("setpriv is not installed")
    tried = subprocess.run(
        [str(setpriv), *nobody, *plain, sys.executable, "-c", "import ra_node.cli.app"],
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
        timeout=120,
    )
    return [str(setpriv), *([] if tried.returncode else nobody), *plain, *argv]


WITHOUT_NEW_CODE = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""PR_SET_MDWE of prctl(2), which MemoryDenyWriteExecute= comes to; kernels before 6.3 ignore it."""


def confined(argv: list[str], service: configparser.SectionProxy) -> list[str]:
    """Apply what a test can of the unit's confinement: no new machine code, no network."""
    argv = as_plain_user(argv)
    if service.get("MemoryDenyWriteExecute") == "true":
        argv = [sys.executable, "-c", WITHOUT_NEW_CODE, shutil.which(argv[0]) or argv[0], *argv[1:]]
    alone = ["unshare", "--net"]
    may = shutil.which("unshare") and subprocess.run([*alone, "true"], capture_output=True, check=False)
    if service.get("PrivateNetwork") == "true" and may and may.returncode == 0:
        argv = [*alone, *argv]
    return argv


@contextmanager
def listening(path: Path) -> Iterator[Callable[[], bytes]]:
    """Be systemd on a socket that everybody may write to; what is heard, or nothing after a moment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        path.chmod(0o777)
        systemd.settimeout(0.2)

        def hear() -> bytes:
            try:
                return systemd.recv(100)
            except TimeoutError:
                return b""

        yield hear


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_command_line_runs_as_written_says_ready_and_stops_when_told(unit: Path, installed: Path):
    """Under a plain user, in the environment of the unit; it says ready, alive, stopping in this order."""
    service = parsed(unit)["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program.startswith(INSTALLED)
    variable, _, _ = service["Environment"].partition("=")
    argv = [sys.executable, "-m", "ra_node", *words]
    environment = {
        "PATH": "/usr/bin:/bin",
        "NOTIFY_SOCKET": str(installed / "notify"),
        variable: str(installed / "node.toml"),
        "HOME": str(installed / "state"),
        "OMP_NUM_THREADS": "1",
    }
    with listening(installed / "notify") as hear, (installed / "log").open("wb") as log:
        process = subprocess.Popen(confined(argv, service), env=environment, cwd=REPOSITORY, stderr=log)
        try:
            said = wait_until(lambda: hear() or process.poll() is not None, "the role to be ready", 240)
            assert said == b"READY=1", (installed / "log").read_text(encoding="utf-8")
            assert wait_until(hear, "the role to be alive", 120) == b"WATCHDOG=1"
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: hear() == b"STOPPING=1", "the role to say that it stops", 120)
            assert process.wait(120) == 0
        finally:
            process.kill()
            process.wait(60)
    if os.geteuid() == 0:
        owners = {path.stat().st_uid for path in (installed / "state").rglob("*")}
        assert owners <= {NOBODY, 0}
