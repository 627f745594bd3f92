"""`search.predict` from its command line."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from search.predict import main
from search.selection.new_images import NewImage, NewImages, find_images
from search.selection.package import write
from search.selection.package.contents import read_preprocessing
from search.selection.package.write import write_package
from search.training.palette import CLASS_COLORS
from tests.commands.studies import Commands
from tests.models.networks import small_networks
from tests.selection.packages import FORM, export_of, scene, write_predictor


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of an ensemble, without programs: this command needs none."""
    folder = tmp_path_factory.mktemp("package")
    models = [small_networks()[name] for name in ("unet", "unet_fusion")]
    predictor = write_predictor(folder / "weights", models, flips=("none", "horizontal"), excluded=(0,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "write_programs", lambda *arguments: ())
        write_package(export_of(folder / "weights", predictor), folder / "package")
    return folder / "package"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three grey images of different sizes."""
    (tmp_path / "images").mkdir()
    for number, size in enumerate(((32, 48), (50, 120), (300, 20))):
        Image.fromarray(scene(*size, seed=number)[..., 0]).save(tmp_path / "images" / f"tile {number}.png")
    return tmp_path / "images"


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_folder_becomes_masks_and_overlays(commands: Commands, package: Path, images: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert commands.run(main, package, images, "--to", out) == 0
    assert commands.out == f"3 images predicted: {out / 'masks'}, {out / 'overlays'}\n"
    assert commands.err == ""
    for number, size in enumerate(((32, 48), (50, 120), (300, 20))):
        mask = read(out / "masks" / f"tile {number}.png")
        assert (mask.shape, mask.dtype) == (size, np.uint8)
        assert set(np.unique(mask).tolist()) <= {1, 2, 3, 7}, "0 is excluded, and the last class is labelled 7"
    small = read(out / "overlays" / "tile 0.png")
    assert small.shape[1] == 256
    assert small.shape[0] > 5 * 32, "the image enlarged five times, and a legend"
    assert sorted(path.name for path in out.iterdir()) == ["masks", "overlays"]


def test_full_colour_is_the_palette(commands: Commands, package: Path, images: Path, tmp_path: Path):
    assert commands.run(main, package, images, "--to", tmp_path / "out", "--alpha", 1) == 0
    mask, overlay = (read(tmp_path / "out" / kind / "tile 0.png") for kind in ("masks", "overlays"))
    index = np.searchsorted([0, 1, 2, 3, 7], mask)
    np.testing.assert_array_equal(overlay[: 32 * 5 : 5, : 48 * 5 : 5], CLASS_COLORS[index])


def test_a_test_set_becomes_a_submission(commands: Commands, package: Path, tmp_path: Path):
    tiles = np.stack([scene(64, 128, seed=seed)[..., 0] for seed in range(5)])
    np.savez(tmp_path / "mars.npz", training_set=np.zeros((2, 2, 64, 128), np.uint8), test_set=tiles)
    out = tmp_path / "out"
    assert commands.run(main, package, tmp_path / "mars.npz", "--to", out, "--masks-only") == 0
    assert commands.out == f"5 images predicted: {out / 'masks'}, {out / 'submission.csv'}\n"
    lines = (out / "submission.csv").read_text().splitlines()
    assert lines[0] == ",".join(["id", *map(str, range(8192))])
    table = np.array([[int(cell) for cell in line.split(",")] for line in lines[1:]])
    assert table.shape == (5, 8193)
    np.testing.assert_array_equal(table[:, 0], np.arange(5))
    for number, row in enumerate(table[:, 1:]):
        np.testing.assert_array_equal(row.reshape(64, 128), read(out / "masks" / f"{number:05d}.png"))
    assert not (out / "overlays").exists()


def test_windows_are_predicted_alike_together_and_alone(commands: Commands, package: Path, tmp_path: Path):
    tiles = np.stack([scene(32, 48, seed=seed)[..., 0] for seed in range(20)])
    np.savez(tmp_path / "a.npz", test_set=tiles)
    assert commands.run(main, package, tmp_path / "a.npz", "--to", tmp_path / "out", "--masks-only") == 0
    np.savez(tmp_path / "b.npz", test_set=tiles[19:])
    assert commands.run(main, package, tmp_path / "b.npz", "--to", tmp_path / "alone", "--masks-only") == 0
    together, alone = read(tmp_path / "out/masks/00019.png"), read(tmp_path / "alone/masks/00000.png")
    assert (together != alone).mean() < 1e-3
    assert len(list((tmp_path / "out/masks").iterdir())) == 20


def test_bad_images_are_left_out_and_named(commands: Commands, package: Path, images: Path, tmp_path: Path):
    (images / "broken.png").write_bytes(b"\x89PNG")
    Image.fromarray(scene(32, 48, 3)).save(images / "colour.png")
    assert commands.run(main, package, images, "--to", tmp_path / "out") == 2
    assert commands.out.startswith("3 images predicted: ")
    lines = commands.err.splitlines()
    assert lines[0] == "error: 2 of 5 images could not be used and have no mask:"
    assert "broken.png cannot be read as an image" in lines[1]
    assert "the network takes images of 1 channel(s), as those it was trained on; colour.png has 3" in lines[2]
    assert len(list((tmp_path / "out/masks").iterdir())) == 3
    single = commands.run(main, package, images / "colour.png", "--to", tmp_path / "second")
    assert (single, "1 of 1 image could" in commands.err) == (2, True)


def test_a_test_set_that_does_not_fit_is_refused(commands: Commands, package: Path, tmp_path: Path):
    np.savez(tmp_path / "a.npz", test_set=np.zeros((2, 8, 8, 3), np.uint8))
    assert commands.run(main, package, tmp_path / "a.npz", "--to", tmp_path / "out") == 2
    assert commands.err.startswith("error: the network takes images of 1 channel(s)")
    assert "image 0 of test_set has 3" in commands.err


def test_a_test_set_with_one_bad_image_leaves_nothing(commands: Commands, package: Path, tmp_path: Path, monkeypatch):
    np.savez(tmp_path / "a.npz", test_set=np.zeros((3, 32, 48), np.uint8))
    images = find_images(tmp_path / "a.npz")
    good = list(images.read(read_preprocessing(package).form))
    spoiled = [*good[:2], NewImage(name="00002", problem="image 2 of test_set is spoiled")]
    monkeypatch.setattr(NewImages, "read", lambda *_: iter(spoiled))
    assert commands.run(main, package, tmp_path / "a.npz", "--to", tmp_path / "out") == 2
    assert commands.err == "error: image 2 of test_set is spoiled\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_colours_as_labels(commands: Commands, tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(write, "write_programs", lambda *arguments: ())
    form = FORM.model_copy(update={"colored": True, "labels": (0, 0xFF0000, 0xFF00, 0xFF, 0x804000)})
    predictor = write_predictor(tmp_path / "weights", [small_networks()["unet"]])
    write_package(export_of(tmp_path / "weights", predictor, form), tmp_path / "package")
    assert commands.run(main, tmp_path / "package", images, "--to", tmp_path / "out") == 0
    mask = read(tmp_path / "out/masks/tile 1.png")
    assert mask.shape == (50, 120, 3)
    known = {(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 64, 0)}
    assert set(map(tuple, mask.reshape(-1, 3).tolist())) <= known
    np.savez(tmp_path / "a.npz", test_set=scene(32, 48)[None, ..., 0])
    assert commands.run(main, tmp_path / "package", tmp_path / "a.npz", "--to", tmp_path / "second") == 0
    assert "submission.csv" not in commands.out, "a table of labels needs labels that are numbers"


def test_mistakes_are_one_message(commands: Commands, package: Path, images: Path, tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    cases = {
        "--alpha must be between 0 and 1, got 1.5": (package, images, "--to", tmp_path / "out", "--alpha", 1.5),
        "--to needs a new or an empty folder": (package, images, "--to", images),
        "there is no image in the folder": (package, empty, "--to", tmp_path / "out"),
        "there is no file or folder": (package, tmp_path / "nowhere", "--to", tmp_path / "out"),
        "is no package of search.export": (images, images, "--to", tmp_path / "out"),
    }
    if not torch.cuda.is_available():
        cases["--device cuda needs a GPU"] = (package, images, "--to", tmp_path / "out", "--device", "cuda")
    for words, arguments in cases.items():
        assert commands.run(main, *arguments) == 2
        assert commands.err.startswith("error: ")
        assert words in commands.err
        assert not (tmp_path / "out").exists()


def test_a_changed_package_is_refused(commands: Commands, package: Path, images: Path, tmp_path: Path):
    copy = shutil.copytree(package, tmp_path / "copy")
    text = (copy / "preprocessing.json").read_text()
    (copy / "preprocessing.json").write_text(text.replace('"sand"', '"snow"'))
    assert commands.run(main, copy, images, "--to", tmp_path / "out") == 2
    assert "preprocessing.json is not the file that was exported" in commands.err
    assert not (tmp_path / "out").exists()
