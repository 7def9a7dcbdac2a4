"""The page's layout and events; its contents come from `assets/`, its answers from `functions`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.staticfiles import StaticFiles
from gradio.routes import INTERNAL_ROUTES

from app.build.jobs import GalleryMaker
from app.doors.access import EVERYBODY, Access
from app.doors.page.create import MakingFunctions
from app.doors.page.duplicates import DuplicateFunctions
from app.doors.page.endpoints import name_endpoints
from app.doors.page.forwarding import download_by
from app.doors.page.functions import EXAMPLES, Functions
from app.doors.page.manage import ManagingFunctions
from app.doors.page.references import Uploads
from app.doors.page.theme import make_theme
from app.doors.page.web_manifest import make_relative
from app.images.formats import CHOSEN_IN_BROWSERS
from app.search.service import SearchService
from app.values import MAX_PICTURE_BYTES

_ASSETS = Path(__file__).parent / "assets"
_MOST_BYTES_OF_A_ZIP = 4_000_000_000
_THREADS = 32  # any number but Gradio's default, 40: with that the page shares the routes' threads
_MOST_SHOWN_AT_FIRST = 100
_TITLE = "Reverse image search"
FIRST_PARTS = {"page", "examples", *INTERNAL_ROUTES}  # of the page's addresses
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_QUEUE_SECONDS, _PROGRESS_SECONDS = 0.1, 1.0
_HEAD = """<link rel="icon" type="image/svg+xml" href="page/icon.svg">
<meta name="description" content="Find the images of a gallery that look like yours.">
<meta name="theme-color" content="#ffffff" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#0e1318" media="(prefers-color-scheme: dark)">
<script>
// What Gradio's parts ask of the page's scripts, which come after them, waits until these are here.
window.started = new Promise((resolve) => { window.startedWith = resolve; });
// Before anything is drawn: a page that is opened by a link, or come back to, has an answer.
{
  const { edit, words, browsing } = history.state?.place || {};
  const isAsked = /[?&](image|photograph|url|words|browse|more)=/.test(location.search);
  if (isAsked || edit || words || browsing) document.documentElement.dataset.face = "see";
}
</script>
""" + "".join(
    # Linked: Gradio would rewrite the selectors of a style that is handed to it.
    f'<link rel="stylesheet" href="page/{name}.css">'
    for name in (
        *("page", "query", "results", "side_by_side", "select"),
        *("detail", "galleries", "duplicates"),
    )
)
_WAYS = f"""<div class="ways" role="group" aria-label="Other ways to a picture">
<button type="button" data-action="to-results" class="skip" hidden>Go to the results</button>
<button type="button" data-action="ways" disabled class="others" aria-label="Other pictures"
  title="Other pictures">+</button>
<button type="button" data-action="choose" disabled>Choose a file</button>
<button type="button" data-action="webcam" disabled>Webcam</button>
<button type="button" data-action="random" disabled
  title="A random picture of this gallery">Random</button>
<button type="button" data-action="choose-further" class="further" hidden
  title="Search with several pictures at once">Add a picture</button>
