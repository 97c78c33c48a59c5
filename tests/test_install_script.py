"""The installer takes PyTorch's small variant where no NVIDIA GPU is, and no index from a tar."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.node.harness import REPOSITORY

PYTHON = """#!/bin/sh
# Stands for Python: makes an environment whose programs write down how they were called.
case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$0" "$3/bin/uv"; cp "$0" "$3/bin/ra-node";;
esac
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in "pip compile"*) cat >/dev/null; [ -n "$REACHED" ] || exit 2; touch "$TARGET/node-cpu.lock";; esac
"""


def installed(tmp_path: Path, files: tuple[str, ...] = (), **environment: str) -> tuple[str, list[str]]:
    """What the installer says, and the calls that it makes."""
    folder, target = tmp_path / "release", tmp_path / "target"
    folder.mkdir()
    (folder / "install.sh").write_bytes((REPOSITORY / "config" / "install.sh").read_bytes())
    names = ("node.lock", "uv.lock", "ra_node-1.0-py3-none-any.whl", *files)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    sums = (f"{hashlib.sha256(name.encode()).hexdigest()}  ./{name}\n" for name in names)
    (folder / "SHA256SUMS").write_text("".join(sums))
    python = tmp_path / "python3"
    python.write_text(PYTHON)
    python.chmod(0o755)
    env = os.environ | {"PYTHON": str(python), "CALLS": str(tmp_path / "calls"), "TARGET": str(target)}
    env |= {"REACHED": ""} | environment
    argv = ["sh", str(folder / "install.sh"), str(target)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert all("--require-hashes" in call or "ra_node-" in call for call in calls if "pip install" in call)
    return done.stdout + done.stderr, calls


def locked(calls: list[str]) -> str:
    (found,) = [call for call in calls if call.startswith("uv pip install") and " -r " in call]
    return found


@pytest.mark.parametrize(
    ("files", "environment", "lock", "backend"),
    [
        ((), {"VARIANT": "gpu"}, "node.lock", False),
        (("node-cpu.lock",), {"VARIANT": "cpu"}, "node-cpu.lock", True),
        (("node-cpu.lock",), {"VARIANT": "gpu"}, "node.lock", False),
        ((), {"VARIANT": "cpu", "REACHED": "1"}, "target/node-cpu.lock", True),
        ((), {"VARIANT": "cpu"}, "node.lock", False),
    ],
    ids=["gpu", "cpu", "gpu although there is a cpu lock", "resolved now", "index out of reach"],
)
def test_the_lock_follows_the_variant(tmp_path, files, environment, lock, backend):
    said, calls = installed(tmp_path, files, **environment)
    assert locked(calls).endswith(lock)
    assert ("--torch-backend cpu" in locked(calls)) is backend
    assert f"{lock}\n" in said
    assert ("lie unused" in said) is (environment["VARIANT"] == "cpu" and lock == "node.lock")


@pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="there is an NVIDIA driver")
def test_without_an_nvidia_gpu_the_small_variant_is_chosen_by_itself(tmp_path):
    _, calls = installed(tmp_path, ("node-cpu.lock",), VARIANT="")
    assert locked(calls).endswith("--torch-backend cpu -r node-cpu.lock")


def test_an_offline_tar_is_installed_without_an_index(tmp_path):
    _, calls = installed(tmp_path, ("wheels/ra_node-1.0-py3-none-any.whl",))
    pip = [call for call in calls if "pip install" in call]
    assert len(pip) == 2
    assert all("--no-index --no-deps" in call for call in pip)
    assert "--find-links wheels --require-hashes -r node.lock" in pip[0]
    assert pip[1].endswith("wheels/ra_node-1.0-py3-none-any.whl")


def test_a_damaged_file_stops_it_before_anything_is_made(tmp_path):
    installed(tmp_path)
    (tmp_path / "release" / "node.lock").write_text("changed")
    argv = ["sh", str(tmp_path / "release" / "install.sh"), str(tmp_path / "other")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, "damaged" in done.stderr, (tmp_path / "other").exists()) == (1, True, False)
