"""A gallery's facts are its manifest's; a request has no option that the command line lacks."""

import copy
import pickle
from pathlib import Path

import pytest

from app.values.gallery import GalleryFacts, GalleryInfo, request_of
from tests.conftest import Home, fill


def test_a_request_with_an_option_that_the_command_line_lacks_is_a_mistake():
    with pytest.raises(TypeError, match="colour"):
        request_of(images=Path("/a"), colour="red")


def test_the_facts_of_a_gallery_are_its_manifests(home: Home):
    home.build(fill(home.path / "pictures", 12), "mine")
    info = home.service().gallery("mine")
    assert info.manifest is not None
    assert {name: getattr(info, name) for name in GalleryFacts.__dataclass_fields__} == {
        name: getattr(info.manifest, name) for name in GalleryFacts.__dataclass_fields__
    }
    assert info.images == 12
    assert copy.copy(info) == info == pickle.loads(pickle.dumps(info))
    with pytest.raises(AttributeError, match="imagez"):
        info.imagez  # noqa: B018
    refused = GalleryInfo("gone", refused="It is damaged.")
    assert (refused.images, refused.model, refused.floor, refused.notes) == (0, "", None, ())
