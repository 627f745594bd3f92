"""What the networks of a study cost: parameters, multiply-adds, and the time of an image on this machine's CPU."""

import platform
import statistics
import time
from collections.abc import Sequence

import torch

from models.build import build_model
from models.cost import measure_cost
from search.reporting.measurements import Latency, NetworkCost, configuration_hash
from search.tuning.record import TrialRecord
from spaces.facts import DataFacts

TIMED_TRIALS = 12
"""Of how many of the best trials the latency is measured."""

WARM_UP, PASSES, MOST_SECONDS = 2, 9, 1.0
"""Forward passes that are not timed, those that are, and the time after which three of them must do."""


def cost_of(record: TrialRecord, facts: DataFacts) -> NetworkCost:
    """Parameters and multiply-adds of a trial's network at the training size."""
    cost = measure_cost(record.config.model, facts.height, facts.width)
    return NetworkCost(configuration=configuration_hash(record), parameters=cost.parameters, macs=cost.macs)


def add_costs(known: dict[int, NetworkCost], trials: Sequence[TrialRecord], facts: DataFacts) -> dict[int, NetworkCost]:
    """The costs of all `trials`, by number: those that are `known`, the others measured."""
    return {
        record.number: entry
        if (entry := known.get(record.number)) and entry.configuration == configuration_hash(record)
        else cost_of(record, facts)
        for record in trials
    }


def add_latencies(
    known: dict[int, Latency], trials: Sequence[TrialRecord], facts: DataFacts, *, measure: bool
) -> dict[int, Latency]:
    """The latencies of the best of `trials` (best first): the `known` ones and, if `measure`, the others.

    Known ones of trials that have been overtaken stay; those of another machine or number of threads do not.
    """
    here = (platform.node(), torch.get_num_threads())
    found = {
        record.number: entry
        for record in trials
        if (entry := known.get(record.number))
        and entry.configuration == configuration_hash(record)
        and (entry.machine, entry.threads) == here
    }
    if measure:
        found |= {
            record.number: latency_of(record, facts) for record in trials[:TIMED_TRIALS] if record.number not in found
        }
    return found


def latency_of(record: TrialRecord, facts: DataFacts) -> Latency:
    """Time one image through a trial's network, with random weights, in float32 on the CPU."""
    model = build_model(record.config.model).eval()
    image = torch.zeros(1, facts.channels, facts.height, facts.width)
    with torch.inference_mode():
        for _ in range(WARM_UP):
            model(image)
        seconds: list[float] = []
        while len(seconds) < PASSES and not (len(seconds) >= 3 and sum(seconds) > MOST_SECONDS):
            seconds.append(_timed(model, image))
    return Latency(
        configuration=configuration_hash(record),
        seconds=statistics.median(seconds),
        threads=torch.get_num_threads(),
        machine=platform.node(),
    )


def _timed(model: torch.nn.Module, image: torch.Tensor) -> float:
    begun = time.perf_counter()
    model(image)
    return time.perf_counter() - begun
