"""Runs the same few lines in several fresh processes at the same moment."""

from __future__ import annotations

import subprocess
import sys


def run_together(program: str, *arguments: str, count: int = 2) -> list[str]:
    """Start `count` interpreters, let them import, release them at once; return what each printed.

    `program` has two parts, divided by a line "GO": what is prepared and what all do together.
    """
    prepare, together = program.split("GO\n")
    source = f"import sys\n{prepare}\nprint('ready', flush=True)\nsys.stdin.readline()\n{together}"
    running = [_start(source, (*arguments, str(n))) for n in range(count)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0] * count
    return printed


def _start(source: str, arguments: tuple[str, ...]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
