"""Plot style of all figures: colours distinguishable by colour-blind readers and in grey, at print size."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

from training.io.atomic_file import write_whole

WIDTH_IN = 7.2
"""Two columns of a journal, 183 mm."""

INK, QUIET, RULE = "#1a1a1a", "#5f6368", "#c9ccd1"

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    (0, ()),
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (8, 2)),
)
MARKERS = ("o", "s", "^", "D", "v", "P")

STAGE_COLOURS = tuple(to_hex(mpl.colormaps["cividis"](k / 5 * 0.94)) for k in range(6))
"""Dark blue (normal) to yellow (stage 5): the order stays in grey."""

STAGE_NAMES = ("Normal", "Stage 1", "Stage 2", "Stage 3", "Stage 4", "Stage 5")

SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#c6dbec", "#5a9bc8", "#0b4f7d"])

STYLE: dict[str, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "text.color": INK,
    "lines.linewidth": 1.4,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "ra-node",
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure with its number in the paper and its caption."""

    name: str
    """File name without ending."""
    title: str
    caption: str
    figure: Figure


def sheet(height_in: float) -> Figure:
    """An empty figure of the journal's width; call within `mpl.rc_context(STYLE)`."""
    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def captioned(figure: Figure, name: str, title: str, caption: str) -> Drawn:
    """Write the caption below a figure, so that copies keep the description of its hands."""
    figure.supxlabel(_wrapped(caption), fontsize=6.5, color=QUIET, x=0.01, ha="left")
    # two passes settle the equal axes; further ones would change the files minimally
    figure.draw_without_rendering()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return Drawn(name, title, caption, figure)


def unit_square(axes: Axes, x: str, y: str) -> None:
    """Two shares, 0 to 1, on equal scales."""
    axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), xlabel=x, ylabel=y)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_aspect("equal")
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=0.7, zorder=0)


def key_below(axes: Axes, *, size: float, lines: bool = True, gap: float = 0.12) -> None:
    """Name the curves under their axes, where no legend can hide a curve; `gap` is in heights of the axes."""
    if not axes.get_legend_handles_labels()[0]:
        return
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -gap),
        fontsize=size,
        frameon=False,
        handlelength=3.0 if lines else 0,
        handletextpad=0.4,
        borderpad=0,
        labelspacing=0.2,
    )


def line_style(k: int) -> dict[str, Any]:
    """Colour and dashes of the k-th run."""
    return {"color": OKABE_ITO[k % len(OKABE_ITO)], "linestyle": DASHES[k % len(DASHES)]}


def svg_of(drawn: Drawn) -> str:
    """The figure as SVG, the same bytes for the same arrays."""
    return _saved(drawn, "svg").decode()


def save(drawn: Drawn, folder: Path) -> tuple[Path, Path]:
    """Write SVG and PNG (300 dpi) into `folder`."""
    vector, pixels = folder / f"{drawn.name}.svg", folder / f"{drawn.name}.png"
    lines, dots = _saved(drawn, "svg"), _saved(drawn, "png")
    write_whole(vector, lambda file: file.write(lines))
    write_whole(pixels, lambda file: file.write(dots))
    return vector, pixels


def _saved(drawn: Drawn, ending: str) -> bytes:
    made = BytesIO()
    metadata = {"Date": None, "Title": drawn.title} if ending == "svg" else {"Title": drawn.title}
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # its keys are literals
        drawn.figure.savefig(made, format=ending, dpi=300, metadata=metadata)
    return made.getvalue()


def _wrapped(text: str, characters: int = 150) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > characters:
            lines.append("")
        lines[-1] += f"{word} "
    return "\n".join(line.rstrip() for line in lines)
