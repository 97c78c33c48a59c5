"""A card without memory, a killed worker and a lost CUDA context cost time, and change no answer."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection
from unittest.mock import patch

import numpy as np
import torch
from structlog.testing import capture_logs

from ra_node.bootstrap.node_context import default_settings
from ra_node.inference import gpu_memory
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.cpu.feature_split import SplitNetwork
from ra_node.inference.predictor import HandPrediction, Predictor
from ra_node.services.jobs.machine_faults import breaks_process, is_machine_fault
from tests.benchmarks.gpu import CLOSE
from tests.benchmarks.table import Row
from tests.gpu_proof.place import Grey, Place, noise

PATIENCE_S = 60.0


def memory(place: Place) -> Iterator[Row]:
    """A batch that does not fit is halved, then runs on the CPU; with room again it is whole again."""
    hands = 2 if place.tiny else 256
    crops = list(noise(hands, 224))
    judge = predictor(place.device, hands)
    expected = judge.judge(crops)
    for name, room in (("little", 1), ("no", 0)):
        with capture_logs() as logs, filled(place.device, room):
            found = judge.judge(crops)
        events = [log["event"] for log in logs]
        title = f"{hands} hands with {name} GPU memory left"
        fell_back = "cpu_fallback_used" in events
        yield yes(f"{title}: a smaller batch or the CPU", bool(events), f"{len(events)} events")
        if name == "no":
            yield yes(f"{title}: on the CPU", fell_back, "fallback" if fell_back else "none")
        yield alike(title, found, expected)
    for _ in range(hands.bit_length()):
        judge.judge(crops)  # the batch doubles at each call
    with capture_logs() as logs:
        judge.judge(crops)
    yield yes("with room again: no event after the batch has grown", not logs, f"{len(logs)} events")


@contextmanager
def filled(device: torch.device, room: int) -> Iterator[None]:
    """Leave room for next to nothing (1) or nothing (0) on the card; on a CPU PyTorch's error is raised."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        held = torch.cuda.memory_reserved(device)
        torch.cuda.set_per_process_memory_fraction((held + room * 2**28) / total, device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    run, fallen = gpu_memory.run_batches, False

    def tight(network, crops, mean, std, batch):  # type: ignore[no-untyped-def]
        if batch > room and not fallen:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(network, crops, mean, std, batch)

    def on_cpu(_: object, network: SplitNetwork) -> SplitNetwork:
        """The network itself, since packed weights of a CPU cannot be copied."""
        nonlocal fallen
        fallen = True
        return network

    with (
        patch.object(gpu_memory, "run_batches", tight),
        patch.object(gpu_memory.MemoryBudget, "_on_cpu", on_cpu),
    ):
        yield


def killed(place: Place) -> Iterator[Row]:
    """SIGKILL in a forward pass, then an illegal access in another process: the next one answers the same."""
    crops = noise(2, 224)
    before = free_bytes(place.device)
    if place.device.type == "cpu":
        predictor(place.device, len(crops))
    expected, _ = first_answer(place, crops)
    victim, told = started(place, crops, answer_for_ever)
    receive(told)
    os.kill(pid_of(victim), signal.SIGKILL)
    victim.join(PATIENCE_S)
    yield yes("worker killed by SIGKILL", victim.exitcode == -signal.SIGKILL, f"exit {victim.exitcode}")
    if place.device.type == "cuda":
        left = settled(lambda: before - free_bytes(place.device), 2**28)
        yield yes("its GPU memory is given back", left <= 2**28, f"{left / 2**20:.0f} MiB held")
    found, seconds = first_answer(place, crops)
    yield Row("a new worker's first answer after the kill", f"{seconds:.1f} s")
    yield yes("the same answer after the kill", np.array_equal(found, expected), "equal to the bit")
    victim, told = started(place, crops, answer_after_poison)
    fault = receive(told)
    victim.join(PATIENCE_S)
    yield yes(
        "a lost context is a fault of the machine and ends the process", fault == (True, True), str(fault)
    )
    found, _ = first_answer(place, crops)
    yield yes("the same answer after the lost context", np.array_equal(found, expected), "equal to the bit")


def first_answer(place: Place, crops: Grey) -> tuple[np.ndarray, float]:
    """Probabilities from a process of its own, and seconds until it had them."""
    start = time.monotonic()
    process, told = started(place, crops, answer_once)
    found = receive(told)
    process.join(PATIENCE_S)
    return np.asarray(found), time.monotonic() - start


def started(place: Place, crops: Grey, act: Callable[[str, Grey, Connection], None]):  # type: ignore[no-untyped-def]
    """A child that does this, and the end of its pipe."""
    ours, theirs = place.processes.Pipe(duplex=False)
    process = place.processes.Process(target=act, args=(str(place.device), crops, theirs), daemon=True)  # type: ignore[attr-defined]
    process.start()
    theirs.close()
    return process, ours


def receive(told: Connection) -> object:
    """What a child says; a child that says nothing is an error of the part."""
    if not told.poll(PATIENCE_S):
        raise TimeoutError(f"expected an answer of a child within {PATIENCE_S:g} s, found none")
    return told.recv()


def answer_once(device: str, crops: Grey, say: Connection) -> None:
    say.send(chances(predictor(torch.device(device), len(crops)).judge(list(crops))))


def answer_for_ever(device: str, crops: Grey, say: Connection) -> None:
    judge = predictor(torch.device(device), len(crops))
    say.send("begun")
    while True:
        judge.judge(list(crops))


def answer_after_poison(device: str, crops: Grey, say: Connection) -> None:
    """Break the context, then analyse: is the error a fault of the machine, does it end the process?"""
    judge = predictor(torch.device(device), len(crops))
    try:
        poison(torch.device(device))
        judge.judge(list(crops))
    except Exception as error:  # noqa: BLE001 - whatever a lost context raises
        say.send((is_machine_fault(error), breaks_process(error)))
    else:
        say.send((False, False))


def poison(device: torch.device) -> None:
    """Read outside a tensor, which no later call of this process survives on a card."""
    if device.type != "cuda":
        raise RuntimeError("CUDA error: device-side assert triggered")
    torch.zeros(4, device=device)[torch.tensor([9], device=device)].sum().item()


@cache
def predictor(device: torch.device, batch: int) -> Predictor:
    """The demonstration bundle on a device; a forked child has it from its parent."""
    return Predictor(load_bundle(default_settings().models.bundle), str(device), batch)


def chances(found: list[HandPrediction]) -> np.ndarray:
    return np.array([[one.recognition.probability, *one.staging.probabilities] for one in found])


def alike(title: str, found: list[HandPrediction], expected: list[HandPrediction]) -> Row:
    most = float(np.abs(chances(found) - chances(expected)).max())
    return Row(f"{title}: largest difference", f"{most:.1e}", f"{CLOSE:g}", most / CLOSE, 1.0, at_least=False)


def yes(name: str, holds: bool, found: str) -> Row:
    """A row that is met or not."""
    return Row(name, found, "yes" if holds else "no", float(holds), 1.0)


def free_bytes(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def settled(measure: Callable[[], int], limit: int) -> int:
    """Measure until it is at most `limit`, ten seconds at most: a driver gives back a little later."""
    deadline = time.monotonic() + 10
    while measure() > limit and time.monotonic() < deadline:
        time.sleep(0.1)
    return measure()


def pid_of(process) -> int:  # type: ignore[no-untyped-def]
    return int(process.pid)
