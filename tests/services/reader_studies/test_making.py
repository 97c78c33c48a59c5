"""A folder becomes hands by the one cut, once, whatever stops it; from these a label table and a data set."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from sqlalchemy import select, update

from ra_node.domain.geometry import Point
from ra_node.domain.reader_study.plan import Sampling, SamplingKind, StudyPlan, drawn
from ra_node.domain.reader_study.roles import AccountRole
from ra_node.errors import Refused
from ra_node.imaging.hand_cuts.hand_cut import from_upright, to_upright
from ra_node.ledger.database.reader_study_schema import study_hand, study_image, study_task
from ra_node.ledger.reader_studies.studies import HandRecord, find_study, hands_of, requested_hands
from ra_node.ledger.storage.durable_files import sha256_of_file
from ra_node.services.analysis.study_analysis import look_at_file
from ra_node.services.reader_studies.adjudication import open_second_opinion, sign
from ra_node.services.reader_studies.cutting import StudyCutter
from ra_node.services.reader_studies.export import export_study
from ra_node.services.reader_studies.hand_requests import cut_requested, request_hand
from ra_node.services.reader_studies.image_preview import image_preview
from ra_node.services.reader_studies.image_reading import DrawnBox, LoadedModel
from ra_node.services.reader_studies.lead_view import study_images
from ra_node.services.reader_studies.making import _strata, add_reader, create_study, make_study
from ra_node.services.reader_studies.reading import close_reading, list_hands, next_hand, picture, study_entry
from ra_node.services.reader_studies.sources import SourceKind, StudySourceSpec, source_images
from ra_node.services.reader_studies.study_folder import study_folder
from ra_node.services.reader_studies.views import FileGone, read_cut
from tests.finders import DEMO, demo_detector, demo_rules
from tests.services.reader_studies.builders import ANNA, BEN, CARLA, LEAD, Reading, whole
from tests.training.label_tables import NAME, marked_study, save
from training.data.label_table.annotations import read_labels
from training.data.manifest import load_dataset, read_manifest
from training.data.reader_study import prepare_reader_study, read_provenance
from training.data.site_images.image_hands import Options

SALT = bytes(range(32))
MODEL = '{"stage": 5, "probability": 0.9, "threshold": 0.5, "joints": {}}'


def loaded() -> LoadedModel:
    return LoadedModel(demo_rules(), demo_detector().sha256, None)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Two patients with two hands each, one image without a side, and a file that is no image."""
    folder = tmp_path_factory.mktemp("archive")
    for patient, stages, rotation in (("MARKID0001", (0, 1), 0), ("MARKID0002", (2, 3), 90)):
        image = marked_study(patient, stages, rotation=rotation, markers=False)
        save(image, folder / f"{NAME}-{patient}" / "1.dcm")
    (folder / "notes.txt").write_text("nothing")
    return folder


def cutter_of(bench, study) -> StudyCutter:
    return StudyCutter(
        study.id, bench.files.data_dir, study_folder(bench.files, study.id) / "hands", SALT, loaded
    )


def made(bench, archive, plan=None, stop_after=None, name="wrists"):
    source = StudySourceSpec(SourceKind.FOLDER, (str(archive),))
    study = create_study(
        bench.ledger, bench.files, name, source, plan or StudyPlan(repeats=0), "chief", [ANNA, BEN]
    )
    images = source_images(source, bench.ledger, bench.files, study_folder(bench.files, study.id))

    def cut(cutter, left):
        for number, one in enumerate(left):
            if number == stop_after:
                raise KeyboardInterrupt
            yield cutter(one)

    detector = demo_detector()
    for weights in detector.part.weights:
        target = study_folder(bench.files, study.id) / "detector" / weights.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DEMO / weights.path, target)
    target = study_folder(bench.files, study.id) / "detector" / "detector.json"
    target.write_text(detector.part.model_dump_json())
    make_study(bench.ledger, bench.files, study, images, cutter_of(bench, study), detector.sha256, cut)
    return study


