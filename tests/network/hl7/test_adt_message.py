"""A strict parser: what it takes is what was meant, and no reason holds a value."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.network.hl7.adt_message import MessageRefused, acknowledgement, pairs_of, read_adt

HEAD = "MSH|^~\\&|KIS|HOSPITAL|RA_NODE||20261130||ADT^A40^ADT_A39|MSG-1|P|2.5||||||UNICODE UTF-8"
IDS = "MARKED-2^^^HOSP&1.2.3&ISO^PI"
PID = f"PID|1||{IDS}||M\u00fcller^Eva"
MRG = "MRG|MARKED-1^^^HOSP^PI"


def message(*segments, head=HEAD):
    return "\r".join((head, *segments)).encode() + b"\r"


def test_a_merge_gives_the_pairs_of_each_authority():
    read = read_adt(message("EVN||20261130", PID.replace(IDS, f"{IDS}~9^^^OTHER"), MRG + "~8^^^OTHER"))
    assert (read.event, read.control_id) == ("A40", "MSG-1")
    pairs = [(old.value, new.value, new.authority) for old, new in pairs_of(read)]
    assert pairs == [("MARKED-1", "MARKED-2", "HOSP"), ("8", "9", "OTHER")]
    assert "MARKED" not in repr(read)


def test_escaped_separators_are_part_of_the_value():
    (pair,) = pairs_of(read_adt(message("PID|1||A\\S\\2^^^X\\T\\Y", "MRG|A\\F\\1^^^X\\T\\Y")))
    assert (pair[0].value, pair[1].value, pair[0].authority) == ("A|1", "A^2", "X&Y")


BROKEN = {
    "nothing": (b"", "AR", "begins with MSH"),
    "not a message": (b"GET / HTTP/1.1\r\n", "AR", "begins with MSH"),
    "short": (b"MSH|^~\\&", "AE", "control ID"),
    "no separators": (b"MSHMSHMSHMSH", "AR", "separators"),
    "no control id": (message(PID, MRG, head=HEAD.replace("MSG-1", "")), "AE", "control ID"),
    "another type": (message(PID, head=HEAD.replace("ADT^A40", "ORU^R01")), "AR", "type ADT"),
    "no event": (message(PID, head=HEAD.replace("ADT^A40", "ADT^X")), "AR", "an event"),
    "another charset": (message(PID, head=HEAD.replace("UNICODE UTF-8", "GB 18030-2000")), "AE", "MSH-18"),
    "not its charset": (message(PID, MRG).replace("\u00fc".encode(), b"\xfc"), "AE", "character set"),
    "two patients": (message(PID, PID, MRG), "AE", "several patients"),
    "endless": (message(*["ZZZ|1"] * 600), "AE", "at most 500"),
    "many identifiers": (message("PID|1||" + "~".join(["1"] * 200), MRG), "AE", "at most 100"),
}


@pytest.mark.parametrize(("content", "code", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_message_that_is_not_understood_is_refused_with_its_reason(content, code, reason):
    with pytest.raises(MessageRefused, match=reason) as refused:
        read_adt(content)
    assert refused.value.code == code
    assert "MARKED" not in str(refused.value)


UNCLEAR = {
    "no MRG": (PID,),
    "no PID": (MRG,),
    "another authority": (PID, "MRG|MARKED-1^^^ELSEWHERE"),
    "the same": (PID, "MRG|MARKED-2^^^HOSP^PI"),
    "two new ones": (PID.replace(IDS, f"{IDS}~MARKED-3^^^HOSP^PI"), MRG),
}


@pytest.mark.parametrize("segments", UNCLEAR.values(), ids=UNCLEAR)
def test_a_merge_whose_partners_are_not_clear_is_refused(segments):
    with pytest.raises(MessageRefused) as refused:
        pairs_of(read_adt(message(*segments)))
    assert "MARKED" not in str(refused.value)
    assert refused.value.control_id == "MSG-1"


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_read_or_refused(content, begins):
    """Nothing else is raised, whatever comes."""
    with suppress(MessageRefused):
        pairs_of(read_adt(message(PID, MRG)[:40] + content if begins else content))


def test_an_acknowledgement_repeats_the_control_id_alone():
    ack = acknowledgement("AE", "M|1\r", "no such event", datetime(2026, 11, 30, tzinfo=UTC), 7)
    assert ack.split(b"\r")[1] == b"MSA|AE|M 1 |no such event"
    assert ack.startswith(b"MSH|^~\\&|RA_NODE|")
