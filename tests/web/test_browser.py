"""A person at a real browser (Chromium without a window): at a desk, with a phone, by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ra_node.domain.job import JobState
from ra_node.ledger.overview import jobs_of
from tests.conftest import find_tool, wait_until
from tests.web.browser_sign_in import violations
from tests.web.conftest import serving
from tests.web.hospital import PASSWORD, Hospital, a_day

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
SLOW_MS = 180_000
CONTRAST = """
() => {
  const channel = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 };
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = numbers(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || e.closest('svg, .skip') || !e.getClientRects().length) continue;
    const a = light(numbers(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${walker.currentNode.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = find_tool("chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=SLOW_MS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    """A hospital after a day, its page served by the real server; what complains to the console is kept."""
    hospital = Hospital(tmp_path_factory.mktemp("ward"))
    hospital.past()
    hospital.yesterday()
    day = a_day(hospital)
    with hospital.working(), serving(hospital) as address:
        yield hospital, day, address
    hospital.close()


@contextmanager
def someone(chromium: Browser, address: str, size=DESK, scheme="dark", **more) -> Iterator[Page]:
    """A browser of somebody who has not been here; it must find nothing to complain about."""
    context = chromium.new_context(base_url=address, viewport=size, color_scheme=scheme, **more)
    context.set_default_timeout(SLOW_MS)
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert [one for one in complaints if "401" not in one] == []


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.goto("/")
    page.get_by_label("Name").fill("night")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def paths(day):
    return [
        "/",
        "/?needs=me&result=not_rated",
        "/queue",
        "/peers",
        "/buried",
        "/not-rated",
        "/model",
        *(f"/studies/{uid}" for uid in day.values()),
    ]


def test_a_wrong_password_lets_nobody_in_and_the_right_one_does(chromium, ward):
    with someone(chromium, ward[2]) as page:
        sign_in(page, "not the password")
        assert "Wrong name or password" in page.get_by_role("alert").inner_text()
        page.goto("/queue")
        assert page.url.endswith("/login")
        sign_in(page)
        assert page.get_by_role("heading", name="Studies").is_visible()
        page.get_by_role("button", name="Sign out").click()
        page.goto("/")
        assert page.url.endswith("/login")


def test_a_study_is_opened_from_the_list_with_its_overlay_and_its_timeline(chromium, ward):
    with someone(chromium, ward[2]) as page:
        sign_in(page)
        page.get_by_role("link", name=ward[1]["answered"]).click()
        shown = "picture => picture.decode().then(() => picture.naturalWidth)"
        width = page.locator(".overlay img").evaluate(shown)  # the list that is left is idle too
        assert width > 300
        assert "RA suspected" in page.locator(".report .hands").inner_text()
        assert page.locator(".timeline li").count() >= 8


def test_the_page_follows_what_happens_without_being_reloaded(chromium, tmp_path):
    """By the page's own clock of 15 s, which the browser is told has passed."""
    hospital = Hospital(tmp_path)
    with serving(hospital) as address, someone(chromium, address) as page:
        page.clock.install()
        sign_in(page)
        assert page.get_by_text("No image was received yet").is_visible()
        page.evaluate("window.kept = true")
        study = hospital.receive("late")
        page.clock.run_for(16_000)
        page.get_by_role("link", name=study).wait_for()
        assert page.evaluate("window.kept")
    hospital.close()


def test_what_was_given_up_is_requeued_by_keyboard_alone(chromium, tmp_path):
    hospital = Hospital(tmp_path)
    study = hospital.fail("failed")
    with serving(hospital) as address, someone(chromium, address) as page:
        page.goto("/login")
        page.keyboard.type("night")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Studies").wait_for()
        page.goto("/buried")
        page.keyboard.press("Tab")
        skip = page.evaluate(
            "[document.activeElement.className, document.activeElement.getBoundingClientRect().left]"
        )
        assert skip[0] == "skip"
        assert skip[1] >= 0
        page.keyboard.press("Enter")
        for _ in range(6):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.getAttribute('aria-label') || ''")
            if focused.startswith("Retry"):
                break
        assert focused == "Retry: examine an image"
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Enter")
        page.get_by_text("No job is buried").wait_for()
    wait_until(
        lambda: jobs_of(hospital.state.ledger, study)[0].state is JobState.READY, "the job to be ready"
    )
    hospital.close()


def test_without_scripts_everything_can_be_done_all_the_same(chromium, tmp_path):
    hospital = Hospital(tmp_path)
    study = hospital.fail("failed")
    with serving(hospital) as address, someone(chromium, address, java_script_enabled=False) as page:
        sign_in(page)
        page.get_by_role("link", name=study).click()
        page.get_by_role("button", name="Retry").click()
        assert page.get_by_role("button", name="Retry").count() == 0
        assert jobs_of(hospital.state.ledger, study)[0].state is JobState.READY
    hospital.close()


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESK, "light")], ids=["phone", "desk"])
def test_no_page_is_wider_than_its_screen_and_all_text_can_be_read(chromium, ward, tmp_path, size, scheme):
    """Contrast of at least 4.5 to 1 (WCAG 2.2 AA) in both schemes; buttons and links a thumb can hit."""
    with someone(chromium, ward[2], size, scheme) as page:
        page.goto("/login")
        assert page.evaluate(CONTRAST) == []
        sign_in(page)
        for number, path in enumerate(paths(ward[1])):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
            assert page.evaluate(CONTRAST) == [], path
            low = "[...document.querySelectorAll('button, nav a')].filter(e => e.offsetHeight < 44).length"
            assert page.evaluate(low) == 0, path
            page.screenshot(path=tmp_path / f"{number}-{scheme}-{size['width']}.png", full_page=True)
    assert len(list(tmp_path.glob("*.png"))) == len(paths(ward[1]))


def test_a_study_is_found_and_its_filter_is_set_by_keyboard_alone(chromium, ward):
    """From the first field of the list to the study and back to what needs an operator."""
    _, day, address = ward
    with someone(chromium, address, PHONE) as page:
        sign_in(page)
        page.get_by_role("searchbox").or_(page.locator("#find")).focus()
        page.keyboard.type(day["failed"][8:])
        page.keyboard.press("Enter")
        page.wait_for_url("**/?uid=*")
        assert page.locator(".studies tbody tr").count() == 1
        page.locator("#find").focus()
        focused = ""
        for _ in range(6):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.getAttribute('href') || ''")
            if focused == "/?needs=me":
                break
        assert focused == "/?needs=me"
        page.keyboard.press("Enter")
        page.wait_for_url("**/?needs=me")
        assert page.get_by_text("needs an operator").count() == 2


def test_a_refresh_keeps_open_details_the_scroll_position_and_a_selection(chromium, tmp_path):
    hospital = Hospital(tmp_path)
    hospital.fail("failed")
    with serving(hospital) as address, someone(chromium, address, PHONE) as page:
        page.clock.install()
        sign_in(page)
        page.goto("/buried")
        page.locator("details[id^=studies] summary").click()
        is_open = page.locator("details[id^=studies]").evaluate("one => one.open")
        page.evaluate("window.scrollTo(0, 60)")
        page.evaluate("document.querySelector('.reason').dataset.old = 'yes'")
        page.clock.run_for(16_000)
        page.locator(".reason:not([data-old])").wait_for()
        assert page.locator("details[id^=studies]").evaluate("one => one.open") == is_open
        assert page.evaluate("window.scrollY") == 60
        select = "getSelection().selectAllChildren(document.querySelector('.reason'))"
        page.evaluate(select)
        with page.expect_response("**/buried"):
            page.clock.run_for(16_000)
        assert page.evaluate("getSelection().toString()") == "MemoryError in pixels.py:120"
    hospital.close()


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESK, "light")], ids=["phone", "desk"])
def test_axe_finds_nothing_on_any_page_of_the_operator(chromium, ward, size, scheme):
    """WCAG 2.2 A and AA, contrast included, and best practice; what is folded away is opened."""
    with someone(chromium, ward[2], size, scheme, bypass_csp=True) as page:
        sign_in(page)
        for path in paths(ward[1]):
            page.goto(path)
            page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
            assert violations(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
