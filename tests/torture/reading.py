"""Two scripted readers stage hands in a real browser while the server is killed, adjudicate, train on it.

`python -m tests.torture.reading --hands 300 --kills 5 [--radiographs FOLDER]`: images are cut by the real
command; each mark is a key. Reader B differs on a share of the hands. Stages are drawn at random from each
hand's id, so figures of the training that follows say nothing; the way from archive to data set is the proof.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Error, Page, Request, Response, sync_playwright
from sqlalchemy import select
from typer.testing import CliRunner

from ra_node.bootstrap import reader_studies
from ra_node.bootstrap.node_context import State, open_state
from ra_node.cli.app import app
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.ledger.database.reader_study_schema import judgement, study_hand, study_task
from ra_node.settings.node import load_settings
from tests.conftest import REPOSITORY, find_tool, wait_until
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import phantom_study

PASSWORD = "correct horse battery"
MARKED = ("MARKED^NAME", "MARKED-ID-77", "MARKED HOSPITAL", "19610203")
THINK_NORMAL_S, THINK_JOINT_S = 12.0, 8.0
"""Stated: a radiologist looks 12 s at a hand, and 8 s more at each joint with a lesion."""
SHARE = 0.15
NAME = "torture"


@dataclass
class Node:
    """The role web as a process, which can be killed and started again on the same port."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.folder / "node.toml"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "web.log").open("ab") as log:
            command = [*node_command("web"), "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers, "the page")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/login", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


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
                self.saved.append(str((response.request.post_data_json or {})["id"]))

    def _response(self, response: Response) -> None:
        self.waiting.append(response)

    def _request(self, request: Request) -> None:
        if request.url.endswith("/actions"):
            self.sent.append(str((request.post_data_json or {})["id"]))


def node_command(*words: str) -> list[str]:
    return [sys.executable, "-m", "ra_node", *words]


def run(*command: str, given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def draw_images(folder: Path, hands: int, radiographs: Path | None) -> None:
    """Half phantom studies of two hands with marked headers, half real hands where a folder is given."""
    folder.mkdir(parents=True)
    real = sorted(radiographs.glob("*.png"))[: hands // 2] if radiographs else []
    for path in real:
        shutil.copyfile(path, folder / path.name)
    for number in range((hands - len(real)) // 2):
        pair = (HandRecipe(Side.RIGHT, stage=number % 6), HandRecipe(Side.LEFT, stage=(number // 6) % 6))
        recipe = PhantomRecipe(pair, rows=1000, columns=1200, seed=number)
        (image,) = phantom_study(recipe, uid_key=f"torture {number}")
        image.PatientName, image.PatientID = MARKED[0], f"{MARKED[1]}-{number}"
        image.InstitutionName, image.PatientBirthDate = MARKED[2], MARKED[3]
        image.save_as(folder / f"phantom-{number}.dcm", enforce_file_format=True)


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
def signed_in(browser: object, node: Node, name: str, traffic: Traffic) -> Iterator[Page]:
    context = browser.new_context(base_url=node.address, viewport={"width": 1280, "height": 720})  # type: ignore[attr-defined]
    page = context.new_page()
    page.set_default_timeout(120_000)
    traffic.listen(page)
    page.goto("/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
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
        page.keyboard.press("n")
        if kill:
            if node.process and node.process.poll() is None:
                node.kill()
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
    """Keep what one said in the revision; in the consensus take the stage that stands first. Hands decided."""
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


def recorded(state: State, study: str, name: str) -> tuple[list[str], dict[str, dict[str, int]]]:
    """Ids of the actions of a reader in the ledger, and the labels in force by task."""
    actions = select(judgement.c.action_id).where(
        judgement.c.reader_study_id == study, judgement.c.person == name, judgement.c.part == 0
    )
    tasks = select(study_task.c.task_id, study_task.c.state_json).where(
        study_task.c.study_id == study, study_task.c.account == name, study_task.c.kind == "reading"
    )
    with state.ledger.read() as connection:
        ids = [str(one) for one in connection.execute(actions).scalars()]
        labels = {row[0]: json.loads(row[1]) for row in connection.execute(tasks)}
    return ids, labels


def hands_by_task(state: State, study: str) -> dict[str, str]:
    with state.ledger.read() as connection:
        query = select(study_task.c.task_id, study_task.c.hand_id).where(study_task.c.study_id == study)
        return {row[0]: row[1] for row in connection.execute(query)}


def secrets_of(state: State, study: str, reader: str) -> tuple[bytes, ...]:
    """What must not reach a reader: the other account and his tasks, hands, pseudonyms, headers."""
    with state.ledger.read() as connection:
        tasks = select(study_task.c.task_id, study_task.c.account).where(study_task.c.study_id == study)
        others = [row[0] for row in connection.execute(tasks) if row[1] != reader]
        hands = select(study_hand.c.hand_id, study_hand.c.patient).where(study_hand.c.study_id == study)
        known = [text for row in connection.execute(hands) for text in row if text]
    return tuple(word.encode() for word in ("bob", *MARKED, *others, *known))


def train_on(folder: Path, python: str) -> list[str]:
    """Export, prepare, split, train one epoch, evaluate; the lines that tell of the result."""
    node = str(folder / "node.toml")
    told = [
        run(*node_command("reader-study", "export", NAME, "--out", str(folder / "export"), "--config", node))
    ]
    training = (python, "-m", "training")
    data, split, out = folder / "data", folder / "split.json", folder / "run"
    told.append(run(*training, "prepare", "--images", str(folder / "export"), "--out", str(data)))
    told.append(run(*training, "split", "--dataset", str(data), "--out", str(split)))
    text = (REPOSITORY / "config" / "training" / "site.toml").read_text()
    recipe = folder / "short.toml"
    recipe.write_text(re.sub(r"(?m)^epochs = \d+", "epochs = 1", text).replace('"googlenet"', '"alexnet"'))
    recipe.write_text(recipe.read_text().replace('start = "demo"', 'start = "none"'))
    run(
        *training,
        "train",
        "--config",
        str(recipe),
        "--dataset",
        str(data),
        "--split",
        str(split),
        "--out",
        str(out),
    )
    told.append(run(*training, "evaluate", "--run", str(out), "--resamples", "100"))
    return told


def kappa_by_scikit_learn(export: Path) -> tuple[float, float]:
    """Quadratic kappa of joints and of hands, from the exported table."""
    import csv

    from sklearn.metrics import cohen_kappa_score

    with (export / "labels.csv").open(newline="", encoding="utf-8-sig") as stream:
        rows = [
            row for row in csv.DictReader(stream) if row["reader_1"].isdigit() and row["reader_2"].isdigit()
        ]
    joints = [(int(row["reader_1"]), int(row["reader_2"])) for row in rows if row["joint"]]
    hands: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row["joint"]:
            a, b = hands.get(row["file"] + row["side"], (0, 0))
            hands[row["file"] + row["side"]] = (max(a, int(row["reader_1"])), max(b, int(row["reader_2"])))
    scores = [cohen_kappa_score(*zip(*pairs, strict=True), weights="quadratic", labels=range(6))
              for pairs in (joints, list(hands.values()))]  # fmt: skip
    return scores[0], scores[1]


def prepared(folder: Path, hands: int, radiographs: Path | None) -> Node:
    """A node with accounts and a reader study whose hands are cut."""
    draw_images(folder / "archive", hands, radiographs)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    node = Node(folder, port)
    bundle = REPOSITORY / "config" / "bundles" / "demo"
    node.config.write_text(
        f'[node]\ndata_dir = "state"\n[models]\nbundle = "{bundle}"\ndevice = "cpu"\n'
        f"[limits]\nmin_free_gib = 0\n[web]\nenabled = true\nport = {port}\n"
    )
    config = ("--config", str(node.config))
    for name, role in (("alice", "reader"), ("bob", "reader"), ("chief", "lead")):
        run(*node_command("web-password", name, "--role", role, *config), given=PASSWORD + "\n")
    words = ("reader-study", "create", NAME, str(folder / "archive"), "--by-joint", "--side", "L")
    readers = ("--reader", "alice", "--reader", "bob", *config)
    reader_studies.NICENESS = 0  # the command yields to the node's work; nothing else of a node runs here
    made = CliRunner().invoke(app, [*words, *readers])
    if made.exit_code:
        raise SystemExit(made.output)
    print(made.output.strip().splitlines()[-1])
    return node


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
    (study,) = {row for row in study_ids(state)}
    hands = hands_by_task(state, study)
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
    return report(
        folder, state, study, hands, alice, bob, seconds, decided, shown, training=not asked.no_training
    )


def study_ids(state: State) -> list[str]:
    with state.ledger.read() as connection:
        return [str(one) for one in connection.execute(select(study_task.c.study_id).distinct()).scalars()]


def report(folder: Path, state: State, study: str, hands: dict[str, str], alice: Traffic, bob: Traffic,
           seconds: list[float], decided: int, shown: str, *, training: bool) -> int:  # fmt: skip
    """Print what was proven; 0 where every promise was kept."""
    faults = []
    for name, traffic in (("alice", alice), ("bob", bob)):
        ids, labels = recorded(state, study, name)
        lost, doubled = set(traffic.saved) - set(ids), len(ids) - len(set(ids))
        print(f"{name}: {len(set(traffic.sent))} actions sent in {len(traffic.sent)} requests, {len(ids)} in the"
              f" ledger; shown as saved and lost: {len(lost)}; doubled: {doubled}")  # fmt: skip
        wrong = [task for task, kept in labels.items()
                 if labels_of(kept) != dict.fromkeys(JOINTS, 0) | truth_of(hands[task], name)]  # fmt: skip
        print(f"{name}: {len(labels)} hands, {len(wrong)} with other labels than typed")
        faults += [*lost, *wrong] + ["doubled"] * doubled
        if set(traffic.sent) != set(ids):
            faults.append("sent and recorded differ")
    print(f"traffic of alice: {alice.bytes_seen / 1e6:.0f} MB searched for {len(alice.forbidden)} marked values,"
          f" found {sorted(alice.found)}")  # fmt: skip
    faults += alice.found
    print(f"discrepant hands decided: {decided}")
    times = sorted(seconds)
    print(f"page time a hand, scripted: median {median(times):.2f} s, 95 % below {times[int(0.95 * len(times))]:.2f} s;"
          f" with {THINK_NORMAL_S:.0f} s of looking {median(times) + THINK_NORMAL_S:.1f} s a hand without lesions, and with"
          f" {THINK_JOINT_S:.0f} s for each of three joints {median(times) + THINK_NORMAL_S + 3 * THINK_JOINT_S:.1f} s")  # fmt: skip
    print("the lead's page says:\n" + shown)
    if training:
        for text in train_on(folder, sys.executable):
            print("\n".join(text.strip().splitlines()[-12:]))
        joints, whole = kappa_by_scikit_learn(folder / "export")
        print(f"scikit-learn on the export: quadratic kappa of joints {joints:.3f}, of hands {whole:.3f}")
        faults += [] if all(f"{one:.3f}" in shown for one in (joints, whole)) else ["kappa differs"]
    print(f"{len(faults)} faults {faults[:5]}; kept in {folder}")
    return 1 if faults else 0


def labels_of(kept: dict[str, object]) -> dict[str, int]:
    """Labels of the state that a task keeps."""
    marks = kept.get("marks", kept)
    assert isinstance(marks, dict)
    return dict(marks["labels"])


if __name__ == "__main__":
    sys.exit(main())