def test_making_goes_on_where_it_was_stopped_and_an_archive_becomes_a_data_set(bench, archive, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(bench, archive, StudyPlan(repeats=0, reveal=True), stop_after=1)
    seen = []
    study = made(bench, archive, StudyPlan(repeats=0, reveal=True))
    with bench.ledger.read() as connection:
        hands = hands_of(connection, study.id)
    assert len(hands) == 4
    assert len({hand.patient for hand in hands}) == 2
    with pytest.raises(Refused, match="new name"):
        made(bench, archive)
    _nothing_of_the_patient(bench, study)
    reading = Reading(bench.ledger, bench.files, study.id)
    for who, shift in ((ANNA, 0), (BEN, 1)):
        while (task := next_hand(bench.ledger, bench.files, study.id, who)) is not None:
            shown = picture(bench.ledger, bench.files, study.id, who, task.task)
            assert len(shown.words) == 2 * shown.rows * shown.columns
            seen.append(task.side)
            reading.mark(who, task.task, whole(len(seen) % 2 + shift), 1)
        close_reading(bench.ledger, study.id, who)
    assert sorted(seen) == ["L"] * 4 + ["R"] * 4
    with pytest.raises(Refused, match="signed"):
        export_study(bench.ledger, bench.files, study.name, tmp_path / "out", SALT, "chief")
    for who in (ANNA, BEN):
        reading.keep_all(who)
    reading.decide(ANNA)
    differed = _second_opinion(bench, study, reading)
    for who in (ANNA, BEN):
        sign(bench.ledger, study.id, who)
    done = export_study(bench.ledger, bench.files, study.name, tmp_path / "out", SALT, "chief")
    assert (done.hands, done.rows, done.gone, done.second_opinions) == (4, 4, 0, 1)
    _second_opinions_stay_apart(done.folder, differed)
    labels = read_labels(done.folder / "labels.csv", done.folder)
    options = Options(allow_empty_classes=True)
    prepare_reader_study(done.folder, labels, tmp_path / "set", SALT, options)
    _the_node_crops_the_same(archive, tmp_path / "set")
    about = read_provenance(tmp_path / "set")
    assert about.blinded
    assert about.signatures == 2
    assert "Two readers staged each hand as a whole of 4 hands" in about.sentences()[0]
    assert {reader.seconds for reader in about.readers} == {12.0}
    assert not any(name in repr(about) for name in (ANNA.name, BEN.name))


def _second_opinion(bench, study, reading) -> tuple[str, int]:
    """Anna sees the model's stage 5 on one hand and follows it; the hand, and what she had said at first."""
    with bench.ledger.write() as connection:
        connection.execute(update(study_hand).values(model_json=MODEL))
    listed = list_hands(bench.ledger, study.id, ANNA)[0]
    _, task = open_second_opinion(bench.ledger, bench.files, study.id, ANNA, listed.task)
    reading.mark(ANNA, task.task, whole(5), 1)
    with bench.ledger.read() as connection:
        query = select(study_task.c.hand_id).where(study_task.c.task_id == task.task)
        return str(connection.execute(query).scalar_one()), listed.stage


def _second_opinions_stay_apart(folder, differed):
    hand, first = differed
    (row,) = csv.DictReader((folder / "second-opinions.csv").read_text().splitlines())
    assert (row["hand"], row["joint"], row["reader"], row["model_seen"]) == (hand, "", "1", "yes")
    assert (row["first_reading"], row["second_opinion"], row["model"]) == (str(first), "5", "5")
    labels = list(csv.DictReader((folder / "labels.csv").read_text().splitlines()))
    assert "5" not in {row[name] for row in labels for name in ("reader_1", "reader_2", "consensus")}


def _the_node_crops_the_same(archive, dataset):
    """The model input of each hand of the data set is that of the node, bit by bit."""
    node = [
        crop for path in sorted(archive.rglob("*.dcm")) for crop in look_at_file(path, demo_rules()).crops
    ]
    for hand in load_dataset(dataset):
        assert any(np.array_equal(hand.image, crop) for crop in node)
    assert len({row.patient for row in read_manifest(dataset)}) == 2


def _nothing_of_the_patient(bench, study):
    """No file of a hand and no row holds name or ID; the journal of paths stays in the data folder."""
    folder = study_folder(bench.files, study.id)
    for path in (folder / "hands").iterdir():
        assert not any(word in path.read_bytes() for word in (b"MARKID", NAME.encode()))
    with bench.ledger.read() as connection:
        rows = repr(connection.execute(select(study_hand)).all()) + repr(
            connection.execute(select(study_image)).all()
        )
    assert "MARKID" not in rows
    assert NAME not in rows


def test_a_file_that_is_gone_and_a_hand_without_side_are_listed_and_can_be_added_by_their_box(
    bench, archive, tmp_path
):
    folder = tmp_path / "few"
    shutil.copytree(archive, folder)
    (image,) = [path for path in folder.rglob("*.dcm") if "0001" in str(path)]
    other = next(path for path in folder.rglob("*.dcm") if path != image)
    shown = cv2.imencode(".png", np.zeros((300, 200), np.uint16))[1].tobytes()
    (folder / "empty.png").write_bytes(shown)
    study = made(bench, folder)
    refused = [one for one in study_images(bench.ledger, study.id, LEAD) if one.refusal]
    assert [one.refusal for one in refused] == ["no_hand"]
    known = next(one for one in study_images(bench.ledger, study.id, LEAD) if one.hands == 2)
    assert image_preview(bench.ledger, bench.files, study.id, LEAD, known.image_id).startswith(b"\xff\xd8")
    drawn = DrawnBox((0.0, 0.0, 0.5, 1.0), "R", no_text=True)
    with pytest.raises(Refused, match="inside"):
        request_hand(bench.ledger, study.id, LEAD, known.image_id, replace(drawn, box=(0.5, 0, 0.4, 1)))
    with pytest.raises(Refused, match="no name, date or institution"):
        request_hand(bench.ledger, study.id, LEAD, known.image_id, replace(drawn, no_text=False))
    request_hand(bench.ledger, study.id, LEAD, known.image_id, drawn)
    with bench.ledger.read() as connection:
        (asked,) = requested_hands(connection)
    cut = cut_requested(bench.ledger, bench.files, cutter_of(bench, study), asked)
    assert (cut.problem, cut.side) == ("", "R")
    assert read_cut(bench.files, cut).joint_places
    last = _count(bench, study)
    assert last == 5
    image.unlink()
    other.unlink()
    request_hand(bench.ledger, study.id, LEAD, known.image_id, drawn)
    with bench.ledger.read() as connection:
        (asked,) = requested_hands(connection)
    assert "found" in cut_requested(bench.ledger, bench.files, cutter_of(bench, study), asked).problem
    with pytest.raises(FileGone):
        image_preview(bench.ledger, bench.files, study.id, LEAD, known.image_id)
    assert _count(bench, study) == 5


def _count(bench, study) -> int:
    return study_entry(bench.ledger, study.id, ANNA).total


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_point_of_the_upright_picture_comes_back(rotation):
    values = np.zeros((7, 5), np.uint16)
    values[2, 1] = 1
    upright = np.rot90(values, k=rotation // 90)
    at = to_upright(Point(1.5, 2.5), rotation, values.shape)
    assert upright[int(at.y), int(at.x)] == 1
    assert from_upright(at, rotation, values.shape) == Point(1.5, 2.5)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (StudySourceSpec(SourceKind.FOLDER), "found none"),
        (StudySourceSpec(SourceKind.FOLDER, ("/no/such/folder",)), "do not exist"),
        (StudySourceSpec(SourceKind.PEER, uids=("1.2",)), "peer"),
        (StudySourceSpec(SourceKind.HELD, side="X"), "R or L"),
    ],
)
def test_a_source_that_names_nothing_is_refused(bench, source, match):
    with pytest.raises(Refused, match=match):
        create_study(bench.ledger, bench.files, "s", source, StudyPlan(), "chief")


