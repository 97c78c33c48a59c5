"""A folder appears whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ra_node.errors import Fatal, Refused
from training.io.atomic_folder import unfinished_folder, write_synced


def test_a_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with unfinished_folder(out) as folder:
        write_synced(folder / "a", b"1")
        assert not out.exists()
    assert (out / "a").read_bytes() == b"1"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x"), Refused("y")])
def test_whatever_stops_it_leaves_what_was_made_for_another(tmp_path: Path, error: BaseException) -> None:
    def stopped() -> None:
        with unfinished_folder(tmp_path / "out") as folder:
            write_synced(folder / "a", b"1")
            raise error

    with pytest.raises(type(error)):
        stopped()
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]
    with unfinished_folder(tmp_path / "out") as folder:
        assert (folder / "a").read_bytes() == b"1"
        with pytest.raises(Refused, match="found another process"), unfinished_folder(tmp_path / "out"):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("number", "found"), [(errno.ENOSPC, "a full disk"), (errno.EDQUOT, "a full disk"), (errno.EIO, "EIO")]
)
def test_a_failing_disk_is_fatal_and_its_path_stays_private(tmp_path: Path, number: int, found: str) -> None:
    with (
        pytest.raises(Fatal, match=f"found {found}; what was made is kept") as caught,
        unfinished_folder(tmp_path / "out"),
    ):
        raise OSError(number, "no", "/home/meier")
    assert "meier" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_parent_that_is_no_folder_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(Fatal, match="expected files that can be read and written"),
        unfinished_folder(tmp_path / "file" / "x"),
    ):
        pass
