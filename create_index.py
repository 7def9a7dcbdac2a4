"""Build a gallery of a data set, a folder, a list of URLs, webdataset shards or embeddings.

`python3 create_index.py --data caltech`, or `--images DIR --name NAME`; see `--help`.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

OWN_PYTHON = Path(__file__).resolve().parent / ".venv" / "bin" / "python"

if __name__ == "__main__":
    if find_spec("faiss") is None:  # the system's Python, which has none of the requirements
        if not OWN_PYTHON.exists() or Path(sys.executable) == OWN_PYTHON:
            sys.exit("What this needs is not installed: run make install, then this again.")
        os.execv(OWN_PYTHON, [OWN_PYTHON, *sys.argv])
    from app.doors.cli import create_index

    sys.exit(create_index(sys.argv[1:]))
