"""The commands of the guide's install page, read from it: what is proved is what an administrator copies."""

from __future__ import annotations

import re

from tests.node.harness import REPOSITORY

PAGE = REPOSITORY / "ra_node" / "guide" / "install.md"


def commands(section: str) -> list[str]:
    """The lines of the shell block below a heading; a line that ends with a backslash goes on."""
    found = re.search(
        rf"^## {re.escape(section)}$(?:(?!^## ).)*?```sh\n(.*?)```",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    if found is None:
        raise AssertionError(f"no shell block below {section!r} in {PAGE.name}")
    lines = re.sub(r"\\\n\s*", "", found[1]).splitlines()
    return [re.sub(r"\s{2,}#.*$", "", line) for line in lines if line.strip()]
