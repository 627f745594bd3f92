"""Each kind of bad input ends in one DataError that states the rule, the value and the way out."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search.data.audit import audit
from search.data.classes import ClassTable
from search.data.read import read_data
from search.data.split import split
from search.errors import DataError


def refuse(path: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_data(path)
    assert "\n" not in str(caught.value) or "classes.yaml" in str(caught.value)


def test_missing_path(tmp_path):
    refuse(tmp_path / "none.npz", r"there is no file or folder .*none\.npz")


def test_neither_npz_nor_folder(tmp_path):
    (tmp_path / "data.h5").write_bytes(b"x")
    refuse(tmp_path / "data.h5", r"data is an \.npz file or a folder .*; data\.h5 is neither")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_truncated_npz(npz, pairs, share):
    path = npz(training_set=pairs)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refuse(path, "not a complete npz archive: it is truncated or of another format")


def test_damaged_member(npz, pairs):
    path = npz(training_set=pairs)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    refuse(path, "'training_set' in data.npz is truncated or damaged")


def test_text_that_calls_itself_npz(tmp_path):
    (tmp_path / "data.npz").write_text("hello")
    refuse(tmp_path / "data.npz", "not a complete npz archive")


class Bomb:
    """Unpickling this creates a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickled_arrays_are_refused_and_never_loaded(npz, tmp_path):
    boom = tmp_path / "boom"
    path = npz(training_set=np.array([Bomb(boom)], dtype=object))
    refuse(path, "'training_set' in data.npz is pickled Python objects, which are never loaded")
    assert not boom.exists()


def test_missing_array(npz, pairs):
    refuse(npz(images=pairs), r"needs an array named 'training_set'; data\.npz holds \['images'\]")


@pytest.mark.parametrize("shape", [(12, 3, 16, 24), (12, 2, 16), (2, 16, 24), (12, 16, 24, 3)])
def test_unknown_layout(npz, shape):
    refuse(npz(training_set=np.zeros(shape, np.uint8)), "training_set needs the layout")


def test_no_image_at_all(npz):
    refuse(npz(training_set=np.zeros((0, 2, 16, 24), np.uint8)), "training_set holds no image")


def test_nan_pixels(npz, pairs):
    floats = pairs.astype(np.float32)
    floats[4, 0, 3, 3] = np.nan
    floats[9, 0, 3, 3] = np.inf
    refuse(npz(training_set=floats), "pixels must be finite numbers; 2 of 12 images .* the first is '00004'")


def test_floats_out_of_range(npz, pairs):
    floats = pairs.astype(np.float32)
    floats[:, 0] -= 128
    refuse(npz(training_set=floats), r"floats must lie within 0\.\.1 or 0\.\.255; found -128 to 127")


@pytest.mark.parametrize("value", [np.nan, 0.5, -1, 256])
def test_labels_that_are_none(npz, pairs, value):
    floats = pairs.astype(np.float32)
    floats[4, 1, 3, 3] = value
    refuse(npz(training_set=floats), "labels in a mask must be whole numbers from 0 to 255")


def test_groups_of_another_length(npz, pairs):
    refuse(npz(training_set=pairs, groups=np.zeros(11)), "groups needs one number for each of the 12 training pairs")


def test_text_where_numbers_belong(npz, pairs):
    refuse(npz(training_set=pairs, groups=np.array(["a"] * 12)), "'groups' in data.npz must hold numbers")


def test_folder_without_masks(folder):
    path = folder()
    (path / "masks").rename(path / "labels")
    refuse(path, "a data folder needs images/ and masks/; there is no folder .*masks")


def test_empty_folder(folder):
    path = folder()
    for file in (path / "images").iterdir():
        file.unlink()
    refuse(path, r"images/ holds no image; readable are \.png, \.jpg")


def test_stems_without_partner(folder):
    path = folder()
    (path / "masks" / "tile_03.png").unlink()
    (path / "images" / "tile_05.png").rename(path / "images" / "renamed.png")
    refuse(path, r"without a partner: 3 files, such as images/renamed\.png, images/tile_03\.png, masks/tile_05\.png")


def test_one_stem_twice(folder):
    path = folder()
    (path / "images" / "tile_03.tif").write_bytes((path / "images" / "tile_03.png").read_bytes())
    refuse(path, r"a stem may occur once; images/ holds tile_03\.png and tile_03\.tif")


def test_sizes_that_disagree(folder, pairs):
    refuse(folder(masks=pairs[:, 1, :-2]), r"same size; image 'tile_00' has 16x24 pixels .* its mask 14x24")


def test_jpeg_masks(folder, pairs):
    path = folder()
    Image.fromarray(pairs[0, 1]).save(path / "masks" / "tile_00.jpg")
    (path / "masks" / "tile_00.png").unlink()
    refuse(path, r"masks/tile_00\.jpg is JPEG, which alters labels. Use PNG")
    (path / "masks" / "tile_00.jpg").rename(path / "masks" / "tile_00.png")
    refuse(path, r"masks/tile_00\.png is JPEG, which alters labels. Use PNG")


