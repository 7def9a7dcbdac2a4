"""A published data set's folder, or a folder of one's own, turned into (path, labels) in a fixed
order; one file a layout.

Nothing is ever written here, and no picture is opened: whether a file can be read is for
the stage that decodes it.
"""

from app.layouts.caltech101 import Caltech101
from app.layouts.coco import Coco
from app.layouts.market1501 import Market1501
from app.layouts.own import Listed, OwnFolder
from app.layouts.picture import IMAGE_SUFFIXES, Layout, Picture
from app.layouts.published import ALIASES, DATA_SETS, open_data_set, open_folder
from app.layouts.tiny_imagenet import TinyImageNet
from app.layouts.voc2012 import Voc2012

__all__ = [
    "ALIASES",
    "DATA_SETS",
    "IMAGE_SUFFIXES",
    "Caltech101",
    "Coco",
    "Layout",
    "Listed",
    "Market1501",
    "OwnFolder",
    "Picture",
    "TinyImageNet",
    "Voc2012",
    "open_data_set",
    "open_folder",
]
