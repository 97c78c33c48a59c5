"""An installed bundle is whole, its own, and never half-written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ra_node.errors import Fatal, Refused, Retryable
from ra_node.inference.bundles import store as module
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.bundles.store import BundleStore
from tests.inference.bundle_builders import write_papers


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "data" / "bundles")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_papers(tmp_path / "source")


def everything_in(store: BundleStore) -> list[str]:
    """Names in the store's folder, its lock left out."""
    return sorted(path.name for path in store.folder.iterdir() if path.name != ".lock")


def test_an_installed_bundle_is_named_by_name_version_and_hash_and_is_its_own(
    store: BundleStore, source: Path
) -> None:
    sha256 = load_bundle(source).identity.sha256
    (source / "notes.txt").write_text("not listed in the manifest")
    installed = store.install(source)
    assert installed.folder == store.folder / f"paper-1-{sha256[:12]}"
    (source / "recognition" / "weights.safetensors").write_bytes(b"changed later")
    assert load_bundle(installed.folder).identity.sha256 == sha256
    files = [path for path in installed.folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {
        *("manifest.json", "card.md", "weights.safetensors"),
        *("seeker.safetensors", "reader.safetensors", "views.safetensors"),
    }
    assert {path.stat().st_mode & 0o777 for path in files} == {0o400}


def test_a_name_that_is_no_path_stays_in_the_folder(store: BundleStore, tmp_path: Path) -> None:
    installed = store.install(write_papers(tmp_path / "odd", name="../../a b", version="1/2"))
    assert installed.folder.parent == store.folder
    assert store.find(installed.identity.sha256) is not None


def test_installing_twice_changes_nothing(store: BundleStore, source: Path) -> None:
    first = store.install(source)
    inode = first.folder.stat().st_ino
    assert store.install(source).folder.stat().st_ino == inode
    assert everything_in(store) == [first.folder.name]


def test_a_damaged_installation_gives_way_to_a_sound_one(store: BundleStore, source: Path) -> None:
    first = store.install(source)
    weights = first.folder / "staging" / "weights.safetensors"
    weights.chmod(0o600)
    weights.write_bytes(b"a bad sector")
    with pytest.raises(Fatal, match="expected sha256"):
        load_bundle(first.folder)
    load_bundle(store.install(source).folder)


def test_an_interrupted_install_leaves_nothing(
    store: BundleStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_check_copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.install(source)
    assert everything_in(store) == []
    assert store.installed() == []


def test_what_a_killed_install_left_is_no_bundle_and_goes_with_the_next_install(
    store: BundleStore, source: Path
) -> None:
    left = write_papers(store.folder / ".unfinished-1234")
    assert store.installed() == []
    assert store.find(load_bundle(left).identity.sha256) is None
    installed = store.install(source)
    assert everything_in(store) == [installed.folder.name]


def test_a_full_disk_is_named_and_nothing_remains(
    store: BundleStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.shutil, "copyfileobj", full)
    with pytest.raises(Retryable, match="no space left on the disk"):
        store.install(source)
    assert everything_in(store) == []


def test_a_copy_that_is_not_the_source_is_never_installed(
    store: BundleStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source may be changed, or the disk may lie, between its check and its copy."""
    copy = module._copy

    def spoilt(bundle: object, to: Path) -> None:
        copy(bundle, to)  # type: ignore[arg-type]
        path = to / "recognition" / "weights.safetensors"
        path.chmod(0o600)
        path.write_bytes(b"something else")

    monkeypatch.setattr(module, "_copy", spoilt)
    with pytest.raises(Fatal, match="expected sha256"):
        store.install(source)
    assert everything_in(store) == []


def test_a_bundle_without_its_card_is_not_installed(store: BundleStore, source: Path) -> None:
    (source / "card.md").unlink()
    with pytest.raises(Fatal, match=r"expected card\.md"):
        store.install(source)
    assert store.installed() == []


def test_a_bundle_is_found_by_folder_name_and_hash_if_only_one_is_meant(
    store: BundleStore, tmp_path: Path
) -> None:
    one = store.install(write_papers(tmp_path / "one", "hand", "1"))
    two = store.install(write_papers(tmp_path / "two", "hand", "2"))
    for words in (one.folder.name, "hand 1", "hand-1", one.identity.sha256, one.identity.sha256[:8]):
        assert store.named(words).folder == one.folder
    with pytest.raises(Refused, match="several fit") as refusal:
        store.named("hand")
    assert one.folder.name in str(refusal.value)
    assert two.folder.name in str(refusal.value)
    for words in ("foot", two.identity.sha256[:3], ""):
        with pytest.raises(Refused, match="expected the name or the hash of one installed bundle"):
            store.named(words)
