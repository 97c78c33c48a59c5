"""Ten thousand associations, idle ones, half-open ones and slow ones: nothing grows, nobody starves."""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.uid import DigitalXRayImageStorageForPresentation

from tests.conftest import wait_until
from tests.torture.process import OWN_AE, Holdings, Listening, listening
from tests.torture.raw_dicom import (
    ABORT_PDU,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    P_DATA,
    RELEASE_PDU,
    RawConnection,
    association_request,
    echo_request,
    small_image,
    store_request,
    store_status,
)

CLIENTS = 4
REQUEST = association_request(OWN_AE)


@dataclass
class Growth:
    """What the listener held after its first associations and after all of them."""

    associations: int
    before: Holdings
    after: Holdings
    seconds: float
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        a, b = self.before, self.after
        return (
            f"memory {a.memory_mib:.1f} -> {b.memory_mib:.1f} MiB, handles {a.handles} -> {b.handles}, "
            f"threads {a.threads} -> {b.threads}"
        )


def many_associations(node: Listening, count: int, seed: int, warm_up: int) -> Growth:
    """Open and end `count` associations in five ways, from several clients at once; then count again.

    The first `warm_up` fill the caches that every process fills once.
    """
    idle = node.holdings().threads
    failures: list[str] = []
    _associate(node.port, warm_up, seed, "warm", failures)
    before = node.at_rest(idle)
    started = time.monotonic()
    _associate(node.port, count, seed, "count", failures)
    seconds = time.monotonic() - started
    return Growth(count, before, node.at_rest(before.threads), seconds, failures)


def _associate(port: int, count: int, seed: int, key: str, failures: list[str]) -> None:
    def run(client: int) -> None:
        draw = random.Random(f"{seed} {key} {client}")
        for number in range(count // CLIENTS):
            way = draw.choice(WAYS)
            if not way(port, f"2.25.{seed}{client}{number}{len(key)}"):
                failures.append(f"{way.__name__} {client} {number}")

    threads = [threading.Thread(target=run, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def admitted(stack: ExitStack, port: int) -> RawConnection:
    """Associate, and again where every place is still taken by those who have just left."""

    def attempt() -> RawConnection | None:
        line = RawConnection(port).__enter__()
        if line.request(REQUEST) == ASSOCIATE_AC:
            return stack.enter_context(closing(line))
        line.close()
        return None

    found = wait_until(attempt, "a place", 600)
    assert isinstance(found, RawConnection)
    return found


def _echo(port: int, _uid: str) -> bool:
    with ExitStack() as stack:
        line = admitted(stack, port)
        served = line.request(echo_request()) == P_DATA
        line.request(RELEASE_PDU)
        return served


def _abort(port: int, _uid: str) -> bool:
    with ExitStack() as stack:
        admitted(stack, port).send(ABORT_PDU)
    return True


def _hang_up(port: int, _uid: str) -> bool:
    with ExitStack() as stack:
        admitted(stack, port)
    return True


def _hang_up_in_mid_object(port: int, uid: str) -> bool:
    command, data = store_request(DigitalXRayImageStorageForPresentation, uid, small_image(uid, uid))
    with ExitStack() as stack:
        admitted(stack, port).send(command, data[: len(data) // 2])
    return True


def _store(port: int, uid: str) -> bool:
    pdus = store_request(DigitalXRayImageStorageForPresentation, uid, small_image(uid, uid))
    with ExitStack() as stack:
        line = admitted(stack, port)
        stored = store_status(line, pdus) == 0x0000
        line.request(RELEASE_PDU)
        return stored


WAYS: list[Callable[[int, str], bool]] = [_echo, _abort, _hang_up, _hang_up_in_mid_object, _store]


def stuck_peers(node: Listening) -> dict[str, bool]:
    """Connect and stop, in every state in which a peer can stop; tell which connections the node ended."""
    ends: dict[str, bool] = {}
    half = store_request(DigitalXRayImageStorageForPresentation, "1.2", small_image("1.2", "1.3"))[1]
    stops: dict[str, list[bytes]] = {
        "connected, nothing said": [],
        "half a PDU header": [REQUEST[:3]],
        "half an association request": [REQUEST[:50]],
        "associated, idle": [REQUEST],
        "associated, half a P-DATA": [REQUEST, half[: len(half) // 2]],
        "a length that never comes": [struct.pack(">BBL", 1, 0, 4_000_000) + bytes(10)],
    }
    with ExitStack() as stack:
        lines = {name: stack.enter_context(RawConnection(node.port, 300.0)) for name in stops}
        for name, said in stops.items():
            lines[name].send(*said)
        for name, line in lines.items():
            ends[name] = line.is_ended()
    return ends


def one_too_many(node: Listening, places: int) -> tuple[bytes, bool]:
    """Fill every place; return how the next one is turned away, and whether a freed place is given."""
    with ExitStack() as stack:
        lines = [admitted(stack, node.port) for _ in range(places)]
        with RawConnection(node.port) as late:
            late.send(REQUEST)
            kind, body = late.receive()
        assert kind == ASSOCIATE_RJ, kind
        lines[0].request(RELEASE_PDU)
        lines[0].close()
        return body[1:], admitted(stack, node.port) is not None


def beside_slow_senders(node: Listening, slow: int, stores: int) -> tuple[float, float]:
    """Seconds for `stores` images alone, and beside `slow` senders that drip one byte after the other."""

    def timed(key: str) -> float:
        started = time.monotonic()
        assert all(_store(node.port, f"2.25.77{key}{number}") for number in range(stores))
        return time.monotonic() - started

    alone = timed("1")
    stop = threading.Event()
    dripping = threading.Semaphore(0)

    def drip() -> None:
        with ExitStack() as stack:
            line = admitted(stack, node.port)
            data = store_request(DigitalXRayImageStorageForPresentation, "1.2", small_image("1.2", "1.3"))[1]
            dripping.release()
            for byte in data:
                if stop.wait(0.05):
                    return
                try:
                    line.send(bytes([byte]))
                except ConnectionError:
                    return

    threads = [threading.Thread(target=drip) for _ in range(slow)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert dripping.acquire(timeout=600), "a slow sender was not admitted"
    beside = timed("2")
    stop.set()
    for thread in threads:
        thread.join()
    return alone, beside


def whole(folder: Path, associations: int, seed: int) -> tuple[Growth, dict[str, bool], tuple[bytes, bool]]:
    """The measurements of one run; only the stuck peers are given little time."""
    with listening(folder / "many") as node:
        growth = many_associations(node, associations, seed, warm_up=max(40, associations // 10))
    with listening(folder / "stuck", "[limits]\nassociation_idle_s = 2\nmin_free_gib = 0.1") as node:
        ends = stuck_peers(node)
    with listening(folder / "surplus", "[limits]\nassociations = 6\nmin_free_gib = 0.1") as node:
        turned_away = one_too_many(node, 6)
    return growth, ends, turned_away
