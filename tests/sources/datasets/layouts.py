"""Folders laid out as Market-1501 and tiny-ImageNet-200 are published."""

from pathlib import Path

from tests.sources.files import put

MARKET = (
    "bounding_box_test/-1_c1s1_000401_03.jpg",
    "bounding_box_test/0000_c3s1_000151_01.jpg",
    "bounding_box_test/0002_c1s1_000451_03.jpg",
    "query/0002_c2s1_000776_00.jpg",
)


def make_market(home: Path, *more: str) -> None:
    put(home, *MARKET, *more, "bounding_box_train/0007_c3s3_077419_03.jpg")
    put(home, "bounding_box_test/Thumbs.db", "gt_bbox/0002_c1s1_000451_00.jpg", "readme.txt")
    put(home, "gt_query/0002_c2s1_000776_00_good.mat")


def make_tiny(home: Path) -> Path:
    put(home, "train/n02123045/images/n02123045_0.JPEG", "train/n02123045/images/n02123045_10.JPEG")
    put(home, "train/n03126707/images/n03126707_0.JPEG", "train/n02012849/images/n02012849_0.JPEG")
    put(home, "train/n02123045/n02123045_boxes.txt", "wnids.txt", "test/images/test_0.JPEG")
    put(home, "val/images/val_0.JPEG", "val/val_annotations.txt")
    words = home / "words.txt"
    words.write_text(
        "n00001740\tentity\nn02012849\tcrane\nn02123045\ttabby, tabby cat\nn03126707\tcrane\n"
    )
    return words
