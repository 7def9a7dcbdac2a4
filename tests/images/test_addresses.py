"""No request goes to an address that is not public, whatever name or redirect leads there."""

import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import AddressError, AppError, FetchError
from app.images.fetch import fetch
from tests.images.site import LOCAL, OTHER_PUBLIC, PICTURE, PUBLIC, Site, answer, resolver


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "１２７.0.0.1", "[::1]"),
        *("0.0.0.0", "0", "[::]", "localhost", "localhost."),
        *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "[fd00::1]"),
        *("192.0.0.192", "192.88.99.1", "168.63.129.16", "198.18.0.1", "203.0.113.9"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "[ff02::1]", "[fe80::1]", "[fec0::1]"),
        *("[2001:db8::1]", "[3fff::1]", "[64:ff9b:1::1]", "[100::1]", "[5f00::1]"),
        *("[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[::8.8.8.8]"),
        *("[64:ff9b::127.0.0.1]", "[64:ff9b::10.0.0.1]", "[2002:7f00:1::]", "[2002:a00:1::1]"),
        *("[2001:0:808:808::]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[::ffff:0:127.0.0.1]"),
        *("[64:ff9b:1::7f00:1]", "[64:ff9b:1:7f00:0:100::]", "[64:ff9b:1::808:808]"),
        *("[2606:4700::5efe:7f00:1]", "[2606:4700::200:5efe:10.0.0.1]", "[fe80::5efe:808:808]"),
        *("[2606:4700:1:2:0:5efe:169.254.169.254]", "[2002:808:808::5efe:192.168.0.1]"),
        *("[2002:a00:1::5efe:8.8.8.8]", "[2002:808:808::200:5efe:7f00:1]"),
    ],
)
def test_no_request_goes_to_an_address_that_is_not_public(
    connections: list[str], host: str
) -> None:
    with pytest.raises(AddressError, match=r"not a public address.*upload it") as refusal:
        fetch(f"http://{host}:8080/cat.jpg")
    assert refusal.value.http_status == 403
    assert connections == []


@pytest.mark.parametrize(
    "host",
    [
        *("0.0.0.0", "10.0.0.1", "169.254.169.254", "100.64.0.1", "[::]", "[fd00::1]"),
        *("[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[::ffff:10.0.0.1]"),
    ],
)
def test_allowing_loopback_allows_nothing_else(connections: list[str], host: str) -> None:
    with pytest.raises(AddressError):
        fetch(f"http://{host}/", limits=LOCAL)
    assert connections == []


@pytest.mark.parametrize(
    "address",
    [
        *(PUBLIC, "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1"),
        *("2606:4700::5efe:808:808", "2606:4700::200:5efe:808:808", "2606:4700::100:5efe:7f00:1"),
    ],
)
def test_a_request_goes_to_a_public_address(
    connections: list[str], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver([address]))
    with pytest.raises(FetchError, match=r"public\.test cannot be reached") as refusal:
        fetch("http://public.test/")
    assert not isinstance(refusal.value, AddressError)
    assert connections == [address]


@pytest.mark.parametrize("others", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], [OTHER_PUBLIC, "::1"]])
def test_one_address_that_is_not_public_rules_out_the_name(
    connections: list[str], monkeypatch: pytest.MonkeyPatch, others: list[str]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC, *others]))
    with pytest.raises(AddressError, match=r"mixed\.test is not a public address"):
        fetch("http://mixed.test/")
    assert connections == []


def test_a_name_that_resolves_differently_a_moment_later_gains_nothing(
    server: Site, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/"] = answer()
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC], ["127.0.0.1"]))
    with pytest.raises(FetchError, match=r"rebind\.test cannot be reached"):
        fetch(f"http://rebind.test:{server.port}/")
    assert connections == [PUBLIC]
    assert server.requests == []


def test_the_request_goes_to_the_checked_address_under_the_given_name(
    server: Site, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/"] = answer()
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["127.0.0.1"], [PUBLIC]))
    assert fetch(f"http://Rebind.Test.:{server.port}/", limits=LOCAL) == PICTURE
    assert connections == ["127.0.0.1"]
    assert server.requests[0].headers["Host"] == f"rebind.test:{server.port}"


def test_the_next_address_is_tried_when_the_first_refuses(
    server: Site, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/"] = answer()
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC, "127.0.0.1"]))
    assert fetch(f"http://two.test:{server.port}/", limits=LOCAL) == PICTURE
    assert connections == [PUBLIC, "127.0.0.1"]


def test_a_name_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(FetchError, match=r"nowhere\.test.*check the address"):
        fetch("http://nowhere.test/cat.jpg")


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "cat.jpg", "example.com/cat.jpg", "//example.com/cat.jpg", "http:", "http://"),
        *("http:///cat.jpg", "ftp://example.com/", "file:///etc/passwd", "data:image/png;base64,"),
        *("javascript:alert(1)", "http://[", "http://[::1", "http://[1.2.3.4]/", "http://a:b/"),
        *("http://example.com:99999/", "http://user@example.com/", "https://u:p@example.com/"),
        *("http://@example.com/", "http://example.com\\@10.0.0.1/", "http://exa mple.com/"),
        *("http://example.com/\r\nHost: x", "http://exam\x00ple.com/", "http://a..b/"),
        *("http://%31%32%37.0.0.1/", "http://[fe80::1%25lo]/", "http://.../", "http://é\udc80/"),
        *("http://" + "a" * 64 + ".com/", "http://example.com/" + "a" * 9000),
    ],
)
def test_what_is_no_web_address_is_refused(
    connections: list[str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC]))
    with pytest.raises(AddressError) as refusal:
        fetch(url)
    assert len(str(refusal.value)) < 250
    assert connections == []


@settings(max_examples=500, deadline=None)
@given(
    st.text()
    | st.builds(
        "{}://{}{}{}{}".format,
        st.sampled_from(["http", "https", "HTTP", "ftp", "http\t", ""]),
        st.sampled_from(["", "a@", "a:b@", "[", "]", "xn--", "ⓛ", "-", "."]),
        st.text(max_size=20) | st.ip_addresses().map(str) | st.just("[::1%1]"),
        st.sampled_from(["", ":", ":80", ":0", ":-1", ":65536", ":x"]),
        st.text(max_size=20).map("/{}".format),
    ),
    st.sampled_from([[], [PUBLIC], ["10.0.0.1"], ["fe80::1%1"], ["2606:4700::1111"]]),
)
def test_no_text_raises_anything_but_the_two_errors(url: str, addresses: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolver(addresses))
        with pytest.raises(FetchError) as refusal:
            fetch(url)
    assert isinstance(refusal.value, AppError)
    assert "\n" not in str(refusal.value)
