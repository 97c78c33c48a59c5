"""The roles, one process each: build what the role needs, work until told to stop, stop in good order."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from ra_node.bootstrap.analysis import build_worker, gpu_bytes, lanes_of
from ra_node.bootstrap.delivery import build_askers, build_committer, build_deliverer, build_prior_server
from ra_node.bootstrap.listener import build_listener
from ra_node.bootstrap.maintenance import build_audit, build_scrubber, build_tidier
from ra_node.bootstrap.node_context import build_binding, build_guard, new_owner, open_state, presence_folder
from ra_node.bootstrap.web import build_desk, build_server, state_for_page
from ra_node.domain.job import Job, JobKind
from ra_node.errors import Fatal, Retryable
from ra_node.ledger.alarms import AlarmKind, raise_alarm
from ra_node.ledger.database.engine import SETTLING, Ledger, LedgerLost
from ra_node.ledger.jobs.queue import claim, release
from ra_node.ledger.storage.identity import Unbound
from ra_node.runtime.log import configure_logging
from ra_node.runtime.output import original, take_over_stdout
from ra_node.runtime.scheduler import ScheduledTask, run_line, run_tasks
from ra_node.runtime.supervisor import Supervisor, die_with_parent, program
from ra_node.runtime.systemd import EVERY_S, STALLED, STOPPING, Pulse, tell
from ra_node.runtime.watchdog import Watchdog
from ra_node.services.jobs.job_notifier import listening
from ra_node.services.jobs.job_pool import JobPool
from ra_node.services.jobs.lease import describe, held
from ra_node.services.jobs.liveness import beat, present
from ra_node.services.jobs.machine_faults import watched
from ra_node.services.jobs.progress import Progress
from ra_node.services.jobs.worker_status import Announcer
from ra_node.services.monitoring.role_watch import RoleWatch
from ra_node.settings.node import Settings

if TYPE_CHECKING:
    import uvicorn

ROLES = ("listen", "work", "deliver", "schedule")
POLL_S = 0.1
IDLE_S = 1.0
"""Between two looks of a role that is rung for when there is something to do."""
AT_ONCE = 16
"""Studies that are sent to a destination in one association at most."""
LEDGER_PAUSE_S = 1.0
SUPERVISED = "RA_NODE_SUPERVISED"


def supervise(settings: Settings, config: Path) -> None:
    """Run every role as a child process until SIGTERM or SIGINT."""
    configure_logging("run")
    take_over_stdout()
    try:
        open_state(settings).ledger.close()  # so that the roles find the tables made
    except Unbound as error:  # the page shows it, and `listen` goes on refusing until it is mended
        structlog.get_logger().error("ledger_lost", error=str(error))
    os.environ[SUPERVISED] = str(os.getpid())
    roles = (*ROLES, "web") if settings.web.enabled else ROLES
    argv = (sys.executable, "-m", "ra_node")
    with closing(Watchdog(roles, settings.limits.stall_s)) as watchdog:
        starts = {
            role: program([*argv, role, "--config", str(config)], original(), watchdog.environment(role))
            for role in roles
        }
        supervisor = Supervisor(starts, fault=watchdog.fault, alarm=partial(_alarm, settings))
        supervisor.stop_on_signals()
        supervisor.run()


def _alarm(settings: Settings, role: str, found: str) -> None:
    """Keep the alarm of a role in a thread of its own: the ledger may be locked or away."""

    def keep() -> None:
        with suppress(Exception):
            ledger = open_state(settings).ledger
            try:
                raise_alarm(ledger, AlarmKind.ROLE, role, found)
            finally:
                ledger.close()

    with suppress(RuntimeError):  # no thread can be started: the log has said it
        threading.Thread(target=keep, daemon=True).start()


def listen(settings: Settings) -> None:
    """Receive until told to stop; running associations get some seconds to finish."""
    stop = _begin("listen")
    owner, state = new_owner("listen"), open_state(settings)
    if state.problem:
        raise Unbound(state.problem)
    binding = build_binding(settings, state)
    binding.expect_sound()
    listener, inbox = build_listener(settings, state, owner)
    with present(presence_folder(settings), owner):
        listener.start()
        pulse = _pulse(settings, "listen")
        pulse.beat()
        try:
            while not stop.wait(LEDGER_PAUSE_S):
                _mend(binding.look, inbox.mend)
                if not listener.accepting:
                    raise Fatal("expected a port that is listened on, found that nothing accepts connections")
                pulse.beat()
        finally:
            listener.stop(deadline_s=5.0)
            _mend(inbox.mend)
        _mend(binding.look)


def work(settings: Settings) -> None:
    """Examine images and answer studies until told to stop, side by side where there are several cores.

    On a CPU each lane is a process of its own, forked from this one; a GPU is used by one process alone.
    """
    stop = _begin("work")
    state = open_state(settings)
    worker = build_worker(settings, state, stop.is_set)
    announcer = Announcer(presence_folder(settings), gpu_bytes)

    def refresh(owner: str) -> None:
        worker.refresh(partial(announcer.say, owner))
        announcer.say_again()

    lanes, owner, stall_s = lanes_of(), new_owner("work"), settings.limits.stall_s
    kinds, has_room = (JobKind.EXAMINE, JobKind.REPORT), build_guard(settings).has_room
    bound = build_binding(settings, state).holds
    serve = partial(_serve, settings, state.ledger, "work", kinds, do=worker.do, stop=stop)
    serve = partial(serve, ready=lambda: has_room() and bound())
    pulse = _pulse(settings, "work")
    if lanes == 1 or gpu_bytes() is not None:
        together = partial(serve, limit=settings.models.images, between=refresh, pulse=pulse, lanes=lanes)
        serve_all({"work": together}, stop, pulse.beat)
        return

    def changed() -> bool:
        bench = worker.bench
        try:
            refresh(owner)
        except LedgerLost:
            raise
        except Retryable as error:
            structlog.get_logger().warning("ledger_away", error=str(error))
        return worker.bench is not bench

    def lane(further: Callable[[], None]) -> None:
        serve(limit=1, pulse=Pulse(stall_s, say=lambda state: None if state == STALLED else further()))

    from ra_node.runtime.worker_processes import keep_lanes  # noqa: PLC0415 - the other roles fork nothing

    with present(presence_folder(settings), owner):
        keep_lanes(lanes, lane, state.ledger.close, changed, stop, pulse, stall_s)


def deliver(settings: Settings) -> None:
    """Send results until told to stop; a thread for each destination, so that none waits for another."""
    stop = _begin("deliver")
    state = open_state(settings)
    deliverer = build_deliverer(settings, state, stop.is_set)
    committer = build_committer(settings, state)
    pulse = _pulse(settings, "deliver")
    bound = build_binding(settings, state).holds
    serve = partial(_serve, settings, state.ledger, "deliver", pulse=pulse, ready=bound)
    deliver = partial(serve, (JobKind.DELIVER,), AT_ONCE, deliverer.deliver, stop)
    commit = partial(serve, (JobKind.COMMIT,), AT_ONCE, committer.commit, stop)
    lines = {f"deliver to {name}": partial(deliver, name) for name in deliverer.peers}
    lines |= {f"commitment of {name}": partial(commit, name) for name in committer.peers}
    serve_all(lines, stop, pulse.beat)


def schedule(settings: Settings) -> None:
    """Do what must happen by the clock until told to stop."""
    stop = _begin("schedule")
    state = open_state(settings)
    tidier = build_tidier(settings, state)
    askers = build_askers(settings, state)
    watch = RoleWatch(state.ledger, settings.node.data_dir / "run")
    tasks = [
        ScheduledTask("watch_clock", tidier.watch_clock, 5.0, at_once=True),
        ScheduledTask("mend_times", tidier.mend_times, 10.0, at_once=True),
        ScheduledTask("take_back", tidier.take_back, 1.0),
        ScheduledTask("watch_roles", watch.look, 5.0),
        ScheduledTask("sweep", tidier.sweep, 3600.0),
        ScheduledTask("purge", tidier.purge, 3600.0, at_once=True),
        ScheduledTask("watch", tidier.watch, 10.0, at_once=True),
    ]
    scrub_bytes = round(settings.limits.scrub_mib_per_minute * 2**20)
    if scrub_bytes:
        scrubber, bound = build_scrubber(settings, state), build_binding(settings, state).holds
        tasks.append(ScheduledTask("scrub", lambda: scrubber.step(scrub_bytes) if bound() else None, 60.0))
    pulse = _pulse(settings, "schedule")
    looks = {"settle": tidier.settle} | {f"ask {asker.source.name}": asker.look for asker in askers}
    lines: dict[str, Callable[[], None]] = {
        name: partial(_look, settings, name, watched(state.ledger, name, look), stop, pulse)
        for name, look in looks.items()
    }
    prior_server = build_prior_server(settings)
    if prior_server is not None:
        lines["earlier reports"] = partial(prior_server.serve, stop)
    auditor = build_audit(settings, state)
    if auditor is not None:
        tasks.append(ScheduledTask("audit", auditor.send_new, 1.0))
    tasks = [replace(task, run=watched(state.ledger, task.name, task.run)) for task in tasks]
    with present(presence_folder(settings), new_owner("schedule")):
        lines |= {
            "tasks": partial(run_tasks, tasks, stop, pulse.beat),
            "ledger": partial(_end_with, state.ledger.expect_file, stop),
        }
        serve_all(lines, stop, pulse.beat)
    if auditor is not None:
        auditor.close()


def _look(
    settings: Settings, name: str, look: Callable[[], float], stop: threading.Event, pulse: Pulse
) -> None:
    """Look whenever an association ends, when it is time, and from time to time."""
    with listening(presence_folder(settings), new_owner("schedule"), [SETTLING], stop) as ear:
        run_line(name, look, ear.wait, _poll_s(settings), stop, pulse.beat)


def _poll_s(settings: Settings) -> float:
    """How often to look at what nobody rings for: a server's ledger may be used by other hosts."""
    return IDLE_S if settings.ledger_url.startswith("sqlite") else POLL_S


