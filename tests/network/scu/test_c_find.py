"""A count is what a PACS says, at whatever level it says it; anything else is no count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from ra_node.network.presentation_contexts import accepted_contexts
from ra_node.network.pynetdicom_ext.ae import prepare, serve, stop_serving
from ra_node.network.scu.association import Reach
from ra_node.network.scu.c_find import count_instances
from tests.network.conftest import peer_at
from tests.network.fakes import TENDED
from tests.ports import free_port

FIND = StudyRootQueryRetrieveInformationModelFind
Pacs = Callable[..., tuple[int, list[Dataset]]]


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    """Start a PACS that answers each query level with the given matches, then the given status."""
    prepare()
    with ExitStack() as stack:

        def start(matches: dict[str, list[dict[str, object]]], last: int = 0x0000, *, find: bool = True):
            asked: list[Dataset] = []

            def answer(event):
                asked.append(event.identifier)
                for match in matches.get(event.identifier.QueryRetrieveLevel, []):
                    found = Dataset()
                    for keyword, value in match.items():
                        setattr(found, keyword, value)
                    yield 0xFF00, found
                if last:
                    yield last, None

            contexts = accepted_contexts() + ([build_context(FIND)] if find else [])
            server = serve(AE("PACS"), ("127.0.0.1", 0), contexts, [TENDED, (evt.EVT_C_FIND, answer)])
            stack.callback(stop_serving, server)
            return int(server.server_address[1]), asked

        yield start


def test_a_pacs_that_counts_is_asked_one_question(pacs: Pacs):
    port, asked = pacs({"STUDY": [{"StudyInstanceUID": "1.2", "NumberOfStudyRelatedInstances": 7}]})
    found = count_instances(peer_at(port), "1.2")
    assert (found.reach, found.instances) == (Reach.ACCEPTED, 7)
    (query,) = asked
    assert (query.QueryRetrieveLevel, query.StudyInstanceUID) == ("STUDY", "1.2")


def test_the_optional_keys_may_be_missing(pacs: Pacs):
    """PS3.4 C.6.2.1: then series are counted, and where those are not, their images."""
    port, asked = pacs(
        {
            "STUDY": [{"StudyInstanceUID": "1.2"}],
            "SERIES": [
                {"SeriesInstanceUID": "1.2.1", "NumberOfSeriesRelatedInstances": 3},
                {"SeriesInstanceUID": "1.2.2"},
            ],
            "IMAGE": [{"SOPInstanceUID": "1.2.2.1"}, {"SOPInstanceUID": "1.2.2.2"}],
        }
    )
    assert count_instances(peer_at(port), "1.2").instances == 5
    assert [query.QueryRetrieveLevel for query in asked] == ["STUDY", "SERIES", "IMAGE"]
    assert asked[2].SeriesInstanceUID == "1.2.2"


def test_a_study_that_the_pacs_does_not_have_counts_nothing(pacs: Pacs):
    port, _ = pacs({})
    assert count_instances(peer_at(port), "1.2").instances == 0


@pytest.mark.parametrize("status", [0xA700, 0xC000, 0x0122])
def test_a_query_that_fails_is_no_count(pacs: Pacs, status: int):
    """Half of the matches before an error must not pass for all of them."""
    port, _ = pacs({"STUDY": [{"NumberOfStudyRelatedInstances": 7}]}, status)
    found = count_instances(peer_at(port), "1.2")
    assert found.instances is None
    assert f"0x{status:04X}" in found.detail


def test_a_pacs_without_query_and_one_that_is_down_count_nothing(pacs: Pacs):
    port, _ = pacs({}, find=False)
    assert count_instances(peer_at(port), "1.2").reach is Reach.NO_CONTEXT
    assert count_instances(peer_at(free_port()), "1.2").reach is Reach.UNREACHABLE
