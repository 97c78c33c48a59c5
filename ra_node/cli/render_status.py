"""Status, preflight, studies and hands as text, or as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ra_node.cli.console import console, print_json, table
from ra_node.domain.report import ImageFinding
from ra_node.ledger.alarms import Alarm
from ra_node.ledger.overview import StudyLine
from ra_node.services.delivery.destination_status import Disk, DiskSpace, complaints
from ra_node.services.models.status import Models, bundle_words, refusals
from ra_node.services.monitoring.overview import Overview, StudyTimeline
from ra_node.services.monitoring.state_labels import STUDY, count_label, delivery_label, event_details
from ra_node.services.preflight.alarms import hint_of, words_of
from ra_node.services.preflight.check import Check

_T = TypeVar("_T")


def print_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    """One row a check; a failed one says what to do."""
    if as_json:
        print_json([dataclasses.asdict(row) for row in checks])
        return
    rows = table("", "check", "found", "what to do")
    for row in checks:
        verdict = Text("ok", "green") if row.ok else Text("FAIL", "bold red")
        rows.add_row(verdict, *map(Text, (row.name, row.found, row.hint)))
    console().print(rows)


def print_overview(view: Overview, *, as_json: bool) -> None:
    """Counts first, then what an operator must do."""
    if as_json:
        print_json(dataclasses.asdict(view))
        return
    out = console()
    _print_alarms(out, view.alarms)
    out.print(f"Node software: ra-node {view.node_version}")
    _print_roles(out, view.roles)
    _print_models(out, view.models)
    _print_disk(out, view.disk)
    if not view.studies:
        if not view.alarms:
            out.print("Nothing was received yet.")
        return
    out.print(_count_table(view))
    if view.oldest_unanswered is not None:
        out.print(f"Oldest image without a report: {_age(view.at - view.oldest_unanswered)}")
    for standing in view.peers:
        for complaint in complaints(standing, view.at):
            words = f" {complaint.found}; {complaint.hint}"
            out.print(Text.assemble((f"destination {standing.peer}", "bold red"), words))
    for job in view.buried:
        words = f" {job.kind} {job.study_uid} job {job.id}: {job.last_error}"
        out.print(Text.assemble(("buried", "red"), words))
    if view.buried:
        out.print("Fix the cause, then `ra-node requeue STUDY_UID`.")


def _print_roles(out: Console, roles: Mapping[str, int]) -> None:
    """The running roles, and the needed ones that do not run."""
    running = [role if count == 1 else f"{role} ({count})" for role, count in roles.items() if count]
    absent = [role for role, count in roles.items() if not count]
    line = Text(f"Roles: {', '.join(running) or 'none'} running")
    if absent:
        line.append(f"; not running: {', '.join(absent)}", style="bold red" if running else "")
    out.print(line)


def _count_table(view: Overview) -> Table:
    rows = table("what", "state", "count")
    tables = {
        "studies": view.studies,
        "jobs": view.jobs,
        "deliveries": view.deliveries,
        "commitments": view.commitments,
    }
    for name, counts in tables.items():
        for state, count in sorted(counts.items()):
            rows.add_row(name, count_label(name, state), str(count))
    return rows


def _print_alarms(out: Console, raised: Sequence[Alarm]) -> None:
    """Alarms come first, then the hint for each kind."""
    for alarm in raised:
        words = f" since {_when(alarm.since)} UTC: {words_of(alarm)}"
        out.print(Text.assemble((f"ALARM {alarm.kind}", "bold red"), words))
    for kind in dict.fromkeys(alarm.kind for alarm in raised):
        out.print(Text(f"{kind}: {hint_of(kind)}"))


def _print_models(out: Console, models: Models) -> None:
    """The bundle in use, and workers that differ from it."""
    if models.in_use is None:
        out.print(Text.assemble(("no model bundle", "bold red"), f" {models.error}"))
    else:
        out.print(Text(f"Model bundle: {bundle_words(models.in_use)}"))
    for refusal in refusals(models.workers):
        out.print(Text.assemble(("worker", "bold red"), f" {refusal}"))


def _print_disk(out: Console, disk: Disk | None) -> None:
    """Nothing while the disk has enough free space."""
    if disk is None or disk.room is DiskSpace.ENOUGH:
        return
    free, low, enough = (f"{size / 2**30:.1f} GiB" for size in (disk.free, disk.low, disk.enough))
    if disk.room is DiskSpace.LOW:
        words = f" {free} free, below {low}: images are refused and analysis waits"
    else:
        words = f" {free} free: if it was below {low}, the node waits for {enough}"
    out.print(Text.assemble(("disk", "bold red"), words))


def print_studies(lines: Sequence[StudyLine], *, as_json: bool) -> None:
    """One row a study, the last received first."""
    if as_json:
        print_json([dataclasses.asdict(line) for line in lines])
        return
    rows = table("last image (UTC)", "study", "state", "images", "version", "delivered", "error")
    for line in lines:
        delivered = ", ".join(f"{d.peer}: {delivery_label(d.state, d.commitment)}" for d in line.deliveries)
        rows.add_row(
            _when(line.last_received_at),
            line.study_uid,
            STUDY[line.state],
            str(line.instances),
            str(line.answered_version),
            delivered,
            Text(line.last_error or ""),
        )
    console().print(rows)


def print_story(story: StudyTimeline, *, as_json: bool) -> None:
    """The report of one study, its timeline, then the delivery state of each object."""
    if as_json:
        print_json(dataclasses.asdict(story))
        return
    for line in story_lines(story):
        console().print(line, highlight=False, markup=False)


def story_lines(story: StudyTimeline) -> Iterator[str]:
    """The report, then the timeline."""
    if story.text:
        yield from (*story.text.splitlines(), "")
    yield from timeline_lines(story)


def timeline_lines(story: StudyTimeline) -> Iterator[str]:
    """The timeline in seconds since the first image, then one line a delivered object."""
    start = story.events[0].at if story.events else 0.0
    for event in story.events:
        detail = "  ".join(f"{key}={value}" for key, value in event_details(event.detail))
        yield f"{event.at - start:8.2f} s  {event.what:<20} {detail}"
    for delivery in story.deliveries:
        state = delivery_label(delivery.state, delivery.commitment)
        yield f"  {delivery.peer}: {delivery.object.kind} {state} {delivery.detail or ''}"


def hands_line(path: Path, finding: ImageFinding) -> dict[str, Any]:
    """Output of `ra-node hands` for one file as JSON."""
    hands = [
        {
            "box": [hand.region.box.x0, hand.region.box.y0, hand.region.box.x1, hand.region.box.y1],
            "side": hand.side.side,
            "evidence": hand.side.evidence,
            "rotation": hand.region.rotation,
            "score": round(hand.region.score, 3),
            "joints": {
                joint.name: [round(joint.at.x, 1), round(joint.at.y, 1), round(joint.score, 3)]
                for joint in hand.region.joints
            },
            "view": hand.region.view and hand.region.view.view,
            "view_probability": hand.region.view and round(hand.region.view.probability, 3),
            "refusal": next((one.text for one in (hand.refusal, *hand.outside) if one is not None), None),
        }
        for hand in finding.hands
    ]
    return {"file": str(path), "hands": hands, "refusal": finding.refusal.text if finding.refusal else None}


def print_hands(line: dict[str, Any]) -> None:
    """Output of `ra-node hands` for one file as text."""
    out = console()
    out.print(line["file"], highlight=False, markup=False)
    for hand in line["hands"]:
        text = f"  side {hand['side'] or 'undetermined'} ({hand['evidence']}), box {hand['box']}"
        refused = f", refused: {hand['refusal']}" if hand["refusal"] else ""
        text += f", fingers at {hand['rotation']} degrees, {len(hand['joints'])} joints"
        text += f", score {hand['score']:.2f}"
        if hand["view"]:
            text += f", view {hand['view']} ({round(100 * hand['view_probability'])} %)"
        text += refused
        out.print(text, highlight=False, markup=False)
    if line["refusal"]:
        out.print(f"  refused: {line['refusal']}", highlight=False, markup=False)


def progress(items: Iterable[_T], what: str, total: int | None = None) -> Iterator[_T]:
    """Iterate with a progress bar on standard error."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        yield from bar.track(items, description=what, total=total)


def _age(seconds: float) -> str:
    """Age as text; a time in the future means that the clock was set back."""
    return (
        f"{seconds:.0f} s ago"
        if seconds >= 0
        else f"from {-seconds:.0f} s in the future: the clock was set back"
    )


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
