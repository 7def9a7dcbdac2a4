"""The tests. They run side by side, one process a core, so each is to take one core.

FAISS and BLAS, when they are loaded later, would else start a thread a core in each process, and
these would wait for each other by spinning.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
