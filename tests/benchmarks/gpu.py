"""What a graphics card makes of the node: hands a second of the forward pass, and from file to finding.

The worker is as it is: its predictor, its batch, its threads. Beside it stand the same networks eager, in
float32 as PyTorch has it by default: convolutions may use TF32, in either. The target counts beside them with
as many hands at once as the worker has, since a peer is given its own best settings; two hands at once, a
study as a script takes it, are told beside that. The card's own limit is a large product of matrices in
bfloat16. Without a card there is nothing to measure.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import cv2
import numpy as np
import torch
from pydicom import dcmread
from torch.utils.flop_counter import FlopCounterMode

from ra_node.bootstrap.analysis import limit_library_threads, reading_rules, worker_count
from ra_node.bootstrap.node_context import default_settings
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import STAGES
from ra_node.inference.bundles.bundle import Bundle, load_bundle
from ra_node.inference.class_activation import feature_map
from ra_node.inference.cpu.feature_split import split_network
from ra_node.inference.networks.architectures import build
from ra_node.inference.predictor import HandPrediction, Predictor
from ra_node.services.analysis.study_analysis import Rules, judge_looks, look_at_file
from ra_node.services.jobs.worker_pool import JobPool
from tests.benchmarks.scale import Scale
from tests.benchmarks.straightforward import SIDE_PX, Grey, find_hands, grey_of, load_networks
from tests.benchmarks.table import Row
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import phantom_study

NO_CARD = "no CUDA device here, nothing measured"
T = TypeVar("T")
TARGET = 5.0
CLOSE = 0.01
"""The most by which a probability may differ: readers are told whole percents."""
PRODUCTS = 8
"""Matrix products between two looks at the clock, so that waiting for one hides behind the next."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: a round lasts `window_s` at least, and the median of the rounds counts."""

    batch: int
    """Hands at once, as the worker has it."""
    window_s: float
    rounds: int
    images: int
    """From file to finding; their `studies` pictures take turns."""
    studies: int = len(STAGES)
    large: int = 512
    """Hands at once where only the card's memory is the limit: where it lacks, the predictor takes fewer."""
    side: int = 8192
    """Of the square matrices whose product is the limit."""


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Without a card one row that says so."""
    if not torch.cuda.is_available():
        yield Row("GPU", NO_CARD)
        return
    batch = default_settings().models.batch
    size = Size(batch, window_s=scale.images / 40, rounds=scale.rounds, images=scale.images)
    yield from rows(torch.device("cuda"), folder, size)


def rows(device: torch.device, folder: Path, size: Size) -> Iterator[Row]:
    """All rows of one device; its speed first, its answers last."""
    settings = default_settings()
    bundle, images = load_bundle(settings.models.bundle), settings.models.images
    rules = reading_rules(settings, bundle)
    worker, eager = Predictor(bundle, str(device), size.batch), Eager(device)
    files = write_images(folder, size.studies)
    crops = [crop for path in files for crop in look_at_file(path, rules).crops]
    told = worker.judge(crops)
    silent = repeated(healthy(crops, told), max(size.large, size.batch))
    each, limit = flops_of_a_hand(bundle), limit_flops(device, size)
    for batch in (size.batch, size.large):
        ours = Predictor(bundle, str(device), batch)
        yield from forward_rows(ours, eager, silent[:batch], each, limit, size)
    yield threads_row(worker, eager, silent, images, size)
    yield heat_row(worker, repeated(crops, size.batch), size)
    yield path_row(Worker(rules, worker, images), eager, repeated(files, size.images))
    yield from answer_rows(told, Predictor(bundle, "cpu", size.batch).judge(crops))


class Eager:
    """Both networks of the bundle as torchvision builds them, on one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._networks = [network.to(device) for network in load_networks()]

    def judge(self, crops: Sequence[Grey]) -> list[Grey]:
        """Probabilities (N, classes) of either network; grey levels are normalised on the device."""
        grey_NHW = torch.from_numpy(np.stack(crops)).to(self._device).float()
        x_N3HW = ((grey_NHW / 255 - 0.25) / 0.25)[:, None].expand(-1, 3, -1, -1).contiguous()
        with torch.inference_mode():
            return [network(x_N3HW).softmax(1).cpu().numpy() for network in self._networks]


