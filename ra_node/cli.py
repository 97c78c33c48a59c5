"""The command line: every command in the words of a PACS administrator.

Exit codes: 0 done, 1 the check or the input failed, 2 the command or the configuration is wrong.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ra_node import __version__
from ra_node.bundle_commands import bundle
from ra_node.errors import Fatal, NodeError
from ra_node.log import configure_logging
from ra_node.options import DEFAULT_CONFIG, ConfigPath, Json, named_settings, settings_or_defaults
from ra_node.settings import load_settings

app = typer.Typer(
    name="ra-node",
    help="Reads hand radiographs for rheumatoid arthritis beside a PACS. Research use, not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SERVICE = "Run the node"
WATCH = "Watch and mend"
FILES = "Look at files"

app.add_typer(bundle, name="bundle", rich_help_panel=WATCH)


def main() -> None:
    """Run the command line; an error of the node becomes one clear line and an exit code."""
    os.umask(0o077)  # what the node writes is for its own account alone
    configure_logging("command", level=logging.WARNING)
    try:
        app()
    except NodeError as error:
        typer.echo(f"ra-node: {error}", err=True)
        sys.exit(2 if isinstance(error, Fatal) else 1)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,  # noqa: FBT002 - typer's idiom
) -> None:
    if version:
        typer.echo(f"ra-node {__version__}")
        raise typer.Exit


@app.command(rich_help_panel=SERVICE)
def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the node's state and the results; emptied first.")
    ] = Path("var/demo"),
    timeout_s: Annotated[float, typer.Option(help="Give up after this many seconds.")] = 180.0,
) -> None:
    """Show the whole way of a study on this machine: a phantom is sent, judged and answered."""
    from ra_node.bootstrap.commands import show_demo
    from ra_node.bootstrap.state import open_state
    from ra_node.services.overview import study_story
    from ra_node.terminal import story_lines

    shown = show_demo(out, timeout_s, typer.echo)
    story = study_story(open_state(load_settings(shown.config)).ledger, shown.study_uid)
    typer.echo("\nTimeline")
    for line in story_lines(story):
        typer.echo(line)
    typer.echo(f"\n{story.text}")
    typer.echo("Files")
    for name, path in shown.files().items():
        typer.echo(f"  {name:<18} {path}")


@app.command(rich_help_panel=SERVICE)
def run(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Run all roles on this machine and restart one that dies; stop with Ctrl-C or SIGTERM."""
    from ra_node.roles import supervise

    supervise(named_settings(config), config)


