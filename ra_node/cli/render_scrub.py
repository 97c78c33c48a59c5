"""Result of a scrub as text."""

from __future__ import annotations

import dataclasses

from rich.text import Text

from ra_node.cli.console import console, print_json, table
from ra_node.services.monitoring.scrub import Scrubbed


def print_scrubbed(done: Scrubbed, *, as_json: bool) -> None:
    """Damaged files first, then the number of files that were read."""
    if as_json:
        print_json(dataclasses.asdict(done))
        return
    out = console()
    if done.problems:
        rows = table("file", "found", "study", "path")
        for one in done.problems:
            found = f"{one.found}, rebuilt" if one.mended else one.found
            rows.add_row(*map(Text, (str(one.kind), found, one.study_uid, one.path)))
        out.print(rows)
    size, damaged = f"{done.bytes / 2**20:.1f} MiB", len(done.problems)
    out.print(Text(f"{done.files} files, {size} read, {damaged} damaged"))
    if done.without_sha256:
        words = "of an older version have no SHA-256: only missing ones are detected"
        out.print(Text(f"{done.without_sha256} files {words}"))
    if any(one.kind == "image" for one in done.problems):
        out.print(
            Text("Have damaged images sent again by their source: the good copy replaces the damaged one.")
        )
