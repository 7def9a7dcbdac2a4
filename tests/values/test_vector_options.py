"""Options of vectors and queries that cannot be are refused in one sentence."""

import pytest

from app.errors import UsageError
from app.values import MOST_EXPAND, VectorOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pca": 0}, "Principal components are 1 or more, not 0"),
        ({"pca": -3}, "Principal components are 1 or more, not -3"),
        ({"expand": -1}, f"1 to {MOST_EXPAND} of its nearest images, not -1"),
        ({"expand": 1000}, f"1 to {MOST_EXPAND} of its nearest images, not 1000"),
        ({"expand": 5, "alpha": -0.5}, "from 0 to 100, not -0.5"),
        ({"expand": 5, "alpha": float("nan")}, "from 0 to 100, not nan"),
        ({"expand": 5, "alpha": float("inf")}, "from 0 to 100, not inf"),
        ({"alpha": 2.0}, "leave --alpha out, or add --expand"),
        ({"expand": 0, "alpha": 2.0}, "leave --alpha out, or add --expand"),
    ],
)
def test_options_that_cannot_be_are_refused_with_the_value_and_what_to_do(options, message) -> None:
    with pytest.raises(UsageError, match=message):
        VectorOptions.of(**options)
