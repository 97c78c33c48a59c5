"""The reader's pages and the requests of his reading page. Each gives his own hands only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from ra_node.domain.reader_study.marks import CannotJudge
from ra_node.domain.reader_study.roles import Phase, TaskKind
from ra_node.errors import Refused
from ra_node.services.reader_studies import adjudication, reading, record
from ra_node.services.reader_studies.access import HandsOpen, NotFound, WrongPhase
from ra_node.services.reader_studies.reading import StudyEntry
from ra_node.services.reader_studies.views import FileGone, ReadingTask
from ra_node.web.auth import account_of, desk_of
from ra_node.web.page_words import page_language, page_words
from ra_node.web.reader_studies.task_json import (
    discrepancy_json,
    model_json,
    read_action,
    read_time,
    task_json,
)
from ra_node.web.templating import error_page, show

PAGE = 100
MOST_HANDS = 10_000_000
KINDS = (TaskKind.REVISION, TaskKind.CONSENSUS)
_WAITING = {
    "The hands are still being cut.": "wait_making",
    "All is signed.": "wait_signed",
    "The two readers have not finished.": "wait_readers",
    "This reader study has one reader: a second one must be added before it can go on.": "wait_second_reader",
    "The other reader has not finished.": "wait_other",
    "The other reader has not finished his revision.": "wait_revision",
}
Answer = Callable[[Request], Response]


def texts(request: Request, table: str) -> dict[str, str]:
    """Texts of one table in the language of the site."""
    return dict(page_words(desk_of(request).language)[table])


def list_studies(request: Request) -> Response:
    """The reader studies of this reader, and what he can do in each."""
    entries = reading.studies_of(desk_of(request).ledger, account_of(request))
    return _page(request, "reader/studies.html", entries=entries)


def one_study(request: Request) -> Response:
    """One reader study: the hands of this reader, and the end of each phase."""
    desk, account, study = desk_of(request), account_of(request), _study(request)
    entry = reading.study_entry(desk.ledger, study, account)
    first = _number(request.query_params.get("from", ""))
    hands = []
    if entry.phase is not Phase.MAKING:
        hands = reading.list_hands(desk.ledger, study, account, first=first, limit=PAGE + 1)
    return _page(
        request,
        "reader/study.html",
        entry=entry,
        hands=hands[:PAGE],
        first=first,
        more=first + PAGE if len(hands) > PAGE else None,
        waiting=_WAITING.get(entry.waiting_for, ""),
        **_discrepancies(request, entry),
    )


def read_hands(request: Request) -> Response:
    """The reading page, at the first hand without a stage or at a chosen one."""
    number = _number(request.query_params.get("hand", ""))
    return _reading_page(request, TaskKind.READING, f"/hands/{number}" if number else "/next?after=0")


def adjudicate(request: Request) -> Response:
    """The same page for the discrepant hands of the present phase."""
    entry = _entry(request)
    if entry.phase not in (Phase.REVISION, Phase.CONSENSUS):
        return RedirectResponse(f"/reading/{entry.study}", 303)
    kind = TaskKind.REVISION if entry.phase is Phase.REVISION else TaskKind.CONSENSUS
    return _reading_page(request, kind, "/next?after=0")


def give_opinion(request: Request) -> Response:
    """The page of a second opinion on one hand: it begins by showing the model's answer."""
    desk, study, task = desk_of(request), _study(request), str(request.path_params["task"])
    own = reading.one_task(desk.ledger, desk.files, study, account_of(request), task)
    return _reading_page(request, TaskKind.SECOND_OPINION, f"/opinion/{own.task}/task")


def second_opinion(request: Request) -> Response:
    """The hand of a closed reading with the result of the model, which is thereby recorded as seen."""
    desk, account, study = desk_of(request), account_of(request), _study(request)
    reading_task = str(request.path_params["task"])
    model, task = adjudication.open_second_opinion(desk.ledger, desk.files, study, account, reading_task)
    return JSONResponse(
        {"task": _own(request, task) | {"others": [model_json(model, texts(request, "task"))]}}
    )


def close_reading(request: Request, _sent: object) -> Response:
    """Lock the first reading."""
    return _ended(request, reading.close_reading)


def close_revision(request: Request, _sent: object) -> Response:
    """End the revision."""
    return _ended(request, adjudication.close_revision)


def sign(request: Request, _sent: object) -> Response:
    """Sign the labels as they stand."""
    return _ended(request, adjudication.sign)


def next_task(request: Request) -> Response:
    """The next hand without a stage."""
    after = _number(request.query_params.get("after", ""))
    desk, account, study = desk_of(request), account_of(request), _study(request)
    task = reading.next_hand(desk.ledger, desk.files, study, account, after=after)
    return JSONResponse({"task": None if task is None else _own(request, task)})


