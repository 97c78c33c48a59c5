"""What a peer says in words about an object, without what it quotes of the patient."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.tag import Tag

HIDDEN = "***"
_MORE = ("AccessionNumber", "ReferringPhysicianName", "RequestingPhysician", "StudyID", "AdmissionID")
_PATIENT_GROUP = 0x0010
_SEPARATORS = re.compile(r"[\^=\\\s,]+")


def spoken(comment: str, path: Path) -> str:
    """An Error Comment (0000,0902) fit to be kept: attributes of the patient of the object at `path` hidden.

    Empty where the object cannot be read, since then nobody knows what to hide.
    """
    if not comment:
        return ""
    try:
        words = sorted(_private_words(dcmread(path, stop_before_pixels=True)), key=len, reverse=True)
    except Exception:  # noqa: BLE001 - an object of ours that cannot be read must not break the sending
        return ""
    for word in words:
        comment = _pattern(word).sub(HIDDEN, comment)
    return comment


def _pattern(word: str) -> re.Pattern[str]:
    """Short words count only by themselves: a patient may be called Li or have the number 7."""
    plain = re.escape(word)
    return re.compile(plain if len(word) > 2 else rf"(?<!\w){plain}(?!\w)", re.IGNORECASE)


def _private_words(dataset: Dataset) -> Iterator[str]:
    tags = {element.tag for element in dataset.group_dataset(_PATIENT_GROUP)} | {Tag(name) for name in _MORE}
    for tag in tags:
        if tag in dataset and dataset[tag].VR != "SQ":
            value = str(dataset[tag].value or "")
            yield from {value, *_SEPARATORS.split(value)} - {""}
