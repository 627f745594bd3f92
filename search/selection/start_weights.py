"""The weights that a training starts from: a safetensors file, known by the sha256 of its bytes. Imports no torch."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from search.data.prepare import PreparedData
from search.errors import UserError
from spaces.config import TrialConfig

SHOWN_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class StartWeights:
    """Tensors by name, and the sha256 (hexadecimal) of the file that they came from."""

    tensors: Mapping[str, np.ndarray]
    sha256: str


def read_start_weights(path: Path) -> StartWeights:
    """Read a safetensors file. Raises UserError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"the start weights {path} cannot be read: {error.strerror}. A training leaves them as best.safetensors, a "
            "search in trials/NNNN/ of its study"
        ) from error
    try:
        tensors = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise UserError(
            f"start weights are a safetensors file of float32 tensors, such as best.safetensors; {path} is none "
            f"({error}). Save other formats again with safetensors.torch.save_file(network.state_dict(), ...)"
        ) from error
    return StartWeights(tensors=tensors, sha256=hashlib.sha256(content).hexdigest())


def with_start_weights(prepared: PreparedData, weights: StartWeights) -> PreparedData:
    """The same data for trainings that start from these weights."""
    return replace(prepared, trial=replace(prepared.trial, start_weights=weights.tensors))


def recorded_start(config: TrialConfig, path: Path | None) -> StartWeights | None:
    """The weights that a recorded training started from, at `path`; None where it started from random ones.

    Raises UserError where the file is missing, is another one, or is not needed.
    """
    kind, _, sha256 = config.pretrained.partition(":")
    if kind != "sha256":
        if path is not None:
            raise UserError(f"--pretrained is for trainings that started from a file; this one: {config.pretrained}")
        return None
    if path is None:
        raise UserError(
            f"this training started from a file of weights with sha256 {sha256[:SHOWN_DIGITS]}...; give that file with "
            "--pretrained"
        )
    weights = read_start_weights(path)
    if weights.sha256 != sha256:
        raise UserError(
            f"this training started from weights with sha256 {sha256[:SHOWN_DIGITS]}...; {path} has "
            f"{weights.sha256[:SHOWN_DIGITS]}... Give the very file with --pretrained"
        )
    return weights
