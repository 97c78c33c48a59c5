"""A hand of an adult is either learnt from or measured, in whatever picture it is shown."""

from __future__ import annotations

from pathlib import Path

from ra_node.domain.view.pixel_view import PixelView
from training.data.adult_hands import adult_part, hand_of, read_adults


def test_pictures_of_one_hand_are_in_one_part() -> None:
    """Two views and mirrored copies of a hand have its name."""
    assert {hand_of(name) for name in ("c0-82", "c0-84", "c2-5", "c2-10")} == {"c0-82"}
    assert len({adult_part(name) for name in ("c2-79", "c2-80", "c3-17")}) == 1


def test_the_part_follows_from_the_name_alone() -> None:
    """These are written down: what was held out once stays held out."""
    assert [adult_part(name) for name in ("c0-11", "c0-12", "c0-46", "c1-102", "c0-86")] == [
        "tuning",
        "tuning",
        "held-out",
        "held-out",
        "held-out",
    ]
    parts = [adult_part(f"name {number}") for number in range(2000)]
    assert 0.45 < parts.count("held-out") / 2000 < 0.55


def test_the_truth_gives_kind_hands_and_view(tmp_path: Path) -> None:
    """DICOM files and the picture whose truth is in doubt are left out."""
    lines = [
        "file,hands,kind,marker",
        "adult_single/c0-11.png,1,PA,L",
        "views_nonpa/c1-36.png,1,oblique/lateral,",
        "views_nonpa/c1-90.png,1,oblique/lateral,",
        "part_crop/c1-3.png,0,crop / wrist / finger only,R",
        "other_limbs/c3-2.png,0,limb,",
        "other_limbs/c0-67.png,0,limb,",
        "dicom_real/a.dcm,0,real DICOM,",
    ]
    (tmp_path / "truth.csv").write_text("\n".join(lines) + "\n")
    found = list(read_adults(tmp_path))
    assert [one.name for one in found] == ["c0-11", "c1-36", "c1-90", "c1-3", "c3-2"]
    assert [one.view for one in found] == [
        PixelView.FRONTAL,
        PixelView.LATERAL,
        PixelView.OBLIQUE,
        PixelView.PART,
        PixelView.FOOT,
    ]
    assert [one.hands for one in found] == [1, 1, 1, 0, 0]
