"""`make systemd` runs what the guide says: every shell block of the install page is in the proof."""

from __future__ import annotations

import inspect
import re

import pytest

from ra_node.bootstrap.package_data import shipped
from tests.torture import proof_of_systemd
from tests.torture.machine import guide
from tests.torture.machine.site import EDITS


def test_every_shell_block_of_the_install_page_is_run_by_the_proof():
    """The section names of the page and those that the proof asks for are the same."""
    text = guide.PAGE.read_text(encoding="utf-8")
    sections = [
        part.splitlines()[0] for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:] if "```sh" in part
    ]
    assert len(sections) == text.count("```sh") == 6
    source = inspect.getsource(proof_of_systemd)
    assert [section for section in sections if f'"{section}"' not in source] == []


def test_commands_are_read_without_their_comments_and_with_continued_lines_whole():
    lines = guide.commands("Configure and start")
    assert [line.split()[0] for line in lines] == ["editor", "systemd-run", "systemctl", "ra-node"]
    assert lines[1].endswith("check --config /etc/ra-node/node.toml --roundtrip")
    with pytest.raises(AssertionError, match="no shell block"):
        guide.commands("Nowhere")


def test_the_administrators_edits_fit_the_configuration_that_init_writes():
    text = (shipped("config") / "node.toml").read_text(encoding="utf-8")
    assert [old for old, _ in EDITS if text.count(f"\n{old}") != 1] == []
