"""What every role opens, and what stops it before its first study."""

from __future__ import annotations

from importlib.resources import files

import pytest

from ra_node.bootstrap.node_context import build_producer
from ra_node.errors import Fatal
from ra_node.settings.node import settings_from


def test_the_producer_writes_in_the_language_of_the_settings(tmp_path):
    """Words of a site's own file reach everything that is made for people."""
    text = files("ra_node.domain").joinpath("languages", "en.toml").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(text.replace('"Right hand"', '"Hand, dextra"'), encoding="utf-8")
    settings = settings_from({"results": {"language": "own.toml"}}, base=tmp_path)
    assert build_producer(settings).language.say("hand.right") == "Hand, dextra"


def test_a_language_file_with_a_fault_stops_the_role(tmp_path):
    """Before a study is claimed: an operator learns of it at the start, from its key."""
    (tmp_path / "own.toml").write_text(
        '[type]\nfonts = []\nbold_fonts = []\npackage = ""\n', encoding="utf-8"
    )
    settings = settings_from({"results": {"language": "own.toml"}}, base=tmp_path)
    with pytest.raises(Fatal, match=r"own\.toml lacks hand\.right"):
        build_producer(settings)
