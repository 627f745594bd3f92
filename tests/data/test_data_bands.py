"""Multispectral TIFF files, written here tag by tag: strips and tiles, both byte orders, Deflate, predictor, planes."""

import itertools
import struct
import zlib

import numpy as np
import pytest

from search.data.bands import read_bands
from search.data.images import read_image
from search.errors import DataError

HEIGHT, WIDTH, BANDS = 21, 37, 6


def blocks(image: np.ndarray, *, tiled: bool, planar: bool):
    """The strips of 8 rows or tiles of 16x16 pixels of an image, in file order."""
    planes = [image[..., band : band + 1] for band in range(BANDS)] if planar else [image]
    for plane in planes:
        if not tiled:
            yield from (plane[top : top + 8] for top in range(0, HEIGHT, 8))
            continue
        padded = np.pad(plane, ((0, -HEIGHT % 16), (0, -WIDTH % 16), (0, 0)))
        for top, left in itertools.product(range(0, HEIGHT, 16), range(0, WIDTH, 16)):
            yield padded[top : top + 16, left : left + 16]


def tiff(image: np.ndarray, *, order="<", tiled=False, planar=False, compression=1, predictor=1) -> bytes:
    chunks = []
    for block in blocks(image, tiled=tiled, planar=planar):
        if predictor == 2:
            block = np.diff(block, axis=1, prepend=np.zeros_like(block[:, :1]))
        raw = block.astype(block.dtype.newbyteorder(order)).tobytes()
        chunks.append(zlib.compress(raw) if compression == 8 else raw)
    place, offsets = 8, []
    for chunk in chunks:
        offsets.append(place)
        place += len(chunk)
    sizes = [len(chunk) for chunk in chunks]
    tags = {256: [WIDTH], 257: [HEIGHT], 258: [8 * image.itemsize] * BANDS, 259: [compression], 262: [1]}
    tags |= {277: [BANDS], 284: [2 if planar else 1], 317: [predictor]}
    tags |= {322: [16], 323: [16], 324: offsets, 325: sizes} if tiled else {273: offsets, 278: [8], 279: sizes}
    return assemble(order, tags, b"".join(chunks))


def assemble(order: str, tags: dict[int, list[int]], body: bytes) -> bytes:
    """Header, body, directory of 4-byte values, and the lists that do not fit into it."""
    start = 8 + len(body)
    spill_at = start + 2 + 12 * len(tags) + 4
    entries, spill = b"", b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        where = packed if len(values) == 1 else struct.pack(f"{order}I", spill_at + len(spill))
        spill += b"" if len(values) == 1 else packed
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + where
    header = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    return header + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + spill


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("tiled", "planar"), [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize(("compression", "predictor"), [(1, 1), (8, 1), (8, 2)])
def test_bands_come_back(tmp_path, rng, dtype, order, tiled, planar, compression, predictor):
    image = rng.integers(0, np.iinfo(dtype).max + 1, (HEIGHT, WIDTH, BANDS)).astype(dtype)
    path = tmp_path / "bands.tif"
    path.write_bytes(tiff(image, order=order, tiled=tiled, planar=planar, compression=compression, predictor=predictor))
    read = read_bands(path)
    assert read is not None
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image)


def test_unknown_compression_and_truncation_are_said(tmp_path, rng):
    image = rng.integers(0, 256, (HEIGHT, WIDTH, BANDS)).astype(np.uint8)
    path = tmp_path / "bands.tif"
    path.write_bytes(tiff(image, compression=5))
    with pytest.raises(DataError, match=r"bands\.tif cannot be read as a multispectral TIFF.*code 5"):
        read_bands(path)
    whole = tiff(image, compression=8)
    path.write_bytes(whole[:20] + bytes(300) + whole[320:])
    with pytest.raises(DataError, match=r"bands\.tif cannot be read as a multispectral TIFF"):
        read_image(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"bands\.tif cannot be read as an image"):
        read_image(path)
