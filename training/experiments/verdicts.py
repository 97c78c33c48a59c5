"""Says of each experiment what it changed, and whether it is better than the base on the same hands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ra_node.errors import Fatal
from training.evaluation.paired import FIGURES, Difference, differences, refuse_other_hands
from training.experiments.run_summary import Shown

SAME_PICTURES = ("phalanx_px", "box_jitter", "rounds", "stages", "phantoms", "phantom_cuts", "untouched")
"""Keys of the data recipe that do not decide which held-out hands a run is measured on."""

IGNORED = ("name", "version", "start")


@dataclass(frozen=True, slots=True)
class Experiment:
    """One run beside the base."""

    name: str
    changed: str
    """What its recipe says otherwise, in words."""
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Versus:
    """A base, and experiments measured on the very same held-out hands."""

    base: str
    hands: int
    people: int
    experiments: tuple[Experiment, ...]


def versus(base: Shown, others: Sequence[Shown], seed: int = 0, resamples: int = 1000) -> Versus:
    """Compare each run with the base; raises Fatal where the held-out hands are not the same."""
    if not others:
        raise Fatal("expected one run or more beside the base, found none")
    for other in others:
        refuse_other_hands(base.held_out, other.held_out, (base.name, other.name))
        _refuse_other_pictures(base, other)
    return Versus(
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
    """What a run did otherwise than the base: every key of the recipe, the start, the members."""
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
    """The weights that a run began with, in words."""
    digest, _, name = run.started.partition("  ")
    if name.startswith("bundle "):
        return f"the {name}, sha256 {digest[:12]}"
    if name:
        return f"state file {name}, sha256 {digest[:12]}"
    return f"an earlier run of the same split, sha256 {digest[:12]}" if digest else "random weights"


def lines_of(found: Versus) -> list[str]:
    """The comparison for a terminal."""
    said = [f"base {found.base}, {found.hands} held-out hands of {found.people} people"]
    for one in found.experiments:
        said += ["", f"{one.name}: {one.changed}"]
        said += [f"  {FIGURES[each.figure]:36} {in_words(each)}" for each in one.differences]
    return said


def in_words(found: Difference) -> str:
    """A difference with its interval and what that says."""
    value, low, high = found.difference
    return f"{found.base:.3f} -> {found.other:.3f}  {value:+.3f} ({low:+.3f} to {high:+.3f})  {found.verdict}"


def _refuse_other_pictures(base: Shown, other: Shown) -> None:
    """Raise Fatal where patients and stages agree but the pictures were made otherwise.

    Pictures of another size are others to the last byte; then the recipes have to agree.
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
