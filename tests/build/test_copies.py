"""A gallery that finds copies keeps its images' local features through every change, and a stop."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.build.additions import NewImage
from app.build.build import BuildRequest
from app.build.layouts import check_as_built
from app.errors import UsageError
from app.features import of_gallery_picture
from app.gallery import Gallery, read_manifest
from app.images import decode
from app.values.features import comparable
from app.values.gallery import LOCAL_FEATURES, LOCAL_FILES, command_for
from tests.build.conftest import CountingRuntime, StoppedError, build_with, content
from tests.commands import Run, Site, sending, write_csv
from tests.conftest import PHOTOGRAPHS, Home, encoded, mean_colour

MODEL = ("--model", "mean_colour")

SIDE = mean_colour().decoded_side


def pieces() -> dict[str, bytes]:
    """Return the quarters of the photographs: files by their names."""
    files = {}
    for photograph in PHOTOGRAPHS:
        with Image.open(photograph) as opened:
            whole = opened.convert("RGB")
        width, height = whole.width // 2, whole.height // 2
        for number in range(4):
            x, y = number % 2 * width, number // 2 * height
            part = whole.crop((x, y, x + width, y + height)).resize((240, 180))
            files[f"{photograph.stem}_{number}.jpg"] = encoded(part, quality=92)
    return files


PIECES = pieces()
NAMES = sorted(PIECES)


def write(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(PIECES[name])
    return folder


@pytest.fixture
def own(home: Home) -> Home:
    """A home with "mine": the first 12 pieces, in a folder."""
    home.build(write(home.path / "pictures", NAMES[:12]), copies=True)
    return home


def without_digest(path: str) -> str:
    """Return a piece's name: those that are added one by one have a hash before theirs."""
    return next(name for name in NAMES if path.endswith(name))


def check(home: Home, names: list[str], name: str = "mine") -> Gallery:
    """Check that a gallery has these pieces, each known by its features, and no other."""
    gallery = Gallery(home.folders(name))
    try:
        ids = gallery.ids()
        records = gallery.images(ids.tolist())
        assert sorted(without_digest(record.path) for record in records) == sorted(names)
        assert gallery.has_local
        assert gallery.manifest.copies
        kept = gallery.local_features(ids)
        for record, (points, descriptors) in zip(records, kept, strict=True):
            pixels = decode.decode(PIECES[without_digest(record.path)], min_side=SIDE)
            expected = of_gallery_picture(pixels)
            np.testing.assert_array_equal(points, expected.points)
            assert record.id in gallery.phash_matches(expected.phash, 0, 9)
            alike = (descriptors * comparable(expected.descriptors)).sum(axis=1)
            assert (alike > 0.97).all(), record.path
            found = gallery.local_matches(comparable(expected.descriptors), 4)
            assert (found.images[:, 0] == record.id).sum() >= 0.9 * len(points)
            assert np.isin(found.images, [*ids, -1]).all()
            alike_ones = gallery.phash_matches(expected.phash, 64, 1000)
            assert sorted(alike_ones.tolist()) == ids.tolist()
            np.testing.assert_array_equal(gallery.phashes(alike_ones[:1]), [expected.phash])
    finally:
        gallery.close()
    return gallery


def test_a_build_keeps_the_features_of_every_image(own: Home) -> None:
    manifest = check(own, NAMES[:12]).manifest
    assert manifest.segments[0].files.keys() >= set(LOCAL_FILES)
    files = [manifest.segments[0].files[each].bytes for each in LOCAL_FILES]
    assert manifest.disk_bytes()[LOCAL_FEATURES] == sum(files)
    assert not manifest.disk_bytes().keys() & set(LOCAL_FILES)


def test_a_build_without_keeps_none_and_finds_none(home: Home) -> None:
    home.build(write(home.path / "pictures", NAMES[:5]))
    gallery = Gallery(home.folders("mine"))
    assert not gallery.has_local
    assert [len(points) for points, _ in gallery.local_features(gallery.ids())] == [0] * 5
    assert LOCAL_FEATURES not in gallery.manifest.disk_bytes()
    gallery.close()
    result = home.service().search("mine", PIECES[NAMES[0]])
    assert not result.sought


