"""Base URLs and IP addresses of upstreams: how they are parsed, and who may name which."""

from ipaddress import ip_address

import pytest

from app.core.config import LlmSettings, Settings
from app.core.errors import BaseUrlNotAllowed
from app.providers.upstream.addresses import (
    Reach,
    decide_reach,
    find_embedded_ipv4,
    is_loopback_host,
    may_reach,
    parse_base_url,
)

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


# -- base URLs


def settings(host: str = "127.0.0.1", allowed: list[str] | None = None) -> Settings:
    llm = LlmSettings() if allowed is None else LlmSettings(allowed_base_urls=allowed)
    return Settings(_env_file=None, host=host, llm=llm)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("  https://api.openai.com/v1/  ", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1//", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/models/", "https://api.openai.com/v1"),
        ("https://host/v1/audio/transcriptions", "https://host/v1"),
        ("https://host.example/v1beta/openai", "https://host.example/v1beta/openai"),
        ("https://api.perplexity.ai", "https://api.perplexity.ai"),
        ("HTTPS://API.OpenAI.com/v1", "https://api.openai.com/v1"),
        ("https://host:8443/v1", "https://host:8443/v1"),
        ("http://[::1]:1234/v1", "http://[::1]:1234/v1"),
    ],
)
def test_normalised(text: str, expected: str) -> None:
    assert parse_base_url(text).url == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.openai.com/v1",
        "//api.openai.com/v1",
        "ftp://host/v1",
        "file:///etc/passwd",
        "gopher://127.0.0.1:1234/",
        "unix:///run/docker.sock",
        "javascript:alert(1)",
        "https:///v1",
        "https://user:secret@host/v1",
        "https://user@host/v1",
        "https://@host/v1",
        "https://good.example@127.0.0.1/v1",
        "https://good.example\\@127.0.0.1/v1",
        "https://host\\.evil/v1",
        "https://ho\tst/v1",
        "https://host/\nv1",
        "https://host/v1\r\nX: y",
        "https://host/v1\t",
        "https://host name/v1",
        "http://[fe80::1%eth0]:1234/v1",
        "http://[fe80::1%25eth0]:1234/v1",
        "https://127.0.0.1%2f@host/v1",
        "https://host:99999/v1",
        "https://host:port/v1",
        "https://host/v1?key=secret",
        "https://host/v1#part",
        "https://host/v1?",
        "https://１２７.0.0.1/v1",
        "https://ⓔxample.com/v1",
        "https://host/v1\x00",
    ],
)
def test_refused_as_no_plain_address(text: str) -> None:
    with pytest.raises(BaseUrlNotAllowed) as caught:
        parse_base_url(text)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:1234/v1",
        "http://localhost:1234/v1",
        "http://LOCALHOST:11434",
        "http://localhost.:8080/v1",
        "http://127.0.0.1:9931",
    ],
)
def test_local_model_servers_are_listed_on_a_loopback_server(text: str) -> None:
    assert decide_reach(parse_base_url(text), settings()) is Reach.LISTED_LOOPBACK


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
def test_local_model_servers_are_not_listed_where_others_can_ask(host: str) -> None:
    with pytest.raises(BaseUrlNotAllowed, match="open to others"):
        decide_reach(parse_base_url("http://localhost:1234/v1"), settings(host))


@pytest.mark.parametrize(
    "text",
    [
        "http://api.openai.com/v1",
        "http://127.0.0.1:1235/v1",
        "http://127.0.0.1/v1",
        "https://127.0.0.1:1234.evil.example/v1",
        "http://127.0.0.1.evil.example:1234/v1",
        "http://0.0.0.0:1234/v1",
        "http://[::1]:1234/v1",
        "http://2130706433:1234/v1",
        "http://127.1:1234/v1",
        "http://10.0.0.1/v1",
    ],
)
def test_anything_else_over_plain_http_is_refused(text: str) -> None:
    with pytest.raises(BaseUrlNotAllowed):
        decide_reach(parse_base_url(text), settings())


def test_public_https_has_public_reach_alone() -> None:
    assert decide_reach(parse_base_url("https://127.0.0.1:1234/v1"), settings()) is Reach.PUBLIC
    assert decide_reach(parse_base_url("https://api.openai.com/v1"), settings()) is Reach.PUBLIC


def test_the_operator_lists_what_lies_elsewhere() -> None:
    listed = settings("0.0.0.0", ["http://llm.lan:8000/v1", "not an address"])
    assert decide_reach(parse_base_url("http://LLM.lan:8000/other"), listed) is Reach.LISTED
    with pytest.raises(BaseUrlNotAllowed):
        decide_reach(parse_base_url("http://llm.lan:8001/v1"), listed)


@pytest.mark.parametrize(
    ("text", "under"),
    [
        ("https://x.example/openai?api-version=1", "https://x.example/openai/models?api-version=1"),
        ("https://x.example/v1/chat/completions/?a=b%20c&d", "https://x.example/v1/models?a=b%20c&d"),
        ("https://x.example?a=%2F@b", "https://x.example/models?a=%2F@b"),
        ("https://x.example/v1?", "https://x.example/v1/models"),
        ("https://x.example/v1", "https://x.example/v1/models"),
    ],
)
def test_the_operators_query_stays(text: str, under: str) -> None:
    base = parse_base_url(text, with_query=True)
    assert base.join("/models") == under
    assert "?" not in base.url


@pytest.mark.parametrize("text", ["https://host/v1#x", "https://user@host/v1?a=b", "https://host/v1?a=b#c"])
def test_a_query_allows_nothing_else(text: str) -> None:
    with pytest.raises(BaseUrlNotAllowed):
        parse_base_url(text, with_query=True)


def test_what_a_base_url_may_mean() -> None:
    """Only where there is no path is there a doubt."""
    assert [base.url for base in parse_base_url("https://host:8443/").candidates] == [
        "https://host:8443/v1",
        "https://host:8443",
    ]
    assert [base.url for base in parse_base_url("https://host/v1beta/openai").candidates] == [
        "https://host/v1beta/openai"
    ]
    assert parse_base_url("https://host/models").path == ""


def test_another_path_of_the_same_place() -> None:
    base = parse_base_url("http://localhost:11434/api?x=1", with_query=True).with_path("/v1")
    assert (base.join("/models"), base.path) == ("http://localhost:11434/v1/models?x=1", "/v1")
    assert base.with_path("").url == "http://localhost:11434"
