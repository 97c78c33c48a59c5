"""Readers at a real browser: by keyboard, by touch, in two tabs, without network and without session."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from ra_node.ledger.reader_studies.tasks import find_task
from tests.conftest import wait_until
from tests.torture.reading.readers import Traffic
from tests.web.reader_studies.browser_reader import SLOW_MS, begin, press, saved, shown, someone
from tests.web.reader_studies.builders import PLACES, drawn_hands, make_study


def read_study(page: Page, study: str, lesions: dict[int, str]) -> None:
    """Read every hand by keyboard: keys for the lesions of some, then the rest is normal; then close."""
    begin(page, study)
    while True:
        number, total = map(int, re.findall(r"\d+", page.locator("#count").inner_text()))
        press(page, lesions.get(number, ""))
        press(page, "n _")
        if number == total:
            break
        page.get_by_text(f"Hand {number + 1} of {total}").wait_for()
        shown(page)
    page.wait_for_url(f"**/reading/{study}")
    page.keyboard.press("Tab")
    for _ in range(12):
        if page.evaluate("document.activeElement.textContent") == "Close my reading":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Close my reading").wait_for(state="detached")


def test_two_readers_stage_by_keyboard_differ_adjudicate_and_sign(chromium, site):
    """No mouse: sign in, three hands, one discrepancy, revision, consensus, both signatures."""
    hospital, address = site
    study = make_study(hospital, drawn_hands(3, 120, 90), name="by keyboard")
    for name in ("alice", "bob"):
        with someone(chromium, address, name) as page:
            read_study(page, study, {1: "1", 2: "ArrowRight 2", 3: "4"} if name == "alice" else {})
    for name in ("alice", "bob"):
        with someone(chromium, address, name) as page:
            begin(page, study, "adjudicate")
            assert "Your reading" in page.locator("#others").inner_text()
            for _ in range(3):
                count = page.locator("#count").inner_text()
                press(page, "k _")
                page.get_by_text(count).wait_for(state="detached")
            page.get_by_role("button", name="Close my revision").click()
            page.get_by_text("Close my revision").wait_for(state="detached")
    with someone(chromium, address, "alice") as page:
        begin(page, study, "adjudicate")
        press(page, "5")
        page.get_by_label("outside the range").fill("erosion at the base")
        page.get_by_role("button", name="Save").press("Enter")
        expect(page.locator("#chosen")).to_have_text(re.compile("stage 5"))
        saved(page)
        for _ in range(2):
            press(page, "_")
            shown(page)
            press(page, "0")
            saved(page)
        press(page, "_")
        page.get_by_role("button", name="Sign", exact=True).press("Enter")
        page.get_by_text("1 of 2 signatures").wait_for()
    with someone(chromium, address, "bob") as page:
        page.goto(f"/reading/{study}")
        page.get_by_role("button", name="Sign", exact=True).press("Enter")
        page.get_by_text("All is signed").wait_for()


def test_no_byte_to_the_browser_holds_the_models_result_before_the_reading_is_closed(chromium, site):
    """All responses and their headers are searched; after the end the model's result is shown, and found."""
    hospital, address = site
    study = make_study(hospital, drawn_hands(2, 120, 90), name="model marked", reveal=True)
    said = (b"987654", b"probability", b"RA 99 %")
    with someone(chromium, address, "alice") as page:
        before, after = Traffic(forbidden=said), Traffic(forbidden=said)
        before.listen(page)
        read_study(page, study, {1: "1", 2: "ArrowRight 2"})
        before.read()
        assert len(before.saved) == 4
        assert before.bytes_seen > 2 * 2 * 120 * 90
        assert before.found == set()
        page.get_by_role("link", name="1", exact=True).click()
        after.listen(page)
        shown(page)
        after.read()
        assert "RA 99 %" in after.found


def test_the_time_between_the_last_mark_and_the_next_hand_is_sent_for_the_hand(chromium, site):
    """A clock that the test sets: 4 s of looking before the mark, 7 s after it, until the space bar."""
    hospital, address = site
    study = make_study(hospital, drawn_hands(2, 60, 44), name="timed", by_joint=False)
    with someone(chromium, address, "alice") as page:
        page.add_init_script(
            "let ahead = 0; const real = performance.now.bind(performance);"
            "performance.now = () => real() + ahead; window.pass = (ms) => { ahead += ms; };"
        )
        begin(page, study)
        task = page.locator("#reading").get_attribute("data-task")
        page.evaluate("pass(4000)")
        press(page, "2")
        page.evaluate("pass(7000)")
        press(page, "_")
        page.get_by_text("Hand 2 of 2").wait_for()
        saved(page)
    with hospital.state.ledger.read() as connection:
        assert 11_000 <= find_task(connection, task).spent_ms < 11_000 + SLOW_MS


