"""A small results archive: a storage SCP that stores Part-10 files in a folder.

For the demo and the tests, where it takes the place of a PACS, well-behaved or not.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import ThreadedAssociationServer

from ra_node.network.presentation_contexts import accepted_contexts
from ra_node.network.pynetdicom_ext.ae import discard_unfinished, prepare, serve, stop_serving, tend
from ra_node.network.scp.c_store import UID_CHARACTERS
from ra_node.network.status.c_store import CANNOT_UNDERSTAND, SUCCESS, Answer, meaning_of


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Behaviour of the archive.

    `refused_classes` get no presentation context. `statuses` are returned to the first C-STOREs in order,
    Success to the rest; only accepted objects are stored. Each response is delayed by `delay_s`.
    """

    refused_classes: frozenset[str] = frozenset()
    statuses: tuple[int, ...] = ()
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ArchivedObject:
    """One object in the folder."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae: str


Predicate = Callable[[Sequence[ArchivedObject]], bool]


class LoopbackArchive:
    """Listens from `start` to `stop`; `objects` grows by one for each stored object."""

    def __init__(
        self,
        folder: Path,
        *,
        ae_title: str = "ARCHIVE",
        host: str = "127.0.0.1",
        port: int = 0,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.folder = folder
        self.ae_title = ae_title
        self.host = host
        self._wanted_port = port
        self._behaviour = behaviour or Behaviour()
        self._statuses = list(self._behaviour.statuses)
        self._objects: list[ArchivedObject] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._entity = AE(ae_title)
        self._server: ThreadedAssociationServer | None = None

    @property
    def port(self) -> int:
        """The TCP port that is listened on; the wanted one before `start`."""
        return self._wanted_port if self._server is None else int(self._server.server_address[1])

    @property
    def objects(self) -> tuple[ArchivedObject, ...]:
        """Stored objects in order of arrival."""
        with self._changed:
            return tuple(self._objects)

    def start(self) -> None:
        """Listen; raises OSError where the port is in use."""
        prepare()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stopping.clear()
        self._entity.maximum_pdu_size = 0
        handlers: list[EventHandlerType] = [
            (evt.EVT_CONN_OPEN, lambda event: tend(event.assoc, 60.0)),
            (evt.EVT_C_STORE, self._on_c_store),
            (evt.EVT_CONN_CLOSE, lambda event: discard_unfinished(event.assoc)),
        ]
        self._server = serve(self._entity, (self.host, self._wanted_port), self._contexts(), handlers)

    def stop(self) -> None:
        """Stop listening and abort what is still connected."""
        self._stopping.set()
        if self._server is None:
            return
        stop_serving(self._server)
        for association in self._server.active_associations:
            association.abort()
        self._server = None

    def wait_for(self, predicate: Predicate, timeout_s: float) -> bool:
        """Wait until the predicate holds for the stored objects; False at the time-out."""
        with self._changed:
            return self._changed.wait_for(lambda: predicate(self._objects), timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _contexts(self) -> list[PresentationContext]:
        refused = self._behaviour.refused_classes
        return [context for context in accepted_contexts() if context.abstract_syntax not in refused]

    def _on_c_store(self, event: Event) -> int:
        if self._behaviour.delay_s:
            self._stopping.wait(self._behaviour.delay_s)
        with self._changed:
            status = self._statuses.pop(0) if self._statuses else SUCCESS
            if meaning_of(status).answer is not Answer.ACCEPTED:
                return status
            kept = self._kept(event)
            if kept is None:
                return CANNOT_UNDERSTAND
            self._objects.append(kept)
            self._changed.notify_all()
        return status

    def _kept(self, event: Event) -> ArchivedObject | None:
        """Copy a received file to the folder under its UID, atomically."""
        request = event.request
        if not isinstance(request, C_STORE) or not UID_CHARACTERS.fullmatch(
            str(request.AffectedSOPInstanceUID)
        ):
            return None
        path = self.folder / f"{request.AffectedSOPInstanceUID}.dcm"
        unfinished = path.with_suffix(".part")
        shutil.copyfile(event.dataset_path, unfinished)
        unfinished.replace(path)
        return ArchivedObject(
            path=path,
            sop_class_uid=str(request.AffectedSOPClassUID),
            sop_instance_uid=str(request.AffectedSOPInstanceUID),
            transfer_syntax_uid=str(event.context.transfer_syntax),
            calling_ae=str(event.assoc.requestor.ae_title).strip(),
        )
