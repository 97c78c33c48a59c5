"""A certificate authority of a site, as small as it gets, for tests of TLS."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ra_node.network.tls import TlsFiles


@dataclass
class Authority:
    """Issues certificates into a folder, each with a key of its own."""

    folder: Path
    name: str = "Hospital"

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _named(self.name)
        signed = self._built(self._subject, self._key.public_key(), days=30, is_authority=True)
        self.path = self.folder / f"{self.name}.pem"
        self.path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, name: str, *, days: float = 30, address: str = "127.0.0.1", passphrase: str = ""
    ) -> TlsFiles:
        """A certificate for a device of that name at that address, valid for some days from now.

        Negative days: it has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName(
            [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]
        )
        signed = self._built(_named(name), key.public_key(), days=days, alternative=alternative)
        files = TlsFiles(self.folder / f"{name}.crt", self.folder / f"{name}.key", self.path)
        files.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        files.key.touch(mode=0o600)
        sealed = (
            serialization.BestAvailableEncryption(passphrase.encode())
            if passphrase
            else serialization.NoEncryption()
        )
        files.key.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
        )
        return files

    def _built(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        days: float,
        is_authority: bool = False,
        alternative: x509.SubjectAlternativeName | None = None,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        end = now + timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - timedelta(days=1))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if alternative is not None:
            builder = builder.add_extension(alternative, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
