"""Words, conditions, counts and lists over the galleries that come with the program → their times.

Run by `make bench-words`.
"""

import statistics
import time
from collections.abc import Callable

from app.search.picture import Item
from app.search.question import SearchRequest
from app.search.service import SearchService
from app.settings import read_settings
from app.wiring import make_service
from benchmarks.report import Report, arguments, at_most
from benchmarks.server_speed import GALLERY

_TEXTS = "wordnet-nouns"
_ROUNDS = 30
_WORDS = ("butterfly", "image wild cat", "cup 0001", "faces", "00", "motorbikes image")
_NOUNS = ("a small animal", "instrument of music", "water", "building for worship")
_WIDE = "width>=400"


def measure(service: SearchService, report: Report) -> None:
    """Time each kind of question by itself, in turn over several of them; medians."""
    rows = service.gallery(GALLERY).images
    images = range(0, rows, rows // _ROUNDS)
    wide = service.counts(GALLERY, "label", where=(_WIDE,)).images / rows
    where = SearchRequest.of(None, where=[_WIDE]).where

    def written(number: int) -> None:
        ask(words=_WORDS[number % len(_WORDS)])

    def ask(query: Item | None = None, gallery: str = GALLERY, **given: object) -> None:
        service.answer(SearchRequest.of(query, gallery=gallery, **given))

    plain = timed(lambda number: ask(Item(images[number]), k=50))
    report.add(f"the 50 nearest of {rows:,} images, by id", in_words(plain))
    filtered = timed(lambda number: ask(Item(images[number]), k=50, where=where))
    report.add(
        f"the same among the {wide:.0%} with `{_WIDE}`, all of them compared", in_words(filtered)
    )
    report.add("words as they are written, 10 results", in_words(timed(written)))
    asked = timed(lambda number: ask(Item(images[number]), words=_WORDS[number % len(_WORDS)]))
    report.add("words beside a picture, by id", in_words(asked))
    listed = timed(lambda number: ask(sort="-bytes", offset=rows - 300, k=200))
    report.add("the last 200 of all images, sorted by size", in_words(listed))
    counted = timed(lambda number: service.counts(GALLERY, "label"))
    report.add("how many images have each label", in_words(counted), at_most(counted, 50, "50 ms"))
    texts = timed(
        lambda number: ask(gallery=_TEXTS, words=_NOUNS[number % len(_NOUNS)], sort="score")
    )
    report.add(f"words in {service.gallery(_TEXTS).images:,} texts, 10 results", in_words(texts))


def timed(ask: Callable[[int], object]) -> float:
    """Return the median milliseconds of a question; the first round fills the caches."""
    spent = []
    for number in range(-1, _ROUNDS):
        started = time.perf_counter()
        ask(max(number, 0))
        if number >= 0:
            spent.append(1000 * (time.perf_counter() - started))
    return statistics.median(spent)


def in_words(milliseconds: float) -> str:
    """Return milliseconds with two digits."""
    return f"{milliseconds:.2g} ms"


def main() -> int:
    """Measure, print and keep the table."""
    options = arguments(__doc__ or "").parse_args()
    report = Report("Words and what is known of images", "make bench-words")
    measure(make_service(read_settings()), report)
    return report.finish(options.save)


if __name__ == "__main__":
    raise SystemExit(main())
