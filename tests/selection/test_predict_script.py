"""The script of a package does exactly what the tool does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from search.data.form import DataForm
from search.data.input_size import shrink
from search.data.new_image import as_trained
from search.errors import DataError
from search.selection.new_images import NewImage
from search.selection.package import predict as script
from search.selection.package.contents import Preprocessing
from search.selection.package.write import write_package
from search.selection.predicting import Package, raw_mask
from spaces.networks import ModelConfig
from tests.selection.packages import FORM, SIZE, export_of, scene, tiny, write_predictor

DIFFERING = 1e-3
"""Share of pixels that may differ: those whose two best classes are equal up to rounding. Seen: 0 to 2e-4."""

DEEP = ((100.0, 40000.0), (0.0, 65535.0))


@dataclass(frozen=True)
class Case:
    models: tuple[ModelConfig, ...]
    form: DataForm
    sizes: tuple[tuple[int, int], ...]
    excluded: tuple[int, ...] = ()
    flips: tuple[str, ...] = ("none",)


CASES = {
    "an ensemble with flips, larger and smaller images": Case(
        models=(tiny(), tiny()),
        form=FORM,
        sizes=((32, 48), (70, 101), (20, 30), (32, 200), (5, 48)),
        excluded=(0,),
        flips=("none", "horizontal", "both"),
    ),
    "shrunk colour images": Case(
        models=(tiny(3),),
        form=FORM.model_copy(update={"channels": 3, "scale": 0.37}),
        sizes=((130, 175), (64, 96), (33, 40)),
    ),
    "halved deep images with colours as labels": Case(
        models=(tiny(2),),
        form=FORM.model_copy(
            update={"channels": 2, "scale": 0.5, "intensity": DEEP, "colored": True, "labels": (0, 255, 65280, 9, 8)}
        ),
        sizes=((64, 96), (101, 90)),
    ),
}


def images_of(case: Case) -> list[np.ndarray]:
    images = [scene(*size, case.form.channels, seed) for seed, size in enumerate(case.sizes)]
    if case.form.intensity is None:
        return images
    return [image.astype(np.uint16) * 257 for image in images]


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_masks_are_those_of_search_predict(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = write_predictor(tmp_path / "weights", case.models, flips=case.flips, excluded=case.excluded)
    write_package(export_of(tmp_path / "weights", predictor, case.form), tmp_path / "package")
    package = Package.load(tmp_path / "package", "cpu")
    images = images_of(case)
    monkeypatch.setattr(script, "HERE", tmp_path / "package")
    settings = package.preprocessing.model_dump(mode="json")
    news = [NewImage(name=str(number), pixels=as_trained(image, case.form, "x")) for number, image in enumerate(images)]
    expected = [raw_mask(mask, package.preprocessing) for _, mask in package.masks(news) if mask is not None]
    assert len(expected) == len(images)
    for runtime in ("onnxruntime", "torch"):
        own = script.Predictor(settings, script.load_program(runtime))
        found = [next(own.masks(image[None], "x")) for image in images]
        for mask, same in zip(found, expected, strict=True):
            assert (mask.dtype, mask.shape) == (same.dtype, same.shape)
            differs = mask != same
            assert (differs.any(axis=-1) if mask.ndim == 3 else differs).mean() <= DIFFERING
    values = {tuple(value) if mask.ndim == 3 else value for mask in expected for value in flat(mask)}
    assert len(values) > 1, "an image of one class shows nothing"
    if case.excluded:
        assert not values & {case.form.labels[index] for index in case.excluded}


def flat(mask: np.ndarray) -> list:
    return mask.reshape(-1, 3).tolist() if mask.ndim == 3 else mask.ravel().tolist()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
def test_shrinking_equals_opencv(channels: int) -> None:
    generator = np.random.default_rng(0)
    for scale in (0.5, 0.25, 1 / 3, 0.75, 0.4, 0.61, 0.9, 0.031):
        for height, width in ((64, 96), (61, 97), (40, 33)):
            image = generator.integers(0, 256, (height, width, channels)).astype(np.uint8)
            np.testing.assert_array_equal(script.shrink(image, scale), shrink(image, scale, cv2.INTER_AREA))


def test_enlarging_equals_torch() -> None:
    logits = torch.randn(3, 20, 33, generator=torch.Generator().manual_seed(0))
    for size in ((41, 70), (20, 40), (200, 333), (23, 33)):
        expected = functional.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
        np.testing.assert_allclose(script.enlarge(logits.numpy(), *size), expected.numpy(), atol=2e-5)


RANGES = {
    "8 bits": None,
    "floats to 1": ((0.0, 1.0),),
    "floats to 255": ((0.0, 255.0),),
    "16 bits": ((10.0, 4000.0),),
}
VALUES = {
    "uint8": np.array([0, 7, 255], np.uint8),
    "small integers": np.array([0, 7, 255], np.int64),
    "wide integers": np.array([0, 300, 60000], np.uint16),
    "floats to 1": np.array([0, 0.3, 1], np.float32),
    "floats to 255": np.array([0, 7.4, 255], np.float64),
    "negative": np.array([-1.0, 0, 1]),
    "nan": np.array([0, np.nan, 1]),
}


REFUSED = {
    *((trained_on, values) for trained_on in RANGES for values in ("wide integers", "negative", "nan")),
    ("floats to 1", "floats to 255"),
    ("16 bits", "uint8"),
} - {("16 bits", "wide integers"), ("16 bits", "negative")}


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("trained_on", RANGES)
def test_values_are_mapped_or_refused_alike(trained_on: str, values: str) -> None:
    form = FORM.model_copy(update={"intensity": RANGES[trained_on]})
    settings = Preprocessing.of(form, SIZE).model_dump(mode="json")
    image = VALUES[values].reshape(1, 3, 1)
    own = script.Predictor(settings, lambda images: images)
    if (trained_on, values) in REFUSED:
        with pytest.raises(DataError, match=r"photo\.png"):
            as_trained(image, form, "photo.png")
        with pytest.raises(script.InputError, match=r"photo\.png"):
            own.eight_bits(image, "photo.png")
    else:
        expected = as_trained(image, form, "photo.png")
        assert expected.dtype == np.uint8
        np.testing.assert_array_equal(own.eight_bits(image, "photo.png"), expected)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a network on grey images."""
    folder = tmp_path_factory.mktemp("grey")
    predictor = write_predictor(folder / "weights", [tiny()])
    write_package(export_of(folder / "weights", predictor), folder / "package")
    return folder / "package"


