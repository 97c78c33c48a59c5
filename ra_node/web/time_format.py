"""Readable times in the configured time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def moment(at: float, zone: ZoneInfo) -> str:
    """A date and time to the second."""
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S}"


def clock_time(at: float, zone: ZoneInfo) -> str:
    """Hours and minutes."""
    return f"{datetime.fromtimestamp(at, zone):%H:%M}"


def day(at: float, zone: ZoneInfo) -> str:
    """Month and day."""
    return f"{datetime.fromtimestamp(at, zone):%m-%d}"


def iso(at: float) -> str:
    """For machines: UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def span(seconds: float) -> str:
    """How long, to about a part in ten: "0.3 s", "42 s", "5 min", "3.2 h", "12 d"."""
    size = max(0.0, seconds)
    for unit_s, name in _UNITS:
        if size >= unit_s:
            return f"{_short(size / unit_s)} {name}"
    return f"{_short(size)} s"


def zone_words(zone: ZoneInfo, now: float) -> str:
    """Which zone the page shows: "UTC", or "Europe/Berlin (UTC+01:00)"."""
    if zone.key == "UTC":
        return "UTC"
    offset = f"{datetime.fromtimestamp(now, zone):%z}"
    return f"{zone.key} (UTC{offset[:3]}:{offset[3:]})"


def _short(value: float) -> str:
    text = f"{value:.1f}" if value < 10 else f"{value:.0f}"
    return text.removesuffix(".0")
