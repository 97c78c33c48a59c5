"""What the card of a bundle says of its hand detector."""

from __future__ import annotations

from ra_node.inference.bundles.manifest import FinderPart

HEADING = "## Hand detector"

_LIMITS = """\
Not shown in training: adults, hands with real disease, implants, splints or casts, other projections, and
radiographs of other parts of the body (these were drawn, or made from the real hands). It does not tell a
right hand from a left one. Joints of destroyed or fused hands may be placed wrongly.
"""


def detector_section(part: FinderPart) -> str:
    """The last section of a card, in Markdown."""
    rows = "\n".join(
        f"| {name} | {100 * value:.1f} % | {100 * low:.1f} to {100 * high:.1f} % |"
        for name, (value, low, high) in part.figures.items()
    )
    return (
        f"{HEADING}\n\nTwo small convolutional networks: the seeker looks at the whole radiograph at "
        f"{part.side_px} px, the reader at each hand, upright at {part.side_px} px. They give the 13 named "
        f"joints, the direction and the outline of each hand. SHA-256 `{part.sha256}`.\n\n"
        f"Trained on {part.trained_on}.\n\n"
        f"| measured on {part.figures_on} | value | 95 % interval |\n|---|---|---|\n{rows}\n\n{_LIMITS}"
    )
