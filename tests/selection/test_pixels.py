"""The pixels by which ensembles are chosen."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from search.data.samples import VOID, Samples, TrialData
from search.selection import pixels
from search.selection.pixels import pixel_logits, pixel_stride
from search.training.compute import Compute
from tests.contracts.fake_training import facts

COMPUTE = Compute(device=torch.device("cpu"), precision="float32")


class Grey(nn.Module):
    """Logits of class k: k times the grey value."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([images * index for index in range(3)], dim=1)


def data(count: int = 20, height: int = 64, width: int = 128) -> TrialData:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, height, width, 1), dtype=np.uint8)
    masks = rng.choice(np.array([0, 1, 2, VOID], dtype=np.uint8), (count, height, width))
    part = Samples(images=images, masks=masks)
    return TrialData(train=part, validation=part, facts=facts())


def test_every_pixel_that_counts_where_there_are_few() -> None:
    made = data()
    counted = np.isin(made.validation.masks, (1, 2))
    logits, truth = pixel_logits(Grey(), made, COMPUTE)
    assert pixel_stride(made) == 1
    assert np.array_equal(truth.numpy(), np.asarray(made.validation.masks)[counted])
    grey = np.asarray(made.validation.images)[..., 0][counted] / 255
    assert np.allclose(logits.numpy(), grey[:, None] * np.arange(3), atol=1e-6)


def test_every_nth_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    made = data()
    whole, truth = pixel_logits(Grey(), made, COMPUTE)
    monkeypatch.setattr(pixels, "MOST_VALUES", 3 * len(whole) // 7 + 3)
    stride = pixel_stride(made)
    assert stride == 7
    kept, labels = pixel_logits(Grey(), made, COMPUTE)
    assert torch.equal(kept, whole[::7])
    assert torch.equal(labels, truth[::7])


def test_images_of_other_sizes_by_windows() -> None:
    made = data(count=3, height=70, width=150)
    assert not made.uniform
    logits, truth = pixel_logits(Grey(), made, COMPUTE)
    assert len(truth) == np.isin(made.validation.masks, (1, 2)).sum()
    grey = np.asarray(made.validation.images)[..., 0][np.isin(made.validation.masks, (1, 2))] / 255
    assert np.allclose(logits.numpy(), grey[:, None] * np.arange(3), atol=1e-5)
