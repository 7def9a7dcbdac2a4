"""Pixels → what two pictures of the same have in common, however one of them was edited.

The only folder that names OpenCV.
"""

import cv2

from app.features.fit import Fit, fit
from app.features.local import of_gallery_picture, of_query, phash
from app.features.overlap import Overlap, coarse, compare

# Pictures are looked at in many threads already, and a team for each would be in their way.
cv2.setNumThreads(1)

__all__ = ["Fit", "Overlap", "coarse", "compare", "fit", "of_gallery_picture", "of_query", "phash"]
