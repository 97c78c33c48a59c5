"""Peers: where each is, whether it responds now, when it last did and what went wrong."""

from __future__ import annotations

import pytest

from ra_node.network.scu.c_store import EchoReport
from ra_node.web.context import EchoResult
from tests.web.conftest import browser, sign_in, token_in


def test_each_peer_shows_its_ae_title_address_last_success_and_last_error(busy_hospital):
    with browser(busy_hospital[0]) as client:
        sign_in(client)
        text = client.get("/peers").text
    pacs = text.partition('id="peer-pacs"')[2].partition("</article>")[0]
    for words in ("PACS", "127.0.0.1:104", "Last success", "Last error", "0xA900 Data Set does not match"):
        assert words in pacs
    assert "never" not in pacs
    archive = text.partition('id="peer-archive"')[2].partition("</article>")[0]
    assert "no answer from 10.0.0.11 port 104" in archive
    assert "never" in archive


def test_the_echo_button_calls_the_peer_and_its_result_stays_on_the_page(hospital):
    """A port without a listener: what was found, and what to do; recorded with the name of the operator."""
    with browser(hospital) as client:
        sign_in(client)
        sent = {"csrf": token_in(client.get("/peers").text), "peer": "pacs"}
        assert client.post("/peers/echo", data={**sent, "csrf": ""}).status_code == 403
        assert client.post("/peers/echo", data={**sent, "peer": "nobody"}).status_code == 404
        hospital.desk.echoes["archive"] = EchoResult(0.0, ok=True, found="ARCHIVE at x:104: echo", hint="")
        assert client.post("/peers/echo", data=sent).headers["location"] == "/peers#peer-pacs"
        text = client.get("/peers").text
    assert "check host, port and firewall" in text
    assert "responds" in text.partition('id="peer-archive"')[2].partition("</article>")[0]


@pytest.mark.parametrize("status", [0, None])
def test_a_source_is_called_by_echo_alone(status):
    from ra_node.network.scu.association import PeerAddress, Reach
    from ra_node.services.preflight.checks import check_echo

    peer = PeerAddress("xray", "MODALITY", "10.0.0.1", 104, calling_ae="RA")
    found = check_echo(peer, lambda _: EchoReport("xray", Reach.ACCEPTED, "no response", status))
    assert found.ok is (status == 0)
    assert "MODALITY at 10.0.0.1:104" in found.found