<input type="file" accept="{CHOSEN_IN_BROWSERS}" hidden multiple
  aria-label="Picture file"></div>"""
_ORIGINAL = """<section class="pane" aria-label="Original"><h2>Original</h2>
<div class="stage"></div><p class="promise">Searches your galleries, not the web.</p>
<div class="ways">
<button type="button" data-action="copy-to-edit">Copy to edit →</button></div></section>"""
_EDIT = """<section class="pane" aria-label="Edit">
<h2>Edit <small>drag a rectangle to search for a part</small></h2>
<div class="stage"></div><div class="ways">
<button type="button" data-action="copy-to-original">← Copy to original</button>
<button type="button" data-action="rotate" title="A quarter turn clockwise">Rotate</button>
<button type="button" data-action="mirror" title="Swap left and right">Mirror</button>
<button type="button" data-action="clear-crop">Clear crop</button></div></section>"""
_HELP = """<details class="panel help" name="gallery-panel"><summary>Help</summary>
<div class="sheet">
<ul><li>It searches your galleries, not the web; nothing leaves this machine.</li>
<li>Drop a picture anywhere, paste it or its address, or type what it shows.</li>
<li>Click its thumbnail to turn it, mirror it, or drag a rectangle: that part is searched for.</li>
<li>Several pictures that are dropped together are one search; “+” and “−” on a result find more
like it, or less.</li>
<li>Browse a gallery without a query, and narrow it down by what its images differ in.</li>
<li>Among the results: arrows move, Enter opens, Tab goes on to what can be done with one.</li>
<li>Space selects, Shift with an arrow or a click up to there, Ctrl+A all, Esc none; on a phone
press long.</li>
<li>In the large view: ← → previous and next, + − 0 zoom, Enter searches, C compares, Esc closes;
swipe and pinch on a phone.</li></ul>
<p><a href="docs" target="_blank">The API</a> answers programs at this address.</p></div>
</details>"""


def mount_page(
    application: FastAPI,
    service: SearchService,
    uploads: Path,
    maker: GalleryMaker,
    access: Access = EVERYBODY,
    *,
    root_path: str = "",
    show_file: Callable[[Path], None] | None = None,
) -> FastAPI:
    """Mount the page at / of `application`; uploaded pictures go to the folder `uploads`.

    With `show_file` its visitors can have a file shown in the file manager of this machine.
    """
    application.mount("/page", GZipMiddleware(StaticFiles(directory=_ASSETS)))
    application.mount("/examples", StaticFiles(directory=EXAMPLES))
    pictures = Uploads(uploads, service)
    download_by(service.fetch, pictures)
    with _served_once():
        page = make_page(
            service,
            Functions(service, pictures),
            MakingFunctions(maker, pictures),
            ManagingFunctions(maker, pictures),
            DuplicateFunctions(service, maker, show_file),
        )
        with page:
            name_endpoints(service, pictures, access)
    _calm_the_queue(page)
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
        max_file_size=most_bytes_of_a_form(maker),
        ssr_mode=False,
        mcp_server=False,
        root_path=root_path or None,
    )
    make_relative(mounted.routes[-1].app)  # type: ignore[attr-defined]
    return mounted


def most_bytes_of_a_form(maker: GalleryMaker) -> int:
    """Return the bytes that an upload may have: a ZIP's where galleries are made."""
    return MAX_PICTURE_BYTES if maker.off else _MOST_BYTES_OF_A_ZIP


@contextmanager
def _served_once() -> Iterator[None]:
    """Keep Gradio from making its application at every step of a page that is mounted at the end.

    Each takes a tenth of a second, of which the first page would wait for three.
    """
    application = gr.routes.App
    make = application.__dict__["create_app"]
    application.create_app = staticmethod(lambda *given, **options: None)
    try:
        yield
    finally:
        application.create_app = make


def _calm_the_queue(page: gr.Blocks) -> None:
    """Let Gradio look less often whether something waits in its queue, which the page never uses.

    It looks a thousand times a second, which takes 8 % of a core while nobody asks anything. What
    asks by gradio_client waits a little longer.
    """
    page._queue.sleep_when_free = _QUEUE_SECONDS
    page._queue.progress_update_sleep_when_free = _PROGRESS_SECONDS


def make_page(
    service: SearchService,
    functions: Functions,
    making: MakingFunctions,
    managing: ManagingFunctions,
    finding: DuplicateFunctions,
) -> gr.Blocks:
    """Return the page; the server keeps no state of its visitors."""
    page: gr.Blocks
    with gr.Blocks(title=_TITLE, analytics_enabled=False, fill_width=True) as page:
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
        gallery = _top_row(making, managing, finding)
        url, search = _asking()
        k, exact, leave_out_same_file, others = _seeing()
        for submit in (search.click, url.submit):
            submit(None, url, None, js=_asking_page("search", "url"), **_QUIET)
        others.click(None, js=_asking_page("drawExamples"), **_QUIET)
        session.clear_address(None, None, url, js="() => ''", **_QUIET)
        _connect(page, session, service, [gallery, k, exact, leave_out_same_file])
    return page


def _top_row(
    making: MakingFunctions, managing: ManagingFunctions, finding: DuplicateFunctions
) -> gr.Dropdown:
    """Lay out the title, the choice of a gallery, which is returned, and the galleries' panel."""
    with gr.Row(elem_id="top"):
        gr.HTML(
            '<button type="button" data-action="to-results" class="skip" hidden>'
            "Skip to the results</button>"
            f'<h1><img src="page/icon.svg" alt=""><span>{_TITLE}</span></h1>'
            "<p>Searches your galleries, not the web. "
            "<span>Nothing leaves this machine.</span></p>",
            elem_id="title",
            apply_default_css=False,
        )
        with gr.Column(elem_id="gallery-column", min_width=280):
            _part("kinds", '<div class="kinds" role="group" aria-label="What to search"></div>')
            gallery = gr.Dropdown([], label="Gallery", elem_id="gallery")
            _part("facts", '<div class="gallery-facts"></div>')
            off = f'<p class="off">{escape(making.off)}</p>' if making.off else ""
            way = f'<button type="button" class="all" disabled>Galleries</button>{off}'
            arguments = (
                f"server, upload, manages: {str(bool(managing.all)).lower()}, "
                f"mostBytes: {_MOST_BYTES_OF_A_ZIP}, mostPictureBytes: {MAX_PICTURE_BYTES}"
            )
            functions = [*making.all, *managing.all, *finding.all]
            _part("galleries", f'<div class="galleries">{way}</div>', "", arguments, functions)
            gr.HTML(_HELP, elem_id="help", apply_default_css=False)
    return gallery


