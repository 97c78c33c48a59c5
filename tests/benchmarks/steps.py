"""The analysis of one two-hand image step by step, in CPU time of one thread."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydicom import Dataset

from ra_node.bootstrap.analysis import build_predictor, limit_library_threads, reading_rules
from ra_node.bootstrap.node_context import build_producer, default_settings
from ra_node.dicom.overlay.secondary_capture import build_overlay, render_overlay
from ra_node.dicom.reading.file import read_attributes, read_dataset, read_header
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.imaging.pixels import read_radiograph
from ra_node.imaging.preview import encode_preview
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.analysis.study_analysis import judge_looks, look_at_pixels, make_report
from tests.benchmarks.scale import Scale
from tests.benchmarks.table import Row
from training.phantom.study import ImageRecipe, phantom_study, wrap


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Medians over a few rounds, the first of which warms up and does not count."""
    threads = torch.get_num_threads()
    try:
        spent = steps(folder, rounds=scale.rounds + 2)
    finally:
        torch.set_num_threads(threads)
    whole = sum(spent.values())
    for name, seconds in spent.items():
        yield Row(f"one image: {name}", f"{1000 * seconds:.0f} ms", f"{100 * seconds / whole:.0f} % of all")
    yield Row("one image: all", f"{1000 * whole:.0f} ms")


def steps(folder: Path, rounds: int) -> dict[str, float]:
    """Median CPU seconds of each step; every round has a study of its own, as what comes again is kept."""
    settings = default_settings()
    limit_library_threads()
    judge, bundle = build_predictor(settings)
    rules, producer = reading_rules(settings, bundle), build_producer(settings)
    files = Files(folder)
    pixels = phantom_study()[0].pixel_array.astype("uint16")
    spent: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, act: Callable[..., Any], *asked: object, **named: object) -> Any:
        start = time.process_time()
        made = act(*asked, **named)
        spent[name].append(time.process_time() - start)
        return made

    for number in range(rounds):
        path = folder / f"{number}.dcm"
        wrap(pixels, ImageRecipe(f"steps {number}"), white=4095).save_as(path, enforce_file_format=True)
        dataset = timed("read the file", read_dataset, path)
        radiograph = timed("pixels", read_radiograph, dataset)
        header = read_header(dataset)
        look = timed("find hands and cut them out", look_at_pixels, radiograph, header, rules)
        timed("preview", encode_preview, look.display)
        findings = timed("networks and their explanation", judge_looks, [look], judge)
        now = datetime.now(UTC)
        report = make_report(header.study_instance_uid, 1, findings, bundle.identity, created_at=now)
        sources = {header.sop_instance_uid: timed("header again", read_attributes, path)}
        sr = timed("report", build_sr, report, sources, producer)
        old = timed("report for old peers", build_sr, report, sources, producer, comprehensive3d=False)
        displays = {header.sop_instance_uid: look.display}
        picture = timed("overlay: draw", render_overlay, report, displays, producer.language)
        overlay = timed("overlay: pack", build_overlay, picture, report, sources, producer)
        timed("all three to the disk", keep, files, (sr, old, overlay))
    return {name: statistics.median(each[1:]) for name, each in spent.items()}


def keep(files: Files, objects: Iterable[Dataset]) -> None:
    """Write objects as the node does, each synced."""
    for each in objects:
        files.write(partial(each.save_as, enforce_file_format=True), "results", ".dcm")
