"""tiny-ImageNet-200 gives its pictures in a fixed order, labelled by name."""

import pytest

from app.errors import DatasetError
from app.sources.datasets.register import open_data_set
from app.sources.picture import Picture
from tests.sources.datasets.layouts import make_tiny
from tests.sources.files import put


@pytest.mark.parametrize("inside", ["tiny-imagenet-200", "."])
def test_tiny_imagenet_is_labelled_by_the_first_name_of_each_class(tmp_path, inside):
    make_tiny(tmp_path / "tiny_imagenet" / inside)

    layout = open_data_set("tiny_imagenet", tmp_path)

    assert layout.name == "tiny_imagenet"
    assert layout.pictures() == [
        Picture("n02012849/images/n02012849_0.JPEG", ("crane (n02012849)",)),
        Picture("n02123045/images/n02123045_0.JPEG", ("tabby",)),
        Picture("n02123045/images/n02123045_10.JPEG", ("tabby",)),
        Picture("n03126707/images/n03126707_0.JPEG", ("crane (n03126707)",)),
    ]
    assert all((layout.folder / picture.path).is_file() for picture in layout.pictures())


def test_the_missing_words_of_tiny_imagenet_are_named(tmp_path):
    make_tiny(tmp_path / "tiny_imagenet").unlink()
    with pytest.raises(DatasetError, match=r"words\.txt is missing.*sh tiny"):
        open_data_set("tiny_imagenet", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"n02123045 tabby\n", b"n0\tentity\n"])
def test_broken_words_of_tiny_imagenet_are_named(tmp_path, content):
    make_tiny(tmp_path / "tiny_imagenet").write_bytes(content)
    with pytest.raises(DatasetError, match=r"words\.txt is not the published file"):
        open_data_set("tiny_imagenet", tmp_path).pictures()


@pytest.mark.parametrize("wrong", ["train/n02123045/n02123045_0.JPEG", "n02123045/images/a.JPEG"])
def test_tiny_imagenet_without_images_is_refused(tmp_path, wrong):
    put(tmp_path / "tiny_imagenet" / "tiny-imagenet-200", wrong, "words.txt")
    with pytest.raises(DatasetError, match=r"train/n01443537/images/\*\.JPEG.*sh tiny"):
        open_data_set("tiny_imagenet", tmp_path)
