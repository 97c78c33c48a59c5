"""Retrieves a study from a PACS by C-GET (PS3.4 C.4.3), on the same association."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydicom import Dataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
)
from pynetdicom import AllStoragePresentationContexts, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time by the library
    StudyRootQueryRetrieveInformationModelGet,
)

from ra_node.network.presentation_contexts import COMPRESSED, UNCOMPRESSED, carries_pixels
from ra_node.network.pynetdicom_ext.ae import discard_served, discard_unfinished, receive_failure
from ra_node.network.pynetdicom_ext.spool import IncomingFolder
from ra_node.network.scp.c_store import UID_CHARACTERS, traced
from ra_node.network.scu.association import PeerAddress, Reach, call
from ra_node.network.status.c_store import CANNOT_UNDERSTAND, OUT_OF_RESOURCES, PROCESSING_FAILURE, SUCCESS

log = structlog.get_logger(__name__)

_GET = StudyRootQueryRetrieveInformationModelGet
RADIOGRAPHS: tuple[UID, ...] = (
    DigitalXRayImageStorageForPresentation,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForProcessing,
)
"""Proposed in every readable transfer syntax, each in a context of its own, so that nothing is converted."""
ARRIVING = "arriving"
HINT = "a PACS that does not know our AE title may end the association this way"
MOST_CONTEXTS = 128
"""PS3.8 9.3.2.2: their IDs are the odd numbers of one byte."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Outcome of a C-GET: `complete` when the peer reports that all instances were sent, `files` received.

    `detail` is for the operator, not for logs. `status` is the final status, None without one.
    """

    reach: Reach
    files: int
    complete: bool
    detail: str
    status: int | None = None


def get_study(
    peer: PeerAddress,
    study_uid: str,
    folder: Path,
    wanted: Iterable[tuple[str, str]] | None = None,
) -> Retrieved:
    """Retrieve every instance of a study to `folder` as Part-10 files; never raises because of the peer.

    `wanted` are the proposed (SOP class, transfer syntax) pairs; without it as many as fit. Raises OSError of
    our own disk. While it runs this process must receive nothing else.
    """
    arriving = IncomingFolder(folder / ARRIVING)
    arriving.take()
    try:
        return _get_study(peer, study_uid, folder, get_contexts() if wanted is None else contexts_of(wanted))
    finally:
        arriving.leave()
        shutil.rmtree(arriving.path, ignore_errors=True)


def _get_study(
    peer: PeerAddress, study_uid: str, folder: Path, contexts: list[PresentationContext]
) -> Retrieved:
    keeper = _Keeper(folder)
    storage = {str(context.abstract_syntax) for context in contexts} - {str(_GET)}
    roles = [build_role(uid, scp_role=True) for uid in sorted(storage)]
    handlers: list[EventHandlerType] = [
        (evt.EVT_C_STORE, keeper.keep),
        (evt.EVT_CONN_CLOSE, lambda event: discard_unfinished(event.assoc)),
    ]
    with call(peer, contexts, handlers, roles) as made:
        if made.association is None:
            return Retrieved(made.reach, 0, complete=False, detail=made.detail)
        try:
            last = _get(made.association, study_uid)
        except Exception as error:  # noqa: BLE001 - an odd answer gives no study, and no more than that
            log.warning("c_get_failed", peer=peer.name, **traced(error))
            last = Dataset()
            if made.association.is_established:
                made.association.abort()
    if keeper.failure is not None:
        raise keeper.failure
    return _retrieved(made.reach, last, len(keeper.kept))


def contexts_of(wanted: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """Propose C-GET and these pairs, each in a context of its own, so that nothing is converted."""
    pairs = [build_context(sop_class, syntax) for sop_class, syntax in dict.fromkeys(wanted)]
    return [build_context(_GET, list(UNCOMPRESSED[:2])), *pairs][:MOST_CONTEXTS]


def get_contexts() -> list[PresentationContext]:
    """Propose C-GET, radiographs in every syntax, and other classes up to the limit of contexts."""
    contexts = [build_context(_GET, list(UNCOMPRESSED[:2]))]
    contexts += [build_context(uid, syntax) for uid in RADIOGRAPHS for syntax in (*UNCOMPRESSED, *COMPRESSED)]
    contexts += list(_others())
    return contexts[:MOST_CONTEXTS]


def _others() -> Iterator[PresentationContext]:
    """Images last: other objects in a study of radiographs are small and few."""
    uids = [UID(context.abstract_syntax or "") for context in AllStoragePresentationContexts]
    for uid in sorted(uids, key=lambda uid: "Secondary Capture" not in uid.name):
        if uid not in RADIOGRAPHS:
            syntaxes = (*UNCOMPRESSED, *COMPRESSED) if carries_pixels(uid) else UNCOMPRESSED
            yield build_context(uid, list(syntaxes))


def _get(association: Association, study_uid: str) -> Dataset:
    """Send C-GET and return the final status."""
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = study_uid
    last = Dataset()
    for status, _identifier in association.send_c_get(query, _GET):
        last = status
    return last


def _retrieved(reach: Reach, last: Dataset, files: int) -> Retrieved:
    code = last.get("Status")
    if code is None:
        return Retrieved(
            reach, files, complete=False, detail=f"no end of C-GET after {files} instances; {HINT}"
        )
    failed = int(last.get("NumberOfFailedSuboperations") or 0)
    complete = code == SUCCESS and not failed
    detail = f"0x{code:04X} to C-GET, {files} instances came, {failed} did not"
    return Retrieved(reach, files, complete=complete, detail=detail, status=int(code))


class _Keeper:
    """Stores received instances under their UIDs, atomically."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept: set[str] = set()
        self.failure: OSError | None = None

    def keep(self, event: Event) -> int:
        """Handle one C-STORE sub-operation; never raises."""
        request = event.request
        if not isinstance(request, C_STORE):
            return CANNOT_UNDERSTAND
        try:
            return self._keep(request, event)
        except OSError as error:
            self.failure = error
            return OUT_OF_RESOURCES
        except Exception as error:  # noqa: BLE001 - without a status the peer would wait
            log.warning("c_get_failed", **traced(error))
            return PROCESSING_FAILURE
        finally:
            discard_served(request)

    def _keep(self, request: C_STORE, event: Event) -> int:
        uid = str(request.AffectedSOPInstanceUID)
        if not UID_CHARACTERS.fullmatch(uid):
            return CANNOT_UNDERSTAND
        failure = receive_failure(request)
        if failure is not None:
            raise failure
        event.dataset_path.replace(self.folder / f"{uid}.dcm")
        self.kept.add(uid)
        return SUCCESS
