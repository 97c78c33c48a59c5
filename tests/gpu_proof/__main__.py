"""Prove the node and its training on a graphics card, unattended, in about ten minutes.

    python -m tests.gpu_proof [PARTS ...] [--save FILE] [--device DEVICE] [--tiny]

Each part runs in a process of its own with a time limit, so that a lost context or a hang costs that part
alone; its rows are kept as soon as they are measured. Exit code 0: every row reaches its target; 1: one
falls short, or a part failed or ran out of time; 3: no CUDA device. `--device cpu --tiny` runs every line
without a card: its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import cast

from tests.benchmarks.table import Row, Verdict, lines, save

PARTS: dict[str, tuple[str, str, float]] = {
    "answers": ("networks", "answers", 60),
    "speed": ("networks", "speed", 120),
    "half": ("half_precision", "half", 60),
    "memory": ("faults", "memory", 60),
    "killed": ("faults", "killed", 90),
    "resume": ("training_runs", "resume", 120),
    "torchrun": ("training_runs", "torchrun", 90),
    "node": ("benchmark_parts", "node", 150),
    "training": ("benchmark_parts", "training", 300),
}
"""Name, module and function of each part, and its limit in seconds."""
NO_CARD = "no CUDA device here, nothing was proven; `--device cpu --tiny` runs every line without one"
GRACE_S = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen parts, print and keep their table."""
    chosen = _parsed(arguments)
    if chosen.child:
        _measure(chosen.child, chosen.device, chosen.folder, tiny=chosen.tiny)
        return 0
    if chosen.device == "cuda" and not _has_card():
        print(NO_CARD, flush=True)
        return 3
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows, failed = [_machine(chosen.device)], False
    for part in chosen.parts or PARTS:
        start = time.monotonic()
        command = [sys.executable, "-m", "tests.gpu_proof", "--child", part, "--device", chosen.device]
        found, why = run_part(part, [*command, *(["--tiny"] if chosen.tiny else [])], PARTS[part][2])
        rows += found
        failed |= bool(why)
        if why:
            rows.append(Row(f"{part}: not finished", why, "", 0.0, 1.0))
        print(
            f"{part}: {len(found)} rows, {time.monotonic() - start:.0f} s{f', {why}' if why else ''}",
            flush=True,
        )
        chosen.save.parent.mkdir(parents=True, exist_ok=True)
        save(rows, chosen.save)
    print("\n".join(lines(rows, {})), flush=True)
    print(f"kept in {chosen.save}", flush=True)
    return int(failed or any(row.verdict is Verdict.SHORT for row in rows))


def run_part(part: str, command: Sequence[str], limit_s: float) -> tuple[list[Row], str]:
    """The rows of a part by a process group of its own, and why it did not finish, "" where it did."""
    with tempfile.TemporaryDirectory(prefix="ra-node-gpu-") as name:
        folder = Path(name)
        with (folder / "output").open("w+b") as output:
            child = subprocess.Popen(
                [*command, "--folder", name], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                code = child.wait(limit_s)
                why = "" if code == 0 else f"exit {code}"
            except subprocess.TimeoutExpired:
                why = f"stopped after its limit of {limit_s:g} s"
            finally:  # also where this process is stopped
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait(GRACE_S)
            output.seek(0)
            last = output.read().decode(errors="replace").strip().splitlines()[-1:]
        if why and last:
            why += f": {last[0][:200]}"
        kept = folder / "rows"
        found = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    return [Row(**json.loads(line)) for line in found if line.endswith("}")], why


def _measure(part: str, device: str, folder: Path, *, tiny: bool) -> None:
    """Write the rows of a part, a line each, as they come."""
    with (folder / "rows").open("w", encoding="utf-8") as kept:
        for row in rows_of(part, device, folder, tiny=tiny):
            kept.write(json.dumps(asdict(row)) + "\n")
            kept.flush()


def rows_of(part: str, device: str, folder: Path, *, tiny: bool) -> Iterator[Row]:
    """The rows of a part in this process, its memory last."""
    import torch

    from tests.gpu_proof.place import Place, peak_rows

    module, function, _ = PARTS[part]
    work = folder / "work"
    work.mkdir()
    place = Place(torch.device(device), work, tiny)
    act = cast(
        "Callable[[Place], Iterator[Row]]", getattr(import_module(f"tests.gpu_proof.{module}"), function)
    )
    yield from act(place)
    yield from peak_rows(part, place.device)


def _has_card() -> bool:
    import torch

    return torch.cuda.is_available()


def _machine(device: str) -> Row:
    """What was measured on."""
    import torch

    from ra_node.inference.gpu import device_names

    cards = ", ".join(device_names()) if device == "cuda" else "CPU"
    cuda, python = torch.version.cuda or "none", platform.python_version()
    versions = f"PyTorch {torch.__version__}, CUDA {cuda}, Python {python}"
    return Row("machine", cards, versions)


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.gpu_proof",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="parts of the table; all without any")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to run the lines without a card")
    parser.add_argument("--tiny", action="store_true", help="next to no work in every part")
    parser.add_argument("--save", type=Path, default=Path("dist/gpu.json"), help="where the table is kept")
    parser.add_argument("--child", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
