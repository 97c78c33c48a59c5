"""One result a hand: what counts of several images, and why the others do not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.geometry import Box
from ra_node.domain.image_choice import one_result_a_hand, one_view_a_hand, used_view, without_oblique
from ra_node.domain.laterality.evidence import Pairing, Side, SideFinding
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandFinding, HandRegion, ImageFacts, ImageFinding, Recognition

BOX = Box(0, 0, 10, 10)


def hand(side: Side | None, refusal: Refusal | None = None) -> HandFinding:
    region = HandRegion(BOX, BOX.corners(), 0, 1.0)
    judged = None if refusal else Recognition(0.2, 0.5)
    return HandFinding(region, SideFinding(side, "said"), "", judged, refusal=refusal)


def image(uid: str, *sides: Side | None, **facts) -> ImageFinding:
    hands = tuple(hand(side) for side in sides)
    return ImageFinding(
        uid,
        "class",
        "series",
        10,
        10,
        hands,
        facts=ImageFacts(pixels=uid, **facts) if "pixels" not in facts else ImageFacts(**facts),
    )


def counted(images) -> list[tuple[str, Side | None]]:
    return [
        (one.sop_instance_uid, one_hand.side.side)
        for one in images
        for one_hand in one.hands
        if one_hand.refusal is None
    ]


def test_the_last_exposure_of_a_hand_counts():
    """A repeat is made when the first was not good enough; both images say what happened."""
    first = image("1", Side.RIGHT, acquired_at="20260105093000")
    repeat = image("2", Side.RIGHT, acquired_at="20260105093500")
    out = one_result_a_hand([repeat, first])
    assert counted(out) == [("2", Side.RIGHT)]
    dropped = out[1].hands[0]
    assert dropped.refusal is not None
    assert dropped.refusal.reason is Reason.OTHER_IMAGE_COUNTS
    assert dropped.recognition is None
    assert "2 images are said to show the right hand" in out[0].remarks[0]


def test_both_hands_of_a_study_count_once_each():
    """One image of each hand stays untouched."""
    images = (image("1", Side.RIGHT), image("2", Side.LEFT))
    assert one_result_a_hand(images) == images


def test_the_other_hand_of_an_image_is_still_judged():
    """A repeat of the right hand alone takes the right one of the pair and leaves the left one."""
    pair = image("1", Side.RIGHT, Side.LEFT, acquired_at="20260105093000")
    repeat = image("2", Side.RIGHT, acquired_at="20260105093500")
    assert counted(one_result_a_hand([pair, repeat])) == [("1", Side.LEFT), ("2", Side.RIGHT)]


def test_a_refused_repeat_does_not_take_the_place_of_a_good_image():
    bad = replace(
        image("2", acquired_at="20260105093500"),
        hands=(hand(Side.RIGHT, Refusal(Reason.HAND_CUT_OFF, "cut")),),
    )
    assert counted(one_result_a_hand([image("1", Side.RIGHT), bad])) == [("1", Side.RIGHT)]


def test_equal_pixels_are_one_picture():
    """A copy under another UID is refused whole, also when no side is known."""
    images = [image("2", None, pixels="same"), image("1", None, pixels="same")]
    out = one_result_a_hand(images)
    assert counted(out) == [("1", None)]
    assert out[0].refusal is not None
    assert out[0].refusal.reason is Reason.SAME_PICTURE


def test_a_presented_image_is_preferred_and_a_raw_one_read_where_it_is_alone():
    raw, shown = image("1", Side.LEFT, for_processing=True, acquired_at="9"), image("2", Side.LEFT)
    out = one_result_a_hand([raw, shown])
    assert counted(out) == [("2", Side.LEFT)]
    assert out[0].refusal is not None
    assert out[0].refusal.reason is Reason.NOT_FOR_PRESENTATION
    (alone,) = one_result_a_hand([raw])
    assert counted([alone]) == [("1", Side.LEFT)]
    assert "FOR PROCESSING" in alone.remarks[0]


def test_a_picture_like_those_learnt_counts_before_a_later_one_that_is_unlike_them():
    """An oblique view taken last does not push the PA view aside, also where the site rates both."""
    frontal, oblique = (
        image("1", Side.LEFT, acquired_at="20260105"),
        image("2", Side.LEFT, acquired_at="20260106"),
    )
    unlike = tuple(replace(one, outside=(Refusal(Reason.OTHER_VIEW, "Oblique."),)) for one in oblique.hands)
    assert counted(one_result_a_hand([frontal, replace(oblique, hands=unlike)])) == [("1", Side.LEFT)]


def test_a_raw_image_of_the_other_hand_is_read():
    out = one_result_a_hand([image("1", Side.LEFT, for_processing=True), image("2", Side.RIGHT)])
    assert counted(out) == [("1", Side.LEFT), ("2", Side.RIGHT)]


def one_view(hands):
    """All hands are exposures of one."""
    return one_view_a_hand(hands, [used_view(hands, range(len(hands)))])


def test_of_one_hand_twice_one_view_counts():
    """The other is named with its reason and has no result."""
    surer, other = hand(Side.LEFT), hand(Side.LEFT)
    other = replace(other, region=replace(other.region, score=0.9))
    kept, dropped = one_view([surer, other])
    assert kept == surer
    assert dropped.refusal is not None
    assert dropped.refusal.reason is Reason.SECOND_VIEW
    assert dropped.recognition is None
    assert [one.refusal for one in one_view([other, surer])][1] is None


def test_a_view_that_is_refused_leaves_the_other_one():
    """A cut-off PA view does not take the result from a whole one beside it."""
    cut = hand(Side.LEFT, Refusal(Reason.HAND_CUT_OFF, "cut"))
    whole = replace(hand(Side.LEFT), region=replace(hand(Side.LEFT).region, score=0.5))
    first, second = one_view([cut, whole])
    assert second == whole
    assert first.refusal == cut.refusal


def test_two_hands_both_count():
    pair = [hand(Side.RIGHT), hand(Side.LEFT)]
    assert list(one_view_a_hand(pair, (0, 1))) == pair
    for pairing in (Pairing.TWO_HANDS, Pairing.THUMBS_UNSURE):
        assert list(without_oblique(pair, pairing)) == pair


def test_of_a_pa_and_an_oblique_view_the_pa_view_counts_though_the_thumbs_differ():
    """A mirrored oblique view of the same hand would be answered twice."""
    pair = [hand(Side.RIGHT), replace(hand(None), region=replace(hand(None).region, score=0.5))]
    first, second = without_oblique(pair, Pairing.VIEWS_DIFFER)
    assert first == pair[0]
    assert second.refusal is not None
    assert second.refusal.reason is Reason.SECOND_VIEW
    assert "perhaps of the same hand" in second.refusal.text


IMAGES = st.lists(
    st.builds(
        lambda number, sides, raw, at, pixels: image(
            str(number), *sides, for_processing=raw, acquired_at=at, pixels=pixels
        ),
        st.integers(0, 10**6),
        st.lists(st.sampled_from([Side.LEFT, Side.RIGHT, None]), max_size=2, unique=True),
        st.booleans(),
        st.sampled_from(["", "20260105", "20260106"]),
        st.sampled_from(["", "a", "b", "c"]),
    ),
    max_size=5,
    unique_by=lambda one: one.sop_instance_uid,
)


@given(IMAGES)
def test_a_side_counts_once_and_never_vanishes(images):
    """Whatever was sent, each side that was judged has one result in the end, and order does not matter."""
    out = one_result_a_hand(images)
    sides = [side for _, side in counted(out) if side]
    assert len(sides) == len(set(sides))
    kept = {
        one.sop_instance_uid
        for one in out
        if one.refusal is None or one.refusal.reason is not Reason.SAME_PICTURE
    }
    assert set(sides) == {side for uid, side in counted(images) if side and uid in kept}
    assert sorted(counted(one_result_a_hand(images[::-1])), key=str) == sorted(counted(out), key=str)
    assert len(out) == len(images)
