"""A reader at a real browser: signs in, opens the reading page, presses keys, waits for what it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from tests.web.browser_sign_in import sign_in_at
from tests.web.hospital import PASSWORD

DESK = {"width": 1280, "height": 720}


SLOW_MS = 30_000


SHOWN = "#reading[data-shown='{}']"


@contextmanager
def someone(
    chromium: Browser, address: str, name: str, size=DESK, *, refused="401|409|410", **more
) -> Iterator[Page]:
    """A signed-in person at a new browser, which complains of nothing but the statuses `refused`."""
    context = chromium.new_context(base_url=address, viewport=size, color_scheme="dark", **more)
    context.set_default_timeout(SLOW_MS)
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in_at(page, name, PASSWORD)
    page.get_by_role("button", name="Sign out").wait_for()
    yield page
    context.close()
    expected = re.compile(rf"status of ({refused})|ERR_FAILED|ERR_INTERNET_DISCONNECTED")
    assert [one for one in complaints if not expected.search(one)] == []


def begin(page: Page, study: str, path: str = "read") -> None:
    """Open the reading page and wait for its hand."""
    page.goto(f"/reading/{study}/{path}")
    shown(page)


def shown(page: Page) -> None:
    """Wait until the image of the hand on screen is drawn."""
    page.locator("#reading[data-ready=yes]").wait_for()


def saved(page: Page) -> None:
    """Wait until the page says that all is saved."""
    page.locator("#saved[data-state=saved]").wait_for()


def press(page: Page, keys: str) -> None:
    """Press keys one after another; names of more than one letter are separated by spaces."""
    for key in keys.split():
        page.keyboard.press("Space" if key == "_" else key)
