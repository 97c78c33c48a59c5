"""Lost networks, ended sessions and second tabs at a real browser: no mark is lost or on the wrong hand."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.conftest import wait_until
from tests.web.hospital import PASSWORD
from tests.web.reader_studies.browser_reader import begin, press, saved, shown, someone
from tests.web.reader_studies.builders import drawn_hands, make_study


def test_a_mark_counts_as_saved_only_after_the_response_and_is_sent_when_the_node_is_back(chromium, site):
    hospital, address = site
    study = make_study(hospital, drawn_hands(1, 120, 90), name="offline")
    with someone(chromium, address, "alice") as page:
        begin(page, study)
        page.context.set_offline(True)
        press(page, "3")
        page.get_by_text("1 not saved yet").wait_for()
        press(page, "ArrowRight 1")
        page.get_by_text("2 not saved yet").wait_for()
        page.goto("about:blank")
        page.context.set_offline(False)
        begin(page, study)
        saved(page)
        expect(page.locator("#hand-stage")).to_have_text("Hand: stage 3")
        expect(page.locator("#left")).to_have_text("Joints left: 11")


def test_a_network_that_answers_nothing_and_refuses_nothing_delays_a_mark_but_keeps_it(chromium, site):
    """The connection is taken and the request never answered: after the time limit it is sent again."""
    hospital, address = site
    study = make_study(hospital, drawn_hands(1, 120, 90), name="swallowed")
    with someone(chromium, address, "alice") as page:
        page.clock.install()
        begin(page, study)
        swallowed = []
        page.route("**/actions", lambda route: swallowed.append(route.request.url))
        press(page, "3")
        wait_until(lambda: page.evaluate("1") and len(swallowed) == 1, "the request")
        expect(page.locator("#saved")).to_have_text("Saving …")
        page.clock.fast_forward(16_000)
        page.get_by_text("1 not saved yet").wait_for()
        page.unroute("**/actions")
        page.clock.fast_forward(11_000)
        saved(page)
        assert len(swallowed) == 1
        expect(page.locator("#hand-stage")).to_have_text("Hand: stage 3")


def test_a_key_after_next_never_marks_the_hand_that_is_still_on_screen(chromium, site):
    """The next hand is not known yet and the mark is still on its way: a hurried key waits for nobody."""
    hospital, address = site
    study = make_study(hospital, drawn_hands(2, 120, 90), name="hurried")
    with someone(chromium, address, "alice") as page:
        page.route("**/next?after=1", lambda route: route.abort())
        begin(page, study)
        held = []
        page.route("**/actions", lambda route: held.append(route))  # noqa: PLW0108 - it marks its handlers
        press(page, "n 3 _")
        wait_until(lambda: page.evaluate("1") and len(held) == 1, "the first mark")
        press(page, "5 u x")
        assert page.locator("#reasons").is_hidden()
        page.unroute("**/next?after=1")
        page.unroute("**/actions")
        page.get_by_text("Hand 2 of 2").wait_for()
        shown(page)
        press(page, "Backspace")
        page.get_by_text("Hand 1 of 2").wait_for()
        shown(page)
        expect(page.locator("#hand-stage")).to_have_text("Hand: stage 3")


def test_a_session_that_ends_in_the_middle_of_a_hand_loses_no_mark(chromium, site):
    hospital, address = site
    study = make_study(hospital, drawn_hands(2, 120, 90), name="expired")
    with someone(chromium, address, "alice") as page:
        begin(page, study)
        press(page, "3")
        saved(page)
        page.context.clear_cookies()
        press(page, "ArrowRight 5")
        page.get_by_role("heading", name="Your session has ended").wait_for()
        expect(page.locator("#saved")).not_to_have_text("Saved")
        page.keyboard.type("not the password")
        page.keyboard.press("Enter")
        page.get_by_text("Wrong password").wait_for()
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        saved(page)
        page.reload()
        shown(page)
        expect(page.locator("#hand-stage")).to_have_text("Hand: stage 5")


def test_the_second_of_two_tabs_is_told_and_the_first_one_keeps_its_mark(chromium, site):
    hospital, address = site
    study = make_study(hospital, drawn_hands(1, 120, 90), name="two tabs")
    with someone(chromium, address, "alice") as page:
        begin(page, study)
        other = page.context.new_page()
        begin(other, study)
        press(page, "3")
        saved(page)
        press(other, "1")
        other.get_by_text("was marked in another window").wait_for()
        expect(other.locator("#hand-stage")).to_have_text("Hand: stage 3")
        press(other, "2")
        saved(other)
        page.reload()
        shown(page)
        expect(page.locator("#hand-stage")).to_have_text("Hand: stage 2")


def test_a_hand_whose_file_is_gone_is_said_cannot_be_staged_and_is_passed_by(chromium, site):
    hospital, address = site
    study = make_study(hospital, drawn_hands(2, 60, 44), name="gone")
    for path in (hospital.settings.node.data_dir / "reader-studies" / study).glob("*.png"):
        path.unlink()
    with someone(chromium, address, "alice") as page:
        page.goto(f"/reading/{study}/read")
        page.get_by_text("missing or damaged").wait_for()
        press(page, "3 n")
        expect(page.locator("#hand-stage")).to_have_text("Hand: no stage yet")
        press(page, "x h 3")
        expect(page.locator("#hand-stage")).to_have_text("Hand: not gradable")
        press(page, "_")
        page.get_by_text("Hand 2 of 2").wait_for()
