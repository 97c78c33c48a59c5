"""Passwords are kept as hashes, in a file that is closed to others."""

import errno
import os
import stat

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner

from ra_node.bootstrap.web import passwords as passwords_of
from ra_node.cli.app import app
from ra_node.domain.reader_study.roles import AccountRole
from ra_node.errors import Fatal, Refused
from ra_node.network.tls import TlsFiles, serving
from ra_node.settings.node import load_settings
from ra_node.web.passwords import SHORTEST, Passwords
from ra_node.web.session_key import session_key
from tests.web.conftest import HASHER_DEFAULTS

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


def test_a_hash_costs_what_rfc_9106_recommends(passwords, monkeypatch):
    """Its second choice: 64 MiB, three passes, four lanes. Elsewhere tests use less."""
    monkeypatch.setattr(PasswordHasher.__init__, "__defaults__", HASHER_DEFAULTS)
    dear = Passwords(passwords.path)
    dear.set("day", LONG)
    assert "day:$argon2id$v=19$m=65536,t=3,p=4$" in passwords.path.read_text()
    assert dear.verify("day", LONG)


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


def test_the_copy_that_systemd_hands_over_is_read_and_never_changed(passwords, tmp_path, monkeypatch):
    """Its mode 0440 lets nobody else in, and its folder can only be read."""
    handed = tmp_path / "credentials" / "ra-node_web-passwords"
    handed.parent.mkdir()
    passwords.path.rename(handed)
    handed.chmod(0o440)
    config = tmp_path / "node.toml"
    config.write_text('[web]\npassword_file = "/nowhere/web-passwords"\n')
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed.parent))
    given = passwords_of(load_settings(config))
    assert given.verify("night", LONG)
    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(Fatal, match="expected to write"):
        given.set("day", LONG)
    assert given.names() == ["night"]


def read_only(path, flags, mode=0o777):
    """What a folder of systemd's credentials answers, also to root."""
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)


def test_it_refuses_a_loose_mode_in_the_words_of_the_other_secrets(passwords, tmp_path):
    """An operator who has read one of them knows the other."""
    passwords.path.chmod(0o644)
    with pytest.raises(Fatal) as ours:
        passwords.names()
    key = tmp_path / "key.pem"
    key.touch(0o644)
    key.chmod(0o644)
    with pytest.raises(Fatal) as theirs:
        serving(TlsFiles(key, key, key))
    said = str(ours.value).replace("web.password_file", "tls.key").replace(str(passwords.path), str(key))
    assert said == str(theirs.value)


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


def test_a_role_is_kept_with_its_account_and_a_new_password_does_not_change_it(passwords):
    passwords.set("alice", LONG, AccountRole.READER)
    passwords.set("alice", LONG + "2")
    assert passwords.roles() == {"night": AccountRole.OPERATOR, "alice": AccountRole.READER}
    assert passwords.verify("alice", LONG + "2")


def test_a_changed_role_ends_the_sessions_of_the_old_one(passwords):
    before = passwords.proof("night")
    passwords.set_role("night", AccountRole.LEAD)
    assert passwords.proof("night") != before
    assert passwords.verify("night", LONG)


def test_an_account_of_the_proxy_has_a_role_and_no_password_opens_it(passwords):
    passwords.set_role("dr.night", AccountRole.READER)
    assert passwords.role("dr.night") is AccountRole.READER
    for password in ("", LONG):
        assert not passwords.verify("dr.night", password)


def test_a_file_with_an_unknown_role_is_not_believed(passwords):
    passwords.path.write_text(passwords.path.read_text().rstrip() + ":superuser\n")
    with pytest.raises(Fatal, match="superuser"):
        passwords.role("night")


def test_the_command_sets_roles_and_refuses_an_unknown_one(tmp_path):
    config = tmp_path / "node.toml"
    config.write_text('[node]\ndata_dir = "state"\n')
    for words, exit_code in (
        (("--role", "reader"), 0),
        (("--role", "chief"), 2),
        (("--role", "lead", "--by-proxy"), 0),
    ):
        run = CliRunner().invoke(
            app, ["web-password", "alice", *words, "--config", str(config)], input=LONG + "\n"
        )
        assert (run.exit_code != 0) == (exit_code != 0), run.output
    assert passwords_of(load_settings(config)).role("alice") is AccountRole.LEAD
