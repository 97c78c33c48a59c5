"""Migrates a ledger to the newest version, inside the caller's transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ra_node.errors import Fatal


def upgrade(connection: Connection, found: str | None) -> None:
    """Run every migration after `found` (None: all of them, the newest: none).

    Raises Fatal if `found` is a version that this node does not know.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    known = [script.revision for script in scripts.walk_revisions()]
    if found is not None and found not in known:
        raise Fatal(f"ledger version: expected one of {sorted(known)}, found {found}; install the newer node")
    command.upgrade(config, "head")
