"""Verifies a bundle before use: manifest, card, files, and an analysis.

The last check analyses a phantom with the bundle by the code for all radiographs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ra_node.domain.report import HandFinding
from ra_node.errors import Fatal, Refused
from ra_node.inference.bundles.bundle import (
    Bundle,
    check_detector,
    check_preprocessing,
    check_weights,
    read_bundle,
)
from ra_node.inference.bundles.store import CARD, check_card
from ra_node.services.analysis.study_analysis import HandClassifier, Rules, judge_looks, look_at
from ra_node.services.preflight.check import Check
from ra_node.services.preflight.phantom_image import phantom_image

OpenJudge = Callable[[Bundle], tuple[HandClassifier, Rules]]
"""Loads the networks of a bundle, with its settings for reading images."""

_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of the checks; `bundle` is None where the manifest could not be read."""

    folder: Path
    checks: tuple[Check, ...]
    bundle: Bundle | None

    @property
    def sound(self) -> bool:
        return all(check.ok for check in self.checks)


def verify(folder: Path, open_judge: OpenJudge) -> Verdict:
    """Check manifest, preprocessing, detector, weights, card and one analysis; no failure hides another.

    The analysis is omitted only where the weights are not those of the manifest.
    """
    try:
        bundle = read_bundle(folder)
    except Fatal as error:
        hint = "name the folder with manifest.json; export or copy the bundle again"
        return Verdict(folder, (Check("manifest", ok=False, found=str(error), hint=hint),), None)
    return Verdict(folder, tuple(_checks(bundle, open_judge)), bundle)


def require_sound(verdict: Verdict) -> Bundle:
    """The bundle of a verdict; raises Refused with every failed check."""
    failed = [f"{check.name}: {check.found}" for check in verdict.checks if not check.ok]
    if failed or verdict.bundle is None:
        raise Refused(f"{verdict.folder} is not fit for use\n  " + "\n  ".join(failed))
    return verdict.bundle


def _checks(bundle: Bundle, open_judge: OpenJudge) -> Iterator[Check]:
    identity = bundle.identity
    yield Check("manifest", ok=True, found=f"{identity.name} {identity.version}")
    wrong_recipe = "it was trained for another version of this node: train or obtain one for this version"
    recipe = bundle.manifest.preprocessing.id
    yield _check("preprocessing", recipe, lambda: check_preprocessing(bundle), wrong_recipe)
    yield _detector(bundle)
    files = f"{len(bundle.manifest.weights)} files with the hashes of the manifest"
    weights = _check("weights", files, lambda: check_weights(bundle), "copy the bundle again from its source")
    yield weights
    yield _check("card", CARD, lambda: check_card(bundle.folder), "a bundle is not used without its card")
    if weights.ok:
        yield _judgement(bundle, open_judge)


def _detector(bundle: Bundle) -> Check:
    """Check that the bundle has a detector, and that the networks were trained on the hands that it cuts."""
    name, finder = "detector", bundle.manifest.finder
    if finder is None:
        found = "expected a hand detector in the bundle, found none: it was made for an earlier version"
        return Check(name, ok=False, found=found, hint="prepare, train and export again with this version")
    said = f"{finder.name} ({finder.sha256[:12]})"
    if bundle.manifest.preprocessing.detector_sha256 is None:
        said += "; the bundle does not state that its networks were trained on hands cut by it"
    return _check(name, said, lambda: check_detector(bundle), "train and export again with its own detector")


def _check(name: str, found: str, check: Callable[[], None], hint: str) -> Check:
    try:
        check()
    except Fatal as error:
        return Check(name, ok=False, found=str(error), hint=hint)
    return Check(name, ok=True, found=found)


def _judgement(bundle: Bundle, open_judge: OpenJudge) -> Check:
    name, hint = "judgement", "the networks do not work on this machine; see [models] device, or train again"
    try:
        judge, rules = open_judge(bundle)
        (finding,) = judge_looks([look_at(phantom_image("bundle verify"), rules)], judge)
    except Fatal as error:
        return Check(name, ok=False, found=str(error), hint=hint)
    except Exception as error:  # noqa: BLE001 - whatever a foreign network raises is a failed check
        found = f"a phantom hand was not analysed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        return Check(name, ok=False, found=found, hint=hint)
    judged = sorted(
        (hand for hand in finding.hands if hand.recognition is not None), key=lambda hand: hand.region.box.x0
    )
    if not judged:
        return Check(name, ok=False, found="expected two hands in the phantom, found none", hint=hint)
    fault = next(filter(None, map(_fault, judged)), "")
    return Check(name, ok=not fault, found=fault or _said(judged[0]), hint=hint if fault else "")


def _fault(hand: HandFinding) -> str:
    """Fault of the probabilities, "" for none."""
    assert hand.recognition is not None
    assert hand.staging is not None
    numbers = (hand.recognition.probability, *hand.staging.probabilities)
    if not all(math.isfinite(number) and 0 <= number <= 1 for number in numbers):
        return f"expected probabilities from 0 to 1 for a phantom hand, found {', '.join(map(str, numbers))}"
    total = sum(hand.staging.probabilities)
    if abs(total - 1) > _SUM_TOLERANCE:
        return f"expected probabilities of the stages that sum to 1, found {total:.4f}"
    return ""


def _said(hand: HandFinding) -> str:
    assert hand.recognition is not None
    assert hand.staging is not None
    return (
        f"a phantom hand of stage 3 got RA {100 * hand.recognition.probability:.1f} %,"
        f" stage {hand.staging.stage}: finite values (no statement about real hands)"
    )
