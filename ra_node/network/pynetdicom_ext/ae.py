"""pynetdicom as this room uses it: silent about data sets, and nothing left behind or waited for forever.

With `guard`, `bounds` and `incoming` the files that reach behind the library's public face.
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
    """The contexts of a listener, which nobody changes.

    The library copies each of its 200 contexts for each connection: 15 ms in which nobody receives.
    """

    def __deepcopy__(self, _memo: object) -> Self:
        return self


class _Server(ThreadedAssociationServer):
    """Keeps a burst of connections waiting instead of dropping them.

    With the library's 5, 300 connections at once took 47 s: a dropped one is tried again after a second.
    """

    request_queue_size = 128


class _Spooled(Protocol):
    """The library's file of one data set, a named temporary file."""

    @property
    def name(self) -> str: ...

    def close(self) -> None: ...


def prepare() -> None:
    """Set the switches of the library for this process; safe to repeat.

    Data sets go straight from the wire to a file and back. The library logs nothing: its encoder
    quotes attributes, and what goes wrong is told by this room's own events and outcomes.
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
    """What the library decodes command sets with."""
    return mended(decode(encoded, is_implicit_vr, is_little_endian))


def tend(association: Association, timeout_s: float) -> None:
    """Let a connection wait no longer than `timeout_s` for its peer, and leave no socket or thread behind.

    The library reads a PDU in one blocking call, so that a peer which stops in the middle would hold
    its threads for ever: neither the idle timer nor an abort reaches them. And it forgets to close
    a socket whose peer has left first, or was never reached. Nothing waits for a late acknowledgement.
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
    """Give an A-ABORT a second to go out, then end whatever still reads."""
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

    As the library's `start_server`, which takes half a second to stop.
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
    """Tell whether the thread that accepts connections is there."""
    return bool(vars(server)["accepting"].is_alive())


def stop_serving(server: ThreadedAssociationServer) -> None:
    """Accept no more connections; associations go on."""
    with suppress(ValueError):  # its last act is to leave a list that only `start_server` enters it in
        server.shutdown()


def requested_by(association: Association) -> tuple[str, str, str]:
    """Give calling AE title, called AE title and IP address of the peer that requests an association."""
    request, address = association.requestor.primitive, association.requestor.address_info
    calling, called = (request.calling_ae_title, request.called_ae_title) if request else ("", "")
    return str(calling or "").strip(), str(called or "").strip(), str(address.address) if address else ""


def negotiable(association: Association) -> bool:
    """Whether a request has a presentation context, and takes PDUs that hold a byte of an answer (0: any)."""
    request = association.requestor
    contexts = request.primitive.presentation_context_definition_list if request.primitive else []
    return bool(contexts) and not 0 < (request.maximum_length or 0) <= _VALUE_HEADER_BYTES


def forbid_storage(association: Association) -> None:
    """Let an association that is being requested negotiate everything but storage contexts."""
    storage = {context.abstract_syntax for context in AllStoragePresentationContexts}
    kept = [cx for cx in association.acceptor.supported_contexts if cx.abstract_syntax not in storage]
    association.acceptor.supported_contexts = kept


def receive_failure(request: C_STORE) -> OSError | None:
    """Give the error of the disk that kept a data set from being written in full."""
    return getattr(request._dataset_file, "failure", None)  # noqa: SLF001 - the request alone knows its file


def received_sha256(request: C_STORE) -> str:
    """The SHA-256 of the file that a data set was received into, taken while it was written."""
    return str(request._dataset_file.sha256)  # type: ignore[union-attr]  # noqa: SLF001 - see above; an `ArrivingFile`


def announces_data_set(request: C_STORE) -> bool:
    """Whether a request came with a data set, as its Command Data Set Type said (PS3.7 E.1)."""
    return request._dataset_file is not None  # noqa: SLF001 - the request alone knows its file


def discard_served(request: C_STORE) -> None:
    """Close the file of a request that came on an association of ours, and remove it where it still lies.

    Of requests on associations of others the library takes care itself.
    """
    _discard(request._dataset_file)  # noqa: SLF001 - the request alone knows its file


def discard_unfinished(association: Association) -> None:
    """Remove the files of an ended association that were received in part, or never served."""
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
    with suppress(OSError):  # closing flushes, and the disk may be the very thing that is full
        spooled.close()
    with suppress(OSError):
        Path(spooled.name).unlink()
