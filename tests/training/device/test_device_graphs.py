"""A recorded step, without a GPU: a recorder that repeats the very same operations on the very same memory."""

import logging
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from search.training.device import GraphedStep
from search.training.loop import Trial
from spaces.config import AugmentConfig
from tests.training.trials import CPU, config, data


class Recording(TorchDispatchMode):
    """Notes each operation with the tensors that it was given and those that it gave."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Callable, tuple, dict, list[Tensor]]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, tensors_in(result)))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        """Do it all again; what an operation makes anew goes to where it was before."""
        for func, args, kwargs, made in self.operations:
            given = {tensor.untyped_storage().data_ptr() for tensor in tensors_in((args, kwargs))}
            for before, now in zip(made, tensors_in(func(*args, **kwargs)), strict=True):
                if before.untyped_storage().data_ptr() not in given:
                    before.copy_(now)


def tensors_in(values: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def record(function: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """As `record_cuda`: a warm-up, then the recording."""
    function()
    recording = Recording()
    with recording:
        result = function()
    return recording.replay, result


def refuse(function: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    function()
    raise RuntimeError("operation not permitted when stream is capturing")


def trained(recorder: Callable | None, epochs: int = 5) -> tuple[list[float], list[Tensor]]:
    """Training losses and weights of a trial whose steps are recorded, or not."""
    made = config(augment=AugmentConfig(), kernel_l2=1e-4)
    torch.manual_seed(0)
    trial = Trial(made, data(), CPU)
    if recorder is not None:
        trial.step = GraphedStep(trial.step, recorder)
    losses = [trial.train_epoch().train_loss for _ in range(epochs)]
    return losses, list(trial.model.state_dict().values())


def test_a_recorded_step_trains_as_one_that_is_not() -> None:
    (plain, weights), (recorded, others) = trained(None), trained(record)
    assert plain == pytest.approx(recorded, rel=1e-5)
    assert len(set(recorded)) == len(recorded)
    for one, other in zip(weights, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_what_cannot_be_recorded_trains_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        refused = trained(refuse)[0]
    assert refused == trained(None)[0]
    assert "not recorded as a CUDA graph: operation not permitted" in caplog.text
    assert len(caplog.records) == 1
