"""One image file or one mask file as an array of the values that are really in it."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageFile, ImageSequence

from search.data.bands import read_bands
from search.errors import DataError

DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
LOW_BIT_STEP = {"L;2": 85, "L;4": 17}
"""Pillow spreads grey values of 2 and 4 bits over 0..255: right for pictures, wrong for labels."""


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The file as a Pillow image. Raises DataError where it cannot be decoded."""
    try:
        with open_quietly(path) as image:
            yield image
    except DECODING_ERRORS as error:
        raise DataError(f"{path.parent.name}/{path.name} cannot be read as an image: {error}") from error


def open_quietly(path: Path) -> Image.Image:
    """Read the header; a damaged one is an error of its own, without Pillow's warning beside it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*orrupt EXIF data")
        return Image.open(path)


def read_image(path: Path) -> np.ndarray:
    """An image (H, W, C) with the file's own values: uint8, uint16, int32 or float32. Raises DataError.

    Palettes become RGB; an alpha channel counts as a channel; the pages of a TIFF file are its channels.
    """
    if path.suffix.lower() in (".tif", ".tiff") and (bands := read_bands(path)) is not None:
        return bands
    with opened(path) as image:
        deep = ";16" in raw_mode(image)
        pages = [pixels(page) for page in ImageSequence.Iterator(image)] if image.format == "TIFF" else [pixels(image)]
        if deep and pages[0].dtype == np.uint8:
            return sixteen_bit_color(path)
        return np.concatenate(pages, axis=2)


def raw_mode(image: Image.Image) -> str:
    """How samples are stored in the file, such as "RGB;16B"; known until the pixels are loaded."""
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return image.mode
    match image.tile[0].args:
        case str() as mode:
            return mode
        case (str() as mode, *_):
            return mode
        case _:
            return image.mode


def pixels(image: Image.Image) -> np.ndarray:
    """Decoded pixels (H, W, C)."""
    if image.mode == "P":
        image = image.convert("RGB")
    array = np.asarray(image)
    if array.dtype == bool:
        array = array * np.uint8(255)
    return array if array.ndim == 3 else array[..., None]


def sixteen_bit_color(path: Path) -> np.ndarray:
    """A colour image of 16 bits a channel, which Pillow would cut to 8: (H, W, C) uint16 in RGB order."""
    array = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16 or array.ndim != 3:
        raise DataError(f"{path.parent.name}/{path.name} cannot be read as a 16-bit colour image. Save it as a PNG")
    return np.ascontiguousarray(array[..., [2, 1, 0, *range(3, array.shape[2])]])


def read_mask(path: Path, *, colored: bool) -> np.ndarray:
    """A mask (H, W) of raw labels: grey values, palette indices, or, where `colored`, colours as 0xRRGGBB.

    Raises DataError for JPEG, which changes labels, and for colours where labels are expected.
    """
    with opened(path) as image:
        if "jpeg" in (str(image.format).lower(), str(image.info.get("compression")).lower()):
            raise jpeg_mask(path)
        if colored:
            return color_codes(np.asarray(image.convert("RGB")))
        step = LOW_BIT_STEP.get(raw_mode(image), 1)
        return grey_labels(np.asarray(image), path) // step


def jpeg_mask(path: Path) -> DataError:
    """The refusal of a mask stored with loss."""
    return DataError(f"masks must be stored without loss; masks/{path.name} is JPEG, which alters labels. Use PNG")


def color_codes(array: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3) as one number a pixel, 0xRRGGBB."""
    red, green, blue = np.moveaxis(array.astype(np.int32), 2, 0)
    return red << 16 | green << 8 | blue


def grey_labels(array: np.ndarray, path: Path) -> np.ndarray:
    """The labels (H, W) of a grey mask. An RGB mask of equal channels is grey, too; alpha is dropped."""
    if array.ndim == 3:
        color = array[..., : 3 if array.shape[2] > 2 else 1]
        if (color != color[..., :1]).any():
            raise DataError(f"masks in colour need a classes.yaml that gives each color a class; masks/{path.name}")
        array = color[..., 0]
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"labels in a mask must be whole numbers; masks/{path.name} holds NaN or infinite values")
    labels = array.astype(np.uint16)
    if (labels != array).any():
        raise DataError(
            f"labels in a mask must be whole numbers from 0 to 65535; masks/{path.name} holds "
            f"{array.min():.4g} to {array.max():.4g}"
        )
    return labels
