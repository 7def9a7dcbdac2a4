"""Gradio's own ways to other hosts → none, or those of URL queries.

Gradio hands on what it is asked for under `/gradio_api/proxy=` and `/gradio_api/file=http…`, and
downloads a file whose path is an address; it checks addresses by rules of its own, and follows no
limit of size. The page uses none of it.
"""

import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import gradio as gr
from gradio import processing_utils

from app.doors.page.references import Uploads
from app.errors import AppError

_FORWARDED = re.compile(r"/gradio_api/+(proxy=|file(=|/)\s*[a-z][a-z0-9+.-]*:/)", re.IGNORECASE)
_REPLACING = threading.Lock()


def is_forwarded(path: str) -> bool:
    """Return whether Gradio would ask another host to answer a request for this path.

    >>> is_forwarded("/gradio_api/file=https://example.org/cat.jpg")
    True
    """
    return _FORWARDED.search(path) is not None


def download_by(fetch: Callable[[str], bytes], uploads: Uploads) -> None:
    """Have Gradio get the files that it is given as addresses by `fetch`, into `uploads`.

    It concerns every page in this process: there is one.
    """

    async def download(url: str, cache_dir: str) -> str:
        try:
            data = await anyio.to_thread.run_sync(partial(fetch, url))
            return str(uploads.write(data))
        except AppError as exc:
            raise gr.Error(str(exc), print_exception=False) from exc

    with _REPLACING:
        processing_utils.async_ssrf_protected_download = download
        processing_utils.ssrf_protected_download = _refuse
        processing_utils.save_url_to_cache = _refuse


def _refuse(url: str, cache_dir: Any = None) -> str:
    raise gr.Error("No file is taken from an address here.", print_exception=False)
