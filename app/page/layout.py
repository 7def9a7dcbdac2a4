"""The page's layout and its events, in that order; the functions are in `functions`."""

from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from app.page import markup
from app.page.functions import EXAMPLES, Functions, emptying, telling
from app.page.queries import Uploads
from app.service import MAX_K, SearchService

_HERE = Path(__file__).parent
_MAX_UPLOAD_BYTES = 50_000_000
_SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_PANE = """<section class="pane" aria-label="{{title}}"><h2>{{title}}</h2><div class="stage"></div>
<div class="ways">{{#if takes_pictures}}
<button type="button" data-action="choose">Choose a file</button>
<button type="button" data-action="webcam">Use the webcam</button>
<button type="button" data-action="mirror">Mirror to edit →</button>
<input type="file" accept="image/*,.heic,.heif" hidden aria-label="Picture file">
{{else}}<button type="button" data-action="mirror">← Mirror to original</button>
<button type="button" data-action="clear-box">Clear the crop</button>{{/if}}</div></section>"""


def mount_page(application: FastAPI, service: SearchService, uploads: Path) -> FastAPI:
    """Mount the page at / of `application`; uploaded pictures are kept in `uploads`."""
    application.mount("/examples", StaticFiles(directory=EXAMPLES))
    theme = gr.themes.Soft(
        primary_hue="indigo", font=_SYSTEM_FONTS, font_mono=("ui-monospace", "monospace")
    )
    mounted: FastAPI = gr.mount_gradio_app(
        application,
        make_page(Functions(service, Uploads(uploads, service))),
        path="/",
        theme=theme,
        css=(_HERE / "page.css").read_text(),
        footer_links=[],
        run_history=False,
        show_error=True,
        max_file_size=_MAX_UPLOAD_BYTES,
        ssr_mode=False,
        mcp_server=False,
    )
    return mounted


def make_page(functions: Functions) -> gr.Blocks:
    """Return the page; it keeps nothing of a visitor on the server."""
    page: gr.Blocks
    with gr.Blocks(title="Reverse image search", analytics_enabled=False) as page:
        gr.HTML(
            "<h1>Reverse image search</h1><p>Find the images of a gallery that look like yours. "
            "Nothing leaves this machine.</p>",
            elem_id="title",
        )
        with gr.Row(elem_id="gallery-row"):
            with gr.Column(scale=1, min_width=280):
                gallery = gr.Dropdown([], label="Gallery", elem_id="gallery")
            with gr.Column(scale=2, min_width=280):
                facts = gr.HTML(elem_id="facts")
        with gr.Row(elem_id="panes"):
            with gr.Column(min_width=300):
                original = _pane("Original", takes_pictures=True)
            with gr.Column(min_width=300):
                edit = _pane("Edit: drag a rectangle to search with a part", takes_pictures=False)
        message = gr.HTML(elem_id="message")
        with gr.Row(elem_id="examples-row"):
            examples = gr.HTML(elem_id="examples", js_on_load=_script("clicks.js"))
            others = gr.Button("Other examples", size="sm", elem_id="others", scale=0)
        with gr.Row(elem_id="how", equal_height=True):
            url = gr.Textbox(
                label="Address of a picture",
                placeholder="https://…",
                elem_id="url",
                max_lines=1,
                scale=3,
                min_width=240,
            )
            k = gr.Slider(
                1, MAX_K, 10, step=1, label="How many results", elem_id="k", scale=2, min_width=200
            )
            leave_out = gr.Checkbox(
                label="Leave out the query's own file", elem_id="leave-out", min_width=160
            )
            search = gr.Button("Search", variant="primary", elem_id="search", min_width=140)
        results = gr.HTML(elem_id="results", js_on_load=_script("clicks.js"))
        timing = gr.HTML(elem_id="timing")

        # Events: everything that brings a query shows it, searches, and answers in one step.
        how = [gallery, k, leave_out]
        answer = [original, edit, message, results, timing]

        @telling
        def uploaded(gallery: str, k: int, leave_out: bool, event: gr.EventData) -> Any:
            return functions.uploaded(gallery, k, leave_out, event._data)

        @telling
        def addressed(gallery: str, k: int, leave_out: bool, event: gr.EventData) -> Any:
            return functions.addressed(gallery, k, leave_out, event._data["url"])

        @telling
        def exemplified(gallery: str, k: int, leave_out: bool, event: gr.EventData) -> Any:
            return functions.exemplified(gallery, k, leave_out, event._data)

        @telling
        def reused(gallery: str, k: int, leave_out: bool, event: gr.EventData) -> Any:
            return functions.reused(gallery, k, leave_out, event._data)

        def changed(gallery: str) -> Any:
            return *functions.described(gallery), "", ""

        def refused(event: gr.EventData) -> str:
            return markup.message(str(event._data["message"]))

        quiet: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
        # Without these a second click, while the first is being answered, would be lost.
        each = {**quiet, "trigger_mode": "multiple"}
        last = {**quiet, "trigger_mode": "always_last"}
        # A slow site must not keep other visitors waiting, nor overwrite what was asked since.
        fetching = {"concurrency_limit": 4, "concurrency_id": "fetching"}
        typed = emptying(telling(functions.addressed)), [*how, url], [*answer, url]
        asked = emptying(telling(functions.asked)), [*how, edit, url], [*answer, url]
        dropped = original.addressed(addressed, how, answer, **each, **fetching)
        submitted = url.submit(*typed, **last, **fetching, cancels=[dropped])
        clicked = search.click(*asked, **last, **fetching, cancels=[dropped, submitted])
        original.addressed(None, cancels=[submitted, clicked], **each)
        slow = [dropped, submitted, clicked]
        original.arrived(uploaded, how, answer, **each, cancels=slow)
        examples.picked(exemplified, how, answer, **each, cancels=slow)
        results.picked(reused, how, answer, **each, cancels=slow)
        edit.cropped(telling(functions.searched), [*how, edit], answer, **last, cancels=slow)
        original.refused(refused, None, message, **each)
        original.mirrored(telling(functions.mirrored_to_edit), original, answer, **quiet)
        edit.mirrored(telling(functions.mirrored_to_original), edit, answer, **quiet)
        # `input` would also fire when the keyboard passes by. The other gallery's results go, since
        # their ids mean other pictures in this one.
        gallery.select(changed, gallery, [facts, examples, results, timing], **last).then(
            telling(functions.searched_again), [*how, edit], answer, **quiet
        )
        others.click(functions.example_row, gallery, examples, **quiet)
        page.load(functions.opened, gallery, [gallery, facts, examples], **quiet)
    return page


def _pane(title: str, *, takes_pictures: bool) -> gr.HTML:
    return gr.HTML(
        value=None,
        html_template=_PANE,
        js_on_load=_script("query_pane.js"),
        title=title,
        takes_pictures=takes_pictures,
        elem_id="original" if takes_pictures else "edit",
    )


def _script(name: str) -> str:
    return (_HERE / name).read_text()
