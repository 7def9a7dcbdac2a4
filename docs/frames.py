"""What a page shows, the pointer and a caption → a frame; frames → an animated picture."""

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

SIZE = 960, 600
_BAND = 46  # the caption's height
HEIGHT = SIZE[1] - _BAND  # what is left for the page
_QUALITY = 80
_MOST_BYTES = 2_500_000

# Whether every picture that is in sight has come, and nothing is awaited.
AT_REST = """() => {
    const hasCome = (image) => {
        const { top, bottom, width } = image.getBoundingClientRect();
        const isSeen = width > 0 && bottom > 0 && top < innerHeight;
        return !isSeen || (image.complete && image.naturalWidth > 0);
    };
    return !document.querySelector("[aria-busy=true]") && document.fonts.status === "loaded"
        && [...document.images].every(hasCome);
}"""
_DRAWN = "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
_FRAME = """<style>
    body {{ margin: 0; background: #dfe4ea; overflow: hidden; }}
    .page {{ position: relative; height: {height}px; display: grid; place-items: center; }}
    .page > img {{ display: block; height: {height}px; }}
    .phone > img {{ height: {phone}px; border: 6px solid #1c2733; border-radius: 18px; }}
    p {{ margin: 0; font: 600 19px system-ui, sans-serif; text-align: center; color: white;
      height: {band}px; line-height: {band}px;
      background: linear-gradient(90deg, #2c7a54 {percent}%, #1c2733 {percent}%); }}
    svg {{ position: absolute; left: {x}px; top: {y}px; filter: drop-shadow(0 1px 2px #0008); }}
    .page > .carried {{ position: absolute; left: {x}px; top: {y}px; width: 150px; height: auto;
      margin: 18px; opacity: .85; box-shadow: 0 2px 8px #0006; }}
</style>
<div class="page {kind}"><img src="{picture}" alt="">{carried}{pointer}</div><p>{caption}</p>"""
_POINTER = """<svg width="26" height="26" viewBox="0 0 26 26">
    <path d="M1 1v19l5-5 3.5 8 3.5-1.5L9.5 14H17z" fill="#1c2733" stroke="white"/>
</svg>"""


@dataclass(frozen=True)
class Seen:
    """What is in a frame."""

    page: Page
    caption: str
    share: float  # of the walk, as a bar behind the caption
    pointer: tuple[float, float] | None = None  # its place on the page
    carried: bytes | None = None  # a picture under the pointer


@contextmanager
def opened_stage(browser: Browser) -> Iterator[Page]:
    """Open a page that draws frames: what is seen, the pointer over it, the caption below."""
    page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
    yield page
    page.close()


def frame(stage: Page, seen: Seen) -> Image.Image:
    """Return a frame, once nothing is awaited on the page."""
    page = seen.page
    page.wait_for_function(AT_REST)
    page.evaluate(_DRAWN)
    width = page.evaluate("innerWidth")
    x, y = (SIZE[0] / width * each for each in seen.pointer or (0, 0))
    carried = seen.carried and f'<img class="carried" src="{_address(seen.carried)}" alt="">'
    html = _FRAME.format(
        height=HEIGHT,
        phone=HEIGHT - 34,
        band=_BAND,
        percent=round(100 * seen.share, 1),
        x=round(x),
        y=round(y),
        kind="phone" if width < SIZE[0] / 2 else "",
        picture=_address(page.screenshot()),
        carried=carried or "",
        pointer=_POINTER if seen.pointer else "",
        caption=seen.caption,
    )
    stage.set_content(html)
    stage.wait_for_function(AT_REST)
    return Image.open(io.BytesIO(stage.screenshot())).convert("RGB")


def _address(picture: bytes) -> str:
    return f"data:image;base64,{base64.b64encode(picture).decode()}"


def write(frames: Sequence[Image.Image], seconds: Sequence[float], path: Path) -> None:
    """Write frames as an animated WebP, each for its seconds."""
    first, *others = frames
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=[round(1000 * each) for each in seconds],
        loop=0,
        quality=_QUALITY,
        method=6,
        kmax=1,  # each whole: what changes little would else stay from the frame before
    )
    if path.stat().st_size > _MOST_BYTES:
        raise SystemExit(f"{path} has more than {_MOST_BYTES:,} bytes: lower its quality.")
