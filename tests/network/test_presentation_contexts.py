"""What is accepted and proposed."""

from __future__ import annotations

from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    EnhancedUSVolumeStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AllStoragePresentationContexts

from ra_node.network.presentation_contexts import (
    COMPRESSED,
    UNCOMPRESSED,
    accepted_contexts,
    carries_pixels,
    proposed_contexts,
    result_contexts,
)


def accepted() -> dict[str, list[str]]:
    return {str(cx.abstract_syntax): [str(uid) for uid in cx.transfer_syntax] for cx in accepted_contexts()}


def test_every_storage_class_of_the_library_and_verification_is_accepted():
    """A careless auto-route may send anything; it is answered with a reason later, not at the door."""
    expected = {str(cx.abstract_syntax) for cx in AllStoragePresentationContexts} | {"1.2.840.10008.1.1"}
    assert set(accepted()) == expected


def test_radiographs_are_accepted_in_every_syntax_that_the_node_decodes():
    """The list is written out: a syntax that drops out silently would make a sender fail."""
    wanted = [
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.57",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.81",
        "1.2.840.10008.1.2.4.91",
        "1.2.840.10008.1.2.4.50",
    ]
    for sop_class in (DigitalXRayImageStorageForPresentation, ComputedRadiographyImageStorage):
        assert accepted()[sop_class] == wanted


def test_jpeg_extended_is_only_accepted_when_asked_for():
    """Only GPL code decodes 12-bit JPEG Extended."""
    assert all(JPEGExtended12Bit not in syntaxes for syntaxes in accepted().values())
    asked = {str(cx.abstract_syntax): cx.transfer_syntax for cx in accepted_contexts([JPEGExtended12Bit])}
    assert asked[DigitalXRayImageStorageForPresentation][-1] == JPEGExtended12Bit
    assert JPEGExtended12Bit not in asked[Comprehensive3DSRStorage]


def test_objects_without_pixels_are_accepted_uncompressed_only():
    """No codec applies to a report or a presentation state."""
    for sop_class in (Comprehensive3DSRStorage, GrayscaleSoftcopyPresentationStateStorage):
        assert accepted()[sop_class] == [str(uid) for uid in UNCOMPRESSED]


def test_image_classes_are_told_from_the_others():
    assert carries_pixels(CTImageStorage)
    assert carries_pixels(EnhancedUSVolumeStorage)
    assert not carries_pixels(Comprehensive3DSRStorage)


def test_lossless_is_preferred_to_lossy():
    """The acceptor's order decides what a sender that offers both is asked to send."""
    lossy = {"1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.50"}
    first_lossy = min(index for index, uid in enumerate(COMPRESSED) if str(uid) in lossy)
    assert all(str(uid) in lossy for uid in COMPRESSED[first_lossy:])


def test_each_pair_is_proposed_once_and_in_a_context_of_its_own():
    """The peer's answer then speaks about each transfer syntax."""
    pair = (str(SecondaryCaptureImageStorage), str(ExplicitVRLittleEndian))
    proposed = [(cx.abstract_syntax, cx.transfer_syntax) for cx in proposed_contexts([pair, pair])]
    assert proposed == [
        (SecondaryCaptureImageStorage, [ExplicitVRLittleEndian]),
        (SecondaryCaptureImageStorage, [ImplicitVRLittleEndian]),
    ]


def test_compressed_files_are_proposed_as_they_are():
    """Pixels of others are not unpacked, so no other syntax may be promised."""
    [only] = proposed_contexts([(str(CTImageStorage), str(JPEG2000Lossless))])
    assert only.transfer_syntax == [JPEG2000Lossless]
    deflated = proposed_contexts([(str(CTImageStorage), str(DeflatedExplicitVRLittleEndian))])
    assert len(deflated) == 3


def test_an_overlay_is_proposed_packed_and_plain():
    """A peer without the codec still says yes to the plain ones."""
    proposed = proposed_contexts([(str(SecondaryCaptureImageStorage), str(JPEGLSLossless))])
    assert [context.transfer_syntax for context in proposed] == [
        [JPEGLSLossless],
        [ExplicitVRLittleEndian],
        [ImplicitVRLittleEndian],
    ]


def test_results_fit_into_one_association():
    """Six classes in two syntaxes, and the overlay packed."""
    assert len(result_contexts()) == 13