def web(settings: Settings) -> None:
    """Show the operator page and the metrics until told to stop."""
    stop = _begin("web")
    state, changed = state_for_page(settings)
    desk = build_desk(settings, state)
    pulse = _pulse(settings, "web")
    server = build_server(settings, desk, lambda: pulse.beat("page"))
    lines = {
        "page": partial(_show, server, stop),
        "past": partial(_catch_up, desk.follower.catch_up, stop),
        "ledger": partial(_end_with, changed, stop),
    }
    with present(presence_folder(settings), new_owner("web")):
        serve_all(lines, stop, lambda: pulse.beat() if server.started else None)


def _end_with(look: Callable[[], None], stop: threading.Event) -> None:
    """Look each second until told to stop; what it raises ends the role, so that it begins anew."""
    while not stop.wait(LEDGER_PAUSE_S):
        look()


def _show(server: uvicorn.Server, stop: threading.Event) -> None:
    """Run the server in a thread of its own; one that ends by itself ends the role."""
    ended = threading.Event()

    def run() -> None:
        try:
            server.run()
        except SystemExit:
            pass
        finally:
            ended.set()

    serving = threading.Thread(target=run, name="server")
    serving.start()
    while not stop.wait(POLL_S) and not ended.is_set():
        pass
    server.should_exit = True
    serving.join()
    if not stop.is_set():
        raise Fatal("the operator page could not be shown; is its port taken? See [web] host and port")


