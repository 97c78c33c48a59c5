"""Commands of the node in processes of their own, forked from a server that has imported everything.

The imports of a worker take 3.4 s of CPU, of a listener 0.6 s, and tests start hundreds of both. What follows
is what `python -m ra_node` does; the node of the whole session is started by that.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path


def fork_server() -> ForkServerContext:
    """The one server of this test process; it starts with the first process that is asked of it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.torture.preloaded"])
    return context


@dataclass(frozen=True, slots=True)
class Forked:
    """A running command with the methods of subprocess.Popen that tests use."""

    args: Sequence[str]
    process: ForkServerProcess

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self.process.join(timeout)
        code = self.process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        return code

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def start(words: Sequence[str], output: Path, errors: Path | None = None) -> Forked:
    """Start `ra-node WORDS`; what it prints is appended to `output`, or its errors to a file of their own."""
    where = Path.cwd(), dict(os.environ)
    process = fork_server().Process(
        target=_command, args=(tuple(words), output, errors or output, *where), daemon=True
    )
    process.start()
    return Forked(words, process)


def run(words: Sequence[str], *, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Run `ra-node WORDS` to its end."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        running = start(words, output, errors)
        try:
            code = running.wait(timeout_s)
        finally:
            running.kill()
        texts = [path.read_text(encoding="utf-8") for path in (output, errors)]
    return subprocess.CompletedProcess(list(words), code, *texts)


def write_to(output: Path, errors: Path) -> None:
    """Let this process append to files what it prints from here on."""
    for number, path in ((1, output), (2, errors)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)


def _command(
    words: Sequence[str], output: Path, errors: Path, folder: Path, environment: Mapping[str, str]
) -> None:
    from ra_node.cli.app import main

    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    write_to(output, errors)
    sys.argv = ["ra-node", *words]
    main()
