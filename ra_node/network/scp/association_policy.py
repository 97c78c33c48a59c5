"""Which peers may associate with the listener, and how others are rejected (PS3.8 9.3.4)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AllowedPeer:
    """A calling AE title and its permitted origin: "*", an address, a network or a host name.

    A peer that may not store may still send C-ECHO and storage commitment reports. With `tls` it must present
    a certificate of the site's authority, and with `certificate_name` a certificate of that name.
    """

    ae_title: str
    address: str = "*"
    may_store: bool = True
    tls: bool = False
    certificate_name: str = ""

    def trusts(self, names: frozenset[str] | None) -> bool:
        """Whether the names in a caller's certificate are acceptable; None: without TLS."""
        if not self.tls:
            return True
        wanted = self.certificate_name.lower()
        return names is not None and (not wanted or wanted in names)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21), with a text."""

    result: int
    source: int
    reason: int
    text: str


CALLING_AE_UNKNOWN = Rejection(1, 1, 3, "calling AE title not recognised")
CALLED_AE_UNKNOWN = Rejection(1, 1, 7, "called AE title not recognised")
MAY_NOT_STORE = Rejection(1, 1, 1, "may not send images: add the role source")
"""To a caller that asks for storage alone and is no source."""
NO_USE = Rejection(1, 1, 1, "no presentation context, or PDUs too short for any response")
CONGESTED = Rejection(2, 3, 1, "temporary congestion")
TOO_MANY = Rejection(2, 3, 2, "local limit exceeded")


def matching(
    calling_ae: str, address: str, peers: Iterable[AllowedPeer], names: frozenset[str] | None = None
) -> list[AllowedPeer]:
    """Peers of this AE title that may call from this address; none: unknown.

    `names` are those in the caller's certificate, None without TLS.
    """
    return [
        peer
        for peer in peers
        if peer.ae_title.strip() == calling_ae.strip()
        and peer.trusts(names)
        and address_matches(peer.address, address)
    ]


def why_unknown(
    calling_ae: str, address: str, peers: Iterable[AllowedPeer], names: frozenset[str] | None = None
) -> str:
    """Why `matching` finds no peer: title, address or certificate, and what is configured."""
    title = calling_ae.strip()
    same = [peer for peer in peers if peer.ae_title.strip() == title]
    here = [peer for peer in same if address_matches(peer.address, address)]
    if here:
        if names is None:
            return f"{title} is known, but must come by TLS (tls = true)"
        wanted = " or ".join(sorted({peer.certificate_name for peer in here}))
        return f"{title} is known, but its certificate must hold the name {wanted}"
    if same:
        hosts = " or ".join(sorted({_with_resolution(peer.address) for peer in same}))
        return f"{title} is known, but from {hosts}, not {address}"
    alike = sorted({peer.ae_title for peer in peers if peer.ae_title.strip().lower() == title.lower()})
    if alike:
        return f"{title} is not known, but {alike[0]} is: AE titles distinguish case"
    located = [peer for peer in peers if peer.address != "*"]
    at = sorted({peer.ae_title for peer in located if address_matches(peer.address, address)})
    if at:
        return f"{title} is not known; from {address} comes {' or '.join(at)}"
    return f"{title} is not known: no [[peer]] has this AE title"


def _with_resolution(host: str) -> str:
    """A configured address; a host name with the addresses that it has now."""
    try:
        ipaddress.ip_network(host, strict=False)
    except ValueError:
        found = " and ".join(sorted(map(str, _resolved(host))))
        return f"{host} ({found or 'which cannot be resolved'})"
    return host


def address_matches(allowed: str, address: str) -> bool:
    """Compare a caller's IP address with "*", an address, a network ("10.1.0.0/16") or a host name.

    A host name is resolved at each call, so that a peer may move; one that cannot be resolved
    matches nothing.
    """
    if allowed == "*":
        return True
    callers = {ipaddress.ip_address(_without_zone(address)), _plain(address)}
    try:
        network = ipaddress.ip_network(allowed, strict=False)
    except ValueError:
        return not callers.isdisjoint(_resolved(allowed))
    return any(caller in network for caller in callers)


def _resolved(name: str) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        return {_plain(str(entry[4][0])) for entry in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError):
        return set()


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Parse an address; an IPv4 caller on a socket of both families comes as ::ffff:a.b.c.d."""
    parsed = ipaddress.ip_address(_without_zone(address))
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _without_zone(address: str) -> str:
    """Drop the interface from a link-local address, "fe80::1%eth0"."""
    return address.split("%", maxsplit=1)[0]
