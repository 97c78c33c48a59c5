"""Reads expiry and names of a certificate file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from ra_node.errors import Fatal


@dataclass(frozen=True, slots=True)
class Certificate:
    """The first certificate of a PEM file; `until` in UTC."""

    until: datetime
    names: tuple[str, ...]


def read_certificate(path: Path) -> Certificate:
    """Read our own certificate; Fatal where the file holds none."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise Fatal(f"expected a certificate at {path}: {error.strerror}") from error
    except ValueError as error:
        raise Fatal(f"expected a certificate in PEM, found {path}: {error}") from error
    try:
        alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Certificate(found.not_valid_after_utc, ())
    addresses = [str(one) for one in alternative.get_values_for_type(x509.IPAddress)]
    return Certificate(
        found.not_valid_after_utc, (*alternative.get_values_for_type(x509.DNSName), *addresses)
    )
