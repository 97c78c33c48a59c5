"""The command that creates a reader study: where its images come from, and which hands are drawn of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ra_node.bootstrap import reader_studies
from ra_node.cli.app import app
from ra_node.services.reader_studies.making import StudyMade
from ra_node.services.reader_studies.sources import SourceKind, source_images
from ra_node.services.reader_studies.study_folder import source_of, study_folder


@pytest.fixture
def created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Creates by the command, without cutting; gives source, plan and images."""
    config = tmp_path / "node.toml"
    config.write_text('[node]\ndata_dir = "state"\n[limits]\nmin_free_gib = 0\n')
    found = []

    def fetch(uid: str, folder: Path) -> None:
        (folder / f"{uid}.dcm").write_bytes(b"image")

    def make(_settings, state, study, _report) -> StudyMade:
        source = source_of(state.files, study.id)
        images = source_images(source, state.ledger, state.files, study_folder(state.files, study.id), fetch)
        found.append((source, study.plan, [one.path.name for one in images]))
        return StudyMade(len(images), 0, 0, 0)

    monkeypatch.setattr(reader_studies, "make_reader_study", make)

    def create(*words: str):
        done = CliRunner().invoke(app, ["reader-study", "create", *words, "--config", str(config)])
        assert done.exit_code == 0, (done.output, done.exception)
        return found[-1]

    return create


def test_a_run_gives_the_files_of_its_table_once_each(created, tmp_path):
    table = "file,side\n/archive/b.dcm,R\n/archive/a.dcm,L\n/archive/b.dcm,L\n"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "hands.csv").write_text(table)
    source, _, images = created("by run", "--run", str(tmp_path / "out"))
    assert (source.kind, images) == (SourceKind.RUN, ["b.dcm", "a.dcm"])


def test_uids_are_fetched_from_the_peer_that_is_named(created):
    source, _, images = created("by peer", "1.2.3", "1.2.4", "--from", "PACS")
    assert (source.kind, source.came_from, source.uids) == (SourceKind.PEER, "PACS", ("1.2.3", "1.2.4"))
    assert images == ["1.2.3.dcm", "1.2.4.dcm"]


@pytest.mark.parametrize("kind", ["random", "stage", "source", "discordant"])
def test_the_sampling_of_the_command_is_that_of_the_plan(created, kind):
    words = ("--held", "--sampling", kind, "--count", "20", "--seed", "7")
    _, plan, _ = created(f"by {kind}", *words)
    assert (str(plan.sampling.kind), plan.sampling.count, plan.sampling.seed) == (kind, 20, 7)
