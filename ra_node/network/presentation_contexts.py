"""The presentation contexts that the node accepts and the ones that it proposes (PS3.8 7.1.1.13).

The acceptor picks the first transfer syntax of its own list that the requestor offers in a context,
so the order of the lists here is a preference.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    EnhancedUSVolumeStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    ParametricMapStorage,
    RLELossless,
    SegmentationStorage,
)
from pynetdicom import AllStoragePresentationContexts, build_context
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at run time by the library

from ra_node.domain.result_objects import RESULT_OBJECTS, ObjectKind, class_of

UNCOMPRESSED: tuple[UID, ...] = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)
"""Transfer syntaxes without a pixel codec; big endian is retired, old modalities still use it."""

COMPRESSED: tuple[UID, ...] = (
    JPEGLosslessSV1,
    JPEGLossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    RLELossless,
    JPEGLSNearLossless,
    JPEG2000,
    JPEGBaseline8Bit,
)
"""Every compression that the node can decode, lossless first. JPEG Extended (.51) is left out: only
GPL code decodes its 12 bits, and a sender that learns so at negotiation can still send uncompressed."""

RESULT_CLASSES: tuple[UID, ...] = tuple(dict.fromkeys(UID(row.sop_class_uid) for row in RESULT_OBJECTS))
"""What the node sends: report, fallback with the same content, overlay, and the options of destinations."""

RESULT_SYNTAXES: tuple[UID, ...] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)

OVERLAY_SYNTAX = JPEGLSLossless
"""Transfer syntax of overlays on disk and for peers that accept it: lossless, a sixth of the size."""

_PIXELS_WITHOUT_THE_WORD = {EnhancedUSVolumeStorage, ParametricMapStorage, SegmentationStorage}


_STORAGE = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)


def is_storage(abstract_syntax: str) -> bool:
    """Whether an abstract syntax is a storage SOP class."""
    return abstract_syntax in _STORAGE


def carries_pixels(sop_class: UID) -> bool:
    """Whether instances of a storage SOP class hold pixel data that may be compressed."""
    return " Image " in sop_class.name or sop_class in _PIXELS_WITHOUT_THE_WORD


def accepted_contexts(extra_syntaxes: Iterable[str] = ()) -> list[PresentationContext]:
    """List what the listener accepts: Verification and every storage SOP class of the library.

    A broad routing rule sends anything. Images that cannot be analysed are accepted and reported with the
    reason, because a refused context is not visible at the PACS. `extra_syntaxes` are appended for image
    classes, least preferred.
    """
    images = (*UNCOMPRESSED, *COMPRESSED, *(UID(syntax) for syntax in extra_syntaxes))
    contexts = [build_context(Verification, list(UNCOMPRESSED))]
    for stored in AllStoragePresentationContexts:
        sop_class = UID(stored.abstract_syntax or "")
        syntaxes = images if carries_pixels(sop_class) else UNCOMPRESSED
        contexts.append(build_context(sop_class, list(syntaxes)))
    return contexts


def proposed_contexts(wanted: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """Propose (SOP class, transfer syntax) pairs, each pair in a context of its own.

    With one syntax per context the peer accepts or refuses each pair. Uncompressed pairs add explicit and
    implicit little endian, because the node can rewrite one as the other. Duplicates are dropped, the order
    is kept.
    """
    pairs: dict[tuple[str, str], None] = {}
    for sop_class, syntax in wanted:
        pairs[sop_class, syntax] = None
        for other in rewritable_as(syntax):
            pairs[sop_class, other] = None
    return [build_context(sop_class, syntax) for sop_class, syntax in pairs]


def result_contexts() -> list[PresentationContext]:
    """Propose everything that the node may send, to see what a peer accepts."""
    plain = ((uid, syntax) for uid in RESULT_CLASSES for syntax in RESULT_SYNTAXES)
    return proposed_contexts([(class_of(ObjectKind.OVERLAY).sop_class_uid, OVERLAY_SYNTAX), *plain])


def rewritable_as(syntax: str) -> tuple[UID, ...]:
    """Transfer syntaxes to which a file in `syntax` can be converted without changing its pixels.

    Of the compressed ones only that of our own overlays is decompressed: received images are never sent.
    """
    rewritable = {*RESULT_SYNTAXES, DeflatedExplicitVRLittleEndian, OVERLAY_SYNTAX}
    return tuple(other for other in RESULT_SYNTAXES if other != syntax) if syntax in rewritable else ()
