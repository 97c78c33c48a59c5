"""The peer of the whole node: what an engineer writes in an afternoon, one study after the other.

pydicom reads, torchvision's networks run as they are, highdicom writes a report and a picture, pynetdicom
sends both. It takes its files from a folder, keeps no ledger, syncs nothing, and takes each half of the image
for a hand: in all of that it has less to do than the node.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import highdicom as hd
import numpy as np
import torch
from highdicom.sr.coding import CodedConcept
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from torch import nn

from ra_node.bootstrap.state import default_settings
from ra_node.inference.bundle import load_bundle
from ra_node.inference.network import load_network
from tests.network.fakes import TENDED

SIDE_PX = 224
RA = CodedConcept("69896004", "SCT", "Rheumatoid arthritis")
STAGE = CodedConcept("258214002", "SCT", "Stage")


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


def answer_all(files: Sequence[Path], networks: Sequence[nn.Module], address: tuple[str, int]) -> None:
    """Answer each file, one after the other."""
    for path in files:
        answer(path, networks, address)


def answer(path: Path, networks: Sequence[nn.Module], address: tuple[str, int]) -> None:
    """Read, judge, write, send."""
    image = dcmread(path)
    grey = _grey(image)
    probabilities = [network(_batch(grey)).softmax(1) for network in networks]
    told = [
        (float(recognised[1]), int(staged.argmax()))
        for recognised, staged in zip(*probabilities, strict=True)
    ]
    send([_report(image, told), _picture(image, grey, told)], address)


def send(objects: Sequence[Dataset], address: tuple[str, int]) -> None:
    """One association a study."""
    entity = AE("SCRIPT")
    for made in objects:
        entity.add_requested_context(made.SOPClassUID, ExplicitVRLittleEndian)
    association = entity.associate(*address, evt_handlers=[TENDED])
    for made in objects:
        if association.send_c_store(made).Status != 0:
            raise SystemExit("the peer's object was refused")
    association.release()


def _grey(image: Dataset) -> NDArray[np.uint8]:
    pixels = image.pixel_array.astype(np.float32)
    low, high = np.percentile(pixels, (1, 99))
    return (255 * np.clip((pixels - low) / (high - low), 0, 1)).astype(np.uint8)


def _batch(grey: NDArray[np.uint8]) -> torch.Tensor:
    middle = grey.shape[1] // 2
    hands = [cv2.resize(half, (SIDE_PX, SIDE_PX)) for half in (grey[:, :middle], grey[:, middle:])]
    x = torch.from_numpy(np.stack(hands)).float()[:, None].expand(-1, 3, -1, -1) / 255
    return (x - 0.25) / 0.25


def _report(image: Dataset, told: Sequence[tuple[float, int]]) -> Dataset:
    observer = hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(
            CodedConcept("121007", "DCM", "Device"), hd.sr.DeviceObserverIdentifyingAttributes(generate_uid())
        )
    )
    groups = [
        hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(generate_uid(), f"hand {number}"),
            referenced_region=_box(image, number),
            qualitative_evaluations=[
                hd.sr.QualitativeEvaluation(STAGE, CodedConcept("261613009", "SCT", f"Stage {stage}"))
            ],
            measurements=[hd.sr.Measurement(RA, 100 * ra, CodedConcept("%", "UCUM", "percent"))],
        )
        for number, (ra, stage) in enumerate(told)
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


def _box(image: Dataset, number: int) -> hd.sr.ImageRegion:
    left, right = (number * image.Columns // 2, (number + 1) * image.Columns // 2)
    corners = [(left, 0), (right, 0), (right, image.Rows), (left, image.Rows), (left, 0)]
    return hd.sr.ImageRegion(
        hd.sr.GraphicTypeValues.POLYLINE,
        np.array(corners, dtype=float),
        hd.sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
    )


def _picture(image: Dataset, grey: NDArray[np.uint8], told: Sequence[tuple[float, int]]) -> Dataset:
    shown = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    for number, (ra, stage) in enumerate(told):
        at = (number * grey.shape[1] // 2 + 20, 80)
        cv2.putText(
            shown, f"RA {100 * ra:.0f} %, stage {stage}", at, cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 0), 3
        )
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
