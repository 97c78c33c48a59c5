"""Passwords are kept as hashes, in a file that is closed to others."""

import stat

import pytest
from typer.testing import CliRunner

from ra_node.cli import app
from ra_node.errors import Fatal, Refused
from ra_node.web.passwords import SHORTEST, Passwords
from ra_node.web.session_key import session_key

LONG = "a long enough password"


@pytest.fixture
def passwords(tmp_path):
    kept = Passwords(tmp_path / "deep" / "web-passwords")
    kept.set("night", LONG)
    return kept


def test_only_the_right_password_of_the_right_name_is_right(passwords):
    passwords.set("day", LONG + "2")
    assert passwords.verify("night", LONG)
    assert not passwords.verify("night", LONG + "2")
    assert not passwords.verify("nobody", LONG)
    assert passwords.names() == ["day", "night"]


def test_the_file_has_hashes_and_is_closed_to_others(passwords):
    text = passwords.path.read_text()
    assert text.startswith("night:$argon2id$")
    assert LONG not in text
    assert stat.S_IMODE(passwords.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(passwords.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in passwords.path.parent.iterdir()] == ["web-passwords"]


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o666])
def test_a_file_that_others_may_read_or_write_is_not_believed(passwords, mode):
    passwords.path.chmod(mode)
    with pytest.raises(Fatal, match="chmod 600"):
        passwords.verify("night", LONG)


@pytest.mark.parametrize("name", ["", "a:b", "a\nb", "x" * 65, "name with blanks"])
def test_a_name_that_would_break_the_file_is_refused(passwords, name):
    with pytest.raises(Refused, match="letters"):
        passwords.set(name, LONG)


def test_a_short_password_is_refused_without_being_repeated(passwords):
    with pytest.raises(Refused, match=str(SHORTEST)) as refused:
        passwords.set("day", "s3cret")
    assert "s3cret" not in str(refused.value)


def test_a_damaged_line_lets_nobody_in(passwords):
    passwords.path.write_text("night:\nday:no hash\n:x\n")
    assert not passwords.verify("night", "")
    assert not passwords.verify("day", "no hash")
    assert not passwords.verify("", "x")


def test_the_command_sets_changes_and_removes_a_password(tmp_path):
    config = tmp_path / "node.toml"
    config.write_text('[node]\ndata_dir = "state"\n')
    (tmp_path / "state").mkdir()

    def run(*words, said=""):
        return CliRunner().invoke(app, ["web-password", *words, "--config", str(config)], input=said)

    assert run("night", said=f"{LONG}\n").exit_code == 0
    kept = Passwords(tmp_path / "state" / "web-passwords")
    assert kept.verify("night", LONG)
    assert LONG not in run("night", said=f"{LONG}!\n").output
    assert kept.verify("night", LONG + "!")
    assert run("night", said="short\n").exit_code == 1
    assert "nobody may sign in" in run("night", "--remove").output


def test_the_key_of_the_sessions_is_made_once_and_private(tmp_path):
    path = tmp_path / "state" / "web-session-key"
    key = session_key(path)
    assert len(key) > 40
    assert session_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    path.write_text("short")
    with pytest.raises(Fatal, match="remove"):
        session_key(path)
