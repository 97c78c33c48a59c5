"""Options that several commands of `python -m training` share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Threads = Annotated[int, typer.Option("--threads", help="Threads of torch; 0 leaves its choice.")]
Sensitivity = Annotated[
    float | None,
    typer.Option(
        "--sensitivity",
        min=0.01,
        max=1.0,
        help="Share of the diseased training-side hands to find; Youden's J without it.",
    ),
]
BundleOption = Annotated[
    Path | None,
    typer.Option(
        "--bundle",
        exists=True,
        file_okay=False,
        help="Bundle whose detector finds the hands; without it the one in use, or the one that came along.",
    ),
]
People = Annotated[
    Path | None,
    typer.Option("--people", exists=True, help="CSV: patient and any of side, sex, age_years, site."),
]


def bundle_folder(given: Path | None) -> Path:
    """The bundle whose detector is used: the one that is named, or the node's, or the demonstration bundle.

    As with `ra-node hands`, the node is that of RA_NODE_CONFIG or config/node.toml, where there is one.
    """
    from ra_node.bootstrap.node_context import folder_in_use  # a ledger loads slowly
    from ra_node.cli.options import DEFAULT_CONFIG, settings_or_defaults

    if given is not None:
        return given
    named = os.environ.get("RA_NODE_CONFIG")
    return folder_in_use(settings_or_defaults(Path(named) if named else DEFAULT_CONFIG))
