"""The Typer application with every command.

Exit codes are in `exit_codes`, examples and exit codes of the help in `help_pages`.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from ra_node import __version__
from ra_node.cli.analyse import files
from ra_node.cli.backup import keep
from ra_node.cli.bundle import bundle
from ra_node.cli.console import say
from ra_node.cli.exit_codes import as_node_error, exit_of
from ra_node.cli.guide import guide_app
from ra_node.cli.help_pages import complete
from ra_node.cli.operate import WATCH, watch
from ra_node.cli.options import DEFAULT_CONFIG, ConfigPath, config_file, named_settings
from ra_node.cli.patient import patient
from ra_node.cli.reader_study import reader_study
from ra_node.cli.withdraw import recall
from ra_node.runtime.log import SERVICES, configure_logging
from ra_node.runtime.output import leave
from ra_node.settings.node import load_settings

app = typer.Typer(
    name="ra-node",
    help="Reads hand radiographs for rheumatoid arthritis beside a PACS. Research use, not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SERVICE = "Run the node"

app.add_typer(watch)
app.add_typer(recall)
app.add_typer(bundle, name="bundle", rich_help_panel=WATCH)
app.add_typer(reader_study, name="reader-study", rich_help_panel=WATCH)
app.add_typer(patient, name="patient", rich_help_panel=WATCH)
app.add_typer(files)
app.add_typer(keep)
app.add_typer(guide_app)


def main() -> None:
    """Run the command line; every exception becomes one line and an exit code."""
    os.umask(0o077)  # files of the node are readable by its own account only
    service = next((word for word in sys.argv[1:2] if word in SERVICES), None)
    if service is None:
        configure_logging("command", level=logging.WARNING)
    else:
        configure_logging(service)
    try:
        app()
    except Exception as raised:  # noqa: BLE001 - no command ends with a traceback
        error = as_node_error(raised)
        if service is None or sys.stderr.isatty():
            say(f"ra-node: {error}", err=True)
        else:
            structlog.get_logger().error("start_refused", error=str(error))
        sys.exit(exit_of(error))
    except SystemExit as stopped:
        if service is not None and stopped.code in (0, None):
            leave(0)
        raise


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the versions and exit.")] = False,  # noqa: FBT002 - typer's idiom
) -> None:
    if version:
        from ra_node.bootstrap.package_data import shipped_bundle

        say(f"ra-node {__version__}")
        say(f"bundle {shipped_bundle()} (shipped; `ra-node bundle list` names the one in use)")
        raise typer.Exit


@app.command(rich_help_panel=SERVICE)
def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the node's state and the results; emptied first.")
    ] = Path("var/demo"),
    timeout_s: Annotated[float, typer.Option(help="Stop waiting after this many seconds.")] = 180.0,
) -> None:
    """Run the whole workflow on this machine: a phantom study is sent, analysed and reported."""
    from ra_node.bootstrap.commands import show_demo
    from ra_node.bootstrap.node_context import open_state
    from ra_node.cli.render_status import timeline_lines
    from ra_node.services.monitoring.overview import study_story

    for shown in show_demo(out, timeout_s, say):
        story = study_story(open_state(load_settings(shown.config)).ledger, shown.study_uid)
        say(f"\n{shown.title}\n\nTimeline")
        for line in timeline_lines(story):
            say(line)
        say(f"\n{story.text}")
        say("Files")
        for name, path in shown.files().items():
            say(f"  {name:<18} {path}")


@app.command(rich_help_panel=SERVICE)
def init(
    folder: Annotated[Path, typer.Argument(help="Folder for node.toml.")] = Path("/etc/ra-node"),
    data: Annotated[Path, typer.Option(help="Folder for received files, results and ledger.")] = Path(
        "/var/lib/ra-node"
    ),
    systemd: Annotated[  # noqa: FBT002 - typer's idiom
        bool,
        typer.Option(
            "--systemd", help="As root: also make account, folders, units and the command in the PATH."
        ),
    ] = False,
) -> None:
    """Write an initial configuration, and install the systemd services or print the folder of their units."""
    from ra_node.bootstrap.package_data import shipped, write_configuration

    there = folder.resolve() / "node.toml"
    if systemd and there.exists():
        say(f"configuration: {there}, unchanged")
    else:
        say(f"configuration: {write_configuration(folder.resolve(), data.resolve())}")
    if not systemd:
        say(f"systemd units: {shipped('systemd')}")
        return
    from ra_node.bootstrap.systemd_install import install_services

    for path in install_services():
        say(f"written: {path}")
    say(f"next: edit {there}, then `ra-node check`, then `systemctl enable --now ra-node.target`")


@app.command(rich_help_panel=SERVICE)
def run(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Run all roles on this machine and restart one that dies; stop with Ctrl-C or SIGTERM."""
    from ra_node.runtime.roles.supervised_node import supervise

    supervise(named_settings(config), config_file(config))


@app.command(rich_help_panel=SERVICE)
def listen(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Role: receive images by C-STORE and store them durably."""
    from ra_node.runtime.import_guard import block_imaging_imports

    block_imaging_imports()
    from ra_node.runtime.roles.listen import listen as role

    role(named_settings(config))


@app.command(rich_help_panel=SERVICE)
def work(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Role: detect hands, analyse them and make the reports."""
    from ra_node.runtime.roles.work import work as role

    role(named_settings(config))


@app.command(rich_help_panel=SERVICE)
def deliver(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Role: send the results to every destination, and retry until it has them."""
    from ra_node.runtime.roles.deliver import deliver as role

    role(named_settings(config))


@app.command(rich_help_panel=SERVICE)
def schedule(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Role: settle studies, expire leases of ended workers, maintenance."""
    from ra_node.runtime.roles.schedule import schedule as role

    role(named_settings(config))


@app.command(rich_help_panel=SERVICE)
def web(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Role: show the operator page, /metrics, /healthz and /readyz."""
    from ra_node.runtime.roles.web import web as role

    role(named_settings(config))


@app.command(name="web-password", rich_help_panel=SERVICE)
def web_password(
    name: Annotated[str, typer.Argument(help="Name of the account.")],
    remove: Annotated[bool, typer.Option("--remove", help="Delete this account.")] = False,  # noqa: FBT002 - typer's idiom
    role: Annotated[
        str, typer.Option("--role", help="operator, reader or lead; new accounts: operator.")
    ] = "",
    by_proxy: Annotated[  # noqa: FBT002 - typer's idiom
        bool, typer.Option("--by-proxy", help="No password: the proxy signs this user in.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Set or change a password of the operator page; prompts twice, or reads it from a pipe."""
    from ra_node.bootstrap.web import passwords
    from ra_node.web.passwords import role_named

    kept, asked = passwords(named_settings(config)), role_named(role)
    if remove:
        kept.remove(name)
    elif by_proxy:
        kept.set_role(name, asked or kept.role(name))
    else:
        kept.set(name, _asked_twice() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n"), asked)
    say(f"{kept.path}: {', '.join(kept.names()) or 'nobody'} may sign in")


def _asked_twice() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


complete(app)
