"""The peer of the whole node: what an engineer writes in an afternoon, one study after the other.

It does the same job: receives by C-STORE, saves the file, finds the hands by a threshold, judges them with
the same networks as torchvision runs them, explains what is called diseased by Grad-CAM, draws boxes, heat
and labels on the full-size picture, and sends report and picture to the PACS, one association a study. It
keeps no ledger and syncs nothing, and its picture is uncompressed as highdicom makes it by default. The
three-fold rate that is asked of the node is asked beside this script, with PyTorch's threads as many as
suit it best. HURRIED is 1 where it also knows of Nagle's rule, by which pynetdicom waits for the PACS.

    python -m tests.benchmarks.straightforward FOLDER PORT PACS_PORT THREADS HURRIED
"""

from __future__ import annotations

import queue
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import highdicom as hd
import numpy as np
import torch
from highdicom.sr.coding import CodedConcept
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event
from torch import nn

from ra_node.bootstrap.node_context import default_settings
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.networks.loaded_network import load_network

READY = "ready"
SIDE_PX = 224
MARGIN = 0.1
RA = CodedConcept("69896004", "SCT", "Rheumatoid arthritis")
STAGE = CodedConcept("258214002", "SCT", "Stage")
YELLOW = (255, 255, 0)
Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Hand:
    """A box in pixels, and what the networks say; `heat` (SIDE_PX, SIDE_PX) of a hand called diseased."""

    left: int
    top: int
    right: int
    bottom: int
    disease: float = 0.0
    stage: int = 0
    heat: NDArray[np.float32] | None = None


def main(folder: Path, port: int, pacs_port: int, threads: int, hurried: int) -> None:
    """Receive into a folder, answer whatever has come, until killed."""
    torch.set_num_threads(threads)
    networks = load_networks()
    arrived: queue.SimpleQueue[Path] = queue.SimpleQueue()
    server = receive(folder, port, arrived)
    print(READY, flush=True)
    try:
        while True:
            answer(arrived.get(), networks, ("127.0.0.1", pacs_port), hurried=bool(hurried))
    finally:
        server.shutdown()


def load_networks() -> list[nn.Module]:
    """The same weights as the node's, eager, in PyTorch's own order of memory."""
    bundle = load_bundle(default_settings().models.bundle)
    tasks = bundle.manifest.tasks
    return [
        load_network(
            task.architecture, len(task.classes), bundle.weights_path(task), torch.device("cpu"), task.head
        ).to(memory_format=torch.contiguous_format)
        for task in (tasks.recognition, tasks.staging)
    ]


def receive(folder: Path, port: int, arrived: queue.SimpleQueue[Path]):  # type: ignore[no-untyped-def]
    """Listen in threads of the library, with PDUs as long as the sender likes."""

    def keep(event: Event) -> int:
        path = folder / f"{event.request.AffectedSOPInstanceUID}.dcm"
        path.write_bytes(event.encoded_dataset())
        arrived.put(path)
        return 0x0000

    entity = AE("SCRIPT")
    entity.supported_contexts = AllStoragePresentationContexts
    entity.maximum_pdu_size = 0
    return entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])


def answer(
    path: Path, networks: Sequence[nn.Module], address: tuple[str, int], *, hurried: bool = False
) -> None:
    """Read, find, judge, explain, write, send."""
    image = dcmread(path)
    grey = grey_of(image)
    hands = judged(find_hands(grey), grey, networks)
    send([report_of(image, hands), picture_of(image, drawn(grey, hands))], address, hurried=hurried)


def grey_of(image: Dataset) -> Grey:
    """The pixels as 8 bits between the first and the last percent."""
    pixels = image.pixel_array.astype(np.float32)
    low, high = np.percentile(pixels, (1, 99))
    return (255 * np.clip((pixels - low) / (high - low), 0, 1)).astype(np.uint8)