def test_only_an_account_of_role_reader_reads_and_only_two_of_them(bench, archive):
    source = StudySourceSpec(SourceKind.FOLDER, (str(archive),))
    create_study(bench.ledger, bench.files, "s", source, StudyPlan(), "chief", [ANNA])
    for role in (AccountRole.LEAD, AccountRole.OPERATOR):
        with pytest.raises(Refused, match="blinded"):
            add_reader(bench.ledger, "s", replace(BEN, role=role))
    add_reader(bench.ledger, "s", BEN)
    with pytest.raises(Refused, match="at most 2"):
        add_reader(bench.ledger, "s", CARLA)
    add_reader(bench.ledger, "s", CARLA, adjudicator=True)
    with pytest.raises(Refused, match="already"):
        add_reader(bench.ledger, "s", ANNA)


def test_a_study_without_hands_says_so_and_takes_another_source(bench, archive, tmp_path):
    folder = tmp_path / "nothing"
    folder.mkdir()
    with pytest.raises(Refused, match="expected hands to read"):
        made(bench, folder, name="empty")
    with bench.ledger.read() as connection:
        assert "found none" in find_study(connection, "empty").problem
    made(bench, archive, name="empty")
    with bench.ledger.read() as connection:
        assert find_study(connection, "empty").problem == ""