def _catch_up(read_past: Callable[[], None], stop: threading.Event) -> None:
    """Read what has happened so far, once; while the ledger is away, wait."""
    done = False
    while not done and not stop.is_set():
        try:
            read_past()
            done = True
        except Retryable as error:
            structlog.get_logger().warning("ledger_away", error=str(error))
            stop.wait(LEDGER_PAUSE_S)


def serve_all(
    lines: Mapping[str, Callable[[], None]],
    stop: threading.Event,
    beat: Callable[[], None] = lambda: None,
) -> None:
    """Run each line in a thread of its own until told to stop, with a beat every second.

    One that breaks ends them all with SystemExit(1): the supervisor starts the role again, while a role
    that went on without one of its lines would look alive and never serve it.
    """
    broken: list[str] = []

    def run(name: str, line: Callable[[], None]) -> None:
        try:
            line()
        except Exception as error:  # noqa: BLE001 - whatever it was, the role must not go on without this line
            structlog.get_logger().error("line_broken", line=name, error=describe(error))
            broken.append(name)
            stop.set()

    threads = [threading.Thread(target=run, args=item, name=item[0]) for item in lines.items()]
    for thread in threads:
        thread.start()
    while not stop.is_set():
        beat()
        stop.wait(EVERY_S)
    for thread in threads:
        thread.join()
    if broken:
        raise SystemExit(1)


