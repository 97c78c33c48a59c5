"""Retrieves one study for the archive run; an incomplete study is not analysed."""

from __future__ import annotations

from pathlib import Path

from ra_node.errors import Refused, Retryable
from ra_node.network.dicomweb import Server
from ra_node.network.dicomweb import get_study as get_by_web
from ra_node.network.scu.association import OUT_OF_REACH, PeerAddress, Reach
from ra_node.network.scu.c_get import get_study


def from_peer(peer: PeerAddress, study_uid: str, folder: Path) -> None:
    """Retrieve by C-GET. Raises Refused for an incomplete study, Retryable where the PACS is unreachable."""
    got = get_study(peer, study_uid, folder)
    if got.complete:
        return
    if got.reach in OUT_OF_REACH:
        raise Retryable(f"{peer.name} is not reachable: {got.detail}")
    if got.reach is Reach.ACCEPTED and got.status is None:
        raise Retryable(f"{peer.name}: {got.detail}")
    raise Refused(f"expected the whole study from {peer.name}, found: {got.detail}")


def from_dicomweb(url: str, study_uid: str, folder: Path, *, token: str | None = None) -> None:
    """Retrieve by WADO-RS. Raises like `network.dicomweb.get_study`."""
    get_by_web(Server(url, token), study_uid, folder)
