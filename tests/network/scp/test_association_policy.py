"""Who may call, and from where."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.network.scp.association_policy import AllowedPeer, address_matches, matching, why_unknown


@pytest.mark.parametrize(
    ("allowed", "address", "matches"),
    [
        ("*", "203.0.113.9", True),
        ("203.0.113.9", "203.0.113.9", True),
        ("203.0.113.9", "203.0.113.90", False),
        ("10.1.0.0/16", "10.1.200.3", True),
        ("10.1.0.0/16", "10.2.0.1", False),
        ("10.1.0.7/16", "10.1.0.1", True),
        ("203.0.113.9", "::ffff:203.0.113.9", True),
        ("fe80::1", "fe80::1%eth0", True),
        ("fe80::1", "203.0.113.9", False),
        ("localhost", "127.0.0.1", True),
        ("localhost", "203.0.113.9", False),
        ("no-such-host.invalid", "127.0.0.1", False),
    ],
)
def test_an_address_is_compared_as_an_address(allowed: str, address: str, matches: bool):
    """Not as text: networks, IPv4 in IPv6 and host names count."""
    assert address_matches(allowed, address) is matches


@settings(deadline=None)  # the machine may be busy
@given(st.ip_addresses())
def test_every_address_matches_itself_and_everything(address: object):
    assert address_matches(str(address), str(address))
    assert address_matches("*", str(address))


def test_title_and_address_must_fit_the_same_peer():
    """One peer's title from another peer's address is nobody's."""
    peers = [AllowedPeer("PACS", "10.0.0.1"), AllowedPeer("CR ", "10.0.0.2")]
    assert matching("PACS", "10.0.0.1", peers)
    assert matching("CR", "10.0.0.2", peers)
    assert not matching("PACS", "10.0.0.2", peers)
    assert not matching("pacs", "10.0.0.1", peers)
    assert not matching("PACS", "10.0.0.1", [])


@pytest.mark.parametrize(
    ("title", "address", "names", "said"),
    [
        ("PACSA", "10.0.0.9", None, "PACSA is known, but from 10.0.0.5, not 10.0.0.9"),
        (
            "CR",
            "10.0.0.9",
            None,
            "CR is known, but from no-such-host.invalid (which cannot be resolved), not",
        ),
        ("SAFE", "10.0.0.7", None, "SAFE is known, but must come by TLS"),
        ("SAFE", "10.0.0.7", frozenset({"other"}), "its certificate must hold the name safe.local"),
        ("pacsa", "10.0.0.9", None, "pacsa is not known, but PACSA is: AE titles distinguish case"),
        ("PACSB", "10.0.0.5", None, "PACSB is not known; from 10.0.0.5 comes PACSA"),
        ("PACSB", "10.0.0.9", None, "PACSB is not known: no [[peer]] has this AE title"),
    ],
)
def test_a_rejection_names_its_true_reason(title: str, address: str, names: frozenset[str] | None, said: str):
    """ "Calling AE title not recognised" stood in the log where only the address was another one."""
    peers = [
        AllowedPeer("PACSA", "10.0.0.5"),
        AllowedPeer("CR", "no-such-host.invalid"),
        AllowedPeer("SAFE", "10.0.0.7", tls=True, certificate_name="safe.local"),
    ]
    assert matching(title, address, peers, names) == []
    assert said in why_unknown(title, address, peers, names)
