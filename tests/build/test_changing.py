"""Updates and additions as jobs of the page: watched, cancelled, resumed, one at a time."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.build.changing import Addition, Update
from app.build.jobs import GalleryMaker, Progress
from app.build.keeper import GalleryKeeper
from app.build.update import UpdateReport, update_gallery
from app.errors import NotFoundError, UsageError
from app.gallery import Gallery
from tests.build.workshop import WAIT_SECONDS, Gate, gated
from tests.conftest import Home, encoded, fill, is_one_sentence, mean_colour, picture


class Studio:
    """A gallery "mine" of 30 pictures, and a maker whose embedder waits at a gate."""

    def __init__(self, home: Home, pictures: Path) -> None:
        self.home = home
        self.pictures = fill(pictures, 30)
        self.arrived = home.path / "arrived"
        self.arrived.mkdir(parents=True)
        home.build(self.pictures)
        self.gate = Gate(1)
        folders = {
            "datasets_dir": home.path / "datasets",
            "features_dir": home.path / "features",
            "indexes_dir": home.path / "indexes",
        }
        embedder = gated(self.gate)
        update = partial(
            update_gallery,
            **folders,
            load_embedder=lambda name, **_: embedder,
            open_list=lambda request: pytest.fail("there is no list"),
            workers=1,
        )
        self.keeper = GalleryKeeper(
            **folders, load_embedder=lambda name, **_: mean_colour(), update=update
        )
        self.maker = GalleryMaker(
            lambda *arguments, **options: pytest.fail("it builds"),
            uploaded_dir=home.path / "datasets" / "uploaded",
            features_dir=home.path / "features",
            indexes_dir=home.path / "indexes",
            keeper=self.keeper,
        )

    def upload(self, count: int, first: int = 500) -> tuple[tuple[Path, str], ...]:
        files = []
        for number in range(first, first + count):
            file = self.arrived / f"upload-{number}"
            file.write_bytes(encoded(picture(number)))
            files.append((file, f"{number}.jpg"))
        return tuple(files)

    def update(self, name: str = "mine") -> None:
        self.maker.start_change(Update(self.keeper, name))

    def end(self) -> Progress:
        self.maker.wait(WAIT_SECONDS)
        assert self.maker.progress().state != "running"
        return self.maker.progress()

    def images(self) -> int:
        gallery = Gallery(self.home.folders("mine"))
        try:
            return gallery.rows
        finally:
            gallery.close()


@pytest.fixture
def studio(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setattr("app.build.embedding.PROGRESS_EVERY_SECONDS", 0)
    made = Studio(home, tmp_path / "pictures")
    yield made
    made.gate.open.set()
    made.maker.close()


def test_an_update_is_cancelled_and_resumed_and_embeds_nothing_twice(studio: Studio) -> None:
    fill(studio.pictures, 5 * studio.gate.batch, first=100)
    studio.update()
    assert studio.gate.reached.wait(WAIT_SECONDS)
    assert studio.maker.progress().kind == "update"
    studio.maker.cancel()
    studio.gate.open.set()

    ended = studio.end()

    assert (ended.state, ended.can_go_on) == ("stopped", True)
    assert "the gallery is as it was" in ended.message
    assert studio.images() == 30
    studio.maker.go_on()
    ended = studio.end()
    assert (ended.state, ended.kind) == ("done", "update")
    assert isinstance(ended.report, UpdateReport)
    assert ended.report.added == 5 * studio.gate.batch
    assert ended.report.embedded < 5 * studio.gate.batch


def test_while_a_gallery_is_updated_nothing_else_of_it_is_changed(
    studio: Studio, home: Home
) -> None:
    home.build(studio.pictures, "other")
    fill(studio.pictures, 2 * studio.gate.batch, first=100)
    studio.update()
    assert studio.gate.reached.wait(WAIT_SECONDS)
    for attempt in (
        studio.update,
        lambda: studio.maker.check_change("mine"),
        lambda: studio.maker.start_change(Addition(studio.keeper, "other", studio.upload(1))),
    ):
        with pytest.raises(UsageError, match="mine is being updated just now") as refused:
            attempt()
        assert is_one_sentence(str(refused.value))
    studio.maker.check_change("other")
    studio.maker.forget("mine")
    assert studio.maker.progress().state == "running"
    with pytest.raises(NotFoundError, match="'nobody'"):
        studio.maker.check_change("nobody")


def test_a_cancelled_addition_keeps_what_was_added_and_no_upload(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.build.changing._FILES_AT_ONCE", 2)
    add = studio.keeper.add

    def add_and_cancel(*arguments: object) -> object:
        report = add(*arguments)  # type: ignore[arg-type]
        studio.maker.cancel()
        return report

    monkeypatch.setattr(studio.keeper, "add", add_and_cancel)
    studio.maker.start_change(Addition(studio.keeper, "mine", studio.upload(6)))

    ended = studio.end()

    assert (ended.state, ended.kind, ended.can_go_on) == ("stopped", "add", False)
    assert studio.images() == 32
    assert list(studio.arrived.iterdir()) == []


def test_a_mistake_in_a_change_is_reported_as_such(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: object, **options: object) -> UpdateReport:
        raise RuntimeError("oh")

    monkeypatch.setattr(studio.keeper, "update", broken)
    studio.update()
    ended = studio.end()
    assert (ended.state, ended.kind) == ("failed", "update")
    assert "could not be changed because of a mistake" in ended.message
    assert "oh" in caplog.text


def test_uploads_that_vanish_are_named_and_the_gallery_stays(studio: Studio) -> None:
    files = studio.upload(2)
    files[1][0].unlink()
    studio.maker.start_change(Addition(studio.keeper, "mine", files))
    ended = studio.end()
    assert ended.state == "failed"
    assert "choose them again" in ended.message
    assert studio.images() == 30
