"""Where and how a trial computes."""

import numpy as np
import pytest
import torch

from models.build import build_model
from search.training.compute import Compute
from spaces.config import Layout
from tests.training.trials import SMALL

CPU = torch.device("cpu")


@pytest.mark.parametrize(("layout", "strides"), [("channels_last", (6, 1, 3, 1)), ("contiguous", (6, 6, 3, 1))])
def test_images_of_one_channel_have_the_strides_of_their_layout(layout: Layout, strides: tuple[int, ...]) -> None:
    compute = Compute(device=CPU, precision="float32", layout=layout)
    images = compute.images(np.full((2, 2, 3, 1), 51, np.uint8))
    assert images.stride() == strides
    assert torch.equal(images, torch.full((2, 1, 2, 3), 0.2))


def test_a_network_computes_the_same_in_both_layouts_and_stays_in_its_own() -> None:
    """What torch takes for the layout of a network's output is what it computed in."""
    torch.manual_seed(0)
    network = build_model(SMALL).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 1), dtype=np.uint8)
    outputs = {}
    for layout in ("channels_last", "contiguous"):
        compute = Compute(device=CPU, precision="float32", layout=layout)
        compute.place(network)
        outputs[layout] = network(compute.images(images))
    assert outputs["contiguous"].is_contiguous()
    assert outputs["channels_last"].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(outputs["contiguous"], outputs["channels_last"], rtol=1e-4, atol=1e-5)
