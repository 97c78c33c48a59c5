"""Bundles as tables, or as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from ra_node.cli.console import console, print_json, table
from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.inference.bundles.bundle import Bundle
from ra_node.ledger.promotions import Choice, Promotion
from ra_node.services.models.registry import BundleLine
from ra_node.services.models.verify import Verdict


def print_verdict(verdict: Verdict, *, as_json: bool) -> None:
    """Identity, training data and figures of the bundle, then one row a check."""
    if as_json:
        print_json(_verdict_fields(verdict))
        return
    out = console()
    if verdict.bundle is not None:
        for line in _description(verdict.bundle):
            out.print(Text(line))
        out.print(_metrics(verdict.bundle))
    rows = table("", "check", "found", "what to do")
    for check in verdict.checks:
        word = Text("ok", "green") if check.ok else Text("FAIL", "bold red")
        rows.add_row(word, Text(check.name), Text(check.found), Text("" if check.ok else check.hint))
    out.print(rows)
    out.print("Sound." if verdict.sound else Text("Not fit for use.", "bold red"))


def print_bundles(lines: Sequence[BundleLine], error: str, *, as_json: bool) -> None:
    """One row a bundle; the one in use is marked, also without colour; `error` where it is missing."""
    if as_json:
        print_json([dataclasses.asdict(line) for line in lines])
        return
    rows = table("in use", "name", "version", "sha256", "since (UTC)", "by", "from", "folder")
    for line in lines:
        words = (line.name, line.version, line.sha256[:12], when(line.since), line.by or "", line.source)
        rows.add_row("yes" if line.in_use else "", *map(Text, (*words, line.folder.rpartition("/")[2])))
    out = console()
    out.print(rows)
    if error:
        out.print(Text(error, "bold red"))


def print_history(entries: Sequence[Promotion], *, as_json: bool) -> None:
    """One row a promotion or a rollback, oldest first."""
    if as_json:
        print_json([dataclasses.asdict(entry) for entry in entries])
        return
    rows = table("when (UTC)", "by", "what", "bundle")
    for entry in entries:
        what = "rolled back to" if entry.rolled_back else "promoted"
        rows.add_row(*map(Text, (when(entry.at), entry.by, what, choice_words(entry.choice))))
    console().print(rows if entries else Text("Nothing was promoted; the bundle of [models] is in use."))


def choice_words(choice: Choice | None) -> str:
    """A promoted bundle in words; None is that of the configuration."""
    return f"{choice.name} {choice.version} ({choice.sha256[:12]})" if choice else "the bundle of [models]"


def when(seconds: float | None) -> str:
    """A ledger time as readable UTC text."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _description(bundle: Bundle) -> list[str]:
    identity, manifest = bundle.identity, bundle.manifest
    lines = [
        f"{identity.name} {identity.version}, by {manifest.manufacturer}",
        f"sha256         {identity.sha256}",
        f"preprocessing  {manifest.preprocessing.id}",
        f"training data  {_training_data(bundle)}",
        f"domain         {domain_words(identity)}",
    ]
    return [*lines, *([f"notice         {identity.notice}"] if identity.notice else [])]


def domain_words(identity: BundleIdentity) -> str:
    """Domain of a bundle in words."""
    ages = (
        "of any age (none is stated)"
        if identity.ages is None
        else "from {:g} to {:g} years".format(*identity.ages)
    )
    casts = "also" if identity.casts else "not"
    return f"whole hands {ages}, {' or '.join(identity.views)} view, {casts} in plaster or with metal"


def _training_data(bundle: Bundle) -> str:
    told = bundle.manifest.training.get("data")
    return str(told) if told else "not stated"


def _metrics(bundle: Bundle) -> Table:
    rows = table("task", "network", "figure", "value (95 % interval)", "measured on")
    tasks = bundle.manifest.tasks
    for name, task in (("recognition", tasks.recognition), ("staging", tasks.staging)):
        for metric, (value, low, high) in task.metrics.items():
            interval = f"{value:.3f} ({low:.3f} to {high:.3f})"
            rows.add_row(name, task.architecture, metric.replace("_", " "), interval, task.metrics_on)
    if tasks.joints is not None:
        for metric, (value, low, high) in tasks.joints.metrics.items():
            interval = f"{value:.3f} ({low:.3f} to {high:.3f})"
            rows.add_row("joints", "shared", metric.replace("_", " "), interval, tasks.joints.metrics_on)
    return rows


def _verdict_fields(verdict: Verdict) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "folder": str(verdict.folder),
        "sound": verdict.sound,
        "checks": [dataclasses.asdict(check) for check in verdict.checks],
    }
    if verdict.bundle is not None:
        manifest = verdict.bundle.manifest.model_dump(mode="json")
        told = ("preprocessing", "tasks", "training", "notice", "domain")
        identity = verdict.bundle.identity
        fields |= {"name": identity.name, "version": identity.version, "sha256": identity.sha256}
        fields |= {name: manifest[name] for name in told}
    return fields
