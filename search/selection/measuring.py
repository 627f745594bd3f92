"""What systems predict on the locked test part, as confusion matrices. Imports torch."""

import torch

from search.data.samples import TrialData
from search.selection.loading import load_ensemble
from search.selection.tasks import Located, Measured, Measurement
from search.training.compute import Compute
from search.training.validation import image_confusions, readings


def measure_systems(measurement: Measurement) -> dict[str, list[Measured]]:
    """What each network of each system predicts."""
    torch.set_num_threads(measurement.threads)
    return {
        name: [_measured(located, measurement.data) for located in networks]
        for name, networks in measurement.systems.items()
    }


def _measured(located: Located, data: TrialData) -> Measured:
    network = load_ensemble(located.predictor, located.folder)
    compute = Compute.here(located.predictor.members[0].config.budget)
    compute.place(network)
    confusions = image_confusions(network, data, compute)
    return Measured(confusions.numpy(), readings(confusions.sum(0), data.facts.background))