def test_discordant_hands_need_an_answer_of_the_model(bench, archive):
    plan = StudyPlan(Sampling(SamplingKind.DISCORDANT), repeats=0)
    with pytest.raises(Refused, match="expected hands to read"):
        made(bench, archive, plan, name="hard")


def test_the_export_of_a_study_with_one_reader_says_what_to_do(bench, archive, tmp_path):
    source = StudySourceSpec(SourceKind.FOLDER, (str(archive),))
    create_study(bench.ledger, bench.files, "s", source, StudyPlan(), "chief", [ANNA])
    with pytest.raises(Refused, match="add-reader s"):
        export_study(bench.ledger, bench.files, "s", tmp_path / "out", SALT, "chief")


def test_nothing_outside_a_drawn_box_without_a_detected_hand_reaches_a_reader(bench, archive, tmp_path):
    """A name that touches the box is blanked up to its edge; what lies in it stays as it is."""
    study = made(bench, archive, name="drawn box")
    rows, columns = 400, 300
    image = np.random.default_rng(1).integers(900, 1100, (rows, columns), dtype=np.uint16)
    image[196:204, :] = 60_000
    path = tmp_path / "no hand.png"
    cv2.imwrite(str(path), image)
    with bench.ledger.read() as connection:
        one = hands_of(connection, study.id)[0]
    asked = replace(one, image_id=sha256_of_file(path), hand_id="drawn", path=None)
    cut = cutter_of(bench, study).draw(asked, path, DrawnBox((0.2, 0.2, 0.8, 0.8), "R", no_text=True))
    assert cut.problem == ""
    words = cv2.imread(str(bench.files.path(cut.picture_path)), cv2.IMREAD_UNCHANGED)
    x0, y0, x1, y1 = read_cut(bench.files, cut).box
    assert (x0, y0) > (0, 0)
    outside = np.ones(words.shape, np.bool_)
    outside[y0 - 1 : y1 + 1, x0 - 1 : x1 + 1] = False
    assert outside.any()
    assert len(np.unique(words[outside])) == 1
    assert words[(y0 + y1) // 2, (x0 + x1) // 2] == words.max()
    assert words[outside].max() < words.max()


def test_hands_are_drawn_evenly_by_the_models_stage_and_by_source_and_a_hand_without_a_stage_is_left_out():
    hands = [
        HandRecord("s", str(n), "i", n, str(n), "AB"[n % 2], "R", chosen=False, pixels=str(n),
                   model_json=None if n == 9 else MODEL.replace("5", str(n % 3), 1), path=None, sha256=None,
                   picture_path=None, picture_sha256=None)
        for n in range(10)
    ]  # fmt: skip
    by_stage, by_source = (_strata(kind, hands) for kind in (SamplingKind.STAGE, SamplingKind.SOURCE))
    assert by_stage == ["0", "1", "2"] * 3 + [None]
    assert by_source == ["A", "B"] * 5
    for kind, strata in ((SamplingKind.STAGE, by_stage), (SamplingKind.SOURCE, by_source)):
        chosen = [strata[number] for number in drawn(Sampling(kind, 6, 7), strata)]
        assert len({chosen.count(one) for one in set(chosen)}) == 1
        assert len(chosen) == 6
    again = [replace(hand, patient="same", pixels="same") for hand in hands[:2]]
    assert _strata(SamplingKind.RANDOM, again) == ["", None]
