"""Retrieves a patient's earlier reports of this node from a PACS: C-FIND, then C-GET for each one.

Only report classes are queried and proposed, so a retrieval is a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog
from pydicom import Dataset, dcmread
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time by the library
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from ra_node.domain.result_objects import ObjectKind, class_of
from ra_node.network.presentation_contexts import RESULT_SYNTAXES
from ra_node.network.pynetdicom_ext.ae import discard_served, discard_unfinished
from ra_node.network.scp.c_store import traced
from ra_node.network.scu.association import PeerAddress, Reach, call
from ra_node.network.scu.c_find import find
from ra_node.network.status.c_store import CANNOT_UNDERSTAND, PROCESSING_FAILURE, SUCCESS

log = structlog.get_logger(__name__)

_FIND = StudyRootQueryRetrieveInformationModelFind
_GET = StudyRootQueryRetrieveInformationModelGet
_REPORTS = tuple(class_of(kind).sop_class_uid for kind in (ObjectKind.SR, ObjectKind.SR_FALLBACK))
MOST_STUDIES = 20
"""Most studies of one patient that are searched, latest first."""


@dataclass(frozen=True, slots=True)
class PriorQuery:
    """Query for earlier reports: patient, time limit ("YYYYMMDDHHMMSS"), and Series Number."""

    patient_id: str
    issuer: str
    birth_date: str
    before: str
    series_number: int
    not_study_uid: str


def retrieval_fault(peer: PeerAddress) -> str:
    """Why earlier reports cannot be fetched from a peer: association, C-FIND or C-GET; "" where they can."""
    contexts = [build_context(uid, list(RESULT_SYNTAXES)) for uid in (_FIND, _GET, *_REPORTS)]
    roles = [build_role(uid, scp_role=True) for uid in _REPORTS]
    with call(peer, contexts, roles=roles) as made:
        if made.association is None:
            return made.detail
        taken = {uid for uid, _ in made.accepted}
        ours = {str(cx.abstract_syntax) for cx in made.association.accepted_contexts if cx.as_scp}
    lacking = [word for uid, word in ((_FIND, "C-FIND"), (_GET, "C-GET")) if uid not in taken]
    if lacking:
        return f"does not accept {' and '.join(lacking)} (Study Root)"
    return "" if ours & set(_REPORTS) else "does not accept our SCP role for reports, which C-GET needs"


def earlier_reports(peer: PeerAddress, wanted: PriorQuery, take: Callable[[Dataset], bool]) -> Reach:
    """Call `take` with one report after the other, latest study first, until it returns True.

    Within a study the newest version comes first. Returns the outcome of the association; never raises
    because of the peer.
    """
    keeper = _Keeper()
    contexts = [build_context(uid, list(RESULT_SYNTAXES)) for uid in (_FIND, _GET, *_REPORTS)]
    roles = [build_role(uid, scp_role=True) for uid in _REPORTS]
    handlers: list[EventHandlerType] = [
        (evt.EVT_C_STORE, keeper.keep),
        (evt.EVT_CONN_CLOSE, lambda event: discard_unfinished(event.assoc)),
    ]
    with call(peer, contexts, handlers, roles) as made:
        if made.association is None:
            log.warning("prior_query_failed", peer=peer.name, reach=made.reach.value)
            return made.reach
        try:
            any(take(report) for report in _reports(made.association, wanted, keeper))
        except Exception as error:  # noqa: BLE001 - an odd answer costs the comparison, not the report
            log.warning("prior_query_failed", peer=peer.name, **traced(error))
    return made.reach


def _reports(association: Association, wanted: PriorQuery, keeper: _Keeper) -> Iterator[Dataset]:
    for study in _studies(association, wanted)[:MOST_STUDIES]:
        for instance in _newest_first(association, study, wanted):
            yield from _fetched(association, instance, keeper)


def _studies(association: Association, wanted: PriorQuery) -> list[Dataset]:
    """The patient's studies before the time limit, latest first; none of a possibly different patient."""
    found = find(
        association,
        "STUDY",
        PatientID=wanted.patient_id,
        IssuerOfPatientID=None,
        PatientBirthDate=None,
        StudyInstanceUID=None,
        StudyDate=None,
        StudyTime=None,
    )
    fitting = [study for study in list(found) if _fits(study, wanted)]
    return sorted(fitting, key=_moment, reverse=True)


def _fits(study: Dataset, wanted: PriorQuery) -> bool:
    """Same patient by the returned attributes: a PACS may omit issuer and birth date."""
    said = {
        keyword: str(study.get(keyword) or "").strip()
        for keyword in ("PatientID", "IssuerOfPatientID", "PatientBirthDate")
    }
    same = said["PatientID"] == wanted.patient_id and said["IssuerOfPatientID"] in ("", wanted.issuer)
    born = said["PatientBirthDate"] in ("", wanted.birth_date)
    earlier = "" < _moment(study) < wanted.before and study.StudyInstanceUID != wanted.not_study_uid
    return same and born and earlier


def _moment(study: Dataset) -> str:
    day, time = (str(study.get(keyword) or "").strip() for keyword in ("StudyDate", "StudyTime"))
    return day + time.partition(".")[0].ljust(6, "0")[:6] if len(day) == 8 else ""


def _newest_first(association: Association, study: Dataset, wanted: PriorQuery) -> list[Dataset]:
    """Our reports of a study; each version has a series of its own, its number is the Instance Number."""
    keys = {"StudyInstanceUID": study.StudyInstanceUID, "SeriesInstanceUID": None, "SeriesNumber": None}
    found = []
    for series in list(find(association, "SERIES", Modality="SR", **keys)):
        if str(series.get("SeriesNumber") or "") == str(wanted.series_number):
            below = {
                "StudyInstanceUID": str(study.StudyInstanceUID),
                "SeriesInstanceUID": str(series.SeriesInstanceUID),
            }
            for one in list(find(association, "IMAGE", **below, SOPInstanceUID=None, InstanceNumber=None)):
                for keyword, uid in below.items():
                    setattr(one, keyword, uid)
                found.append(one)
    return sorted(found, key=lambda one: int(one.get("InstanceNumber") or 0), reverse=True)


def _fetched(association: Association, instance: Dataset, keeper: _Keeper) -> Iterator[Dataset]:
    """Retrieve one report by C-GET."""
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(query, keyword, instance[keyword].value)
    for _status, _identifier in association.send_c_get(query, _GET):
        pass
    yield from keeper.taken()


class _Keeper:
    """Reads received instances without leaving files."""

    def __init__(self) -> None:
        self._came: list[Dataset] = []

    def taken(self) -> list[Dataset]:
        """Instances received since the last call."""
        came, self._came = self._came, []
        return came

    def keep(self, event: Event) -> int:
        """Handle one C-STORE sub-operation; never raises."""
        request = event.request
        if not isinstance(request, C_STORE):
            return CANNOT_UNDERSTAND
        try:
            self._came.append(dcmread(event.dataset_path))
        except Exception as error:  # noqa: BLE001 - without a status the peer would wait
            log.warning("prior_report_not_decoded", **traced(error))
            return PROCESSING_FAILURE
        finally:
            discard_served(request)
        return SUCCESS