def test_an_update_extracts_those_of_new_pictures_and_forgets_those_of_gone_ones(own: Home) -> None:
    pictures = own.path / "pictures"
    write(pictures, NAMES[12:15])
    (pictures / NAMES[2]).unlink()
    (pictures / "moved").mkdir()
    (pictures / NAMES[3]).rename(pictures / "moved" / NAMES[3])
    (pictures / NAMES[4]).write_bytes(PIECES[NAMES[15]])  # another picture under a name
    (pictures / NAMES[4]).rename(pictures / NAMES[15])
    own.keeper().update("mine", on_progress=lambda *_: None)
    left = [name for name in NAMES[:16] if name not in (NAMES[2], NAMES[4])]
    check(own, left)


def test_what_is_added_is_known_and_what_is_removed_is_never_matched(own: Home) -> None:
    keeper = own.keeper()
    report = keeper.add("mine", [NewImage(name, PIECES[name]) for name in NAMES[12:14]])
    check(own, NAMES[:14])
    keeper.remove("mine", [str(report.public_ids[0]), "3"])
    left = [name for name in NAMES[:14] if name not in (NAMES[12], NAMES[3])]
    gallery = check(own, left)
    assert len(gallery.manifest.segments) == 2
    for name in (NAMES[12], NAMES[3]):
        hits = own.service().search("mine", PIECES[name]).hits
        assert not [hit for hit in hits if hit.match and hit.match.is_source]


def test_a_vector_that_is_added_has_no_features_and_harms_none(own: Home) -> None:
    vector = np.ones(48, np.float32)
    report = own.keeper().add("mine", [NewImage("a vector", vector=vector)])
    gallery = Gallery(own.folders("mine"))
    [(points, descriptors)] = gallery.local_features(np.array(report.public_ids))
    gallery.close()
    assert (len(points), descriptors.shape) == (0, (0, 128))
    assert own.service().search("mine", PIECES[NAMES[1]]).hits[0].image.path == NAMES[1]
    own.keeper().compact("mine")
    own.keeper().remove("mine", [str(report.public_ids[0])])
    check(own, NAMES[:12])


def test_a_compaction_folds_them_with_their_images(own: Home) -> None:
    keeper = own.keeper()
    for name in NAMES[12:15]:
        keeper.add("mine", [NewImage(name, PIECES[name])])
    keeper.remove("mine", ["5"])
    left = [name for name in NAMES[:15] if name != NAMES[5]]
    assert len(check(own, left).manifest.segments) == 4
    assert keeper.compact("mine")
    assert len(check(own, left).manifest.segments) == 1


@pytest.mark.parametrize("other_keeps", [True, False])
def test_a_merge_takes_those_that_the_other_gallery_has(own: Home, other_keeps: bool) -> None:
    own.build(write(own.path / "more", NAMES[10:16]), "more", copies=other_keeps)
    own.keeper().merge("mine", "more")
    if other_keeps:
        check(own, NAMES[:16])
        return
    gallery = Gallery(own.folders("mine"))
    counts = [len(points) for points, _ in gallery.local_features(gallery.ids())]
    gallery.close()
    assert all(counts[:12])
    assert counts[12:] == [0] * 4


def test_a_gallery_without_takes_none_from_another(home: Home) -> None:
    home.build(write(home.path / "pictures", NAMES[:6]))
    home.build(write(home.path / "more", NAMES[6:9]), "more", copies=True)
    home.keeper().merge("mine", "more")
    gallery = Gallery(home.folders("mine"))
    assert (gallery.rows, gallery.has_local, gallery.manifest.copies) == (9, False, False)
    gallery.close()


def test_a_rebuild_takes_what_is_known_with_its_features(own: Home) -> None:
    runtime = CountingRuntime()
    write(own.path / "pictures", NAMES[12:14])
    report = build_with(runtime, own, own.path / "pictures", copies=True)
    assert report.embedded == 2
    check(own, NAMES[:14])


def test_a_rebuild_that_finds_copies_reads_again_what_was_built_without(home: Home) -> None:
    images = write(home.path / "pictures", NAMES[:6])
    home.build(images)
    assert build_with(CountingRuntime(), home, images, copies=True).embedded == 6
    check(home, NAMES[:6])


