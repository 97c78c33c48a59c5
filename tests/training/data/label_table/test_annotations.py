"""A label table is accepted whole, or each wrong row is named; nothing learns from an open discrepancy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.reader_study.labels import NOT_GRADABLE
from ra_node.errors import Refused
from tests.training.label_tables import label, write_table
from training.data.consensus import (
    LabelledHand,
    absent_stages,
    described,
    expect_both_classes,
    expect_no_discrepancies,
    open_discrepancies,
)
from training.data.label_table.annotations import TableRefused, read_labels


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a.dcm", "b.dcm", "study/c.dcm"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "images"


STAGE = 'expected a stage 0 to 5 or "not gradable", found'


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
        ({"reader_1": 6}, f'row 3, column reader_1: {STAGE} "6"'),
        ({"consensus": -1}, f'row 3, column consensus: {STAGE} "-1"'),
        ({"reader_2": "2.5"}, f'row 3, column reader_2: {STAGE} "2.5"'),
        ({"reader_2": "2,5"}, f'row 3, column reader_2: {STAGE} "2,5"'),
        ({"reader_2": "2 %"}, f'row 3, column reader_2: {STAGE} "2 %"'),
        ({"reader_2": "II"}, f'row 3, column reader_2: {STAGE} "II"'),
        ({"reader_2": "²"}, f"row 3, column reader_2: {STAGE} something else"),
        ({"reader_2": "Meier, Ottilie"}, f"row 3, column reader_2: {STAGE} something else"),
        ({"side": "D"}, 'row 3, column side: expected R or L, found "D"'),
        ({"side": "left and right"}, "row 3, column side: expected R or L, found something else"),
        ({"side": "NaN"}, "row 3, column side: expected R or L, found none"),
        ({"file": "C:\\Bilder\\a.dcm"}, "found an absolute path; give it relative to --images"),
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
        ({"patient": "nan"}, "row 2, column patient: expected a key in every row"),
        ({"age_years": "71,5"}, 'row 2, column age_years: expected whole years 0 to 130, found "71,5"'),
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
        (b"file,side,consensus,note\na.dcm,R,1,\x81\n", "UTF-8 or Windows-1252, found byte 0x81 at 35"),
        ("file,side,consensus\na.dcm,R,1\n".encode("utf-16-le"), "found zero bytes"),
        (b"PK\x03\x04...", "found an Excel workbook; save it as CSV UTF-8"),
        (b"file,side,consensus\na.dcm,R,1,0\n", "row 2: expected 3 cells, found 4; a cell with a comma in"),
        (b",file,side,consensus\n0,a.dcm,R,1\n", "row 1, column 1: expected a known column name, found none"),
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


@pytest.mark.parametrize(
    ("cell", "stage"),
    [("1.0", 1), ("1,0", 1), ("05", 5), (" 3 ", 3), ("3\u00a0", 3), ("\u200b2", 2), ('="4"', 4), ("0.", 0)],
)
def test_a_stage_is_read_as_spreadsheets_write_it(images: Path, cell: str, stage: int) -> None:
    (hand,) = hands_of(images, label("a.dcm", "R", cell))
    assert hand.stage == stage


@pytest.mark.parametrize(
    ("cell", "side"),
    [(word, Side.RIGHT) for word in ["r", "Right", "RECHTS", "re.", "Derecha", "dcha", "droite"]]
    + [(word, Side.LEFT) for word in ["l", "LEFT", "links", "li", "izquierda", "izq.", "gauche"]]
    + [("rechte Hand", Side.RIGHT), ("linke Hand", Side.LEFT)],
)
def test_a_side_is_read_in_words_and_either_case(images: Path, cell: str, side: Side) -> None:
    (hand,) = hands_of(images, label("a.dcm", cell, 1))
    assert hand.side is side


@pytest.mark.parametrize("cell", ["study\\c.dcm", ".\\study\\c.dcm", "STUDY/C.DCM", "study/c.dcm "])
def test_a_path_of_windows_names_the_same_file(images: Path, cell: str) -> None:
    (hand,) = hands_of(images, label(cell, "R", 1))
    assert hand.file == "study/c.dcm"


def test_names_that_differ_by_case_alone_are_not_guessed(images: Path) -> None:
    (images / "A.dcm").write_bytes(b"")
    assert hands_of(images, label("A.dcm", "R", 1))[0].file == "A.dcm"
    (images / "study" / "C.dcm").write_bytes(b"")
    assert "row 2, column file" in refused(images, label("study\\c.DCM", "R", 1))


def test_a_name_is_the_same_whichever_way_its_accents_are_composed(images: Path) -> None:
    (images / "mu\u0308ller.dcm").write_bytes(b"")
    (hand,) = hands_of(images, label("m\u00fcller.dcm", "R", 1))
    assert hand.file == "mu\u0308ller.dcm"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_umlauts_are_read_in_the_encodings_of_excel(images: Path, encoding: str) -> None:
    (images / "Gr\u00fcn.dcm").write_bytes(b"")
    table = images.parent / "labels.csv"
    table.write_bytes(
        "sep=;\r\nFile;Side;Reader 1;READER-2;;\r\nGr\u00fcn.dcm;r;1,0;1;;\r\n;;;;;\r\n".encode(encoding)
    )
    (hand,) = read_labels(table, images)
    assert (hand.file, hand.side, hand.stage, hand.row) == ("Gr\u00fcn.dcm", Side.RIGHT, 1, 3)


@pytest.mark.parametrize("cell", ["not gradable", "Not_Gradable", "ungradable", "nicht beurteilbar", "NG"])
def test_a_hand_that_cannot_be_graded_has_a_label_and_no_stage(images: Path, cell: str) -> None:
    agreed, settled, open_ = hands_of(
        images,
        label("a.dcm", "R", cell),
        label("a.dcm", "L", cell, 2, consensus=2),
        label("b.dcm", "L", 1, cell),
    )
    assert (agreed.label, agreed.stage, settled.stage, open_.label) == (NOT_GRADABLE, None, 2, None)
    assert "reader 1 says 1, reader 2 says not gradable" in described(open_discrepancies([open_])[0])


def test_a_joint_that_cannot_be_graded_could_be_the_highest(images: Path) -> None:
    """Unless another one is as high as can be."""
    rows = [label("a.dcm", "R", stage, joint=joint) for joint, stage in (("MCP2", 3), ("pip 3", "ng"))]
    (hand,) = hands_of(images, *rows)
    assert (hand.label, hand.joints) == (NOT_GRADABLE, {"mcp_2": 3})
    (hand,) = hands_of(images, *rows, label("a.dcm", "R", 5, joint="mcp_3"))
    assert hand.stage == 5


def test_rows_of_hands_and_of_joints_stand_in_one_table(images: Path) -> None:
    mixed, whole, joints = hands_of(
        images,
        label("a.dcm", "R", 3, joint=""),
        label("a.dcm", "R", 2, joint="mcp_2"),
        label("a.dcm", "L", 0, joint=""),
        label("b.dcm", "L", 4, joint="wrist_1"),
    )
    assert (mixed.stage, mixed.joints) == (3, {"mcp_2": 2})
    assert (whole.stage, whole.joints) == (0, {})
    assert (joints.stage, joints.joints) == (4, {"wrist_1": 4})


@pytest.mark.parametrize(("stage", "joints"), [(1, {"mcp_2": 2}), (3, dict.fromkeys(JOINTS, 2))])
def test_a_hand_that_contradicts_its_joints_is_named(
    images: Path, stage: int, joints: dict[str, int]
) -> None:
    rows = [label("a.dcm", "R", one, joint=joint) for joint, one in joints.items()]
    text = refused(images, label("a.dcm", "R", stage, joint=""), *rows)
    assert f"row 2: expected the stage of the hand to be the highest of its joints, 2, found {stage}" in text


@pytest.mark.parametrize(
    ("first", "second", "consensus", "asked"),
    [(1, 3, 2, False), (1, 2, 4, True), (2, 2, 1, True), (3, "", 5, True), ("ng", "ng", 0, True),
     ("ng", 2, "ng", False), ("", "", 4, False)],
)  # fmt: skip
def test_a_consensus_beyond_what_the_readers_said_needs_a_note(
    images: Path, first: object, second: object, consensus: object, *, asked: bool
) -> None:
    row = label("a.dcm", "R", 0) | {"reader_1": first, "reader_2": second, "consensus": consensus}
    if asked:
        text = refused(images, row)
        assert "row 2, column note: expected a reason for a consensus beyond what the readers said" in text
    assert hands_of(images, row | {"note": "both looked again with the clinician"})


def test_a_row_that_stands_twice_is_named_with_the_first(images: Path) -> None:
    text = refused(images, label("a.dcm", "R", 2), label("A.DCM", "right", 2))
    assert "row 3, column side: expected one label for this hand, found another in row 2" in text


def test_normal_and_diseased_hands_are_needed_and_absent_stages_named() -> None:
    expect_both_classes([0, 2, 4], "in the label table")
    assert absent_stages([0, 2, 4]) == [1, 3, 5]
    for stages, found in (([0, 0], "2 of stage 0"), ([1, 5], "1 of stage 1, 1 of stage 5"), ([], "none")):
        with pytest.raises(Refused, match=f"a higher stage in the label table, found {found}"):
            expect_both_classes(stages, "in the label table")


@given(st.text(max_size=60))
def test_any_text_is_a_table_or_refused(text: str) -> None:
    """Nothing but a refusal ever leaves the reader."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "labels.csv"
        table.write_bytes(b"file,side,consensus\n" + text.encode("utf-8", "surrogatepass"))
        with pytest.raises(TableRefused):
            read_labels(table, Path(folder))
