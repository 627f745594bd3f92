"""Without a GPU: an epoch on a pretended one computes on that device alone, and never asks for a value.

Tensors of torch's fake mode know their shape, type and device, and nothing else. So whatever needs a value (`.item()`,
`nonzero`, a boolean index), and whatever brings tensors of two devices together, raises.
"""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from models.build import build_model
from search.training.compute import Compute
from search.training.device import DeviceBatches, device_distance_maps
from search.training.losses import build_loss
from search.training.step import GradientStep
from spaces.config import AugmentConfig
from spaces.losses import (
    BackgroundPenalty,
    BoundaryTerm,
    CrossEntropyTerm,
    DiceTerm,
    FocalTerm,
    GeneralizedDiceTerm,
    LossConfig,
    LovaszTerm,
    TverskyTerm,
)
from tests.models.networks import small_networks
from tests.training.device.test_device_batches import CUTMIX, DATA, EVERYTHING

GPU = torch.device("cuda", 0)


class NothingComesBack(TorchDispatchMode):
    """Refuses whatever gives a tensor on the host from one on the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = [each.device.type for each in args if isinstance(each, torch.Tensor)]
        made = [result] if isinstance(result, torch.Tensor) else []
        assert "cuda" not in given or all(each.device.type == "cuda" for each in made), f"{func} waits for the device"
        return result


class HostGenerator(torch.Generator):
    """Numbers that nobody reads."""

    def __new__(cls, device: torch.device) -> "HostGenerator":
        return super().__new__(cls)


@pytest.fixture
def pretended(monkeypatch) -> Iterator[None]:
    """A machine with a GPU, as far as shapes, types and devices go."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(torch, "Generator", HostGenerator)
    with FakeTensorMode(), NothingComesBack():
        yield


@pytest.mark.parametrize(
    "config", [EVERYTHING, CUTMIX, AugmentConfig(geometric="flip"), AugmentConfig(geometric="mild", photometric=True)]
)
def test_an_epoch_stays_on_the_device_and_waits_for_nothing(pretended, config):
    made = DeviceBatches(DATA, config, batch_size=8, seed=0, device=GPU)
    for epoch in range(3):
        batches = list(made.epoch(epoch))
        assert len(batches) == made.steps
        assert all(batch.images.device == batch.masks.device == GPU for batch in batches)
        maps = device_distance_maps(batches[0].masks, 5)
        assert maps.device == GPU
        assert maps.shape == (8, 5, *batches[0].masks.shape[1:])


@pytest.mark.parametrize(
    ("wait", "error"),
    [
        (lambda masks: masks.sum().item(), DataDependentOutputException),
        (lambda masks: masks[masks > 1], DynamicOutputShapeException),
        (lambda masks: masks.unique(), DynamicOutputShapeException),
        (lambda masks: masks.cpu(), AssertionError),
        (lambda masks: masks + torch.ones(20, 30), RuntimeError),
    ],
)
def test_waiting_would_be_noticed(pretended, wait: Callable, error: type[Exception]):
    batch = next(DeviceBatches(DATA, CUTMIX, batch_size=8, seed=0, device=GPU).epoch(0))
    with pytest.raises(error):
        wait(batch.masks)


NETWORKS = small_networks(in_channels=2)
LOSS = LossConfig(
    cross_entropy=CrossEntropyTerm(weight=0.2),
    focal=FocalTerm(weight=0.1),
    dice=DiceTerm(weight=0.2),
    tversky=TverskyTerm(weight=0.1, exponent=0.75),
    lovasz=LovaszTerm(weight=0.2),
    boundary=BoundaryTerm(weight=0.1),
    generalized_dice=GeneralizedDiceTerm(weight=0.1),
    background=BackgroundPenalty(miss=0.5, false_alarm=0.5),
)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_loss_of_each_network_waits_for_nothing(pretended, name):
    config, facts = NETWORKS[name].model_copy(update={"initialization": "default"}), DATA.facts
    with GPU:
        network = build_model(config).train()
        loss = build_loss(LOSS, facts, deep_supervision=config.auxiliary_weight, one_vs_rest=config.one_vs_rest)
    compute = Compute(device=GPU, precision="float32")  # torch refuses to autocast for a GPU that is not there
    step = GradientStep(network, loss, compute, facts.classes)
    batch = next(DeviceBatches(DATA, CUTMIX, batch_size=4, seed=0, device=GPU).epoch(0))
    assert step.loss_of((batch,)).device == GPU  # torch takes no backward pass on a GPU that is not there
