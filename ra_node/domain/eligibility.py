"""Which instances need a report, and which images are refused by their header alone.

The node never analyses objects of its own or of another AI, or it would report its own reports. A header
refuses only by a clear statement; otherwise the pixels decide.
"""

from __future__ import annotations

import re

from ra_node.domain.body_part import names_hand, other_part
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.study import ImageHeader
from ra_node.domain.view.position import View, view_of

OWN_MANUFACTURER = "ra-node"
"""Manufacturer (0008,0070) of every object that this node creates."""

PROCESSING_EQUIPMENT = "109102 DCM"

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
DIGITAL_X_RAY_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
DIGITAL_X_RAY_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"

RADIOGRAPH_CLASSES = frozenset(
    {COMPUTED_RADIOGRAPHY, DIGITAL_X_RAY_FOR_PRESENTATION, DIGITAL_X_RAY_FOR_PROCESSING}
)

_CLASS_NAMES = {
    "1.2.840.10008.5.1.4.1.1.7": "a secondary capture",
    "1.2.840.10008.5.1.4.1.1.2": "a CT image",
    "1.2.840.10008.5.1.4.1.1.4": "an MR image",
    "1.2.840.10008.5.1.4.1.1.6.1": "an ultrasound image",
    "1.2.840.10008.5.1.4.1.1.20": "a nuclear medicine image",
    "1.2.840.10008.5.1.4.1.1.1.2": "a mammogram",
    "1.2.840.10008.5.1.4.1.1.1.3": "an intra-oral radiograph",
    "1.2.840.10008.5.1.4.1.1.12.1": "an X-ray angiogram",
    "1.2.840.10008.5.1.4.1.1.12.2": "a fluoroscopic image",
    "1.2.840.10008.5.1.4.1.1.128": "a PET image",
}

_NOT_IMAGES = tuple(
    f"1.2.840.10008.5.1.4.1.1.{branch}."
    for branch in ("9", "11", "66", "67", "68", "78", "79", "88", "104", "200", "481")
)
"""Waveforms, presentation states, segmentations and registrations, maps and surfaces, refraction,
documents, encapsulated files, protocols, radiotherapy (PS3.4 B.5)."""

_NOT_IMAGES_EXACT = frozenset({"1.2.840.10008.5.1.4.1.1.66", "1.2.840.10008.5.1.4.1.1.67"})

_OTHER_BODY_PARTS = frozenset(
    {
        "ABDOMEN", "ABDOMENPELVIS", "ACJOINT", "AIRWAY", "ANKLE", "ANKLEFOOT", "BRAIN", "BREAST", "CALCANEUS",
        "CALF", "CHEST", "CHESTABDOMEN", "CHESTABDPELVIS", "CLAVICLE", "COCCYX", "CSPINE", "CTSPINE",
        "ELBOW", "FACE", "FEMUR", "FOOT", "HEAD", "HEADNECK", "HEART", "HEEL", "HIP", "HUMERUS", "IAC", "JAW",
        "KNEE", "LEG", "LSPINE", "LSSPINE", "LUMBAR", "LUNG", "MANDIBLE", "MAXILLA", "NASALBONE", "NECK",
        "ORBIT", "PATELLA", "PELVIS", "RIB", "RIBS", "SACRUM", "SCAPULA", "SCOLIOSIS", "SHOULDER", "SIJOINT",
        "SINUS", "SKULL", "SPINE", "SSPINE", "STERNUM", "TEETH", "THIGH", "THORAX", "TIBIA", "TIBFIB",
        "TLSPINE", "TMJ", "TOE", "TSPINE", "ZYGOMA",
    }
)  # fmt: skip
"""Defined terms of PS3.16 annex L, and vendors' variants, that exclude a hand."""

_OTHER_REGION_CODES = {
    "51185008 SCT": "chest", "816092008 SCT": "pelvis", "12921003 SCT": "pelvis", "818983003 SCT": "abdomen",
    "56459004 SCT": "foot", "72696002 SCT": "knee", "344001 SCT": "ankle", "29836001 SCT": "hip",
    "24136001 SCT": "hip", "16982005 SCT": "shoulder", "127949000 SCT": "elbow", "16953009 SCT": "elbow",
    "12738006 SCT": "brain", "69536005 SCT": "head", "89546000 SCT": "skull", "421060004 SCT": "spine",
    "122494005 SCT": "cervical spine", "122495006 SCT": "thoracic spine", "122496007 SCT": "lumbar spine",
    "45048000 SCT": "neck", "30021000 SCT": "lower leg", "29707007 SCT": "toe",
    "T-D3000 SRT": "chest", "T-D6000 SRT": "pelvis", "T-D4000 SRT": "abdomen", "T-D9700 SRT": "foot",
    "T-D9200 SRT": "knee", "T-D9500 SRT": "ankle", "T-D2500 SRT": "hip", "T-D2220 SRT": "shoulder",
    "T-D8300 SRT": "elbow", "T-D1100 SRT": "head",
}  # fmt: skip

_SCOUTS = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "PREVIEW", "STITCHED", "COMPOSED"})

_SAYS_AI = re.compile(r"\b(AI|CAD|artificial intelligence|deep learning)\b", re.IGNORECASE)


def is_ai_made(header: ImageHeader) -> bool:
    """Whether this node or another AI created the object; it must not be analysed as a radiograph.

    Ordinary workstations also name processing equipment (109102 DCM) on radiographs that they processed. It
    means an AI only with a Device UID, which IHE AIR requires of an AI model, or on an object that is no
    acquired radiograph.
    """
    if OWN_MANUFACTURER in {name.strip().lower() for name in _manufacturers(header)}:
        return True
    if PROCESSING_EQUIPMENT in header.contributing_purposes:
        return bool(header.processing_device_uids) or not _is_acquired_radiograph(header)
    return _is_annotated_copy(header) and any(_SAYS_AI.search(text) for text in _texts(header))


