"""What all tests share: one compute thread a process, and SQLite that does not wait for the disk."""

import os
import sqlite3

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before anything imports torch or numpy, which read it once; child processes inherit it

from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def _do_not_wait_for_the_disk(connection: object, record: object) -> None:
    """A commit that waits takes up to 10 ms, and a search commits 50 times a trial. No test cuts the power."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
