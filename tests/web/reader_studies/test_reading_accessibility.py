"""Reading pages by touch, at the sizes of desktops and tablets, and by axe-core."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.web.browser_sign_in import violations
from tests.web.reader_studies.browser_reader import DESK, begin, press, saved, shown, someone
from tests.web.reader_studies.builders import drawn_hands, keep_image, make_study
from tests.web.reader_studies.conftest import reading

TABLETS = ({"width": 1024, "height": 768}, {"width": 768, "height": 1024})
LOW = """[...document.querySelectorAll('button, nav a, .button')]
    .filter(e => e.offsetHeight && e.offsetHeight < 40).map(e => e.textContent)"""


BELOW = """[...document.querySelectorAll('main button')].filter(e => e.offsetHeight)
    .filter(e => e.getBoundingClientRect().bottom > innerHeight + 1).map(e => e.textContent)"""


WIDE = "document.documentElement.scrollWidth > innerWidth"


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
