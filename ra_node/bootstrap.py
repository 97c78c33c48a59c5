"""The only place that builds things: from the settings to the objects that do the work.

Imports stand inside the functions, so that a role loads only what it needs: `listen` is ready in
about a second because it never sees PyTorch.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ra_node.domain.result import ObjectKind
from ra_node.errors import Fatal
from ra_node.ledger.engine import Ledger, open_ledger
from ra_node.ledger.files import Files
from ra_node.settings import LEDGER_FILE, PeerTable, Settings, settings_from

if TYPE_CHECKING:
    from ra_node.dicom.provenance import Producer
    from ra_node.inference.bundle import Bundle
    from ra_node.ledger.disk import DiskGuard
    from ra_node.network.admission import AllowedPeer
    from ra_node.network.receive import Listener
    from ra_node.network.send import PeerAddress
    from ra_node.services.analyse import Judge, Rules
    from ra_node.services.answer import Destination
    from ra_node.services.commit import Committer
    from ra_node.services.complete import CompletenessAsker
    from ra_node.services.deliver import Deliverer
    from ra_node.services.demo import Shown
    from ra_node.services.find import HandFinder
    from ra_node.services.ingest import Ingest
    from ra_node.services.models import Models
    from ra_node.services.offline import Analysed, Studies
    from ra_node.services.overview import Overview
    from ra_node.services.preflight import Check
    from ra_node.services.purge import Purged
    from ra_node.services.shelf import Shelf
    from ra_node.services.standing import Complaint
    from ra_node.services.tidy import Tidier
    from ra_node.services.verify import Verdict
    from ra_node.services.work import Bench, Worker

DAY_S = 86400.0
CONFIG_FOLDER = Path(__file__).resolve().parent.parent / "config"


@dataclass(frozen=True, slots=True)
class State:
    """What every role shares: the ledger and the files."""

    ledger: Ledger
    files: Files


def default_settings() -> Settings:
    """Embedded defaults, for commands that need no node; paths are those of the installation."""
    return settings_from({}, base=CONFIG_FOLDER)


def open_state(settings: Settings) -> State:
    """Open the ledger and the data folder, made where they do not exist; Fatal where that fails."""
    folder = settings.node.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Fatal(f"expected a data_dir that can be made, found {folder}: {error.strerror}") from error
    return State(open_ledger(settings.ledger_url), Files(settings.node.data_dir))


def presence_folder(settings: Settings) -> Path:
    """Where the workers of this machine show that they are alive."""
    return settings.node.data_dir / "run" / settings.node.machine


def new_owner(role: str) -> str:
    """A name for one process that no other ever had."""
    return f"{role}-{os.getpid()}-{secrets.token_hex(4)}"


def build_guard(settings: Settings) -> DiskGuard:
    """Whether the disk of the data folder has room for more."""
    from ra_node.ledger.disk import DiskGuard

    limits = settings.limits
    return DiskGuard(settings.node.data_dir, limits.low_bytes, limits.enough_bytes)


def build_listener(settings: Settings, state: State, owner: str) -> tuple[Listener, Ingest]:
    """The listener, not yet started, and its inbox, where `owner` names it."""
    from ra_node.ledger.inbox import close_all_associations
    from ra_node.network.commitment import commitment_context, commitment_handlers
    from ra_node.network.contexts import accepted_contexts
    from ra_node.network.receive import Listener, ListenSettings
    from ra_node.services.commit import Ear
    from ra_node.services.ingest import Ingest
    from ra_node.services.presence import gone

    for dead in gone(presence_folder(settings)):
        close_all_associations(state.ledger, dead)
    inbox = Ingest(state.ledger, state.files, listener=owner)
    listener = Listener(
        ListenSettings(
            ae_title=settings.node.ae_title,
            incoming=settings.node.data_dir / "incoming" / f"{settings.node.machine}-{settings.node.port}",
            host=settings.node.host,
            port=settings.node.port,
            peers=_callers(settings),
            accept_unknown=settings.limits.accept_unknown_peers,
            max_associations=settings.limits.associations,
            network_timeout_s=settings.limits.association_idle_s,
        ),
        inbox,
        contexts=[*accepted_contexts(), commitment_context()],
        extra_handlers=commitment_handlers(Ear(state.ledger).hear),
        has_room=build_guard(settings).has_room,
    )
    return listener, inbox


def _callers(settings: Settings) -> tuple[AllowedPeer, ...]:
    """Sources may store; a destination that is asked for commitment may bring its report."""
    from ra_node.network.admission import AllowedPeer

    reporting = [peer for peer in settings.destinations if peer.commitment]
    return (
        *(AllowedPeer(peer.ae_title, peer.host) for peer in settings.sources),
        *(AllowedPeer(peer.ae_title, peer.host, may_store=False) for peer in reporting),
    )


def reading_rules(settings: Settings, bundle: Bundle | None = None) -> Rules:
    """How images are read; without a bundle for finding hands only, by the finder of the bundle in use."""
    from ra_node.services.analyse import Rules

    rules = Rules(settings.study.two_hand_convention, round(settings.limits.megapixels * 1e6))
    if bundle is None:
        return replace(rules, finder=_finder_in(_folder_in_use(settings)))
    return replace(rules, side_px=bundle.manifest.preprocessing.side_px, finder=_finder_of(bundle))


def _finder_in(folder: Path) -> HandFinder | None:
    """The finder of a bundle of which nothing else is needed; None without a bundle, or one without it."""
    from ra_node.inference.bundle import check_weights, read_bundle
    from ra_node.inference.store import MANIFEST

    if not (folder / MANIFEST).exists():
        return None
    bundle = read_bundle(folder)
    if bundle.manifest.finder is None:
        return None
    check_weights(bundle)
    return _finder_of(bundle)


def _finder_of(bundle: Bundle) -> HandFinder | None:
    from ra_node.inference.finder import load_finder

    return load_finder(bundle)


def build_judge(settings: Settings) -> tuple[Judge, Bundle]:
    """The networks of the configured bundle on the configured device."""
    from ra_node.inference.bundle import load_bundle
    from ra_node.inference.predictor import Predictor

    bundle = load_bundle(settings.models.bundle)
    return Predictor(bundle, settings.models.device, settings.models.batch), bundle


def build_producer(settings: Settings) -> Producer:
    """How this installation names itself in what it makes."""
    from ra_node.dicom.provenance import Producer
    from ra_node.dicom.uids import derive_uid

    return Producer(
        device_uid=derive_uid("node", settings.node.station_name, settings.node.ae_title),
        station_name=settings.node.station_name,
    )


def build_shelf(settings: Settings, state: State) -> Shelf:
    """The bundles of the node; the installed ones lie in the data folder, which all hosts share."""
    from ra_node.inference.store import BundleStore
    from ra_node.services.shelf import Shelf

    return Shelf(state.ledger, BundleStore(settings.node.data_dir / "bundles"), settings.models.bundle)


def build_worker(settings: Settings, state: State, stopping: Callable[[], bool]) -> Worker:
    """The worker with the networks of the promoted bundle, or of the configured one; takes some seconds."""
    import cv2

    from ra_node.services.work import Worker

    cv2.setNumThreads(1)  # on pictures this small its threads only compete with those of PyTorch
    shelf = build_shelf(settings, state)

    def load(sha256: str | None) -> Bench:
        return _bench(with_bundle(settings, shelf.folder_of(sha256)), state, shelf, stopping)

    return Worker(shelf.wanted, load)


def with_bundle(settings: Settings, folder: Path) -> Settings:
    """The same settings with another model bundle."""
    return settings.model_copy(update={"models": settings.models.model_copy(update={"bundle": folder})})


def _bench(settings: Settings, state: State, shelf: Shelf, stopping: Callable[[], bool]) -> Bench:
    """Both halves of the worker with the networks of the bundle that the settings name."""
    from ra_node.services.answer import Answerer
    from ra_node.services.examine import Examiner
    from ra_node.services.unite import OneBundle
    from ra_node.services.work import Bench

    judge, bundle = build_judge(settings)
    rules = reading_rules(settings, bundle)
    return Bench(
        bundle.identity,
        Examiner(state.ledger, state.files, judge, bundle.identity.sha256, rules, stopping),
        Answerer(
            state.ledger,
            state.files,
            OneBundle(state.ledger, state.files, judge, bundle.identity, rules, shelf.identity_of),
            build_producer(settings),
            [_destination(settings, peer) for peer in settings.destinations],
            settings.results.research_label,
        ),
    )


def build_deliverer(settings: Settings, state: State, stopping: Callable[[], bool]) -> Deliverer:
    """The sender with every destination."""
    from ra_node.services.deliver import Deliverer

    return Deliverer(
        state.ledger,
        state.files,
        {peer.name: _address(settings, peer) for peer in settings.destinations},
        settings.limits.delivery_days * DAY_S,
        committing=[peer.name for peer in settings.destinations if peer.commitment],
        stopping=stopping,
    )


def build_committer(settings: Settings, state: State) -> Committer:
    """Who asks the destinations to keep what they have, those that are to be asked."""
    from ra_node.services.commit import Committer

    return Committer(
        state.ledger,
        {peer.name: _address(settings, peer) for peer in settings.destinations if peer.commitment},
        settings.limits.commitment_silence_s,
        settings.limits.delivery_days * DAY_S,
    )


def build_tidier(settings: Settings, state: State) -> Tidier:
    """What must happen by the clock."""
    from ra_node.services.tidy import Tidier

    study, retention = settings.study, settings.retention
    return Tidier(
        state.ledger,
        state.files,
        presence_folder(settings),
        study.quiet_s,
        study.max_wait_s,
        keep_s=retention.keep_days * DAY_S if retention.purge else None,
        not_committing=[peer.name for peer in settings.destinations if not peer.commitment],
    )


def build_askers(settings: Settings, state: State) -> list[CompletenessAsker]:
    """One for each source that can say whether a study is whole."""
    from ra_node.services.complete import CompletenessAsker

    asked = [peer for peer in settings.sources if peer.complete_by == "query"]
    return [CompletenessAsker(state.ledger, _address(settings, peer)) for peer in asked]


def build_offline(settings: Settings) -> Callable[[Studies, Path], Iterator[Analysed]]:
    """The analysis of files into a folder, without a network."""
    from ra_node.services.offline import analyse_files

    judge, bundle = build_judge(with_bundle(settings, _folder_in_use(settings)))
    return partial(
        analyse_files,
        judge=judge,
        bundle=bundle.identity,
        producer=build_producer(settings),
        rules=reading_rules(settings, bundle),
        research_label=settings.results.research_label,
    )


def _folder_in_use(settings: Settings) -> Path:
    """The bundle of the node where it has a ledger that this user may open, else the configured one."""
    file = settings.node.data_dir / LEDGER_FILE
    if not settings.ledger.url and not os.access(file, os.R_OK | os.W_OK):
        return settings.models.bundle
    state = open_state(settings)
    try:
        shelf = build_shelf(settings, state)
        return shelf.folder_of(shelf.wanted())
    finally:
        state.ledger.close()


def preflight(settings: Settings) -> list[Check]:
    """Check everything that the settings name."""
    from ra_node.services.models import checked_words, worker_checks
    from ra_node.services.preflight import run_checks

    return run_checks(
        settings,
        open_state=lambda: open_state(settings),
        bundle=lambda: checked_words(build_shelf(settings, open_state(settings))),
        workers=lambda: worker_checks(models_now(settings)),
        destinations=[(_address(settings, peer), peer.commitment) for peer in settings.destinations],
        queried=[_address(settings, peer) for peer in settings.sources if peer.complete_by == "query"],
        standing=lambda: _complaints(settings),
    )


def look_over(settings: Settings) -> Overview:
    """How the node stands now."""
    from ra_node.ledger.disk import free_bytes
    from ra_node.services.overview import overview
    from ra_node.services.standing import Disk

    state, limits = open_state(settings), settings.limits
    disk = Disk(free_bytes(settings.node.data_dir), limits.low_bytes, limits.enough_bytes)
    names = [peer.name for peer in settings.destinations]
    return overview(state.ledger, models_now(settings), names, disk)


def purge_now(settings: Settings, *, dry_run: bool) -> Purged:
    """Remove, or only count, the files that nobody needs any more."""
    from ra_node.services.purge import purge

    state = open_state(settings)
    return purge(state.ledger, state.files, settings.retention.keep_days * DAY_S, dry_run=dry_run)


def _complaints(settings: Settings) -> list[tuple[str, Complaint]]:
    from ra_node.services.standing import complaints, standings

    ledger = open_state(settings).ledger
    names, now = [peer.name for peer in settings.destinations], ledger.clock()
    return [(one.peer, said) for one in standings(ledger, names) for said in complaints(one, now)]


def models_now(settings: Settings) -> Models:
    """Which bundle is in use, and what the workers of every host run."""
    from ra_node.services.models import models

    return models(
        settings.node.data_dir / "run", lambda: build_shelf(settings, open_state(settings)).in_use()
    )


def verify_bundle(settings: Settings, folder: Path) -> Verdict:
    """Verify a bundle as a whole, on the device of the settings."""
    from ra_node.services.verify import verify

    def open_judge(bundle: Bundle) -> tuple[Judge, Rules]:
        judge, loaded = build_judge(with_bundle(settings, bundle.folder))
        return judge, reading_rules(settings, loaded)

    return verify(folder, open_judge)


def show_demo(out: Path, timeout_s: float, say: Callable[[str], None]) -> Shown:
    """The demo with the bundle of this installation and a phantom with changes of stage 3 and 0."""
    from ra_node.domain.laterality import Side
    from ra_node.phantom.recipe import HandRecipe, PhantomRecipe
    from ra_node.phantom.study import phantom_study
    from ra_node.services.demo import run_demo

    hands = (HandRecipe(Side.RIGHT, stage=3), HandRecipe(Side.LEFT, stage=0))
    study = phantom_study(PhantomRecipe(hands, seed=7))
    return run_demo(out, study, default_settings().models.bundle, timeout_s, say)


def _destination(settings: Settings, peer: PeerTable) -> Destination:
    from ra_node.services.answer import Destination

    kinds = []
    if settings.results.sr:
        kinds.append(ObjectKind.SR_FALLBACK if peer.sr_class == "comprehensive" else ObjectKind.SR)
    if settings.results.overlay:
        kinds.append(ObjectKind.OVERLAY)
    return Destination(peer.name, tuple(kinds))


def _address(settings: Settings, peer: PeerTable) -> PeerAddress:
    from ra_node.network.send import PeerAddress

    return PeerAddress(peer.name, peer.ae_title, peer.host, peer.port, calling_ae=settings.node.ae_title)
