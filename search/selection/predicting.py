"""New images through a package: masks, overlays and, for a test set, the submission table."""

import csv
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image

from search.errors import DataError, StudyError
from search.files import is_unwritable
from search.selection.loading import load_ensemble
from search.selection.new_images import NewImage, NewImages
from search.selection.overlays import draw_overlay
from search.selection.package.contents import PREPROCESSING_NAME, Preprocessing, read_preprocessing
from search.selection.package.hashes import check_unchanged
from search.selection.predictor import PREDICTOR_NAME, read_predictor

if TYPE_CHECKING:
    from torch import Tensor

    from models.ensemble import Ensemble

MASKS, OVERLAYS, SUBMISSION = "masks", "overlays", "submission.csv"


@dataclass(frozen=True, kw_only=True)
class Package:
    """What `search.export` wrote, ready to predict on `device`."""

    network: "Ensemble"
    preprocessing: Preprocessing
    device: str

    @classmethod
    def load(cls, folder: Path, device: str) -> Self:
        """Read the package in `folder`. Raises StudyError where it is incomplete, or not as it was exported."""
        check_unchanged(folder, (PREDICTOR_NAME, PREPROCESSING_NAME))
        predictor = read_predictor(folder)
        check_unchanged(folder, tuple(member.weights for member in predictor.members))
        network = load_ensemble(predictor, folder, device)
        return cls(network=network, preprocessing=read_preprocessing(folder), device=device)

    def masks(self, images: Iterable[NewImage]) -> Iterator[tuple[NewImage, np.ndarray | None]]:
        """Each image with its mask (H, W) of class indices uint8, None where it has a problem.

        Images of exactly one window are predicted in batches, others by overlapping windows.
        """
        import torch

        from search.training.windows import predict_native

        size, scale = (self.preprocessing.height, self.preprocessing.width), self.preprocessing.scale

        @torch.no_grad()
        def forward(batch: "Tensor") -> "Tensor":
            return self.network(batch)

        for part in in_batches(images, size if scale == 1 else None, 64 if self.device.startswith("cuda") else 16):
            pixels = [image.pixels for image in part if image.pixels is not None]
            if not pixels:
                yield part[0], None
            elif scale == 1 and pixels[0].shape[:2] == size:
                yield from zip(part, self._of_windows(np.stack(pixels), forward), strict=True)
            else:
                window = self.preprocessing.window
                yield part[0], predict_native(forward, pixels[0], window, scale=scale, device=self.device)

    def _of_windows(self, images: np.ndarray, forward: Callable[["Tensor"], "Tensor"]) -> np.ndarray:
        import torch

        from search.training.batches import to_tensor
        from search.training.metrics import most_likely

        return most_likely(forward(to_tensor(images, self.device))).to(torch.uint8).cpu().numpy()


def in_batches(images: Iterable[NewImage], size: tuple[int, int] | None, count: int) -> Iterator[tuple[NewImage, ...]]:
    """The images in their order: those of `size` (height, width) together, at most `count`; all others alone."""
    gathered: list[NewImage] = []
    for image in images:
        fits = image.pixels is not None and image.pixels.shape[:2] == size
        if gathered and (not fits or len(gathered) == count):
            yield tuple(gathered)
            gathered = []
        if fits:
            gathered.append(image)
        else:
            yield (image,)
    if gathered:
        yield tuple(gathered)


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """One image done; `problem` says why it has no mask."""

    name: str
    problem: str | None = None


def predict_images(
    package: Package, images: NewImages, target: Path, *, alpha: float, overlays: bool
) -> Iterator[Predicted]:
    """Write `masks/NAME.png`, `overlays/NAME.png` where asked for, and of a test set `submission.csv`, image by image.

    Raises DataError where an image of an array cannot be used: the others would be a submission with a gap. Nothing is
    left of them then.
    """
    try:
        (target / MASKS).mkdir(parents=True, exist_ok=True)
        if overlays:
            (target / OVERLAYS).mkdir(exist_ok=True)
        with submission(target / SUBMISSION) if has_submission(package, images) else nullcontext() as table:
            for image, mask in package.masks(images.read(package.preprocessing.form)):
                if image.pixels is None or mask is None:
                    if images.array is not None:
                        remove_predictions(target)
                        raise DataError(f"{image.problem}")
                    yield Predicted(name=image.name, problem=image.problem)
                    continue
                raw = raw_mask(mask, package.preprocessing)
                Image.fromarray(raw).save(target / MASKS / f"{image.name}.png")
                if overlays:
                    page = draw_overlay(image.pixels, mask, package.preprocessing, alpha)
                    page.save(target / OVERLAYS / f"{image.name}.png")
                if table is not None:
                    table.add(raw)
                yield Predicted(name=image.name)
    except OSError as error:
        if not is_unwritable(error):
            raise
        raise StudyError(f"{target} cannot be written: {error.strerror}; choose another folder with --to") from error


def remove_predictions(target: Path) -> None:
    """Empty the folder again, for the next try."""
    for part in (MASKS, OVERLAYS):
        shutil.rmtree(target / part, ignore_errors=True)


def raw_mask(mask: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Class indices (H, W) as values of the data's own masks: (H, W) uint8 or uint16, or colours (H, W, 3) uint8."""
    values = np.array([entry.value for entry in preprocessing.classes])
    return values.astype(np.uint8 if values.max() < 256 else np.uint16)[mask]


class Submission:
    """The course's table: a header of `id` and the number of each pixel, then a row of labels for each image.

    It is at `path` when all rows are written; a part of it never is.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(f".{path.name}.tmp")
        self._file = self._part.open("w", newline="", encoding="ascii")
        self._table = csv.writer(self._file, lineterminator="\n")
        self._rows = 0

    def add(self, mask: np.ndarray) -> None:
        """The next image, from its mask (H, W) of labels; pixels go row by row, from the upper left corner."""
        pixels = mask.reshape(-1).tolist()
        if self._rows == 0:
            self._table.writerow(["id", *range(len(pixels))])
        self._table.writerow([self._rows, *pixels])
        self._rows += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def has_submission(package: Package, images: NewImages) -> bool:
    """Whether the images make a submission: those of a test set, whose masks hold one number a pixel."""
    return images.is_test_set and not package.preprocessing.form.colored


def submission(path: Path) -> AbstractContextManager[Submission]:
    """A table at `path` that is being written."""
    return Submission(path)
