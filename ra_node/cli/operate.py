"""Commands that show the state of the node and act on jobs.

A command imports only what it runs, so that the other commands start fast.
"""
# ruff: noqa: PLC0415, FBT002 - imports inside, see above; a flag is a bool in typer's idiom

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from ra_node.cli.console import print_json, say
from ra_node.cli.options import (
    DEFAULT_CONFIG,
    ConfigPath,
    Json,
    account,
    named_settings,
    settings_or_defaults,
)

WATCH = "Operate"
READY_POLL_S = 0.5

watch = typer.Typer()


@watch.command(rich_help_panel=WATCH)
def check(
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
    roundtrip: Annotated[
        bool,
        typer.Option(
            "--roundtrip",
            help="Also store the report and overlay of a phantom at each destination, and read them back.",
        ),
    ] = False,
) -> None:
    """Check settings, folders, disk, model bundle and every peer; each failed row says what to do."""
    from ra_node.bootstrap.commands import preflight
    from ra_node.cli.render_status import print_checks

    checks = preflight(named_settings(config), roundtrip=roundtrip)
    print_checks(checks, as_json=as_json)
    if any(not row.ok for row in checks):
        raise typer.Exit(1)


@watch.command(rich_help_panel=WATCH)
def conformance(
    config: ConfigPath = DEFAULT_CONFIG,
    form: Annotated[
        Literal["md", "html"], typer.Option("--format", help="Markdown, or one HTML page.")
    ] = "md",
    out: Annotated[Path | None, typer.Option(help="File to write; without it, standard output.")] = None,
) -> None:
    """Write the DICOM conformance statement (PS3.2) of this configuration."""
    from ra_node.bootstrap.commands import statement_of
    from ra_node.dicom.conformance.document import as_html, as_markdown

    statement = statement_of(settings_or_defaults(config))
    text = as_html(statement) if form == "html" else as_markdown(statement)
    if out is None:
        say(text, end="")
    else:
        out.write_text(text, encoding="utf-8")


