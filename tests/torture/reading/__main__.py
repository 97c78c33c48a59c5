"""Two scripted readers stage hands in a real browser while the server is killed, adjudicate, train on it.

`python -m tests.torture.reading --hands 300 --kills 5 [--radiographs FOLDER]`: images are cut by the real
command; each mark is a key. Reader B differs on a share of the hands. Stages are drawn at random from each
hand's id, so figures of the training that follows say nothing; the way from archive to data set is the proof.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from ra_node.bootstrap.node_context import open_state
from ra_node.settings.node import load_settings
from tests.conftest import find_tool
from tests.torture.reading.readers import Traffic, decide_all, end, read_all, signed_in
from tests.torture.reading.recorded import hands_by_task, mark_model_results, secrets_of, study_ids
from tests.torture.reading.report import report
from tests.torture.reading.site import prepared


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.reading", description=__doc__)
    parser.add_argument("--hands", type=int, default=300)
    parser.add_argument("--kills", type=int, default=5, help="deaths of the server during 100 marks of A")
    parser.add_argument(
        "--radiographs", type=Path, help="folder of real single hands (PNG), half of the hands"
    )
    parser.add_argument("--folder", type=Path, help="where everything is kept; default: a temporary folder")
    parser.add_argument("--no-training", action="store_true")
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="ra-node-reading-"))
    node = prepared(folder, asked.hands, asked.radiographs)
    state = open_state(load_settings(node.config))
    (study,) = study_ids(state)
    hands = hands_by_task(state, study)
    mark_model_results(state, study)
    kills = [2 + 4 * n for n in range(asked.kills)]
    alice, bob, both = Traffic(forbidden=secrets_of(state, study, "alice")), Traffic(), Traffic()
    node.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_tool("chromium"), args=["--no-sandbox"])
            with signed_in(browser, node, "alice", alice) as page:
                seconds = read_all(page, node, study, hands, "alice", kills, alice)
            with signed_in(browser, node, "bob", bob) as page:
                read_all(page, node, study, hands, "bob", [], bob)
            decided = 0
            for name in ("alice", "bob"):
                with signed_in(browser, node, name, both) as page:
                    decided = max(decided, decide_all(page, study, consensus=False))
                    if decided:
                        end(page, study, "Close my revision")
            for name in ("alice", "bob"):
                with signed_in(browser, node, name, both) as page:
                    if name == "alice":
                        decide_all(page, study, consensus=True)
                    end(page, study, "Sign")
            with signed_in(browser, node, "chief", both) as page:
                page.goto(f"/reader-studies/{study}")
                page.screenshot(path=folder / "lead.png", full_page=True)
                shown = page.locator("table").nth(1).inner_text()
            browser.close()
    finally:
        node.kill()
    traffic = {"alice": alice, "bob": bob}
    return report(
        folder, state, study, hands, traffic, seconds, decided, shown, training=not asked.no_training
    )


if __name__ == "__main__":
    sys.exit(main())
