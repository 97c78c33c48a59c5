"""Package data: default configuration, demonstration bundle, systemd units."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ra_node.errors import Fatal

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(part: str) -> Path:
    """The folder "config" or "systemd": within the installed package, or beside it in a working copy."""
    installed = _PACKAGE / "shipped" / part
    return installed if installed.is_dir() else _PACKAGE.parent / part


def shipped_bundle() -> str:
    """Name and version of the demonstration bundle, "none" for an installation without it."""
    try:
        told = json.loads((shipped("config") / "bundles" / "demo" / "manifest.json").read_bytes())
    except OSError:
        return "none"
    return f"{told['name']} {told['version']}"


def write_configuration(folder: Path, data_dir: Path) -> Path:
    """Write node.toml with its state in `data_dir` and the shipped bundle; Fatal where there is one."""
    text = (shipped("config") / "node.toml").read_text(encoding="utf-8")
    for key, path in (("data_dir", data_dir), ("bundle", shipped("config") / "bundles" / "demo")):
        text = re.sub(rf'^{key} = "[^"]*"', f'{key} = "{path}"', text, count=1, flags=re.MULTILINE)
    target = folder / "node.toml"
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Fatal(f"cannot write {target}: {error.strerror}") from error
    return target
