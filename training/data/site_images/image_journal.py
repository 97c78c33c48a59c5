"""Journal of the finished images of an incomplete dataset, from which an interrupted command is resumed.

One JSON line an image, synced before the next: the key of all inputs that determine the result, and the
result. Truncated lines, and lines whose pictures are missing, are ignored.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from ra_node.domain.preprocessing import PREPROCESSING_ID
from ra_node.filesystem.durable_write import fsync_stream
from training.data.manifest import FORMAT
from training.data.site_images.image_hands import Cutter, ImageHands, ImageTask

JOURNAL = "images.jsonl"


@dataclass(frozen=True, slots=True)
class _Done:
    key: str
    hands: ImageHands


_LINE = TypeAdapter(_Done)


class ImageJournal:
    """The finished images of an incomplete dataset folder."""

    def __init__(self, cutter: Cutter) -> None:
        self._path = cutter.folder / JOURNAL
        self._folder = cutter.folder
        self._salt, self._decided = cutter.salt, _decided(cutter)
        self._known = dict(self._read())

    def known(self, task: ImageTask) -> ImageHands | None:
        """The result of an earlier run for an image; None where there is none or an input has changed."""
        found = self._known.get(self._key(task))
        if found is None:
            return None
        files = [name for row in found.rows for name in (row.image, row.levels) if name]
        return found if all((self._folder / name).is_file() for name in files) else None

    def add(self, task: ImageTask, hands: ImageHands) -> None:
        """Append the result for an image."""
        line = _LINE.dump_json(_Done(self._key(task), hands)) + b"\n"
        with self._path.open("ab") as stream:
            stream.write(line)
            fsync_stream(stream)

    def remove(self) -> None:
        """Delete the journal of a complete dataset."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> list[tuple[str, ImageHands]]:
        if not self._path.exists():
            return []
        found = []
        for line in self._path.read_bytes().splitlines():
            try:
                done = _LINE.validate_json(line)
            except ValidationError:
                continue
            found.append((done.key, done.hands))
        return found

    def _key(self, task: ImageTask) -> str:
        decided = f"{self._decided} {task.digest} {task.wanted!r}"  # with what the table says of a patient
        return hmac.digest(self._salt, decided.encode(), "sha256").hex()


def _decided(cutter: Cutter) -> str:
    """Inputs that affect the hands of all images, except the salt."""
    return f"{FORMAT} {PREPROCESSING_ID} {cutter.detector.sha256} {cutter.options!r}"
