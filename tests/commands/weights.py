"""Weights that belong to the configurations of a study without training."""

from pathlib import Path

from search.training.checkpoint import pack_weights
from search.tuning.trial_folder import WEIGHTS_NAME, trial_folder
from tests.commands.studies import records_of
from tests.selection.packages import random_network


def with_weights(folder: Path) -> Path:
    """Give each trial of the study that kept weights those of a random network of its configuration."""
    for record in records_of(folder):
        path = trial_folder(folder, record.number) / WEIGHTS_NAME
        if path.is_file():
            path.write_bytes(pack_weights(random_network(record.config.model, seed=record.number)))
    return folder
