"""A hospital with a reader study, and readers who speak to it as the reading page does."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, sync_playwright
from starlette.testclient import TestClient

from ra_node.domain.joints import JOINTS
from ra_node.domain.reader_study.roles import AccountRole
from tests.conftest import find_tool
from tests.web.conftest import browser, serving, sign_in, token_in
from tests.web.hospital import Hospital
from tests.web.reader_studies.builders import add_account, drawn_hands, make_study

_IDS = itertools.count(1)


@dataclass
class ScriptedReader:
    """One reader; every response is kept."""

    client: TestClient
    study: str
    heard: list[bytes] = field(default_factory=list)

    def get(self, path: str, **more):
        return self._kept(self.client.get(path, **more))

    def post(self, path: str, **more):
        return self._kept(self.client.post(path, **more))

    def next(self, after: int = 0, part: str = "") -> dict | None:
        """The next hand as the page gets it."""
        return self.get(f"/reading/{self.study}{part}/next?after={after}").json()["task"]

    def act(self, task: dict, marks: list[dict], *, action: str = "", sequence: int = 0, **more):
        """One action on a hand; the response."""
        sent = {
            "id": action or new_id(),
            "sequence": sequence or task["sequence"] + 1,
            "marks": marks,
            **more,
        }
        part = "/discrepancies" if task["kind"] in ("revision", "consensus") else ""
        path = f"/reading/{self.study}{part}/tasks/{task['id']}/actions"
        return self.post(path, json=sent, headers={"X-CSRF-Token": self.token()})

    def read_all(self, stage=lambda number: 0) -> None:
        """Stage every hand: the first joint by `stage`, the others normal; then close the reading."""
        while (task := self.next()) is not None:
            stages = dict.fromkeys(JOINTS, 0) | {JOINTS[0]: stage(task)}
            marks = [{"kind": "stage", "joint": joint, "stage": said} for joint, said in stages.items()]
            assert self.act(task, marks, spent_ms=7000).status_code == 200
        self.end("close")

    def end(self, what: str):
        page = self.get(f"/reading/{self.study}").text
        return self.post(f"/reading/{self.study}/{what}", data={"csrf": token_in(page)})

    def token(self) -> str:
        return str(self.client.get("/session").json()["csrf"])

    def _kept(self, answer):
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        self.heard.append(head.encode() + b"\n" + answer.content)
        return answer


def new_id() -> str:
    """An id as the page makes it."""
    return f"{next(_IDS):032x}"


@contextmanager
def reading(hospital: Hospital, study: str, name: str) -> Iterator[ScriptedReader]:
    """A signed-in reader."""
    with browser(hospital) as client:
        sign_in(client, name)
        yield ScriptedReader(client, study)


@pytest.fixture(scope="session")
def reading_hospital(tmp_path_factory) -> Iterator[Hospital]:
    """A hospital whose reader studies the tests share; chief leads."""
    hospital = Hospital(tmp_path_factory.mktemp("reading"))
    add_account(hospital, "chief", AccountRole.LEAD)
    yield hospital
    hospital.close()


@pytest.fixture
def ward(reading_hospital) -> tuple[Hospital, str]:
    """A new reader study of three small hands for alice and bob."""
    name = f"hands {next(_IDS)}"
    return reading_hospital, make_study(reading_hospital, drawn_hands(3, 60, 44), name=name)


def plain_text(page: str) -> str:
    """The text of a page on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = find_tool("chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A hospital with its page on a real server."""
    hospital = Hospital(tmp_path_factory.mktemp("browser"))
    add_account(hospital, "chief", AccountRole.LEAD)
    with serving(hospital) as address:
        yield hospital, address
    hospital.close()
