"""A label table is accepted whole, or each wrong row is named; nothing learns from an open discrepancy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.laterality.evidence import Side
from ra_node.errors import Refused
from tests.training.label_tables import label, write_table
from training.data.annotations import TableRefused, read_labels
from training.data.consensus import LabelledHand, expect_every_class, open_discrepancies
from training.data.prepare import expect_no_discrepancies


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a.dcm", "b.dcm", "study/c.dcm"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "images"


def hands_of(images: Path, *rows: dict[str, object]) -> tuple[LabelledHand, ...]:
    return read_labels(write_table(images.parent / "labels.csv", rows), images)


def refused(images: Path, *rows: dict[str, object]) -> str:
    with pytest.raises(TableRefused) as caught:
        hands_of(images, *rows)
    return str(caught.value)


def test_the_consensus_decides_and_agreement_needs_none(images: Path) -> None:
    agreed, settled, _ = hands_of(
        images,
        label("a.dcm", "R", 2),
        label("a.dcm", "L", 2, 3, consensus=3),
        label("study/c.dcm", "R", 0),
    )
    assert (agreed.stage, settled.stage, settled.side) == (2, 3, Side.LEFT)
    assert [hand.row for hand in (agreed, settled)] == [2, 3]


def test_a_hand_takes_the_highest_stage_of_its_joints(images: Path) -> None:
    (hand,) = hands_of(
        images,
        label("a.dcm", "R", 1, joint="mcp_2"),
        label("a.dcm", "R", 2, 4, joint="pip_3") | {"consensus": 4},
        label("a.dcm", "R", 0, joint="wrist_1"),
    )
    assert hand.stage == 4
    assert hand.joints == {"mcp_2": 1, "pip_3": 4, "wrist_1": 0}


def test_an_open_joint_leaves_its_hand_open(images: Path) -> None:
    """Though another joint is as high as either reader says."""
    hands = hands_of(images, label("a.dcm", "R", 5, joint="mcp_2"), label("a.dcm", "R", 1, 2, joint="pip_3"))
    assert hands[0].stage is None
    assert [reading.row for reading in open_discrepancies(hands)] == [3]


def test_open_discrepancies_are_refused_with_their_rows(images: Path) -> None:
    hands = hands_of(images, label("a.dcm", "R", 2), label("a.dcm", "L", 2, 3), label("b.dcm", "L", 4, ""))
    with pytest.raises(Refused) as caught:
        expect_no_discrepancies(hands)
    assert "found 2 still open" in str(caught.value)
    assert "row 3: reader 1 says 2, reader 2 says 3, no consensus" in str(caught.value)
    assert "row 4: reader 1 says 4, reader 2 says nothing, no consensus" in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"reader_1": 6}, 'row 3, column reader_1: expected a stage 0 to 5, found "6"'),
        ({"consensus": -1}, 'row 3, column consensus: expected a stage 0 to 5, found "-1"'),
        ({"reader_2": "2.0"}, 'row 3, column reader_2: expected a stage 0 to 5, found "2.0"'),
        (
            {"reader_2": "Meier, Ottilie"},
            "row 3, column reader_2: expected a stage 0 to 5, found something else",
        ),
        ({"reader_1": "", "reader_2": ""}, "row 3, column consensus: expected a stage, found none"),
        ({"side": "B"}, 'row 3, column side: expected R or L, found "B"'),
        ({"side": ""}, "row 3, column side: expected R or L, found none"),
        ({"file": "Meier.dcm"}, "row 3, column file: expected a file in the folder of images, found no such"),
        ({"file": "../labels.csv"}, "row 3, column file: expected a file in the folder of images"),
        ({"file": "study"}, "row 3, column file: expected a file in the folder of images"),
        ({"side": "R"}, "row 3, column side: expected one label for this hand, found another in row 2"),
        ({"file": "./a.dcm", "side": "R"}, "row 3, column side: expected one label for this hand"),
    ],
)
def test_a_wrong_row_is_named_with_its_column(images: Path, row: dict[str, Any], message: str) -> None:
    text = refused(images, label("a.dcm", "R", 2), label("a.dcm", "L", 2) | row)
    assert message in text
    assert "Meier" not in text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"joint": "pip_1"}, "row 2, column joint: expected one of ip_1, mcp_1, pip_2"),
        ({"joint": ""}, "row 2, column joint: expected one of"),
        ({"sex": "W"}, 'row 2, column sex: expected M, F or O, found "W"'),
        ({"age_years": "seventy"}, "row 2, column age_years: expected whole years 0 to 130"),
        ({"split": "validation"}, "row 2, column split: expected train or test"),
        ({"patient": ""}, "row 2, column patient: expected a key in every row"),
        (
            {"consenus": 3},
            "row 1, column 6: expected a known column name, found another; do you mean consensus?",
        ),
    ],
)
def test_an_optional_column_is_checked_too(images: Path, row: dict[str, Any], message: str) -> None:
    text = refused(images, label("a.dcm", "R", 2) | row)
    assert message.split("ip_1", maxsplit=1)[0] in text


def test_rows_that_contradict_each_other_are_named(images: Path) -> None:
    text = refused(
        images,
        label("a.dcm", "R", 2, joint="mcp_1", patient="p1", site="north"),
        label("a.dcm", "R", 2, joint="mcp_2", patient="p1", site="south"),
        label("a.dcm", "L", 2, joint="mcp_2", patient="p2", site="north"),
        label("a.dcm", "R", 3, joint="mcp_1", patient="p1", site="north"),
    )
    assert "row 3: expected patient, site, sex, age_years and split as in row 2, found others" in text
    assert "row 4, column patient: expected the patient of row 2, which names the same file" in text
    assert "row 5, column side: expected one label for mcp_1 of this hand, found another in row 2" in text


def test_all_problems_are_listed_up_to_a_limit(images: Path) -> None:
    text = refused(images, *(label(f"missing{n}.dcm", "R", 2) for n in range(30)))
    assert len(text.splitlines()) == 22
    assert text.endswith("and 10 more")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "row 1: expected the column file, found none"),
        (b"file,side,reader_1\n", "expected the columns reader_1 and reader_2, or consensus, found neither"),
        (b"file,side,consensus\n", "row 2: expected a label, found the end of the table"),
        (b"file,side,consensus\na.dcm,R\n", "row 2: expected 3 cells, found 2"),
        (b'file,side,consensus\n"a.dcm,R,1\n', "found a broken one"),
        ("file,side,consensus,note\na.dcm,R,1,Mü\n".encode("latin-1"), "in UTF-8, found UnicodeDecodeError"),
    ],
)
def test_a_broken_table_is_refused(images: Path, content: bytes, message: str) -> None:
    table = images.parent / "labels.csv"
    table.write_bytes(content)
    with pytest.raises(TableRefused, match=message):
        read_labels(table, images)


@pytest.mark.parametrize("delimiter", ["\t", ";", ","])
def test_tabs_semicolons_blank_rows_and_a_byte_order_mark_are_read(images: Path, delimiter: str) -> None:
    table = images.parent / "labels.tsv"
    lines = ["file|side|consensus", "", "a.dcm| L |4"]
    table.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).replace("|", delimiter).encode())
    (hand,) = read_labels(table, images)
    assert (hand.row, hand.side, hand.stage) == (3, Side.LEFT, 4)


def test_an_empty_class_is_named() -> None:
    expect_every_class([0, 1, 2, 3, 4, 5], "in the label table")
    with pytest.raises(
        Refused, match=r"every stage 0 to 5 in the label table, found none of 3, 5; 2 of stage 0"
    ):
        expect_every_class([0, 0, 1, 2, 4], "in the label table")


@given(st.text(max_size=60))
def test_any_text_is_a_table_or_refused(text: str) -> None:
    """Nothing but a refusal ever leaves the reader."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "labels.csv"
        table.write_bytes(b"file,side,consensus\n" + text.encode("utf-8", "surrogatepass"))
        with pytest.raises(TableRefused):
            read_labels(table, Path(folder))
