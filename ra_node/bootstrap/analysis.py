"""Builds the networks, the preprocessing rules, the worker and the offline analysis."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ra_node.bootstrap.memory_tuning import spend_less_on_memory
from ra_node.bootstrap.node_context import (
    State,
    address,
    build_producer,
    build_shelf,
    folder_in_use,
    presence_folder,
    with_bundle,
)
from ra_node.domain.rating import Rating
from ra_node.domain.result_objects import ObjectKind
from ra_node.settings.node import Settings
from ra_node.settings.peer import PeerTable

if TYPE_CHECKING:
    from ra_node.imaging.hand_extraction import LeadMarkers
    from ra_node.inference.bundles.bundle import Bundle
    from ra_node.services.analysis.study_analysis import HandClassifier, Rules
    from ra_node.services.models.registry import BundleRegistry
    from ra_node.services.models.verify import Verdict
    from ra_node.services.reporting.answer import Destination
    from ra_node.services.reporting.prior_report import FollowUps
    from ra_node.services.worker import LoadedAnalysis, Worker

MOST_WORKERS = 4
"""Memory of one worker process: a radiograph of the largest size that is accepted."""
SWITCH_S = 50e-6


def reading_rules(settings: Settings, bundle: Bundle | None = None) -> Rules:
    """Image reading settings; without a bundle, detection with the hand detector of the bundle in use."""
    from ra_node.inference.bundles.bundle import check_weights, read_bundle
    from ra_node.inference.hand_detector.detector import load_finder
    from ra_node.services.analysis.study_analysis import JointRules, Rules

    if bundle is None:
        bundle = read_bundle(folder_in_use(settings))
        check_weights(bundle)
    task = bundle.manifest.tasks.joints
    return Rules(
        load_finder(bundle),
        settings.study.two_hand_convention,
        round(settings.limits.megapixels * 1e6),
        bundle.manifest.preprocessing.side_px,
        None if task is None else JointRules(task.side_px, task.threshold),
        _markers_of(bundle, settings),
    )


def _markers_of(bundle: Bundle, settings: Settings) -> LeadMarkers | None:
    """The marker reader of a bundle with the letters of the site; None without either."""
    from ra_node.imaging.hand_extraction import LeadMarkers
    from ra_node.inference.marker_reader.reader import load_marker_reader

    letters = settings.study.marker_letters
    reader = load_marker_reader(bundle) if letters else None
    return None if reader is None else LeadMarkers(reader, letters)


def build_predictor(settings: Settings) -> tuple[HandClassifier, Bundle]:
    """The networks of the configured bundle on the configured device."""
    from ra_node.inference.bundles.bundle import load_bundle
    from ra_node.inference.predictor import Predictor

    bundle = load_bundle(settings.models.bundle)
    models = settings.models
    return Predictor(bundle, models.device, models.batch, models.prevalence), bundle


def worker_count() -> int:
    """Number of jobs that a worker runs in parallel: one per core, limited by memory."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, MOST_WORKERS)


def limit_library_threads() -> None:
    """Set the thread counts and the GIL switch interval of a worker process.

    Two threads that share a forward pass wait for each other at every layer: under load on two cores a pass
    took 2.9 s instead of 0.12 s. On a GPU jobs run in threads of one process: a forward pass needs the GIL
    after every layer, and a thread that writes a report releases it once per switch interval (default 5 ms).
    On a CPU they are processes, see `worker_processes`.
    """
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH_S)
    spend_less_on_memory()


def build_worker(settings: Settings, state: State, stopping: Callable[[], bool]) -> Worker:
    """The worker with the networks of the promoted or else the configured bundle; takes some seconds."""
    from ra_node.services.worker import Worker

    limit_library_threads()
    shelf = build_shelf(settings, state)

    def load(sha256: str | None) -> LoadedAnalysis:
        return _bench(with_bundle(settings, shelf.folder_of(sha256)), state, shelf, stopping)

    return Worker(shelf.wanted, load)


