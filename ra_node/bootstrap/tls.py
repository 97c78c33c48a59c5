"""Builds the TLS contexts of the listener and of each outgoing association."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from ra_node.settings.node import Settings
from ra_node.settings.peer import PeerTable

if TYPE_CHECKING:
    from ra_node.network.tls import TlsFiles

ANY_NAME = "*"


def tls_files(settings: Settings) -> TlsFiles | None:
    """The files of [tls], or None where the site has no TLS."""
    from ra_node.network.tls import TlsFiles

    cert, key, ca = settings.tls.cert, settings.tls.key, settings.tls.ca
    if cert is None or key is None or ca is None:
        return None
    return TlsFiles(cert, key, ca)


def listening_tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS context of the listener; Fatal where a file of [tls] is unusable."""
    from ra_node.network.tls import serving

    files = tls_files(settings)
    return None if files is None else serving(files)


def calling_tls(settings: Settings, peer: PeerTable) -> ssl.SSLContext | None:
    """TLS context for calls to this peer; None for a peer without TLS."""
    from ra_node.network.tls import calling

    files = tls_files(settings)
    if files is None or not peer.tls:
        return None
    return calling(files, any_name=peer.tls_name == ANY_NAME)
