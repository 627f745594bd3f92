"""The files of a trial that trains: its checkpoint, to go on from, and its best weights, to use."""

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

logger = logging.getLogger(__name__)

DIGEST_BYTES = 32


def pack_checkpoint(state: dict[str, Any]) -> bytes:
    """A state of tensors and plain values as the content of a file, behind its sha256."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    return hashlib.sha256(content).digest() + content


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state that `pack_checkpoint` packed, on the CPU; None where there is none, or only a spoiled file.

    A full disk or a power failure can leave such a file; the trial then begins anew, and its curve stays the same.
    torch itself would read damaged tensors as they are.
    """
    if not path.exists():
        return None
    whole = path.read_bytes()
    digest, content = whole[:DIGEST_BYTES], whole[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        logger.warning("the checkpoint %s is spoiled, the trial begins anew", path)
        return None
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def pack_weights(model: nn.Module) -> bytes:
    """A network's parameters and buffers as the content of a safetensors file."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    return save(tensors)


def load_weights(path: Path, model: nn.Module) -> None:
    """Read into `model` what `pack_weights` packed. Raises RuntimeError where the network is another."""
    model.load_state_dict(load_file(path))
