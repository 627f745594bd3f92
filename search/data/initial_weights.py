"""The file of weights that the networks of a study start from, read without torch."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from search.errors import UserError

NO_FILE = ("none", "imagenet")
"""What `--pretrained` may name besides a file."""

PICKLE = re.compile(rb"PK\x03\x04|\x80[\x02-\x05][^\0]")
"""How files of torch.save begin, of today and of old, and other pickles."""

CONVERT = (
    'uv run python -c "import torch, safetensors.torch as s; '
    "s.save_file(torch.load('OLD', weights_only=True), 'NEW.safetensors')\""
)


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """Where networks start: `pretrained` as `TrialConfig` has it, and the tensors of the file that it names."""

    pretrained: str
    weights: Mapping[str, np.ndarray] | None = None

    @property
    def whole_network(self) -> bool:
        """Whether the file is of a whole network of this tool, not of an encoder."""
        return self.weights is not None and any(name.startswith("network.") for name in self.weights)


def read_initial_weights(pretrained: str) -> InitialWeights:
    """What `--pretrained` names: none, imagenet, or a safetensors file. Raises UserError."""
    if pretrained in NO_FILE:
        return InitialWeights(pretrained=pretrained)
    return read_weights(Path(pretrained), "--pretrained", "none, imagenet or a safetensors file")


def read_weights(path: Path, option: str, takes: str = "a safetensors file") -> InitialWeights:
    """The safetensors file that `option` names. Raises UserError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{option} takes {takes}; {path} cannot be read: {error.strerror}") from error
    return InitialWeights(
        pretrained=f"sha256:{hashlib.sha256(content).hexdigest()}", weights=_tensors(content, path, option)
    )


def _tensors(content: bytes, path: Path, option: str) -> Mapping[str, np.ndarray]:
    if not content:
        raise UserError(f"{option} takes a file with weights; {path} is empty, as a download that failed is")
    try:
        tensors = load(content)
    except SafetensorError as error:
        what = (
            "is a pickle, as torch.save writes it, which may run code when it is read: if you trust it, convert it by"
            if PICKLE.match(content)
            else f"is none ({error}). Weights of torch are converted by"
        )
        raise UserError(f"{option} takes a safetensors file; {path} {what}: {CONVERT}") from error
    except KeyError as error:
        raise UserError(
            f"{option} takes tensors of 32 or 16 bit floats; {path} holds others ({error.args[0]}): convert them, "
            "as tensor.float() does"
        ) from error
    if not tensors:
        raise UserError(f"{option} takes a file with weights; {path} holds no tensor: give another file")
    return tensors
