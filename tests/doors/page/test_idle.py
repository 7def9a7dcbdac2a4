"""A server that nobody asks anything does nearly nothing."""

from pathlib import Path
from typing import Any

import pytest

from app.doors.page import layout
from tests.conftest import Home, closing_loops
from tests.doors.rest.conftest import serving


def test_gradios_queue_is_looked_at_a_few_times_a_second(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[Any] = []
    mount = layout.gr.mount_gradio_app

    def mounting(application: Any, page: Any, **options: Any) -> Any:
        pages.append(page)
        return mount(application, page, **options)

    monkeypatch.setattr(layout.gr, "mount_gradio_app", mounting)
    with closing_loops(), serving(home, tmp_path):
        [page] = pages
        assert page._queue.sleep_when_free >= 0.05
        assert page._queue.progress_update_sleep_when_free >= 0.5
