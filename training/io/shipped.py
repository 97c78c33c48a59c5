"""Package data: recipes and the demonstration bundle."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped(part: str) -> Path:
    """A folder of the configuration: within the installed package, or beside it in a working copy."""
    package = Path(str(resources.files("ra_node")))
    installed = package / "shipped" / "config" / part
    return installed if installed.is_dir() else package.parent / "config" / part
