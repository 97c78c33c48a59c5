"""`ra-node bundle` says what a bundle is, what is wrong with it, and which one is in use by whose hand."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from ra_node.cli.app import app
from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle, read_bundle
from tests.cli.test_app import run_main
from tests.inference.bundle_builders import DEMO, read_manifest, write_manifest, write_papers, write_sibling

pytestmark = pytest.mark.usefixtures("networks_loaded_once")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(f'[node]\ndata_dir = "state"\nport = 0\n[models]\nbundle = "{DEMO}"\ndevice = "cpu"\n')
    return str(path)


@pytest.fixture
def run(config):
    """Run a bundle command on a node of its own: its output."""

    def go(*words, code=0):
        result = CliRunner().invoke(app, ["bundle", *words, "--config", config])
        assert result.exit_code == code, result.output
        return result.output

    return go


@pytest.fixture(scope="module")
def siblings(tmp_path_factory):
    """Two bundles that judge a little differently from the demonstration bundle."""
    folder = tmp_path_factory.mktemp("siblings")
    return [write_sibling(folder / version, version, 1 + n / 50) for n, version in enumerate(("2", "3"), 1)]


def lines(run):
    """What is in use, from the list."""
    return [line for line in json.loads(run("list", "--json")) if line["in_use"]]


def test_verify_tells_name_hash_training_data_and_metrics_with_intervals(run):
    text = run("verify", str(DEMO))
    told = json.loads(run("verify", str(DEMO), "--json"))
    assert told["sound"] is True
    assert told["sha256"] in text
    assert "drawn phantoms" in text
    value, low, high = told["tasks"]["recognition"]["metrics"]["auc"]
    assert f"{value:.3f} ({low:.3f} to {high:.3f})" in text
    names = [check["name"] for check in told["checks"]]
    assert names == ["manifest", "preprocessing", "detector", "weights", "card", "judgement"]


def failed(run, folder):
    """The checks that failed, by name, and what they found."""
    told = json.loads(run("verify", str(folder), "--json", code=1))
    assert told["sound"] is False
    return {check["name"]: check["found"] for check in told["checks"] if not check["ok"]}


def test_verify_names_every_fault_with_expected_and_found(run, tmp_path):
    folder = write_papers(tmp_path / "faulty")
    manifest = read_manifest(folder)
    manifest["preprocessing"]["id"] = "whole-image-v0"
    manifest["tasks"]["staging"]["weights_sha256"] = "0" * 64
    write_manifest(folder, manifest)
    (folder / "card.md").unlink()
    found = failed(run, folder)
    assert set(found) == {"preprocessing", "weights", "card"}
    assert "found 'whole-image-v0'" in found["preprocessing"]
    assert f"expected sha256 {'0' * 64}" in found["weights"]


def changed(folder, **preprocessing):
    """A bundle whole on paper, with other words about its preprocessing."""
    manifest = read_manifest(write_papers(folder))
    manifest["preprocessing"] |= preprocessing
    write_manifest(folder, manifest)
    return folder


def test_networks_trained_on_hands_of_another_detector_are_refused(
    run, config, tmp_path, monkeypatch, capsys
):
    """By verify and install, and by whoever would load them; both detectors are named."""
    other = changed(tmp_path / "other", detector_sha256="ab" * 32)
    assert "found abababababab" in failed(run, other)["detector"]
    assert run_main(monkeypatch, "bundle", "install", str(other), "--config", config) == 1
    assert (
        "detector: bundle other: expected networks trained on hands cut by its own" in capsys.readouterr().err
    )
    with pytest.raises(Fatal, match="found abababababab"):
        load_bundle(other)


def test_a_bundle_without_a_detector_is_refused_and_one_that_does_not_name_it_is_told(run, tmp_path):
    """The first cannot find hands any more; the networks of the second may have seen other hands."""
    bare = changed(tmp_path / "bare")
    write_manifest(bare, read_manifest(bare) | {"finder": None})
    assert "expected a hand detector in the bundle, found none" in failed(run, bare)["detector"]
    silent = changed(tmp_path / "silent", detector_sha256=None)
    told = json.loads(run("verify", str(silent), "--json", code=1))
    (said,) = [check for check in told["checks"] if check["name"] == "detector"]
    assert said["ok"]
    assert "does not state that its networks were trained on hands cut by it" in said["found"]
    named = changed(tmp_path / "named", detector_sha256=read_bundle(silent).manifest.finder.sha256)
    told = json.loads(run("verify", str(named), "--json", code=1))
    (said,) = [check for check in told["checks"] if check["name"] == "detector"]
    assert said["ok"]
    assert "does not state" not in said["found"]


def test_verify_of_a_folder_without_a_manifest_fails(run, tmp_path):
    assert "manifest.json" in failed(run, tmp_path)["manifest"]


def test_networks_that_are_not_those_of_the_manifest_are_found_out(run, tmp_path):
    """The hashes fit, but nothing of it can be loaded."""
    assert "expected weights of googlenet" in failed(run, write_papers(tmp_path / "paper"))["judgement"]


def test_networks_that_answer_with_no_number_are_found_out(run, tmp_path):
    """A training that diverged leaves a bundle in which every hash is right."""
    folder = write_sibling(tmp_path / "nan", "nan", float("nan"))
    weights = load_file(folder / "staging" / "weights.safetensors")
    assert any(bool(torch.isnan(tensor).any()) for tensor in weights.values())
    save_file(weights, tmp_path / "copy.safetensors")
    assert "holds what is no number" in failed(run, folder)["judgement"]


def test_a_bundle_goes_into_use_and_out_again_and_the_list_tells_by_whom(run, siblings):
    first, second = siblings
    (configured,) = lines(run)
    assert (configured["source"], configured["since"]) == ("[models]", None)
    assert "bundle promote demo-2-" in run("install", str(first))
    run("install", str(second))
    assert lines(run) == [configured]
    assert "before: the bundle of [models]" in run("promote", "demo 2")
    assert "before: demo 2" in run("promote", "demo-3")
    (used,) = lines(run)
    assert (used["version"], used["source"]) == ("3", "installed")
    assert "@" in used["by"]
    assert "is in use already" in run("promote", used["sha256"][:10])
    assert "Rolled back to demo 2" in run("rollback")
    assert "Rolled back to the bundle of [models]" in run("rollback")
    assert lines(run)[0]["source"] == "[models]"
    told = [(entry["choice"] or {}).get("version") for entry in json.loads(run("history", "--json"))]
    assert told == ["2", "3", "2", None]


def test_an_unsound_bundle_is_neither_installed_nor_promoted(
    run, config, siblings, tmp_path, monkeypatch, capsys
):
    run("install", str(siblings[0]))
    weights = next((tmp_path / "state" / "bundles").glob("demo-2-*/staging/weights.safetensors"))
    weights.chmod(0o600)
    weights.write_bytes(b"a bad sector")
    assert run_main(monkeypatch, "bundle", "promote", "demo", "--config", config) == 1
    assert "expected sha256" in capsys.readouterr().err
    assert (
        run_main(monkeypatch, "bundle", "install", str(write_papers(tmp_path / "p")), "--config", config) == 1
    )
    assert "not fit for use" in capsys.readouterr().err
    assert lines(run)[0]["source"] == "[models]"


def test_a_name_that_is_not_installed_is_refused_with_those_that_are(
    run, config, siblings, monkeypatch, capsys
):
    run("install", str(siblings[0]))
    assert run_main(monkeypatch, "bundle", "promote", "hand", "--config", config) == 1
    said = capsys.readouterr().err
    assert "found 'hand'" in said
    assert "demo-2-" in said
    assert run_main(monkeypatch, "bundle", "rollback", "--config", config) == 1
    assert "expected a promoted bundle" in capsys.readouterr().err


def test_check_and_status_name_the_bundle_in_use_and_that_it_is_gone(run, config, siblings, tmp_path):
    run("install", str(siblings[0]))
    run("promote", "demo-2")

    def row():
        rows = json.loads(CliRunner().invoke(app, ["check", "--json", "--config", config]).output)
        return next(row for row in rows if row["name"] == "model bundle")

    def status():
        return json.loads(CliRunner().invoke(app, ["status", "--json", "--config", config]).output)["models"]

    assert row()["ok"]
    assert "demo 2" in row()["found"]
    assert status()["in_use"]["version"] == "2"
    (folder,) = (tmp_path / "state" / "bundles").glob("demo-2-*")
    folder.rename(tmp_path / "elsewhere")
    assert not row()["ok"]
    assert "install it again" in row()["found"]
    assert status()["in_use"] is None
    assert "rollback" in status()["error"]
