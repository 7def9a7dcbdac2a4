"""Near duplicates of a gallery: groups, the best first, and what is decided to be none."""

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageFilter, ImageOps

from app.build.manage import rename_gallery
from app.errors import BusyError, GalleryError, NotFoundError, UsageError
from app.gallery import Gallery, content_of, forget_apart, keep_apart, read_apart
from app.search.duplicates import Duplicates, Group, find_duplicates, kinds_of
from app.values import EDITED_COPY, SAME_FILE, SAME_PICTURE
from tests.conftest import PHOTOGRAPHS, Home, encoded, fill

RANDOM = 20


def cut(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 5, height // 10, 4 * width // 5, 7 * height // 10))


EDITS: dict[str, tuple[Callable[[Image.Image], Image.Image], str, str]] = {
    "half": (lambda image: image.resize((image.width // 2, image.height // 2)), SAME_PICTURE, ""),
    "crop": (cut, EDITED_COPY, "cropped to 3"),
    "mirror": (ImageOps.mirror, EDITED_COPY, "mirrored"),
    "turn": (lambda image: image.rotate(-90, expand=True), EDITED_COPY, "turned by 90° right"),
    "blur": (lambda image: image.filter(ImageFilter.GaussianBlur(3)), SAME_PICTURE, ""),
    "grey": (ImageOps.grayscale, EDITED_COPY, "in grey"),
}


def photograph(name: str) -> Image.Image:
    return Image.open(next(path for path in PHOTOGRAPHS if path.stem == name)).convert("RGB")


def write_edits(folder: Path) -> Path:
    """Write all photographs, edits of two, a copy of one, and soft random pictures."""
    fill(folder, RANDOM)
    for path in PHOTOGRAPHS:
        shutil.copy(path, folder / path.name)
    for name in ("astronaut", "coffee"):
        for edit, (change, _, _) in EDITS.items():
            data = encoded(change(photograph(name)), quality=80)
            (folder / f"{name}_{edit}.jpg").write_bytes(data)
    shutil.copy(folder / "chelsea.jpg", folder / "again.jpg")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of the gallery "mine", which keeps local features, and "plain", which keeps none."""
    home = Home(tmp_path_factory.mktemp("duplicates"))
    folder = write_edits(home.path / "pictures")
    home.build(folder, "mine", copies=True)
    home.build(folder, "plain", copies=False)
    return home


@pytest.fixture(scope="module")
def found(made: Home):
    return find_duplicates(opened(made))


@pytest.fixture
def copied(made: Home, home: Home) -> Home:
    """A copy of that home, to be changed."""
    for name in ("features", "indexes", "pictures"):
        shutil.copytree(made.path / name, home.path / name)
    return home


def opened(home: Home, name: str = "mine") -> Gallery:
    return Gallery(home.folders(name))


def of(duplicates: Duplicates, path: str) -> Group:
    """Return the group that an image is in."""
    (group,) = [group for group in duplicates if path in paths(group)]
    return group


def paths(group: Group) -> list[str]:
    return [group.best.path, *(each.image.path for each in group.others)]


def test_all_edits_of_a_photograph_are_one_group_with_the_reason_of_each(found):
    duplicates = found.duplicates()
    assert len(duplicates.groups) == 3
    for name in ("astronaut", "coffee"):
        group = of(duplicates, f"{name}.jpg")
        assert set(paths(group)) == {f"{name}.jpg", *(f"{name}_{edit}.jpg" for edit in EDITS)}
        by_path = {each.image.path: each for each in group.others}
        for edit, (_, kind, reason) in EDITS.items():
            other = by_path[f"{name}_{edit}.jpg"]
            assert (other.match.kind, other.of) == (kind, group.best), edit
            assert other.match.reason.startswith(reason), edit
            assert bool(reason) == bool(other.match.reason), edit
            assert 0.5 < other.match.score <= 1
    assert {path for group in duplicates for path in paths(group)}.isdisjoint(
        {f"kind_{seed % 5}/{seed:05}.jpg" for seed in range(RANDOM)}
    )


def test_a_crop_says_which_part_of_the_best_it_is(found):
    group = of(found.duplicates(), "coffee.jpg")
    (match,) = [each.match for each in group.others if each.image.path == "coffee_crop.jpg"]
    assert match.of_query == pytest.approx(1, abs=0.05)
    assert match.of_image == pytest.approx(0.36, abs=0.03)
    left, top = match.in_image[0]
    assert (left, top) == (pytest.approx(0.2, abs=0.03), pytest.approx(0.1, abs=0.03))


def test_the_same_file_is_a_group_of_its_own_kind(found):
    group = of(found.duplicates(), "again.jpg")
    assert sorted(paths(group)) == ["again.jpg", "chelsea.jpg"]
    assert (group.kind, group.others[0].match.kind) == (SAME_FILE, SAME_FILE)


def test_the_surest_groups_and_images_come_first(found):
    duplicates = found.duplicates()
    assert [group.kind for group in duplicates] == [SAME_FILE, EDITED_COPY, EDITED_COPY]
    kinds = [each.match.kind for each in duplicates.groups[1].others]
    assert kinds == sorted(kinds, key=(SAME_PICTURE, EDITED_COPY).index)


@pytest.mark.parametrize(
    ("asked", "best_of_coffee", "count"),
    [
        ((), "coffee.jpg", 7),
        (("same-file",), None, 0),
        (("same picture",), "coffee.jpg", 3),
        (("edited-copy",), "coffee.jpg", 5),
    ],
)
def test_only_the_kinds_that_are_asked_for_make_groups(found, asked, best_of_coffee, count):
    duplicates = found.duplicates(asked)
    groups = [group for group in duplicates if group.best.path == best_of_coffee]
    assert [len(paths(group)) for group in groups] == ([count] if count else [])
    assert {each.match.kind for each in duplicates.others} <= set(kinds_of(asked))


def test_an_unknown_kind_is_refused_with_those_that_there_are():
    with pytest.raises(UsageError, match="same-file, same-picture, edited-copy"):
        kinds_of(["similar"])


def test_without_local_features_whole_pictures_are_found(made):
    duplicates = find_duplicates(opened(made, "plain")).duplicates()
    for name in ("astronaut", "coffee"):
        group = of(duplicates, f"{name}.jpg")
        assert {f"{name}_half.jpg", f"{name}_blur.jpg"} <= set(paths(group))
        assert f"{name}_crop.jpg" not in paths(group)
        assert all(Path(path).stem.split("_")[0] == name for path in paths(group))
    assert sorted(paths(of(duplicates, "again.jpg"))) == ["again.jpg", "chelsea.jpg"]


def test_without_the_vectors_votes_of_features_are_enough(copied):
    copied.build(copied.path / "pictures", "coded", copies=True, index="SQ8")
    shutil.rmtree(copied.path / "features")
    duplicates = find_duplicates(opened(copied, "coded")).duplicates()
    assert {"coffee.jpg", "coffee_crop.jpg", "coffee_half.jpg"} <= set(
        paths(of(duplicates, "coffee.jpg"))
    )


# --- the best ------------------------------------------------------------------------------------


def build_of(home: Home, pictures: dict[str, bytes]) -> Gallery:
    folder = home.path / "few"
    folder.mkdir(parents=True)
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    home.build(folder, "few", copies=True)
    return opened(home, "few")


def test_the_most_pixels_are_best_then_the_most_bytes(home):
    image = photograph("coffee")
    small = image.resize((image.width // 2, image.height // 2))
    gallery = build_of(
        home,
        {
            "a_small.jpg": encoded(small, quality=100),
            "b_coarse.jpg": encoded(image, quality=60),
            "c_fine.jpg": encoded(image, quality=90),
        },
    )
    (group,) = find_duplicates(gallery).duplicates()
    assert group.best.path == "c_fine.jpg"


def test_of_equal_files_the_oldest_is_best_then_the_first_by_path(home):
    data = encoded(photograph("coffee"))
    folder = home.path / "few"
    folder.mkdir(parents=True)
    for name, seconds in (("a.jpg", 2_000), ("c.jpg", 1_000), ("b.jpg", 1_000)):
        (folder / name).write_bytes(data)
        os.utime(folder / name, (seconds, seconds))
    home.build(folder, "few", copies=True)
    (group,) = find_duplicates(opened(home, "few")).duplicates()
    assert paths(group) == ["b.jpg", "c.jpg", "a.jpg"]


def test_an_image_may_come_in_through_another(found):
    """One that is no pair with the best names the member that it is a pair with."""
    best, middle, last = (
        next(record.id for record in found.records.values() if record.path == path)
        for path in ("coffee.jpg", "coffee_half.jpg", "coffee_crop.jpg")
    )
    kept = {(middle, best): found.matches[middle, best]}
    kept[last, middle] = replace(found.matches[last, best], score=0.4)
    (group,) = replace(found, matches=kept).duplicates([EDITED_COPY, SAME_PICTURE])
    assert [(each.image.id, each.of.id) for each in group.others] == [
        (middle, best),
        (last, middle),
    ]
    kept = {(middle, best): found.matches[middle, best], (middle, last): kept[last, middle]}
    (group,) = replace(found, matches=kept).duplicates([EDITED_COPY, SAME_PICTURE])
    turned = group.others[-1].match
    assert turned.reason.startswith("the other way round")
    assert turned.of_query == kept[middle, last].of_image


# --- decisions -----------------------------------------------------------------------------------


def contents(home: Home, *asked: str) -> list[str]:
    gallery = opened(home)
    by_path = {each.path: each for each in gallery.images(gallery.ids().tolist())}
    return [content_of(by_path[path]) for path in asked]


def test_two_that_are_apart_are_never_in_one_group_not_even_through_others(copied, found):
    folders = copied.folders("mine")
    assert keep_apart(folders, contents(copied, "coffee.jpg", "coffee_half.jpg")) == 1
    duplicates = found.duplicates((), read_apart(folders))
    assert duplicates.apart == 1
    for group in duplicates:
        assert not {"coffee.jpg", "coffee_half.jpg"} <= set(paths(group))
    grouped = {path for group in duplicates for path in paths(group)}
    assert {f"coffee_{edit}.jpg" for edit in EDITS if edit != "half"} <= grouped


def test_forgetting_undoes_it(copied, found):
    folders = copied.folders("mine")
    some = contents(copied, "coffee.jpg", "coffee_half.jpg", "coffee_crop.jpg")
    assert keep_apart(folders, some) == 3
    assert keep_apart(folders, some) == 0
    assert forget_apart(folders, some[:2]) == 1
    assert len(read_apart(folders)) == 2
    assert forget_apart(folders, some) == 2
    assert found.duplicates((), read_apart(folders)) == found.duplicates()


def test_decisions_outlive_updates_rebuilds_and_a_new_name(copied):
    folders = copied.folders("mine")
    keep_apart(folders, contents(copied, "coffee.jpg", "coffee_half.jpg"))
    before = read_apart(folders)
    pictures = copied.path / "pictures"
    shutil.move(pictures / "coffee.jpg", pictures / "zz.jpg")  # which another id may go to
    copied.build(pictures, "mine", copies=True)
    assert read_apart(folders) == before
    rename_gallery(
        "mine",
        "new",
        features_dir=copied.path / "features",
        indexes_dir=copied.path / "indexes",
    )
    assert read_apart(copied.folders("new")) == before
    gallery = opened(copied, "new")
    for group in find_duplicates(gallery).duplicates((), read_apart(gallery.folders)):
        assert not {"zz.jpg", "coffee_half.jpg"} <= set(paths(group))


def test_the_keeper_takes_ids_and_refuses_what_is_no_decision(copied):
    keeper = copied.keeper()
    by_path = {each.path: str(each.id) for each in opened(copied).images(opened(copied).ids())}
    coffee, chelsea, again = (by_path[f"{each}.jpg"] for each in ("coffee", "chelsea", "again"))
    assert keeper.keep_apart("mine", [coffee, chelsea]) == 1
    assert keeper.forget_apart("mine", [coffee, chelsea]) == 1
    with pytest.raises(UsageError, match="two images or more, not 1"):
        keeper.keep_apart("mine", [coffee, coffee])
    with pytest.raises(UsageError, match=r"again\.jpg .* same file|same file"):
        keeper.keep_apart("mine", [chelsea, again])
    with pytest.raises(NotFoundError, match="9999"):
        keeper.keep_apart("mine", [coffee, "9999"])
    assert not read_apart(copied.folders("mine"))


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2, "apart": []}', '{"format": 1}'])
def test_a_damaged_file_of_decisions_is_named(copied, text):
    file = copied.folders("mine").indexes / "apart.json"
    file.write_text(text)
    with pytest.raises(GalleryError, match=r"apart\.json"):
        read_apart(copied.folders("mine"))
    assert file.read_text() == text


def test_decisions_are_kept_in_order_by_content(copied):
    some = contents(copied, "coffee.jpg", "astronaut.jpg")
    keep_apart(copied.folders("mine"), some)
    kept = json.loads((copied.folders("mine").indexes / "apart.json").read_text())
    assert kept == {"format": 1, "apart": [sorted(some)]}


# --- nothing to find, nothing deleted ------------------------------------------------------------


def test_a_gallery_of_one_image_has_no_duplicates(home):
    found = find_duplicates(build_of(home, {"a.jpg": encoded(photograph("coffee"))}))
    assert found.duplicates().groups == ()
    assert (found.images, found.compared) == (1, 0)


def test_nothing_is_deleted_or_changed(copied):
    def files() -> dict[Path, tuple[int, int]]:
        kept = (path for path in copied.path.rglob("*") if path.is_file())
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in kept}

    before = files()
    assert copied.service().duplicates("mine").groups
    assert files() == before


def test_progress_is_reported_and_what_it_raises_ends_the_search(made):
    seen = []
    find_duplicates(opened(made), lambda stage, done, total: seen.append((stage, done, total)))
    assert list(dict.fromkeys(stage for stage, _, _ in seen)) == ["near", "vote", "pairs"]
    for stage in ("near", "vote", "pairs"):
        done, total = [each[1:] for each in seen if each[0] == stage][-1]
        assert done == total > 0

    class Stop(Exception):  # noqa: N818
        pass

    def stop(stage: str, done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        find_duplicates(opened(made), stop)


# --- the service ---------------------------------------------------------------------------------


def finished(service, name="mine"):
    while service.duplicates_progress(name)[0].state == "running":
        pass
    return service.duplicates_progress(name)


def test_in_the_background_the_same_is_found(copied):
    service = copied.service()
    assert service.duplicates_progress("mine")[0].state == "idle"
    assert service.start_duplicates("mine").state == "running"
    progress, duplicates = finished(service)
    assert (progress.state, progress.message) == ("done", "")
    expected = service.duplicates("mine")
    assert duplicates.groups == expected.groups
    assert not duplicates.outdated
    keep_apart(copied.folders("mine"), contents(copied, "coffee.jpg", "coffee_half.jpg"))
    _, duplicates = service.duplicates_progress("mine")
    assert duplicates.apart == 1
    assert duplicates.groups != expected.groups
    copied.keeper().remove("mine", paths=["again.jpg"])
    assert service.duplicates_progress("mine")[1].outdated


def test_one_search_runs_at_a_time_and_ends_with_the_service(copied, monkeypatch):
    import threading

    began, goes_on = threading.Event(), threading.Event()

    def waiting(stored, on_progress):
        began.set()
        goes_on.wait(60)
        on_progress("near", 0, 1)

    monkeypatch.setattr("app.search.service.find_duplicates", waiting)
    service = copied.service()
    service.start_duplicates("mine")
    assert began.wait(60)
    with pytest.raises(BusyError):
        service.start_duplicates("plain")
    closing = threading.Thread(target=service.close)
    closing.start()
    goes_on.set()
    closing.join(60)
    assert service.duplicates_progress("mine")[0].state == "stopped"


def test_a_search_is_stopped_and_what_was_found_before_stays(copied, monkeypatch):
    import threading

    service = copied.service()
    service.start_duplicates("mine")
    _, before = finished(service)
    other_stopped, goes_on, stopped = threading.Event(), threading.Event(), threading.Event()

    def waiting(stored, on_progress):
        assert other_stopped.wait(60)
        on_progress("near", 0, 1)
        goes_on.set()
        assert stopped.wait(60)
        on_progress("near", 1, 1)
        raise AssertionError("it was not stopped")

    monkeypatch.setattr("app.search.service.find_duplicates", waiting)
    service.start_duplicates("mine")
    assert service.stop_duplicates("plain").state == "idle"
    other_stopped.set()
    assert goes_on.wait(10), "it was stopped with another gallery's"
    assert service.finding_progress("mine").state == "running"
    service.stop_duplicates("mine")
    stopped.set()
    progress, found = finished(service)
    assert (progress.state, found) == ("stopped", before)


def test_a_files_date_is_known_where_the_gallery_has_seen_it(found, made):
    of_file = {record.path: found.changed(image) for image, record in found.records.items()}
    for path, changed in of_file.items():
        file = made.path / "pictures" / path
        assert changed == pytest.approx(file.stat().st_mtime)
    image = next(iter(found.order))
    pixels, size, _, *place = found.order[image]
    unseen = replace(found, order={image: (pixels, size, math.inf, *place)})
    assert unseen.changed(image) == 0


@pytest.mark.parametrize("error", [GalleryError("It is damaged."), ValueError("a mistake")])
def test_a_search_that_fails_says_why(copied, monkeypatch, error):
    def failing(stored, on_progress):
        raise error

    monkeypatch.setattr("app.search.service.find_duplicates", failing)
    service = copied.service()
    service.start_duplicates("mine")
    progress, duplicates = finished(service)
    assert (progress.state, duplicates) == ("failed", None)
    assert "damaged" in progress.message or "mistake in this program" in progress.message


def test_an_unknown_gallery_is_refused(made):
    service = made.service()
    for ask in (service.duplicates, service.start_duplicates, service.duplicates_progress):
        with pytest.raises(NotFoundError, match="mine"):
            ask("nothing")
