"""The studies of a filter as CSV; no cell is a formula to a spreadsheet, none holds a patient attribute."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from ra_node.domain.texts.printable import csv_cell
from ra_node.web import labels
from ra_node.web.auth import desk_of
from ra_node.web.operator.study_list import StudyRow, filter_of, rows_of
from ra_node.web.page_words import page_words

MOST = 10_000
"""Most rows of a file."""
_AT_ONCE = 500
COLUMNS = (
    "study_uid", "state", "needs_operator", "last_image", "images", "version", "result", "reason",
    "destinations", "error",
)  # fmt: skip


def studies_csv(request: Request) -> Response:
    """The last received studies of the filter in the address."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(COLUMNS)
    for row in _rows(request):
        table.writerow([csv_cell(cell) for cell in _cells(request, row)])
    headers = {"Content-Disposition": 'attachment; filename="studies.csv"'}
    return Response(written.getvalue().encode("utf-8-sig"), media_type="text/csv", headers=headers)


def _rows(request: Request) -> Iterator[StudyRow]:
    which, offset, more = filter_of(request), 0, True
    while more and offset < MOST:
        rows, more = rows_of(request, which, _AT_ONCE, offset)
        yield from rows
        offset += _AT_ONCE


def _cells(request: Request, row: StudyRow) -> list[str]:
    desk, line, said = desk_of(request), row.line, row.said
    o = page_words(desk.language)["operator"]
    at = datetime.fromtimestamp(line.last_received_at, ZoneInfo(desk.table.timezone))
    reasons = dict.fromkeys([said.refusal, *said.refusals] if said else [])
    sent = [one for one in line.deliveries if one.version == line.answered_version]
    return [
        line.study_uid,
        labels.study(line.state).text,
        "yes" if row.needs_operator else "no",
        at.isoformat(timespec="seconds"),
        str(line.instances),
        str(line.answered_version),
        labels.summary(said, o),
        "; ".join(labels.reason(one, o) for one in reasons if one),
        "; ".join(f"{one.peer}: {labels.peer(one).text}" for one in sent),
        line.last_error or "",
    ]
