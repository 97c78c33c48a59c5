"""Listeners, archives and clients on free loopback ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from ra_node.network.scp.loopback_archive import Behaviour, LoopbackArchive
from ra_node.network.scp.server import Listener, ListenSettings
from ra_node.network.scu.c_store import PeerAddress
from tests.network.fakes import TENDED, FakeInbox

DX = [build_context(DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian)]


@pytest.fixture
def inbox(tmp_path: Path) -> FakeInbox:
    folder = tmp_path / "kept"
    folder.mkdir()
    return FakeInbox(folder)


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    return tmp_path / "incoming"


@pytest.fixture
def listen(inbox: FakeInbox, incoming: Path) -> Iterator[Callable[..., Listener]]:
    """Start a listener for the fake inbox that accepts everybody, with settings changed by name."""
    basic = ListenSettings("RANODE", incoming, host="127.0.0.1", port=0, accept_unknown=True)
    with ExitStack() as stack:

        def start(**changes: object) -> Listener:
            apart = {name: changes.pop(name) for name in ("has_room", "extra_handlers") if name in changes}
            listener = Listener(replace(basic, **changes), inbox, **apart)  # type: ignore[arg-type]
            listener.start()
            stack.callback(listener.stop, 0.0)
            return listener

        yield start


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Callable[..., LoopbackArchive]]:
    """Start an archive with a behaviour given by name."""
    with ExitStack() as stack:

        def start(**behaviour: object) -> LoopbackArchive:
            made = LoopbackArchive(tmp_path / "archive", behaviour=Behaviour(**behaviour))  # type: ignore[arg-type]
            return stack.enter_context(made)

        yield start


@pytest.fixture
def associate() -> Iterator[Callable[..., Association]]:
    """Request an association as a plain pynetdicom client; ended by force after the test."""
    with ExitStack() as stack:

        def request(
            port: int,
            contexts: list[PresentationContext] = DX,
            *,
            calling: str = "MODALITY",
            called: str = "RANODE",
        ) -> Association:
            entity = AE(calling)
            entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
            association = entity.associate(
                "127.0.0.1",
                port,
                contexts=contexts,
                ae_title=called,
                evt_handlers=[TENDED],
            )
            stack.callback(lambda: association.is_established and association.abort())
            return association

        yield request


def peer_at(port: int, **changes: object) -> PeerAddress:
    """Address a peer on this machine."""
    address = PeerAddress(
        "archive", "ARCHIVE", "127.0.0.1", port, "RANODE", connect_timeout_s=60.0, acse_timeout_s=60.0
    )
    return replace(address, **changes)  # type: ignore[arg-type]
