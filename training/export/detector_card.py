"""The part of a bundle's card about its hand detector."""

from __future__ import annotations

from collections.abc import Mapping

from ra_node.inference.bundles.manifest import FinderPart, Interval, ViewPart

HEADING = "## Hand detector"

ADULTS = "hands of adults"
"""Words of `trained_on` by which a card knows that adults were among them."""
_SHOWN_TO_NONE = """\
It does not tell a right hand from a left one. Joints of destroyed or fused hands may be placed wrongly.
"""
_LIMITS = f"""\
Its two networks were not shown: adults, hands with real disease, implants, splints or casts, other
projections, and radiographs of other parts of the body (these were drawn, or made from the real hands).
{_SHOWN_TO_NONE}"""
_LIMITS_WITH_ADULTS = f"""\
Its two networks were not shown: hands with real rheumatoid arthritis, real splints and casts (these were
drawn), and ball-catcher views.
{_SHOWN_TO_NONE}"""


def detector_section(part: FinderPart) -> str:
    """The last section of a card, in Markdown."""
    views = _views(part.views) if part.views else ""
    limits = _LIMITS_WITH_ADULTS if ADULTS in part.trained_on else _LIMITS
    return (
        f"{HEADING}\n\nTwo small convolutional networks: the seeker looks at the whole radiograph at "
        f"{part.side_px} px, the reader at each hand, upright at {part.side_px} px. They give the 13 named "
        f"joints, the direction and the outline of each hand. SHA-256 `{part.sha256}`.\n\n"
        f"Trained on {part.trained_on}.\n\n{_table(part.figures_on, part.figures)}\n\n{views}{limits}"
    )


def _views(part: ViewPart) -> str:
    """The part about the view head."""
    names = ", ".join(view.value for view in part.classes)
    return (
        f"A small head on the reader tells the view: {names}. A hand with a probability of a frontal view"
        f" below {part.least_frontal:g} is not rated; below 0.9 the breadth of its knuckles decides as well."
        " It was trained on 188 radiographs of the tuning half of the adults (a public Roboflow export, CC BY"
        " 4.0 as stated by the source, origin of single images not verified), from frontal hands of children,"
        " phantoms, and drawn things. No ball-catcher view was among them.\n\n"
        f"{_table(part.figures_on, part.figures)}\n\n"
    )


def _table(measured_on: str, figures: Mapping[str, Interval]) -> str:
    rows = "\n".join(
        f"| {name} | {100 * value:.1f} % | {100 * low:.1f} to {100 * high:.1f} % |"
        for name, (value, low, high) in figures.items()
    )
    return f"| measured on {measured_on} | value | 95 % interval |\n|---|---|---|\n{rows}"