def calls_for_answer(header: ImageHeader) -> bool:
    """Whether the sender must get a result for the image, or the reason why there is none.

    Reports, presentation states, key objects, encapsulated files, other non-images and objects of an AI are
    only recorded.
    """
    return not _is_no_image(header) and not is_ai_made(header)


def is_for_processing(header: ImageHeader) -> bool:
    """Whether the image is FOR PROCESSING (PS3.3 C.8.11.3)."""
    raw = header.presentation_intent.upper() == "FOR PROCESSING"
    return raw or header.sop_class_uid == DIGITAL_X_RAY_FOR_PROCESSING


def is_image_class(sop_class_uid: str) -> bool:
    """Whether the storage class is one of images."""
    return not sop_class_uid.startswith(_NOT_IMAGES) and sop_class_uid not in _NOT_IMAGES_EXACT


def header_refusal(header: ImageHeader) -> Refusal | None:
    """Refusal by the header alone; None: the pixels decide."""
    checks = (
        _refuse_ai_made, _refuse_class, _refuse_secondary, _refuse_scout, _refuse_body_part, _refuse_view,
        _refuse_no_pixels,
    )  # fmt: skip
    return next((refusal for check in checks if (refusal := check(header)) is not None), None)


def _refuse_ai_made(header: ImageHeader) -> Refusal | None:
    if is_ai_made(header):
        return Refusal(Reason.AI_MADE, "This image is itself the result of a computer analysis.")
    return None


def _refuse_class(header: ImageHeader) -> Refusal | None:
    if header.sop_class_uid not in RADIOGRAPH_CLASSES:
        found = "no image" if _is_no_image(header) else _CLASS_NAMES.get(header.sop_class_uid, "another kind")
        text = f"Not a radiograph: expected a CR or DX image, found {found}."
        return Refusal(Reason.NOT_A_RADIOGRAPH, text)
    return None


def _refuse_secondary(header: ImageHeader) -> Refusal | None:
    if _is_secondary(header):
        text = "A later copy made from another image (DERIVED, SECONDARY): expected the radiograph itself."
        return Refusal(Reason.NOT_A_RADIOGRAPH, text)
    return None


def _refuse_scout(header: ImageHeader) -> Refusal | None:
    """Refuse scouts and composed images by Image Type (0008,0008)."""
    kind = _SCOUTS.intersection(value.upper() for value in header.image_type[2:])
    if kind:
        text = f"Expected a radiograph of a hand, found a scout or composed image ({min(kind)})."
        return Refusal(Reason.NOT_A_RADIOGRAPH, text)
    return None


def _refuse_view(header: ImageHeader) -> Refusal | None:
    view, said_by = view_of(header)
    if view in {View.OBLIQUE, View.LATERAL, View.BALL_CATCHER}:
        text = f"Expected a hand from back or front (PA or AP), found the {view} view, as {said_by} says."
        return Refusal(Reason.OTHER_VIEW, text)
    return None


def _refuse_body_part(header: ImageHeader) -> Refusal | None:
    part = _other_body_part(header)
    if part:
        text = f"Another part of the body: expected a hand, the image header says {part}."
        return Refusal(Reason.OTHER_BODY_PART, text)
    return None


def _refuse_no_pixels(header: ImageHeader) -> Refusal | None:
    if not header.has_pixels:
        return Refusal(Reason.NO_PIXELS, "No image: expected pixel data, found none in the object.")
    if header.rows <= 0 or header.columns <= 0:
        found = f"found {header.rows} rows and {header.columns} columns"
        return Refusal(
            Reason.NO_PIXELS, f"No image: expected Rows (0028,0010) and Columns (0028,0011), {found}."
        )
    return None


def _other_body_part(header: ImageHeader) -> str:
    """A body part in the header that excludes a hand, in words, or ""."""
    part = re.sub(r"[^A-Z]", "", header.body_part.upper())
    if part in _OTHER_BODY_PARTS:
        return part
    codes = header.anatomic_region_codes
    if not part and codes and all(code in _OTHER_REGION_CODES for code in codes):
        return _OTHER_REGION_CODES[codes[0]]
    return "" if names_hand(header.body_part) else _described_part(header)


def _described_part(header: ImageHeader) -> str:
    """The other part that the texts of this image name; "" where one of them names a hand."""
    if any(names_hand(text) for text in header.image_texts):
        return ""
    return next((part for text in header.image_texts if (part := other_part(text))), "")


def _is_no_image(header: ImageHeader) -> bool:
    if header.sop_class_uid in RADIOGRAPH_CLASSES:
        return False
    return not is_image_class(header.sop_class_uid) or not header.has_pixels


def _is_acquired_radiograph(header: ImageHeader) -> bool:
    return header.sop_class_uid in RADIOGRAPH_CLASSES and not _is_secondary(header)


def _is_secondary(header: ImageHeader) -> bool:
    return tuple(value.upper() for value in header.image_type[:2]) == ("DERIVED", "SECONDARY")


def _is_annotated_copy(header: ImageHeader) -> bool:
    derived = bool(header.image_type) and header.image_type[0].upper() == "DERIVED"
    return derived and header.burned_in_annotation.upper() == "YES"


def _manufacturers(header: ImageHeader) -> tuple[str, ...]:
    return (header.manufacturer, *header.contributing_manufacturers)


def _texts(header: ImageHeader) -> tuple[str, ...]:
    return (header.series_description, *header.descriptions)
