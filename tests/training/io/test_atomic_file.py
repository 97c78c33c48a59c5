"""A file is there whole or as it was before."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ra_node.errors import Fatal
from training.io.atomic_file import write_whole


@pytest.fixture
def small_disk() -> Iterator[None]:
    """The kernel takes no more than 64 KiB into a file, in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
def test_a_write_that_the_kernel_cuts_off_leaves_the_file_of_before(tmp_path: Path) -> None:
    """torch.save hides the reason behind one of its own; the operator sees the kernel's."""
    path = tmp_path / "checkpoint.pt"
    write_whole(path, lambda file: file.write(b"good"))
    with pytest.raises(Fatal, match=rf"expected to write {path}, found: .*{os.strerror(errno.EFBIG)}"):
        write_whole(path, lambda file: torch.save({"w": torch.zeros(100_000)}, file))
    assert path.read_bytes() == b"good"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_writer_leaves_nothing_half_written(tmp_path: Path) -> None:
    def broken(file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        write_whole(tmp_path / "new" / "file", broken)
    assert not list((tmp_path / "new").iterdir())
