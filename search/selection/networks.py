"""Trained networks from their files: one, or several that predict together. Imports torch."""

from pathlib import Path

from models.build import build_model
from models.ensemble import Ensemble
from search.errors import StudyError
from search.selection.predictor import FLIPPED_AXES, Predictor
from search.training.checkpoint import load_weights


def load_predictor(predictor: Predictor, folder: Path) -> Ensemble:
    """The networks of `predictor`, whose weights are in `folder`, in evaluation mode on the CPU. Raises StudyError."""
    networks = []
    for member in predictor.members:
        network = build_model(member.config.model)
        path = folder / member.weights
        try:
            load_weights(path, network)
        except (OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise StudyError(f"the weights of {member.origin} cannot be loaded from {path}: {reason}") from error
        networks.append(network)
    return Ensemble(
        networks,
        shares=[member.share for member in predictor.members],
        temperatures=[member.temperature for member in predictor.members],
        flips=[FLIPPED_AXES[flip] for flip in predictor.flips],
        excluded=predictor.excluded,
    ).eval()
