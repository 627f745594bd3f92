"""A predictor's files as a network that computes it. Importing this module does not import torch; loading does."""

from pathlib import Path
from typing import TYPE_CHECKING

from search.data.initial_weights import read_weights
from search.errors import StudyError, UserError
from search.selection.predictor import FLIPPED_AXES, Member, Predictor

if TYPE_CHECKING:
    from torch import nn

    from models.ensemble import Ensemble


def load_ensemble(predictor: Predictor, folder: Path, device: str = "cpu") -> "Ensemble":
    """The networks of `predictor`, with their weights from `folder`, in evaluation mode on `device`.

    Raises StudyError where a file is missing, damaged, or of another network.
    """
    from models.ensemble import Ensemble

    ensemble = Ensemble(
        [_load_member(member, folder / member.weights) for member in predictor.members],
        shares=[member.share for member in predictor.members],
        temperatures=[member.temperature for member in predictor.members],
        flips=[FLIPPED_AXES[flip] for flip in predictor.flips],
        excluded=predictor.excluded,
    )
    return ensemble.eval().to(device)


def _load_member(member: Member, path: Path) -> "nn.Module":
    import torch

    from models.build import build_model
    from models.pretrained import check_whole, load_initial_weights

    try:
        weights = read_weights(path, "a predictor").weights
    except UserError as error:
        raise StudyError(f"the weights of {member.origin} cannot be loaded: {error}") from error
    assert weights is not None, "read_weights gives the tensors of the file"
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
        network = build_model(member.config.model)
    try:
        check_whole(network, weights)
    except ValueError as error:
        raise StudyError(
            f"{path} does not hold the weights of {member.origin}: {error}. Give the file that belongs to it"
        ) from error
    load_initial_weights(network, weights)
    return network
