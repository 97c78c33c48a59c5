"""Asks a PACS by C-FIND at STUDY level what it says of a study today."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from pydicom import Dataset
from pynetdicom import build_context

from ra_node.network.presentation_contexts import RESULT_SYNTAXES
from ra_node.network.scp.c_store import traced
from ra_node.network.scu.association import PeerAddress, call
from ra_node.network.scu.c_find import FIND, find

log = structlog.get_logger(__name__)


def ask_study(peer: PeerAddress, study_uid: str, keys: Sequence[str]) -> list[Dataset] | None:
    """Matches of a study with these attributes; [] where the PACS has none, None where it gave no answer.

    Never raises because of the peer. A PACS that ignores the UID and lists other studies gave no answer.
    """
    with call(peer, [build_context(FIND, list(RESULT_SYNTAXES))]) as made:
        if made.association is None:
            return None
        try:
            wanted: dict[str, str | None] = dict.fromkeys(keys)
            matches = list(find(made.association, "STUDY", StudyInstanceUID=study_uid, **wanted))
        except Exception as error:  # noqa: BLE001 - an odd answer is no answer
            log.warning("c_find_failed", peer=peer.name, **traced(error))
            return None
    own = [one for one in matches if str(one.get("StudyInstanceUID", study_uid)) == study_uid]
    return own if own or not matches else None
