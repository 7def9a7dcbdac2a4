"""Build a gallery: `python create_index.py --data caltech` or `--images DIR --name NAME`."""

import sys

from app.cli import create_index

if __name__ == "__main__":
    sys.exit(create_index(sys.argv[1:]))
