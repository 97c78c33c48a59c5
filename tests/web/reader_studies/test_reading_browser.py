"""Readers at a real browser: by keyboard, by touch, in two tabs, without network and without session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ra_node.domain.reader_study.roles import AccountRole
from ra_node.ledger.reader_studies.tasks import find_task
from tests.conftest import find_tool, wait_until
from tests.torture.reading.readers import Traffic
from tests.web.conftest import serving
from tests.web.hospital import PASSWORD, Hospital
from tests.web.reader_studies.builders import PLACES, add_account, drawn_hands, keep_image, make_study
from tests.web.reader_studies.conftest import reading

DESK = {"width": 1280, "height": 720}
TABLETS = ({"width": 1024, "height": 768}, {"width": 768, "height": 1024})
SLOW_MS = 30_000
SHOWN = "#reading[data-shown='{}']"


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
    page.goto("/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
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
        page.on("request", lambda request: fetched.append(request.url) if "/picture" in request.url else None)
        begin(page, study)
        wait_until(lambda: page.evaluate("1") and len(fetched) == 2, "the image of the next hand")
        press(page, "n")
        saved(page)
        assert len(fetched) == 2
        press(page, "_")
        shown(page)
        first = page.evaluate("document.getElementById('reading').dataset.task")
        assert first in fetched[1]


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


def test_a_tablet_reads_by_touch_alone(chromium, site):
    hospital, address = site
    study = make_study(hospital, drawn_hands(2, 240, 180), name="touch")
    with someone(chromium, address, "alice", TABLETS[1], has_touch=True) as page:
        begin(page, study)
        page.locator("[data-joint=mcp_3]").tap()
        page.locator("[data-stage='3']").tap()
        expect(page.locator("#hand-stage")).to_have_text("Hand: stage 3")
        page.get_by_role("button", name="Rest normal").tap()
        saved(page)
        page.get_by_role("button", name="Next hand").tap()
        page.get_by_text("Hand 2 of 2").wait_for()
        shown(page)
        page.get_by_role("button", name="Not gradable").tap()
        page.get_by_role("button", name="The whole hand").tap()
        page.get_by_role("button", name="cut off").tap()
        expect(page.locator("#hand-stage")).to_have_text("Hand: not gradable")
        saved(page)


def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 A and AA, contrast included."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = axe.Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]
    ]


LOW = """[...document.querySelectorAll('button, nav a, .button')]
    .filter(e => e.offsetHeight && e.offsetHeight < 40).map(e => e.textContent)"""
BELOW = """[...document.querySelectorAll('main button')].filter(e => e.offsetHeight)
    .filter(e => e.getBoundingClientRect().bottom > innerHeight + 1).map(e => e.textContent)"""
WIDE = "document.documentElement.scrollWidth > innerWidth"


def test_the_reading_page_fits_a_desktop_and_a_tablet_and_a_thumb_hits_its_buttons(chromium, site):
    hospital, address = site
    study = make_study(hospital, drawn_hands(2, 240, 180), name="sizes")
    with someone(chromium, address, "alice") as page:
        begin(page, study)
        for size in (DESK, *TABLETS):
            page.set_viewport_size(size)
            press(page, "3 ArrowRight")
            for question in (LOW, BELOW):
                assert page.evaluate(question) == [], size
            assert not page.evaluate(WIDE), size


def test_axe_finds_nothing_on_any_page_of_reader_studies(chromium, site):
    """WCAG 2.2 A and AA, contrast included, and best practice; dialogs too."""
    hospital, address = site
    study = make_study(hospital, drawn_hands(2, 240, 180), name="axe")
    with someone(chromium, address, "alice", bypass_csp=True) as page:
        page.goto(f"/reading/{study}")
        assert violations(page) == []
        begin(page, study)
        press(page, "3 ArrowRight 0")
        assert violations(page) == []
        for key, dialog in (("?", "#help"), ("x", "#reasons")):
            press(page, key)
            page.locator(dialog).wait_for()
            assert violations(page) == [], dialog
            press(page, "Escape")
    with someone(chromium, address, "chief", TABLETS[1], bypass_csp=True) as page:
        for path in ("/reader-studies", "/reader-studies/new", f"/reader-studies/{study}"):
            page.goto(path)
            assert not page.evaluate(WIDE), path
            assert violations(page) == [], path


def test_axe_finds_nothing_where_a_lead_draws_the_box_of_a_hand(chromium, site, tmp_path):
    """The list of images, the page of one with its box drawn, and its refusal."""
    hospital, address = site
    study = make_study(hospital, drawn_hands(1, 60, 44), name="axe boxes")
    keep_image(hospital, study, tmp_path / "plate.png")
    with someone(chromium, address, "chief", TABLETS[1], refused="400", bypass_csp=True) as page:
        page.goto(f"/reader-studies/{study}/images")
        assert violations(page) == []
        page.goto(f"/reader-studies/{study}/images/image-1")
        for edge, percent in (("left", 90), ("top", 10), ("right", 10), ("bottom", 90)):
            page.locator(f"#{edge}").fill(str(percent))
        page.get_by_label("No name").check()
        page.get_by_role("button", name="Add").click()
        page.get_by_role("alert").wait_for()
        assert violations(page) == []
        page.locator("#left").fill("5")
        page.locator("#draw-image").drag_to(
            page.locator("#draw-image"),
            source_position={"x": 20, "y": 20},
            target_position={"x": 120, "y": 150},
        )
        page.locator("#draw-box").wait_for()
        assert violations(page) == []
        assert not page.evaluate(WIDE)


def test_axe_finds_nothing_on_revision_consensus_and_signature(chromium, site):
    """Both marks on screen, the note that a consensus outside the range asks for, and what follows."""
    hospital, address = site
    study = make_study(hospital, drawn_hands(1, 240, 180), name="axe adjudication")
    for name, stage in (("alice", 1), ("bob", 3)):
        with reading(hospital, study, name) as one:
            one.read_all(lambda _task, stage=stage: stage)
    with someone(chromium, address, "alice", bypass_csp=True) as page:
        page.goto(f"/reading/{study}")
        assert violations(page) == []
        begin(page, study, "adjudicate")
        assert "The other reading: stage 3" in page.locator("#others").inner_text()
        assert violations(page) == []
    for name in ("alice", "bob"):
        with reading(hospital, study, name) as one:
            task = one.next(part="/discrepancies")
            assert one.act(task, [{"kind": "kept"}]).status_code == 200
            one.end("close-revision")
    with someone(chromium, address, "alice", TABLETS[1], bypass_csp=True) as page:
        begin(page, study, "adjudicate")
        assert violations(page) == []
        press(page, "5")
        page.locator("#note-dialog").wait_for()
        assert violations(page) == []
        page.get_by_label("outside the range").fill("erosion")
        page.get_by_role("button", name="Save").press("Enter")
        expect(page.locator("#chosen")).to_have_text(re.compile("stage 5"))
        saved(page)
        assert violations(page) == []
        page.goto(f"/reading/{study}")
        page.get_by_role("button", name="Sign", exact=True).wait_for()
        assert violations(page) == []
