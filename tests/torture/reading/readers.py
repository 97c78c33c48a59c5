"""Scripted readers at a real browser: what they type, and what their browser sends and receives."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from playwright.sync_api import Browser, Error, Page, Request, Response

from ra_node.domain.joints import JOINTS
from tests.torture.reading.site import PASSWORD, Node
from tests.web.browser_sign_in import sign_in_at

SHARE = 0.15
"""Of the hands, on which reader B differs."""


@dataclass
class Traffic:
    """What one browser sent and received: ids of actions, those answered as saved, and marked words found."""

    sent: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    forbidden: tuple[bytes, ...] = ()
    found: set[str] = field(default_factory=set)
    bytes_seen: int = 0
    waiting: list[Response] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("request", self._request)
        page.on("response", self._response)

    def read(self) -> None:
        """Search every response that has come; a killed server leaves some without a body."""
        done, self.waiting = self.waiting, []
        for response in done:
            try:
                body = response.body() + json.dumps(response.headers).encode()
            except Error:  # the server was killed in between
                body = b""
            self.bytes_seen += len(body)
            self.found |= {word.decode() for word in self.forbidden if word in body}
            if response.url.endswith("/actions") and response.status == 200:
                self.saved.append(_action(response.request))

    def _response(self, response: Response) -> None:
        self.waiting.append(response)

    def _request(self, request: Request) -> None:
        if request.url.endswith("/actions"):
            self.sent.append(_action(request))


def _action(request: Request) -> str:
    sent: dict[str, object] = json.loads(request.post_data or "{}")
    return "" if sent.get("marks") is None and not sent.get("undo") else str(sent["id"])


def truth_of(hand_id: str, reader: str) -> dict[str, int]:
    """Stages that a reader types: both from the hand's id, B one or two stages off at one joint of some."""
    rng = random.Random(sha256(hand_id.encode()).digest())
    stage = rng.choices(range(6), weights=(40, 12, 12, 12, 12, 12))[0]
    lesions = (
        {joint: rng.randint(1, stage) for joint in rng.sample(JOINTS, rng.randint(1, 3))} if stage else {}
    )
    if lesions:
        lesions[next(iter(lesions))] = stage
    if rng.random() < SHARE and reader == "bob":
        joint = next(iter(lesions), JOINTS[rng.randrange(13)])
        lesions[joint] = (lesions.get(joint, 0) + rng.choice((1, 2))) % 6 or 1
    return lesions


@contextmanager
def signed_in(browser: Browser, node: Node, name: str, traffic: Traffic) -> Iterator[Page]:
    context = browser.new_context(base_url=node.address, viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.set_default_timeout(120_000)
    traffic.listen(page)
    sign_in_at(page, name, PASSWORD)
    page.get_by_role("button", name="Sign out").wait_for()
    yield page
    traffic.read()
    context.close()


def read_all(page: Page, node: Node, study: str, hands: dict[str, str], name: str, kills: list[int],
             traffic: Traffic) -> list[float]:  # fmt: skip
    """Stage every hand by keyboard; the server dies in the middle of the named hands. Seconds a hand."""
    page.goto(f"/reading/{study}/read")
    seconds: list[float] = []
    while True:
        page.locator("#reading[data-ready=yes]").wait_for()
        began = time.monotonic()
        task = str(page.locator("#reading").get_attribute("data-task"))
        number, total = map(int, re.findall(r"\d+", page.locator("#count").inner_text()))
        kill = number in kills
        for index, (joint, stage) in enumerate(truth_of(hands[task], name).items()):
            page.locator(f"[data-joint={joint}]").click()
            page.keyboard.press(str(stage))
            if kill and index == 0:
                node.kill()
        if kill and node.process and node.process.poll() is None:
            node.kill()
        page.keyboard.press("n")
        if kill:
            page.locator("#saved[data-state=offline]").wait_for()
            node.start()
            page.locator("#saved[data-state=saved]").wait_for()
        page.keyboard.press("Space")
        if not kill:
            seconds.append(time.monotonic() - began)
        traffic.read()
        if number == total:
            break
        page.get_by_text(f"Hand {number + 1} of {total}").wait_for()
    page.get_by_role("button", name="Close my reading").click()
    page.get_by_text("Close my reading").wait_for(state="detached")
    return seconds


def decide_all(page: Page, study: str, *, consensus: bool) -> int:
    """Keep all in the revision; in the consensus take the stage that stands first. Hands decided."""
    page.goto(f"/reading/{study}")
    if not page.get_by_role("link", name=re.compile("Revise|Decide")).count():
        return 0
    page.goto(f"/reading/{study}/adjudicate")
    while True:
        page.locator("#reading[data-ready=yes]").wait_for()
        number, total = map(int, re.findall(r"\d+", page.locator("#count").inner_text()))
        if consensus:
            for cell in page.locator("[data-joint]").all():
                cell.click()
                said = re.findall(r"\d", cell.locator(".joint-others").inner_text())
                page.keyboard.press(said[0])
        else:
            page.keyboard.press("k")
        page.keyboard.press("Space")
        if number == total:
            break
        page.get_by_text(f"Hand {number + 1} of {total}").wait_for()
    page.wait_for_url(f"**/reading/{study}")
    return total


def end(page: Page, study: str, button: str) -> None:
    page.goto(f"/reading/{study}")
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_load_state()
