"""A patient's key needs the site's salt, which only its owner can read and which no dataset holds."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from ra_node.domain.patient.pseudonym import patient_pseudonym
from ra_node.errors import Fatal, Refused
from training.data.site_images.pseudonym import read_salt


def test_the_salt_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "site" / "patient-key.salt"
    salt = read_salt(path, tmp_path / "dataset")
    assert len(salt) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_salt(path, tmp_path / "dataset", lambda _: b"") == salt


def test_a_salt_within_the_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="expected the salt outside the dataset"):
        read_salt(tmp_path / "d" / "salt", tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_salt_that_others_can_read_or_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "salt"
    read_salt(path, tmp_path / "d")
    path.chmod(0o640)
    with pytest.raises(Fatal, match="found mode 640"):
        read_salt(path, tmp_path / "d")
    path.write_bytes(b"short")
    with pytest.raises(Refused, match="expected a salt of 32 bytes or more, found 5"):
        read_salt(path, tmp_path / "d")


def test_a_key_is_the_hmac_of_the_id_whatever_its_case_and_padding() -> None:
    salt = bytes(32)
    expected = hmac.new(salt, b"ID 7A", hashlib.sha256).hexdigest()[:32]
    assert patient_pseudonym(salt, " id 7a ") == patient_pseudonym(salt, "ID 7A") == expected
    assert patient_pseudonym(bytes([1] * 32), "ID 7A") != expected


def test_a_longer_salt_that_the_archive_run_takes_is_taken_here_too(tmp_path: Path) -> None:
    path = tmp_path / "salt"
    path.write_bytes(bytes(40))
    path.chmod(0o600)
    assert read_salt(path, tmp_path / "d") == bytes(40)
