"""Patterns leave out what git would leave out of the same folder."""

import pytest

from app.errors import UsageError
from app.sources.patterns import Exclusions
from tests.conftest import is_one_sentence


@pytest.mark.parametrize(
    ("patterns", "left", "kept"),
    [
        # Each as git 2.39 has it (`git ls-files --others --exclude-standard`).
        (["*.png"], "a.png b/c.png", "a.jpg b/c.jpg"),
        (["raw"], "raw b/raw/ raw/", "raws"),
        (["raw/"], "raw/ b/raw/", "raw b/raw"),
        (["/raw"], "raw raw/", "b/raw"),
        (["b/raw"], "b/raw b/raw/", "raw c/b/raw"),
        (["**/raw"], "raw b/c/raw", "b/raws"),
        (["a/**/raw"], "a/raw a/b/c/raw", "raw b/raw"),
        (["a/**"], "a/b a/c/", "a/ a"),
        (["a/**", "!a/keep.jpg"], "a/b.jpg", "a/ a/keep.jpg"),
        (["*.jpg", "!keep/"], "keep/a.jpg", "keep/"),
        (["*", "!*/", "!*.jpg"], "a.png b/c.png", "b/ a.jpg b/c.jpg"),
        (["IMG_[0-9]?.jpg"], "IMG_12.jpg", "IMG_1.jpg IMG_x2.jpg img_12.jpg"),
        (["\\#recycle", "\\!a"], "#recycle/ !a", "recycle a"),
        (["*.jpg", "!a.jpg", "a*"], "a.jpg b.jpg", "b.png"),
        (["/*/", "!/b/"], "a/", "b/ a"),
        (["Caf\u00e9/"], "Cafe\u0301/ Caf\u00e9/", "Cafe/"),
    ],
)
def test_a_pattern_matches_as_in_a_gitignore(patterns: list[str], left: str, kept: str) -> None:
    given = Exclusions.given(patterns)
    from_file = Exclusions().with_file(patterns, prefix="x/", file="x/.risignore")

    def is_left_out(path: str) -> tuple[bool, bool]:
        name, is_folder = path.rstrip("/"), path.endswith("/")
        return (
            given.exclude(name, is_folder=is_folder),
            from_file.exclude(f"x/{name}", is_folder=is_folder),
        )

    assert {path: is_left_out(path) for path in left.split()} == dict.fromkeys(
        left.split(), (True, True)
    )
    assert {path: is_left_out(path) for path in kept.split()} == dict.fromkeys(
        kept.split(), (False, False)
    )


def test_the_users_patterns_are_stronger_than_a_file_and_a_deeper_file_than_one_above() -> None:
    above = Exclusions.given(["z.jpg", "!y.jpg"]).with_file(
        ["x.jpg", "y.jpg", "!z.jpg"], prefix="", file="f"
    )
    deeper = above.with_file(["!x.jpg"], prefix="a/", file="f")
    assert [above.exclude(name, is_folder=False) for name in ("x.jpg", "y.jpg", "z.jpg")] == [
        True,
        False,
        True,
    ]
    assert not deeper.exclude("a/x.jpg", is_folder=False)


@pytest.mark.parametrize("wrong", ["", "  ", "#recycle", "!", "/", "a\\", "[z-a].jpg", "[[:x:]]"])
def test_a_pattern_that_can_match_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError) as refused:
        Exclusions.given(["*.png", wrong])
    assert f'"{wrong}"' in str(refused.value)
    assert is_one_sentence(str(refused.value))


def test_a_wrong_line_of_a_file_is_named_but_comments_and_blank_lines_are_none() -> None:
    with pytest.raises(UsageError, match=r'Line 4 of /photos/\.risignore, "!"') as refused:
        Exclusions().with_file(["# mine", "", "*.png", "!"], prefix="", file="/photos/.risignore")
    assert is_one_sentence(str(refused.value))
