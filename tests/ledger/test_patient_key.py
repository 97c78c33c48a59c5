"""The ledger knows a patient by a hash that nobody can try identities against."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.errors import Fatal
from ra_node.ledger.patient_key import open_secret, patient_key

PARTS = st.tuples(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))


@given(PARTS, PARTS)
def test_two_identities_have_one_key_only_if_they_are_equal(one, other):
    assert (patient_key(b"s" * 32, one) == patient_key(b"s" * 32, other)) == (one == other)


def test_another_secret_makes_another_key_and_none_shows_the_identity():
    identity = ("Ward 3", "P-1", "19600101")
    keys = {patient_key(secret * 32, identity) for secret in (b"a", b"b")}
    assert len(keys) == 2
    assert all(part not in key for key in keys for part in identity)


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "state" / "patient.key"
    first = open_secret(path)
    assert open_secret(path) == first
    assert len(first) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["patient.key"]


def test_a_damaged_secret_is_named(tmp_path):
    path = tmp_path / "patient.key"
    path.write_bytes(b"short")
    with pytest.raises(Fatal, match="expected 32 bytes"):
        open_secret(path)
