"""`ra-node guide [TOPIC]`: the pages of the guide in the terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.markdown import Markdown

from ra_node.cli.console import console, table
from ra_node.services.guide_pages import guide_page, guide_titles

HELP_PANEL = "Read"

guide_app = typer.Typer()


@guide_app.command(rich_help_panel=HELP_PANEL)
def guide(
    topic: Annotated[str, typer.Argument(help="Page to show; without it, the list of all pages.")] = "",
) -> None:
    """Show a page of the guide, or list its pages; piped, a page is plain Markdown."""
    if not topic:
        rows = table("topic", "page")
        for name, title in guide_titles().items():
            rows.add_row(name, title)
        console().print(rows)
        return
    page = guide_page(topic)
    if sys.stdout.isatty():
        console().print(Markdown(page))
    else:
        typer.echo(page)
