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


def test_gradio_makes_its_application_once_so_that_the_first_page_need_not_wait(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    make = layout.gr.routes.App.create_app

    def making(*given: Any, **options: Any) -> Any:
        made.append(make(*given, **options))
        return made[-1]

    monkeypatch.setattr(layout.gr.routes.App, "create_app", staticmethod(making))
    with closing_loops(), serving(home, tmp_path):
        assert len(made) == 1
    assert layout.gr.routes.App.create_app is making, "it is Gradio's own again"
