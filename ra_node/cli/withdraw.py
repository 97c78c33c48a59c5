"""The command that takes results back: one study, or all of a bundle since a day."""
# ruff: noqa: PLC0415, FBT002 - imports inside, so that other commands start fast; a flag is a bool in typer's idiom

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ra_node.cli.console import print_json, say
from ra_node.cli.operate import WATCH
from ra_node.cli.options import DEFAULT_CONFIG, ConfigPath, Json, account, checked_option, named_settings

if TYPE_CHECKING:
    from ra_node.services.withdrawal.request import WithdrawalPlan

recall = typer.Typer()


@recall.command(rich_help_panel=WATCH)
def withdraw(
    uid: Annotated[str | None, typer.Argument(help="Study Instance UID.")] = None,
    reason: Annotated[
        str, typer.Option(help="Why, for readers of the report; no patient data, at most 200 characters.")
    ] = "",
    safety: Annotated[
        bool, typer.Option("--safety", help="For patient safety (DCM 113037), not for quality (DCM 113001).")
    ] = False,
    bundle: Annotated[
        str | None, typer.Option(help="All results of this bundle: 8 or more digits of its SHA-256.")
    ] = None,
    since: Annotated[
        str, typer.Option(help="With --bundle: results since this date or time (UTC), e.g. 2026-11-01.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be withdrawn.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Take results back: destinations get a version that says "withdrawn", or a rejection note."""
    from ra_node.bootstrap.node_context import open_state
    from ra_node.cli.render_events import moment
    from ra_node.domain.report import WithdrawalCause
    from ra_node.domain.texts.withdrawal import checked_reason
    from ra_node.services.monitoring.operator_actions import Operator, acted
    from ra_node.services.withdrawal.request import (
        checked_digits,
        plan_for_bundle,
        plan_for_study,
        request_plan,
    )

    if (uid is None) == (bundle is None):
        raise typer.BadParameter("name a study, or a bundle with --bundle")
    if bundle is not None and not since:
        raise typer.BadParameter("--bundle needs --since, e.g. --since 2026-11-01")
    if bundle is None and since:
        raise typer.BadParameter("--since belongs to --bundle")
    start = moment(since)
    if bundle is not None:
        bundle = checked_option("--bundle", checked_digits, bundle)
    if not dry_run or reason:
        reason = checked_option("--reason", checked_reason, reason)
    ledger = open_state(named_settings(config)).ledger
    plan = plan_for_study(ledger, str(uid)) if bundle is None else plan_for_bundle(ledger, bundle, start)
    count = 0
    if not dry_run:
        cause = WithdrawalCause.PATIENT_SAFETY if safety else WithdrawalCause.QUALITY
        by = Operator(account(), "")
        count = request_plan(ledger, plan, cause, reason, by.name)
        named = {"bundle": bundle, "since": since} if bundle else {}
        acted(ledger, by, "withdrawal_requested", uid, studies=count, cause=cause, reason=reason, **named)
    _print(plan, count, dry_run=dry_run, as_json=as_json)
    if not plan.results:
        raise typer.Exit(1)


def _print(plan: WithdrawalPlan, count: int, *, dry_run: bool, as_json: bool) -> None:
    uids = [one.study_uid for one in plan.results]
    if as_json:
        print_json({"studies": uids, "requested": count, "purged": plan.purged, "dry_run": dry_run})
        return
    for uid in uids if dry_run else ():
        say(uid)
    for uid in plan.purged:
        say(f"{uid}: removed by retention, withdraw it in the archive", err=True)
    if dry_run:
        say(f"{_results(len(uids))} would be withdrawn")
    elif not uids:
        say("Nothing is left to withdraw.", err=True)
    else:
        before = len(uids) - count
        known = f", {before} requested before" if before else ""
        say(f"{_results(count)} to be withdrawn{known}; `ra-node studies UID` shows each withdrawal")


def _results(count: int) -> str:
    return f"{count} result{'' if count == 1 else 's'}"