def find_hands(grey: Grey) -> list[Hand]:
    """The two largest bright parts, with a margin."""
    _, mask = cv2.threshold(cv2.GaussianBlur(grey, (5, 5), 0), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    largest = sorted(stats[1:], key=lambda one: -one[cv2.CC_STAT_AREA])[:2]
    hands = []
    for x, y, width, height, _area in largest:
        by = round(MARGIN * max(width, height))
        left, top = max(0, x - by), max(0, y - by)
        hands.append(Hand(left, top, min(grey.shape[1], x + width + by), min(grey.shape[0], y + height + by)))
    return sorted(hands, key=lambda hand: hand.left)


def judged(hands: Sequence[Hand], grey: Grey, networks: Sequence[nn.Module]) -> list[Hand]:
    """Both hands in one batch through either network, and Grad-CAM of what is called diseased."""
    x = batch_of([grey[hand.top : hand.bottom, hand.left : hand.right] for hand in hands])
    with torch.inference_mode():
        diseased, stages = (network(x).softmax(1) for network in networks)
    told = []
    for at, hand in enumerate(hands):
        disease, stage = float(diseased[at, 1]), int(stages[at].argmax())
        heat = grad_cam(networks[0], x[at : at + 1]) if disease >= 0.5 else None
        told.append(Hand(hand.left, hand.top, hand.right, hand.bottom, disease, stage, heat))
    return told


def batch_of(crops: Sequence[Grey]) -> torch.Tensor:
    """Crops as the networks take them (N, 3, SIDE_PX, SIDE_PX)."""
    small = np.stack([cv2.resize(crop, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) for crop in crops])
    x = torch.from_numpy(small).float()[:, None].expand(-1, 3, -1, -1) / 255
    return ((x - 0.25) / 0.25).contiguous()


def grad_cam(network: nn.Module, x: torch.Tensor) -> NDArray[np.float32]:
    """Grad-CAM of the last feature map by automatic differentiation (SIDE_PX, SIDE_PX), 0 to 1."""
    kept: list[torch.Tensor] = []
    last = [part for part in network.modules() if type(part).__name__ == "Inception"][-1]
    hook = last.register_forward_hook(lambda _part, _given, made: kept.append(made))
    with torch.enable_grad():
        disease = network(x.clone().requires_grad_())[0, 1]
        (slope,) = torch.autograd.grad(disease, kept[0])
    hook.remove()
    heat = torch.relu((slope.mean((2, 3), keepdim=True) * kept[0]).sum(1))[0].detach().numpy()
    full = cv2.resize(heat, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC).clip(0)
    return np.asarray(full / max(float(full.max()), 1e-9), np.float32)


def drawn(grey: Grey, hands: Sequence[Hand]) -> NDArray[np.uint8]:
    """The full-size picture (rows, columns, 3) with heat, boxes and labels."""
    shown = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    for hand in hands:
        if hand.heat is not None:
            part = shown[hand.top : hand.bottom, hand.left : hand.right]
            heat = cv2.resize((255 * hand.heat).astype(np.uint8), part.shape[1::-1])
            colour = cv2.cvtColor(cv2.applyColorMap(heat, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
            cv2.addWeighted(colour, 0.3, part, 0.7, 0, dst=part)
        cv2.rectangle(shown, (hand.left, hand.top), (hand.right, hand.bottom), YELLOW, 4)
        label = f"RA {100 * hand.disease:.0f} %, stage {hand.stage}"
        at = (hand.left + 10, max(60, hand.top - 20))
        cv2.putText(shown, label, at, cv2.FONT_HERSHEY_SIMPLEX, 2, YELLOW, 3, cv2.LINE_AA)
    return shown


def report_of(image: Dataset, hands: Sequence[Hand]) -> Dataset:
    """A Comprehensive 3D SR with a group for each hand."""
    observer = hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(
            CodedConcept("121007", "DCM", "Device"), hd.sr.DeviceObserverIdentifyingAttributes(generate_uid())
        )
    )
    groups = [
        hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(generate_uid(), f"hand {number}"),
            referenced_region=_box(image, hand),
            qualitative_evaluations=[
                hd.sr.QualitativeEvaluation(STAGE, CodedConcept("261613009", "SCT", f"Stage {hand.stage}"))
            ],
            measurements=[hd.sr.Measurement(RA, 100 * hand.disease, CodedConcept("%", "UCUM", "percent"))],
        )
        for number, hand in enumerate(hands)
    ]
    content = hd.sr.MeasurementReport(
        observer, CodedConcept("24627-2", "LN", "Hand X-ray"), imaging_measurements=groups
    )
    return hd.sr.Comprehensive3DSR(
        evidence=[image],
        content=content,
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="script",
    )


def _box(image: Dataset, hand: Hand) -> hd.sr.ImageRegion:
    corners = [
        (hand.left, hand.top),
        (hand.right, hand.top),
        (hand.right, hand.bottom),
        (hand.left, hand.bottom),
        (hand.left, hand.top),
    ]
    return hd.sr.ImageRegion(
        hd.sr.GraphicTypeValues.POLYLINE,
        np.array(corners, dtype=float),
        hd.sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
    )


def picture_of(image: Dataset, shown: NDArray[np.uint8]) -> Dataset:
    """A Secondary Capture of the picture (rows, columns, 3)."""
    return hd.sc.SCImage.from_ref_dataset(
        image,
        shown,
        photometric_interpretation=hd.PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=hd.CoordinateSystemNames.PATIENT,
        series_instance_uid=generate_uid(),
        sop_instance_uid=generate_uid(),
        series_number=2,
        instance_number=1,
        manufacturer="script",
        patient_orientation=("L", "F"),
    )


def send(objects: Sequence[Dataset], address: tuple[str, int], *, hurried: bool = False) -> None:
    """One association a study."""
    entity = AE("SCRIPT")
    for made in objects:
        entity.add_requested_context(made.SOPClassUID, ExplicitVRLittleEndian)
    association = entity.associate(*address, max_pdu=0)
    if hurried:
        association.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for made in objects:
        if association.send_c_store(made).Status != 0:
            raise SystemExit("the script's object was refused")
    association.release()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
