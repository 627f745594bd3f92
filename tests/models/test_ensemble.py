"""Networks that predict together."""

import pytest
import torch
from torch import Tensor, nn

from models.build import build_model
from models.ensemble import NEVER, Ensemble
from tests.models.networks import small_networks


class Fixed(nn.Module):
    """Gives the same logits (K, H, W) for every image."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.register_buffer("logits", logits)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits.expand(len(images), *self.logits.shape)


class Pointwise(nn.Module):
    """Two classes: a pixel's brightness, and one minus it. It commutes with every flip."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([images, 1 - images], dim=1)


class Ramp(nn.Module):
    """Adds to class 0 what grows to the right and downwards, so that a flip matters."""

    def forward(self, images: Tensor) -> Tensor:
        rows, columns = torch.arange(images.shape[2]).view(-1, 1), torch.arange(images.shape[3])
        return torch.cat([images + rows + 2 * columns, 0 * images], dim=1)


def logits(generator: torch.Generator, classes: int = 3) -> Tensor:
    return torch.randn(classes, 4, 5, generator=generator)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_mean_of_probabilities_by_hand(generator: torch.Generator) -> None:
    first, second = logits(generator), logits(generator)
    ensemble = Ensemble([Fixed(first), Fixed(second)], shares=[3, 1])
    expected = 0.75 * first.softmax(0) + 0.25 * second.softmax(0)
    found = ensemble(torch.zeros(2, 1, 4, 5))
    assert found.shape == (2, 3, 4, 5)
    torch.testing.assert_close(found.softmax(1), expected.expand(2, -1, -1, -1))


def test_equal_shares_are_the_default(generator: torch.Generator) -> None:
    parts = [logits(generator) for _ in range(3)]
    found = Ensemble([Fixed(part) for part in parts])(torch.zeros(1, 1, 4, 5)).softmax(1)[0]
    torch.testing.assert_close(found, torch.stack([part.softmax(0) for part in parts]).mean(0))


def test_a_single_network_keeps_its_own_logits() -> None:
    network = build_model(small_networks()["unet"]).eval()
    images = torch.rand(2, 1, 32, 48)
    with torch.no_grad():
        assert torch.equal(Ensemble([network])(images), network(images))


@pytest.mark.parametrize("axes", [(-1,), (-2,), (-2, -1)])
def test_flips_are_undone_exactly(axes: tuple[int, ...]) -> None:
    images = torch.rand(2, 1, 6, 7)
    plain = Ensemble([Pointwise()])(images).softmax(1)
    torch.testing.assert_close(Ensemble([Pointwise()], flips=[(), axes])(images).softmax(1), plain)
    only = Ensemble([Pointwise()], flips=[axes])(images)
    assert torch.equal(only, Pointwise()(images))


def test_flips_average_what_is_seen_from_both_sides() -> None:
    images = torch.rand(1, 1, 4, 6)
    found = Ensemble([Ramp()], flips=[(), (-1,)])(images).softmax(1)
    mirrored = Ramp()(images.flip(-1)).softmax(1).flip(-1)
    torch.testing.assert_close(found, (Ramp()(images).softmax(1) + mirrored) / 2)


def test_a_temperature_divides_the_logits_of_its_network(generator: torch.Generator) -> None:
    first, second = logits(generator), logits(generator)
    images = torch.zeros(1, 1, 4, 5)
    assert torch.equal(Ensemble([Fixed(first)], temperatures=[2.0])(images)[0], first / 2)
    found = Ensemble([Fixed(first), Fixed(second)], temperatures=[2.0, 0.5])(images).softmax(1)[0]
    torch.testing.assert_close(found, ((first / 2).softmax(0) + (second / 0.5).softmax(0)) / 2)


@pytest.mark.parametrize("count", [1, 2])
def test_excluded_classes_are_never_predicted(generator: torch.Generator, count: int) -> None:
    part = logits(generator, classes=4)
    part[1] += 50  # by far the most likely
    found = Ensemble([Fixed(part)] * count, excluded=[1, 3])(torch.zeros(1, 1, 4, 5))
    assert not torch.isin(found.argmax(1), torch.tensor([1, 3])).any()
    assert found.isfinite().all()
    assert found.softmax(1)[:, [1, 3]].max() == 0
    expected = part[[0, 2]].softmax(0)
    torch.testing.assert_close(found.softmax(1)[0, [0, 2]], expected, atol=1e-5, rtol=1e-5)


def test_impossible_classes_stay_finite() -> None:
    """A probability of exactly zero has no logarithm."""
    part = torch.tensor([200.0, -200.0]).view(2, 1, 1)
    found = Ensemble([Fixed(part)] * 2)(torch.zeros(1, 1, 1, 1))
    assert found.isfinite().all()
    assert found.min() > NEVER
    assert found.argmax(1).item() == 0


def test_bfloat16_autocast_gives_float32() -> None:
    torch.manual_seed(0)
    networks = [build_model(small_networks()[name]).eval() for name in ("unet", "light4mars")]
    ensemble = Ensemble(networks, flips=[(), (-1,)], excluded=[0])
    images = torch.rand(2, 1, 32, 48)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rounded = ensemble(images)
    with torch.no_grad():
        exact = ensemble(images)
    assert rounded.dtype == exact.dtype == torch.float32
    torch.testing.assert_close(rounded.softmax(1), exact.softmax(1), atol=0.05, rtol=0)
    assert not torch.equal(rounded, exact)


def test_members_are_parameters_and_move_along() -> None:
    ensemble = Ensemble([build_model(small_networks()["unet"]) for _ in range(2)])
    names = {name.split(".")[1] for name, _ in ensemble.named_parameters()}
    assert names == {"0", "1"}
