"""`ivfpq`: vectors → how long the paper's IVFPQ takes, with either clustering, beside FAISS."""

import argparse

NAME = "ivfpq"
HELP = "measure the paper's IVFPQ in NumPy: train, add, search, recall"
EXAMPLE = "python -m lab ivfpq --gallery caltech101-efficientnet_lite0 --index IVF100,PQ8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is measured."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--gallery", default="caltech101-efficientnet_lite0", help="its vectors")
    which.add_argument("--vectors", metavar="FILE", help="those of a .npy, .npz or .hdf5 file")
    which.add_argument("--drawn", metavar="ROWSxDIM", help="drawn ones, such as 9144x2048")
    parser.add_argument("--index", default="IVF100,PQ8", help="cells and sub-vectors")
    parser.add_argument("--queries", type=int, default=500, help="how many (default: 500)")


def run(options: argparse.Namespace) -> int:
    """Measure and print the table."""
    import re

    from app.errors import UsageError
    from lab.ivfpq_speed import as_table, measure, synthetic
    from lab.shortlist import NUMPY, parsed
    from lab.study.machine import machine
    from lab.vectors import of_file, of_gallery

    if options.queries < 1:
        raise UsageError(f"There must be at least one query, not {options.queries}.")
    if options.drawn:
        sizes = re.fullmatch(r"([1-9]\d{0,6})x([1-9]\d{0,4})", options.drawn)
        if not sizes:
            raise UsageError(f"{options.drawn!r} is no size: write rows x numbers, as 9144x2048.")
        given = synthetic(int(sizes[1]), int(sizes[2]), queries=options.queries)
    elif options.vectors:
        given = of_file(options.vectors, queries=options.queries).unit()
    else:
        given = of_gallery(options.gallery, queries=options.queries)
    NUMPY.check(options.index, given.dim)
    cells, m, _ = parsed(options.index) or (0, 0, 0)
    print(f"{given.name}, {options.index}, {machine()}\n")
    print(as_table(list(measure(given, cells=cells, m=m))))
    return 0
