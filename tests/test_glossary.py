"""One concept, one word: the glossary's table, and no banned synonym in any text that a person reads."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.node.harness import REPOSITORY
from tests.user_texts import PACKAGES, log_events, user_texts, without_code

GLOSSARY = REPOSITORY / "ra_node" / "guide" / "glossary.md"
IRREGULAR = ("found", "lost", "rebuilt", "sent", "swept", "withdrawn")
"""Past participles of log events that do not end in -ed."""

NONE = "\u2013"
"""In place of banned synonyms where a word has none."""

PLANTED = {
    "ra_node/web/labels.py": 'WAITING = Badge("x", "promise awaited", "busy")\n',
    "ra_node/cli/operate.py": '@app.command()\ndef drop() -> None:\n    """Mend what broke."""\n',
    "ra_node/services/demo.py": 'print(f"{count} hands judged")\n',
    "ra_node/runtime/roles.py": 'structlog.get_logger().info("lane_started")\n',
    "ra_node/web/templates/study.html": "<h1>Given up</h1>\n",
    "ra_node/web/templates/queue.html": '{{ requeue(job.id, "Mend it") }}\n',
    "ra_node/domain/languages/zh.toml": '[doubt]\ndomain = "超出网络所学范围"\n',
    "ra_node/dicom/conformance/templates/conformance.toml": 'model = ["A study is answered."]\n',
    "ra_node/guide/page.md": "The page shows what was given up.\n",
    "training/report/page.html": "<p>{{ hands }} hands were judged.</p>\n",
    "README.md": "The promise is kept.\n",
    "config/node.toml": "# quiet_s = 5.0  # until a study is answered\n",
    "config/monitoring/rules.yml": 'summary: "Mend the disk"\n',
    "config/monitoring/dashboard.json": '{"title": "Promises"}\n',
    "systemd/ra-node-work.service": "Description=judges hands\n",
}

NO_TEXT = """
'What was judged.'
KEY = "answered"
QUERY = "SELECT answered FROM study"
DEPTH = 3
'Mended.'
SEED = f"hand finder {DEPTH}".encode()
HINT = f"see `ra-node answered`, {answered} and --answered"
"""


def rows() -> list[list[str]]:
    """The glossary's rows: word, Chinese, meaning, banned synonyms."""
    lines = GLOSSARY.read_text(encoding="utf-8").splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]


def banned() -> re.Pattern[str]:
    """Any synonym that the glossary bans, as a whole word; a Chinese one anywhere."""
    synonyms = {word for row in rows() for word in row[3].split(", ")} - {NONE}
    words = sorted(synonyms, key=len, reverse=True)
    return re.compile("|".join(w if w[0] > "\u3000" else rf"\b{w}\b" for w in words), re.IGNORECASE)


def violations(root: Path) -> list[str]:
    """Place and word of every banned synonym below a checkout."""
    pattern = banned()
    return [
        f"{text.place}: {found.group()}: {text.words[:100]}"
        for text in user_texts(root)
        if (found := pattern.search(without_code(text.words)))
    ]


def test_the_glossary_has_four_filled_cells_a_row_and_each_word_once():
    table = rows()
    assert len(table) >= 40
    assert all(len(row) == 4 and all(row) for row in table)
    words = Counter(word for row in table for word in row[0].split(", "))
    assert max(words.values()) == 1
    assert not set(words) & {word for row in table for word in row[3].split(", ")}


def test_no_banned_synonym_is_in_any_text_that_a_person_reads():
    assert not violations(REPOSITORY)


@pytest.mark.parametrize("name", PLANTED)
def test_a_banned_synonym_is_found_wherever_it_is_planted(name: str, tmp_path: Path):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PLANTED[name], encoding="utf-8")
    assert len(violations(tmp_path)) == 1


def test_docstrings_keys_code_and_placeholders_are_no_text_for_users(tmp_path: Path):
    path = tmp_path / "ra_node" / "one.py"
    path.parent.mkdir(parents=True)
    path.write_text(NO_TEXT, encoding="utf-8")
    assert not violations(tmp_path)


def test_a_log_event_is_a_noun_and_a_verb_in_the_past():
    """`study_reported`, `lease_lost`; with "not" before the verb where something failed to happen."""
    events = {
        event: str(path.relative_to(REPOSITORY))
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*.py")
        for event in log_events(path.read_text(encoding="utf-8"))
    }
    assert len(events) > 50
    past = re.compile(rf"[a-z0-9]+(_[a-z0-9]+)*_([a-z]+ed|{'|'.join(IRREGULAR)})")
    assert not {event: path for event, path in events.items() if not past.fullmatch(event)}
