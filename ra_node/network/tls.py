"""TLS for DICOM by BCP 195 (RFC 9325) with certificates on both sides (PS3.15 B.12).

TLS 1.2 with four suites of forward secrecy and AEAD, and TLS 1.3; no compression, no renegotiation, no
resumption. Both sides must hold a certificate of the site's own authority.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ra_node.errors import Fatal

SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""Cipher suites that RFC 9325 4.2 recommends for TLS 1.2; all of TLS 1.3 are strong."""
_LEVEL: Final = "@SECLEVEL=2"
"""No RSA below 2048 bits, no SHA-1 signature (RFC 9325 4.5)."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Our certificate with its chain, its key without a passphrase, and the authority of our peers; PEM."""

    certificate: Path
    key: Path
    authority: Path


def serving(files: TlsFiles) -> ssl.SSLContext:
    """The context of the listener: a caller without a certificate of the authority is refused."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, files)
    context.num_tickets = 0
    return context


def calling(files: TlsFiles, *, any_name: bool = False) -> ssl.SSLContext:
    """The context of a call; with `any_name` every certificate of the authority is accepted."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, files)
    context.check_hostname = not any_name
    return context


def secured(
    raw: socket.socket, context: ssl.SSLContext, timeout_s: float, name: str | None = None
) -> ssl.SSLSocket:
    """Perform the TLS handshake within `timeout_s`; OSError where that fails, and `raw` is closed.

    With `name` we are the client and the certificate must contain it, without it we are the server.
    """
    raw.settimeout(timeout_s)
    return context.wrap_socket(raw, server_side=name is None, server_hostname=name)


def names_in(raw: socket.socket | None) -> frozenset[str] | None:
    """The names in the certificate of the other side, in lower case; None without TLS.

    DNS names and addresses; the common name is used only without these (RFC 9525 forbids it, but hospitals
    have such certificates).
    """
    if not isinstance(raw, ssl.SSLSocket):
        return None
    certificate: dict[str, Any] = dict(raw.getpeercert() or {})
    named = {
        _plain_name(str(value))
        for kind, value in certificate.get("subjectAltName", ())
        if kind in ("DNS", "IP Address")
    }
    common = {
        value.lower() for part in certificate.get("subject", ()) for key, value in part if key == "commonName"
    }
    return frozenset(named or common)


def why(error: OSError) -> str:
    """Reason of a failed TLS handshake, without contents of the certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "nothing in time"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "the connection ended").replace("_", " ").lower()
    return error.strerror or type(error).__name__


def _plain_name(name: str) -> str:
    with suppress(ValueError):
        return str(ipaddress.ip_address(name))
    return name.lower()


def _context(protocol: ssl._SSLMethod, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join([*SUITES, _LEVEL]))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.verify_mode = ssl.CERT_REQUIRED
    _check_key(files.key)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_passphrase)
    except OSError as error:
        raise Fatal(
            f"tls.cert and tls.key: expected a certificate and its key in PEM, "
            f"found {files.certificate} and {files.key}: {why(error)}"
        ) from error
    try:
        context.load_verify_locations(files.authority)
    except OSError as error:
        raise Fatal(f"tls.ca: expected certificates in PEM, found {files.authority}: {why(error)}") from error
    return context


def _check_key(key: Path) -> None:
    """Refuse a key file that others can read."""
    try:
        mode = key.stat().st_mode
    except OSError as error:
        raise Fatal(f"tls.key: expected a file, found {key}: {error.strerror}") from error
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        found = f"mode {stat.S_IMODE(mode):04o}"
        raise Fatal(f"tls.key: expected mode 0600 of {key}, found {found}; chmod 600 it")


def _no_passphrase() -> str:
    raise Fatal("tls.key: expected a key without passphrase, found an encrypted one")
