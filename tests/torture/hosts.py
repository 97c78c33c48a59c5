"""Two hosts with one ledger on PostgreSQL and one folder of files; one of them dies, or the ledger does."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from pydicom.uid import DigitalXRayImageStorageForPresentation
from sqlalchemy import make_url, select

from ra_node.domain.job import JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, open_ledger
from ra_node.ledger.storage.durable_files import Files
from ra_node.network.scu.c_store import PeerAddress, echo
from tests.conftest import absent, wait_until
from tests.ledger.server import _account, find_programs, postgresql
from tests.node.harness import REPOSITORY, ROLES, Orthanc
from tests.ports import free_port
from tests.torture.campaign import at_rest
from tests.torture.load import DCMSEND, STORESCU, Acknowledged, Image, store, studies
from tests.torture.process import OWN_AE
from tests.torture.raw_dicom import (
    ABORT_PDU,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    RawConnection,
    association_request,
    small_image,
    store_request,
    store_status,
)
from tests.torture.role import spawn
from tests.torture.verdict import Verdict, compare

LEASE_S = 6.0
LONGEST_WAIT_S = 15.0
"""Settled by force after this time: what a listener that died for good had left open."""
DX = DigitalXRayImageStorageForPresentation


@dataclass
class Host:
    """One "machine": its own name, port and processes; data folder and ledger are common."""

    name: str
    folder: Path
    url: str
    pacs: Orthanc
    port: int = field(default_factory=free_port)
    running: dict[str, ForkServerProcess] = field(default_factory=dict)

    @property
    def address(self) -> PeerAddress:
        return PeerAddress(self.name, "RA_NODE", "127.0.0.1", self.port, calling_ae=STORESCU)

    def start(self) -> None:
        config = self.folder / f"{self.name}.toml"
        config.write_text(self._configuration(), encoding="utf-8")
        for role in ROLES:
            self.running[role] = spawn(role, config, self.folder / f"{self.name}-{role}.log")

    def kill(self) -> set[int]:
        """Like a power cut of the whole machine; return the process ids that are gone."""
        gone = {int(process.pid or 0) for process in self.running.values()}
        for process in self.running.values():
            os.kill(int(process.pid or 0), signal.SIGKILL)
        for process in self.running.values():
            process.join()
        self.running.clear()
        return gone

    def is_whole(self) -> bool:
        return all(process.is_alive() for process in self.running.values())

    def _configuration(self) -> str:
        sources = "".join(
            f'[[peer]]\nname = "source{n}"\nae_title = "{title}"\nroles = ["source"]\n'
            for n, title in enumerate((STORESCU, DCMSEND, OWN_AE))
        )
        bundle = REPOSITORY / "config" / "bundles" / "demo"
        return (
            f'[node]\nport = {self.port}\nhost_name = "{self.name}"\ndata_dir = "state"\n'
            f'[ledger]\nurl = "{self.url}"\n'
            f"[study]\nquiet_s = 0.3\nmax_wait_s = {LONGEST_WAIT_S}\n"
            f'[models]\nbundle = "{bundle}"\ndevice = "cpu"\nimages = 2\n'
            f"[limits]\njob_lease_s = {LEASE_S}\nmin_free_gib = 0.1\nassociation_idle_s = 600\n{sources}"
            f'[[peer]]\nname = "pacs"\nae_title = "{self.pacs.ae_title}"\nport = {self.pacs.dicom_port}\n'
            f'roles = ["destination"]\n'
        )


@dataclass
class Cluster:
    """Two hosts, their ledger, their files."""

    hosts: list[Host]
    ledger: Ledger
    files: Files
    server: Path
    programs: Path

    def stop_server(self) -> None:
        self._control("-m", "immediate", "stop")

    def start_server(self) -> None:
        options = f"-F -c shared_buffers=16MB -k {self.server} -c listen_addresses=''"
        self._control("-w", "-t", "500", "-l", str(self.server / "server.log"), "-o", options, "start")

    def _control(self, *words: str) -> None:
        argv = [self.programs / "pg_ctl", "-D", self.server / "data", *words]
        quiet = subprocess.DEVNULL
        subprocess.run(
            argv,
            check=True,
            cwd=self.server,
            timeout=600,
            stdout=quiet,
            stderr=quiet,
            **_account(self.server),
        )


@contextmanager
def cluster(folder: Path, pacs: Orthanc) -> Iterator[Cluster]:
    """Run two hosts until the block ends; skips where PostgreSQL is not installed."""
    programs = find_programs()
    if programs is None:
        absent("PostgreSQL (initdb, pg_ctl) is not installed")
    assert programs is not None
    with postgresql(programs) as url:
        server = Path(str(make_url(url).query["unix_sock"])).parent
        state = folder / "state"
        state.mkdir(mode=0o700, parents=True)
        hosts = [Host(name, folder, url, pacs) for name in ("north", "south")]
        ledger = open_ledger(url)
        try:
            for host in hosts:
                host.start()
            for host in hosts:
                wait_until(lambda: echo(host.address).alive, f"the listener of {host.name}", 600)  # noqa: B023
            yield Cluster(hosts, ledger, Files(state), server, programs)
        finally:
            for host in hosts:
                for process in host.running.values():
                    process.kill()
            ledger.close()


@dataclass
class TakenOver:
    """How the other host went on when one died."""

    verdict: Verdict
    held_jobs: int = 0
    jobs_s: float = 0.0
    """From the death to the end of the last job that the dead host held."""
    rest_s: float = 0.0
    """From the death to the answer of everything that was acknowledged by either host."""


def lose_a_host(folder: Path, pacs: Orthanc, count: int, seed: int) -> TakenOver:
    """Send to both hosts; kill one while it works and receives; send at least `count` studies in all."""
    told, drawn = Acknowledged(), studies(folder / "sent", seed, hands_share=0.5)
    with cluster(folder, pacs) as both:
        north, south = both.hosts
        died = threading.Event()

        def stream() -> None:
            while not died.is_set() or len(told.studies) < count:
                for number, image in enumerate(next(drawn)):
                    _send(told, [image], (STORESCU, DCMSEND)[number % 2], [north, south])
                    _send(told, [image], DCMSEND, [south])  # once more: a PACS may route a study twice

        sender = threading.Thread(target=stream, daemon=True)
        sender.start()
        with RawConnection(
            north.port
        ) as half:  # it was receiving as well: this object was never acknowledged
            assert half.request(association_request(OWN_AE)) == ASSOCIATE_AC
            half.send(store_request(DX, "1.2.3", small_image("1.2.3", "1.2.4"))[0])
            held = wait_until(lambda: _held_by(both.ledger, _pids(north)), "north to be at work", 900)
            north.kill()
        since = time.monotonic()
        died.set()
        wait_until(lambda: _ended(both.ledger, held), "the jobs of the dead host", 900)
        jobs_s = time.monotonic() - since
        sender.join(1800)
        assert not sender.is_alive(), "the sender could not send what it held"
        wait_until(lambda: at_rest(both.ledger), "the other host to come to rest", 1800)
        rest_s = time.monotonic() - since
        verdict = compare(pacs, both.ledger, both.files, list(told.images.values()))
    return TakenOver(verdict, len(held), jobs_s, rest_s)


@dataclass
class Outage:
    """What happened while PostgreSQL was away."""

    verdict: Verdict
    seconds: float = 0.0
    rejected: bool = False
    """A new association was turned away as congested, for now (PS3.8 9.3.4: transient)."""
    store_status: int | None = None
    """The answer to a C-STORE on an association from before."""
    status_afterwards: int | None = None
    """The answer to the same C-STORE on the same association, with the ledger back."""
    same_processes: bool = False
    """No role was started again by anybody."""


def lose_the_ledger(folder: Path, pacs: Orthanc, count: int, seconds: float, seed: int) -> Outage:
    """Stop PostgreSQL in mid-work, try to send, start it again, send the rest: all is answered."""
    told, drawn = Acknowledged(), studies(folder / "sent", seed)
    waiting = [image for _ in range(count) for image in next(drawn)]
    with cluster(folder, pacs) as both:
        north, south = both.hosts
        for image in waiting[: len(waiting) // 2]:
            _send(told, [image], STORESCU, [north])
        with RawConnection(south.port) as line:
            assert line.request(association_request(OWN_AE)) == ASSOCIATE_AC
            both.stop_server()
            stopped = time.monotonic()
            found = Outage(Verdict())
            object_pdus = store_request(DX, "1.2.77", small_image("1.2.77", "1.2.78"))
            found.store_status = store_status(line, object_pdus)
            with RawConnection(north.port) as refused:
                found.rejected = refused.request(association_request(OWN_AE)) == ASSOCIATE_RJ
            threading.Event().wait(max(0.0, stopped + seconds - time.monotonic()))
            both.start_server()
            found.seconds = time.monotonic() - stopped
            wait_until(lambda: store(STORESCU, north.port, waiting[:1]), "north to take images again", 600)
            found.status_afterwards = store_status(line, object_pdus)
            line.send(ABORT_PDU)
        for image in waiting[len(waiting) // 2 :]:
            _send(told, [image], DCMSEND, [south])
        wait_until(lambda: at_rest(both.ledger), "the hosts to come to rest", 900)
        found.same_processes = all(host.is_whole() for host in both.hosts)
        found.verdict = compare(pacs, both.ledger, both.files, list(told.images.values()))
    return found


def _send(told: Acknowledged, images: list[Image], program: str, hosts: list[Host]) -> None:
    """Send until it is acknowledged, as a modality does: to the first host that is alive."""

    def acknowledged() -> set[str]:
        alive = next(host for host in hosts if host.running)
        return store(program, alive.port, images)

    told.add(images, wait_until(acknowledged, "an acknowledgement", 900))


def _pids(host: Host) -> set[int]:
    return {int(process.pid or 0) for process in host.running.values()}


def _held_by(ledger: Ledger, pids: set[int]) -> list[str]:
    """The jobs that processes hold a lease on: the owner's name is role, process id and a random part."""
    job = schema.job
    with ledger.read() as connection:
        leased = connection.execute(select(job.c.id, job.c.owner).where(job.c.state == JobState.LEASED)).all()
    return [row.id for row in leased if int(row.owner.split("-")[1]) in pids]


def _ended(ledger: Ledger, jobs: list[str]) -> bool:
    job = schema.job
    with ledger.read() as connection:
        states = connection.execute(select(job.c.state).where(job.c.id.in_(jobs))).scalars().all()
    return all(state in (JobState.DONE, JobState.BURIED) for state in states)
