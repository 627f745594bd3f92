"""The training loop by name: importing this module does not import torch, calling its functions does.

The process of a search hands these functions to its workers and must stay without torch itself.
"""

from search.data.samples import TrialData
from search.errors import UserError
from search.training.files import TrialFiles
from search.training.outcome import NetworkCosts, Training
from spaces.config import TrialConfig


def train_in_worker(
    config: TrialConfig, data: TrialData, files: TrialFiles, known_epochs: int, threads: int
) -> Training:
    """See search.training.loop.train. Its end gives a GPU's cached memory back to the other trials there."""
    import torch

    from search.training.loop import train

    try:
        return (yield from train(config, data, files, known_epochs, threads))
    finally:
        torch.cuda.empty_cache()


def costs_in_worker(config: TrialConfig, data: TrialData, threads: int, *, latency: bool) -> NetworkCosts:
    """What an image costs the network of a configuration; the `latency`, as it is here and now, only if asked for."""
    import torch

    from models.cost import measure_cost
    from search.training.compute import Compute
    from search.training.latency import measure_latency

    torch.set_num_threads(threads)
    cost = measure_cost(config.model, data.facts.height, data.facts.width)
    measured = measure_latency(config.model, data.facts, Compute.here(config.budget)) if latency else None
    return NetworkCosts(latency=measured, macs=cost.macs, parameters=cost.parameters)


def validate_initial_weights(config: TrialConfig, data: TrialData, threads: int) -> float:
    """The validation mIoU of `config`'s network with `data.initial_weights`. Raises UserError where they do not fit."""
    import torch

    from models.build import build_model
    from models.pretrained import check_whole, load_initial_weights
    from search.training.compute import Compute
    from search.training.validation import objective, validate

    torch.set_num_threads(threads)
    compute = Compute.here(config.budget)
    network = build_model(config.model)
    assert data.initial_weights is not None, "the start that is validated comes with its weights"
    try:
        check_whole(network, data.initial_weights)
    except ValueError as error:
        raise UserError(
            f"start weights must be those of the configuration's network; {error}. Give best.yaml and "
            "best.safetensors of one training; search.export writes both"
        ) from error
    load_initial_weights(network, data.initial_weights)
    compute.place(network)
    return objective(validate(network, data, compute), data.facts)
