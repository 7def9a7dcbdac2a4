"""The page's layout and its events; what it shows and asks is in `assets/` and `functions`."""

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from gradio.routes import INTERNAL_ROUTES

from app.build.jobs import GalleryMaker
from app.doors.access import EVERYBODY, Access
from app.doors.page.create import MakingFunctions
from app.doors.page.endpoints import name_endpoints
from app.doors.page.functions import EXAMPLES, Functions
from app.doors.page.references import Uploads
from app.doors.page.theme import make_theme
from app.doors.page.web_manifest import make_relative
from app.images.formats import CHOSEN_IN_BROWSERS
from app.search.service import SearchService
from app.values import MAX_PICTURE_BYTES

_ASSETS = Path(__file__).parent / "assets"
_MOST_BYTES_OF_A_ZIP = 4_000_000_000
_THREADS = 32  # other than Gradio's 40, they are the page's own: else it shares those of the routes
_MOST_SHOWN_AT_FIRST = 100
_TITLE = "Reverse image search"
FIRST_PARTS = {"page", "examples", *INTERNAL_ROUTES}  # of the page's addresses
_HEAD = """<link rel="icon" type="image/svg+xml" href="page/icon.svg">
<meta name="description" content="Find the images of a gallery that look like yours.">
<meta name="theme-color" content="#ffffff" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#0e1318" media="(prefers-color-scheme: dark)">
""" + "".join(
    # Linked, for Gradio would rewrite the selectors of styles that it is given.
    f'<link rel="stylesheet" href="page/{name}.css">'
    for name in ("page", "query", "results", "detail", "create")
)
_ORIGINAL = f"""<section class="pane" aria-label="Original"><h2>Original</h2>
<div class="stage"></div><div class="ways">
<button type="button" data-action="choose">Choose a file</button>
<button type="button" data-action="webcam">Webcam</button>
<button type="button" data-action="random" title="A random picture of this gallery">Random</button>
<button type="button" data-action="mirror-to-edit">Mirror to edit →</button>
<input type="file" accept="{CHOSEN_IN_BROWSERS}" hidden
  aria-label="Picture file"></div></section>"""
_EDIT = """<section class="pane" aria-label="Edit">
<h2>Edit <small>drag a rectangle to search for a part</small></h2>
<div class="stage"></div><div class="ways">
<button type="button" data-action="mirror-to-original">← Mirror to original</button>
<button type="button" data-action="turn" title="A quarter turn clockwise">Rotate</button>
<button type="button" data-action="flip" title="Mirror left to right">Flip</button>
<button type="button" data-action="clear-box">Clear crop</button></div></section>"""


def mount_page(
    application: FastAPI,
    service: SearchService,
    uploads: Path,
    maker: GalleryMaker,
    access: Access = EVERYBODY,
    *,
    root_path: str = "",
) -> FastAPI:
    """Mount the page at / of `application`; uploaded pictures are kept in `uploads`."""
    application.mount("/page", StaticFiles(directory=_ASSETS))
    application.mount("/examples", StaticFiles(directory=EXAMPLES))
    kept = Uploads(uploads, service)
    page = make_page(service, Functions(service, kept), MakingFunctions(maker, kept))
    with page:
        name_endpoints(service, kept, access)
    mounted: FastAPI = gr.mount_gradio_app(
        application,
        page,
        path="/",
        theme=make_theme(),
        head=_HEAD,
        favicon_path=str(_ASSETS / "icon.svg"),
        pwa=True,
        footer_links=[],
        run_history=False,
        show_error=True,
        max_file_size=MAX_PICTURE_BYTES if maker.off else _MOST_BYTES_OF_A_ZIP,
        ssr_mode=False,
        mcp_server=False,
        root_path=root_path or None,
    )
    make_relative(mounted.routes[-1].app)  # type: ignore[attr-defined]
    return mounted