def next_discrepancy(request: Request) -> Response:
    """The next discrepant hand that is not decided."""
    after = _number(request.query_params.get("after", ""))
    desk, account, study = desk_of(request), account_of(request), _study(request)
    view = adjudication.next_discrepancy(desk.ledger, desk.files, study, account, after=after)
    return JSONResponse({"task": None if view is None else _both(request, view)})


def hand_at(request: Request) -> Response:
    """The hand at a place of the reader's own order."""
    desk, number = desk_of(request), _place(request)
    task = reading.hand_at(desk.ledger, desk.files, _study(request), account_of(request), number)
    return JSONResponse({"task": _own(request, task)})


def discrepancy_at(request: Request) -> Response:
    """The discrepant hand at a place of the list."""
    desk, account, study = desk_of(request), account_of(request), _study(request)
    number = _place(request)
    for one in adjudication.discrepancies(desk.ledger, study, account):
        if one.number == number:
            view = adjudication.discrepancy(desk.ledger, desk.files, study, account, one.task)
            return JSONResponse({"task": _both(request, view)})
    raise NotFound(f"expected a discrepant hand, found none at place {number}")


def one_task(request: Request) -> Response:
    """One hand by its task; a discrepant one with both readings, a second opinion with the model's answer."""
    desk, account, study = desk_of(request), account_of(request), _study(request)
    task = reading.one_task(desk.ledger, desk.files, study, account, str(request.path_params["task"]))
    return JSONResponse({"task": _by_kind(request, task)})


def picture(request: Request) -> Response:
    """The 16-bit words of a hand, little-endian, row by row; its window for the first display in a header."""
    desk, task = desk_of(request), str(request.path_params["task"])
    found = reading.picture(desk.ledger, desk.files, _study(request), account_of(request), task)
    headers = {"X-Window": f"{found.window[0]},{found.window[1]}"}
    return Response(found.words, media_type="application/octet-stream", headers=headers)


def act(request: Request, sent: dict[str, Any]) -> Response:
    """Record an action, on disk before the answer; 409 with the present state where another tab was first."""
    desk, account, study = desk_of(request), account_of(request), _study(request)
    task, action = str(request.path_params["task"]), read_action(sent)
    ledger, files = desk.ledger, desk.files
    saved: record.Saved | record.Conflict
    if action.undo:
        saved = record.undo(
            ledger, files, study, account, task, action.id, action.sequence, spent_ms=action.spent_ms
        )
    else:
        marks = action.as_marks()
        saved = record.record(
            ledger, files, study, account, task, action.id, marks, action.sequence, spent_ms=action.spent_ms
        )
    status = 409 if isinstance(saved, record.Conflict) else 200
    return JSONResponse({"task": _by_kind(request, saved.task)}, status)


def add_time(request: Request, sent: dict[str, Any]) -> Response:
    """Record the time at a hand between its last mark and the next hand."""
    desk, study, time = desk_of(request), _study(request), read_time(sent)
    task = str(request.path_params["task"])
    saved = record.record_time(
        desk.ledger, desk.files, study, account_of(request), task, time.id, time.spent_ms
    )
    return JSONResponse({"task": _by_kind(request, saved.task)})


def told(answer: Answer) -> Answer:
    """Answer a refusal as JSON with its text in the reader's language."""

    def answered(request: Request) -> Response:
        try:
            return answer(request)
        except Refused as error:
            return refused(request, error)

    return answered


def told_change(
    change: Callable[[Request, dict[str, Any]], Response],
) -> Callable[[Request, dict[str, Any]], Response]:
    """The same for a change."""

    def answered(request: Request, sent: dict[str, Any]) -> Response:
        try:
            return change(request, sent)
        except Refused as error:
            return refused(request, error)

    return answered


def refused(request: Request, error: Refused) -> JSONResponse:
    """404 for what is not this reader's, 409 for a closed part, 410 for a lost picture, else 400."""
    statuses: dict[type[Exception], int] = {NotFound: 404, WrongPhase: 409, FileGone: 410}
    return JSONResponse({"text": refusal_text(request, error) or str(error)}, statuses.get(type(error), 400))


def refusal_text(request: Request, error: Exception) -> str:
    """What a reader is told of a refusal in the language of the site; "" for one that has no such text."""
    words = texts(request, "task")
    known: dict[type[Exception], str] = {
        NotFound: words["not_found"],
        WrongPhase: words["closed"],
        FileGone: words["picture_gone"],
    }
    return known.get(type(error), "")