@pytest.mark.parametrize("part", ["images", "masks"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.7])
def test_unreadable_files(folder, part, share):
    path = folder()
    file = path / part / "tile_02.png"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    refuse(path, rf"{part}/tile_02\.png cannot be read as an image")


def test_truncated_jpeg(folder):
    path = folder(suffix=".jpg")
    file = path / "images" / "tile_02.jpg"
    file.write_bytes(file.read_bytes()[:-200])
    refuse(path, r"images/tile_02\.jpg cannot be read as an image")


def test_undeclared_labels(folder):
    table = "classes: [{name: a, label: 0}, {name: b, label: 1}, {name: c, label: 2}]\n"
    refuse(folder(classes_yaml=table), r"mask 'tile_00' holds \[3, 4\], declared are \[0, 1, 2\] and void \[255\]")


def test_undeclared_colours_are_shown_as_colours(folder, rng):
    masks = rng.choice(np.array([(0, 0, 0), (200, 150, 90), (1, 2, 3)], np.uint8), (12, 16, 24))
    table = 'classes: [{name: a, color: [0, 0, 0]}, {name: b, color: "#c8965a"}]\n'
    refuse(folder(masks=masks, classes_yaml=table), r"holds \[#010203\], declared are \[#000000, #c8965a\]")


def test_colour_masks_without_a_table(folder, rng):
    masks = rng.integers(0, 2, (12, 16, 24, 3)).astype(np.uint8)
    refuse(folder(masks=masks), r"masks in colour need a classes\.yaml")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("classes: [{name: a, label: 0}]", "at least 2 items"),
        ("classes: [{name: a, label: 0}, {name: a, label: 1}]", "share a name, a label or a color"),
        ("classes: [{name: a, label: 0}, {name: b}]", "needs either a label or a color"),
        ("classes: [{name: a, label: 0}, {name: b, color: [0, 0, 999]}]", "a colour is"),
        ('classes: [{name: a, label: 0}, {name: b, color: "#001122"}]', "all classes have a label or all have a color"),
        ("classes: [{name: a, label: 0}, {name: b, label: 1}]\nignored: [c]", "names no class: .*c"),
        ("classes: [{name: a, label: 0}, {name: b, label: 1}]\nvoid: [1]", "is the label or color of a class"),
        ("classes: [{name: a, label: 0}, {name: b, label: 1}]\nignore: [a]", "ignore: Extra inputs"),
        ("classes: [", "not valid YAML"),
    ],
)
def test_faulty_class_tables(folder, table, message):
    refuse(folder(classes_yaml=table), rf"(?s)classes\.yaml cannot be used: .*{message}")


def test_class_table_round_trip():
    table = ClassTable.from_yaml(
        'classes: [{name: a, color: [1, 2, 3]}, {name: b, color: "#ff0000"}]\nvoid: ["#00ff00"]'
    )
    assert ClassTable.from_yaml(table.to_yaml()) == table
    assert table.classes[1].code == 0xFF0000


def test_one_class_is_no_segmentation(folder, pairs):
    refuse(folder(masks=np.zeros_like(pairs[:, 1])), r"masks need 2 to 254 classes; 1 found, labels \[0\]")


def test_too_many_classes(folder):
    masks = (np.arange(12 * 16 * 24) % 300).reshape(12, 16, 24).astype(np.uint16)
    refuse(folder(masks=masks), r"masks need 2 to 254 classes; 299 found")


def test_differing_channels_and_depths(folder, pairs):
    mixed = [*pairs[:11, 0], np.repeat(pairs[11, 0, :, :, None], 3, axis=2)]
    refuse(folder(images=mixed), "same number of channels; 'tile_00' has 1 and 'tile_11' has 3")


def test_differing_bit_depths(folder, pairs):
    mixed = [*pairs[:11, 0], pairs[11, 0].astype(np.uint16)]
    refuse(folder(images=mixed), "same bit depth; images/ holds uint16 and uint8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,split\na,train\n", "needs a header with stem and split or group"),
        ("stem,split\ntile_00,holdout\n", "gives 'tile_00' the split 'holdout'"),
        ("stem,split\nnobody,train\n", r"names 1 stems without an image, such as \['nobody'\]"),
        ("stem,split\ntile_00,train\n", "must give every image a split; it leaves out 11"),
        ("stem,split\ntile_00,train\ntile_00,test\n", "names a stem twice"),
    ],
)
def test_faulty_splits_tables(folder, text, message):
    refuse(folder(splits_csv=text), rf"splits\.csv.*{message}|{message}")


def test_fewer_images_than_a_split_needs(npz, pairs):
    data = read_data(npz(training_set=pairs[:4]))
    with pytest.raises(DataError, match="a split of 60% / 20% / 20% needs at least 5 images; 4 remain after the audit"):
        split(data, audit(data), seed=0)


def test_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("training_set.npy", b"no numpy array")
    with pytest.raises(DataError, match="training_set"):
        read_data(tmp_path / "data.npz")
