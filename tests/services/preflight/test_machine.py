"""The preflight knows variant, driver, container and memory, and says what to do where they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from ra_node.services.preflight import machine
from ra_node.services.preflight.machine import (
    check_driver,
    check_installation,
    check_memory,
    check_volume,
    container_name,
    cuda_of_pytorch,
    free_memory_bytes,
)

GIB = 2**30
DRIVER = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Thu Jul 11 11:11:11 UTC 2025\nGCC version:  gcc 12\n"
)
OPEN_DRIVER = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (root@host)\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("words", [DRIVER, OPEN_DRIVER])
@pytest.mark.parametrize(
    ("version", "cuda", "ok"),
    [
        ("580.65.06", "13.2", True),
        ("575.57.08", "13.2", False),
        ("525.60", "12.8", True),
        ("470.256.02", "12.8", False),
    ],
)
def test_a_driver_older_than_pytorchs_cuda_is_named_with_the_one_to_install(
    tmp_path, words, version, cuda, ok
):
    root = write(tmp_path, {"proc/driver/nvidia/version": words.format(version)})
    found = check_driver(cuda, wants_gpu=False, root=root)
    assert (found.ok, version in found.found) == (ok, True)
    assert ok or "install driver 5" in found.hint


@pytest.mark.parametrize("wants_gpu", [True, False])
def test_a_gpu_that_is_wanted_needs_a_driver_and_pytorch_for_cuda(tmp_path, wants_gpu):
    none = check_driver("13.2", wants_gpu=wants_gpu, root=tmp_path)
    root = write(tmp_path, {"proc/driver/nvidia/version": DRIVER.format("580.65.06")})
    cpu = check_driver(None, wants_gpu=wants_gpu, root=root)
    assert none.ok is cpu.ok is not wants_gpu
    assert bool(none.hint) is bool(cpu.hint) is wants_gpu


@pytest.mark.parametrize(
    ("stated", "cuda"),
    [
        ("cuda: Optional[str] = '13.2'\n", "13.2"),
        ("cuda = '12.8'\n", "12.8"),
        ("cuda: Optional[str] = None\nhip = '6.1'\n", None),
    ],
)
def test_the_variant_is_read_without_importing_pytorch(tmp_path, monkeypatch, stated, cuda):
    class Found:
        def locate_file(self, name: str) -> Path:
            return write(tmp_path, {name: f"__version__ = '2.0'\n{stated}"}) / name

    monkeypatch.setattr(machine, "distribution", lambda _: Found())
    assert cuda_of_pytorch() == cuda
    words = check_installation(cuda, "podman").found
    assert words.endswith(f"PyTorch for {f'CUDA {cuda}' if cuda else 'CPU'}, in a podman container")


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("run/.containerenv", "", "podman"),
        (".dockerenv", "", "docker"),
        ("var/run/secrets/kubernetes.io/token", "", "Kubernetes"),
        ("run/host/container-manager", "systemd-nspawn\n", "systemd-nspawn"),
        ("etc/hostname", "", ""),
    ],
)
def test_the_kind_of_container_is_known(tmp_path, path, text, name):
    mounts = "22 20 0:5 / /proc rw - proc proc rw\n20 1 0:40 / / rw,relatime shared:1 - overlay overlay rw\n"
    assert container_name(write(tmp_path, {path: text, "proc/self/mountinfo": mounts})) == name


def test_a_virtual_machine_made_from_an_image_is_no_container(tmp_path):
    """It has the marker of the image, and a disk of its own."""
    mounts = "20 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
    assert container_name(write(tmp_path, {".dockerenv": "", "proc/self/mountinfo": mounts})) == ""


def test_a_data_folder_in_the_containers_own_layer_is_a_fault(tmp_path):
    """It ends with the container; a folder that is not there yet counts by the one that will hold it."""
    assert not check_volume(tmp_path / "data" / "deep", "podman", root=tmp_path).ok
    assert check_volume(Path("/proc"), "podman", root=tmp_path).ok
    assert check_volume(tmp_path, "", root=tmp_path).ok
    assert check_volume(tmp_path, "systemd-nspawn", root=tmp_path).ok


MEMINFO = f"MemTotal: 99999999 kB\nMemAvailable: {8 * GIB // 1024} kB\n"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 8 * GIB),
        ({"sys/fs/cgroup/memory.max": "max", "sys/fs/cgroup/memory.current": "1"}, 8 * GIB),
        (
            {
                "sys/fs/cgroup/memory.max": str(2 * GIB),
                "sys/fs/cgroup/memory.current": str(GIB),
                "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_file {GIB // 2}\n",
            },
            1.5 * GIB,
        ),
        (
            {
                "proc/self/cgroup": "0::/system.slice/ra-node-work.service\n",
                "sys/fs/cgroup/system.slice/ra-node-work.service/memory.max": str(GIB),
                "sys/fs/cgroup/system.slice/ra-node-work.service/memory.current": "0",
                "sys/fs/cgroup/system.slice/ra-node-work.service/memory.stat": "anon 0\n",
            },
            GIB,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/unit\nodd line\n",
                "sys/fs/cgroup/memory/unit/memory.limit_in_bytes": str(3 * GIB),
                "sys/fs/cgroup/memory/unit/memory.usage_in_bytes": "0",
                "sys/fs/cgroup/memory/unit/memory.stat": "total_inactive_file 0\n",
            },
            3 * GIB,
        ),
    ],
    ids=["machine", "no limit", "container", "unit", "version 1"],
)
def test_free_memory_is_that_of_the_machine_or_of_the_control_group_where_that_is_less(tmp_path, files, free):
    assert free_memory_bytes(write(tmp_path, {"proc/meminfo": MEMINFO, **files})) == free


def test_memory_must_hold_the_roles_and_an_image_in_each_worker(tmp_path):
    root = write(tmp_path, {"proc/meminfo": f"MemAvailable: {3 * GIB // 1024} kB\n"})
    assert check_memory(3, running=False, root=root).ok
    short = check_memory(4, running=False, root=root)
    assert (short.ok, short.found) == (False, "3.0 GiB free, 3.5 GiB for 4 workers")
    assert "CPUAffinity=" in short.hint
    assert check_memory(4, running=True, root=root).ok
    assert check_memory(4, running=False, root=tmp_path / "nothing").ok
