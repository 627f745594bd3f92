"""Read a data set from whatever form it has."""

from pathlib import Path

from search.data.dataset import SegmentationData
from search.data.folder import read_folder
from search.data.npz import read_npz
from search.errors import DataError


def read_data(path: Path) -> SegmentationData:
    """Read an .npz file of the course's form, or a folder with `images/` and `masks/`. Raises DataError."""
    if path.is_dir():
        return read_folder(path)
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    if path.suffix.lower() == ".npz":
        return read_npz(path)
    raise DataError(f"data is an .npz file or a folder with images/ and masks/; {path.name} is neither")