def _asking() -> tuple[gr.Textbox, gr.Button]:
    """Lay out the bar and the two windows; return the field of words and the search button."""
    with gr.Column(elem_id="asking"):
        with gr.Row(elem_id="bar"):
            _part("thumb", '<div class="thumb"></div>')
            url = gr.Textbox(
                label="Words, or the address of a picture",
                placeholder="red car, or https://…",
                elem_id="url",
                max_lines=1,
                scale=3,
                min_width=160,
            )
            search = gr.Button("Search", variant="primary", elem_id="search", scale=1, min_width=90)
            arguments = f"upload, mostBytes: {MAX_PICTURE_BYTES}"
            _part("ways", _WAYS, "ways", arguments)
        _part("message", '<div class="place" role="alert"></div>')
        _part("announcement", '<p class="unseen" role="status"></p>')
        with gr.Row(elem_id="windows"):
            _part("original", _ORIGINAL, "query_pane", 'which: "original"')
            _part("edit", _EDIT, "query_pane", 'which: "edit"')
    return url, search


def _seeing() -> tuple[gr.Slider, gr.Checkbox, gr.Checkbox, gr.Button]:
    """Lay out examples and results; return the search's controls and "Other examples"."""
    with gr.Column(elem_id="results-column", min_width=320):
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
            leave_out_same_file = gr.Checkbox(
                label="Leave out the query's own file", elem_id="leave-out", min_width=160
            )
            exact = gr.Checkbox(label="Exact search", elem_id="exact", min_width=120)
        _part("results", '<div class="results"></div>')
    return k, exact, leave_out_same_file, others


def _connect(
    page: gr.Blocks, session: gr.HTML, service: SearchService, controls: list[Any]
) -> None:
    """Let Gradio's controls report their values to the page's session, and be set by it.

    The session alone sends requests to the server: it drops an answer that a newer request has
    overtaken.
    """
    gallery, k, exact, leave_out_same_file = controls
    changed = {"inputs": controls, "js": _asking_page("controlsChanged", "...values")}
    for control in (gallery.select, k.change, exact.change, leave_out_same_file.change):
        control(None, **changed, **_QUIET)
    set_controls = {"outputs": controls, "js": "async () => (await started).controlValues()"}
    session.set_controls(None, None, **set_controls, **_QUIET)
    for load in (page.load, session.list_galleries):
        # Not by the queue: its two requests, for the call and its answer, need the same process.
        load(
            lambda: gr.Dropdown(_choices(service), value=None),
            None,
            gallery,
            queue=False,
            **_QUIET,
        ).then(None, None, **set_controls, **_QUIET)


def _choices(service: SearchService) -> list[tuple[str, str]]:
    """Return what is shown of each gallery, its name, and of those that are searched together."""
    each = [(info.name, info.name) for info in service.galleries()]
    return each + [(info.facts.title, info.name) for info in service.together()]


def _part(
    name: str,
    template: str,
    script: str = "",
    arguments: str = "",
    server_functions: list[Any] | None = None,
) -> gr.HTML:
    """Return a part of the page, to be filled by a script of `assets/`."""
    return gr.HTML(
        None,
        html_template=template,
        elem_id=name,
        apply_default_css=False,
        server_functions=server_functions,
        js_on_load=_script(script or name, arguments),
    )


def _asking_page(function: str, given: str = "") -> str:
    """Return what lets an event of Gradio's call a function that `places.js` offers."""
    return f"({given}) => {{ started.then((page) => page.{function}({given})) }}"


def _script(name: str, arguments: str) -> str:
    words = ", ".join(filter(None, ["element", arguments]))
    # Relative to the page's own address: Gradio's script, which runs this, lies elsewhere.
    address = f'new URL("page/{name}.js", document.baseURI).href'
    return f"import({address}).then((part) => part.start({{ {words} }}));"
