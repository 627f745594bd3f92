"""Multispectral TIFF files: more than four samples a pixel, which neither Pillow nor OpenCV decodes.

Read are strips and tiles of 8 or 16-bit samples, uncompressed or Deflate, with or without the horizontal predictor,
interleaved or band by band (TIFF 6.0, Adobe 1992, and Adobe's Deflate note of 2002): what GDAL and tifffile write.
"""

import warnings
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import TiffImagePlugin as Tiff

from search.errors import DataError

WIDTH, HEIGHT, BITS, COMPRESSION, STRIP_OFFSETS, SAMPLES, ROWS, STRIP_BYTES = 256, 257, 258, 259, 273, 277, 278, 279
PLANAR, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 284, 317, 322, 323, 324, 325
PLAIN, DEFLATE = 1, (8, 32946)


def read_bands(path: Path) -> np.ndarray | None:
    """All samples as (H, W, C) uint8 or uint16; None for files of up to four samples, which others read better.

    Raises DataError for compressions and sample types that are not supported.
    """
    content = path.read_bytes()
    if content[:4] not in (b"II*\0", b"MM\0*"):
        return None
    try:
        tags = read_tags(content)
        return decode(content, tags) if tags.get(SAMPLES, 1) > 4 else None
    except (SyntaxError, ValueError, KeyError, IndexError, zlib.error) as error:
        raise DataError(f"{path.parent.name}/{path.name} cannot be read as a multispectral TIFF: {error!r}") from error


def read_tags(content: bytes) -> Tiff.ImageFileDirectory_v2:
    """The tags of the first page; of a damaged directory those that can be read, without Pillow's warnings."""
    stream = BytesIO(content)
    tags = Tiff.ImageFileDirectory_v2(stream.read(8))
    stream.seek(tags.next)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tags.load(stream)
    return tags


def decode(content: bytes, tags: Tiff.ImageFileDirectory_v2) -> np.ndarray:
    """Put all strips or tiles in their places: (H, W, C)."""
    compression, bits = tags.get(COMPRESSION, PLAIN), set(tags[BITS])
    if compression not in (PLAIN, *DEFLATE) or bits not in ({8}, {16}):
        raise ValueError(f"needs 8 or 16 bits without compression or with Deflate, has bits {bits}, code {compression}")
    height, width, samples = tags[HEIGHT], tags[WIDTH], tags[SAMPLES]
    separate = tags.get(PLANAR, 1) == 2
    block_height, block_width, offsets, counts = layout(tags)
    down, across = -(-height // block_height), -(-width // block_width)
    image = np.zeros((down * block_height, across * block_width, samples), dtype=f"u{bits.pop() // 8}")
    depth = 1 if separate else samples
    for number, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        band, place = divmod(number, down * across)
        top, left = place // across * block_height, place % across * block_width
        rows = block_height if TILE_WIDTH in tags else min(block_height, height - top)
        data = content[offset : offset + count]
        raw = data if compression == PLAIN else zlib.decompress(data)
        block = np.frombuffer(raw, dtype=image.dtype.newbyteorder("<" if content[:2] == b"II" else ">"))
        block = undo_predictor(block.reshape(rows, block_width, depth), tags)
        image[top : top + rows, left : left + block_width, band : band + depth] = block
    return image[:height, :width]


def layout(tags: Tiff.ImageFileDirectory_v2) -> tuple[int, int, Sequence[int], Sequence[int]]:
    """Height and width of a block (tile or strip), offsets and byte counts of all of them."""
    if TILE_WIDTH in tags:
        return tags[TILE_HEIGHT], tags[TILE_WIDTH], tags[TILE_OFFSETS], tags[TILE_BYTES]
    rows = min(tags.get(ROWS, tags[HEIGHT]), tags[HEIGHT])
    return rows, tags[WIDTH], tags[STRIP_OFFSETS], tags[STRIP_BYTES]


def undo_predictor(block: np.ndarray, tags: Tiff.ImageFileDirectory_v2) -> np.ndarray:
    """Sum up horizontal differences, modulo the type's range, where the file stores these."""
    match tags.get(PREDICTOR, 1):
        case 1:
            return block
        case 2:
            return np.cumsum(block, axis=1, dtype=block.dtype.newbyteorder("="))
        case other:
            raise ValueError(f"predictor {other} is not supported")
