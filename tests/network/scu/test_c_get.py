"""A study comes by C-GET on the association that asks for it, whole or with the reason why not."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydicom import dcmread
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet

from ra_node.network.scu.association import Reach
from ra_node.network.scu.c_get import MOST_CONTEXTS, get_contexts, get_study
from tests.dicom.builders import source
from tests.network.conftest import peer_at


@pytest.fixture
def pacs() -> Iterator[Callable[..., int]]:
    """Start a PACS of pynetdicom that answers C-GET with what the test yields; gives its port."""
    with ExitStack() as stack:

        def start(answers: Callable[[evt.Event], Iterator[object]]) -> int:
            entity = AE("PACS")
            entity.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
            for context in AllStoragePresentationContexts:
                entity.add_supported_context(context.abstract_syntax, scu_role=True, scp_role=True)
            server = entity.start_server(
                ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_GET, answers)]
            )
            stack.callback(server.shutdown)
            return int(server.server_address[1])

        yield start


def two_images(_event):
    yield 2
    for number in (1, 2):
        yield 0xFF00, source(number=number)


def test_every_instance_is_a_file_under_its_uid(pacs, tmp_path):
    got = get_study(peer_at(pacs(two_images)), "2.25.1001", tmp_path)
    assert (got.files, got.complete, got.status) == (2, True, 0)
    for path in tmp_path.iterdir():
        assert path.stem == str(dcmread(path).SOPInstanceUID)
        assert dcmread(path).pixel_array.shape == (300, 400)


def test_what_the_pacs_cannot_send_makes_it_incomplete(pacs, tmp_path):
    def without_a_class(_event):
        yield 2
        yield 0xFF00, source()
        yield 0xFF00, source(number=2, SOPClassUID="1.2.3")

    got = get_study(peer_at(pacs(without_a_class)), "2.25.1001", tmp_path)
    assert not got.complete
    assert "1 instances came, 1 did not" in got.detail


def test_a_refusal_of_the_pacs_is_told(pacs, tmp_path):
    def refused(_event):
        yield 1
        yield 0xA900, None

    got = get_study(peer_at(pacs(refused)), "2.25.1001", tmp_path)
    assert (got.complete, got.status, got.files) == (False, 0xA900, 0)


def test_a_pacs_that_is_away_is_out_of_reach(tmp_path):
    got = get_study(peer_at(1), "2.25.1001", tmp_path)
    assert got.reach is Reach.UNREACHABLE
    assert not got.complete


def test_a_disk_of_ours_that_fails_is_our_error(pacs, tmp_path, monkeypatch):
    def no_space(*_data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ra_node.network.pynetdicom_ext.spool.ArrivingFile._write", no_space)
    with pytest.raises(OSError, match="No space left"):
        get_study(peer_at(pacs(two_images)), "2.25.1001", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_association_has_room_for_all_contexts_and_radiographs_keep_their_syntax():
    contexts = get_contexts()
    assert len(contexts) == MOST_CONTEXTS
    dx = [one for one in contexts if one.abstract_syntax == "1.2.840.10008.5.1.4.1.1.1.1"]
    assert len(dx) >= 12
    assert all(len(one.transfer_syntax) == 1 for one in dx)
