"""The folder form: file types, bit depths, palettes, colours, tables."""

import cv2
import numpy as np
import pytest
from PIL import Image

from search.data.folder import read_folder
from search.data.images import read_image, read_mask
from search.data.samples import VOID

COLORS = np.array([(0, 0, 0), (200, 150, 90), (90, 120, 220), (240, 230, 120), (230, 40, 40)], dtype=np.uint8)
COLOR_TABLE = """
classes:
  - {name: nothing, color: [0, 0, 0]}
  - {name: soil, color: "#c8965a"}
  - {name: bedrock, color: [90, 120, 220]}
  - {name: sand, color: [240, 230, 120]}
ignored: [nothing]
background: nothing
void: ["#e62828"]
"""


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".TIF"])
def test_lossless_images_come_back(folder, pairs, suffix):
    data = read_folder(folder(suffix=suffix))
    np.testing.assert_array_equal(data.images[..., 0], pairs[:, 0])
    np.testing.assert_array_equal(data.masks, pairs[:, 1])
    assert data.stems[:2] == ("tile_00", "tile_01")
    assert data.class_names == ("class_0", "class_1", "class_2", "class_3", "class_4")
    assert data.ignored == ()
    assert data.background is None
    assert data.intensity is None


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg_images_are_welcome(folder, suffix):
    smooth = [np.add.outer(np.arange(16), np.arange(24)).astype(np.uint8) * 4 + shift for shift in range(12)]
    data = read_folder(folder(images=smooth, suffix=suffix))
    assert np.abs(data.images[..., 0].astype(int) - smooth).max() <= 4


