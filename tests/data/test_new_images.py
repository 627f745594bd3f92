"""Images that came after the search: what must be recorded for them, and how they are read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search.data.form import DataForm
from search.data.npz_stream import CHUNK, iterate_images, read_header
from search.data.prepare import prepare_data
from search.errors import DataError
from search.selection.new_images import find_images
from tests.data.conftest import Writer

GREY = DataForm(channels=1, class_names=("a", "b"), labels=(0, 1))


def test_the_form_of_an_npz_file_is_recorded(npz: Writer, rng) -> None:
    images = rng.random((20, 64, 96)).astype(np.float32)
    masks = rng.integers(0, 5, images.shape)
    form = prepare_data(npz(training_set=np.stack([images, masks], axis=1)), seed=0).form
    assert form == DataForm(
        channels=1,
        class_names=("background", "soil", "bedrock", "sand", "big rock"),
        labels=(0, 1, 2, 3, 4),
        background=0,
        ignored=(0,),
        intensity=((0.0, 1.0),),
        scale=1.0,
    )


def test_the_form_of_a_folder_with_large_deep_images_and_colours(folder: Writer, rng) -> None:
    images = rng.integers(50, 3000, (10, 70, 80)).astype(np.uint16)
    images[0, 0, :2] = 40, 3001
    colors = np.array([(0, 0, 0), (128, 64, 0), (0, 0, 255)], np.uint8)
    path = folder(
        images,
        colors[rng.integers(0, 3, images.shape)],
        classes_yaml='classes: [{name: a, color: "#000000"}, {name: b, color: "#804000"}, {name: c, color: "#0000ff"}]',
    )
    prepared = prepare_data(path, seed=0, input_size=(32, 32))
    assert prepared.form.intensity == ((40.0, 3001.0),)
    assert (prepared.form.labels, prepared.form.colored) == ((0, 0x804000, 0xFF), True)
    assert prepared.form.scale == prepared.trial.scale == 0.8


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 3])
def test_arrays_are_read_little_by_little(tmp_path: Path, rng, count: int) -> None:
    path, array = tmp_path / "a.npz", rng.integers(0, 256, (count, 4, 6)).astype(np.uint8)
    np.savez_compressed(path, test_set=array, columns=np.asfortranarray(array.astype(np.float32)))
    assert read_header(path, "test_set") == ((count, 4, 6), np.dtype(np.uint8))
    np.testing.assert_array_equal(np.stack(list(iterate_images(path, "test_set"))), array)
    np.testing.assert_array_equal(np.stack(list(iterate_images(path, "columns"))), array)


def test_arrays_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, test_set=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="must hold numbers, it holds object; pickled ones are never loaded"):
        list(iterate_images(path, "test_set"))
    with pytest.raises(DataError, match=r"needs an array named 'x'; a\.npz holds \['test_set'\]"):
        list(iterate_images(path, "x"))
    np.savez(path, test_set=np.zeros((9, 64, 64), np.uint8))
    content = bytearray(path.read_bytes())
    content[5000:5010] = b"0123456789"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"'test_set' in a\.npz is truncated or damaged: Bad CRC-32"):
        list(iterate_images(path, "test_set"))


@pytest.mark.parametrize("layout", ["(M, H, W)", "(M, H, W, C)", "(M, C, H, W)", "training"])
def test_every_layout_of_an_npz_file(npz: Writer, rng, layout: str) -> None:
    images = rng.integers(0, 256, (3, 16, 24)).astype(np.uint8)
    arrays = {
        "(M, H, W)": {"test_set": images, "training_set": images},
        "(M, H, W, C)": {"test_set": images[..., None]},
        "(M, C, H, W)": {"test_set": images[:, None]},
        "training": {"training_set": np.stack([images, images % 5], axis=1)},
    }
    found = find_images(npz(**arrays[layout]))
    assert (len(found), found.is_test_set) == (3, layout != "training")
    read = list(found.read(GREY))
    assert [image.name for image in read] == ["00000", "00001", "00002"]
    np.testing.assert_array_equal(
        np.stack([image.pixels for image in read if image.pixels is not None])[..., 0], images
    )


def test_a_folder_and_a_file(tmp_path: Path, rng) -> None:
    pixels = rng.integers(0, 256, (2, 8, 9)).astype(np.uint8)
    Image.fromarray(pixels[0]).save(tmp_path / "b.png")
    Image.fromarray(pixels[1]).save(tmp_path / "a.tif")
    Image.fromarray(np.stack([pixels[0]] * 3, axis=2)).save(tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes(b"damaged")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    read = list(find_images(tmp_path).read(GREY))
    assert [image.name for image in read] == ["a", "b", "c", "d"]
    problems = [image.problem for image in read]
    assert problems[:2] == [None, None]
    assert "c.png has 3. Convert it" in str(problems[2])
    assert "d.png cannot be read as an image" in str(problems[3])
    (single,) = find_images(tmp_path / "b.png").read(GREY)
    assert single.pixels is not None
    np.testing.assert_array_equal(single.pixels[..., 0], pixels[0])


def test_what_holds_no_images(tmp_path: Path, npz: Writer) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="there is no image in the folder"):
        find_images(empty)
    with pytest.raises(DataError, match="there is no file or folder"):
        find_images(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match=r"or an npz file; notes\.txt is none of these"):
        find_images(tmp_path / "notes.txt")
    for shape, words in (((0, 4, 4), "holds no image"), ((4, 4), "needs the layout")):
        with pytest.raises(DataError, match=words):
            find_images(npz(test_set=np.zeros(shape)))
    with pytest.raises(DataError, match="training_set needs the layout"):
        find_images(npz(training_set=np.zeros((3, 5, 5))))
    with pytest.raises(DataError, match="needs an array named 'test_set'"):
        find_images(npz(masks=np.zeros((3, 5, 5))))
    for name in ("a.png", "a.jpg"):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(empty / name)
    with pytest.raises(DataError, match=r"holds a\.jpg and a\.png\. Rename one"):
        find_images(empty)