# --- a stop and going on -------------------------------------------------------------------------


@pytest.mark.parametrize("fails_at", [1, 2])
def test_after_a_stop_it_goes_on_with_the_features_that_it_had(home: Home, fails_at: int) -> None:
    images = write(home.path / "pictures", NAMES)
    home.build(images, "whole", copies=True, index="IVF100,SQ8")
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(fails_at), home, images, copies=True)
    rest = CountingRuntime()
    build_with(rest, home, images, copies=True)
    assert rest.batches == 3 - fails_at
    check(home, NAMES)
    assert content(home).local == content(home, "whole").local


def test_what_was_embedded_without_is_not_gone_on_with(home: Home) -> None:
    images = write(home.path / "pictures", NAMES)
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(2), home, images)
    anew = CountingRuntime()
    build_with(anew, home, images, copies=True)
    assert anew.batches == 3
    check(home, NAMES)


# --- which galleries keep them -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "kept", "asked"), [((), True, None), (["--copies"], True, True)]
)
def test_own_folders_keep_them_unless_told_otherwise(
    run: Run, home: Home, option: list[str], kept: bool, asked: bool | None
) -> None:
    images = write(home.path / "pictures", NAMES[:5])
    assert run("--images", images, "--name", "mine", *MODEL, *option)[0] == 0
    manifest = read_manifest(home.folders("mine"))
    assert manifest.copies == kept
    assert manifest.request.get("copies") == asked
    check(home, NAMES[:5])


def test_no_copies_is_kept_by_the_command_that_builds_it_again(run: Run, home: Home) -> None:
    images = write(home.path / "pictures", NAMES[:5])
    assert run("--images", images, "--name", "mine", *MODEL, "--no-copies")[0] == 0
    manifest = read_manifest(home.folders("mine"))
    assert (manifest.copies, manifest.request["copies"]) == (False, False)
    assert "--no-copies" in shlex.split(manifest.command)
    assert command_for(manifest.request) == manifest.command
    words = shlex.split(manifest.command)[2:]
    assert run(*words, "--force")[0] == 0
    assert not read_manifest(home.folders("mine")).copies


@pytest.mark.parametrize(("option", "kept"), [([], False), (["--copies"], True)])
def test_a_list_keeps_them_where_it_is_told_to(
    run: Run, site: Site, home: Home, tmp_path: Path, option: list[str], kept: bool
) -> None:
    for name in NAMES[:5]:
        site.pages[f"/{name}"] = [sending(PIECES[name])]
    rows = [(name, f"{site.url}/{name}") for name in NAMES[:5]]
    file = write_csv(tmp_path / "items.csv", [("id", "url"), *rows[:4]])
    assert run("--csv", file, "--name", "shop", *MODEL, *option)[0] == 0
    write_csv(file, [("id", "url"), *rows])
    code, _, err = run("--csv", file, "--name", "shop", "--update", *option)
    assert code == 0, err
    manifest = read_manifest(home.folders("shop"))
    assert (manifest.images, manifest.copies) == (5, kept)
    gallery = Gallery(home.folders("shop"))
    features = gallery.local_features(gallery.ids())
    gallery.close()
    assert all(bool(len(points)) == kept for points, _ in features)


@pytest.mark.parametrize("copies", [True, False, None])
def test_the_request_of_a_data_set_keeps_what_was_asked(copies: bool | None) -> None:
    request = BuildRequest("caltech", None, None, "m", "Flat", None, force=False, copies=copies)
    assert request.kept().get("copies") is copies


@pytest.mark.parametrize(("built", "given"), [(True, False), (False, True)])
def test_an_update_with_the_other_option_is_refused(home: Home, built: bool, given: bool) -> None:
    home.build(write(home.path / "pictures", NAMES[:3]), copies=built)
    manifest = read_manifest(home.folders("mine"))
    check_as_built(manifest, {"copies": built})
    check_as_built(manifest, {"copies": None})
    with pytest.raises(UsageError, match="--copies"):
        check_as_built(manifest, {"copies": given})


def test_embeddings_come_without(run: Run, tmp_path: Path) -> None:
    code, _, err = run("--embeddings", tmp_path, "--name", "mine", "--copies")
    assert code == 2
    assert "--copies" in err
