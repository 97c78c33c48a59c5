"""Options that several commands share."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ra_node.errors import Fatal, Refused
from ra_node.settings.node import Settings, load_settings

ConfigPath = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        envvar="RA_NODE_CONFIG",
        help="Configuration file (TOML).",
        show_default="config/node.toml, else /etc/ra-node/node.toml",
        readable=False,
    ),
]
DEFAULT_CONFIG = Path("config/node.toml")
"""Stands for "not named": in a working copy this file, else that of the installation."""
INSTALLED_CONFIG = Path("/etc/ra-node/node.toml")
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def named_settings(config: Path) -> Settings:
    """The settings of a node; Fatal where there is no such file."""
    return load_settings(config_file(config))


def config_file(config: Path) -> Path:
    """The file that `--config` names; without it config/node.toml, else /etc/ra-node/node.toml."""
    if config != DEFAULT_CONFIG or _readable(DEFAULT_CONFIG) or "RA_NODE_CONFIG" in os.environ:
        return config
    if _readable(INSTALLED_CONFIG):
        return INSTALLED_CONFIG
    raise Fatal(
        f"no configuration at {DEFAULT_CONFIG} or {INSTALLED_CONFIG} that {account()} may read; name one"
        " with --config or RA_NODE_CONFIG, or write one with `ra-node init`"
    )


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


def settings_or_defaults(config: Path) -> Settings:
    """Settings for commands on files; defaults without a configuration."""
    from ra_node.bootstrap.node_context import default_settings  # noqa: PLC0415 - other commands start faster without it

    named = config != DEFAULT_CONFIG or "RA_NODE_CONFIG" in os.environ
    found = named or _readable(DEFAULT_CONFIG) or _readable(INSTALLED_CONFIG)
    return named_settings(config) if found else default_settings()


def account() -> str:
    """user@host of this command for the event log; behind sudo the calling user."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid-{os.getuid()}"
    return f"{os.environ.get('SUDO_USER') or user}@{socket.gethostname()}"


def checked_option(name: str, check: Callable[[str], str], value: str) -> str:
    """The value of an option as `check` returns it; a usage error that names the option where it refuses."""
    try:
        return check(value)
    except Refused as error:
        raise typer.BadParameter(str(error), param_hint=f"'{name}'") from error