def forward_rows(
    ours: Predictor, eager: Eager, crops: Sequence[Grey], each: int, limit: float, size: Size
) -> Iterator[Row]:
    """Hands of which none is explained, so that nothing but the forward pass counts.

    `each` is the FLOP of a hand, `limit` the FLOP/s of the device.
    """
    mine, theirs = (rate(partial(one.judge, crops), len(crops), size) for one in (ours, eager))
    name = f"GPU, forward pass of {len(crops)} hands at once"
    yield Row(f"{name}, beside eager float32", f"{mine:.0f}/s", f"{theirs:.0f}/s", mine / theirs, TARGET)
    got, most = (f"{flops / 1e12:.3g} TFLOP/s" for flops in (mine * each, limit))
    yield Row(f"{name}, share of the bf16 limit", got, most, mine * each / limit)


def limit_flops(device: torch.device, size: Size) -> float:
    """FLOP/s of the fastest round of large products in bfloat16."""
    a, b = (torch.randn(size.side, size.side, device=device).bfloat16() for _ in range(2))

    def multiply() -> float:
        made = [a @ b for _ in range(PRODUCTS)][-1]
        return float(made[0, 0])

    return max(rates(multiply, PRODUCTS * 2 * size.side**3, size))


def flops_of_a_hand(bundle: Bundle) -> int:
    """FLOP of one hand in both networks, as the worker runs them on a card; costs no arithmetic."""
    total = 0
    side_px, tasks = bundle.manifest.preprocessing.side_px, bundle.manifest.tasks
    for task in (tasks.recognition, tasks.staging):
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            network = build(task.architecture, len(task.classes)).eval()
            place = feature_map(task.architecture, side_px)
            split = split_network(network, place.path, side_px)
            before = counter.get_total_flops()
            split(torch.empty(1, 1, side_px, side_px))
            total += counter.get_total_flops() - before
    return total


