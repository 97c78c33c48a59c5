"""The texts of the reader study pages: the same in each language, and each of them used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ra_node.web
from ra_node.domain.joints import JOINTS
from ra_node.domain.reader_study.marks import CannotJudge
from ra_node.domain.reader_study.plan import SamplingKind
from ra_node.domain.reader_study.roles import Phase
from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandVerdict
from ra_node.ledger.jobs.drop_buried import DROPPED_KINDS
from ra_node.ledger.search.terms import ResultTerm
from ra_node.services.monitoring.buried_causes import ADVICE
from ra_node.services.reader_studies.sources import SourceKind
from ra_node.web.page_words import page_language, page_words

FOLDER = Path(ra_node.web.__file__).parent
MADE = {
    "task": [*(f"{kind}_{joint}" for kind in ("joint", "short") for joint in JOINTS),
             *(f"reason_{one}" for one in CannotJudge), *(f"side_{one}" for one in ("R", "L", "none"))],
    "page": [],
    "operator": [*(f"reason_{one}" for one in Reason), *(f"result_{one}" for one in ResultTerm),
                 *(f"advice_{one}" for one in ADVICE), *(f"drop_{one}" for one in DROPPED_KINDS),
                 *(f"verdict_{one}" for one in HandVerdict)],
    "reader": [f"phase_{one}" for one in Phase],
    "lead": [*(f"phase_{one}" for one in Phase), *(f"source_{one}" for one in SourceKind),
             *(f"sampling_{one}" for one in SamplingKind), "what_hands", "what_joints"],
}  # fmt: skip
"""Keys that code puts together, by table."""


@pytest.mark.parametrize("table", ["task", "reader", "lead", "page", "operator"])
def test_chinese_and_english_have_the_same_texts_with_the_same_placeholders(table):
    english, chinese = (page_words(name)[table] for name in ("en", "zh"))
    assert set(english) == set(chinese)
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", chinese[key])), key
    assert set(MADE[table]) <= set(english)


def test_another_language_falls_back_to_english():
    assert (page_language("zh"), page_language("en"), page_language("/site/own.toml")) == ("zh", "en", "en")


def test_every_text_is_used_and_every_word_of_the_scripts_has_its_text():
    files = [path for ending in ("*.py", "*.html", "*.js") for path in FOLDER.rglob(ending)]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    starts = re.findall(r"""["`](\w+_)["`{$]|["'](\w+_)["'] ~|"(\w+_)", *\)|f"(\w+_)\{""", code)
    made = {start for found in starts for start in found if start}
    for table, texts in page_words("en").items():
        for key in texts:
            direct = re.search(rf"""["'.]{key}\b""", code)
            assert direct or any(key.startswith(start) for start in made), f"{table}.{key}"
    for key in re.findall(r'\bsay\("(\w+)"', code):
        assert key in page_words("en")["task"], key
