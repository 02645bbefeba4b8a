"""Which addresses an upstream may have, by who named it."""

from ipaddress import ip_address

import pytest

from app.providers.upstream.addresses import Reach, find_embedded_ipv4, is_loopback_host, may_reach

METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.171.23",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
]
INSIDE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "2002:7f00:1::",
    "2002:c0a8:101::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::808:808",
    "2600::5efe:10.0.0.1",
    "2600::200:5efe:127.0.0.1",
]
OUTSIDE = ["8.8.8.8", "104.18.7.192", "2606:4700::6812:7c0", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", METADATA)
@pytest.mark.parametrize("reach", list(Reach))
def test_metadata_is_never_reached(address: str, reach: Reach) -> None:
    assert not may_reach(ip_address(address), reach)


@pytest.mark.parametrize("address", INSIDE)
def test_a_request_does_not_reach_inside(address: str) -> None:
    assert not may_reach(ip_address(address), Reach.PUBLIC)


@pytest.mark.parametrize("address", OUTSIDE)
@pytest.mark.parametrize("reach", list(Reach))
def test_the_open_internet_is_reached_by_all(address: str, reach: Reach) -> None:
    assert may_reach(ip_address(address), reach)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
)
def test_a_listed_name_reaches_loopback_only_on_a_loopback_server(address: str) -> None:
    assert not may_reach(ip_address(address), Reach.LISTED)
    assert may_reach(ip_address(address), Reach.LISTED_LOOPBACK)


@pytest.mark.parametrize("address", ["10.0.0.7", "192.168.1.20", "fd12:3456::1"])
def test_a_listed_name_and_the_operator_reach_the_local_network(address: str) -> None:
    assert may_reach(ip_address(address), Reach.LISTED)
    assert may_reach(ip_address(address), Reach.OPERATOR)


def test_embedded_addresses_are_found_in_teredo() -> None:
    found = [
        str(address) for address in find_embedded_ipv4(ip_address("2001:0:4136:e378:8000:63bf:80ff:fffe"))
    ]
    assert found == ["65.54.227.120", "127.0.0.1"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("lan", False),
    ],
)
def test_loopback_hosts(host: str, *, expected: bool) -> None:
    assert is_loopback_host(host) is expected
