"""Values with large arrays, for many processes of one machine: the arrays lie in a file that all of them map.

A pickle of protocol 5 whose buffers stand apart (PEP 574), so that reading copies no array.
"""

import mmap
import pickle
from pathlib import Path
from typing import Any

ALIGNMENT = 64


def write_shared(value: Any, path: Path) -> None:
    """Write `value`: the buffers, aligned, then its pickle, then where each of them lies."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    with path.open("wb") as file:
        places = []
        for buffer in buffers:
            file.write(bytes(-file.tell() % ALIGNMENT))
            raw = buffer.raw()
            places.append((file.tell(), raw.nbytes))
            file.write(raw)
        places.append((file.tell(), len(pickled)))
        file.write(pickled)
        index = pickle.dumps(places)
        file.write(index)
        file.write(len(index).to_bytes(8, "little"))


def read_shared(path: Path) -> Any:
    """The value of `write_shared`, its arrays read-only."""
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    size = int.from_bytes(view[-8:], "little")
    *places, (start, length) = pickle.loads(view[-8 - size : -8])
    return pickle.loads(view[start : start + length], buffers=[view[at : at + nbytes] for at, nbytes in places])
