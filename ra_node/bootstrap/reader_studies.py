"""Builds what makes reader studies: model, cutter, source of images, all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ra_node.bootstrap.analysis import build_predictor, reading_rules
from ra_node.bootstrap.node_context import State, address, folder_in_use, open_state, with_bundle
from ra_node.errors import Fatal, Retryable
from ra_node.settings.node import Settings

if TYPE_CHECKING:
    from ra_node.ledger.reader_studies.studies import HandRecord, StudyRecord
    from ra_node.services.reader_studies.cutting import CutImage, SourceImage, StudyCutter
    from ra_node.services.reader_studies.image_reading import LoadedModel
    from ra_node.services.reader_studies.making import StudyMade
    from ra_node.services.reader_studies.sources import StudySourceSpec

Report = Callable[[int, int], None]
NICENESS = 10


def open_model(settings: Settings, folder: Path, *, with_networks: bool) -> LoadedModel:
    """Reading rules, detector and, for sampling by the model, the networks; loaded once a process."""
    return _opened(settings.model_dump_json(), folder, with_networks)


def study_salt(state: State) -> bytes:
    """The secret of the patients' and readers' pseudonyms, the one of the node."""
    from ra_node.ledger.patient_key import KEY_FILE, open_secret

    return open_secret(state.files.data_dir / KEY_FILE)


def make_reader_study(settings: Settings, state: State, study: StudyRecord, report: Report) -> StudyMade:
    """Cut the hands of a reader study with the bundle in use, on all cores."""
    from ra_node.services.reader_studies.making import make_study
    from ra_node.services.reader_studies.sources import source_images
    from ra_node.services.reader_studies.study_folder import source_of, study_folder

    source = source_of(state.files, study.id)
    folder = study_folder(state.files, study.id)
    images = source_images(source, state.ledger, state.files, folder, _fetch(settings, source))
    bundle = folder_in_use(settings)
    detector = _keep_detector(bundle, folder)
    cutter = build_cutter(settings, state, study, bundle)
    return make_study(state.ledger, state.files, study, images, cutter, detector, _on_all_cores, report)


def build_cutter(settings: Settings, state: State, study: StudyRecord, bundle: Path) -> StudyCutter:
    """Cuts images of one reader study."""
    from ra_node.domain.reader_study.plan import SamplingKind
    from ra_node.services.reader_studies.cutting import StudyCutter
    from ra_node.services.reader_studies.study_folder import HANDS, source_of, study_folder

    plan = study.plan
    networks = plan.reveal or plan.sampling.kind in (SamplingKind.STAGE, SamplingKind.DISCORDANT)
    return StudyCutter(
        study.id,
        state.files.data_dir,
        study_folder(state.files, study.id) / HANDS,
        study_salt(state),
        partial(open_model, settings, bundle, with_networks=networks),
        source_of(state.files, study.id).side,
        tuple(settings.results.placeholder_patient_ids),
    )


@dataclass(frozen=True, slots=True)
class PendingWork:
    """What a worker finds to do: reader studies to make, and hands to cut at a drawn box."""

    studies: Sequence[StudyRecord]
    hands: Sequence[HandRecord]


def pending_work(state: State) -> PendingWork:
    """Reader studies that are being made without a fault, and hands whose box was drawn."""
    from ra_node.domain.reader_study.roles import Phase
    from ra_node.ledger.reader_studies.studies import requested_hands, studies_in

    with state.ledger.read() as connection:
        made = [one for one in studies_in(connection, Phase.MAKING) if not one.problem]
        return PendingWork(made, requested_hands(connection))


def do_pending(settings: Settings, report: Report = lambda _done, _total: None) -> int:
    """Make every pending reader study and cut every requested hand, at a low priority; return how many.

    A reader study that cannot be made keeps the reason in its row, where page and `list` show it.
    """
    from ra_node.errors import Refused
    from ra_node.ledger.reader_studies.studies import find_study, update_study
    from ra_node.services.reader_studies.hand_requests import cut_requested

    os.nice(NICENESS)
    state = open_state(settings)
    done = 0
    try:
        found = pending_work(state)
        for study in found.studies:
            try:
                make_reader_study(settings, state, study, report)
            except Refused as error:
                with state.ledger.write() as connection:
                    update_study(connection, study.id, problem=str(error))
            except Retryable:
                continue
            done += 1
        bundle = folder_in_use(settings)
        for hand in found.hands:
            with state.ledger.read() as connection:
                of = find_study(connection, hand.study_id)
            assert of is not None
            cut_requested(state.ledger, state.files, build_cutter(settings, state, of, bundle), hand)
            done += 1
    finally:
        state.ledger.close()
    return done


@cache
def _opened(settings_json: str, folder: Path, with_networks: bool) -> LoadedModel:  # noqa: FBT001 - a key of the cache
    import cv2
    import torch

    from ra_node.inference.bundles.bundle import check_weights, read_bundle
    from ra_node.services.reader_studies.image_reading import LoadedModel

    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # two threads of a process at low priority wait for each other at every layer
    settings = with_bundle(Settings.model_validate_json(settings_json), folder)
    bundle = read_bundle(folder)
    check_weights(bundle)
    judge = build_predictor(settings)[0] if with_networks else None
    return LoadedModel(reading_rules(settings, bundle), _detector(folder), judge)


def _detector(bundle: Path) -> str:
    from ra_node.inference.bundles.bundle import read_bundle

    finder = read_bundle(bundle).manifest.finder
    if finder is None:
        raise Fatal(f"expected a bundle with a hand detector, found none in {bundle}")
    return finder.sha256


def _keep_detector(bundle: Path, folder: Path) -> str:
    """Copy the detector beside the hands, as a data set keeps it; return its hash."""
    from ra_node.filesystem.durable_write import write_atomically
    from ra_node.inference.bundles.bundle import check_weights, read_bundle
    from ra_node.services.reader_studies.study_folder import DETECTOR

    loaded = read_bundle(bundle)
    check_weights(loaded)
    sha256, finder = _detector(bundle), loaded.manifest.finder
    assert finder is not None
    target = folder / DETECTOR
    for weights in finder.weights:
        (target / weights.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(target / weights.path, (bundle / weights.path).read_bytes())
    write_atomically(target / "detector.json", finder.model_dump_json(indent=2).encode() + b"\n")
    return sha256


def _on_all_cores(cutter: StudyCutter, images: Sequence[SourceImage]) -> Iterator[CutImage]:
    from ra_node.inference.process_map import side_by_side

    return side_by_side(cutter, images)


def _fetch(settings: Settings, source: StudySourceSpec) -> Callable[[str, Path], object] | None:
    """Fetcher of studies from a peer or a DICOMweb server; None for files."""
    from ra_node.services.archive_run.fetch import from_dicomweb, from_peer

    if not source.came_from:
        return None
    if "://" in source.came_from:
        return partial(from_dicomweb, source.came_from)
    peers = {peer.name: peer for peer in settings.peer}
    if source.came_from not in peers:
        known = ", ".join(peers) or "none"
        raise Fatal(f"expected a [[peer]] or a URL after --from, found {source.came_from}; known: {known}")
    return partial(from_peer, address(settings, peers[source.came_from]))