def gpu_bytes() -> int | None:
    """GPU memory that this process holds, None where it uses none."""
    from ra_node.inference.gpu import held_bytes

    return held_bytes()


def _bench(
    settings: Settings, state: State, shelf: BundleRegistry, stopping: Callable[[], bool]
) -> LoadedAnalysis:
    """Examination and reporting with the networks of the bundle that the settings name."""
    from ra_node.ledger.patient_key import KEY_FILE, open_secret
    from ra_node.services.analysis.bundle_consistency import BundleConsistency
    from ra_node.services.analysis.image_examination import Examiner
    from ra_node.services.analysis.known_good_image import Canary
    from ra_node.services.analysis.pixel_comparison import PixelComparison
    from ra_node.services.reception.resend import Resends
    from ra_node.services.reporting.answer import Answerer
    from ra_node.services.worker import LoadedAnalysis

    judge, bundle = build_predictor(settings)
    rules = reading_rules(settings, bundle)
    canary = Canary(state.files, judge, rules)
    canary.place()
    secret = open_secret(settings.node.data_dir / KEY_FILE)
    return LoadedAnalysis(
        bundle.identity,
        Examiner(
            state.ledger,
            state.files,
            judge,
            bundle.identity.sha256,
            rules,
            stopping,
            healthy=canary.healthy,
            secret=secret,
        ),
        Answerer(
            state.ledger,
            state.files,
            BundleConsistency(state.ledger, state.files, judge, bundle.identity, rules, shelf.identity_of),
            build_producer(settings),
            [_destination(settings, peer) for peer in settings.destinations],
            settings.results.research_label,
            follow_ups=build_follow_ups(settings, state),
            healthy=canary.healthy,
            rating=rating_of(settings),
        ),
        PixelComparison(
            state.ledger,
            state.files,
            Resends(state.ledger, state.files, secret),
            rules.max_pixels,
            stopping,
        ),
    )


def rating_of(settings: Settings) -> Rating:
    """Site settings for hands outside the domain of the bundle."""
    return Rating(settings.results.outside_domain, settings.results.research_output)


def build_follow_ups(settings: Settings, state: State) -> FollowUps:
    """Search for earlier reports of a patient; its secret is in the data folder, which all hosts share."""
    from ra_node.ledger.patient_key import KEY_FILE, open_secret
    from ra_node.network.scu.prior_socket import fetch_through
    from ra_node.services.reporting.prior_report import FollowUps, PacsAsker

    askers = [
        PacsAsker(address(settings, peer), fetch=partial(fetch_through, presence_folder(settings)))
        for peer in settings.peer
        if peer.prior == "query"
    ]
    secret = open_secret(settings.node.data_dir / KEY_FILE)
    return FollowUps(
        state.ledger, secret, askers, state.files, tuple(settings.results.placeholder_patient_ids)
    )


def verify_bundle(settings: Settings, folder: Path) -> Verdict:
    """Verify a bundle as a whole, on the device of the settings."""
    from ra_node.services.models.verify import verify

    def open_judge(bundle: Bundle) -> tuple[HandClassifier, Rules]:
        judge, loaded = build_predictor(with_bundle(settings, bundle.folder))
        return judge, reading_rules(settings, loaded)

    return verify(folder, open_judge)


def _destination(settings: Settings, peer: PeerTable) -> Destination:
    from ra_node.services.reporting.answer import Destination

    kinds: list[ObjectKind] = []
    if settings.results.sr:
        kinds.append(ObjectKind.SR_FALLBACK if peer.sr_class == "comprehensive" else ObjectKind.SR)
    if settings.results.overlay:
        kinds += [ObjectKind.OVERLAY, ObjectKind.OVERLAY_DETAIL]
    options = [kind for kind in peer.options if kind is not ObjectKind.REJECTION_NOTE]
    return Destination(peer.name, (*kinds, *options), rejection_note=peer.rejection_note)