def test_the_hand_takes_the_highest_stage_as_it_forms_and_undo_takes_it_back(chromium, site):
    hospital, address = site
    study = make_study(hospital, drawn_hands(1, 120, 90), name="forms")
    with someone(chromium, address, "alice") as page:
        begin(page, study)
        hand = page.locator("#hand-stage")
        expect(hand).to_have_text("Hand: no stage yet")
        press(page, "2 ArrowRight 4 ArrowDown 1")
        expect(hand).to_have_text("Hand: stage 4")
        press(page, "u u")
        expect(hand).to_have_text("Hand: stage 2")
        press(page, "x 3")
        expect(hand).to_have_text("Hand: not gradable")
        press(page, "u n")
        expect(hand).to_have_text("Hand: stage 2")
        expect(page.locator("#left")).to_have_text("")
        saved(page)
        page.goto(f"/reading/{study}/read?hand=1")
        shown(page)
        expect(hand).to_have_text("Hand: stage 2")


def test_the_next_hand_is_there_before_it_is_asked_for(chromium, site):
    """After the space bar no image is fetched for the hand that appears; only the one after it."""
    hospital, address = site
    study = make_study(hospital, drawn_hands(4, 120, 90), name="prefetch")
    with someone(chromium, address, "alice") as page:
        fetched = []
        page.on(
            "request",
            lambda request: fetched.append(request.url) if request.url.endswith("/picture") else None,
        )
        begin(page, study)
        wait_until(lambda: page.evaluate("1") and len(fetched) == 2, "the image of the next hand")
        press(page, "n")
        saved(page)
        assert len(fetched) == 2
        press(page, "_")
        shown(page)
        first = page.evaluate("document.getElementById('reading').dataset.task")
        assert first in fetched[1]


def tone(page: Page) -> list[int]:
    """The mean grey of the canvas and its darkest and brightest values."""
    return page.evaluate(
        """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
          const c = document.getElementById('picture');
          const [x, y, w, h] = [c.width * .4, c.height * .4, c.width * .2, c.height * .2];
          const d = c.getContext('2d').getImageData(x, y, w, h).data;
          let sum = 0; for (let n = 0; n < d.length; n += 4) sum += d[n];
          done(Math.round(sum / (d.length / 4)));
        })))"""
    )


def test_window_level_invert_zoom_turn_and_boxes_work_by_mouse_and_key(chromium, site):
    hospital, address = site
    study = make_study(hospital, drawn_hands(1, 240, 180), name="display")
    with someone(chromium, address, "alice") as page:
        begin(page, study)
        press(page, "b")
        first, text = tone(page), page.locator("#window").inner_text()
        page.mouse.move(300, 300)
        page.mouse.down()
        page.mouse.move(300, 420, steps=4)
        page.mouse.up()
        expect(page.locator("#window")).not_to_have_text(text)
        assert tone(page) != first
        press(page, "w")
        expect(page.locator("#window")).to_have_text(text)
        press(page, "i")
        assert abs(tone(page) - (255 - first)) <= 3
        press(page, "i z z t f t t t b")
        assert tone(page) >= 0
        box = "document.querySelector('[data-joint=pip_5]')"
        press(page, "m ArrowLeft ArrowLeft ArrowUp Enter")
        saved(page)
        assert page.evaluate(f"{box} !== null")
        moved = page.evaluate(f"fetch('/reading/{study}/hands/1').then(a => a.json())")["task"]["joints"]
        assert sum(abs(moved[name][0] - x * 180) > 3 for name, (x, _) in PLACES.items()) == 1


CANVAS = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() =>
  done(document.getElementById('picture').toDataURL()))))"""


def test_where_the_whole_hand_is_staged_its_joints_are_boxed_and_movable_and_need_no_stage(chromium, site):
    hospital, address = site
    study = make_study(hospital, drawn_hands(2, 240, 180), name="whole boxed", by_joint=False)
    with someone(chromium, address, "alice") as page:
        begin(page, study)
        boxed = page.evaluate(CANVAS)
        press(page, "b")
        assert page.evaluate(CANVAS) != boxed
        press(page, "b")
        assert page.evaluate(CANVAS) == boxed
        press(page, "ArrowRight ArrowDown m ArrowLeft ArrowLeft Enter")
        saved(page)
        moved = page.evaluate(f"fetch('/reading/{study}/hands/1').then(a => a.json())")["task"]
        assert sum(abs(moved["joints"][name][0] - x * 180) > 3 for name, (x, _) in PLACES.items()) == 1
        assert (moved["labels"], moved["complete"]) == ({}, False)
        press(page, "_")
        expect(page.locator("#count")).to_have_text("Hand 1 of 2")
        press(page, "3 _")
        page.get_by_text("Hand 2 of 2").wait_for()
