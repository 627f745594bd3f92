"""The files of a trial that trains: its checkpoint, to go on from, and its best weights, to use."""

import logging
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

logger = logging.getLogger(__name__)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors and plain values, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state that `save_checkpoint` wrote, on the CPU; None where there is none, or only a spoiled file.

    A full disk or a power failure can leave such a file; the trial then begins anew, and its curve stays the same.
    """
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        logger.warning("the checkpoint %s cannot be read, the trial begins anew: %s", path, error)
        return None


def save_weights(path: Path, model: nn.Module) -> None:
    """Write a network's parameters and buffers as safetensors, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, temporary)
    os.replace(temporary, path)


def load_weights(path: Path, model: nn.Module) -> None:
    """Read into `model` what `save_weights` wrote. Raises RuntimeError where the network is another."""
    model.load_state_dict(load_file(path))
