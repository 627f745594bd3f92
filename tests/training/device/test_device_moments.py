"""Whole epochs of both paths on the same images: what augmented images look like agrees, at every setting."""

import numpy as np
import pytest
import torch

from search.training.batches import TrainBatches
from search.training.device import DeviceBatches
from spaces.config import AugmentConfig
from tests.training.device.library import data_of, regions, texture

SIZE = (32, 64)
DATA = data_of(texture(300, SIZE), regions(300, SIZE))
EPOCHS = range(4)
TOLERANCES = {"none": (0.0, 0.0), "flip": (0.0, 0.0), "mild": (0.01, 0.01), "complex": (0.01, 0.02)}
"""Relative differences of contrast, and of neighbouring pixels, that are no error: one interpolation in place of two
leaves images sharper. (Measured: 0.5 % and 1.0 % at `complex`.)"""


def numbers(images: np.ndarray) -> np.ndarray:
    """Of images (N, H, W): mean, standard deviation, and mean difference of neighbours down and across, (N, 4)."""
    values = images.astype(float)
    differences = (np.abs(np.diff(values, axis=axis)).mean((1, 2)) for axis in (1, 2))
    return np.column_stack((values.mean((1, 2)), values.std((1, 2)), *differences))


@pytest.mark.parametrize("photometric", [False, True])
@pytest.mark.parametrize("geometric", ["none", "flip", "mild", "complex"])
def test_moments_agree(geometric, photometric):
    """Means agree within three standard errors beside the tolerance, spreads within 12 %."""
    config = AugmentConfig(geometric=geometric, photometric=photometric, vertical_flip=True)
    library = TrainBatches(DATA, config, batch_size=50, seed=0)
    device = DeviceBatches(DATA, config, batch_size=50, seed=0, device=torch.device("cpu"))
    theirs = numbers(np.concatenate([batch.images[..., 0] for epoch in EPOCHS for batch in library.epoch(epoch)]))
    ours = numbers(np.concatenate([batch.images[:, 0].numpy() for epoch in EPOCHS for batch in device.epoch(epoch)]))
    contrast, neighbours = TOLERANCES[geometric]
    errors = np.sqrt((ours.var(0) + theirs.var(0)) / len(ours)) if photometric or geometric != "none" else 1e-9
    allowed = 3 * errors + theirs.mean(0) * [0, contrast, neighbours, neighbours]
    assert (np.abs(ours.mean(0) - theirs.mean(0)) <= allowed).all()
    np.testing.assert_allclose(ours.std(0), theirs.std(0), rtol=0.12)


def test_classes_keep_their_shares():
    """Masks of both paths have as much of each class, within three standard errors."""
    config = AugmentConfig(geometric="complex", vertical_flip=True)
    shares = []
    for source in (
        TrainBatches(DATA, config, batch_size=50, seed=0),
        DeviceBatches(DATA, config, batch_size=50, seed=0, device=torch.device("cpu")),
    ):
        masks = np.concatenate([np.asarray(batch.masks) for epoch in EPOCHS for batch in source.epoch(epoch)])
        shares.append(np.stack([(masks == label).mean((1, 2)) for label in range(5)], axis=1))
    errors = np.sqrt((shares[0].var(0) + shares[1].var(0)) / len(shares[0]))
    assert (np.abs(shares[0].mean(0) - shares[1].mean(0)) < 3 * errors).all()
