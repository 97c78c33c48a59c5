"""Builds the conformance statement (PS3.2) of the running configuration from the tables of the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pynetdicom.presentation import PresentationContext

from ra_node import __version__
from ra_node.dicom.conformance.created_objects import (
    character_sets,
    made_objects,
    private_attributes,
    report_content,
)
from ra_node.dicom.conformance.document import Section, Statement, TableBlock, prose
from ra_node.dicom.provenance import IMPLEMENTATION_CLASS_UID
from ra_node.network.scp.server import ListenSettings
from ra_node.services.conformance.networking import (
    ImplementationNames,
    acceptance,
    accepted_services,
    initiation,
    proposed_services,
    security,
)
from ra_node.services.patients.adt import MERGES, UPDATES
from ra_node.settings.node import Settings


@dataclass(frozen=True, slots=True)
class RunningConfiguration:
    """Settings of the node and its listener, and the accepted contexts."""

    settings: Settings
    listen: ListenSettings
    contexts: Sequence[PresentationContext]


def conformance_statement(running: RunningConfiguration) -> Statement:
    """Describe the node as it is configured; names no machine and no secret."""
    settings = running.settings
    return Statement(
        f"DICOM conformance statement: ra-node {__version__}",
        " ".join(prose("about", ae_title=settings.node.ae_title, peers=len(settings.peer))),
        (
            _overview(running),
            _networking(running),
            Section("Media interchange", prose("media")),
            character_sets(),
            security(settings),
            Section("Annexes", parts=(made_objects(), report_content(), private_attributes())),
        ),
    )


def _overview(running: RunningConfiguration) -> Section:
    """The table of network services (PS3.2 A.1)."""
    peers = running.settings.peer
    queried = any(peer.is_queried for peer in peers)
    rows = [
        ("Verification", "yes", "yes"),
        ("Storage of every class of PS3.4 annex B", "no", "yes"),
        ("Storage of results", "yes", "no"),
        ("Storage Commitment Push Model", _yes(peer.commitment for peer in peers), "no"),
        ("Study Root Query (C-FIND)", _yes([queried]), "no"),
        ("Study Root Retrieve (C-GET) of reports", _yes(peer.prior == "query" for peer in peers), "no"),
    ]
    return Section(
        "Overview",
        prose("overview"),
        (TableBlock(("Network service", "User of service (SCU)", "Provider of service (SCP)"), tuple(rows)),),
    )


def _yes(any_of: Iterable[bool]) -> str:
    return "yes" if any(any_of) else "not configured"


def _networking(running: RunningConfiguration) -> Section:
    return Section(
        "Networking",
        parts=(
            _model(),
            Section(
                f"Specification of the application entity {running.settings.node.ae_title}",
                parts=(
                    accepted_services(running.contexts),
                    acceptance(running.listen),
                    proposed_services(running.settings),
                    initiation(running.listen.ae_title),
                ),
            ),
            _interfaces(running.settings),
            _configuration(running),
        ),
    )


def _model() -> Section:
    """Application entity specification (PS3.2 A.4.1)."""
    return Section(
        "Implementation model",
        prose("model"),
        (
            TableBlock(
                ("What", "Value"),
                (
                    ("Implementation Class UID in files", IMPLEMENTATION_CLASS_UID),
                    ("Implementation Version Name in files", f"RA_NODE_{__version__}"[:16]),
                    ("Implementation Class UID in associations", ImplementationNames.of_library().class_uid),
                    ("Implementation Version Name in associations", ImplementationNames.of_library().version),
                    ("Application Context", "1.2.840.10008.3.1.1.1"),
                ),
            ),
        ),
    )


def _interfaces(settings: Settings) -> Section:
    """Network interfaces (PS3.2 A.4.3), the listener of HL7 messages included."""
    messages = [
        (
            f"ADT^{', '.join(MERGES)}",
            "the patient of MRG-1 is merged into that of PID-3: earlier reports are found",
        ),
        (
            f"ADT^{', '.join(UPDATES)}",
            "destinations that are asked for their patient are asked before unsent results of it",
        ),
        ("any other", "refused (AR)"),
    ]
    if settings.hl7.address is None:
        return Section("Network interfaces", (*prose("interfaces"), *prose("hl7_none")))
    return Section(
        "Network interfaces",
        (*prose("interfaces"), *prose("hl7", secured="with" if settings.hl7.tls else "without")),
        (TableBlock(("HL7 message", "Effect"), tuple(messages)),),
    )


def _configuration(running: RunningConfiguration) -> Section:
    """AE titles, ports and parameters (PS3.2 A.4.4)."""
    settings = running.settings
    local = (("AE title", settings.node.ae_title), ("TCP port", str(settings.node.port)))
    remote = tuple(
        (
            peer.name,
            peer.ae_title,
            f"{peer.host}:{peer.port}",
            ", ".join(peer.roles),
            "yes" if peer.tls else "no",
            "yes" if peer.commitment else "no",
            ", ".join(peer.options) or "none",
        )
        for peer in settings.peer
    )
    heads = ("Name", "AE title", "Address", "Roles", "TLS", "Commitment", "Further objects")
    parameters = tuple(
        (f"[{table}] {key}", _said(value))
        for table in ("study", "limits", "results")
        for key, value in getattr(settings, table).model_dump().items()
    )
    return Section(
        "Configuration",
        prose("configuration"),
        (
            TableBlock(("Local", "Value"), local),
            TableBlock(heads, remote or (("none", "", "", "", "", "", ""),)),
            TableBlock(("Parameter", "Value"), parameters),
        ),
    )


def _said(value: object) -> str:
    """A value as the configuration file writes it."""
    if value is None:
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)
