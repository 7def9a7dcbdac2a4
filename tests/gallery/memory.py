"""Search a gallery in a process of its own, and print how many bytes of memory that has taken.

    python -m tests.gallery.memory FEATURES INDEXES MOST_BYTES

The anonymous memory of the process (RssAnon) is counted, which mapped files are no part of; more
than MOST_BYTES of it cannot be had (RLIMIT_DATA).
"""

import gc
import resource
import sys
from pathlib import Path

import faiss
import numpy as np

from app.gallery import Folders, Gallery


def status(name: str) -> int:
    """Return a number of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [found] = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(found)


def ask(gallery: Gallery) -> None:
    """Do what a search of the service does with a gallery."""
    queries = gallery.vectors(np.arange(0, gallery.rows, gallery.rows // 5))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    found = gallery.search(queries, 10).rows
    gallery.copies(found[0].tolist())
    gallery.images(found[0].tolist())
    gallery.thumbnails(found[0].tolist())


def main(features: str, indexes: str, most: str) -> None:
    """Ask a small gallery, so that all code is loaded, and then the one to be measured."""
    faiss.omp_set_num_threads(1)
    places = [Path(features), Path(indexes)]
    ask(Gallery(Folders.of("small", *places), hashed=False))
    gc.collect()
    before = status("RssAnon")
    limit = status("VmData") + int(most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    large = Gallery(Folders.of("large", *places), hashed=False)
    ask(large)
    gc.collect()
    sys.stdout.write(str(status("RssAnon") - before))


if __name__ == "__main__":
    main(*sys.argv[1:])
