"""The answer that the node encodes by itself is the one that the library would have sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import AE
from pynetdicom.dimse_messages import C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE

from ra_node.network.pynetdicom_ext.c_store_rsp import success_of
from ra_node.network.scp.server import Listener
from tests.network.conftest import DX
from tests.network.fakes import TENDED, write_instance

UIDS = st.from_regex(r"1(\.[1-9][0-9]{0,9}){1,5}", fullmatch=True)


def answer(message_id: int, sop_class: str, sop_instance: str, status: int) -> C_STORE:
    made = C_STORE()
    made.MessageIDBeingRespondedTo = message_id
    made.AffectedSOPClassUID, made.AffectedSOPInstanceUID = sop_class, sop_instance
    made.Status = status
    return made


@given(st.integers(0, 65535), UIDS, UIDS)
def test_it_is_byte_for_byte_the_library_s(message_id: int, sop_class: str, sop_instance: str):
    message, made = C_STORE_RSP(), answer(message_id, sop_class, sop_instance, 0)
    message.primitive_to_message(made)
    whole = b"".join(bytes(part.presentation_data_value_list[0][1]) for part in message.encode_msg(1, 0))
    assert whole == b"\x03" + (success_of(made) or b"")


@pytest.mark.parametrize("status", [0x0110, 0xA700, 0xB000, 0xC000])
def test_whatever_is_no_success_goes_the_library_s_way(status: int):
    """Comments, and statuses that nobody has thought of."""
    assert success_of(answer(1, "1.2.3", "1.2.4", status)) is None


def test_a_peer_with_the_smallest_pdus_gets_its_answer_in_parts(
    listen: Callable[..., Listener], tmp_path: Path
):
    """Which only the library knows how to make."""
    entity = AE("MODALITY")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
    association = entity.associate(
        "127.0.0.1", listen().port, contexts=DX, ae_title="RANODE", max_pdu=64, evt_handlers=[TENDED]
    )
    try:
        assert association.send_c_store(write_instance(tmp_path)).Status == 0
    finally:
        association.release()
