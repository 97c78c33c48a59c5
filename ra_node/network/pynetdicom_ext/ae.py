"""Application entity on pynetdicom: no logging of data sets, time-outs everywhere, resources released.

Uses private names of pynetdicom 3.0, as all modules of this package.
"""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Protocol, Self

from pydicom import Dataset, config
from pynetdicom import AE, AllStoragePresentationContexts, _config, dimse_messages, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import decode
from pynetdicom.events import EventHandlerType
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import ThreadedAssociationServer

from ra_node.network.pynetdicom_ext.association_guard import cut, guard
from ra_node.network.pynetdicom_ext.command_set import mended
from ra_node.network.pynetdicom_ext.tcp_options import acknowledge, send_at_once

_VALUE_HEADER_BYTES = 6
"""Length, context and control header of a presentation data value (PS3.8 9.3.5.1)."""


class _Shared(list[PresentationContext]):
    """The presentation contexts of a listener, shared and immutable.

    pynetdicom copies its 200 contexts for each connection: 15 ms under the GIL.
    """

    def __deepcopy__(self, _memo: object) -> Self:
        return self


class _Server(ThreadedAssociationServer):
    """Listen backlog for bursts of connections.

    With pynetdicom's 5, 300 connections at once took 47 s: a dropped SYN is repeated after a second.
    """

    request_queue_size = 128


class _Spooled(Protocol):
    """pynetdicom's file of one data set, a named temporary file."""

    @property
    def name(self) -> str: ...

    def close(self) -> None: ...


def prepare() -> None:
    """Configure pynetdicom for this process; idempotent.

    Data sets go directly from the socket to a file and back. Logging of pynetdicom is off: its encoder quotes
    attributes, and errors are reported by our own events and outcomes.
    """
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.STORE_RECV_CHUNKED_DATASET = True
    _config.STORE_SEND_CHUNKED_DATASET = True
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    config.settings.reading_validation_mode = config.IGNORE  # its warnings quote values
    dimse_messages.decode = _decode_command  # type: ignore[attr-defined, assignment]


def _decode_command(encoded: BytesIO, is_implicit_vr: bool, is_little_endian: bool) -> Dataset:  # noqa: FBT001 - the library's own
    """The decoder of command sets in pynetdicom."""
    return mended(decode(encoded, is_implicit_vr, is_little_endian))


def tend(association: Association, timeout_s: float) -> None:
    """Limit each read of a connection to `timeout_s`, and release its socket and thread at its end.

    pynetdicom reads a PDU in one blocking call, so a peer that stops in the middle would hold its threads for
    ever: neither the idle timer nor an abort reaches them. It also does not close a socket whose peer has
    closed first, or was never reached. TCP_NODELAY and TCP_QUICKACK are set.
    """
    guard(association)
    wrapped = association.dul.socket
    raw = None if wrapped is None else wrapped.socket
    if wrapped is None or raw is None:
        return
    raw.settimeout(timeout_s)
    send_at_once(raw)
    wrapped.recv = partial(_received, raw, wrapped.recv)  # type: ignore[method-assign]
    association.bind(evt.EVT_CONN_CLOSE, lambda _event: raw.close())
    association.bind(evt.EVT_ABORTED, lambda _event: _cut_later(raw))


def _received(raw: socket.socket, receive: Callable[[int], bytearray], wanted_bytes: int) -> bytearray:
    acknowledge(raw)
    return receive(wanted_bytes)


def _cut_later(raw: socket.socket) -> None:
    """Send an A-ABORT within a second, then shut the socket down."""
    timer = threading.Timer(1.0, cut, [raw])
    timer.daemon = True
    timer.start()


def serve(
    entity: AE,
    address: tuple[str, int],
    contexts: list[PresentationContext],
    handlers: list[EventHandlerType],
    tls: ssl.SSLContext | None = None,
) -> ThreadedAssociationServer:
    """Accept connections in a thread; raise OSError where the port is taken.

    Like pynetdicom's `start_server`, which takes half a second to stop.
    """
    server = entity.make_server(
        address,
        contexts=contexts,
        evt_handlers=handlers,
        ssl_context=tls,
        server_class=_Server,
    )
    server.contexts = _Shared(server.contexts)
    accepting = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    vars(server)["accepting"] = accepting
    accepting.start()
    return server


def is_accepting(server: ThreadedAssociationServer) -> bool:
    """Whether the thread that accepts connections is alive."""
    return bool(vars(server)["accepting"].is_alive())


def stop_serving(server: ThreadedAssociationServer) -> None:
    """Accept no more connections; associations continue."""
    with suppress(ValueError):  # its shutdown removes it from a list to which only `start_server` adds it
        server.shutdown()


def requested_by(association: Association) -> tuple[str, str, str]:
    """Calling AE title, called AE title and IP address of the peer that requests an association."""
    request, address = association.requestor.primitive, association.requestor.address_info
    calling, called = (request.calling_ae_title, request.called_ae_title) if request else ("", "")
    return str(calling or "").strip(), str(called or "").strip(), str(address.address) if address else ""


def negotiable(association: Association) -> bool:
    """Whether a request has a presentation context, and accepts PDUs long enough for a response (0: any)."""
    request = association.requestor
    contexts = request.primitive.presentation_context_definition_list if request.primitive else []
    return bool(contexts) and not 0 < (request.maximum_length or 0) <= _VALUE_HEADER_BYTES


def forbid_storage(association: Association) -> tuple[int, int]:
    """Remove the storage contexts from a request; return how many it has, and how many contexts in all."""
    storage = {context.abstract_syntax for context in AllStoragePresentationContexts}
    kept = [cx for cx in association.acceptor.supported_contexts if cx.abstract_syntax not in storage]
    association.acceptor.supported_contexts = kept
    request = association.requestor.primitive
    asked = request.presentation_context_definition_list if request else []
    return sum(context.abstract_syntax in storage for context in asked), len(asked)


def receive_failure(request: C_STORE) -> OSError | None:
    """The disk error that prevented a complete write of a data set."""
    return getattr(request._dataset_file, "failure", None)  # noqa: SLF001 - the request alone knows its file


def received_sha256(request: C_STORE) -> str:
    """The SHA-256 of the file of a data set, computed while it was written."""
    return str(request._dataset_file.sha256)  # type: ignore[union-attr]  # noqa: SLF001 - see above; an `ArrivingFile`


def announces_data_set(request: C_STORE) -> bool:
    """Whether a request has a data set by its Command Data Set Type (PS3.7 E.1)."""
    return request._dataset_file is not None  # noqa: SLF001 - the request alone knows its file


def discard_served(request: C_STORE) -> None:
    """Close the file of a request on an association that we requested, and remove it unless it was moved.

    For associations requested by peers pynetdicom does this itself.
    """
    _discard(request._dataset_file)  # noqa: SLF001 - the request alone knows its file


def discard_unfinished(association: Association) -> None:
    """Remove the files of an ended association that are incomplete or were never handled."""
    message = association.dimse.message
    if message is not None:
        _discard(message._data_set_file)  # noqa: SLF001 - the library forgets the file when a transfer ends early
    while True:
        try:
            _, primitive = association.dimse.msg_queue.get_nowait()
        except queue.Empty:
            return
        _discard(getattr(primitive, "_dataset_file", None))


def _discard(spooled: _Spooled | None) -> None:
    if spooled is None:
        return
    with suppress(OSError):  # closing flushes, and the disk may be full
        spooled.close()
    with suppress(OSError):
        Path(spooled.name).unlink()
