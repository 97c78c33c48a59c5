"""A wrong path, owner, port, URL or bundle ends a command with one sentence and exit 3 or 4, no traceback."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ra_node.bootstrap.web import expect_free_port
from ra_node.cli.app import main
from ra_node.cli.exit_codes import Exit, as_node_error, exit_of
from ra_node.errors import Fatal, NotReady
from ra_node.network.scp.server import Listener, ListenSettings
from ra_node.settings.node import settings_from

NOBODY = 65534
COMMANDS = (
    ("check",),
    ("status",),
    ("requeue", "1.2"),
    ("purge",),
    ("audit",),
    ("scrub",),
    ("backup", "copy"),
    ("adopt", "--yes"),
    ("bundle", "list"),
)


@contextmanager
def without_rights() -> Iterator[None]:
    """As an account that may not enter pytest's folders; a test that is run by root becomes nobody."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def end(monkeypatch, capsys, tmp_path):
    """Run a command; return its exit code and what it printed."""

    def run(text: str, *words: str) -> tuple[int, str]:
        (tmp_path / "node.toml").write_text(text, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["ra-node", *words, "--config", str(tmp_path / "node.toml")])
        with pytest.raises(SystemExit) as stopped:
            main()
        out = capsys.readouterr()
        return int(stopped.value.code or 0), out.out + out.err

    return run


PATHS = ("/proc/none", "/dev/null", "a\\u0000b", "~no-such-user/x", "x" * 300, "loop")


@pytest.mark.parametrize("path", PATHS)
def test_a_data_folder_that_cannot_be_is_one_sentence(end, tmp_path: Path, path: str):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for command in COMMANDS:
        code, said = end(f'[node]\ndata_dir = "{path}"\nport = 0\n', *command)
        assert code in (Exit.CONFIGURATION, Exit.NOT_NOW) or command == ("check",), (command, said)
        assert "fault of this program" not in said, (command, said)


URLS = (
    "sqlite:////proc/x.db",
    "sqlite:////tmp/a\\u0000b",
    "sqlite+aiosqlite:////proc/x.db",
    "postgresql+pg8000://",
    "postgresql://127.0.0.1:1/name",
    "postgresql://u:secret@127.0.0.1:1/name?option=1",
    "postgresql://u:secret@" + "a" * 99 + "/name",
    "postgresql://u:secret@127.0.0.1:1/name",
    "mysql://u:secret@host/name",
)


@pytest.mark.parametrize("url", URLS)
def test_a_ledger_url_that_is_wrong_is_one_sentence_without_its_password(end, url: str):
    code, said = end(f'[node]\nport = 0\ndata_dir = "state"\n[ledger]\nurl = "{url}"\n', "status")
    assert code in (Exit.CONFIGURATION, Exit.NOT_NOW)
    assert said.strip().count("\n") == 0
    assert "fault of this program" not in said
    assert "secret" not in said


def test_a_personal_account_is_told_whose_the_node_is(end, tmp_path: Path):
    """The commonest mistake: an operator's command under the operator's own account."""
    text = f'[node]\nport = 0\ndata_dir = "{tmp_path / "state"}"\n'
    assert end(text, "status")[0] == 0
    (tmp_path / "state").chmod(0o700)
    tmp_path.chmod(0o711)
    (tmp_path / "node.toml").chmod(0o644)
    parents = [one for one in tmp_path.parents if one.stat().st_mode & 0o011 == 0]
    for one in parents:
        one.chmod(0o711)
    try:
        with without_rights():
            for command in COMMANDS:
                code, said = end_again(end, tmp_path, command)
                assert code in (Exit.CONFIGURATION, Exit.FAILED), (command, said)
                assert "Permission denied" in said, (command, said)
                assert "Traceback" not in said
    finally:
        for one in parents:
            one.chmod(0o700)


def end_again(end, tmp_path: Path, command):
    """With the file that is there: nobody may not write another one."""
    written = Path.write_text
    Path.write_text = lambda *_args, **_named: 0  # type: ignore[assignment, method-assign]
    try:
        return end("", *command)
    finally:
        Path.write_text = written  # type: ignore[method-assign]


def test_an_error_of_a_library_is_named_without_its_message():
    """A message may quote a data set, and a data set names its patient."""
    try:
        {}["Smith^John"]
    except KeyError as error:
        said = as_node_error(error)
    assert "KeyError at test_faults.py" in str(said)
    assert "Smith" not in str(said)
    assert exit_of(said) is Exit.FAILED


@pytest.mark.parametrize(("code", "expected"), [(13, 3), (30, 4), (28, 4), (5, 4), (2, 3), (20, 3), (24, 4)])
def test_what_lasts_is_configuration_and_what_passes_is_not_now(code: int, expected: int):
    """EACCES, ENOENT, ENOTDIR last; EROFS, ENOSPC, EIO, EMFILE may pass."""
    said = as_node_error(OSError(code, os.strerror(code), "/a/file"))
    assert exit_of(said) == expected
    assert "/a/file" in str(said)


def test_a_held_port_may_be_free_later(tmp_path: Path):
    """Exit 4, so that systemd starts the role again; a name that nobody knows is a configuration: exit 3."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        settings = settings_from({"web": {"port": port}}, base=tmp_path)
        with pytest.raises(NotReady, match="Address already in use"):
            expect_free_port(settings)
        with pytest.raises(NotReady, match="Address already in use") as taken:
            Listener(ListenSettings("A", tmp_path / "in", "127.0.0.1", port), None).start()  # type: ignore[arg-type]
    assert exit_of(taken.value) is Exit.NOT_NOW
    settings = settings_from({"web": {"host": "no.invalid", "https": True}}, base=tmp_path)
    with pytest.raises(Fatal) as unknown:
        expect_free_port(settings)
    assert exit_of(unknown.value) is Exit.CONFIGURATION


def test_a_bundle_without_its_files_is_one_sentence(end, tmp_path: Path):
    shutil.copytree(Path(__file__).parents[2] / "config" / "bundles" / "demo", tmp_path / "bundle")
    text = '[node]\nport = 0\ndata_dir = "state"\n[models]\nbundle = "bundle"\n'
    (tmp_path / "bundle" / "manifest.json").write_text("[]")
    code, said = end(text, "bundle", "verify", "bundle")
    assert code == Exit.FAILED
    assert "manifest.json is not as expected" in said
