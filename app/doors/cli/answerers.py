"""What is typed after `ris search` → queries, and who answers: a server or this process."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from app.doors.inputs import bytes_of, bytes_of_file
from app.errors import AppError, DecodeError
from app.search.picture import File, Item, Query, Url, is_address
from app.search.question import SearchRequest
from app.settings import Settings

if TYPE_CHECKING:
    from app.doors.cli.remote import RemoteServer

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class TypedQuery:
    """One query as it was typed: a picture (`-` for standard input), a URL, or an image's id."""

    typed: str
    is_id: bool = False
    is_none: bool = False

    @property
    def name(self) -> str:
        """The query's name in headings."""
        if self.is_none:
            return "no picture"
        if self.is_id:
            return f"image {self.typed}"
        return "standard input" if self.typed == STANDARD_INPUT else self.typed

    def read(self) -> Query | None:
        """Return the query, a picture's file read; AppError if it cannot be read."""
        if self.is_none:
            return None
        if self.is_id:
            return Item(self.typed)
        if is_address(self.typed):
            return Url(self.typed)
        if self.typed == STANDARD_INPUT:
            # None where whoever started it has closed it.
            data = bytes_of(sys.stdin.buffer, "Standard input") if sys.stdin else b""
            if not data:
                raise DecodeError("Standard input is empty: send a picture's bytes, or name one.")
            return File(data)
        return File(bytes_of_file(self.typed))


NO_PICTURE = TypedQuery("", is_none=True)
"""What is asked without a picture: by words, or by conditions alone."""


class Answerer(Protocol):
    """Who answers: JSON as in `app.doors.answers`, and AppErrors, whoever it is."""

    def search(self, request: SearchRequest) -> dict[str, Any]:
        """Return the JSON of the answer to a request."""

    def names(self) -> list[str]:
        """Return the names of all galleries, without opening any."""

    def galleries(self) -> list[dict[str, Any]]:
        """Return `app.doors.answers.gallery_answer` for every gallery."""

    def gallery(self, name: str) -> dict[str, Any]:
        """Return `app.doors.answers.gallery_answer` for one gallery."""

    def counts(
        self, gallery: str, column: str, *, limit: int, where: Sequence[str], label: str
    ) -> dict[str, Any]:
        """Return `app.doors.answers.counts_answer` for a column of a gallery."""

    def columns(self, gallery: str) -> list[str]:
        """Return what conditions may be put on in a gallery."""

    def thumbnail(self, gallery: str, public_id: str) -> bytes:
        """Return the small WebP picture of an image."""

    def folder(self, gallery: str, source: int = 0) -> Path | None:
        """Return the folder on this machine that paths of a gallery's `source` start from."""


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who answers."""
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--server",
        metavar="URL",
        help="ask the server at this address (default: the one of this machine that serves the "
        "same galleries, if one runs); RIS_API_TOKEN is its token",
    )
    who.add_argument(
        "--no-server", action="store_true", help="open the gallery here, whatever server runs"
    )


@contextmanager
def answering(options: argparse.Namespace, settings: Settings) -> Iterator[Answerer]:
    """Give the server that was named, or one found, or else the galleries opened here."""
    from app.doors.cli.remote import RemoteServer

    if options.server is not None:
        server: RemoteServer | None = RemoteServer(options.server, settings.api_token)
    else:
        server = None if options.no_server else _running_server(settings)
    if server is not None:
        with closing(server):
            yield server
        return
    from app.doors.cli.local import LocalGalleries

    yield LocalGalleries(settings)


def _running_server(settings: Settings) -> "RemoteServer | None":
    """Return a server on this machine that serves the same galleries, if one answers well."""
    from app.doors.cli.remote import RemoteServer
    from app.doors.running import servers_of

    for running in servers_of(settings.indexes_dir.parent, settings.cache_dir):
        with ExitStack() as closing_it, suppress(AppError):  # it hangs, or refuses: it is not used
            server = RemoteServer(running.address, settings.api_token, settings, running)
            closing_it.callback(server.close)
            server.check()
            closing_it.pop_all()
            return server
    return None
