"""A data folder with a wrong ledger, or the other way round: nothing is removed, nothing is taken in.

The scheduler sweeps and purges each second, and every file looks two hours old.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ra_node.ledger.alarms import AlarmKind
from ra_node.ledger.database.engine import open_ledger
from tests.conftest import wait_until
from tests.ledger.server import find_programs, postgresql
from tests.node.harness import Orthanc
from tests.torture.load import Image, studies
from tests.torture.site import Site, site
from tests.torture.verdict import Verdict

STUDIES = 6
ROUNDS = 2
"""Sweeps, or starts that were refused, until a case counts."""
SAID = ("sweep_refused", "orphans_swept", "purge_refused")
JUST_LISTEN_AND_SCHEDULE = ("listen", "schedule")
Case = Callable[[Site, Path], Iterator[None]]


@dataclass(frozen=True, slots=True)
class Kept:
    """What one case came to."""

    files: int
    removed: int
    """Files that are gone, changed or moved."""
    refused: bool
    """No image was acknowledged meanwhile."""
    alarm: str
    """What `ra-node status` says, "" for nothing."""

    @property
    def right(self) -> bool:
        return self.files > 0 and not self.removed and self.refused and bool(self.alarm)

    def __str__(self) -> str:
        heard = "refuses" if self.refused else "RECEIVES"
        told = "alarm" if self.alarm else "NO ALARM"
        return f"{self.removed} of {self.files} files removed, listen {heard}, {told}"


@dataclass
class Swept:
    """All cases, what broken guarantees came to, and the end."""

    cases: dict[str, Kept]
    broken: dict[str, int]
    verdict: Verdict


def lost(one: Site, away: Path) -> Iterator[None]:
    """The ledger is not there any more."""
    _move(one.file, away)
    yield
    _move_back(one.file, away)


def emptied(one: Site, away: Path) -> Iterator[None]:
    """A new, empty ledger is in its place."""
    _move(one.file, away)
    open_ledger(one.url).close()
    yield
    _move_back(one.file, away)


def truncated(one: Site, away: Path) -> Iterator[None]:
    """A file of 0 bytes is in its place."""
    _move(one.file, away)
    one.file.write_bytes(b"")
    yield
    _move_back(one.file, away)


def older(one: Site, away: Path) -> Iterator[None]:
    """It was restored to a state before the last studies came."""
    _move(one.file, away)
    shutil.copy(one.folder / "older", one.file)
    yield
    _move_back(one.file, away)


def another_folder(one: Site, away: Path) -> Iterator[None]:
    """The data folder of another node is mounted."""
    one.state.rename(away)
    shutil.copytree(one.folder / "other" / "node" / "state", one.state)
    yield
    shutil.rmtree(one.state)
    away.rename(one.state)


def another_url(one: Site, _away: Path) -> Iterator[None]:
    """[ledger] url names an empty database."""
    programs = find_programs()
    with _server(programs, one.folder / "new.sqlite3") as url:
        one.configure(one.url, url)
        yield
        one.configure(url, one.url)


CASES: tuple[Case, ...] = (lost, emptied, truncated, older, another_folder, another_url)


def sweep_for_real(folder: Path, pacs: Orthanc, seed: int) -> Swept:
    """Go through all cases with one node, and let it go on with its own ledger afterwards."""
    drawn = studies(folder / "sent", seed, hands_share=0.3)
    images = [image for _ in range(STUDIES) for image in next(drawn)]
    with site(folder / "other", pacs) as other:
        other.start("listen")
        other.send(images[:1])
    with site(folder, pacs) as one:
        half = len(images) // 2
        one.start()
        one.send(images[:half])
        one.rest()
        _copy(one.file, folder / "older")
        one.send(images[half:-1])
        one.rest()
        one.stop()
        one.age()
        (folder / "other" / "node" / "state").mkdir(exist_ok=True)
        other.age()
        cases = {str(case.__doc__): _tried(one, case, images[-1]) for case in CASES}
        one.start()
        one.send(images)
        one.rest()
        one.stop()
        verdict = one.verdict()
        one.age()
        broken = {
            "drop the identity": _removed(one, emptied, "drop the identity"),
            "drop the mark": _removed(one, older, "drop the mark"),
        }
    return Swept(cases, broken, verdict)


def _tried(one: Site, case: Case, image: Image) -> Kept:
    with _applied(one, case):
        before = one.digests()
        said = one.logged("schedule", *SAID)
        one.start(*JUST_LISTEN_AND_SCHEDULE)
        rounds = lambda: max(one.deaths("schedule"), one.logged("schedule", *SAID) - said)  # noqa: E731
        wait_until(lambda: rounds() >= ROUNDS and one.deaths("listen") >= ROUNDS, str(case.__doc__), 120)
        refused = one.is_refused(image)
        one.stop()
        after = one.digests()
        alarm = "; ".join(one_alarm.detail for one_alarm in one.shown(AlarmKind.IDENTITY))
        removed = sum(after.get(path) != digest for path, digest in before.items())
        return Kept(len(before), removed, refused, alarm)


def _removed(one: Site, case: Case, broken: str) -> int:
    """How many files a scheduler without a guarantee takes from the folders that it keeps them in."""
    saved = one.folder / "saved"
    shutil.copytree(one.state, saved)
    with _applied(one, case):
        before = one.digests()
        one.start("schedule", broken=broken)
        wait_until(lambda: len(one.digests()) < len(before), f"files removed: {broken}", 60)
        one.stop()
        removed = len(before) - len(one.digests())
    shutil.rmtree(one.state)
    saved.rename(one.state)
    return removed


@contextmanager
def _applied(one: Site, case: Case) -> Iterator[None]:
    yield from case(one, one.folder / "away")


@contextmanager
def _server(programs: Path | None, instead: Path) -> Iterator[str]:
    """An empty database of PostgreSQL, or of SQLite where that is not installed."""
    if programs is None:
        yield f"sqlite:///{instead}"
        return
    with postgresql(programs) as url:
        yield url


def _copy(ledger: Path, target: Path) -> None:
    with closing(sqlite3.connect(ledger)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _parts(ledger: Path) -> list[Path]:
    return [Path(f"{ledger}{side}") for side in ("", "-wal", "-shm")]


def _move(ledger: Path, away: Path) -> None:
    away.mkdir()
    for part in _parts(ledger):
        if part.exists():
            part.rename(away / part.name)


def _move_back(ledger: Path, away: Path) -> None:
    for part in _parts(ledger):
        part.unlink(missing_ok=True)
        if (away / part.name).exists():
            (away / part.name).rename(part)
    away.rmdir()
