"""A gallery of Market-1501 → how well it finds persons again, by the benchmark's rules: CMC, mAP.

Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015, and the code that came with
it. Each image of `query` asks the images of `bounding_box_test`. Right is the same person seen by
another camera. Left out of the answer, as if they were not there, are images of the same person by
the same camera and junk (`-1`: a detector's bad box). Distractors (`0000`) are wrong wherever they
come. CMC at rank r is the share of queries with a right image among the first r. A gallery that
expands queries is asked with expanded ones, to which any of its images may have been added.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.doors.python import OpenGallery
from app.errors import UsageError
from app.sources.datasets.market1501 import JUNK, QUERIES, SEARCHED, sighting
from app.values import ImageRecord
from app.values.measures import average_precision
from lab.measures import Right, cmc
from lab.methods.method import Rows, Vectors
from lab.vectors import as_asked

RANKS = 50
_BUILD_ONE = "build one with python3 create_index.py --data market1501."
SCORES_A_BLOCK = 5_000_000  # about 200 MB with what is sorted and counted of them


@dataclass(frozen=True)
class Seen:
    """Images as the protocol sees them, row by row.

    Parameters
    ----------
    vectors
        (n, dim) float32, of length 1.
    persons
        (n,) int64: -1 is junk, 0 a distractor.
    cameras
        (n,) int64, from 1.
    """

    vectors: Vectors
    persons: Rows
    cameras: Rows


@dataclass(frozen=True)
class Standing:
    """The figures of a model by the protocol, each from 0 to 1.

    Parameters
    ----------
    queries
        How many asked.
    unanswerable
        How many of them nothing right could be found for; they count in no figure. None in the
        published set.
    searched, junk, distractors
        How many images were searched, and how many of these were junk and distractors.
    cmc
        The share of queries with a right image among the first 1, 2, … `RANKS`.
    mean_average_precision
        Of each query the mean of the precision at each right image, as other programs publish it
        (torchreid, fast-reid) and `evaluate` of this one computes it; the mean of these.
    by_trapezoids
        The same as the benchmark's own MATLAB code has it, whose average precision is the area
        under straight lines between the points of the curve, and never higher. The paper's figures
        are of this kind, so figures are to be compared with it where they come from that code.
    """

    queries: int
    unanswerable: int
    searched: int
    junk: int
    distractors: int
    cmc: tuple[float, ...]
    mean_average_precision: float
    by_trapezoids: float

    def rank(self, place: int) -> float:
        """Return CMC at a rank from 1 to `RANKS`."""
        return self.cmc[place - 1]


def measure(gallery: OpenGallery) -> Standing:
    """Return how a gallery of the data set stands, by exact search.

    UsageError if it has no images in `query/` or none in `bounding_box_test/`, or none of the
    queries has a right answer; DatasetError if an image is not named as published.
    """
    images_of = {
        part: [image for image in gallery.images() if image.path.startswith(f"{part}/")]
        for part in (QUERIES, SEARCHED)
    }
    lacking = [part for part, images in images_of.items() if not images]
    if lacking:
        raise UsageError(
            f"{gallery.name} has no images in {' nor in '.join(lacking)}, so it is no gallery of "
            f"Market-1501: {_BUILD_ONE}"
        )
    vectors, (asking, searched) = gallery.vectors(), images_of.values()
    return standing(
        seen(as_asked(gallery, vectors, asking), [image.path for image in asking]),
        seen(vectors[[image.id for image in searched]], [image.path for image in searched]),
    )


def first_query(gallery: OpenGallery) -> ImageRecord:
    """Return the first image that asks by the protocol; UsageError if there is none."""
    for image in gallery.images():
        if image.path.startswith(f"{QUERIES}/"):
            return image
    raise UsageError(f"{gallery.name} has no images in {QUERIES}: {_BUILD_ONE}")


def seen(vectors: Vectors, paths: Sequence[str]) -> Seen:
    """Return (n, dim) vectors with who is seen by which camera, as their paths say."""
    sightings = [sighting(path) for path in paths]
    return Seen(
        vectors,
        np.array([int(each.person) for each in sightings], np.int64),
        np.array([int(each.camera[1:]) for each in sightings], np.int64),
    )


def standing(queries: Seen, searched: Seen) -> Standing:
    """Return the figures of queries that ask what is searched; UsageError if none has an answer.

    Images with the same score stand in the order of their rows.
    """
    curves, averages, trapezoids = [], [], []
    for right in _rankings(queries, searched):
        answerable = right[right.any(axis=1)]
        if len(answerable):
            curves.append(cmc(answerable, RANKS) * len(answerable))
            averages.append(average_precision(answerable))
            trapezoids.append(trapezoid_precision(answerable))
    answered = sum(map(len, averages))
    if not answered:
        raise UsageError(
            "No query shows a person whom another camera has seen too, so there is nothing to "
            "measure: take the whole data set."
        )
    return Standing(
        queries=len(queries.persons),
        unanswerable=len(queries.persons) - answered,
        searched=len(searched.persons),
        junk=int((searched.persons == int(JUNK)).sum()),
        distractors=int((searched.persons == 0).sum()),
        cmc=tuple((np.sum(curves, axis=0) / answered).tolist()),
        mean_average_precision=float(np.concatenate(averages).mean()),
        by_trapezoids=float(np.concatenate(trapezoids).mean()),
    )


def trapezoid_precision(right: Right) -> NDArray[np.float64]:
    """Return the (q,) average precision of (q, n) rankings as the benchmark's own code has it.

    At each right image it takes the mean of the precision there and that at the place before it
    (1 before the first place), and of these the mean.

    >>> trapezoid_precision(np.array([[True, False, True]])).round(4)
    array([0.7917])
    """
    precision = np.cumsum(right, axis=1) / np.arange(1, right.shape[1] + 1)
    before = np.pad(precision[:, :-1], ((0, 0), (1, 0)), constant_values=1.0)
    total = ((precision + before) / 2 * right).sum(axis=1)
    average: NDArray[np.float64] = total / right.sum(axis=1)
    return average


def _rankings(queries: Seen, searched: Seen) -> Iterator[Right]:
    """Yield, for some queries at a time, (q, n) bool: whether each place of the ranking is right.

    What is left out of an answer comes after all that counts, as wrong, and so changes no figure.
    """
    step = max(1, SCORES_A_BLOCK // len(searched.persons))
    for start in range(0, len(queries.persons), step):
        persons = queries.persons[start : start + step, None]
        cameras = queries.cameras[start : start + step, None]
        scores = queries.vectors[start : start + step] @ searched.vectors.T
        same = persons == searched.persons
        by_same_camera = same & (cameras == searched.cameras)
        left_out = by_same_camera | (searched.persons == int(JUNK))
        order = np.argsort(np.where(left_out, np.inf, -scores), axis=1, kind="stable")
        right = same & ~left_out & (searched.persons > 0)
        yield np.take_along_axis(right, order, axis=1)
