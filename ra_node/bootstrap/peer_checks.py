"""Builds the peer checks of the preflight and the roundtrip with the results of a new phantom."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ra_node.bootstrap.node_context import address, build_producer, folder_in_use, with_bundle
from ra_node.errors import Fatal
from ra_node.settings.node import Settings
from ra_node.settings.peer import PeerTable

if TYPE_CHECKING:
    from ra_node.network.scu.c_store import PeerAddress
    from ra_node.services.preflight.check import Check


def addresses(settings: Settings, peers: Sequence[PeerTable]) -> list[tuple[PeerAddress, PeerTable]]:
    """Calling settings of these peers without those whose [tls] is unusable, which has a row of its own."""
    found = []
    for peer in peers:
        try:
            found.append((address(settings, peer), peer))
        except Fatal:
            continue
    return found


def roundtrips(settings: Settings, destinations: Sequence[PeerAddress]) -> list[Check]:
    """Analyse a phantom and send its report and overlay to each destination."""
    from ra_node.bootstrap.analysis import build_predictor, reading_rules
    from ra_node.services.offline_analysis import Analyst
    from ra_node.services.preflight.phantom_image import phantom_image
    from ra_node.services.preflight.roundtrip import check_roundtrip

    judge, bundle = build_predictor(with_bundle(settings, folder_in_use(settings)))
    label = settings.results.research_label
    analyst = Analyst(
        judge, bundle.identity, build_producer(settings), reading_rules(settings, bundle), label
    )
    with TemporaryDirectory(prefix="ra-node-") as name:
        source, folder = Path(name) / "phantom.dcm", Path(name)
        image = phantom_image(uuid.uuid4().hex)
        image.save_as(source, enforce_file_format=True)
        uid = str(image.StudyInstanceUID)
        analyst.answer(uid, [source], folder, datetime.now().astimezone())
        results = [folder / "sr.dcm", folder / "overlay.dcm"]
        return [check_roundtrip(where, uid, results) for where in destinations]
