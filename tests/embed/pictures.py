"""The example photographs as pixels."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import PHOTOGRAPHS


def pixels(image: Image.Image | Path) -> NDArray[np.uint8]:
    loaded = Image.open(image) if isinstance(image, Path) else image
    return np.asarray(loaded.convert("RGB"))


PICTURES = [pixels(path) for path in PHOTOGRAPHS]
