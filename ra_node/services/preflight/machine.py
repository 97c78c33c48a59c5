"""Checks of the machine: PyTorch's variant, NVIDIA driver, container, memory for the workers."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ra_node import __version__
from ra_node.services.preflight.check import Check

ROOT = Path("/")
REST_GIB = 1.5
"""All roles at rest: `work` with the networks, which its processes share, 1.0 GiB; others 0.1 GiB each."""
WORKER_GIB = 0.5
"""What one worker takes beyond for an image of 15 megapixels; the largest that is accepted takes more."""
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
"""First driver branch for each major version of CUDA (NVIDIA, "CUDA Compatibility")."""
_LAYERS = frozenset({"overlay", "fuse.fuse-overlayfs", "aufs", "btrfs", "zfs"})
"""Filesystems of a container's root; a virtual machine made from an image has its marker on another root."""
_OCI = {"run/.containerenv": "podman", ".dockerenv": "docker"}


def check_installation(cuda: str | None, container: str) -> Check:
    """Version, variant of PyTorch (`cuda`: version that it was built for) and container, as found."""
    variant = f"PyTorch for CUDA {cuda}" if cuda else "PyTorch for CPU"
    where = f", in a {container} container" if container else ""
    return Check("installation", ok=True, found=f"ra-node {__version__}, {variant}{where}")


def check_driver(cuda: str | None, *, wants_gpu: bool, root: Path = ROOT) -> Check:
    """The NVIDIA driver is new enough for PyTorch's CUDA; without a driver there is nothing to compare."""
    name, driver = "NVIDIA driver", driver_version(root)
    if driver is None:
        hint = "install the driver, or set device in [models]" if wants_gpu else ""
        return Check(name, ok=not wants_gpu, found="none; the node computes on the CPU", hint=hint)
    if cuda is None:
        hint = "install with node.lock in the place of node-cpu.lock" if wants_gpu else ""
        return Check(name, ok=not wants_gpu, found=f"{driver}, but PyTorch for CPU is installed", hint=hint)
    oldest = OLDEST_DRIVER.get(int(cuda.partition(".")[0]), 0)
    if int(driver.partition(".")[0]) < oldest:
        hint = f"install driver {oldest} or later; until then the GPU is not used"
        return Check(name, ok=False, found=f"{driver}, too old for CUDA {cuda}", hint=hint)
    return Check(name, ok=True, found=f"{driver}, for CUDA {cuda}")


def check_volume(folder: Path, container: str, root: Path = ROOT) -> Check:
    """In a container the data folder is a volume: the container's own layer ends with it."""
    if container not in {*_OCI.values(), "Kubernetes"}:
        return Check("data volume", ok=True, found="not in a container")
    held = next(one for one in (folder, *folder.parents) if one.exists())
    if held.stat().st_dev == root.stat().st_dev:
        hint = f"mount a volume at {folder}: everything is lost when the container is replaced"
        return Check("data volume", ok=False, found=f"{folder} is in the container's own layer", hint=hint)
    return Check("data volume", ok=True, found=f"{folder} is a volume")


def check_memory(workers: int, *, running: bool, root: Path = ROOT) -> Check:
    """Memory for the roles and for one image in each worker; `running`: the roles have theirs already."""
    free = free_memory_bytes(root)
    if free is None:
        return Check("memory", ok=True, found="unknown; this system does not report it")
    wanted = (0 if running else REST_GIB) + workers * WORKER_GIB
    found = f"{free / 2**30:.1f} GiB free, {wanted:.1f} GiB for {workers} workers"
    if free >= wanted * 2**30:
        return Check("memory", ok=True, found=found)
    hint = "add memory, raise the limit of the container or unit, or give the node fewer processors"
    return Check("memory", ok=False, found=found, hint=f"{hint} (CPUAffinity=, --cpuset-cpus)")


def cuda_of_pytorch() -> str | None:
    """Version of CUDA that the installed PyTorch was built for, from its files; None for CPU.

    Importing PyTorch takes seconds.
    """
    try:
        stated = Path(str(distribution("torch").locate_file("torch/version.py"))).read_text(encoding="utf-8")
    except (PackageNotFoundError, OSError):
        return None
    found = re.search(r"^cuda\b[^=\n]*= *['\"]([\d.]+)['\"]", stated, re.MULTILINE)
    return found.group(1) if found else None


def driver_version(root: Path = ROOT) -> str | None:
    """Version of the loaded NVIDIA driver; None without one."""
    try:
        stated = (root / "proc/driver/nvidia/version").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s", stated, re.MULTILINE)
    return found.group(1) if found else None


def container_name(root: Path = ROOT) -> str:
    """What kind of container this process runs in, "" for none."""
    if (root / "var/run/secrets/kubernetes.io").exists():
        return "Kubernetes"
    for path, name in _OCI.items():
        if (root / path).exists() and _filesystem_of_root(root) in _LAYERS:
            return name
    try:
        return (root / "run/host/container-manager").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _filesystem_of_root(root: Path) -> str:
    try:
        stated = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.findall(r"^\d+ \d+ \S+ \S+ / .*? - (\S+) ", stated, re.MULTILINE)
    return found[-1] if found else ""


def free_memory_bytes(root: Path = ROOT) -> int | None:
    """Memory that a new process can take: of the machine, or of this control group where that is less."""
    found = [size for size in (_of_machine(root), *_of_groups(root)) if size is not None]
    return min(found) if found else None


def _of_machine(root: Path) -> int | None:
    try:
        stated = (root / "proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^MemAvailable: +(\d+) kB$", stated, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def _of_groups(root: Path) -> list[int | None]:
    """Of the control group as a container and as a unit of systemd sees it (versions 2 and 1)."""
    try:
        stated = (root / "proc/self/cgroup").read_text(encoding="ascii", errors="replace")
    except OSError:
        stated = ""
    lines = (line.split(":", 2) for line in stated.splitlines() if line.count(":") >= 2)
    paths = {controller: path.lstrip("/") for _, controller, path in lines}
    second, first = root / "sys/fs/cgroup", root / "sys/fs/cgroup/memory"
    return [
        *(_room(second / one, "memory.max", "memory.current") for one in {"", paths.get("", "")}),
        *(
            _room(first / one, "memory.limit_in_bytes", "memory.usage_in_bytes")
            for one in {"", paths.get("memory", "")}
        ),
    ]


def _room(folder: Path, limit: str, used: str) -> int | None:
    """What a control group leaves; its page cache counts as free."""
    try:
        most, now = (folder / limit).read_text().strip(), int((folder / used).read_text())
        if not most.isdigit():
            return None  # "max"
        stated = (folder / "memory.stat").read_text()
    except (OSError, ValueError):
        return None
    cache = re.search(r"^(?:total_)?inactive_file (\d+)$", stated, re.MULTILINE)
    return max(0, int(most) - now + (int(cache.group(1)) if cache else 0))