def make_page(service: SearchService, functions: Functions, making: MakingFunctions) -> gr.Blocks:
    """Return the page; it keeps nothing of a visitor on the server."""
    page: gr.Blocks
    with gr.Blocks(title=_TITLE, analytics_enabled=False) as page:
        page.max_threads = _THREADS
        session = gr.HTML(
            "",
            elem_id="session",
            visible="hidden",
            server_functions=functions.all,
            js_on_load=_script(
                "places",
                'server, controls: () => trigger("set_controls", {}), '
                'galleryNames: () => trigger("list_galleries", {}), '
                'noAddress: () => trigger("clear_address", {})',
            ),
        )
        with gr.Row(elem_id="top"):
            gr.HTML(
                f"<h1>{_TITLE}</h1><p>Find the images of a gallery that look like yours. "
                "Nothing leaves this machine.</p>",
                elem_id="title",
                apply_default_css=False,
            )
            with gr.Column(elem_id="gallery-column", min_width=280):
                gallery = gr.Dropdown([], label="Gallery", elem_id="gallery")
                _part("facts", '<div class="gallery-facts"></div>')
                off = f'<p class="off">{escape(making.off)}</p>' if making.off else ""
                gives = f"server, upload, mostBytes: {_MOST_BYTES_OF_A_ZIP}"
                _part("create", f'<div class="create">{off}</div>', "", gives, making.all)
        with gr.Row(elem_id="columns"):
            with gr.Column(elem_id="query-column", scale=2, min_width=320):
                takes = f'which: "original", upload, mostBytes: {MAX_PICTURE_BYTES}'
                _part("original", _ORIGINAL, "query_pane", takes)
                with gr.Row(elem_id="address"):
                    url = gr.Textbox(
                        label="Address of a picture",
                        placeholder="https://…",
                        elem_id="url",
                        max_lines=1,
                        scale=3,
                        min_width=160,
                    )
                    search = gr.Button(
                        "Search", variant="primary", elem_id="search", scale=1, min_width=90
                    )
                _part("message", '<div class="place" role="alert"></div>')
                _part("edit", _EDIT, "query_pane", 'which: "edit", upload')
            with gr.Column(elem_id="results-column", scale=5, min_width=320):
                with gr.Row(elem_id="examples-row"):
                    _part("examples", '<div class="examples"></div>')
                    others = gr.Button("Other examples", size="sm", elem_id="others", min_width=60)
                with gr.Row(elem_id="how"):
                    k = gr.Slider(
                        1,
                        _MOST_SHOWN_AT_FIRST,
                        10,
                        step=1,
                        label="How many results",
                        elem_id="k",
                        scale=2,
                        min_width=200,
                    )
                    leave_out = gr.Checkbox(
                        label="Leave out the query's own file", elem_id="leave-out", min_width=160
                    )
                    exact = gr.Checkbox(label="Exact search", elem_id="exact", min_width=120)
                _part("results", '<div class="results"></div>')

        # Events. Gradio's controls tell the page's session what they are set to, and the other way
        # round; what is asked of the server goes through the session alone, so that an answer that
        # was overtaken by a newer question is dropped.
        controls = [gallery, k, exact, leave_out]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        changed = {
            "inputs": controls,
            "js": "(...values) => { session.controlsChanged(...values) }",
        }
        for control in (gallery.select, k.change, exact.change, leave_out.change):
            control(None, **changed, **quiet)
        for asks in (search.click, url.submit):
            asks(None, url, None, js="(url) => { session.search(url) }", **quiet)
        others.click(None, js="() => { session.drawExamples() }", **quiet)
        shown = {"outputs": controls, "js": "() => session.controlValues()"}
        session.set_controls(None, None, **shown, **quiet)
        session.clear_address(None, None, url, js="() => ''", **quiet)
        for opened_or_more in (page.load, session.list_galleries):
            opened_or_more(
                lambda: gr.Dropdown([info.name for info in service.galleries()], value=None),
                None,
                gallery,
                **quiet,
            ).then(None, None, **shown, **quiet)
    return page


def _part(
    name: str,
    template: str,
    script: str = "",
    arguments: str = "",
    server_functions: list[Any] | None = None,
) -> gr.HTML:
    """Return a part of the page that a script of `assets/` fills."""
    return gr.HTML(
        None,
        html_template=template,
        elem_id=name,
        apply_default_css=False,
        server_functions=server_functions,
        js_on_load=_script(script or name, arguments),
    )


def _script(name: str, arguments: str) -> str:
    words = ", ".join(filter(None, ["element", arguments]))
    # Taken from the page's own address: Gradio's script, which runs this, lies elsewhere.
    address = f'new URL("page/{name}.js", document.baseURI).href'
    return f"import({address}).then((part) => part.start({{ {words} }}));"
