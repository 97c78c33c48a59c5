"""`ra-node bundle ...`: verify, install, promote and roll back model bundles.

A command imports only what it runs, so that the other commands start fast.
"""
# ruff: noqa: PLC0415, FBT002 - imports inside, see above; a flag is a bool in typer's idiom

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Annotated

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

bundle = typer.Typer(
    help="Verify, install, promote and roll back the model bundle.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Folder = Annotated[
    Path, typer.Argument(help="Folder of the bundle.", exists=True, file_okay=False, show_default=False)
]


@bundle.command()
def verify(folder: Folder, config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Check manifest, hashes, preprocessing and card, and analyse a phantom hand; exit 1: not fit for use."""
    from ra_node.bootstrap.analysis import verify_bundle
    from ra_node.cli.render_bundles import print_verdict

    verdict = verify_bundle(settings_or_defaults(config), folder)
    print_verdict(verdict, as_json=as_json)
    if not verdict.sound:
        raise typer.Exit(1)


@bundle.command()
def install(folder: Folder, config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Verify a bundle and copy it into the node's data folder; it is not used before `promote`."""
    from ra_node.bootstrap.analysis import verify_bundle
    from ra_node.bootstrap.node_context import build_shelf, open_state
    from ra_node.services.models.promote import install_bundle

    settings = named_settings(config)
    store = build_shelf(settings, open_state(settings)).store
    installed = install_bundle(folder, store, partial(verify_bundle, settings))
    identity = installed.identity
    if as_json:
        told = {"name": identity.name, "version": identity.version, "sha256": identity.sha256}
        print_json({**told, "folder": installed.folder})
        return
    say(f"Installed {identity.name} {identity.version} ({identity.sha256[:12]}) in {installed.folder}")
    say(f"To use it: ra-node bundle promote {installed.folder.name}")


@bundle.command("list")
def list_bundles(config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """List the bundles: which is in use, since when, and by whose promotion."""
    from ra_node.bootstrap.commands import models_now
    from ra_node.bootstrap.node_context import build_shelf, open_state
    from ra_node.cli.render_bundles import print_bundles

    settings = named_settings(config)
    lines = build_shelf(settings, open_state(settings)).lines()
    print_bundles(lines, models_now(settings).error, as_json=as_json)


@bundle.command()
def promote(
    name: Annotated[
        str, typer.Argument(help="Folder name, name, or first digits of the hash, as `list` shows them.")
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Use an installed bundle: every worker loads it at its next batch."""
    from ra_node.bootstrap.analysis import verify_bundle
    from ra_node.bootstrap.node_context import build_shelf, open_state
    from ra_node.cli.render_bundles import choice_words
    from ra_node.services.models.promote import promote_bundle

    settings = named_settings(config)
    shelf = build_shelf(settings, open_state(settings))
    changed = promote_bundle(shelf, name, account(), partial(verify_bundle, settings))
    if as_json:
        print_json(dataclasses.asdict(changed))
        return
    if changed.now == changed.was:
        say(f"{choice_words(changed.now)} is in use already; nothing was changed.")
        return
    say(f"Promoted {choice_words(changed.now)}; before: {choice_words(changed.was)}.")
    say("Workers load it at their next batch; `ra-node status` shows a worker that cannot.")
    say("To go back: ra-node bundle rollback")


@bundle.command()
def rollback(config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Return to the bundle that was in use before the last promotion."""
    from ra_node.bootstrap.analysis import verify_bundle
    from ra_node.bootstrap.node_context import build_shelf, open_state
    from ra_node.cli.render_bundles import choice_words
    from ra_node.services.models.promote import roll_back_bundle

    settings = named_settings(config)
    shelf = build_shelf(settings, open_state(settings))
    changed = roll_back_bundle(shelf, account(), partial(verify_bundle, settings))
    if as_json:
        print_json(dataclasses.asdict(changed))
        return
    say(f"Rolled back to {choice_words(changed.now)}; before: {choice_words(changed.was)}.")
    say("Workers load it at their next batch; `ra-node status` shows a worker that cannot.")


@bundle.command()
def history(config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """List the promotions and rollbacks with account and time, oldest first."""
    from ra_node.bootstrap.node_context import build_shelf, open_state
    from ra_node.cli.render_bundles import print_history

    settings = named_settings(config)
    print_history(build_shelf(settings, open_state(settings)).history(), as_json=as_json)