def threads_row(ours: Predictor, eager: Eager, crops: Sequence[Grey], images: int, size: Size) -> Row:
    """As the threads of the worker ask for it, beside a script that takes one study after the other."""
    threads = worker_count()
    each = crops[: 2 * max(1, images // threads)]
    with as_in_the_worker(), ThreadPoolExecutor(threads) as pool:
        mine = rate(lambda: list(pool.map(ours.judge, [each] * threads)), threads * len(each), size)
    theirs = rate(partial(eager.judge, crops[:2]), 2, size)
    name = f"GPU, forward passes of {threads} threads with {len(each)} hands each, beside eager float32 of 2"
    return Row(name, f"{mine:.0f}/s", f"{theirs:.0f}/s", mine / theirs)


def heat_row(ours: Predictor, crops: Sequence[Grey], size: Size) -> Row:
    """What explanations cost beside the forward pass."""
    ill = len(crops) - len(healthy(crops, ours.judge(crops)))
    mine = rate(partial(ours.judge, crops), len(crops), size)
    return Row(f"GPU, forward pass of {len(crops)} hands at once, {ill} of them explained", f"{mine:.0f}/s")


@dataclass(frozen=True, slots=True)
class Worker:
    """From file to finding as `work` does it on a card, where the threads of one process share the images."""

    rules: Rules
    judge: Predictor
    images: int

    def hands_of(self, files: Sequence[Path]) -> int:
        """How many hands were found and judged."""
        waiting = deque(SimpleNamespace(path=path, tried_before=False) for path in files)
        found: list[int] = []

        def do(jobs: Sequence[SimpleNamespace]) -> None:
            looks = [look_at_file(job.path, self.rules) for job in jobs]
            found.extend(len(image.hands) for image in judge_looks(looks, self.judge))

        def claim(most: int) -> list[SimpleNamespace]:
            return [waiting.popleft() for _ in range(min(most, len(waiting)))]

        with as_in_the_worker(), JobPool(do, worker_count(), self.images) as pool:
            while waiting:
                pool.work(claim, waiting.append)
        return sum(found)


def path_row(ours: Worker, eager: Eager, files: Sequence[Path]) -> Row:
    """From file to finding; the script finds by a threshold and explains nothing."""
    mine, theirs = (rate_of_files(act, files) for act in (ours.hands_of, partial(hands_of_script, eager)))
    name = f"GPU, from file to finding in {worker_count()} threads, beside a script with eager float32"
    return Row(name, f"{mine:.1f}/s", f"{theirs:.1f}/s", mine / theirs, TARGET)


def hands_of_script(eager: Eager, files: Sequence[Path]) -> int:
    """Read, find, judge, one file after the other; how many hands there were."""
    return sum(len(eager.judge(_cut(grey_of(dcmread(path))))[0]) for path in files)


def _cut(grey: Grey) -> list[Grey]:
    """The hands of a picture as the networks take them."""
    parts = [grey[hand.top : hand.bottom, hand.left : hand.right] for hand in find_hands(grey)]
    return [cv2.resize(part, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) for part in parts]


def rate_of_files(hands_of: Callable[[Sequence[Path]], int], files: Sequence[Path]) -> float:
    """Hands a second of all files, after a warm-up with the first of them."""
    hands_of(files[: worker_count()])
    start = time.monotonic()
    return hands_of(files) / (time.monotonic() - start)


def answer_rows(there: Sequence[HandPrediction], here: Sequence[HandPrediction]) -> Iterator[Row]:
    """Whether the card answers as the CPU does; a hand's call is by the operating point."""
    pairs = list(zip(there, here, strict=True))
    most = max(float(np.abs(_chances(one) - _chances(other)).max()) for one, other in pairs)
    same = sum(_called(one) == _called(other) for one, other in pairs)
    name = f"GPU, answers to {len(pairs)} phantom hands, beside the CPU's"
    yield Row(f"{name}: largest difference", f"{most:.1e}", f"{CLOSE:g}", most / CLOSE, 1.0, at_least=False)
    yield Row(f"{name}: same call and stage", f"{same} of {len(pairs)}", "all", same / len(pairs), 1.0)


def _chances(one: HandPrediction) -> np.ndarray:
    return np.array([one.recognition.probability, *one.staging.probabilities])


def _called(one: HandPrediction) -> tuple[bool, int]:
    return one.recognition.positive, one.staging.stage


def healthy(crops: Sequence[Grey], told: Sequence[HandPrediction]) -> list[Grey]:
    """The hands of which nothing is explained; the demonstration bundle knows some among the phantoms."""
    found = [crop for crop, one in zip(crops, told, strict=True) if one.heat is None]
    if not found:
        raise SystemExit("expected a phantom hand that is called healthy, found none")
    return found


def write_images(folder: Path, count: int) -> list[Path]:
    """Two-hand radiographs of 10 MB; all stages take turns."""
    paths = []
    for number in range(count):
        right, left = number % len(STAGES), (number + 3) % len(STAGES)
        pair = (HandRecipe(Side.RIGHT, right), HandRecipe(Side.LEFT, left))
        paths.append(folder / f"{number}.dcm")
        phantom_study(PhantomRecipe(pair, seed=number))[0].save_as(paths[-1], enforce_file_format=True)
    return paths


def repeated(some: Sequence[T], count: int) -> list[T]:
    return list(islice(cycle(some), count))


@contextmanager
def as_in_the_worker() -> Iterator[None]:
    """Threads and switches as `work` has them, for as long as it is measured."""
    before = torch.get_num_threads(), cv2.getNumThreads(), sys.getswitchinterval()
    limit_library_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
        sys.setswitchinterval(before[2])


def rate(act: Callable[[], object], hands: int, size: Size) -> float:
    """Hands a second, the median of the rounds."""
    return statistics.median(rates(act, hands, size))


def rates(act: Callable[[], object], count: float, size: Size) -> list[float]:
    """`count` each second of every round, after a warm-up; an act ends when its answer is in main memory."""
    act()
    return [_rate(act, count, size.window_s) for _ in range(size.rounds)]


def _rate(act: Callable[[], object], count: float, window_s: float) -> float:
    done, start = 0.0, time.monotonic()
    while not done or time.monotonic() - start < window_s:
        act()
        done += count
    return done / (time.monotonic() - start)
