"""One compute thread a process, also in the processes that tests start: parallel tests must not oversubscribe."""

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before anything imports torch or numpy, which read it once
