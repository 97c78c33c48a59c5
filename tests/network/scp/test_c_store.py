"""The parts of a C-STORE answer."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.network.scp.c_store import UID_CHARACTERS, status_of, traced


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=300))
def test_any_reason_fits_into_an_error_comment(reason: str):
    """ErrorComment is LO: 64 characters, no backslash, no control character, and here only ASCII."""
    comment = str(status_of(0xC000, reason).get("ErrorComment", ""))
    assert len(comment) <= 64
    assert comment.isascii()
    assert "\\" not in comment
    assert comment == "" or comment.isprintable()


def test_success_has_no_comment():
    assert "ErrorComment" not in status_of(0x0000)


def test_an_unexpected_error_is_described_without_its_message():
    """The message of a foreign exception may quote an attribute of the patient."""
    try:
        int("SECRET^NAME")
    except ValueError as error:
        described = traced(error)
    assert described["error"] == "ValueError"
    assert "test_c_store" in described["trace"]


def test_a_uid_cannot_lead_out_of_a_folder():
    """Files are named after UIDs."""
    for uid in ("../1.2", "1/2", "", "1" * 65, "1.2\n"):
        assert not UID_CHARACTERS.fullmatch(uid)
    assert UID_CHARACTERS.fullmatch("2.25.123")
