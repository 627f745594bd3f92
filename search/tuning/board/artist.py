"""What needs torch for the dashboard: pictures of predictions, and costs. Runs in a process of its own."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search.data.input_size import STEP
from search.data.prepare import prepare_data
from search.errors import DataError
from search.training.outcome import EpochReport
from search.tuning.spec import StudySpec
from spaces.config import TrialConfig
from spaces.networks import ModelConfig

NICENESS = 19
"""The lowest priority: a search beside it hardly notices."""


def measured_costs(_: object, models: Sequence[ModelConfig], height: int, width: int) -> list[tuple[int, int] | None]:
    """Parameters and multiply-adds of each network at that size; None where there is no such network."""
    from models.cost import measure_cost

    os.nice(NICENESS)
    costs: list[tuple[int, int] | None] = []
    for model in models:
        try:
            cost = measure_cost(model, height, width)
        except ValueError:
            costs.append(None)
        else:
            costs.append((cost.parameters, cost.macs))
    return costs


class Artist:
    """Draws what kept networks predict on a few validation images."""

    def __init__(self, spec: StudySpec, data: str | None) -> None:
        """Prepare the data as the search did. Raises DataError where it is not that of the study any more."""
        import torch

        from search.training.pictures import EpochPictures

        os.nice(NICENESS)
        torch.set_num_threads(1)
        size = (spec.facts.height, spec.facts.width)
        prepared = prepare_data(
            None if data is None else Path(data),
            seed=spec.seed,
            input_size=size if min(size) >= STEP else None,
            stratify=spec.stratify,
        )
        if (prepared.fingerprint, prepared.split.fingerprint) != (spec.data_fingerprint, spec.split_fingerprint):
            raise DataError(f"{data or 'the demo set'} is not the data of the study any more, or is split otherwise")
        self._pictures = EpochPictures(prepared.without_unlabelled().trial)

    def draw(self, config: TrialConfig, weights: str, report: dict[str, Any]) -> bytes | None:
        """A PNG file of what the network with these weights predicts; `report` is that of the epoch they are of.

        None where the weights are spoiled or not this network's. Raises FileNotFoundError where they are gone.
        """
        from safetensors import SafetensorError

        from models.build import build_model
        from search.training.checkpoint import load_weights
        from search.training.compute import Compute

        network = build_model(config.model)
        try:
            load_weights(Path(weights), network)
        except (RuntimeError, SafetensorError):
            return None
        compute = Compute.here(config.budget)
        compute.place(network)
        network.eval()
        return self._pictures.draw(network, EpochReport.model_validate(report), compute)
