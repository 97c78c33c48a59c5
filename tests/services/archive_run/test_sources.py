"""Files are found whatever they are called, and UIDs are read as people keep them."""

from __future__ import annotations

import os
import stat

import pytest

from ra_node.errors import Refused
from ra_node.services.archive_run.journal import Journal
from ra_node.services.archive_run.sources import FolderStudies, look_into, one_of_each, read_uids
from tests.services.runs import FACTS, put


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite3") as made:
        made.begin(FACTS, "2026-01-01T00:00:00+00:00")
        yield made


def lined_up(journal, *sources, apart):
    return FolderStudies(sources, apart).line_up(journal, lambda _count: None)


def test_any_name_in_any_folder_is_found(tmp_path, journal):
    put(tmp_path / "a" / "b", "no suffix", "1.2.1")
    put(tmp_path / "a", "\N{LATIN SMALL LETTER E WITH ACUTE}.x", "1.2.2")
    put(tmp_path / "a", os.fsdecode(b"latin-\xe9"), "1.2.3")
    assert lined_up(journal, tmp_path / "a", apart=tmp_path / "out").studies == 3


def test_images_of_a_study_belong_together_wherever_they_lie(tmp_path, journal):
    put(tmp_path / "a", "z", "1.2.1", number=2)
    put(tmp_path / "b", "a", "1.2.1", number=1)
    assert lined_up(journal, tmp_path / "a", tmp_path / "b", apart=tmp_path / "out").studies == 1
    assert [one.path.name for one in journal.files_of("1.2.1")] == ["a", "z"], "by instance number"


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path, journal, monkeypatch):
    path = put(tmp_path / "a", "one", "1.2.1")
    read = []
    monkeypatch.setattr(
        "ra_node.services.archive_run.sources.look_into",
        lambda path, found: (read.append(path), look_into(path, found))[1],
    )
    for _ in range(2):
        journal.begin(FACTS, "")
        lined_up(journal, tmp_path / "a", apart=tmp_path / "out")
    put(tmp_path / "a", "one", "1.2.2")
    os.utime(path, ns=(1, 1))
    journal.begin(FACTS, "")
    assert lined_up(journal, tmp_path / "a", apart=tmp_path / "out").studies == 1
    assert read == [path, path]
    assert journal.files_of("1.2.2")


def test_what_cannot_be_opened_has_its_reason(tmp_path):
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    link, pipe = ((tmp_path / name) for name in ("nowhere", "pipe"))
    assert "No such file" in look_into(link, link.lstat()).reason
    assert look_into(link, link.lstat()).broken
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert "something else" in look_into(pipe, pipe.stat()).reason


def test_the_first_file_of_an_instance_counts(tmp_path):
    paths = [put(tmp_path, name, "1.2.1", number) for name, number in (("a", 1), ("b", 1), ("c", 2))]
    first, again = one_of_each(look_into(path, path.stat()) for path in paths)
    assert [one.path.name for one in first] == ["a", "c"]
    assert [one.path.name for one in again] == ["b"]


def test_uids_come_from_words_and_lists_each_once(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("# of the rheumatologists\n1.2.3\n\n 1.2.4  # late\n1.2.3\n", encoding="utf-8")
    assert read_uids(["1.2.9", str(listed), "1.2.9"]) == ["1.2.9", "1.2.3", "1.2.4"]


@pytest.mark.parametrize("word", ["absent.txt", "1.2.x"])
def test_what_is_no_uid_is_refused(word):
    with pytest.raises(Refused, match="Study Instance UID"):
        read_uids([word])


def test_a_list_with_something_else_in_it_is_refused(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("1.2.3\nDOE^JOHN\n", encoding="utf-8")
    with pytest.raises(Refused, match="expected Study Instance UIDs"):
        read_uids([str(listed)])