def _serve(
    settings: Settings,
    ledger: Ledger,
    role: str,
    kinds: Collection[JobKind],
    limit: int,
    do: Callable[[Sequence[Job]], None],
    stop: threading.Event,
    peer: str | None = None,
    between: Callable[[str], None] = lambda _owner: None,
    ready: Callable[[], bool] = lambda: True,
    pulse: Pulse | None = None,
    lanes: int = 1,
) -> None:
    """Claim and do jobs until told to stop; while the ledger is away or `ready` says no, wait.

    `between` is called with the owner's name before each claim. With several `lanes` as many jobs or
    batches of them are done side by side.
    """
    owner, line, limits = new_owner(role), threading.current_thread().name, settings.limits
    under_way: set[Progress] = set()
    log = structlog.get_logger().bind(owner=owner)
    log.info("role_ready", peer=peer)
    folder = presence_folder(settings)

    def further() -> None:
        """Beat, unless one of the jobs under way has come no step further for too long."""
        if pulse is not None and all(one.idle_s() < limits.stall_s for one in tuple(under_way)):
            pulse.beat(line)

    def hold(jobs: Sequence[Job]) -> None:
        progress = Progress(moved=further)
        under_way.add(progress)
        try:
            with held(ledger, jobs, limits.job_lease_s, limits.stall_s, progress):
                do(jobs)
        finally:
            under_way.discard(progress)

    def more(most: int) -> list[Job]:
        return claim(ledger, kinds, owner, most, limits.job_lease_s, peer=peer) if ready() else []

    crew = JobPool(hold, lanes, limit)
    with present(folder, owner), listening(folder, owner, kinds, stop) as ear, crew:
        while not stop.is_set():
            try:
                between(owner)
                further()
                if not crew.work(more, partial(release, ledger)):
                    ear.wait(_poll_s(settings))
            except LedgerLost:
                raise
            except Retryable as error:
                log.warning("ledger_away", error=str(error))
                stop.wait(LEDGER_PAUSE_S)
    log.info("role_stopped")


def _mend(*steps: Callable[[], None]) -> None:
    """Do each step; one that cannot be done while the ledger is away is done as well in the next second."""
    for step in steps:
        try:
            step()
        except Retryable as error:
            structlog.get_logger().warning("ledger_away", error=str(error))


def _begin(role: str) -> threading.Event:
    """Set up logging and signals of a role; under a supervisor, die with it."""
    configure_logging(role)
    take_over_stdout()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop(stop))
    if SUPERVISED in os.environ:
        die_with_parent(int(os.environ[SUPERVISED]))
    return stop


def _pulse(settings: Settings, role: str) -> Pulse:
    """What tells systemd or the supervisor, and whoever looks into the folder of presence, of each beat."""
    folder = presence_folder(settings)

    def say(state: str) -> None:
        tell(state)
        if state != STALLED:
            beat(folder, role)

    return Pulse(settings.limits.stall_s, say=say)


def _stop(stop: threading.Event) -> None:
    """End in good order, and say so."""
    stop.set()
    tell(STOPPING)
