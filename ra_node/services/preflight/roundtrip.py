"""Stores a phantom's report and overlay at a destination and reads them back where possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydicom import Dataset, dcmread

from ra_node.network.presentation_contexts import RESULT_SYNTAXES
from ra_node.network.scu.c_find import InstanceCount, count_instances
from ra_node.network.scu.c_get import get_study
from ra_node.network.scu.c_store import OutgoingObject, PeerAddress, send
from ra_node.network.status.c_store import Answer
from ra_node.services.preflight.check import Check

_OWN_TO_THE_PACS = {
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "RetrieveAETitle",
    "InstanceAvailability",
}
"""Attributes that a PACS may change."""


_OF_THE_ENCODING = (0x7FE0,)


def outgoing(paths: Sequence[Path]) -> list[OutgoingObject]:
    """The objects in these files, as they are sent."""
    made = []
    for path in paths:
        one = dcmread(path, stop_before_pixels=True)
        syntax = str(one.file_meta.TransferSyntaxUID)
        made.append(OutgoingObject(path, str(one.SOPClassUID), str(one.SOPInstanceUID), syntax))
    return made


def check_roundtrip(peer: PeerAddress, study_uid: str, paths: Sequence[Path]) -> Check:
    """Store, count by C-FIND, read back by C-GET and compare; the row also says what stays there."""
    row = _checked(peer, study_uid, paths)
    return replace(row, found=f"{row.found}; {_left_behind(study_uid, paths)}")


def _left_behind(study_uid: str, paths: Sequence[Path]) -> str:
    """DICOM has no deletion, so an operator must remove the phantom; it is of no patient."""
    patient = dcmread(paths[0], stop_before_pixels=True).PatientID
    return f"delete there what may have come: patient {patient}, study {study_uid}"


def _checked(peer: PeerAddress, study_uid: str, paths: Sequence[Path]) -> Check:
    name = f"roundtrip {peer.name}"
    report = send(peer, outgoing(paths))
    refused = [one.detail for one in report.outcomes if one.answer is not Answer.ACCEPTED]
    if refused:
        found = f"{report.detail}; {refused[0]}"
        return Check(name, ok=False, found=found, hint="see this destination's row, and the log of the PACS")
    count = count_instances(peer, study_uid)
    if count.instances is None:
        return Check(name, ok=True, found=f"stored {len(paths)} objects; not verified: {count.detail}")
    if count.instances < len(paths):
        return _lost(name, len(paths), count)
    return _compared(name, peer, study_uid, paths)


def _lost(name: str, stored: int, count: InstanceCount) -> Check:
    found = f"stored {stored} objects, C-FIND finds {count.instances}"
    return Check(
        name, ok=False, found=found, hint="check on the PACS where it put them: a routing rule, a quarantine?"
    )


def _compared(name: str, peer: PeerAddress, study_uid: str, paths: Sequence[Path]) -> Check:
    with TemporaryDirectory(prefix="ra-node-") as folder:
        pairs = [(one.sop_class_uid, one.transfer_syntax) for one in outgoing(paths)]
        pairs += [(uid, syntax) for uid, _ in pairs for syntax in RESULT_SYNTAXES]
        got = get_study(peer, study_uid, Path(folder), pairs)
        found = f"stored {len(paths)} objects, C-FIND finds them"
        if not got.files:
            return Check(name, ok=True, found=f"{found}; no C-GET to read them back: {got.detail}")
        changes = []
        for path in paths:
            sent = dcmread(path)
            back = Path(folder) / f"{sent.SOPInstanceUID}.dcm"
            changes += changed(sent, dcmread(back)) if back.exists() else [f"no {sent.Modality}"]
    if changes:
        words = f"{found}; C-GET returned them changed: {', '.join(sorted(set(changes)))}"
        return Check(name, ok=False, found=words, hint="check on the PACS why it changes what it stores")
    return Check(name, ok=True, found=f"{found}, C-GET returned them unchanged")


def _same_picture(sent: Dataset, back: Dataset) -> bool:
    """Compare decoded pixels, because the transfer syntax may differ."""
    if "PixelData" not in sent or "PixelData" not in back:
        return False
    return bool(np.array_equal(sent.pixel_array, back.pixel_array))


def changed(sent: Dataset, back: Dataset) -> list[str]:
    """Differing attributes without those that a PACS may change."""
    tags = {element.tag for element in sent} | {element.tag for element in back}
    differing = [tag for tag in tags if sent.get(tag) != back.get(tag)]
    if sent.file_meta.TransferSyntaxUID != back.file_meta.TransferSyntaxUID and _same_picture(sent, back):
        differing = [tag for tag in differing if tag.group not in _OF_THE_ENCODING]
    names = [(sent.get(tag) or back[tag]).keyword or str(tag) for tag in sorted(differing)]
    return [name for name in names if name not in _OWN_TO_THE_PACS]