def test_colour_images_have_three_channels_in_rgb_order(folder, rng):
    images = rng.integers(0, 256, (12, 16, 24, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read_folder(folder(images=images)).images, images)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_not_cut_to_eight(tmp_path, rng, suffix, channels):
    image = rng.integers(0, 65536, (16, 24, channels)).astype(np.uint16)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    cv2.imwrite(str(tmp_path / f"deep{suffix}"), image[..., order])
    np.testing.assert_array_equal(read_image(tmp_path / f"deep{suffix}"), image)


def test_sixteen_bits_map_from_the_range_of_the_whole_set(folder, pairs):
    deep = 500 + 3 * pairs[:, 0].astype(np.uint16)
    data = read_folder(folder(images=deep))
    np.testing.assert_array_equal(data.images[..., 0], pairs[:, 0])
    assert data.intensity == ((500.0, 1265.0),)


def test_pages_of_a_tiff_are_channels(tmp_path, rng):
    image = rng.integers(0, 256, (16, 24, 6)).astype(np.uint8)
    first, *others = (Image.fromarray(image[..., band]) for band in range(6))
    first.save(tmp_path / "bands.tif", save_all=True, append_images=others)
    np.testing.assert_array_equal(read_image(tmp_path / "bands.tif"), image)


def test_palette_images_are_colours_and_palette_masks_are_indices(tmp_path, pairs):
    indexed = Image.fromarray(pairs[0, 1]).convert("P")
    indexed.putpalette(COLORS.ravel().tolist())
    indexed.save(tmp_path / "indexed.png")
    np.testing.assert_array_equal(read_image(tmp_path / "indexed.png"), COLORS[pairs[0, 1]])
    np.testing.assert_array_equal(read_mask(tmp_path / "indexed.png", colored=False), pairs[0, 1])
    codes = COLORS[pairs[0, 1]].astype(int) @ [65536, 256, 1]
    np.testing.assert_array_equal(read_mask(tmp_path / "indexed.png", colored=True), codes)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_masks_of_few_bits_keep_their_labels(tmp_path, bits):
    """Pillow spreads 2-bit labels 0..3 to 0, 85, 170, 255: the last would become void."""
    labels = (np.arange(16 * 24).reshape(16, 24) % 2**bits).astype(np.uint8)
    packed = np.packbits(np.unpackbits(labels[..., None], axis=2)[..., -bits:].reshape(16, -1), axis=1)
    (tmp_path / "few.png").write_bytes(raw_png(packed, 24, bits))
    np.testing.assert_array_equal(read_mask(tmp_path / "few.png", colored=False), labels)


def raw_png(rows: np.ndarray, width: int, bits: int) -> bytes:
    """A grey PNG of packed rows (H, bytes)."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, len(rows), bits, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_colour_masks_need_and_use_the_table(folder, pairs):
    data = read_folder(folder(masks=COLORS[pairs[:, 1]], classes_yaml=COLOR_TABLE))
    np.testing.assert_array_equal(data.masks, np.array([0, 1, 2, 3, VOID])[pairs[:, 1]])
    assert data.class_names == ("nothing", "soil", "bedrock", "sand")
    assert data.labels[1] == 0xC8965A
    assert (data.background, data.ignored) == (0, (0,))


def test_grey_masks_stored_as_rgb_are_grey(folder, pairs):
    data = read_folder(folder(masks=np.repeat(pairs[:, 1, :, :, None], 3, axis=3)))
    np.testing.assert_array_equal(data.masks, pairs[:, 1])


@pytest.mark.parametrize(
    ("labels", "names", "void"),
    [
        ((0, 255), ("class_0", "class_255"), False),
        ((0, 1, 255), ("class_0", "class_1"), True),
        ((1, 2, 255), ("class_1", "class_2"), True),
        ((0, 1000), ("class_0", "class_1000"), False),
    ],
)
def test_255_is_void_beside_other_nonzero_labels_alone(folder, pairs, labels, names, void):
    masks = np.array(labels, dtype=np.uint16)[pairs[:, 1] % len(labels)]
    data = read_folder(folder(masks=masks))
    assert data.class_names == names
    assert (data.masks == VOID).any() == void


def test_labels_of_the_table_keep_their_order(folder, pairs):
    table = "classes: [{name: b, label: 3}, {name: a, label: 1}, {name: never, label: 77}]\nvoid: [0, 2, 4]\n"
    data = read_folder(folder(classes_yaml=table))
    assert data.class_names == ("b", "a", "never")
    np.testing.assert_array_equal(data.masks, np.array([VOID, 1, VOID, 0, VOID])[pairs[:, 1]])


def test_many_classes_fit(folder):
    masks = np.arange(12 * 16 * 24).reshape(12, 16, 24).astype(np.uint16) % 254 + 1000
    data = read_folder(folder(masks=masks))
    assert data.classes == 254
    np.testing.assert_array_equal(np.array(data.labels)[data.masks], masks)


def test_sizes_may_differ(folder, rng):
    images = [rng.integers(0, 256, (16 + index, 24)).astype(np.uint8) for index in range(12)]
    data = read_folder(folder(images=images, masks=[image % 3 for image in images]))
    assert isinstance(data.images, tuple)
    assert [image.shape for image in data.images[:2]] == [(16, 24, 1), (17, 24, 1)]
    assert isinstance(data.select([4]).images, np.ndarray)


def test_splits_csv_gives_parts_and_groups(folder):
    lines = [f"tile_{index:02d},{('train', 'val', 'test')[index % 3]},{'abc'[index % 3]}" for index in range(12)]
    data = read_folder(folder(splits_csv="\n".join(["stem,split,group", *lines])))
    assert data.parts == ("train", "validation", "test") * 4
    assert data.groups == ("a", "b", "c") * 4


def test_splits_csv_may_name_groups_alone(folder):
    data = read_folder(folder(splits_csv="stem,group\ntile_00,first\ntile_03,first\n"))
    assert data.parts is None
    assert data.groups[:4] == ("first", None, None, "first")


def test_hidden_and_foreign_files_are_passed_over(folder):
    path = folder()
    (path / "images" / ".DS_Store").write_bytes(b"x")
    (path / "images" / "._tile_00.png").write_bytes(b"x")
    (path / "masks" / "notes.txt").write_bytes(b"x")
    assert len(read_folder(path)) == 12
