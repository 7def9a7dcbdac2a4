"""Patterns in the syntax of .gitignore → which files and folders a listing leaves out.

pathspec turns each pattern into a regular expression. Whether one matches is decided here, because
pathspec answers for files alone: a walk needs git's answer for a folder too, before it enters it.
"""

import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from app.errors import UsageError
from app.values.names import text_of

IGNORE_FILE = ".risignore"


class _Pattern(NamedTuple):
    """One pattern; `excludes` is False for one that begins with !."""

    regex: re.Pattern[str]
    excludes: bool

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """Return whether it matches a path itself, not a folder above it, as git asks."""
        if not self.regex.groups:  # of ** or * alone: a folder's own slash does not count
            return self.regex.search(path) is not None
        # The group is the slash behind the name of a folder that matched: at the end, it is this
        # one's. A pattern of slashes and stars alone is not anchored, so it is looked for there.
        full = f"{path}/" if is_folder else path
        return bool(self.regex.fullmatch(full) or self.regex.search(full, len(full) - 1))


class _Group(NamedTuple):
    """The patterns of one file, for the paths below `prefix` ('' or 'a/b/')."""

    prefix: str
    patterns: tuple[_Pattern, ...]

    def decide(self, path: str, *, is_folder: bool) -> bool | None:
        """Return what the last pattern that matches says; None where none does."""
        below = path[len(self.prefix) :]
        for pattern in reversed(self.patterns):
            if pattern.matches(below, is_folder=is_folder):
                return pattern.excludes
        return None


@dataclass(frozen=True)
class Exclusions:
    """The patterns in force in a folder, the strongest group first.

    Those that the user gave are stronger than any ignore file, and a deeper file than one above
    it, as in git. Both spellings of an accent (NFC and NFD) match each other.
    """

    _groups: tuple[_Group, ...] = ()
    _given: int = 0

    @classmethod
    def given(cls, patterns: Sequence[str]) -> "Exclusions":
        """Return the user's own patterns; UsageError for one that can match nothing."""
        found = []
        for pattern in map(text_of, patterns):
            compiled = _compiled(pattern)
            if compiled is None:
                hint = " (write \\# for a name that begins with #)" if pattern[:1] == "#" else ""
                raise UsageError(
                    f'The pattern "{pattern}" excludes nothing{hint}: write it as in a .gitignore, '
                    "such as *.png or drafts/."
                )
            found.append(compiled)
        return cls((_Group("", tuple(found)),), 1) if found else cls()

    def with_file(self, lines: Iterable[str], *, prefix: str, file: str) -> "Exclusions":
        """Return these and the patterns of an ignore `file` in the folder `prefix` ('' or 'a/b/').

        UsageError for a line that can match nothing and is neither blank nor a comment.
        """
        found = []
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            compiled = _compiled(line)
            if compiled is None:
                raise UsageError(
                    f'Line {number} of {file}, "{line}", excludes nothing: write it as in a '
                    ".gitignore, such as *.png or drafts/."
                )
            found.append(compiled)
        if not found:
            return self
        groups = [*self._groups]
        groups.insert(self._given, _Group(_composed(prefix), tuple(found)))
        return replace(self, _groups=tuple(groups))

    def exclude(self, path: str, *, is_folder: bool) -> bool:
        """Return whether a path (from the listed folder on, with /) is left out.

        Asked for the content of a folder only where the folder itself is not left out.
        """
        if not self._groups:
            return False
        composed = _composed(path)
        for group in self._groups:
            decided = group.decide(composed, is_folder=is_folder)
            if decided is not None:
                return decided
        return False


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _compiled(text: str) -> _Pattern | None:
    """Return a pattern; None for one that is blank, a comment or not of the syntax."""
    try:
        with warnings.catch_warnings():
            # What `re` warns of is a bracket that means something else there ([[:alpha:]]).
            warnings.simplefilter("error", FutureWarning)
            compiled = GitIgnoreSpecPattern(_composed(text))
    except (ValueError, LookupError, FutureWarning, re.error):
        return None
    if compiled.include is None or compiled.regex is None:
        return None
    return _Pattern(compiled.regex, compiled.include)
