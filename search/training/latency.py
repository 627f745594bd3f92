"""How long a network takes for one image, on the device where its trial trains."""

import statistics
import time

import torch
from torch import Tensor, nn

from models.build import build_model
from search.training.compute import Compute
from spaces.facts import DataFacts
from spaces.networks import ModelConfig

WARM_UP = 3
PASSES = 15


@torch.no_grad()
def measure_latency(model: ModelConfig, facts: DataFacts, compute: Compute) -> float:
    """Milliseconds of a forward pass of one image of the training size: the median of some, after a few to warm up.

    In evaluation mode, in the precision and layout of `compute`; weights and image are random, which time does not
    depend on. The logits stay where they are, neither resized nor decoded.
    """
    network = build_model(model).eval()
    compute.place(network)
    image = compute.laid_out(torch.rand(1, facts.channels, facts.height, facts.width, device=compute.device))
    seconds = [_seconds(network, image, compute) for _ in range(WARM_UP + PASSES)]
    return 1000 * statistics.median(seconds[WARM_UP:])


def _seconds(network: nn.Module, image: Tensor, compute: Compute) -> float:
    _wait(compute.device)
    started = time.perf_counter()
    with compute.autocast():
        network(image)
    _wait(compute.device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    """Wait for what a GPU still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