Call = Callable[..., int]


@pytest.fixture
def call(package: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the script's main as its command line would."""
    monkeypatch.setattr(script, "HERE", package)

    def run(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["predict.py", *map(str, arguments)])
        return script.main()

    return run


def test_files_of_every_form(call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, images = tmp_path / "given", np.stack([scene(32, 48, seed=seed)[..., 0] for seed in range(3)])
    given.mkdir()
    Image.fromarray(images[0]).save(given / "a.png")
    np.save(given / "b.npy", images[1])
    np.save(given / "c.npy", images)
    np.savez(given / "d.npz", test_set=images, other=1)
    np.savez(given / "e.npz", training_set=np.stack([images, images * 0], axis=1))
    np.savez(given / "f.npz", whatever=images[..., None])
    (given / "notes.txt").write_text("no image")
    assert call(given, "--to", tmp_path / "out") == 0
    assert capsys.readouterr().out == f"14 masks in {tmp_path / 'out'}\n"
    out = tmp_path / "out"
    stack = np.load(out / "c.npy")
    assert stack.shape == (3, 32, 48)
    np.testing.assert_array_equal(np.asarray(Image.open(out / "a.png")), stack[0])
    np.testing.assert_array_equal(np.load(out / "b.npy"), stack[1])
    for name in ("d", "e", "f"):
        with np.load(out / f"{name}.npz") as archive:
            np.testing.assert_array_equal(archive["masks"], stack)
    assert set(np.unique(stack).tolist()) <= {0, 1, 2, 3, 7}


def test_bad_files_are_named_and_the_others_predicted(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no more")
    Image.fromarray(scene(32, 48, 3)).save(tmp_path / "colour.png")
    np.savez(tmp_path / "many.npz", one=np.zeros((2, 32, 48)), two=np.zeros((2, 32, 48)))
    np.save(tmp_path / "odd.npy", np.zeros(5))
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "good.npy", scene(32, 48))
    assert call(tmp_path, "--to", tmp_path / "out") == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[2].split(" ")[0] for line in lines[:1]] == ["broken.png"]
    assert "the network takes images of 1 channel(s); colour.png has the shape (1, 32, 48, 3)" in lines[1]
    assert "many.npz holds the arrays ['one', 'two']: name the one with the images by --array" in lines[2]
    assert "odd.npy has the shape (5,)" in lines[3]
    assert "pickled.npy cannot be read as an array of numbers" in lines[4]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.npy"]
    assert call(tmp_path / "many.npz", "--to", tmp_path / "second", "--array", "two") == 0


def test_what_cannot_begin(call: Call, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", scene(32, 48))
    with pytest.raises(script.InputError, match="no image in"):
        call(package.parent / "weights", "--to", tmp_path / "out")
    with pytest.raises(script.InputError, match="there is no file or folder"):
        call(tmp_path / "nowhere", "--to", tmp_path / "out")
    with pytest.raises(script.InputError, match="--to needs a new or an empty folder"):
        call(tmp_path / "a.npy", "--to", tmp_path)
    Image.fromarray(scene(32, 48)[..., 0]).save(tmp_path / "b.png")
    Image.fromarray(scene(32, 48)[..., 0]).save(tmp_path / "b.tif")
    with pytest.raises(script.InputError, match=r"two masks would be named b\.png"):
        call(tmp_path, "--to", tmp_path / "out")
    monkeypatch.setattr(script, "HERE", tmp_path)
    with pytest.raises(script.InputError, match=r"model\.onnx is not here; model\.pt2 is not here"):
        script.load_program("auto")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["model.onnx", "preprocessing.json"])
def test_a_changed_file_is_refused(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for path in package.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes((package / name).read_bytes() + b" ")
    monkeypatch.setattr(script, "HERE", tmp_path)
    monkeypatch.setattr("sys.argv", ["predict.py", str(tmp_path / "hashes.json"), "--to", str(tmp_path / "out")])
    with pytest.raises(script.InputError, match=f"{name} is not the file that was exported"):
        script.main()
