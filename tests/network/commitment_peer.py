"""A PACS that plays Storage Commitment, well-behaved or not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom import Dataset
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from ra_node.network.presentation_contexts import accepted_contexts
from ra_node.network.pynetdicom_ext.ae import prepare, serve, stop_serving
from tests.network.fakes import TENDED

WELL_KNOWN = StorageCommitmentPushModelInstance


@dataclass
class CommitmentPeer:
    """Stores everything, answers N-ACTION with `statuses` in order, then Success, and remembers both.

    With `same_association` it reports at once on the association: `lost` maps what it does not keep to
    its Failure Reason. `report_statuses` are the answers to its reports.
    """

    ae_title: str = "ARCHIVE"
    statuses: list[int] = field(default_factory=list)
    same_association: bool = False
    lost: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    report_statuses: list[int] = field(default_factory=list)
    port: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def listening(self, *, supported: bool = True) -> Iterator[CommitmentPeer]:
        prepare()
        contexts = accepted_contexts()
        if supported:
            contexts.append(build_context(StorageCommitmentPushModel))
        handlers = [TENDED, (evt.EVT_N_ACTION, self._on_action), (evt.EVT_C_STORE, lambda _event: 0x0000)]
        server = serve(AE(self.ae_title), ("127.0.0.1", self.port), contexts, handlers)
        self.port = int(server.server_address[1])
        try:
            yield self
        finally:
            stop_serving(server)
            for association in server.active_associations:
                association.abort()

    def wait_for_reports(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.report_statuses) >= count, 120)

    def _on_action(self, event: Event) -> tuple[int, None]:
        information = event.action_information
        uids = [str(item.ReferencedSOPInstanceUID) for item in information.ReferencedSOPSequence]
        self.asked.append((str(information.TransactionUID), uids))
        status = self.statuses.pop(0) if self.statuses else 0
        if status == 0 and self.same_association:
            threading.Thread(target=self._report_on, args=(event.assoc, self.asked[-1])).start()
        return status, None

    def _report_on(self, association, asked) -> None:
        event_type, information = report_of(*asked, self.lost)
        status, _ = association.send_n_event_report(
            information, event_type, StorageCommitmentPushModel, WELL_KNOWN
        )
        with self.changed:
            self.report_statuses.append(status.get("Status", -1))
            self.changed.notify_all()


def report_of(transaction_uid: str, uids: list[str], lost: dict[str, int]) -> tuple[int, Dataset]:
    """Event type and information of a report (PS3.4 table J.3-2)."""
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = [_item(uid) for uid in uids if uid not in lost]
    if lost:
        information.FailedSOPSequence = [_item(uid, lost[uid]) for uid in uids if uid in lost]
    return (2 if lost else 1), information


def bring_report(
    port: int,
    event_type: int,
    information: Dataset,
    *,
    calling: str = "ARCHIVE",
    instance: str = WELL_KNOWN,
    negotiate_role: bool = True,
) -> tuple[int, str]:
    """Open an association to a listener and report there; give status and error comment."""
    prepare()
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
    roles = [build_role(StorageCommitmentPushModel, scp_role=True)] if negotiate_role else []
    association = entity.associate(
        "127.0.0.1",
        port,
        [build_context(StorageCommitmentPushModel)],
        ae_title="RANODE",
        ext_neg=roles,
        evt_handlers=[TENDED],
    )
    assert association.is_established, "the listener accepted no association for a report"
    try:
        status, _ = association.send_n_event_report(
            information, event_type, StorageCommitmentPushModel, instance
        )
    finally:
        association.release()
    return int(status.Status), str(status.get("ErrorComment", ""))


def _item(uid: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    item.ReferencedSOPInstanceUID = uid
    if reason is not None:
        item.FailureReason = reason
    return item