def _ended(request: Request, end: Callable[..., object]) -> Response:
    study = _study(request)
    try:
        end(desk_of(request).ledger, study, account_of(request))
    except WrongPhase as error:
        words = texts(request, "reader")
        if isinstance(error, HandsOpen):
            why = words["too_early"].replace("{count}", str(error.count))
        else:
            why = texts(request, "task")["closed"]
        return error_page(request, 409, f"{why}{words['sentence_gap']}{words['nothing_lost']}")
    return RedirectResponse(f"/reading/{study}", 303)


def _own(request: Request, task: ReadingTask) -> dict[str, Any]:
    return task_json(task, _picture_path(request, task.task))


def _both(request: Request, view: adjudication.DiscrepancyView) -> dict[str, Any]:
    words = texts(request, "task")
    titles = ("reader_mine", "reader_other") if view.mine else ("reader_one", "reader_two")
    path = _picture_path(request, view.task.task)
    return discrepancy_json(view, path, (words[titles[0]], words[titles[1]]))


def _by_kind(request: Request, task: ReadingTask) -> dict[str, Any]:
    if task.kind not in KINDS:
        return _own(request, task)
    desk, account = desk_of(request), account_of(request)
    return _both(
        request, adjudication.discrepancy(desk.ledger, desk.files, _study(request), account, task.task)
    )


def _discrepancies(request: Request, entry: StudyEntry) -> dict[str, Any]:
    """Progress of the adjudication as this reader may see it."""
    desk, account = desk_of(request), account_of(request)
    found: dict[str, Any] = {"differing": None, "signatures": None}
    if entry.phase in (Phase.CONSENSUS, Phase.SIGNED):
        found["signatures"] = adjudication.signatures(desk.ledger, entry.study, account)
    if entry.phase in (Phase.REVISION, Phase.CONSENSUS) and not entry.waiting_for:
        listed = adjudication.discrepancies(desk.ledger, entry.study, account)
        found["differing"] = (sum(one.complete for one in listed), len(listed))
    return found


def _reading_page(request: Request, kind: TaskKind, first: str) -> Response:
    desk, entry = desk_of(request), _entry(request)
    words, home = texts(request, "task"), f"/reading/{entry.study}"
    base = f"{home}/discrepancies" if kind in KINDS else home
    return show(
        request,
        "reader/reading.html",
        who=account_of(request).name,
        lang=page_language(desk.language),
        t=words,
        words_json=json.dumps(words, ensure_ascii=False),
        study=entry,
        by_joint=entry.by_joint,
        kind=str(kind),
        base=base,
        home=home,
        first=first,
        reasons=[str(reason) for reason in CannotJudge],
        help=_help(words, kind, by_joint=entry.by_joint),
    )


def _help(words: dict[str, str], kind: TaskKind, *, by_joint: bool) -> list[tuple[tuple[str, ...], str]]:
    """Keys of this page with what each does."""
    joints = by_joint and kind not in KINDS
    rows: list[tuple[bool, tuple[str, ...], str]] = [
        (True, ("0", "…", "5"), "key_stage"),
        (joints, ("N",), "key_normal"),
        (kind is TaskKind.REVISION, ("K",), "key_keep"),
        (True, ("X",), "key_cannot"),
        (True, ("U",), "key_undo"),
        (True, (words["space"],), "key_next"),
        (True, ("Bksp",), "key_back"),
        (True, ("←", "→", "↑", "↓"), "key_arrows"),
        (True, ("Q", "W", "E", "R"), "key_window"),
        (True, ("I",), "key_invert"),
        (True, ("T",), "key_turn"),
        (True, ("Z",), "key_zoom"),
        (True, ("+", "-"), "key_scale"),
        (True, ("F",), "key_fit"),
        (True, ("P",), "key_pan"),
        (True, ("B",), "key_boxes"),
        (True, ("M",), "key_move"),
        (True, ("?",), "key_help"),
    ]
    return [(keys, words[name]) for used, keys, name in rows if used]


def _page(
    request: Request,
    template: str,
    **context: Any,  # noqa: ANN401 - a template takes anything
) -> HTMLResponse:
    return show(request, template, who=account_of(request).name, t=texts(request, "reader"), **context)


def _entry(request: Request) -> StudyEntry:
    return reading.study_entry(desk_of(request).ledger, _study(request), account_of(request))


def _study(request: Request) -> str:
    return str(request.path_params["study"])


def _picture_path(request: Request, task: str) -> str:
    return f"/reading/{_study(request)}/tasks/{task}/picture"


def _place(request: Request) -> int:
    """A place in the reader's order; NotFound for a number that is none."""
    number = int(request.path_params["number"])
    if number > MOST_HANDS:
        raise NotFound("expected a place in the order of this reader, found a larger number")
    return number


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0
