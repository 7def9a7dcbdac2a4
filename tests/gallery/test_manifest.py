"""A manifest is read as it was written; a damaged or newer one, and a bad name, is refused."""

import dataclasses
import json
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import GalleryError, UsageError
from app.gallery import (
    Draft,
    Folders,
    gallery_names,
    manifest_from_json,
    manifest_to_json,
    recipe_of,
)
from app.values.gallery import command_for
from tests.gallery.format_1 import rewrite_as_format_1, values_of_format_1
from tests.gallery.sealing import sealed

read_manifest = partial(manifest_from_json, place=Path("manifest.json"), mend="Build it anew.")


# Names


@pytest.mark.parametrize(
    "name", ["../x", "", ".hidden", "..", "a/b", "a\\b", "with space", "ä", "a\0", "/etc", "a\n"]
)
def test_a_name_that_is_no_plain_file_name_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="letters, digits"):
        Folders.of(name, tmp_path / "features", tmp_path / "indexes")


@pytest.mark.parametrize("name", ["caltech101-efficientnet_lite0", "My.cats-2", "_", "-"])
def test_a_plain_name_is_a_folder_below_both(tmp_path, name):
    folders = Folders.of(name, tmp_path / "features", tmp_path / "indexes")
    assert folders == Folders(tmp_path / "features" / name, tmp_path / "indexes" / name)


def test_only_galleries_are_listed(galleries):
    indexes = galleries.path / "indexes"
    for other in (".hidden", "with space", "empty", "notice"):
        (indexes / other).mkdir()
        for manifest in ("gallery.db", "manifest.json"):
            (indexes / other / manifest).write_bytes(b"")
    for nothing in ("empty", "notice"):
        for manifest in ("gallery.db", "manifest.json"):
            (indexes / nothing / manifest).unlink()
    (indexes / "notice" / "NOTICE").write_text("of pictures yet to come")
    (indexes / "README.md").write_text("the format")
    draft = Draft(galleries.folders("draft"), recipe="one", dim=48)
    assert gallery_names(indexes) == ["mine", "yours"]
    draft.close()
    (indexes / "mine" / "manifest.json").unlink()
    assert gallery_names(indexes) == ["mine", "yours"], "a damaged gallery is one"


def test_a_gallery_of_format_1_is_listed_damaged_too(galleries):
    indexes = galleries.path / "indexes"
    rewrite_as_format_1(galleries.folders("mine"))
    assert gallery_names(indexes) == ["mine", "yours"]
    (indexes / "mine" / "gallery.db").unlink()
    assert gallery_names(indexes) == ["mine", "yours"]


def test_without_the_folder_there_is_no_gallery(tmp_path):
    assert gallery_names(tmp_path / "missing") == []


# The manifest


def test_a_manifest_is_the_same_after_it_was_written_and_read(original, open_gallery):
    manifest = open_gallery(original).manifest
    assert read_manifest(manifest_to_json(manifest)) == manifest
    noted = dataclasses.replace(manifest, notes=("a", "b"), preprocessing={"mean": [1.5]})
    assert read_manifest(manifest_to_json(noted)) == noted


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format": 3}, "format 3"),
        ({"format": 3, "segments": {"in": "another form"}}, "format 3"),
        ({"of_tomorrow": 5}, "of_tomorrow"),
    ],
)
def test_a_manifest_of_a_newer_version_is_no_damage(original, open_gallery, change, named):
    values = json.loads(manifest_to_json(open_gallery(original).manifest))
    with pytest.raises(GalleryError, match="newer version") as refused:
        read_manifest(sealed(values | change))
    assert named in str(refused.value)
    assert "Build it anew" not in str(refused.value)


def test_a_segment_with_a_key_of_a_newer_version_is_no_damage(original, open_gallery):
    values = json.loads(manifest_to_json(open_gallery(original).manifest))
    values["segments"][0]["of_tomorrow"] = 5
    with pytest.raises(GalleryError, match=r"newer version.*of_tomorrow"):
        read_manifest(sealed(values))


