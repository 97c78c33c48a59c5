"""What a role asked of the disk and told the network, in the order in which the kernel did it.

Linux only, by strace: the one witness that neither Python nor SQLite can mislead.
"""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.filereader import read_dataset

from tests.conftest import find_tool
from tests.node.harness import REPOSITORY

CALLS = (
    "openat,write,writev,pwrite64,lseek,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,"
    "ftruncate,sendto,link,linkat"
)
_LINE = re.compile(r"^(?P<at>\d+\.\d+) (?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)(?P<rest>.*)$")
_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_PART = re.compile(r'iov_base="((?:\\x[0-9a-f]{2})*)"(?:\.\.\.)?, iov_len=(\d+)')
_NAMED = re.compile(r"^(-?\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2}|[^>])*)>")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that succeeded. `started` and `ended` are seconds since 1970.

    Strings longer than a PDU of the node's (256 KiB, so only results) keep their length, not their end.
    `path` is the file or folder that it acts on (by its name at that moment), `other` the new name of a
    rename, `data` what was written or sent, `number` an offset, a length or a file descriptor.
    """

    process: str
    name: str
    started: float
    ended: float
    path: str = ""
    other: str = ""
    data: bytes = b""
    number: int = 0
    handle: int = -1
    flags: str = ""


def traced(command: Sequence[str], trace: Path) -> list[str]:
    """The command line that becomes `command` and writes one file a thread, named `trace` and its id."""
    trace.parent.mkdir(parents=True, exist_ok=True)
    options = [
        "-D",
        "-f",
        "-ff",
        "--seccomp-bpf",
        "-ttt",
        "-T",
        "-y",
        "-xx",
        "-s",
        "270000",
        "-e",
        f"trace={CALLS}",
    ]
    return [find_tool("strace"), *options, "-o", str(trace), *command]


def start_traced(
    role: str, config: Path, trace: Path, log: Path, broken: str = ""
) -> subprocess.Popen[bytes]:
    """Start a role under the eyes of the kernel."""
    command = [sys.executable, "-m", "tests.torture.role", role, "--config", str(config)]
    if broken:
        command += ["--break", broken]
    with log.open("ab") as out:
        return subprocess.Popen(traced(command, trace), stdout=out, stderr=out, cwd=REPOSITORY)


def written(trace: Path, process: subprocess.Popen[bytes]) -> bool:
    """Tell whether the tracer of an ended process has written its last line."""
    lines = trace.with_name(f"{trace.name}.{process.pid}").read_text(encoding="ascii", errors="replace")
    return lines.rstrip().endswith("+++")


def calls_of(*traces: Path) -> list[Call]:
    """Everything that was traced, in the order in which it was done."""
    calls = []
    for trace in traces:
        for path in sorted(trace.parent.glob(f"{trace.name}.*")):
            with path.open(encoding="ascii", errors="replace") as lines:
                calls += [call for line in lines if (call := _parsed(trace.name, line)) is not None]
    return sorted(calls, key=lambda call: call.ended)


def _parsed(process: str, line: str) -> Call | None:
    found = _LINE.match(line)
    if found is None or int(found["result"]) < 0:
        return None
    started = float(found["at"])
    took = re.search(r"<(\d+\.\d+)>\s*$", found["rest"])
    ended = started + (float(took.group(1)) if took else 0.0)
    name, arguments = found["name"], found["arguments"]
    strings = [_unhex(one.group(1)) for one in _HEX.finditer(arguments)]
    handle = _NAMED.match(arguments)
    number, path = (handle.group(1), _unhex(handle.group(2)).decode()) if handle else ("", "")
    about: dict[str, Any] = {"path": path, "handle": int(number) if number.lstrip("-").isdigit() else -1}
    if name in ("write", "pwrite64", "sendto"):
        about["data"] = _done(strings[0] if strings else b"", int(found["result"]))
        about["number"] = int(arguments.rsplit(",", 1)[1]) if name == "pwrite64" else 0
    elif name == "writev":
        parts = (_done(_unhex(part), int(length)) for part, length in _PART.findall(arguments))
        about["data"] = _done(b"".join(parts), int(found["result"]))
    elif name == "openat":
        about.update(path=_opened(found["rest"]), handle=int(found["result"]), flags=arguments)
    elif name == "lseek":
        about["number"] = int(found["result"])
    elif name == "ftruncate":
        about["number"] = int(arguments.rsplit(",", 1)[1])
    elif name not in ("fsync", "fdatasync"):
        about["path"] = strings[0].decode() if strings else ""
        about["other"] = strings[1].decode() if len(strings) > 1 else ""
    return Call(process, name, started, ended, **about)


def _done(data: bytes, length: int) -> bytes:
    """What was really written; zeros stand for the end of a string that the trace cut short."""
    return data[:length].ljust(length, b"\0")


def _opened(rest: str) -> str:
    named = re.match(r"^<((?:\\x[0-9a-f]{2}|[^>])*)>", rest)
    return _unhex(named.group(1)).decode(errors="replace") if named else ""


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A C-STORE-RSP with Success as it went to the raw_dicom."""

    sop_instance_uid: str
    at: float


def acknowledgements(calls: Sequence[Call]) -> Iterator[Acknowledgement]:
    """The moments from which a sender may have dropped its copy (PS3.7 9.3.1.2)."""
    for call in calls:
        if call.name == "sendto" and call.data[:1] == b"\x04":
            yield from _responses(call)


def _responses(call: Call) -> Iterator[Acknowledgement]:
    data = call.data
    while len(data) > 12 and data[0] == 4:
        (length,) = struct.unpack(">L", data[2:6])
        command = read_dataset(io.BytesIO(data[12 : 6 + length]), is_implicit_VR=True, is_little_endian=True)
        if command.get("CommandField") == 0x8001 and command.get("Status") == 0x0000:
            yield Acknowledgement(str(command.AffectedSOPInstanceUID), call.started)
        data = data[6 + length :]
