"""The node's configuration: one TOML file, validated at start, every key with its unit and default.

An unknown key is an error that names the nearest known one, so that a misspelt limit never
silently keeps its default.
"""

from __future__ import annotations

import os
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from ra_node.domain.laterality.evidence import Convention
from ra_node.domain.laterality.marker import MarkerLetters
from ra_node.domain.rating import OutsideDomain
from ra_node.domain.texts.translations import BUILT_IN
from ra_node.errors import Fatal
from ra_node.filesystem.os_errors import node_error
from ra_node.settings.mistakes import mistakes_of
from ra_node.settings.peer import PeerTable
from ra_node.settings.table import AeTitle, FilePath, ListOf, Port, SettingsTable
from ra_node.settings.web import PASSWORDS, WebTable

LEDGER_FILE = "ledger.sqlite3"
Seconds = Annotated[float, Field(ge=0)]


class NodeTable(SettingsTable):
    """[node]: AE title, address and data folder."""

    ae_title: AeTitle = "RA_NODE"
    host: str = "127.0.0.1"
    port: Port = 11112
    data_dir: FilePath = Path("../var")
    station_name: str = Field(default="RA-NODE", max_length=16)
    host_name: str = Field(default="", pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,62})?$")

    @property
    def machine(self) -> str:
        """The name of this machine among those that share `data_dir`."""
        return self.host_name or socket.gethostname()


class LedgerTable(SettingsTable):
    """[ledger]: URL of the database; empty is SQLite in the data folder."""

    url: str = Field(default="", repr=False)


class StudyTable(SettingsTable):
    """[study]: when a study settles, and the site's convention for two-hand images."""

    quiet_s: Seconds = 5.0
    max_wait_s: Seconds = 300.0
    two_hand_convention: Convention = "none"
    marker_letters: ListOf[MarkerLetters] = ("RL",)


class ResultsTable(SettingsTable):
    """[results]: objects that are sent to the destinations."""

    sr: bool = True
    overlay: bool = True
    overlay_heat_map: bool = False
    language: str = Field(default="en", min_length=1)
    research_label: str = Field(default="Research use only", max_length=64)
    placeholder_patient_ids: ListOf[str] = ()
    outside_domain: OutsideDomain = "not rated"
    research_output: bool = False


class ModelsTable(SettingsTable):
    """[models]: bundle, device, and the site's prevalence of disease."""

    bundle: FilePath = Path("bundles/demo")
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    batch: int = Field(default=16, ge=1, le=1024)
    images: int = Field(default=4, ge=1, le=256)
    prevalence: float | None = Field(default=None, gt=0, lt=1)


class LimitsTable(SettingsTable):
    """[limits]: resource limits and time-outs."""

    associations: int = Field(default=20, ge=1, le=1000)
    association_idle_s: Seconds = 60.0
    accept_unknown_peers: bool = False
    object_mib: float = Field(default=2048.0, gt=0)
    megapixels: float = Field(default=120.0, gt=0)
    min_free_gib: float = Field(default=2.0, ge=0)
    enough_free_gib: float | None = Field(default=None, ge=0)
    job_lease_s: float = Field(default=60.0, ge=1)
    stall_s: float = Field(default=300.0, ge=1)
    delivery_days: float = Field(default=7.0, gt=0)
    commitment_silence_s: float = Field(default=3600.0, ge=1, le=86400.0)
    scrub_mib_per_minute: float = Field(default=100.0, ge=0)

    @model_validator(mode="after")
    def _enough_is_not_less(self) -> LimitsTable:
        if self.enough_free_gib is not None and self.enough_free_gib < self.min_free_gib:
            found = f"{self.enough_free_gib:g} and {self.min_free_gib:g}"
            raise ValueError(f"enough_free_gib must not be below min_free_gib, found {found}")
        return self

    @property
    def low_bytes(self) -> int:
        """Free space below which instances are refused."""
        return round(self.min_free_gib * 2**30)

    @property
    def enough_bytes(self) -> int:
        """Free space from which instances are accepted again."""
        wanted = 1.25 * self.min_free_gib if self.enough_free_gib is None else self.enough_free_gib
        return round(wanted * 2**30)


class RetentionTable(SettingsTable):
    """[retention]: how long the files of finished studies are kept."""

    purge: bool = True
    keep_days: float = Field(default=30.0, ge=0)


class TlsTable(SettingsTable):
    """[tls]: certificate, key and authority in PEM for DICOM over TLS; all three, or none of them."""

    cert: FilePath | None = None
    key: FilePath | None = None
    ca: FilePath | None = None

    @field_validator("cert", "key", "ca", mode="before")
    @classmethod
    def _empty_is_none(cls, path: object) -> object:
        if isinstance(path, str) and ("\n" in path or "-----BEGIN" in path):
            raise ValueError("expected the path of a PEM file, found its content")
        return None if path == "" else path

    @model_validator(mode="after")
    def _all_or_none(self) -> TlsTable:
        lacking = [name for name in type(self).model_fields if getattr(self, name) is None]
        if lacking and not self.files <= {None}:
            raise ValueError(f"cert, key and ca belong together, {' and '.join(lacking)} not found")
        return self

    @property
    def files(self) -> set[Path | None]:
        return {self.cert, self.key, self.ca}


