"""What an answer computes with networks, by name: importing this module does not import torch, calling it does.

The command's own process hands these functions to a fork of the fork server, which finds what they need in a file of
`search.tuning.shared`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.errors import StudyError
from search.files import write_whole
from search.selection.tasks import Choice, Choosing, LastWeights, Measured, Measurement
from search.tuning.shared import read_shared


def choose(task: Choosing) -> Choice:
    """Build and compare all predictors on the validation part. Raises StudyError where nothing was trained."""
    from search.selection.choice import Chooser

    return Chooser(task).choose()


def measure(task: Measurement) -> dict[str, list[Measured]]:
    """What each network of each system predicts."""
    from search.selection.measuring import measure_systems

    return measure_systems(task)


def extract_weights(task: LastWeights) -> None:
    """Write the weights of the last epoch, averaged where the training averages. Raises StudyError."""
    from models.build import build_model
    from search.training.checkpoint import load_checkpoint, pack_weights

    state = load_checkpoint(task.checkpoint)
    if state is None:
        raise StudyError(f"{task.checkpoint} is spoiled: delete its folder, and give the same command again")
    network = build_model(task.config.model)
    network.load_state_dict(state["model"] if state["average"] is None else state["average"]["module"])
    write_whole(task.target, pack_weights(network))


def of_shared(function: Callable[[Any], Any], path: str) -> Any:
    """What `function` makes of the value that `search.tuning.shared` has written to `path`."""
    return function(read_shared(Path(path)))
