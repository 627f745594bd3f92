"""Small data sets in every form, written to temporary folders."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search.data.dataset import SegmentationData
from search.data.demo import demo_data

Writer = Callable[..., Path]


@pytest.fixture(scope="session")
def demo() -> SegmentationData:
    """The demo set; its arrays are read-only."""
    return demo_data()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def pairs(rng) -> np.ndarray:
    """Twelve images and masks of labels 0..4, (12, 2, 16, 24) uint8, with the full range of grey values."""
    images = rng.integers(0, 256, (12, 16, 24))
    images[0, 0, :2] = 0, 255
    return np.stack([images, rng.integers(0, 5, (12, 16, 24))], axis=1).astype(np.uint8)


@pytest.fixture
def npz(tmp_path) -> Writer:
    """Write arrays as an npz file."""

    def write(**arrays: np.ndarray) -> Path:
        path = tmp_path / "data.npz"
        np.savez_compressed(path, **arrays)
        return path

    return write


@pytest.fixture
def folder(tmp_path, pairs) -> Writer:
    """Write a data folder: by default the images and masks of `pairs` as PNG."""

    def write(images=None, masks=None, *, suffix=".png", **texts: str) -> Path:
        for name, arrays in (("images", pairs[:, 0] if images is None else images), ("masks", masks)):
            (tmp_path / name).mkdir()
            for index, array in enumerate(pairs[:, 1] if arrays is None else arrays):
                Image.fromarray(array).save(
                    tmp_path / name / f"tile_{index:02d}{suffix if name == 'images' else '.png'}"
                )
        for name, text in texts.items():
            (tmp_path / name.replace("_", ".")).write_text(text)
        return tmp_path

    return write
