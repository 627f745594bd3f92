"""Where new images come from: a folder, a file, or an npz file; each as networks see it, or why it cannot be used."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search.data.folder import SUFFIXES
from search.data.form import DataForm
from search.data.images import read_image
from search.data.new_image import as_trained
from search.data.npz import channels_last, member_names, separate
from search.data.npz_stream import iterate_images, read_header
from search.errors import DataError

TEST_SET, TRAINING_SET = "test_set", "training_set"


@dataclass(frozen=True, kw_only=True)
class NewImage:
    """An image (H, W, C) uint8 and the name of its mask; or, where `problem` says why, none."""

    name: str
    pixels: np.ndarray | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewImages:
    """Images to predict, in their order. `path` is what holds them; `array` its array, None for image files."""

    path: Path
    files: tuple[Path, ...] = ()
    array: str | None = None
    shape: tuple[int, ...] = ()

    @property
    def is_test_set(self) -> bool:
        """Whether these are the images of a competition, in a fixed order."""
        return self.array == TEST_SET

    def __len__(self) -> int:
        return len(self.files) if self.array is None else self.shape[0]

    def read(self, form: DataForm) -> Iterator[NewImage]:
        """All images as networks of `form` see them; of an array they are read little by little."""
        if self.array is None:
            return (_from_file(file, form) for file in self.files)
        return self._from_array(self.array, form)

    def _from_array(self, array: str, form: DataForm) -> Iterator[NewImage]:
        digits = max(5, len(str(self.shape[0] - 1)))
        for index, entry in enumerate(iterate_images(self.path, array)):
            image = separate(entry[None])[0][0] if array == TRAINING_SET else channels_last(entry[None])[0]
            yield _checked(f"{index:0{digits}d}", f"image {index} of {array}", image, form)


def find_images(path: Path) -> NewImages:
    """The images at `path`: a folder of image files, one such file, or an npz file. Raises DataError for anything else.

    Of an npz file these are its `test_set`, or without one the images of its `training_set`.
    """
    if path.is_dir():
        return NewImages(path=path, files=_in_folder(path))
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    if path.suffix.lower() in SUFFIXES:
        return NewImages(path=path, files=(path,))
    if path.suffix.lower() != ".npz":
        raise DataError(
            f"images are a folder, a file of {', '.join(SUFFIXES)}, or an npz file; {path.name} is none of these"
        )
    return _in_archive(path)


def _in_folder(folder: Path) -> tuple[Path, ...]:
    files = [
        file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    ]
    if not files:
        raise DataError(f"there is no image in the folder {folder}; readable are {', '.join(SUFFIXES)}")
    stems: dict[str, Path] = {}
    for file in files:
        if (other := stems.setdefault(file.stem, file)) is not file:
            raise DataError(
                f"a mask has the name of its image, so a stem may occur once; {folder} holds {other.name} and "
                f"{file.name}. Rename one"
            )
    return tuple(files)


def _in_archive(path: Path) -> NewImages:
    names = member_names(path)
    name = next((name for name in (TEST_SET, TRAINING_SET) if name in names), None)
    if name is None:
        raise DataError(f"an npz file needs an array named {TEST_SET!r}; {path.name} holds {names}")
    shape, _ = read_header(path, name)
    if name == TEST_SET and len(shape) not in (3, 4):
        raise DataError(f"test_set needs the layout (M, H, W), (M, H, W, C) or (M, C, H, W); it has {shape}")
    if 0 in shape or not shape:
        raise DataError(f"{name} in {path.name} holds no image: its shape is {shape}")
    if name == TRAINING_SET:
        separate(np.broadcast_to(np.uint8(0), (1, *shape[1:])))  # refuses other layouts
    return NewImages(path=path, array=name, shape=shape)


def _from_file(file: Path, form: DataForm) -> NewImage:
    try:
        image = read_image(file)
    except DataError as error:
        return NewImage(name=file.stem, problem=str(error))
    return _checked(file.stem, file.name, image, form)


def _checked(name: str, words: str, image: np.ndarray, form: DataForm) -> NewImage:
    try:
        return NewImage(name=name, pixels=as_trained(image, form, words))
    except DataError as error:
        return NewImage(name=name, problem=str(error))
