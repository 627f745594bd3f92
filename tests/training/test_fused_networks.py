"""The fused networks that a benchmark measures train as their trials would by themselves."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from benchmarks import fused_training
from benchmarks.fused_check import check_fusion
from benchmarks.fused_networks import GroupedNetwork
from benchmarks.fused_training import FORMS, joined
from models.build import build_model
from search.training.device import TensorBatch
from spaces.config import TrialConfig
from spaces.losses import CrossEntropyTerm, DiceTerm, LossConfig
from spaces.networks import GroupNorm, UNetConfig
from tests.training.trials import SMALL, config, data


def small_trial() -> TrialConfig:
    loss = LossConfig(cross_entropy=CrossEntropyTerm(weight=0.5), dice=DiceTerm(weight=0.5))
    return config().model_copy(update={"loss": loss, "model": SMALL.model_copy(update={"patch": 2})})


def test_fused_trials_train_as_alone() -> None:
    lines = check_fusion(small_trial(), data())
    assert {line.partition(",")[0] for line in lines} == set(FORMS)


def test_the_check_notices_exchanged_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    def exchanged(batches: Sequence[TensorBatch]) -> TensorBatch:
        return joined(batches[::-1])

    monkeypatch.setattr(fused_training, "joined", exchanged)
    with pytest.raises(RuntimeError, match="not that of each trial alone"):
        check_fusion(small_trial(), data())


def test_trials_share_the_memory_of_the_fused_network() -> None:
    networks = [build_model(SMALL) for _ in range(2)]
    fused = GroupedNetwork(networks)
    (first, *_) = fused.network.parameters()
    assert torch.equal(fused.part(first, 1), next(networks[1].parameters()))
    assert fused.part(first, 1).data_ptr() == first[len(first) // 2 :].data_ptr()


def test_layers_that_mix_channels_are_refused() -> None:
    grouped_norm = UNetConfig(in_channels=1, classes=3, depth=2, width=8, norm=GroupNorm(groups=4))
    networks: list[nn.Module] = [build_model(grouped_norm) for _ in range(2)]
    with pytest.raises(TypeError, match="GroupNorm is not known to keep trials apart"):
        GroupedNetwork(networks)
