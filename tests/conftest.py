"""What all tests share: one compute thread a process, and no time limit an example on a busy machine."""

import gc
import os

import hypothesis

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before anything imports torch or numpy, which read it once; child processes inherit it

hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


def pytest_collection_finish() -> None:
    """Leave what the collection made out of every later garbage collection: a trial's end asks for one."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """At the end of the process all is collected: packages complain of what is left."""
    gc.unfreeze()
