"""Weights carry whom they learnt from and on which terms, through every training that starts from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ra_node.errors import Fatal
from training.data.data_kind import WORDS
from training.data.dataset import Crops
from training.data.weights_origin import Origin, metadata_of, origin_of, read_origin


def crops(*hands: tuple[str, str]) -> Crops:
    """Hands as (patient, origin)."""
    count = len(hands)
    return Crops(
        np.zeros((count, 2, 2), np.uint8),
        np.zeros(count, np.int64),
        np.array([patient for patient, _ in hands]),
        np.array(["tune"] * count),
        np.array([origin for _, origin in hands]),
        np.ones(count, np.bool_),
    )


def saved(path: Path, metadata: dict[str, str] | None) -> Path:
    save_file({"x": torch.zeros(1)}, path, metadata)
    return path


def test_a_file_says_again_what_was_written_into_it(tmp_path: Path) -> None:
    origin = Origin(("a", "b"), ("One archive",), ("Only for research.",), complete=False)
    assert read_origin(saved(tmp_path / "w.safetensors", metadata_of(origin))) == origin


def test_a_start_s_patients_and_terms_go_on_beside_the_run_s_own() -> None:
    start = Origin(("x", "a"), ("Archive",), ("No commerce.",))
    found = origin_of(crops(("b", "labelled"), ("a", "labelled"))).over(start)
    assert found.learnt_from == ("a", "b", "x")
    assert found.terms == ("No commerce.", WORDS["labelled"].terms)
    assert found.sources == ("Archive", WORDS["labelled"].source)


def test_drawn_hands_are_nobody_s() -> None:
    assert origin_of(crops(("7", "simulated"), ("phantom 3", "phantom"))).learnt_from == ("7",)


def test_weights_of_an_earlier_version_still_name_their_patients(tmp_path: Path) -> None:
    found = read_origin(saved(tmp_path / "w.safetensors", {"learnt_from": '["4", "5"]'}))
    assert (found.learnt_from, found.terms) == (("4", "5"), (WORDS["simulated"].terms,))


@pytest.mark.parametrize("name", ["googlenet.safetensors", "googlenet.pth"])
def test_a_foreign_file_is_named_and_its_terms_are_not_invented(tmp_path: Path, name: str) -> None:
    found = read_origin(saved(tmp_path / name, None))
    assert found.sources == (f"State file {name}",)
    assert "does not state them" in found.terms[0]


def test_a_file_that_is_none_of_tensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"no tensors")
    with pytest.raises(Fatal, match="expected a state file of tensors only"):
        read_origin(tmp_path / "w.safetensors")
