"""An error of a fetch says whether, and when, another try is worth it."""

import time
from email.utils import formatdate

import pytest

from app.errors import AddressError, FetchError
from app.images.fetch import fetch
from tests.images.site import LOCAL, Site, answer


@pytest.mark.parametrize(
    ("status", "retryable", "overloaded"),
    [
        *[(408, True, False), (429, True, True), (500, True, False), (502, True, False)],
        *[(503, True, True), (504, True, False)],
        *[(400, False, False), (403, False, False), (404, False, False), (410, False, False)],
    ],
)
def test_an_error_says_whether_the_same_request_may_succeed_later(
    server: Site, status: int, retryable: bool, overloaded: bool
) -> None:
    server.pages["/"] = answer(b"", status)
    with pytest.raises(FetchError) as refusal:
        fetch(f"{server.url}/", limits=LOCAL)
    assert (refusal.value.retryable, refusal.value.overloaded) == (retryable, overloaded)
    assert refusal.value.retry_after_seconds is None


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("120", 120, 120),
        (" 7 ", 7, 7),
        (formatdate(time.time() + 864_000, usegmt=True), 800_000, 864_000),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
    ],
    ids=["seconds", "padded", "a date to come", "a date that is past"],  # the same in each process
)
def test_an_error_says_how_long_a_pause_the_server_wants(
    server: Site, header: str, least: float, most: float
) -> None:
    server.pages["/"] = answer(b"", 503, Retry_After=header)
    with pytest.raises(FetchError) as refusal:
        fetch(f"{server.url}/", limits=LOCAL)
    assert refusal.value.retry_after_seconds is not None
    assert least <= refusal.value.retry_after_seconds <= most


@pytest.mark.parametrize("header", ["soon", "-1", "1e9", "9" * 40, ""])
def test_a_retry_after_that_is_not_valid_is_left_out(server: Site, header: str) -> None:
    server.pages["/"] = answer(b"", 503, Retry_After=header)
    with pytest.raises(FetchError) as refusal:
        fetch(server.url, limits=LOCAL)
    assert refusal.value.overloaded
    assert refusal.value.retry_after_seconds is None


def test_a_refused_connection_is_worth_another_try_and_a_forbidden_address_is_not(
    server: Site,
) -> None:
    port = server.port
    server.close()
    with pytest.raises(FetchError) as refused:
        fetch(f"http://127.0.0.1:{port}/", limits=LOCAL)
    assert refused.value.retryable
    with pytest.raises(AddressError) as forbidden:
        fetch("ftp://example.org/a.jpg")
    assert not forbidden.value.retryable
