"""Counts the instances of a study on a PACS by C-FIND (PS3.4 annex C, Study Root)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from pydicom import Dataset
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time by the library
    StudyRootQueryRetrieveInformationModelFind,
)

from ra_node.network.presentation_contexts import RESULT_SYNTAXES
from ra_node.network.scp.c_store import traced
from ra_node.network.scu.association import PeerAddress, Reach, call
from ra_node.network.status.c_store import SUCCESS

log = structlog.get_logger(__name__)

PENDING = (0xFF00, 0xFF01)
FIND = StudyRootQueryRetrieveInformationModelFind


class _QueryFailedError(Exception):
    """A query failed or was incomplete; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class InstanceCount:
    """Number of instances of a study on a PACS; None: unknown, with the reason in `detail`."""

    reach: Reach
    instances: int | None
    detail: str


def count_instances(peer: PeerAddress, study_uid: str) -> InstanceCount:
    """Query the number of instances of a study; never raises because of the peer.

    Number of Study Related Instances is optional (PS3.4 C.6.2.1), so without it the instances are
    counted level by level, in the same association.
    """
    with call(peer, [build_context(FIND, list(RESULT_SYNTAXES))]) as made:
        if made.association is None:
            return InstanceCount(made.reach, None, made.detail)
        try:
            count = _count(made.association, study_uid)
        except _QueryFailedError as failure:
            return InstanceCount(made.reach, None, str(failure))
        except Exception as error:  # noqa: BLE001 - an odd answer is no count, and no more than that
            log.warning("c_find_failed", peer=peer.name, **traced(error))
            return InstanceCount(made.reach, None, f"a response that cannot be read: {type(error).__name__}")
    return InstanceCount(made.reach, count, f"{count} instances")


def _count(association: Association, study_uid: str) -> int:
    studies = list(find(association, "STUDY", StudyInstanceUID=study_uid, NumberOfStudyRelatedInstances=None))
    if not studies:
        return 0
    told = [_number(study.get("NumberOfStudyRelatedInstances")) for study in studies]
    if len(told) == 1 and told[0] is not None:
        return told[0]
    series = find(
        association,
        "SERIES",
        StudyInstanceUID=study_uid,
        SeriesInstanceUID=None,
        NumberOfSeriesRelatedInstances=None,
    )
    return sum(_in_series(association, study_uid, one) for one in list(series))


def _in_series(association: Association, study_uid: str, series: Dataset) -> int:
    told = _number(series.get("NumberOfSeriesRelatedInstances"))
    if told is not None:
        return told
    keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series.SeriesInstanceUID}
    images = find(association, "IMAGE", **keys, SOPInstanceUID=None)
    return len({str(image.SOPInstanceUID) for image in images})


def _number(value: object) -> int | None:
    """Read an IS value; None where it is absent, empty or no number above zero."""
    text = str(value if value is not None else "").strip()
    return int(text) if text.isdecimal() and int(text) > 0 else None


def find(association: Association, level: str, **keys: str | None) -> Iterator[Dataset]:
    """Matches of one query."""
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    for status, match in association.send_c_find(query, FIND):
        code = status.get("Status")
        if code in PENDING and match is not None:
            yield match
        elif code != SUCCESS:
            said = "no response" if code is None else f"0x{code:04X}"
            raise _QueryFailedError(f"expected matches or success to C-FIND, found {said}")
