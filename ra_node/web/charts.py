"""The charts of the page as numbers: where bars lie in an SVG of CHART_WIDTH x CHART_HEIGHT.

Four, for a site without Grafana: is anything coming and going (24 hours), do results still look like those of
the card (stages, share called positive), and how much stays without a result. All else is in the metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ra_node.services.models.drift_baseline import HeldOutBaseline
from ra_node.services.monitoring.event_counters import HOUR_S, WEEK_S, Hour, Week

CHART_WIDTH, CHART_HEIGHT = 360, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 4, 12, 22
HOURS, WEEKS = 24, 12
PRESENT = 4
"""Weeks that are compared with the card."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle with its series (its colour in the style sheet) and its tooltip."""

    x: float
    y: float
    width: float
    height: float
    series: str
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a place on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart; `table` has the same numbers as text, header first."""

    title: str
    bars: tuple[Bar, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    legend: tuple[tuple[str, str], ...]
    table: tuple[tuple[str, ...], ...]
    empty: str = ""
    """Text in place of a chart without numbers."""
    mark: Tick | None = None
    """A labelled reference line."""


def throughput(hours: Mapping[int, Hour], now: float, label: Callable[[float], str]) -> Chart:
    """Images received, studies reported and jobs buried in the last 24 hours."""
    last = int(now) // HOUR_S * HOUR_S
    starts = [last - HOUR_S * n for n in reversed(range(HOURS))]
    rows = [hours.get(start, Hour()) for start in starts]
    parts = [(("images", row.images), ("answered", row.answered), ("buried", row.buried)) for row in rows]
    top = _nice(max(value for row in parts for _, value in row))
    step = (CHART_WIDTH - _LEFT - _RIGHT) / HOURS
    bars = []
    table = [("from", *_SERIES.values())]
    for n, (start, row) in enumerate(zip(starts, parts, strict=True)):
        table.append((label(start), *(str(value) for _, value in row)))
        for place, (series, value) in enumerate(row):
            if value:
                x, title = (
                    _LEFT + step * (n + 0.08 + 0.28 * place),
                    f"{label(start)}: {value} {_SERIES[series]}",
                )
                bars.append(_bar(x, step * 0.26, value / top, series, title))
    across = [Tick(_LEFT + (n + 0.5) * step, label(start)) for n, start in enumerate(starts) if n % 6 == 3]
    empty = "" if bars else "Nothing was received in the last 24 hours."
    legend = tuple(_SERIES.items())
    return Chart("Last 24 hours", tuple(bars), tuple(across), _scale(top), legend, tuple(table), empty)


def stages_and_card(weeks: Mapping[int, Week], now: float, reference: HeldOutBaseline) -> Chart:
    """Share of each stage in the rated hands of the last weeks, and in the hands of the card."""
    _, rows = _last_weeks(weeks, now)
    here = [sum(column) for column in zip(*(week.stages for week in rows[-PRESENT:]), strict=True)]
    parts = (("card", "its card", reference.stages), ("here", "here", here))
    top = next(top for top in (0.25, 0.5, 1.0) if all(max(of) <= top * sum(of) for *_, of in parts))
    step = (CHART_WIDTH - _LEFT - _RIGHT) / len(here)
    bars: list[Bar] = []
    for place, (series, name, of) in enumerate(parts):
        for stage, count in enumerate(of):
            if count:
                x = _LEFT + step * (stage + 0.14 + 0.37 * place)
                title = f"stage {stage}, {name}: {_share(count, sum(of))}"
                bars.append(_bar(x, step * 0.35, count / sum(of) / top, series, title))
    cells = [tuple(_share(count, sum(of)) for count in of) for *_, of in parts]
    table = [("called", *(name for _, name, _ in parts))]
    table += [(f"stage {stage}", *row) for stage, row in enumerate(zip(*cells, strict=True))]
    across = [Tick(_LEFT + (stage + 0.5) * step, str(stage)) for stage in range(len(here))]
    up = tuple(Tick(_y(share), f"{100 * top * share:g} %") for share in (0, 0.5, 1))
    others = any(week.bundles - {reference.bundle} for week in rows[-PRESENT:])
    legend = (
        ("card", f"its card: {reference.hands} hands"),
        ("here", f"here, last {PRESENT} weeks: {sum(here)} hands{', some by other models' * others}"),
    )
    empty = "" if sum(here) else f"No hand was rated in the last {PRESENT} weeks."
    title = "Stages, here and on its card"
    return Chart(title, tuple(bars), tuple(across), up, legend, tuple(table), empty)


def refusal_rate(weeks: Mapping[int, Week], now: float, label: Callable[[float], str]) -> Chart:
    """Share of studies without a rated hand."""
    starts, rows = _last_weeks(weeks, now)
    shares = [(week.refused, week.answered) for week in rows]
    return _shares("Studies without a rated hand", "refused", shares, starts, label)


def positive_rate(
    weeks: Mapping[int, Week],
    now: float,
    label: Callable[[float], str],
    reference: HeldOutBaseline | None = None,
) -> Chart:
    """Share of rated hands with RA present, and that of the card."""
    starts, rows = _last_weeks(weeks, now)
    shares = [(week.positive, week.hands) for week in rows]
    chart = _shares("Hands called rheumatoid arthritis", "positive", shares, starts, label)
    if reference is None or reference.positive is None:
        return chart
    share = reference.positive / reference.hands
    row = ("its card", str(reference.positive), str(reference.hands))
    return replace(chart, mark=Tick(_y(share), f"card {100 * share:.0f} %"), table=(*chart.table, row))


_SERIES = {"images": "images received", "answered": "studies reported", "buried": "jobs buried"}


def _share(count: int, whole: int) -> str:
    return f"{100 * count / whole:.0f} % ({count} of {whole})" if whole else "none"


def _last_weeks(weeks: Mapping[int, Week], now: float) -> tuple[list[int], list[Week]]:
    """The last weeks up to this one; weeks start on Monday, UTC."""
    monday = 4 * 86400
    last = (int(now) - monday) // WEEK_S * WEEK_S + monday
    starts = [last - WEEK_S * n for n in reversed(range(WEEKS))]
    return starts, [weeks.get(start, Week()) for start in starts]


def _shares(
    title: str,
    series: str,
    shares: Sequence[tuple[int, int]],
    starts: Sequence[int],
    label: Callable[[float], str],
) -> Chart:
    bars = [
        _week_bar(n, part / whole, series, f"week from {label(start)}: {part} of {whole}")
        for n, (start, (part, whole)) in enumerate(zip(starts, shares, strict=True))
        if whole
    ]
    table = [("week from", title.lower(), "of")]
    table += [(label(start), str(p), str(w)) for start, (p, w) in zip(starts, shares, strict=True)]
    return _weekly(title, bars, starts, label, table)


def _weekly(
    title: str,
    bars: Sequence[Bar],
    starts: Sequence[int],
    label: Callable[[float], str],
    table: Sequence[tuple[str, ...]],
) -> Chart:
    step = (CHART_WIDTH - _LEFT - _RIGHT) / WEEKS
    across = [Tick(_LEFT + (n + 0.5) * step, label(start)) for n, start in enumerate(starts) if n % 3 == 1]
    empty = "" if bars else "No hand was rated in the last 12 weeks."
    up = tuple(Tick(_y(share), f"{100 * share:.0f} %") for share in (0, 0.5, 1))
    return Chart(title, tuple(bars), tuple(across), up, (), tuple(table), empty)


def _week_bar(number: int, share: float, series: str, title: str) -> Bar:
    step = (CHART_WIDTH - _LEFT - _RIGHT) / WEEKS
    return _bar(_LEFT + number * step + 0.12 * step, 0.76 * step, share, series, title)


def _bar(x: float, width: float, share: float, series: str, title: str) -> Bar:
    """A bar of this share of the chart's height. It has a minimum height."""
    top, bottom = _y(share), _y(0)
    return Bar(round(x, 2), round(top, 2), round(width, 2), round(max(bottom - top, 1.0), 2), series, title)


def _y(share: float) -> float:
    return _TOP + (1 - share) * (CHART_HEIGHT - _TOP - _BOTTOM)


def _nice(value: float) -> float:
    """The next of 1, 2, 5, 10, ... from `value` upwards, at least 1."""
    size = 1.0
    while True:
        for factor in (1, 2, 5):
            if size * factor >= value:
                return size * factor
        size *= 10


def _scale(top: float) -> tuple[Tick, ...]:
    shares = (0, 0.5, 1) if top > 1 else (0, 1)
    return tuple(Tick(_y(share), f"{top * share:g}") for share in shares)
