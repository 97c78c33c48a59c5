"""Equipment and algorithm identification of created objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from ra_node import __version__
from ra_node.dicom.concept_codes import PROCESSING_EQUIPMENT, code_item
from ra_node.dicom.uids import derive_uid
from ra_node.domain.bundle_identity import BundleIdentity, Model
from ra_node.domain.eligibility import OWN_MANUFACTURER, is_ai_made
from ra_node.domain.texts.translations import Language, english

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "Producer",
    "contributing_equipment",
    "is_ai_made",
    "observer_uid",
    "stamp_equipment",
]

IMPLEMENTATION_CLASS_UID = "2.25.252181271350603579290439970944130858840"
"""(0002,0012) in the files that this node writes."""

NODE_SOFTWARE, BUNDLE_SOFTWARE = "ra-node", "bundle"
"""Begin the two Software Versions (0018,1020) of a result: that of the node, and that of its networks."""


@dataclass(frozen=True, slots=True)
class Producer:
    """Equipment identification of this installation (PS3.3 C.7.5.1, C.7.5.2).

    `device_uid` names this installation and stays the same when models change; `observer_uid` does
    not. Lengths are those of LO (64) and SH (16, station name).
    """

    device_uid: str
    manufacturer: str = OWN_MANUFACTURER
    model_name: str = "ra-node hand radiograph analysis"
    software_version: str = __version__
    device_serial: str = "1"
    station_name: str = "RA-NODE"
    institution: str = ""
    language: Language = field(default_factory=english)
    """Language of overlay and PDF; the structured report is in English."""
    overlay_heat_map: bool = False
    """Whether overlays show heat maps also of hands whose joints have stages."""


def stamp_equipment(made: Dataset, producer: Producer, bundle: BundleIdentity) -> None:
    """Write the equipment modules of a result: the node, and one contribution an algorithm."""
    made.Manufacturer = producer.manufacturer
    made.ManufacturerModelName = producer.model_name
    made.DeviceSerialNumber = producer.device_serial
    made.SoftwareVersions = [
        f"{NODE_SOFTWARE} {producer.software_version}",
        f"{BUNDLE_SOFTWARE} {bundle.name} {bundle.version}"[:64],
    ]
    made.StationName = producer.station_name[:16]
    if producer.institution:
        made.InstitutionName = producer.institution
    made.ContributingEquipmentSequence = contributing_equipment(bundle.models)


def observer_uid(producer: Producer, bundle: BundleIdentity) -> str:
    """Name the observer of a report (TID 1004): this installation with these weights.

    It changes with the weights, as IHE AIR requires of a Device UID, and with nothing else of a bundle.
    """
    return derive_uid("observer", producer.device_uid, *sorted(model.device_uid for model in bundle.models))


def contributing_equipment(models: Iterable[Model]) -> list[Dataset]:
    """One item an algorithm (PS3.3 C.12.1.1.5), purpose 109102 DCM, with the Device UID of its weights.

    dciodvfy warns about the Device UID, which IHE AIR requires.
    """
    return [_contribution(model) for model in models]


def _contribution(model: Model) -> Dataset:
    item = Dataset()
    item.Manufacturer = model.manufacturer
    item.ManufacturerModelName = model.name
    item.SoftwareVersions = model.version
    item.DeviceUID = model.device_uid
    item.ContributionDescription = f"{model.task} by {model.architecture}"
    item.PurposeOfReferenceCodeSequence = [code_item(PROCESSING_EQUIPMENT)]
    return item
