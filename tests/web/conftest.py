"""A hospital, and a browser without windows that is signed in there."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from ra_node.bootstrap.web import build_server
from ra_node.web.app import build_app
from tests.conftest import wait_until
from tests.web.hospital import PASSWORD, Hospital, a_day

HASHER_DEFAULTS = PasswordHasher.__init__.__defaults__ or ()
"""Time, memory, lanes and more as the product has them."""


@pytest.fixture(scope="package", autouse=True)
def passwords_of_little_cost() -> Iterator[None]:
    """A hash by Argon2's least parameters; those of the product take 0.1 s of CPU and 64 MiB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PasswordHasher.__init__, "__defaults__", (1, 8, 1, *HASHER_DEFAULTS[3:]))
        yield


@pytest.fixture
def hospital(tmp_path) -> Iterator[Hospital]:
    running = Hospital(tmp_path)
    yield running
    running.close()


@pytest.fixture(scope="session")
def busy_hospital(tmp_path_factory) -> Iterator[tuple[Hospital, dict[str, str]]]:
    """A hospital after a day; tests only look at it."""
    running = Hospital(tmp_path_factory.mktemp("hospital"))
    day = a_day(running)
    yield running, day
    running.close()


def browser(hospital: Hospital, address: str = "127.0.0.1", **more: object) -> TestClient:
    """Somebody at an address, not signed in."""
    app = build_app(hospital.desk, "k" * 64)
    base = "https://localhost" if hospital.settings.web.https else "http://localhost"
    return TestClient(app, base_url=base, client=(address, 40000), follow_redirects=False, **more)


def token_in(text: str) -> str:
    """The CSRF token of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def sign_in(client: TestClient, name: str = "night", password: str = PASSWORD) -> int:
    """Sign in as a person would; return the status."""
    csrf = token_in(client.get("/login").text)
    return client.post("/login", data={"csrf": csrf, "name": name, "password": password}).status_code


@contextmanager
def serving(hospital: Hospital) -> Iterator[str]:
    """The real server on a free port of this machine; gives its address."""
    server = build_server(hospital.settings, hospital.desk)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server", 60)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
