"""Trains and evaluates several networks on the same hands, and continues a killed comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ra_node.errors import Fatal
from training.classifier.eta import Job, TimeLeft, spoken
from training.classifier.initial_weights import find_start
from training.classifier.labelled_dataset import refuse_other_split
from training.classifier.loop import Progress
from training.classifier.run_folder import HandsFrom, keep_recipe, kept_crops, prepared, share_crops
from training.classifier.start import Start, note_start
from training.classifier.train import TASKS, Place, train_run
from training.data.leakage import refuse_seen
from training.experiments import paper_numbers
from training.experiments.evaluation_cache import Question, Say, measure
from training.recipes.classifier import Recipe

HANDS = "hands"
"""Folder beside the runs with the crops that all of them share."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One network of a comparison."""

    recipe: Recipe
    start: Start


def entries(
    recipe: Recipe,
    architectures: Sequence[str],
    epochs: Mapping[str, float],
    starts: Mapping[str, Path],
    amp: str | None,
) -> list[Entry]:
    """The recipe once for each network; `epochs` and `starts` by architecture, "" for all others.

    Layers that the recipe freezes are those of its own network; every other one is trained as a whole.

    Raises Fatal for an unknown network, a duplicate, or one without initial weights.
    """
    _refuse_unknown([*architectures, *epochs, *starts])
    if len(set(architectures)) != len(architectures):
        raise Fatal(f"expected every architecture once, found {', '.join(architectures)}")
    found = []
    for name in architectures:
        own = _shortened(recipe, epochs.get(name, epochs.get("")))
        changed: dict[str, object] = {"architecture": name, **({"amp": amp} if amp else {})}
        if name != recipe.architecture:  # frozen layers are named by their own network
            changed["frozen"] = ()
        own = Recipe.model_validate(own.model_dump() | changed)
        found.append(Entry(own, find_start(own, starts.get(name, starts.get("")))))
    return found


def compare(
    chosen: Sequence[Entry], place: Place, source: HandsFrom, question: Question, say: Say
) -> list[Path]:
    """Train and evaluate every entry in a folder of its own; return the folders.

    The crops are made once and shared. Finished entries are neither trained nor evaluated again.
    """
    folders = [place.folder / entry.recipe.architecture for entry in chosen]
    if place.ranks.first:
        crops = prepared(chosen[0].recipe, place.folder / HANDS, source, say)
        for entry in chosen:
            refuse_seen(entry.start.path, entry.start.origin, crops)
            refuse_other_split(entry.start, place.folder / HANDS)
    jobs = [_job(entry, task) for entry in chosen for task in TASKS]
    pace = TimeLeft(jobs)
    for entry, folder in zip(chosen, folders, strict=True):
        own = Place(folder, place.device, place.ranks, place.checkpoint_s)
        _train(entry, own, place.folder / HANDS, pace, say)
        if place.ranks.first:
            measure(folder, place.device, say, question)
        place.ranks.gathered(None)
    return folders


def _train(entry: Entry, place: Place, hands: Path, pace: TimeLeft, say: Say) -> None:
    if place.ranks.first:
        share_crops(hands, place.folder)
        keep_recipe(entry.recipe, place.folder)
        note_start(place.folder, entry.start)
    place.ranks.gathered(None)

    def report(progress: Progress) -> None:
        job = next(job for job in pace.jobs if job == _job(entry, progress.task))
        pace.learn(job, progress)
        say(_line(job, progress, pace))

    train_run(entry.recipe, kept_crops(place.folder), entry.start, place, say, report)


def _line(job: Job, progress: Progress, pace: TimeLeft) -> str:
    number, name = pace.jobs.index(job) + 1, paper_numbers.NAMES.get(job.architecture, job.architecture)
    return (
        f"{number} of {len(pace.jobs)}  {name} {progress.task} {progress.step}/{progress.steps} "
        f"loss {progress.loss:.3f}, {spoken(progress.seconds_left)} left; "
        f"all: about {spoken(pace.seconds_left(job, progress))}"
    )


def _job(entry: Entry, task: str) -> Job:
    part = entry.recipe.staging if task == "staging" else entry.recipe.recognition
    return Job(entry.recipe.architecture, task, part.epochs)


def _shortened(recipe: Recipe, epochs: float | None) -> Recipe:
    """The recipe with other epochs of both tasks, or as it is."""
    if epochs is None:
        return recipe
    parts: dict[str, object] = {
        task: getattr(recipe, task).model_copy(update={"epochs": epochs}) for task in TASKS
    }
    return recipe.model_copy(update=parts)


def _refuse_unknown(names: Sequence[str]) -> None:
    unknown = sorted(set(names) - set(paper_numbers.NAMES) - {""})
    if unknown:
        raise Fatal(f"expected architectures of {', '.join(paper_numbers.NAMES)}, found {', '.join(unknown)}")
