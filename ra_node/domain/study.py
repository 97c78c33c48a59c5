"""A received instance with the attributes for selection."""

from __future__ import annotations

from dataclasses import dataclass, field

from ra_node.domain.laterality.evidence import SideHeader
from ra_node.domain.patient.age import Age
from ra_node.domain.patient.identity import Identity


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Attributes of one instance that decide whether and how it is analysed.

    Only `identity` holds patient attributes; it has no repr. Empty strings and None mean absent.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    modality: str = ""
    image_type: tuple[str, ...] = ()
    body_part: str = ""
    anatomic_region_codes: tuple[str, ...] = ()
    """(value, scheme) joined by a blank, e.g. "85562004 SCT"."""
    descriptions: tuple[str, ...] = ()
    """Series, protocol and procedure descriptions, for selection only, never for logs."""
    image_texts: tuple[str, ...] = ()
    """Texts about this image or its series alone, for selection only, never for logs."""
    view_position: str = ""
    view_codes: tuple[str, ...] = ()
    """Codes of ViewCodeSequence and its modifiers, e.g. "399182000 SCT"."""
    presentation_intent: str = ""
    manufacturer: str = ""
    series_description: str = ""
    burned_in_annotation: str = ""
    contributing_purposes: tuple[str, ...] = ()
    """Purpose codes of ContributingEquipmentSequence, e.g. "109102 DCM"."""
    contributing_manufacturers: tuple[str, ...] = ()
    processing_device_uids: tuple[str, ...] = ()
    """Device UIDs (0018,1002) of the contributing equipment whose purpose is 109102 DCM."""
    device_serial: str = ""
    station_name: str = ""
    rows: int = 0
    columns: int = 0
    frames: int = 1
    has_pixels: bool = False
    pixel_aspects: tuple[float, ...] = ()
    """Pixel aspect ratio (height by width) from each attribute that gives it."""
    patient_age: str = ""
    age: Age = field(default_factory=Age)
    """Age at the exposure, where the header gives it without contradiction."""
    acquired_at: str = ""
    """Date and time of the exposure as digits that sort, "" where absent."""
    instance_number: int = 0
    side: SideHeader = field(default_factory=SideHeader)
    identity: Identity = field(default=Identity(), repr=False)
    """Patient identity, for the comparison within the study; never for logs."""


NO_HEADER = ImageHeader("", "", "", "", "")
"""Of a picture without one, such as a PNG."""
