"""Every error this application raises on purpose, with its HTTP status and its exit code.

AppError
├── UsageError            what was asked for does not exist or is out of range
│   ├── SettingsError     an environment variable has a value that cannot be used
│   ├── NotFoundError     no gallery, picture or data set of that name or id
│   ├── SenderError       another site's page may have asked for it
│   ├── TokenError        a program that asks needs the server's token
│   ├── TooLargeError     more bytes were sent than are taken
│   ├── MediaTypeError    the body is of a kind that is not read
│   └── NoServerError     what the command line was to ask is no server of ours
├── QueryError            the query picture cannot be used
│   ├── DecodeError       bytes that are not a picture that can be read
│   └── FetchError        an address that gave no picture
│       └── AddressError  an address that this server must not ask
├── DatasetError          a data set's folder is missing or not laid out as published
├── GalleryError          a gallery on disk is damaged or does not belong together
├── ModelError            a model cannot run here (mostly: its weights are missing)
├── StorageError          a folder cannot be written, or the disk is full
└── BusyError             another run is at work in the same folder

A message is one sentence: what happened, with the offending value, and what to do.
"""


class AppError(Exception):
    """The root of the tree; the message is one sentence for people."""

    http_status = 500
    exit_code = 1


class UsageError(AppError):
    """What was asked for does not exist or is out of range."""

    http_status = 422
    exit_code = 2


class SettingsError(UsageError):
    """An environment variable has a value that cannot be used; the message names both."""

    http_status = 500


class NotFoundError(UsageError):
    """There is no gallery, picture or data set of that name or id."""

    http_status = 404


class SenderError(UsageError):
    """The page of another site may have asked for it."""

    http_status = 403


class TokenError(UsageError):
    """A program that asks this server needs its token."""

    http_status = 401


class TooLargeError(UsageError):
    """More bytes were sent than are taken."""

    http_status = 413


class MediaTypeError(UsageError):
    """The body of the request is of a kind that is not read."""

    http_status = 415


class NoServerError(UsageError):
    """What the command line was to ask does not answer, or not as a server of ours."""


class QueryError(AppError):
    """The query picture cannot be used."""

    http_status = 422
    exit_code = 3


class DecodeError(QueryError):
    """The bytes are not a picture that can be read."""


class FetchError(QueryError):
    """The address gave no picture.

    `may_pass` says whether the same address may give one later (a time-out, a busy server),
    `overloaded` whether its server asked to be left alone, and `retry_after_seconds` for how long
    (None where it did not say); `unreachable` whether no server answered at all.
    """

    http_status = 502

    def __init__(
        self,
        message: str,
        *,
        may_pass: bool = False,
        overloaded: bool = False,
        retry_after_seconds: float | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message)
        self.may_pass = may_pass
        self.overloaded = overloaded
        self.retry_after_seconds = retry_after_seconds
        self.unreachable = unreachable


class AddressError(FetchError):
    """The address is one that this server must not ask: not http(s), or not public."""

    http_status = 403


class DatasetError(AppError):
    """A data set's folder is missing or not laid out as published."""

    http_status = 404
    exit_code = 4


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


class BusyError(AppError):
    """Another run is at work in the same folder."""

    http_status = 409
    exit_code = 8
