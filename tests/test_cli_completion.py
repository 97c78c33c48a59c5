"""The shell completes commands, options and files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import find_tool

PROGRAM = Path(sys.executable).parent / "ra-node"
COMPLETE = """
eval "$(_RA_NODE_COMPLETE=source_bash ra-node)"
COMP_WORDS=({words}); COMP_CWORD={place}; COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}
$(complete -p ra-node | sed 's/.*-F \\([^ ]*\\) .*/\\1/') ra-node
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completions(line: str) -> set[str]:
    """What bash would offer behind a line."""
    words = line.split(" ")
    script = COMPLETE.format(words=" ".join(f"'{word}'" for word in words), place=len(words) - 1, line=line)
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [find_tool("bash"), "--norc", "-c", script],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_bash_completes_commands():
    assert completions("ra-node st") == {"status", "studies"}


def test_bash_completes_the_commands_of_a_group():
    assert completions("ra-node bundle pro") == {"promote"}


def test_bash_completes_options():
    assert completions("ra-node analyse --pat") == {"--patient-key"}


def test_the_completion_can_be_installed(tmp_path):
    done = subprocess.run(
        [find_tool("bash"), "-c", f"{PROGRAM} --install-completion bash; exit $?"],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_RA_NODE_COMPLETE" in text for text in written)
