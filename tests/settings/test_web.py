"""The operator page is off, and closed to the network, unless the site says otherwise."""

from pathlib import Path

import pytest

from ra_node.errors import Fatal
from ra_node.settings.node import settings_from


def web(**keys):
    return settings_from({"web": keys}, base=Path("/etc/ra-node")).web


def test_it_is_off_and_on_loopback_by_default_and_names_no_patient():
    table = web()
    assert (table.enabled, table.host, table.show_patient_names) == (False, "127.0.0.1", False)
    assert str(table.password_file) == "/etc/var/web-passwords"


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "::", "node.example"])
def test_passwords_do_not_cross_the_network_in_plain(host):
    with pytest.raises(Fatal, match="https = true"):
        web(host=host)
    assert web(host=host, https=True).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.7", "::1", "localhost"])
def test_loopback_needs_no_tls(host):
    assert web(host=host).host == host


def test_a_header_is_believed_from_named_proxies_only():
    with pytest.raises(Fatal, match="trusted_proxies"):
        web(proxy_header="X-Remote-User")
    assert web(proxy_header="X-Remote-User", trusted_proxies=["10.0.0.5/32"]).proxy_header
    with pytest.raises(Fatal, match="proxy_secret_file"):
        web(proxy_header="X-Remote-User", trusted_proxies=["127.0.0.1/32"])


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd"])
def test_an_unknown_time_zone_stops_the_node(name):
    with pytest.raises(Fatal, match="Europe/Berlin"):
        web(timezone=name)
