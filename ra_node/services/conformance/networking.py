"""Associations in the conformance statement: contexts, policies, statuses, security."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom.presentation import PresentationContext

from ra_node.dicom.conformance.document import Section, TableBlock, prose
from ra_node.domain.result_objects import RESULT_OBJECTS
from ra_node.network import tls
from ra_node.network.presentation_contexts import (
    RESULT_SYNTAXES,
    result_contexts,
)
from ra_node.network.pynetdicom_ext.limits import MOST_MESSAGE_BYTES, MOST_PDU_BYTES
from ra_node.network.scp.answered_statuses import REJECTIONS, REPORT_ANSWERS, STORE_ANSWERS
from ra_node.network.scp.server import ListenSettings
from ra_node.network.scu.association import PeerAddress
from ra_node.network.status.c_store import EXACT, RANGES, UNKNOWN, Answer
from ra_node.network.status.storage_commitment import ACTIONS, UNKNOWN_ACTION, ActionAnswer
from ra_node.settings.node import Settings

_DOES = {
    Answer.ACCEPTED: "delivered",
    Answer.RETRY: "sent again later",
    Answer.DOUBTFUL: "sent again a few times, then buried and shown to the operator",
    Answer.REFUSED: "buried and shown to the operator",
    Answer.OTHER_PATIENT: "buried and shown to the operator: the patient must be corrected",
}
_ASKS = {
    ActionAnswer.TAKEN: "accepted; the report is pending",
    ActionAnswer.RETRY: "requested again later",
    ActionAnswer.LACKING: "requested again when the peer offers the service",
    ActionAnswer.REFUSED: "buried and shown to the operator",
}


@dataclass(frozen=True, slots=True)
class ImplementationNames:
    """Implementation identification of pynetdicom."""

    class_uid: str
    version: str
    most_pdu_bytes: int

    @classmethod
    def of_library(cls) -> Self:
        entity = AE()
        return cls(
            str(entity.implementation_class_uid),
            str(entity.implementation_version_name),
            entity.maximum_pdu_size,
        )


def accepted_services(contexts: Sequence[PresentationContext]) -> Section:
    """Accepted presentation contexts, with named sets of transfer syntaxes."""
    sets: dict[tuple[str, ...], str] = {}
    rows = []
    for context in contexts:
        syntaxes = tuple(context.transfer_syntax)
        name = sets.setdefault(syntaxes, f"T{len(sets) + 1}")
        sop_class = UID(context.abstract_syntax or "")
        rows.append((sop_class.name, str(sop_class), name, _role(context)))
    listed = [
        (name, str(place), UID(syntax).name, str(syntax))
        for syntaxes, name in sets.items()
        for place, syntax in enumerate(syntaxes, start=1)
    ]
    return Section(
        "Presentation contexts accepted",
        prose("accepted"),
        (
            TableBlock(("Set", "Preference", "Transfer syntax", "UID"), tuple(listed)),
            TableBlock(("SOP class", "UID", "Transfer syntaxes", "Role"), tuple(rows)),
        ),
    )


def _role(context: PresentationContext) -> str:
    """Our role: the inverse of the role granted to the requestor."""
    return "SCU" if context.scp_role else "SCP"


def acceptance(listen: ListenSettings) -> Section:
    """Association acceptance policy, and returned statuses (PS3.2 A.4.2.x.4)."""
    who = prose("acceptance_anybody" if listen.accept_unknown else "acceptance_peers")
    return Section(
        "Associations accepted",
        (*who, *prose("acceptance")),
        (
            TableBlock(("Policy", "Value"), tuple(_policy(listen))),
            TableBlock(
                ("Rejection (result, source, reason)", "Words", "When"),
                tuple((f"{r.result}, {r.source}, {r.reason}", r.text, when) for r, when in REJECTIONS),
            ),
            _status_table("C-STORE status returned", STORE_ANSWERS),
            _status_table("N-EVENT-REPORT status returned", REPORT_ANSWERS),
        ),
    )


def _policy(listen: ListenSettings) -> Iterator[tuple[str, str]]:
    yield "Associations at once", str(listen.max_associations)
    yield "Maximum PDU length offered", f"{listen.max_pdu} bytes"
    yield "Maximum PDU length accepted", f"{MOST_PDU_BYTES} bytes; a longer PDU ends the connection"
    yield "Maximum length of a message other than a stored data set", f"{MOST_MESSAGE_BYTES} bytes"
    yield "Idle time until an association is ended", f"{listen.network_timeout_s:g} s"
    yield "Time for an association request", f"{min(listen.acse_timeout_s, listen.network_timeout_s):g} s"
    yield "Time for a message", f"{listen.dimse_timeout_s:g} s"


def _status_table(title: str, answers: dict[int, str]) -> TableBlock:
    return TableBlock((title, "When"), tuple((f"0x{code:04X}", when) for code, when in answers.items()))


def proposed_services(settings: Settings) -> Section:
    """Proposed presentation contexts, one transfer syntax each."""
    wanted = {kind for peer in settings.destinations for kind in peer.options}
    sent = [UID(row.sop_class_uid) for row in RESULT_OBJECTS if not row.optional or row.kind in wanted]
    proposed: dict[str, list[str]] = {}
    for context in result_contexts():
        names = [UID(one).name for one in context.transfer_syntax]
        proposed.setdefault(str(context.abstract_syntax), []).extend(names)
    rows = [(uid.name, str(uid), ", ".join(proposed[uid]), "SCU") for uid in sent]
    others = [("Verification", "1.2.840.10008.1.1")]
    if any(peer.commitment for peer in settings.peer):
        others.append(("Storage Commitment Push Model", "1.2.840.10008.1.20.1"))
    priors = any(peer.prior == "query" for peer in settings.peer)
    if any(peer.is_queried for peer in settings.peer):
        others.append(("Study Root Query/Retrieve Information Model - FIND", "1.2.840.10008.5.1.4.1.2.2.1"))
    if priors:
        others.append(("Study Root Query/Retrieve Information Model - GET", "1.2.840.10008.5.1.4.1.2.2.3"))
    rows += [(name, uid, ", ".join(one.name for one in RESULT_SYNTAXES), "SCU") for name, uid in others]
    return Section(
        "Presentation contexts proposed",
        prose("proposed"),
        (TableBlock(("SOP class", "UID", "Transfer syntaxes", "Role"), tuple(rows)),),
    )


def initiation(ae_title: str) -> Section:
    """Association initiation policy, and actions for statuses of a peer (PS3.2 A.4.2.x.3)."""
    to = PeerAddress("", "", "", 0, calling_ae=ae_title)
    stored = [(f"0x{code:04X}", said.meaning, _DOES[said.answer]) for code, said in EXACT.items()]
    stored += [
        (f"0x{low:04X} to 0x{high:04X}", said.meaning, _DOES[said.answer]) for low, high, said in RANGES
    ]
    stored.append(("any other", UNKNOWN.meaning, _DOES[UNKNOWN.answer]))
    acted = [(f"0x{code:04X}", said.meaning, _ASKS[said.answer]) for code, said in ACTIONS.items()]
    acted.append(("any other", UNKNOWN_ACTION.meaning, _ASKS[UNKNOWN_ACTION.answer]))
    policy = (
        ("Associations to one destination at once", "1"),
        ("Maximum PDU length offered", f"{ImplementationNames.of_library().most_pdu_bytes} bytes"),
        ("Time to connect", f"{to.connect_timeout_s:g} s"),
        ("Time for the response to an association request", f"{to.acse_timeout_s:g} s"),
        ("Time for the response to a message", f"{to.dimse_timeout_s:g} s"),
        ("Asynchronous operations", "not proposed"),
    )
    return Section(
        "Associations initiated",
        prose("initiation"),
        (
            TableBlock(("Policy", "Value"), policy),
            TableBlock(("C-STORE status of a peer", "Meaning", "Action for the object"), tuple(stored)),
            TableBlock(("N-ACTION status of a peer", "Meaning", "Action for the request"), tuple(acted)),
        ),
    )


def security(settings: Settings) -> Section:
    """Configured security profiles (PS3.2)."""
    if settings.tls.cert is None:
        return Section("Security", prose("security_none"))
    plain = [peer.name for peer in settings.peer if not peer.tls]
    who = prose("security_some", plain=", ".join(plain)) if plain else prose("security_all")
    suites = TableBlock(("Suites of TLS 1.2",), tuple((suite,) for suite in tls.SUITES))
    return Section("Security", (*prose("security"), *who), (suites,))
