"""Options that several commands share."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path
from typing import Annotated

import typer

from ra_node.errors import Fatal
from ra_node.settings.node import Settings, load_settings

ConfigPath = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="RA_NODE_CONFIG", help="Configuration file (TOML).", show_default=True
    ),
]
DEFAULT_CONFIG = Path("config/node.toml")
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def named_settings(config: Path) -> Settings:
    """The settings of a node; Fatal where there is no such file."""
    if not config.exists():
        raise Fatal(f"no configuration at {config}; name one with --config or RA_NODE_CONFIG")
    return load_settings(config)


def settings_or_defaults(config: Path) -> Settings:
    """Settings for commands on files; defaults without a configuration."""
    from ra_node.bootstrap.node_context import default_settings  # noqa: PLC0415 - other commands start faster without it

    named = config != DEFAULT_CONFIG or "RA_NODE_CONFIG" in os.environ
    return load_settings(config) if named or config.exists() else default_settings()


def account() -> str:
    """user@host of this command for the event log; behind sudo the calling user."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid-{os.getuid()}"
    return f"{os.environ.get('SUDO_USER') or user}@{socket.gethostname()}"
