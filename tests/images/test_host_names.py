"""A host's name is looked up as browsers look it up: IDNA 2008, no letter taken for another."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import AddressError
from app.images.fetch import fetch
from app.images.host_names import ascii_name
from tests.images.site import LOCAL, PICTURE, PUBLIC, Site, answer, resolver


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("faß.de", "xn--fa-hia.de"),
        ("FAẞ.DE", "xn--fa-hia.de"),
        ("fass.de", "fass.de"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("ΒΌΛΟΣ.com", "xn--nxasmq6b.com"),
        ("क्\u200dष.com", "xn--11b2ezcw70k.com"),
        ("نامه\u200cای.com", "xn--mgba3gch31f060k.com"),
        ("MÜNCHEN.de", "xn--mnchen-3ya.de"),
        ("mu\u0308nchen.de", "xn--mnchen-3ya.de"),
        ("ＥＸ。ample．ｃｏｍ｡", "ex.ample.com"),
        ("日本語。ＪＰ.", "xn--wgv71a119e.jp"),
        ("a\u00adb.com", "ab.com"),
        ("i❤.ws", "xn--i-7iq.ws"),
        ("XN--FA-HIA.de", "xn--fa-hia.de"),
        ("a_b.example.com", "a_b.example.com"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("①②⑦。0。0。1", "127.0.0.1"),
    ],
)
def test_a_name_is_encoded_as_browsers_encode_it(typed: str, name: str) -> None:
    assert ascii_name(typed) == name
    assert ascii_name(name) == name


@pytest.mark.parametrize(
    "typed",
    [
        *("", ".", "a..b", "a\u200db.de", "\u200d.de", "\u0301a.de", "1אב.com", "aא.com"),
        *("xn--", "xn--a", "xn--fass-", "xn--99999999", "xn--abc-.de", "é\udc80.de", "％31.0.0.1"),
        *("a" * 64 + ".de", "ü" * 60 + ".de", ".".join(["a" * 60] * 5), "a／b.de", "\ufffd.com"),
    ],
)
def test_a_name_that_is_not_valid_is_refused_in_one_sentence(
    connections: list[str], monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC]))
    with pytest.raises(AddressError) as refusal:
        fetch(f"http://{typed}/x.jpg")
    assert len(str(refusal.value)) < 250
    assert connections == []


@given(st.text())
def test_any_text_gives_an_ascii_name_or_a_value_error(text: str) -> None:
    try:
        name = ascii_name(text)
    except ValueError:
        return
    assert name.isascii()
    assert ascii_name(name) == name


def test_no_stranger_is_asked_instead(
    server: Site, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["127.0.0.1"], asked=looked_up))
    location = f"http://straße.test:{server.port}/y.jpg".encode().decode("latin-1")
    server.pages["/x.jpg"] = answer(b"", 302, Location=location)
    server.pages["/y.jpg"] = answer()
    assert fetch(f"http://faß.test:{server.port}/x.jpg", limits=LOCAL) == PICTURE
    assert looked_up == ["xn--fa-hia.test", "xn--strae-oqa.test"]
    assert server.requests[0].headers["Host"] == f"xn--fa-hia.test:{server.port}"
