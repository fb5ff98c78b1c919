"""One thread for linear algebra, whatever the environment says.

OpenBLAS starts a thread for each processor. After each product they wait busily for the next one: checking the frames
of an afternoon's tracks took a fifth more processor time, and no less time.
"""

from __future__ import annotations

import os

import threadpoolctl  # type: ignore[import-untyped]

# For processes that are started from now on; they have read it before anything can tell them otherwise.
ENVIRONMENT = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1")


def compute_in_one_thread() -> None:
    """Apply it to this process, to the libraries that it has loaded, and to the processes that it starts."""
    os.environ.update(ENVIRONMENT)
    threadpoolctl.threadpool_limits(1)
