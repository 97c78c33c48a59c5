"""[web]: the operator page and its metrics."""

from __future__ import annotations

import ipaddress
from zoneinfo import ZoneInfo

from pydantic import Field, IPvAnyNetwork, field_validator, model_validator

from ra_node.settings.table import FilePath, ListOf, Port, SettingsTable

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

PASSWORDS = "web-passwords"
"""Default name of the password file in data_dir."""


class WebTable(SettingsTable):
    """[web]: disabled by default, and bound to the loopback address."""

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Port = 11180
    https: bool = False
    password_file: FilePath | None = None
    proxy_header: str = Field(default="", pattern=r"^([A-Za-z0-9-]{1,64})?$")
    trusted_proxies: ListOf[IPvAnyNetwork] = ()
    proxy_secret_file: FilePath | None = None
    hosts: ListOf[str] = ()
    metrics_from: ListOf[IPvAnyNetwork] = _LOOPBACK
    session_hours: float = Field(default=12.0, gt=0, le=168)
    timezone: str = "UTC"
    show_patient_names: bool = False
    viewer_url: str = Field(default="", pattern=r"^$|^https?://\S*\{study_uid\}\S*$")

    @field_validator("password_file", "proxy_secret_file", mode="before")
    @classmethod
    def _empty_is_none(cls, path: object) -> object:
        return None if path == "" else path

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name != "UTC":  # needs no time zone file of the system
            try:
                ZoneInfo(name)
            except (OSError, ValueError, KeyError) as error:
                raise ValueError("expected a name such as UTC or Europe/Berlin") from error
        return name

    @model_validator(mode="after")
    def _no_password_in_plain_on_the_network(self) -> WebTable:
        if not self.https and not _is_loopback(self.host):
            raise ValueError(
                f"host = {self.host!r} would expose passwords and sessions on the network: put a TLS proxy"
                " in front of it and set https = true"
            )
        return self

    @model_validator(mode="after")
    def _a_header_needs_its_proxy(self) -> WebTable:
        if self.proxy_header and not self.trusted_proxies:
            raise ValueError("proxy_header needs trusted_proxies: without them anyone could set the header")
        pairs = ((network, own) for network in self.trusted_proxies for own in _LOOPBACK)
        local = any(network.overlaps(own) for network, own in pairs if network.version == own.version)
        if self.proxy_header and local and self.proxy_secret_file is None:
            raise ValueError(
                "proxy_header from a proxy on this machine needs proxy_secret_file: any local account could"
                " set the header"
            )
        return self


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
