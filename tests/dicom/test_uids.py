"""Derived UIDs are valid, follow from their parts, and differ with them."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from ra_node.dicom.uids import derive_uid

parts = st.lists(st.text(max_size=40), min_size=1, max_size=4)


@given(parts)
def test_a_derived_uid_is_valid_and_the_same_every_time(given_parts):
    uid = derive_uid(*given_parts)
    assert uid == derive_uid(*given_parts)
    assert UID(uid).is_valid
    assert len(uid) <= 44


@given(parts)
def test_a_derived_uid_is_an_rfc_9562_uuid_of_version_8(given_parts):
    """2.25 promises a UUID (PS3.5 B.2)."""
    uuid = UUID(int=int(derive_uid(*given_parts).removeprefix("2.25.")))
    assert (uuid.variant, uuid.version) == (RFC_4122, 8)


@given(parts, parts)
def test_other_parts_give_another_uid(one, other):
    assert (derive_uid(*one) == derive_uid(*other)) == (one == other)


def test_where_a_part_ends_matters():
    assert derive_uid("ab", "c") != derive_uid("a", "bc")


def test_known_uids_never_change():
    """What was sent once must be found again by every later version of the node."""
    assert derive_uid("a") == "2.25.78556527361325075225961833706058362748"


def test_a_uid_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one part"):
        derive_uid()