@watch.command(rich_help_panel=WATCH)
def status(config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Show queued and finished work, deliveries, and what an operator must do."""
    from ra_node.bootstrap.commands import look_over
    from ra_node.cli.render_status import print_overview

    print_overview(look_over(named_settings(config)), as_json=as_json)


@watch.command(rich_help_panel=WATCH)
def ready(
    config: ConfigPath = DEFAULT_CONFIG,
    wait_s: Annotated[float, typer.Option(help="Wait at most this many seconds until it is ready.")] = 0.0,
    as_json: Json = False,
) -> None:
    """For health checks: exit 0 if a study that comes now is received, analysed and delivered, else 4.

    Conditions: ledger, free disk, every needed role, a worker with a bundle; as /readyz of the operator page.
    """
    from ra_node.bootstrap.commands import readiness
    from ra_node.cli.exit_codes import Exit

    settings, deadline = named_settings(config), time.monotonic() + wait_s
    while True:
        missing = [sign.name for sign in readiness(settings) if not sign.holds]
        if not missing or time.monotonic() >= deadline:
            break
        time.sleep(READY_POLL_S)
    if as_json:
        print_json({"ready": not missing, "missing": missing})
    else:
        say(f"not ready: {', '.join(missing)}" if missing else "ready")
    if missing:
        raise typer.Exit(Exit.NOT_NOW)


@watch.command(rich_help_panel=WATCH)
def studies(
    uid: Annotated[
        str | None, typer.Argument(help="Study Instance UID: show report and timeline of this one.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(help="Number of studies to list, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List the studies with their state, or the report and timeline of one."""
    from ra_node.bootstrap.node_context import open_state
    from ra_node.cli.render_status import print_story, print_studies
    from ra_node.services.monitoring.overview import list_studies, study_story

    ledger = open_state(named_settings(config)).ledger
    if uid is None:
        print_studies(list_studies(ledger, limit), as_json=as_json)
    else:
        print_story(study_story(ledger, uid), as_json=as_json)


@watch.command(rich_help_panel=WATCH)
def requeue(
    uid: Annotated[
        str, typer.Argument(help="Study Instance UID, the id of one job, or the name of a destination.")
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Requeue buried jobs; an unreachable destination is tried at once."""
    from ra_node.bootstrap.node_context import open_state
    from ra_node.ledger.jobs.requeue import has_jobs
    from ra_node.services.monitoring.operator_actions import Operator, try_again

    settings = named_settings(config)
    ledger = open_state(settings).ledger
    found = try_again(ledger, uid, Operator(account(), ""))
    if as_json:
        print_json({"requeued": found.jobs, "tried_now": found.was_out_of_reach})
    else:
        say(f"{found.jobs} job{'' if found.jobs == 1 else 's'} requeued")
        if found.was_out_of_reach:
            say(f"{uid} is retried now")
    if not found.jobs and not found.was_out_of_reach:
        known = uid in {peer.name for peer in settings.peer} or has_jobs(ledger, uid)
        if not known:
            say(
                f"No study, job or destination has the name {uid}; `ra-node status` lists buried jobs.",
                err=True,
            )
            raise typer.Exit(1)
        say("Nothing is buried under this name (any more).", err=True)


@watch.command(rich_help_panel=WATCH)
def drop(
    uid: Annotated[str | None, typer.Argument(help="Study Instance UID; without it, all studies.")] = None,
    peer: Annotated[str | None, typer.Option(help="Only objects queued for this destination.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Drop results that will never be delivered or committed, so that nothing waits for them."""
    from ra_node.bootstrap.node_context import open_state
    from ra_node.ledger.jobs.abandon import drop as give_up
    from ra_node.services.monitoring.operator_actions import Operator, acted

    if uid is None and peer is None:
        raise typer.BadParameter("name a study, or a destination with --peer, or both")
    ledger = open_state(named_settings(config)).ledger
    count = give_up(ledger, study_uid=uid, peer=peer)
    if count:
        acted(ledger, Operator(account(), ""), "dropped", uid, peer=peer, objects=count)
    if as_json:
        print_json({"dropped": count})
    else:
        say(f"{count} object{'' if count == 1 else 's'} dropped")
    if count == 0:
        say("Nothing is pending under this name; `ra-node status` lists what is.", err=True)
        raise typer.Exit(1)


@watch.command(rich_help_panel=WATCH)
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Remove the files of finished studies older than [retention] keep_days, as the node does each hour."""
    from ra_node.bootstrap.maintenance import purge_now
    from ra_node.bootstrap.node_context import open_state
    from ra_node.services.monitoring.operator_actions import Operator, acted

    settings = named_settings(config)
    removed = purge_now(settings, dry_run=dry_run)
    if not dry_run:
        by = Operator(account(), "")
        acted(open_state(settings).ledger, by, "purged", studies=removed.studies, files=removed.files)
    if as_json:
        print_json({**dataclasses.asdict(removed), "dry_run": dry_run})
        return
    verb = "would be removed" if dry_run else "removed"
    size = f"{removed.bytes / 2**20:.1f} MiB"
    say(f"{removed.studies} studies, {removed.files} files, {size} {verb}")


@watch.command(rich_help_panel=WATCH)
def clock(
    accept: Annotated[bool, typer.Option("--accept", help="The clock is right now: trust it again.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Show whether this machine's clock is trusted; nothing is purged and nothing expires while it is not."""
    from ra_node.bootstrap.node_context import build_clock_watch, open_state
    from ra_node.services.monitoring.operator_actions import Operator, acted

    settings = named_settings(config)
    state = open_state(settings)
    watched = build_clock_watch(settings, state)
    reason = watched.accept() if accept else watched.trust().reason
    if accept:
        acted(state.ledger, Operator(account(), ""), "clock_accepted", was=reason)
    if as_json:
        print_json({"believed": accept or not reason, "reason": reason})
    elif not reason:
        say("The clock is trusted.")
    else:
        say(f"Accepted, though {reason}." if accept else f"Not trusted: {reason}.")
    if reason and not accept:
        raise typer.Exit(1)


@watch.command(rich_help_panel=WATCH)
def audit(
    since: Annotated[
        str,
        typer.Option(help="Only events since this date or time (UTC), e.g. 2026-11-01 or 2026-11-01T08:00."),
    ] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV for a spreadsheet.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Print the event log: who sent, received, signed in or changed what, and who was rejected."""
    from ra_node.bootstrap.node_context import open_state
    from ra_node.cli.render_events import moment, print_trail
    from ra_node.ledger.event_query import trail
    from ra_node.services.monitoring.operator_actions import Operator, acted

    start = moment(since)
    ledger = open_state(named_settings(config)).ledger
    acted(ledger, Operator(account(), ""), "trail_read", since=since)
    print_trail(trail(ledger, start), as_json=as_json, as_csv=as_csv)
