"""[[peer]]: another application entity, its roles and its options."""

from __future__ import annotations

import ipaddress
from typing import Literal

from pydantic import Field, model_validator

from ra_node.domain.result_objects import OPTIONS, ObjectKind
from ra_node.settings.table import AeTitle, ListOf, Port, SettingsTable


class PeerTable(SettingsTable):
    """[[peer]]: another application entity, which sends (source), receives (destination) or both.

    With the role echo alone it may call us by C-ECHO and nothing else, as a monitor of the site does.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    ae_title: AeTitle
    host: str = "127.0.0.1"
    port: Port = 104
    roles: ListOf[Literal["source", "destination", "echo"]] = ("source", "destination")
    sr_class: Literal["auto", "comprehensive-3d", "comprehensive"] = "auto"
    commitment: bool = False
    commitment_ae_titles: ListOf[AeTitle] = ()
    complete_by: Literal["quiet", "query"] = "quiet"
    tls: bool = False
    tls_name: str = Field(default="", max_length=253)
    presentation_state: bool = False
    key_object: bool = False
    pdf: bool = False
    rejection_note: bool = False
    prior: Literal["ledger", "query"] = "ledger"
    ask_patient_after_h: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _who_is_called_has_a_port(self) -> PeerTable:
        if "destination" in self.roles and self.port == 0:
            raise ValueError("a destination needs a port from 1 to 65535, found 0")
        for key in ("complete_by", "prior"):
            if getattr(self, key) == "query" and self.port == 0:
                raise ValueError(f'{key} = "query" needs a port from 1 to 65535, found 0')
        return self

    @model_validator(mode="after")
    def _who_is_called_has_one_address(self) -> PeerTable:
        """Anybody of a network may call us, but we can call one address only."""
        asked = [f'{key} = "query"' for key in ("complete_by", "prior") if getattr(self, key) == "query"]
        calls = ["the role destination"] if "destination" in self.roles else asked
        if calls and (self.host == "*" or _is_network(self.host)):
            raise ValueError(f"{calls[0]} needs one address or host name, found host = {self.host!r}")
        return self

    @model_validator(mode="after")
    def _keys_fit_the_roles(self) -> PeerTable:
        if self.commitment and "destination" not in self.roles:
            raise ValueError("commitment = true needs the role destination: a source is sent nothing")
        if self.commitment_ae_titles and not self.commitment:
            raise ValueError("commitment_ae_titles needs commitment = true: else no report is expected")
        if self.options and "destination" not in self.roles:
            raise ValueError(f"{self.options[0]} = true needs the role destination: a source is sent nothing")
        if self.ask_patient_after_h is not None and "destination" not in self.roles:
            raise ValueError("ask_patient_after_h needs the role destination: a source is sent nothing")
        if self.complete_by == "query" and "source" not in self.roles:
            raise ValueError('complete_by = "query" needs the role source: nothing comes from a destination')
        return self

    @property
    def is_queried(self) -> bool:
        """Whether this peer is asked by C-FIND."""
        return "query" in (self.prior, self.complete_by) or self.ask_patient_after_h is not None

    @property
    def options(self) -> tuple[ObjectKind, ...]:
        """Optional objects that this destination receives, those of a withdrawal included."""
        return tuple(kind for kind in (*OPTIONS, ObjectKind.REJECTION_NOTE) if getattr(self, kind))


def _is_network(host: str) -> bool:
    try:
        ipaddress.ip_network(host, strict=False)
    except ValueError:
        return False
    return "/" in host
