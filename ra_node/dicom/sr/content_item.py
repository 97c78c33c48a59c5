"""Content items as values: built and checked by highdicom, encoded by pydicom, both cached.

Most items of a report are the same in every report. Building and encoding the eighty items of one takes 25 ms
of CPU time; encoded items are cached and reused.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct

import highdicom.sr as hd
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence_item
from pydicom.sr.coding import Code
from pydicom.tag import Tag

Relation = hd.RelationshipTypeValues
CONTAINS = Relation.CONTAINS

Make = Callable[..., Dataset | Iterable[Dataset]]
Given = tuple[tuple[str, Hashable], ...]

_CONTENT_SEQUENCE = Tag(0x0040A730)
_ITEM, _SEQUENCE = Struct("<HHL"), Struct("<HH2sxxL")
"""Headers of an item and of a sequence with their length."""
_KEPT = 1024
"""Size of the cache of encoded items; the longest have a kilobyte."""


@dataclass(frozen=True, slots=True)
class Item:
    """Arguments of a highdicom constructor: a content item, or a template with several.

    A template has no `children`. Items with equal values are encoded alike.
    """

    make: Make
    given: Given
    children: tuple[Item, ...] = ()


def item(make: Make, children: Iterable[Item] = (), **given: Hashable) -> Item:
    """Item built by `make` from keywords only, which must be immutable."""
    return Item(make, tuple(given.items()), tuple(children))


def text(name: Code, value: str, relation: Relation = CONTAINS, children: Iterable[Item] = ()) -> Item:
    """A TEXT item."""
    return item(hd.TextContentItem, children, name=name, value=value, relationship_type=relation)


def code(name: Code, value: Code, relation: Relation = CONTAINS, children: Iterable[Item] = ()) -> Item:
    """A CODE item."""
    return item(hd.CodeContentItem, children, name=name, value=value, relationship_type=relation)


def container(
    name: Code, children: Iterable[Item], template: str | None = None, relation: Relation | None = CONTAINS
) -> Item:
    """Separate content: plain renderers drop the concept names of continuous content."""
    return item(
        hd.ContainerContentItem,
        children,
        name=name,
        is_content_continuous=False,
        template_id=template,
        relationship_type=relation,
    )


def finding_site(site: Code, laterality: Code | None) -> Item:
    """Finding site with laterality where the side is known."""
    return item(hd.FindingSite, anatomic_location=site, laterality=laterality)


def own_text(items: Iterable[Item]) -> Iterator[str]:
    """Every text of the items, to choose a character set that can encode it."""
    for one in items:
        for _, value in one.given:
            yield from (
                part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, str)
            )
        yield from own_text(one.children)


def put_tree(document: Dataset, root: Item) -> None:
    """Set the content tree of a document, encoded in its character set.

    The document is marked as read in explicit little endian, so that pydicom writes the encoded tree
    unchanged.
    """
    declared = document.get("SpecificCharacterSet")
    character_set = convert_encodings(declared) if declared else default_encoding
    (made,) = _made(root.make, root.given)
    tree = _beneath(root, tuple(convert_encodings(declared)))
    made[_CONTENT_SEQUENCE] = RawDataElement(
        tag=_CONTENT_SEQUENCE,
        VR="SQ",
        length=len(tree),
        value=tree,
        value_tell=0,
        is_implicit_VR=False,
        is_little_endian=True,
    )
    document.update(made)
    document.set_original_encoding(
        is_implicit_vr=False, is_little_endian=True, character_encoding=character_set
    )


def _beneath(one: Item, encodings: tuple[str, ...]) -> bytes:
    return b"".join(_written(child, encodings) for child in one.children)


def _written(one: Item, encodings: tuple[str, ...]) -> bytes:
    """An item with all items beneath it, which come last in it (PS3.5 7.1.2, 7.5)."""
    own = _kept(one.make, one.given, encodings)
    if not one.children:
        return own
    beneath = _beneath(one, encodings)
    content = own[_ITEM.size :] + _SEQUENCE.pack(0x0040, 0xA730, b"SQ", len(beneath)) + beneath
    return _ITEM.pack(0xFFFE, 0xE000, len(content)) + content


@lru_cache(_KEPT)
def _kept(make: Make, given: Given, encodings: tuple[str, ...]) -> bytes:
    """Sequence items of explicit little endian, without what is beneath them."""
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    for made in _made(make, given):
        write_sequence_item(file, made, list(encodings))
    return file.getvalue()


def _made(make: Make, given: Given) -> list[Dataset]:
    made = make(**dict(given))
    return [made] if isinstance(made, Dataset) else list(made)