class AuditTable(SettingsTable):
    """[audit]: syslog server that receives the event log as DICOM audit messages."""

    syslog: str = Field(default="", pattern=r"^$|^(tls|udp)://[^\s@]+$")


class LogTable(SettingsTable):
    """[log]: least severe events that are written; RA_NODE_LOG_LEVEL overrides it."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Hl7Table(SettingsTable):
    """[hl7]: address of the listener for ADT messages; empty: none."""

    listen: str = Field(default="", pattern=r"^$|^[A-Za-z0-9.:-]+:\d{1,5}$")
    tls: bool = False

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return (host, int(port)) if host else None


class Settings(SettingsTable):
    """The whole configuration."""

    node: NodeTable = NodeTable()
    ledger: LedgerTable = LedgerTable()
    study: StudyTable = StudyTable()
    peer: ListOf[PeerTable] = ()
    results: ResultsTable = ResultsTable()
    models: ModelsTable = ModelsTable()
    limits: LimitsTable = LimitsTable()
    retention: RetentionTable = RetentionTable()
    web: WebTable = WebTable()
    tls: TlsTable = TlsTable()
    audit: AuditTable = AuditTable()
    log: LogTable = LogTable()
    hl7: Hl7Table = Hl7Table()

    @model_validator(mode="after")
    def _key_objects_have_their_overlay(self) -> Settings:
        asked = [peer.name for peer in self.peer if peer.key_object]
        if asked and not self.results.overlay:
            raise ValueError(f"key_object = true of {', '.join(asked)} needs overlay = true in [results]")
        return self

    @model_validator(mode="after")
    def _tls_has_its_files(self) -> Settings:
        asked = [peer.name for peer in self.peer if peer.tls]
        if asked and self.tls.cert is None:
            raise ValueError(f"tls = true of {', '.join(asked)} needs cert, key and ca in [tls]")
        if self.hl7.tls and self.tls.cert is None:
            raise ValueError("tls = true in [hl7] needs cert, key and ca in [tls]")
        return self

    @field_validator("peer")
    @classmethod
    def _names_are_unique(cls, peers: tuple[PeerTable, ...]) -> tuple[PeerTable, ...]:
        names = [peer.name for peer in peers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"peer names must differ, found {', '.join(twice)} more than once")
        return peers

    @property
    def ledger_url(self) -> str:
        return self.ledger.url or f"sqlite:///{self.node.data_dir / LEDGER_FILE}"

    @property
    def destinations(self) -> tuple[PeerTable, ...]:
        return tuple(peer for peer in self.peer if "destination" in peer.roles)

    @property
    def sources(self) -> tuple[PeerTable, ...]:
        return tuple(peer for peer in self.peer if "source" in peer.roles)


def load_settings(path: Path) -> Settings:
    """Read and validate a configuration file; relative paths in it start at its own folder.

    Raises Fatal, with one line per mistake, where the file is absent, is no TOML or holds an
    invalid value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Fatal(f"no configuration at {path}; name one with --config or RA_NODE_CONFIG") from None
    except OSError as error:
        raise node_error(error, "cannot read the configuration") from error
    except UnicodeDecodeError:
        raise Fatal(f"cannot read the configuration {path}: expected UTF-8, found other bytes") from None
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Fatal(f"{path} is no TOML: {error}") from error
    return settings_from(tables, base=path.resolve().parent, name=str(path))


def settings_from(tables: dict[str, Any], *, base: Path, name: str = "configuration") -> Settings:
    """Validate tables as read from TOML; relative paths in them start at `base`."""
    try:
        settings = Settings.model_validate(tables)
    except ValidationError as error:
        mistakes = mistakes_of(error, Settings)
    else:
        return _anchored(settings, base)
    # outside of the handler: a traceback would print the library's error, and with it every value
    raise Fatal("\n".join([f"{name}:", *mistakes]))


def _anchored(settings: Settings, base: Path) -> Settings:
    def anchored(path: Path) -> Path:
        try:
            return (base / path.expanduser()).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a loop, an unknown ~user, a null byte
            raise Fatal(f"expected a path that can be used, found {str(path)!r}: {error}") from error

    def secret(path: Path | None) -> Path | None:
        return None if path is None else credential(anchored(path))

    node = settings.node.model_copy(update={"data_dir": anchored(settings.node.data_dir)})
    models = settings.models.model_copy(update={"bundle": anchored(settings.models.bundle)})
    named = settings.results.language
    language = named if named in BUILT_IN else str(anchored(Path(named)))
    results = settings.results.model_copy(update={"language": language})
    tls = settings.tls.model_copy(
        update={name: secret(getattr(settings.tls, name)) for name in TlsTable.model_fields}
    )
    passwords = secret(settings.web.password_file) or node.data_dir / PASSWORDS
    proxy_secret = secret(settings.web.proxy_secret_file)
    web = settings.web.model_copy(update={"password_file": passwords, "proxy_secret_file": proxy_secret})
    changed = {"node": node, "models": models, "results": results, "tls": tls, "web": web}
    return settings.model_copy(update=changed)


def credential(path: Path) -> Path:
    """Path of the systemd credential (LoadCredential=) for a secret file, or the file itself.

    The units load the folder of secrets under the name `ra-node`; a command outside of them reads `path`.
    """
    handed = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) / f"ra-node_{path.name}"
    return handed if handed.exists() else path