@pytest.mark.parametrize(
    "change",
    [
        *({"format": 0}, {"format": "1"}, {"format": "2"}, {"format": None}, {"format": True}),
        *({"files": []}, {"notes": 1}, {"segments": 1}, {"segments": [1]}, {"sources": None}),
    ],
)
def test_a_manifest_with_a_value_that_no_version_writes_is_damaged(original, open_gallery, change):
    values = json.loads(manifest_to_json(open_gallery(original).manifest))
    with pytest.raises(GalleryError, match="Build it anew"):
        read_manifest(sealed(values | change))


@pytest.mark.parametrize(
    "key", ["images", "recall_raw", "weights_sha256", "files", "segments", "next_id", "format"]
)
def test_a_manifest_without_what_every_gallery_has_is_damaged(original, open_gallery, key):
    values = json.loads(manifest_to_json(open_gallery(original).manifest))
    del values[key]
    with pytest.raises(GalleryError, match="Build it anew"):
        read_manifest(sealed(values))


@pytest.mark.parametrize("change", [{"images": 79}, {"seal": "0" * 64}, {"seal": None}])
def test_a_manifest_that_its_seal_does_not_fit_is_damaged(original, open_gallery, change):
    values = json.loads(manifest_to_json(open_gallery(original).manifest))
    with pytest.raises(GalleryError, match="Build it anew"):
        read_manifest(json.dumps(values | change))


# Format 1


def test_a_manifest_of_format_1_is_read_as_one_segment(galleries, open_gallery):
    now = open_gallery(galleries).manifest
    rewrite_as_format_1(galleries.folders("mine"))
    old = open_gallery(galleries).manifest
    [segment], [new_segment] = old.segments, now.segments
    files = {kind: file for kind, file in new_segment.files.items() if kind != "items"}
    assert segment == dataclasses.replace(new_segment, name="", files=files)
    assert old == dataclasses.replace(now, segments=(segment,), files={})


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"data": "caltech101", "model": "efficientnet_lite0", "index": "IVF100,PQ8"},
        {"images": "/my pictures", "name": "mine", "model": "resnet50.gem", "limit": 7},
        {"csv": "/a.csv", "name": "a", "pca": 64, "expand": 3, "alpha": 2.5, "delimiter": ";"}
        | {"label_column": ["kind", "it's"]},
    ],
)
def test_the_request_of_an_old_gallery_is_read_from_its_command_line(
    galleries, open_gallery, asked
):
    rewrite_as_format_1(galleries.folders("mine"))
    manifest = open_gallery(galleries).manifest
    values = values_of_format_1(galleries.folders("mine"))
    del values["request"]
    old = read_manifest(json.dumps(values | {"command": command_for(asked)}))
    assert old == dataclasses.replace(manifest, request=asked)
    assert old.command == command_for(asked)


@pytest.mark.parametrize("change", [{"format": 0}, {"files": []}, {"notes": 1}])
def test_a_manifest_of_format_1_with_a_value_that_no_version_writes_is_damaged(galleries, change):
    rewrite_as_format_1(galleries.folders("mine"))
    values = values_of_format_1(galleries.folders("mine"))
    with pytest.raises(GalleryError, match="Build it anew"):
        read_manifest(json.dumps(values | change))


@given(
    st.one_of(
        st.text(),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(json.dumps),
        st.dictionaries(st.sampled_from(["format", "files", "notes", "name", "x"]), st.just(1)).map(
            json.dumps
        ),
    )
)
def test_what_is_no_manifest_is_refused_and_nothing_else_happens(text):
    with pytest.raises(GalleryError):
        read_manifest(text)


def test_a_recipe_depends_on_the_order_and_kind_of_its_parts():
    recipes = {
        recipe_of(parts)
        for parts in ([], ["a"], ["a", "b"], ["b", "a"], ["ab"], [1], ["1"], ["a\nb"], [("a",)])
    }
    assert len(recipes) == 9
    assert recipe_of(["a", 1]) == recipe_of(["a", 1])
