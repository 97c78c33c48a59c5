"""A small hospital's images, and the dataset made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.data.small_hospital import STUDIES, made
from tests.training.label_tables import NAME, marked_study, save


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients with all stages; file names hold the patient's name, as those of exports do."""
    folder = tmp_path_factory.mktemp("hospital")
    for patient, stages, rotation, photometric in STUDIES:
        image = marked_study(patient, stages, rotation=rotation, photometric=photometric, markers=False)
        save(image, folder / f"{NAME}-{patient}" / "1.dcm")
    return folder


@pytest.fixture(scope="module")
def dataset(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "dataset"
    prepared = made(images, out)
    assert (len(prepared.hands), prepared.rejections) == (6, ())
    return out
