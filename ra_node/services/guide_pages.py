"""The pages of the guide, shipped with the package, so that they match the installed version."""

from __future__ import annotations

import difflib
import re
from importlib.resources import files

from ra_node.errors import Refused

ORDER = (
    "connect", "recipes", "install", "troubleshooting", "tls", "how-to-read", "how-to-read-zh", "results",
    "sides", "refusals", "operate", "page", "corrections", "delivery", "retention", "bundles", "monitoring",
    "archive-run", "several-hosts", "security", "durability", "speed", "conformance", "reader-study",
    "train-own-images", "train", "evaluate",
    "hand-detector", "limits", "glossary", "architecture", "naming", "tests",
)  # fmt: skip
"""Reading order for a new user; the last three are for developers."""
_SOURCE_LINK = re.compile(r"\[[^\]]+\]\(\.\./([^)]+)\)")


def guide_titles() -> dict[str, str]:
    """Title of each page by topic, in reading order."""
    return {topic: guide_page(topic).splitlines()[0].removeprefix("# ") for topic in ORDER}


def guide_page(topic: str) -> str:
    """One page as Markdown; Refused for an unknown topic, with the nearest known one.

    Links to source files work in the repository alone; here they are paths below the package.
    """
    if topic not in ORDER:
        near = difflib.get_close_matches(topic, ORDER, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        found = f"{topic[:40]!r}{hint}"
        raise Refused(f"expected a topic of the guide, found {found}; `ra-node guide` lists them")
    text = files("ra_node").joinpath("guide", f"{topic}.md").read_text(encoding="utf-8")
    return _SOURCE_LINK.sub(r"`\1`", text)
