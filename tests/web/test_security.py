"""What an attacker on the network or on this machine tries; each failed before."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from pydantic import ValidationError

from ra_node.bootstrap.web import build_desk
from ra_node.settings.web import WebTable
from ra_node.web.http_protocol import HeaderTimeoutProtocol
from ra_node.web.login_throttle import ALLOWED, ALLOWED_BY_NAME, LONGEST_WAIT_S, Throttle, network_of
from ra_node.web.middleware import host_name
from tests.conftest import wait_until
from tests.web.conftest import browser, serving, sign_in, token_in
from tests.web.hospital import PASSWORD, Hospital


def test_of_a_hundred_parallel_wrong_passwords_five_are_judged():
    """44 were, when an attempt was counted after its password had been hashed."""
    throttle, together = Throttle(lambda: 0.0), threading.Barrier(20)

    judged: list[int] = []
    lock = threading.Lock()

    def attempts(_number: int) -> None:
        together.wait()
        for _ in range(5):
            if throttle.attempt("name night") == 0:
                with lock:
                    judged.append(1)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(attempts, range(20)))
    assert len(judged) == ALLOWED


def test_the_page_counts_before_it_hashes(hospital, monkeypatch):
    """While a password is being judged its attempt already counts."""
    counted: list[bool] = []
    verify = hospital.desk.passwords.verify

    def judged(name: str, password: str) -> bool:
        counted.append("name night" in hospital.desk.throttle._wrong)
        return verify(name, password)

    monkeypatch.setattr(
        type(hospital.desk.passwords), "verify", lambda _self, name, password: judged(name, password)
    )
    with browser(hospital) as client:
        assert sign_in(client, password="wrong") == 401
    assert counted == [True]


def test_outsiders_cannot_lock_out_a_browser_in_which_the_user_signed_in_before(hospital):
    """Not even where so many guess that the name must wait."""
    with browser(hospital, address="127.0.0.9") as owner:
        assert sign_in(owner) == 303
        owner.post("/logout", data={"csrf": token_in(owner.get("/").text)})
        for number in range(ALLOWED_BY_NAME):
            hospital.desk.throttle.attempt(f"address 192.0.2.{number}", name="name night")
        assert sign_in(owner) == 303
    with browser(hospital, address="127.0.0.200") as forger:
        forger.cookies.set("ra_node_device", "WyJuaWdodCIsIngiXQ.forged")
        assert sign_in(forger, password=PASSWORD) == 429


def test_one_outsider_cannot_lock_out_a_name_for_a_browser_that_never_signed_in(hospital):
    """Five wrong passwords of one address did."""
    with browser(hospital, address="127.0.0.66") as outsider:
        for _ in range(ALLOWED):
            assert sign_in(outsider, password="guess") == 401
        assert sign_in(outsider, password="guess") == 429
    with browser(hospital, address="127.0.0.9") as owner:
        assert sign_in(owner) == 303


def test_an_outsider_who_goes_on_for_weeks_adds_five_attempts_to_those_of_the_name():
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for _ in range(3 * ALLOWED_BY_NAME):
        now[0] += LONGEST_WAIT_S
        assert throttle.attempt("address 192.0.2.1", name="name night") == 0
    assert not throttle.must_wait("name night")
    for number in range(ALLOWED_BY_NAME - ALLOWED):
        throttle.attempt(f"address 198.51.100.{number}", name="name night")
    assert throttle.must_wait("name night")


@pytest.mark.parametrize(
    ("caller", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_the_addresses_of_one_ipv6_subscriber_count_as_one(caller, network):
    assert network_of(caller) == network


def test_a_copy_of_the_cookie_is_void_after_the_sign_out(hospital):
    """Also after a restart of the page, which other sessions survive."""
    with browser(hospital) as client, browser(hospital) as other, browser(hospital) as thief:
        sign_in(client)
        sign_in(other)
        kept, copied = (who.cookies.get("ra_node_session") for who in (other, client))
        thief.cookies.set("ra_node_session", copied)
        assert thief.get("/").status_code == 200
        client.post("/logout", data={"csrf": token_in(client.get("/").text)})
        assert thief.get("/").status_code == 303
    hospital.desk = build_desk(hospital.settings, hospital.state)
    for cookie, status in ((kept, 200), (copied, 303)):
        with browser(hospital) as again:
            again.cookies.set("ra_node_session", cookie)
            assert again.get("/").status_code == status


@pytest.mark.parametrize("path", ["/", "/login", "/metrics"])
def test_a_foreign_host_is_refused(hospital, path):
    """DNS rebinding: a foreign page whose name resolves to this address."""
    with browser(hospital) as client:
        assert client.get(path, headers={"Host": "evil.example:11180"}).status_code == 400
        assert client.get(path, headers={"Host": "127.0.0.1:11180"}).status_code != 400
        assert client.get("/healthz", headers={"Host": "evil.example"}).status_code != 400


def test_a_configured_host_is_known(tmp_path):
    hospital = Hospital(tmp_path, {"hosts": ["RA-node.example"]})
    with browser(hospital) as client:
        assert client.get("/login", headers={"Host": "ra-node.example"}).status_code == 200
    hospital.close()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.example:80", "a.example"),
        ("[::1]:80", "::1"),
        ("::1", "::1"),
        ("A.example.", "a.example"),
        ("", ""),
    ],
)
def test_the_name_of_a_host(host, name):
    assert host_name(host) == name


def test_a_user_of_the_proxy_on_this_machine_needs_its_secret(tmp_path):
    """Any local account reaches the port and could name any user."""
    with pytest.raises(ValidationError, match="proxy_secret_file"):
        WebTable(proxy_header="X-Remote-User", trusted_proxies=["127.0.0.1/32"])
    secret = tmp_path / "proxy-secret"
    secret.write_text("s" * 32)
    hospital = Hospital(
        tmp_path,
        {
            "proxy_header": "X-Remote-User",
            "trusted_proxies": ["127.0.0.1/32"],
            "proxy_secret_file": str(secret),
        },
    )
    named = {"X-Remote-User": "dr.night"}
    with browser(hospital) as client:
        assert client.get("/", headers=named).status_code == 303
        assert client.get("/", headers={**named, "X-Proxy-Secret": "s" * 31}).status_code == 303
        assert client.get("/", headers={**named, "X-Proxy-Secret": "s" * 32}).status_code == 200
    hospital.close()


@pytest.mark.parametrize("header", [{}, {"Via": "1.1 proxy"}, {"X-Forwarded-Host": "x"}])
def test_metrics_are_closed_to_what_comes_by_a_proxy(tmp_path, header):
    """Also by a trusted proxy that adds no header at all."""
    trusted = {} if header else {"trusted_proxies": ["127.0.0.1/32"]}
    hospital = Hospital(tmp_path, trusted)
    with browser(hospital) as client:
        assert client.get("/metrics", headers=header).status_code == 403
    hospital.close()


def test_three_hundred_half_open_requests_leave_page_and_health_alone(hospital, monkeypatch):
    """All were answered 503 before; a connection without a complete header is closed in time."""
    monkeypatch.setattr(HeaderTimeoutProtocol, "header_s", 1.0)
    monkeypatch.setattr(HeaderTimeoutProtocol, "most_connections", 64)
    with serving(hospital) as address:
        host, port = address.removeprefix("http://").split(":")
        half_open = []
        for _ in range(300):
            connection = socket.create_connection((host, int(port)), timeout=60)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            half_open.append(connection)
        for path in ("/healthz", "/login"):
            assert httpx.get(address + path, timeout=60).status_code in (200, 503)
            assert "busy" not in httpx.get(address + path, timeout=60).text
        assert httpx.get(address + "/login", timeout=60).status_code == 200

        def closed() -> bool:
            half_open[-1].settimeout(0.05)
            try:
                return half_open[-1].recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        wait_until(closed, "a half-open connection to be closed", 10)
        for connection in half_open:
            connection.close()
