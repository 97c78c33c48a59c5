"""Every status that this node returns, with its condition: for the conformance statement.

Tests provoke each of them at the real listener.
"""

from __future__ import annotations

from typing import Final

from ra_node.network.scp.association_policy import (
    CALLED_AE_UNKNOWN,
    CALLING_AE_UNKNOWN,
    CONGESTED,
    NO_USE,
    TOO_MANY,
    Rejection,
)
from ra_node.network.status.c_store import CANNOT_UNDERSTAND, OUT_OF_RESOURCES, PROCESSING_FAILURE, SUCCESS
from ra_node.network.status.storage_commitment import (
    INVALID_ARGUMENT,
    NO_SUCH_ARGUMENT,
    NO_SUCH_EVENT_TYPE,
    NO_SUCH_INSTANCE,
    RESOURCE_LIMITATION,
    UNRECOGNISED_OPERATION,
)

STORE_ANSWERS: Final[dict[int, str]] = {
    SUCCESS: "The file is on the disk and its row is committed; also for a repeated instance.",
    OUT_OF_RESOURCES: "The disk is nearly full or the ledger is not available: send it again later.",
    CANNOT_UNDERSTAND: "Not accepted: other content under a known UID, or no UID; see Error Comment.",
    PROCESSING_FAILURE: "An error of the node; its log says more. Send it again later.",
}
"""C-STORE (PS3.4 table B.2-1)."""

REPORT_ANSWERS: Final[dict[int, str]] = {
    SUCCESS: "The report is recorded.",
    NO_SUCH_INSTANCE: "Not the well-known instance of the Storage Commitment Push Model.",
    NO_SUCH_EVENT_TYPE: "An Event Type other than 1 and 2.",
    NO_SUCH_ARGUMENT: "No Transaction UID, or no references that can be read.",
    INVALID_ARGUMENT: "No request with this Transaction UID was sent to this AE title.",
    UNRECOGNISED_OPERATION: "Another operation, N-ACTION included: the node offers no storage commitment.",
    RESOURCE_LIMITATION: "The ledger is not available: report again later.",
    PROCESSING_FAILURE: "An error of the node; its log says more. Report again later.",
}
"""N-EVENT-REPORT and N-ACTION of Storage Commitment (PS3.4 annex J, PS3.7 10.1)."""

REJECTIONS: Final[tuple[tuple[Rejection, str], ...]] = (
    (
        CALLING_AE_UNKNOWN,
        "The calling AE title is no [[peer]], calls from another address, or lacks its certificate.",
    ),
    (CALLED_AE_UNKNOWN, "The called AE title is not ours, where the node checks it."),
    (NO_USE, "No presentation context can be used, or the maximum PDU length is under 7 bytes."),
    (CONGESTED, "The node is stopping, or its ledger is not available."),
    (TOO_MANY, "As many associations are open as [limits] associations allows."),
)
"""A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
