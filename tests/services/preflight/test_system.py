"""The machine itself: a clock that follows nobody, a certificate that ends, a folder open to others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ra_node.errors import Fatal
from ra_node.network.certificate import Certificate, read_certificate
from ra_node.services.preflight.system import check_clock, check_privacy, check_tls
from ra_node.settings.node import Settings, settings_from
from tests.network.authority import Authority

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def secured(tmp_path: Path) -> Settings:
    for name in ("cert", "key", "ca"):
        (tmp_path / name).touch()
    tables = {
        "tls": {"cert": "cert", "key": "key", "ca": "ca"},
        "peer": [
            {"name": "pacs", "ae_title": "PACS", "tls": True},
            {"name": "cr", "ae_title": "OLD_CR", "roles": ["source"]},
        ],
    }
    return settings_from(tables, base=tmp_path)


@pytest.mark.parametrize(("follows", "ok"), [(False, False), (True, True), (None, True)])
def test_a_clock_that_follows_no_time_server_fails(follows: bool | None, *, ok: bool):
    row = check_clock(lambda: follows)
    assert row.ok is ok
    assert ok or "chrony" in row.hint


@pytest.mark.parametrize(("days", "ok"), [(400, True), (29, False), (-3, False)])
def test_a_certificate_that_ends_soon_fails_with_the_days_left(tmp_path: Path, days: int, *, ok: bool):
    certificate = Certificate(NOW + timedelta(days=days), ("node.hospital", "10.0.0.5"))
    row = check_tls(secured(tmp_path), lambda: None, lambda _path: certificate, lambda: NOW)
    assert row.ok is ok
    assert "node.hospital, 10.0.0.5" in row.found
    assert "with TLS: pacs; without TLS: cr" in row.found
    assert ok or "renew" in row.hint


def test_files_that_cannot_be_loaded_fail_with_their_reason(tmp_path: Path):
    def broken() -> None:
        raise Fatal("tls.key: expected a key without passphrase")

    row = check_tls(secured(tmp_path), broken)
    assert (row.ok, "without passphrase" in row.found) == (False, True)
    assert check_tls(settings_from({}, base=tmp_path), broken).ok


def test_a_certificate_is_read_from_its_file(tmp_path: Path):
    files = Authority(tmp_path).issue("node.hospital", days=10)
    found = read_certificate(files.certificate)
    assert found.names == ("node.hospital", "127.0.0.1")
    assert timedelta(days=9) < found.until - datetime.now(UTC) <= timedelta(days=10)
    assert read_certificate(files.authority).names == ()
    with pytest.raises(Fatal, match="in PEM"):
        read_certificate(files.key)


def test_a_data_folder_that_others_may_enter_fails(tmp_path: Path):
    settings = settings_from({"node": {"data_dir": "state"}}, base=tmp_path)
    assert check_privacy(settings).ok
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)
    row = check_privacy(settings)
    assert (row.ok, row.hint) == (False, f"chmod 700 {tmp_path / 'state'}")
    (tmp_path / "state").chmod(0o700)
    assert check_privacy(settings).ok
