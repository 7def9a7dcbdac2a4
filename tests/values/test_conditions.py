"""Conditions as people write them, on the values that images have."""

import contextlib

import numpy as np
import pytest

from app.errors import UsageError
from app.values.conditions import LONGEST, Condition
from tests.conftest import is_one_sentence


@pytest.mark.parametrize(
    ("written", "name", "sign", "text"),
    [
        ("camera=Canon EOS 5D", "camera", "=", "Canon EOS 5D"),
        (" width >= 800 ", "width", ">=", "800"),
        ("taken<2021-05", "taken", "<", "2021-05"),
        ("label != a=b", "label", "!=", "a=b"),
        ("name~IMG_", "name", "~", "IMG_"),
        ("name!~IMG_", "name", "!~", "IMG_"),
        ("file name = x", "file name", "=", "x"),
        ("camera", "camera", "", ""),
        ("größe > 3", "größe", ">", "3"),
    ],
)
def test_it_is_read_as_it_is_written(written: str, name: str, sign: str, text: str) -> None:
    assert Condition.of(written) == Condition(name, sign, text)


@pytest.mark.parametrize("written", ["", "=3", "width=", "width>", "~", "!camera", "a<<3", "<3"])
def test_what_is_no_condition_is_refused_with_how_to_write_one(written: str) -> None:
    with pytest.raises(UsageError) as refused:
        Condition.of(written)
    assert is_one_sentence(str(refused.value))


@pytest.mark.parametrize("written", ["camera>Canon", "taken>=yesterday", "a<5/31/2021", "a>nan"])
def test_texts_have_no_order_to_compare_with(written: str) -> None:
    with pytest.raises(UsageError, match="neither a number nor a date"):
        Condition.of(written)


def test_a_condition_is_not_endless() -> None:
    with pytest.raises(UsageError, match=f"at most {LONGEST} characters, not 2001"):
        Condition.of("a=" + "b" * 1999)


@pytest.mark.parametrize("written", [" " * LONGEST, " " * 500 + "a" + " " * 499, "a" * LONGEST])
def test_a_condition_is_read_at_once_whatever_it_holds(written: str) -> None:
    for _ in range(2000):  # a pattern that goes back would take an hour
        with contextlib.suppress(UsageError):
            Condition.of(written)


@pytest.mark.parametrize(
    ("written", "holding", "others"),
    [
        ("camera=canon eos 5d", ["Canon EOS 5D"], ["Canon EOS 5D Mark II", "Canon", 5]),
        ("camera!=Canon", ["Nikon", ""], ["canon"]),
        ("camera~EOS", ["Canon EOS", "eos"], ["Canon"]),
        ("camera!~EOS", ["Canon"], ["Canon EOS"]),
        ("label=caf\u00e9", ["cafe\u0301", "CAF\u00c9"], ["cafe"]),
        ("label=straße", ["STRASSE"], ["strase"]),
        ("camera", ["", "x", 0], []),
        # numbers, also where a text looks like one
        ("iso=100", [100, 100.0, "100"], [1000, "0100", "100.0"]),
        ("iso>=100", [100, 1e9], [99, "100", "x"]),
        ("iso<1e3", [999, -5], [1000]),
        ("iso=100..200", [100, 150.5, 200], [99, 201, "150"]),
        ("iso=100..", [100, 5000], [99.5]),
        ("iso=..100", [-1, 100], [101]),
        ("code=007", ["007"], ["7"]),
        # dates, as far as the condition has them written
        ("taken=2021", ["2021-01-01T00:00:00", "2021-12-31", "2021-05"], ["2020-12-31", 2020]),
        ("taken=2021-05", ["2021-05-31T23:59:59+14:00"], ["2021-06-01", "2022-05-01"]),
        ("taken>=2021-05-02", ["2021-05-02T00:00:00", "2021-06"], ["2021-05-01T23:59:59"]),
        ("taken<=2021-05", ["2021-05-31T23:59:59", "1901-01-01"], ["2021-06-01"]),
        ("taken>2021", ["2022-01-01"], ["2021-12-31T23:59:59"]),
        ("taken<1970", ["1969-12-31T23:59:59", "0999-01-01"], ["1970-01-01T00:00:00"]),
        ("taken=2020-02..2021-05", ["2020-02-01", "2021-05-31T10:00:00"], ["2021-06-01"]),
        ("taken=2021-05-04 12:30", ["2021-05-04T12:30:59"], ["2021-05-04T12:31:00"]),
        ("taken>=2021", [], ["yesterday", "20210504"]),
        # a range of what has no order is a text
        ("title=a..b", ["a..b", "A..B"], ["aa"]),
        # what lies below a folder is in it
        ("folder=a/b", ["a/b", "a/b/c", "A/B"], ["a", "a/bc", ""]),
        ("folder=a/", ["a", "a/b"], ["ab"]),
        ("folder=/", ["", "a"], []),
        ("folder!=a", ["b", ""], ["a", "a/c"]),
    ],
)
def test_it_holds_for_the_values_that_it_means(
    written: str, holding: list[str | int | float], others: list[str | int | float]
) -> None:
    condition = Condition.of(written)
    assert [value for value in holding if not condition.holds(value)] == []
    assert [value for value in others if condition.holds(value)] == []


@pytest.mark.parametrize(
    "written",
    [
        *("a=3", "a!=3", "a<3", "a<=3", "a>3", "a>=3", "a=2..4", "a!=2..4", "a=..3", "a=3..", "a"),
        *("a=-1e3..2.5", "a~3", "a=x", "a=2020-05..2021", "a>=2020-05"),
    ],
)
def test_a_column_of_numbers_is_compared_as_each_of_them_is(written: str) -> None:
    condition = Condition.of(written)
    if condition.numbers is None:
        assert written in ("a", "a~3", "a=x", "a=2020-05..2021", "a>=2020-05")
        return
    several = np.array([-5000, -1, 0, 2, 2.5, 2.999, 3, 3.0, 3.001, 4, 4.5, 1e9])
    each = [condition.holds(float(number)) for number in several]
    assert (condition.numbers.has(several) != condition.is_negative).tolist() == each
    assert True in each
    assert False in each
