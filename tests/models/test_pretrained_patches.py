"""An encoder with timm's weights on patches: it begins as timm's own on the image averaged over each of them."""

from typing import cast

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.frame import to_patches
from models.pretrained import encoders
from tests.models.test_pretrained import NETWORK, RESNET, changed, of_encoder, reference, started, timm_weights


@pytest.mark.parametrize("patch", [2, 4])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto"])
def test_on_patches_the_encoder_begins_as_on_the_averaged_image(name: str, channels: int, patch: int) -> None:
    weights = RESNET if name == "resnet10t" else timm_weights(name)
    model, loaded = started(changed(NETWORK, encoder=name, in_channels=channels, levels=3, patch=patch), weights)
    assert of_encoder(loaded.fresh) == []
    pixels = torch.rand(2, channels, 128, 192, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ((_, encoder),) = encoders(model)
        patches = to_patches(cast("nn.Module", model.standardize)(pixels), patch)
        mine = encoder.eval()(patches)
    theirs = reference(name, weights, functional.avg_pool2d(pixels, patch))
    for feature, expected in zip(mine, theirs, strict=False):
        torch.testing.assert_close(feature, expected, rtol=1e-4, atol=1e-4)
