"""Distance maps and the boundary loss against the authors' definition."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from monai.losses.boundary_loss import BoundaryLoss
from scipy.ndimage import distance_transform_edt

from search.training.losses import distance_maps
from search.training.losses.boundary import boundary
from search.training.losses.distances import distances
from search.training.losses.pixels import Prediction, Truth

CLASSES = 4


def reference_map(inside: np.ndarray) -> np.ndarray:
    """LIVIAETS/boundary-loss, 0 where it is not defined."""
    if not inside.any() or inside.all():
        return np.zeros(inside.shape)
    return distance_transform_edt(~inside) * ~inside - (distance_transform_edt(inside) - 1) * inside


@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, (2, 9, 14), elements=st.sampled_from([0, 1, 2, 3, 255]), fill=st.sampled_from([0, 2, 255])))
def test_distance_maps_are_the_authors_divided_by_the_diagonal(masks: np.ndarray) -> None:
    expected = np.stack([[reference_map(mask == label) for label in range(CLASSES)] for mask in masks])
    maps = distance_maps(masks, CLASSES)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected / math.hypot(9, 14), atol=1e-6)
    assert np.abs(maps).max() <= 1


def test_a_class_that_fills_the_image_or_is_absent_has_no_boundary() -> None:
    maps = distance_maps(np.full((1, 8, 16), 2, np.uint8), CLASSES)
    assert not maps.any()


def test_boundary_loss_is_monais_divided_by_the_diagonal() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, CLASSES, 12, 20, generator=generator)
    coarse = torch.randint(0, CLASSES, (2, 3, 5), generator=generator, dtype=torch.uint8)
    labels = coarse.repeat_interleave(4, 1).repeat_interleave(4, 2)
    maps = torch.from_numpy(distance_maps(labels.numpy(), CLASSES))
    truth = Truth(labels=labels, class_weights=torch.ones(CLASSES))
    value = boundary(Prediction(logits=logits), truth, maps)
    monais = BoundaryLoss(softmax=True, to_onehot_y=True)(logits, labels.unsqueeze(1))
    assert value.item() == pytest.approx(monais.item() / math.hypot(12, 20), rel=1e-5)


def test_void_pixels_are_left_out_of_the_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, CLASSES, 8, 8, generator=generator)
    labels = torch.randint(0, CLASSES, (1, 8, 8), generator=generator, dtype=torch.uint8)
    labels[:, :, :3] = 255
    maps = torch.from_numpy(distance_maps(labels.numpy(), CLASSES))
    truth = Truth(labels=labels, class_weights=torch.ones(CLASSES))
    expected = (logits.softmax(1) * maps)[..., 3:].mean()
    torch.testing.assert_close(boundary(Prediction(logits=logits), truth, maps), expected)


def test_distances_are_the_same_to_the_last_bit_wherever_their_memory_lies() -> None:
    """OpenCV's own differ between two calls on one mask, and so did the curves of one seed."""
    mask = (np.random.default_rng(0).random((64, 128)) > 0.002).astype(np.uint8)
    expected = np.sqrt(np.rint(distance_transform_edt(mask) ** 2), dtype=np.float32)
    for shift in range(16):
        moved = np.empty(mask.size + 16, np.uint8)[shift : shift + mask.size].reshape(mask.shape)
        moved[:] = mask
        np.testing.assert_array_equal(distances(moved), expected)
