"""A release is made in a clone: a dry run leaves the repository as it was, and a wrong start is refused."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node.harness import REPOSITORY

SCRIPT = REPOSITORY / "config" / "release.sh"
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "a"), ("EMAIL", "a@b"))
}


def git(folder: Path, *argv: str) -> str:
    return subprocess.check_output(["git", *argv], cwd=folder, text=True, env=os.environ | IDENTITY).strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The repository as committed, with the environment of this one."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a checkout")
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, folder], check=True)
    git(folder, "checkout", "--quiet", "-B", "main")
    changelog = folder / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("## Unreleased\n", "## Unreleased\n\n- A line.\n", 1))
    (folder / "config" / "release.sh").write_bytes(SCRIPT.read_bytes())
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "state")
    return folder


def release(folder: Path, version: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | IDENTITY | {"PYTHON": sys.executable, "SKIP": "offline"} | environment
    argv = ["sh", "config/release.sh", version]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_a_dry_run_makes_every_file_with_its_hash_and_changes_nothing(clone: Path) -> None:
    before = git(clone, "rev-parse", "HEAD"), git(clone, "tag")
    done = release(clone, "9.0.0", DRY="1")
    assert done.returncode == 0, done.stderr
    assert (git(clone, "rev-parse", "HEAD"), git(clone, "tag"), git(clone, "status", "--short")) == (
        *before,
        "",
    )
    out = clone / "dist" / "release"
    names = {path.name for path in out.iterdir()}
    assert {"ra_node-9.0.0-py3-none-any.whl", "node.lock", "training.lock", "dev.lock", "uv.lock"} <= names
    assert {"install.sh", "image-recipe.tar.gz", "sbom.cdx.json", "CHANGES.md", "LICENSE"} <= names
    assert "left out: offline tar" in done.stdout
    assert (out / "CHANGES.md").read_text().startswith("- A line.")
    hashes = dict(line.split("  ./")[::-1] for line in (out / "SHA256SUMS").read_text().splitlines())
    assert set(hashes) == names - {"SHA256SUMS"}
    assert all(hashlib.sha256((out / name).read_bytes()).hexdigest() == one for name, one in hashes.items())


def test_a_release_is_one_commit_and_one_tag_with_the_changes(clone: Path) -> None:
    before = git(clone, "rev-parse", "HEAD")
    done = release(clone, "minor")
    assert done.returncode == 0, done.stderr
    tag = git(clone, "describe", "--tags", "--exact-match")
    assert git(clone, "rev-parse", "HEAD~") == before
    assert git(clone, "log", "-1", "--format=%s") == f"release {tag.removeprefix('v')}"
    assert "- A line." in git(clone, "tag", "-l", "--format=%(contents)", tag)
    assert f"## Unreleased\n\n## {tag.removeprefix('v')}\n" in (clone / "CHANGELOG.md").read_text()
    again = release(clone, "9.9.9")
    assert (again.returncode, "expected changes under" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("version", "why"), [("", "expected a version"), ("0.0.1", "expected a version after"), ("x", "found x")]
)
def test_a_wrong_version_is_refused(clone: Path, version: str, why: str) -> None:
    done = release(clone, version)
    assert (done.returncode, why in done.stderr, git(clone, "tag")) == (1, True, "")


def test_changes_that_are_not_committed_are_refused(clone: Path) -> None:
    (clone / "LICENSE").write_text("")
    done = release(clone, "9.0.0")
    assert (done.returncode, "clean working tree" in done.stderr) == (1, True)
