"""Options that several commands of `python -m training` share."""

from __future__ import annotations

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
People = Annotated[
    Path | None,
    typer.Option("--people", exists=True, help="CSV: patient and any of side, sex, age_years, site."),
]
