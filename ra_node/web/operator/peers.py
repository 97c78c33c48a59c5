"""Peers: address, echo, last success and last error; queues of destinations, images of sources."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.overview import open_delivery_counts
from ra_node.services.delivery.destination_status import complaints, standings
from ra_node.services.monitoring.operator_actions import acted
from ra_node.web.auth import desk_of, operator_of
from ra_node.web.pages import operator_page
from ra_node.web.templating import error_page


def peers(request: Request) -> Response:
    """Destinations with their queues, sources with the time of their last image."""
    desk = desk_of(request)
    now = desk.ledger.clock()
    found = [(one, complaints(one, now)) for one in standings(desk.ledger, desk.destinations)]
    with desk.follower.tally() as tally:
        last, images = dict(tally.last_image), dict(tally.images)
        success, fault = dict(tally.last_success), dict(tally.last_fault)
    undelivered = open_delivery_counts(desk.ledger)
    configured = {peer.ae_title for peer in desk.peers}
    return operator_page(
        request,
        "peers.html",
        destinations=found,
        refused={peer: n for (peer, state), n in undelivered.items() if state is DeliveryState.REFUSED},
        entries={peer.name: peer for peer in desk.peers},
        sources=[peer for peer in desk.peers if "source" in peer.roles],
        strangers=sorted(set(last) - configured),
        last=last,
        images=images,
        success=success,
        fault=fault,
        echoes=dict(desk.echoes),
    )


def echo(request: Request, sent: FormData) -> Response:
    """Call a peer by C-ECHO and keep the result for the page."""
    desk, operator, name = desk_of(request), operator_of(request), str(sent.get("peer", ""))
    assert operator is not None
    if name not in {peer.name for peer in desk.peers if peer.callable}:
        return error_page(request, 404, "page_missing")
    desk.echoes[name] = desk.echo(name)
    acted(desk.ledger, operator, "echoed", peer=name, ok=desk.echoes[name].ok)
    return RedirectResponse(f"/peers#peer-{name}", 303)
