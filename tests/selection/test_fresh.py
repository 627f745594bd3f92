"""A package in an environment that holds nothing but numpy and onnxruntime."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from search.data.new_image import as_trained
from search.selection.new_images import NewImage
from search.selection.package.write import write_package
from search.selection.predicting import Package, raw_mask
from tests.models.networks import small_networks
from tests.selection.packages import FORM, export_of, scene, write_predictor

pytestmark = pytest.mark.fresh


def called(place: Path, *command: object) -> str:
    """What a command prints that runs in `place`, where nothing of this checkout can be imported."""
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=clean, cwd=place, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_numpy_and_onnxruntime_are_enough(tmp_path: Path) -> None:
    uv = shutil.which("uv")
    assert uv is not None, "uv makes the environment"
    python = tmp_path / "venv" / "bin" / "python"
    called(tmp_path, uv, "venv", "--python", platform.python_version(), tmp_path / "venv")
    called(tmp_path, uv, "pip", "install", "--python", python, "numpy", "onnxruntime")
    for missing in ("torch", "PIL", "search"):
        code = f"import importlib.util; print(importlib.util.find_spec({missing!r}))"
        assert called(tmp_path, python, "-c", code) == "None\n"
    form = FORM.model_copy(update={"intensity": ((100.0, 50000.0),), "scale": 0.6})
    models = [small_networks()[name] for name in ("unet", "encoder_fpn")]
    predictor = write_predictor(tmp_path / "weights", models, flips=("none", "horizontal"), excluded=(0,))
    write_package(export_of(tmp_path / "weights", predictor, form), tmp_path / "package")
    images = [scene(*size).astype(np.uint16) * 200 for size in ((90, 170), (33, 50))]
    for number, image in enumerate(images):
        np.save(tmp_path / f"{number}.npy", image)
    given = [tmp_path / f"{number}.npy" for number in range(len(images))]
    called(tmp_path, python, tmp_path / "package" / "predict.py", *given, "--to", tmp_path / "out")
    package = Package.load(tmp_path / "package", "cpu")
    news = [NewImage(name="x", pixels=as_trained(image, form, "x")) for image in images]
    for number, (_, mask) in enumerate(package.masks(news)):
        assert mask is not None
        found, expected = np.load(tmp_path / "out" / f"{number}.npy"), raw_mask(mask, package.preprocessing)
        assert (found != expected).mean() < 1e-3
        assert len(np.unique(found)) > 1
