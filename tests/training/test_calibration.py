"""Experts are calibrated on what the loss sees of the training images, after each epoch."""

from contextlib import nullcontext

import pytest
import torch

from models.build import build_model
from models.experts import Experts
from search.data.samples import VOID
from search.training.calibration import calibrate
from search.training.outcome import NotFiniteError
from spaces.networks import ExpertsConfig, UNetConfig


def experts() -> tuple[torch.nn.Module, Experts]:
    torch.manual_seed(0)
    network = build_model(ExpertsConfig(in_channels=1, classes=3, depth=2, width=4)).eval()
    (group,) = [module for module in network.modules() if isinstance(module, Experts)]
    return network, group


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    masks = torch.randint(3, (4, 32, 32))
    return torch.rand(4, 1, 32, 32), masks


def test_calibrated_logits_have_the_frequency_of_their_class() -> None:
    network, _ = experts()
    images, masks = batch()
    masks[:, :8] = 0
    calibrate(network, [(images, masks)], nullcontext)
    with torch.no_grad():
        chances = network(images)[..., ::4, ::4].sigmoid().mean((0, 2, 3))
    frequencies = torch.bincount(masks[:, ::4, ::4].flatten(), minlength=3) / masks[:, ::4, ::4].numel()
    torch.testing.assert_close(chances, frequencies, atol=0.01, rtol=0)


def test_a_second_calibration_does_not_build_on_the_first() -> None:
    network, group = experts()
    one, two = batch(), batch()
    calibrate(network, [one], nullcontext)
    first = group.scale.clone(), group.shift.clone()
    calibrate(network, [two], nullcontext)
    assert not torch.equal(group.shift, first[1])
    calibrate(network, [one], nullcontext)
    torch.testing.assert_close((group.scale, group.shift), first)


def test_void_pixels_take_no_part() -> None:
    network, group = experts()
    images, masks = batch()
    calibrate(network, [(images[:2], masks[:2])], nullcontext)
    alone = group.shift.clone()
    masks[2:] = VOID
    calibrate(network, [(images, masks)], nullcontext)
    torch.testing.assert_close(group.shift, alone)


def test_logits_that_are_no_numbers_are_told_and_not_fitted_to() -> None:
    network, group = experts()
    with torch.no_grad():
        next(network.parameters())[0] = torch.nan
    with pytest.raises(NotFiniteError, match="the experts cannot be calibrated"):
        calibrate(network, [batch()], nullcontext)
    assert group.scale.isfinite().all()


def test_networks_without_experts_ask_for_no_batch() -> None:
    def forbidden():
        raise AssertionError("asked for a batch")
        yield

    calibrate(build_model(UNetConfig(in_channels=1, classes=3, depth=2, width=4)), forbidden(), nullcontext)