@app.command(rich_help_panel=SERVICE)
def listen(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Role: receive images by C-STORE and keep them safely."""
    from ra_node.roles import listen as role

    role(named_settings(config))


@app.command(rich_help_panel=SERVICE)
def work(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Role: find hands, judge them and make the results."""
    from ra_node.roles import work as role

    role(named_settings(config))


@app.command(rich_help_panel=SERVICE)
def deliver(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Role: send the results to every destination, again and again until it has them."""
    from ra_node.roles import deliver as role

    role(named_settings(config))


@app.command(rich_help_panel=SERVICE)
def schedule(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Role: settle studies, take back the work of dead workers, tidy up."""
    from ra_node.roles import schedule as role

    role(named_settings(config))


@app.command(rich_help_panel=WATCH)
def check(config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:  # noqa: FBT002 - typer's idiom
    """Check settings, folders, disk, model bundle and every peer; each failed row says what to do."""
    from ra_node.bootstrap.commands import preflight
    from ra_node.terminal import print_checks

    checks = preflight(named_settings(config))
    print_checks(checks, as_json=as_json)
    if any(not row.ok for row in checks):
        raise typer.Exit(1)


@app.command(rich_help_panel=WATCH)
def status(config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:  # noqa: FBT002 - typer's idiom
    """Show what waits, what is done, what was delivered where, and what needs a person."""
    from ra_node.bootstrap.commands import look_over
    from ra_node.terminal import print_overview

    print_overview(look_over(named_settings(config)), as_json=as_json)


@app.command(rich_help_panel=WATCH)
def studies(
    uid: Annotated[
        str | None, typer.Argument(help="Study Instance UID: show the timeline of this one.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(help="How many, the last received first.")] = 50,
    as_json: Json = False,  # noqa: FBT002 - typer's idiom
) -> None:
    """List the studies with their state, or the timeline of one."""
    from ra_node.bootstrap.state import open_state
    from ra_node.services.overview import list_studies, study_story
    from ra_node.terminal import print_story, print_studies

    ledger = open_state(named_settings(config)).ledger
    if uid is None:
        print_studies(list_studies(ledger, limit), as_json=as_json)
    else:
        print_story(study_story(ledger, uid), as_json=as_json)


@app.command(rich_help_panel=WATCH)
def requeue(
    uid: Annotated[
        str, typer.Argument(help="Study Instance UID, the id of one job, or the name of a destination.")
    ],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Try again what was buried; a destination that was out of reach is tried again at once."""
    from ra_node.bootstrap.state import open_state
    from ra_node.ledger.outage import end_outage
    from ra_node.ledger.queue import requeue as bring_back

    ledger = open_state(named_settings(config)).ledger
    count, was_away = bring_back(ledger, uid), end_outage(ledger, uid)
    typer.echo(f"{count} job{'' if count == 1 else 's'} requeued")
    if was_away:
        typer.echo(f"{uid} is tried again now")
    elif count == 0:
        typer.echo("Nothing is buried under this name; `ra-node status` lists what is.", err=True)
        raise typer.Exit(1)


@app.command(rich_help_panel=WATCH)
def drop(
    uid: Annotated[str | None, typer.Argument(help="Study Instance UID; without it, all studies.")] = None,
    peer: Annotated[str | None, typer.Option(help="Only what waits for this destination.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Give up results that will never be delivered or committed, so that nothing waits for them."""
    from ra_node.bootstrap.state import open_state
    from ra_node.ledger.drop import drop as give_up

    if uid is None and peer is None:
        raise Fatal("name a study, or a destination with --peer, or both")
    count = give_up(open_state(named_settings(config)).ledger, study_uid=uid, peer=peer)
    typer.echo(f"{count} object{'' if count == 1 else 's'} dropped")
    if count == 0:
        typer.echo("Nothing waits under this name; `ra-node status` lists what does.", err=True)
        raise typer.Exit(1)


@app.command(rich_help_panel=WATCH)
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,  # noqa: FBT002 - typer's idiom
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Remove the files of finished studies older than [retention] keep_days, as the node does each hour."""
    from ra_node.bootstrap.keeping import purge_now

    removed = purge_now(named_settings(config), dry_run=dry_run)
    verb = "would be removed" if dry_run else "removed"
    size = f"{removed.bytes / 2**20:.1f} MiB"
    typer.echo(f"{removed.studies} studies, {removed.files} files, {size} {verb}")


@app.command(rich_help_panel=FILES)
def hands(
    files: Annotated[list[Path], typer.Argument(help="DICOM or PNG radiographs.")],
    config: ConfigPath = DEFAULT_CONFIG,
    picture: Annotated[Path | None, typer.Option(help="Also draw what was found into this folder.")] = None,
    as_json: Json = False,  # noqa: FBT002 - typer's idiom
) -> None:
    """Say which hands are in each file, where, and which side; or why there are none."""
    from ra_node.bootstrap.working import reading_rules
    from ra_node.services.offline import draw_file, find_in_file
    from ra_node.terminal import hands_line, print_hands

    rules = reading_rules(settings_or_defaults(config))
    failed = False
    for path in files:
        try:
            finding = draw_file(path, rules, picture) if picture else find_in_file(path, rules)
            line = hands_line(path, finding)
        except (NodeError, OSError) as error:
            failed = True
            line = {"file": str(path), "hands": [], "refusal": str(error)}
        typer.echo(json.dumps(line)) if as_json else print_hands(line)
    if failed:
        raise typer.Exit(1)


@app.command(rich_help_panel=FILES)
def analyse(
    files: Annotated[list[Path], typer.Argument(help="DICOM radiographs; one report a study.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder for SR, overlay, PNG and report.json.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Do the whole analysis of files without a network and write the results to a folder."""
    from ra_node.bootstrap.working import build_offline
    from ra_node.services.offline import studies_of
    from ra_node.terminal import progress

    found = studies_of(files)
    analyse_files = build_offline(settings_or_defaults(config))
    for done in progress(analyse_files(found, out), "Analysing studies", len(found)):
        typer.echo((done.files[0].parent / "report.txt").read_text(encoding="utf-8"))
        for path in done.files:
            typer.echo(f"  {path}")
