"""Whose address counts behind proxies, and which networks it is in."""

from ipaddress import ip_address, ip_network

import pytest

from tenants import addresses

CLIENT, PROXY, INNER_PROXY, FORGED = "203.0.113.7", "10.0.0.1", "10.0.0.2", "198.51.100.9"
NETWORKS = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def sender(peer, forwarded_for="", trusted=0):
    found = addresses.sender(peer=peer, forwarded_for=forwarded_for, trusted=trusted)
    return None if found is None else str(found)


def test_it_works():
    assert sender(CLIENT) == CLIENT
    assert sender(PROXY, CLIENT, trusted=1) == CLIENT
    assert sender(PROXY, CLIENT, trusted=NETWORKS) == CLIENT


@pytest.mark.parametrize("trusted", [0, []])
def test_without_trusted_proxies_the_header_says_nothing(trusted):
    assert sender(CLIENT, FORGED, trusted=trusted) == CLIENT


@pytest.mark.parametrize("trusted", [1, NETWORKS])
@pytest.mark.parametrize("forged", [FORGED, PROXY, f"{FORGED}, {PROXY}", "nonsense", ",,,", "::1"])
def test_what_a_client_writes_before_the_proxys_own_part_says_nothing(trusted, forged):
    assert sender(PROXY, f"{forged}, {CLIENT}", trusted=trusted) == CLIENT


@pytest.mark.parametrize("trusted", [2, NETWORKS])
def test_a_chain_of_proxies(trusted):
    assert sender(INNER_PROXY, f"{FORGED},{CLIENT},{PROXY}", trusted=trusted) == CLIENT


def test_who_goes_past_the_proxies_has_no_address_where_they_are_counted():
    assert sender(CLIENT, trusted=1) is None
    assert sender(CLIENT, FORGED, trusted=2) is None


def test_who_goes_past_the_proxies_is_seen_where_they_are_named():
    assert sender(CLIENT, FORGED, trusted=NETWORKS) == CLIENT
    assert sender(PROXY, trusted=NETWORKS) == PROXY


@pytest.mark.parametrize("last", ["", "nonsense", "unknown", "1.2.3.4.5", "203.0.113.7 evil", "0x7f.1"])
@pytest.mark.parametrize("trusted", [1, NETWORKS])
def test_an_unreadable_part_is_no_address(last, trusted):
    assert sender(PROXY, f"{CLIENT}, {last}", trusted=trusted) is None


def test_a_proxy_on_a_unix_socket_is_counted():
    assert sender("", CLIENT, trusted=1) == CLIENT
    assert sender("", CLIENT, trusted=NETWORKS) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (" 203.0.113.7 ", CLIENT),
        ("203.0.113.7:4711", CLIENT),
        ("::ffff:203.0.113.7", CLIENT),
        ("[::ffff:203.0.113.7]:80", CLIENT),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
    ],
)
def test_spellings_of_an_address(text, meant):
    assert str(addresses.address(text)) == meant


def test_networks_of_both_kinds():
    networks = [addresses.network(text) for text in ("10.0.0.0/8", "2001:db8::/32", "203.0.113.7")]
    for inside in ("10.1.2.3", "2001:db8:1::1", CLIENT):
        assert addresses.is_within(ip_address(inside), networks)
    for outside in ("11.0.0.1", "2001:db9::1", "203.0.113.8"):
        assert not addresses.is_within(ip_address(outside), networks)
    assert not addresses.is_within(None, [addresses.network("0.0.0.0/0")])


@pytest.mark.parametrize("text", ["", "nonsense", "10.0.0.0/33", "10.0.0/8", "7", "example.com"])
def test_what_is_no_network_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="such as"):
        addresses.network(text)


def test_an_address_written_as_a_network_is_told_the_network():
    with pytest.raises(ValueError, match=r"the network is 10\.0\.0\.0/8"):
        addresses.network("10.0.0.1/8")
