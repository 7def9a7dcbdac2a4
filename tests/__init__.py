"""The tests. They run side by side, one process a core, so each takes one core: what is loaded later
(FAISS, BLAS) would else start a thread a core in each, and these wait for each other by spinning.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
