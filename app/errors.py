"""Every error this application raises on purpose, with its HTTP status and its exit code.

AppError
├── UsageError            what a request names does not exist or is out of range
│   ├── SettingsError     an environment variable has a value that cannot be used
│   ├── NotFoundError     no gallery, picture or data set of that name or id
│   ├── SenderError       the request may come from another site's page
│   ├── TokenError        a program's request needs the server's token
│   ├── PasswordError     a visitor's request needs the server's password
│   ├── NotAllowedError   whoever runs the server has not allowed it
│   ├── TooLargeError     more bytes were sent than are accepted
│   ├── MediaTypeError    the body has a media type that is not read
│   ├── SlowBodyError     the body of a request did not come in time
│   └── NoServerError     no server of this program answers the command line
├── QueryError            the query picture cannot be used
│   ├── DecodeError       bytes that are not a picture that can be read
│   └── FetchError        an address that gave no picture
│       └── AddressError  an address that no request may be sent to
├── DatasetError          a data set's folder is missing or not laid out as published
│   └── RemovalsError     so many pictures are gone that their images are not removed unasked
├── GalleryError          a gallery on disk is damaged or does not belong together
├── ModelError            a model cannot run here (mostly: its weights are missing)
├── StorageError          a folder cannot be written, or the disk is full
├── TooManyError          more is asked than the server takes
└── BusyError             another run is at work in the same folder

A message is one sentence: what happened, with the offending value, and what to do. It is printable,
whatever the names of files in it hold.
"""

import unicodedata


def printable(text: str) -> str:
    r"""Return a text with U+FFFD for what must not reach a terminal as it is.

    These are control characters and line ends, marks that change the direction of writing, and the
    lone surrogates that stand for bytes of a file's name that are not UTF-8: no encoding has them.

    >>> printable("a\x1b[2J\n\u202eb")
    'a�[2J��b'
    """
    return "".join(
        letter if _is_printable(letter) else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _is_printable(letter: str) -> bool:
    return letter.isprintable() or unicodedata.category(letter) == "Zs"  # spaces of all widths


class AppError(Exception):
    """The root of the tree; the message is one sentence for people."""

    http_status = 500
    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class UsageError(AppError):
    """What a request names does not exist or is out of range."""

    http_status = 422
    exit_code = 2


class SettingsError(UsageError):
    """An environment variable has a value that cannot be used; the message names both."""

    http_status = 500


class NotFoundError(UsageError):
    """There is no gallery, picture or data set of that name or id."""

    http_status = 404


class SenderError(UsageError):
    """The request may come from the page of another site."""

    http_status = 403


class TokenError(UsageError):
    """A program that asks this server needs its token."""

    http_status = 401


class PasswordError(UsageError):
    """A visitor's request needs the server's password."""

    http_status = 401


class NotAllowedError(UsageError):
    """Whoever runs this server has not allowed it."""

    http_status = 403


class TooLargeError(UsageError):
    """More bytes were sent than are taken."""

    http_status = 413


class MediaTypeError(UsageError):
    """The body of the request is of a kind that is not read."""

    http_status = 415


class SlowBodyError(UsageError):
    """The body of the request did not come in time."""

    http_status = 408


class NoServerError(UsageError):
    """What the command line was to ask does not answer, or not as a server of ours."""


class QueryError(AppError):
    """The query picture cannot be used."""

    http_status = 422
    exit_code = 3


class DecodeError(QueryError):
    """The bytes are not a picture that can be read.

    `may_be_cut` where they begin as one, and their end may be missing.
    """

    def __init__(self, message: str, *, may_be_cut: bool = False) -> None:
        super().__init__(message)
        self.may_be_cut = may_be_cut


class FetchError(QueryError):
    """The address gave no picture.

    `retryable` if the same request may succeed later (a time-out, a busy server); `overloaded` if
    the server demanded a pause, of `retry_after_seconds` (None: it did not say how long);
    `unreachable` if no server answered.
    """

    http_status = 502

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        overloaded: bool = False,
        retry_after_seconds: float | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.overloaded = overloaded
        self.retry_after_seconds = retry_after_seconds
        self.unreachable = unreachable


class AddressError(FetchError):
    """The address is not http(s) or not public, and no request may be sent there."""

    http_status = 403


class DatasetError(AppError):
    """A data set's folder is missing or not laid out as published."""

    http_status = 404
    exit_code = 4


class RemovalsError(DatasetError):
    """So many pictures of a gallery are gone that their images are not removed unasked.

    `gone` is how many; `fact` the message without what to do, which differs from door to door.
    """

    def __init__(self, fact: str, *, gallery: str = "NAME", gone: int = 0) -> None:
        super().__init__(
            f"{fact}: bring them back, or run ris update {gallery} --accept-removals if they are "
            "to go."
        )
        self.fact = printable(fact)
        self.gone = gone


class GalleryError(AppError):
    """A gallery on disk is damaged, or its files do not belong together."""

    http_status = 503
    exit_code = 5


class ModelError(AppError):
    """A model cannot run here; mostly because its weights cannot be had."""

    http_status = 503
    exit_code = 6


class StorageError(AppError):
    """A folder cannot be written, or the disk is full."""

    http_status = 507
    exit_code = 7


class TooManyError(AppError):
    """More is asked than the server takes.

    It may be asked again after `retry_after_seconds`.
    """

    http_status = 429
    exit_code = 8

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class BusyError(AppError):
    """Another run is at work in the same folder."""

    http_status = 409
    exit_code = 8
