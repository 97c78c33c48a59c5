"""For each experiment: what it changed, and whether it is better than the base on the same hands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ra_node.errors import Fatal
from training.evaluation.paired import FIGURES, Difference, differences, refuse_other_hands
from training.experiments.run_summary import Shown

SAME_PICTURES = ("phalanx_px", "box_jitter", "rounds", "stages", "phantoms", "phantom_cuts", "untouched")
"""Keys of the data recipe that do not affect the held-out hands."""

IGNORED = ("name", "version", "start")


@dataclass(frozen=True, slots=True)
class Experiment:
    """One run beside the base."""

    name: str
    changed: str
    """Differences of its recipe, as text."""
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class RunComparison:
    """A base, and experiments evaluated on the same held-out hands."""

    base: str
    hands: int
    people: int
    experiments: tuple[Experiment, ...]


def versus(base: Shown, others: Sequence[Shown], seed: int = 0, resamples: int = 1000) -> RunComparison:
    """Compare each run with the base; raises Fatal where the held-out hands are not the same."""
    if not others:
        raise Fatal("expected one run or more beside the base, found none")
    for other in others:
        refuse_other_hands(base.held_out, other.held_out, (base.name, other.name))
        _refuse_other_pictures(base, other)
    return RunComparison(
        base.name,
        len(base.held_out.stages),
        base.held_out.people,
        tuple(
            Experiment(
                other.name,
                changes(base, other),
                tuple(differences(base.held_out, other.held_out, seed, resamples)),
            )
            for other in others
        ),
    )


def changes(base: Shown, other: Shown) -> str:
    """Differences of a run to the base: keys of the recipe, initial weights, members."""
    left, right = _flat(base.recipe.model_dump()), _flat(other.recipe.model_dump())
    said = [
        f"{key} {_value(right.get(key))} instead of {_value(left.get(key))}"
        for key in dict.fromkeys([*left, *right])
        if left.get(key) != right.get(key) and key not in IGNORED
    ]
    if base.started != other.started:
        said.append(f"began with {begun_with(other)} instead of {begun_with(base)}")
    if other.members:
        said.insert(0, f"mean of {len(other.members)} runs: {', '.join(other.members)}")
    return "; ".join(said) or "nothing in the recipe"


def begun_with(run: Shown) -> str:
    """The initial weights of a run, as text."""
    digest, _, name = run.started.partition("  ")
    if name.startswith("bundle "):
        return f"the {name}, sha256 {digest[:12]}"
    if name:
        return f"state file {name}, sha256 {digest[:12]}"
    return f"an earlier run of the same split, sha256 {digest[:12]}" if digest else "random weights"


def lines_of(found: RunComparison) -> list[str]:
    """The comparison for a terminal."""
    said = [f"base {found.base}, {found.hands} held-out hands of {found.people} people"]
    for one in found.experiments:
        said += ["", f"{one.name}: {one.changed}"]
        said += [f"  {FIGURES[each.figure]:36} {in_words(each)}" for each in one.differences]
    return said


def in_words(found: Difference) -> str:
    """A difference with its interval and verdict."""
    value, low, high = found.difference
    return f"{found.base:.3f} -> {found.other:.3f}  {value:+.3f} ({low:+.3f} to {high:+.3f})  {found.verdict}"


def _refuse_other_pictures(base: Shown, other: Shown) -> None:
    """Raise Fatal where patients and stages agree but the images differ.

    Images of another size differ in every byte; then the recipes must agree.
    """
    if base.recipe.side_px == other.recipe.side_px:
        same = base.held_out_key == other.held_out_key
    else:
        same = _pictures(base) == _pictures(other)
    if not same:
        raise Fatal(
            f"expected the held-out images of {base.name} (hash {base.held_out_key[:12]}) in {other.name}, "
            f"found others of the same patients (hash {other.held_out_key[:12]}): another simulation, or "
            "another version of it"
        )


def _pictures(run: Shown) -> Mapping[str, object]:
    data = run.recipe.data.model_dump(exclude=set(SAME_PICTURES))
    return {**data, "seed": run.recipe.seed, **run.result.dataset}


def _flat(held: Mapping[str, object], above: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in held.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return flat


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value}"
