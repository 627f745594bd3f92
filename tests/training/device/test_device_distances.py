"""Distance maps on the device equal those of the CPU."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import distance_transform_edt

from search.data.samples import VOID
from search.training.device import device_distance_maps, distances
from search.training.losses import distance_maps
from tests.training.device.library import regions

CLASSES = 4


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.uint8,
        array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=17),
        elements=st.sampled_from([0, 1, 2, 3, 7, VOID]),
        fill=st.sampled_from([0, 2, VOID]),
    )
)
def test_maps_are_those_of_the_cpu(masks):
    maps = device_distance_maps(torch.from_numpy(masks), CLASSES)
    assert maps.dtype == torch.float32
    np.testing.assert_allclose(maps.numpy(), distance_maps(masks, CLASSES), atol=1e-6)


@pytest.mark.parametrize("size", [(64, 128), (128, 64), (31, 200)])
def test_maps_of_large_regions(size):
    masks = regions(3, size)
    masks[0, 10:20, 10:40] = VOID
    expected = distance_maps(masks, CLASSES)
    np.testing.assert_allclose(device_distance_maps(torch.from_numpy(masks), CLASSES).numpy(), expected, atol=1e-6)
    assert np.abs(expected).max() > 0.1


def test_absent_and_filling_classes_have_no_boundary():
    masks = np.full((3, 8, 16), 2, np.uint8)
    masks[1, 4:] = VOID
    masks[2] = VOID
    maps = device_distance_maps(torch.from_numpy(masks), CLASSES)
    assert not maps[[0, 2]].any()
    assert not maps[1, [0, 1, 3]].any()
    assert maps[1, 2].any()


@pytest.mark.parametrize("piece", [1, 500, 20_000])
def test_pieces_change_nothing(monkeypatch, piece):
    masks = torch.from_numpy(regions(4, (20, 30)))
    whole = device_distance_maps(masks, CLASSES)
    monkeypatch.setattr(distances, "PIECE", piece)
    assert torch.equal(device_distance_maps(masks, CLASSES), whole)


def test_squares_are_exact():
    generator = np.random.default_rng(0)
    planes = generator.random((2, 3, 60, 90)) > 0.999
    squares = distances.squared_distances(torch.from_numpy(planes))
    expected = np.stack([[np.square(np.asarray(distance_transform_edt(~plane))) for plane in each] for each in planes])
    np.testing.assert_array_equal(squares.numpy(), np.rint(expected))
