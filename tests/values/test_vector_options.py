"""Options of vectors and queries that cannot be are refused in one sentence."""

import pytest

from app.errors import UsageError
from app.values import MOST_EXPAND, VectorOptions
from tests.conftest import is_one_sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pca": 0}, ["1 or more", "not 0"]),
        ({"pca": -3}, ["1 or more", "not -3"]),
        ({"expand": -1}, [f"to {MOST_EXPAND}", "not -1"]),
        ({"expand": 1000}, [f"to {MOST_EXPAND}", "not 1000"]),
        ({"expand": 5, "alpha": -0.5}, ["0 to 100", "not -0.5"]),
        ({"expand": 5, "alpha": float("nan")}, ["0 to 100", "not nan"]),
        ({"expand": 5, "alpha": float("inf")}, ["0 to 100", "not inf"]),
        ({"alpha": 2.0}, ["--alpha", "--expand"]),
        ({"expand": 0, "alpha": 2.0}, ["--alpha", "--expand"]),
    ],
)
def test_options_that_cannot_be_are_refused_with_the_value_and_what_to_do(options, words) -> None:
    with pytest.raises(UsageError) as refused:
        VectorOptions.of(**options)
    assert all(word in str(refused.value) for word in words)
    assert is_one_sentence(str(refused.value))
