"""A step that is recorded once as a CUDA graph and replayed from then on: one launch in place of hundreds.

A small network's kernels are shorter than the time that Python takes to launch them; replayed, they follow each other
without a gap. A graph repeats the very same operations on the very same memory, so every batch has the same shape and
is copied to where the recorded one lay, and gradients are always found in the same place. Random numbers of dropout
follow the seed as in a step that is not recorded.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor, nn

from search.training.device.batches import TensorBatch

WARM_UPS = 3
"""Steps before the recording, in which libraries choose their kernels and allocate what they keep."""

logger = logging.getLogger(__name__)


class Step(Protocol):
    """A step as `search.training.step.GradientStep` is one."""

    model: nn.Module

    def run(self, batches: tuple[TensorBatch, ...]) -> Tensor:
        """Leave the gradients in `model`; the loss, a float32 scalar on the device."""
        ...


Record = Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]]
"""`replay, result = record(function)`: each `replay()` writes a new result to where the first one is."""


class GraphedStep:
    """`step` recorded with the first batch and replayed for each one. What cannot be recorded runs as it is.

    Whatever changes from step to step is in the network: nothing else of `step` is put back after the warm-up.
    """

    def __init__(self, step: Step, record: Record | None = None) -> None:
        self.model = step.model
        self._step = step
        self._record = record if record is not None else record_cuda
        self._batch: TensorBatch | None = None
        self._replay: Callable[[], None] | None = None
        self._loss = torch.zeros(())
        self._unused: list[nn.Parameter] = []

    def run(self, batches: tuple[TensorBatch, ...]) -> Tensor:
        """Leave the gradients of the one batch in `model`; the loss, valid until the next step."""
        (batch,) = batches
        if self._batch is None:
            self._begin(batch)
        if self._replay is None or self._batch is None:
            return self._step.run(batches)
        for parameter in self._unused:
            parameter.grad = None
        self._batch.images.copy_(batch.images, non_blocking=True)
        self._batch.masks.copy_(batch.masks, non_blocking=True)
        self._replay()
        return self._loss

    def _begin(self, batch: TensorBatch) -> None:
        """Record; whatever the warm-up changed in the network or in the random state is put back."""
        self._batch = replace(batch, images=batch.images.clone(), masks=batch.masks.clone())
        kept = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        with torch.random.fork_rng():
            try:
                self._replay, self._loss = self._record(lambda: self._step.run((self._batch_of_graph,)))
            except RuntimeError as error:
                logger.warning("the training step is not recorded as a CUDA graph: %s", error)
        self._unused = [parameter for parameter in self.model.parameters() if parameter.grad is None]
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)

    @property
    def _batch_of_graph(self) -> TensorBatch:
        assert self._batch is not None, "the batch is there before the recording"
        return self._batch


def record_cuda(function: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """Record on the current GPU, after some warm-ups on a stream of their own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            function()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = function()
    return graph.replay, result
