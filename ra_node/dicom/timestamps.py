"""Creation time of a result in the time zone of its source, so that an object has one time zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from pydicom.dataset import Dataset


def write_times(made: Dataset, created_at: datetime, prefixes: Iterable[str]) -> None:
    """Write the Date and Time attributes named by `prefixes`, and the zone they are in.

    A source without zone gets that of `created_at`, which is the site's (PS3.3 C.12.1.1.8).
    """
    local = created_at.astimezone(_zone(made) or created_at.tzinfo) if created_at.tzinfo else created_at
    for prefix in prefixes:
        setattr(made, f"{prefix}Date", local.strftime("%Y%m%d"))
        setattr(made, f"{prefix}Time", local.strftime("%H%M%S"))
    if local.tzinfo is not None:
        made.TimezoneOffsetFromUTC = local.strftime("%z")[:5]


def _zone(made: Dataset) -> tzinfo | None:
    """The zone of TimezoneOffsetFromUTC ("+0800"), None where absent or no offset."""
    try:
        return datetime.strptime(str(made.get("TimezoneOffsetFromUTC", "")).strip(), "%z").tzinfo
    except ValueError:
        return None
