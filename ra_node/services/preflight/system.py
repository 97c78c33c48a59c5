"""Checks of the machine: clock, certificate, file permissions."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ra_node.errors import NodeError
from ra_node.ledger.clock_trust import follows_a_server
from ra_node.ledger.database.engine import ledger_address
from ra_node.network.certificate import Certificate, read_certificate
from ra_node.services.preflight.check import Check
from ra_node.settings.node import Settings

SOON = timedelta(days=30)


def check_clock(follows: Callable[[], bool | None] = follows_a_server) -> Check:
    """The clock follows a time server; otherwise event logs of two systems cannot be compared."""
    found = follows()
    if found is None:
        return Check("clock", ok=True, found="unknown; this system does not report it")
    if not found:
        hint = "run a time client, e.g. systemd-timesyncd or chrony, with the server of the hospital"
        return Check("clock", ok=False, found="follows no time server", hint=hint)
    return Check("clock", ok=True, found="follows a time server")


def check_tls(
    settings: Settings,
    open_contexts: Callable[[], object],
    read: Callable[[Path], Certificate] = read_certificate,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Check:
    """Certificate, key and authority can be loaded and do not expire soon."""
    secured = [peer.name for peer in settings.peer if peer.tls]
    plain = [peer.name for peer in settings.peer if not peer.tls]
    if settings.tls.cert is None:
        return Check("TLS", ok=True, found="not configured: DICOM is not encrypted")
    try:
        open_contexts()
        certificate = read(settings.tls.cert)
    except NodeError as error:
        return Check("TLS", ok=False, found=str(error), hint="fix [tls], then restart listen and deliver")
    words = f"certificate of {', '.join(certificate.names) or 'no name'} until {certificate.until:%Y-%m-%d}"
    words += f"; with TLS: {', '.join(secured) or 'none'}" + (
        f"; without TLS: {', '.join(plain)}" if plain else ""
    )
    left = certificate.until - now()
    if left < SOON:
        hint = "renew the certificate, then restart listen, deliver and schedule"
        return Check("TLS", ok=False, found=f"{words}; {max(0, left.days)} days left", hint=hint)
    return Check("TLS", ok=True, found=words)


def check_privacy(settings: Settings) -> Check:
    """The data folder is accessible to this account only."""
    folder = settings.node.data_dir
    if not folder.is_dir():
        return Check("private files", ok=True, found=f"{folder} is not there yet")
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        return Check(
            "private files", ok=False, found=f"{folder} has mode {mode:04o}", hint=f"chmod 700 {folder}"
        )
    secret = "; the ledger's password is in the configuration" if _has_password(settings) else ""
    return Check("private files", ok=True, found=f"{folder} is accessible to this account only{secret}")


def _has_password(settings: Settings) -> bool:
    try:
        address = ledger_address(settings.ledger_url)
    except NodeError:
        return True
    return address.password is not None or "password" in address.query
