"""How well hands are found, on radiographs of which everything is known.

    python -m tests.benchmarks.hands build --radiographs DIR --out DIR [--ids held-out] [--count 200]
    python -m tests.benchmarks.hands run DIR [--pictures DIR] [--limit N] [--bundle DIR]

`build` makes singles, two-hand compositions and pictures without a hand from the ids that were kept out of
training and tuning. `run` works on any folder with a truth file (tests/benchmarks/hands_truth.py says how it
looks) and prints the table, each figure with its number of cases and exact 95 % interval, then a row for each
condition. Times are processor time of one thread, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from ra_node.dicom.reading.file import read_dataset
from ra_node.domain.report import ImageFinding
from ra_node.errors import NodeError
from ra_node.imaging.pixels import read_png, read_radiograph
from ra_node.services.analysis.study_analysis import Rules
from ra_node.services.offline_analysis import find_in_file
from tests.benchmarks.bundle_rules import single_threaded_rules
from tests.benchmarks.hands_score import Answer, FoundHand, Scored, all_right, condition_rows, scored, table
from tests.benchmarks.hands_truth import read_truth
from training.phantom.study import ImageRecipe, wrap

FIVE_MEGAPIXELS = (2500, 2000)


def main() -> None:
    chosen = _arguments()
    cv2.setNumThreads(1)
    if chosen.command == "build":
        from tests.benchmarks.hands_build import Order, build

        order = Order(chosen.radiographs, chosen.ids, chosen.count, chosen.seed)
        build(
            order, chosen.out, lambda done: None if done % 25 else print(f"{done} pictures", file=sys.stderr)
        )
        print(f"written to {chosen.out}", file=sys.stderr)
        return
    rules = single_threaded_rules(chosen.bundle)
    scores = list(_answers(chosen.folder, chosen.limit, rules))
    (chosen.folder / "found.json").write_text(
        json.dumps([asdict(one.answer) for one in scores]), encoding="utf-8"
    )
    _print(scores)
    _print_times(chosen.folder, scores, rules)
    if chosen.pictures is not None:
        count = draw_failures(chosen.folder, scores, chosen.pictures)
        print(f"{count} pictures of failures in {chosen.pictures}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build")
    build.add_argument("--radiographs", type=Path, required=True)
    build.add_argument("--out", type=Path, required=True)
    build.add_argument("--ids", choices=("held-out", "tuning"), default="held-out")
    build.add_argument("--count", type=int, default=200, help="compositions; half as many of each other kind")
    build.add_argument("--seed", type=int, default=1)
    run = commands.add_parser("run")
    run.add_argument("folder", type=Path)
    run.add_argument("--pictures", type=Path, default=None, help="draw what failed into this folder")
    run.add_argument(
        "--limit", type=int, default=None, help="only every so many pictures, to get done sooner"
    )
    run.add_argument("--bundle", type=Path, default=None, help="another bundle than the one that ships")
    return parser.parse_args()


def _answers(folder: Path, limit: int | None, rules: Rules) -> Iterator[Scored]:
    images = read_truth(folder)[:: limit or 1]
    for done, truth in enumerate(images, start=1):
        try:
            answer = answer_of(find_in_file(folder / truth.file, rules))
        except NodeError as error:
            answer = Answer((), str(error))
        yield scored(truth, answer)
        if done % 25 == 0:
            print(f"{done} of {len(images)}", file=sys.stderr)


def answer_of(finding: ImageFinding) -> Answer:
    """What the node reports of an image, as far as the truth speaks of it."""
    hands = tuple(
        FoundHand(
            (hand.region.box.x0, hand.region.box.y0, hand.region.box.x1, hand.region.box.y1),
            hand.region.rotation,
            hand.side.side.value if hand.side.side else None,
            {joint.name: (joint.at.x, joint.at.y) for joint in getattr(hand.region, "joints", ())},
            hand.refusal.text if hand.refusal else None,
        )
        for hand in finding.hands
    )
    return Answer(hands, finding.refusal.text if finding.refusal else None, finding.remarks)


def _print(scores: list[Scored]) -> None:
    print(f"{'what':<52} {'found':<42} wanted")
    for what, found, wanted in table(scores):
        print(f"{what:<52} {found:<42} {wanted}")
    heads = (
        "condition",
        "whole picture right",
        "mean IoU",
        "rotation right",
        "refused or missed though good",
    )
    print()
    for row in (heads, *condition_rows(scores)):
        print("  ".join(cell.ljust(34) for cell in row).rstrip())


def _print_times(folder: Path, scores: list[Scored], rules: Rules) -> None:
    """The node's finding on 5 megapixels beside a plain read and resize of the same file."""
    file = next((one.truth.file for one in scores if one.truth.kind == "composed"), scores[0].truth.file)
    path = folder / "five-megapixels.dcm"
    grown = cv2.resize(_shown(folder / file), FIVE_MEGAPIXELS, interpolation=cv2.INTER_CUBIC)
    wrap(grown.astype(np.uint16) * 16, ImageRecipe("time"), white=4095).save_as(
        path, enforce_file_format=True
    )
    find_in_file(path, rules)
    whole = _seconds(lambda: find_in_file(path, rules))
    plain = _seconds(lambda: cv2.resize(read_dataset(path).pixel_array, (400, 500)))
    path.unlink()
    found, read = round(1000 * whole), round(1000 * plain)
    print(f"\n5 megapixels, one core: find hands {found} ms, plain read and resize {read} ms")


def _seconds(work: Callable[[], object], times: int = 5) -> float:
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return float(np.median(taken))


def draw_failures(folder: Path, scores: list[Scored], out: Path) -> int:
    """Draw truth (green) and answer (red) of every picture that is not wholly right."""
    out.mkdir(parents=True, exist_ok=True)
    failed = [one for one in scores if not all_right(one)]
    for one in failed:
        cv2.imwrite(str(out / f"{Path(one.truth.file).stem}.jpg"), _drawn(folder, one))
    return len(failed)


def _shown(path: Path) -> np.ndarray:
    return read_png(path).display if path.suffix == ".png" else read_radiograph(read_dataset(path)).display


def _drawn(folder: Path, one: Scored) -> np.ndarray:
    grey = _shown(folder / one.truth.file)
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    thick = max(2, max(grey.shape) // 300)
    for hand in one.truth.hands:
        if hand.box:
            cv2.rectangle(picture, hand.box[:2], hand.box[2:], (0, 255, 0), thick)
    for hand in one.answer.hands:
        cv2.rectangle(picture, hand.box[:2], hand.box[2:], (0, 0, 255), thick)
        word = f"{hand.rotation} {hand.side or '?'} {hand.refusal or ''}"
        cv2.putText(
            picture, word, (hand.box[0], hand.box[1] + 14 * thick), 0, 0.4 * thick, (0, 200, 255), thick
        )
    scale = 900 / max(grey.shape)
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    text = f"{', '.join(one.truth.conditions)}: {one.answer.refusal or ''}"
    cv2.putText(picture, text[:110], (4, picture.shape[0] - 6), 0, 0.45, (0, 255, 255), 1)
    return picture


if __name__ == "__main__":
    main()
