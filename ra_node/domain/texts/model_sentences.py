"""Sentences about the bundle: its models, and what was measured on held-out hands."""

from __future__ import annotations

from ra_node.domain.bundle_identity import BundleIdentity, Model
from ra_node.domain.report import StudyReport
from ra_node.domain.texts.translations import Language, english
from ra_node.domain.texts.wording import full_sentence, told


def model_sentence(model: Model, language: Language | None = None) -> str:
    """Model of each task with its figures on held-out hands: AUC, accuracy of stages, calibration."""
    words = language or english()
    who = {
        "task": words.texts.get(f"statement.task_{model.task}", model.task.capitalize()),
        "name": model.name,
        "version": model.version,
        "architecture": model.architecture,
    }
    if model.auc is None:
        return full_sentence(words.say("statement.model", **who), words)
    area, low, high = (f"{value:.3f}" for value in model.auc)
    hands = told(model.measured_on, words)
    said = words.say("statement.model_auc", **who, hands=hands, area=area, low=low, high=high)
    for key in ("exact_stage", "within_one_stage", "calibration_error"):
        figure = getattr(model, key)
        if figure is not None:
            share, least, most = (f"{100 * value:.0f}" for value in figure)
            said += words.say(f"statement.model_{key}", share=share, low=least, high=most)
    return full_sentence(said, words)


def used_models(report: StudyReport) -> list[Model]:
    """The models that took part in a result of the report; figures of another one say nothing about it."""
    hands = [hand for hand in report.hands if hand.recognition is not None and hand.refusal is None]
    joints = any(hand.joint_stages for hand in hands)
    return [model for model in report.bundle.models if hands and (joints or model.task != "joints")]


def heat_map_sentence(report: StudyReport, language: Language | None = None) -> str:
    """Measured figure of the heat maps, or "" without heat maps or figure."""
    check = report.bundle.heat_map
    if check is None or not any(hand.explanation is not None for hand in report.hands):
        return ""
    words = language or english()
    on = told(check.measured_on, words)
    said = words.say("statement.heat_map", measured_on=on, found=check.found, hands=check.hands)
    return full_sentence(said, words)


def bundle_sentence(bundle: BundleIdentity, language: Language | None = None) -> str:
    """Name, version and manifest hash of the bundle."""
    words = language or english()
    said = words.say("statement.bundle", name=bundle.name, version=bundle.version, sha256=bundle.sha256)
    return full_sentence(said, words)
