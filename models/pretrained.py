"""Weights that a network starts from: a file's, of a network like it or of its encoder; or those that timm offers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from timm.models import adapt_input_conv, create_model
from torch import nn

from models.build import build_model
from models.frame import Standardize
from models.imagenet import imagenet_weights, source
from models.norms import PooledBatchNorm
from spaces.networks import ModelConfig

Weights = Mapping[str, np.ndarray]
"""Tensors by name, as a safetensors file holds them."""

BODIES = ("body.", "model.")
"""What timm puts before the names of some encoders when it makes them give features."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was loaded: `share` of the network's parameters, by their number of values; names of the `fresh` others."""

    share: float
    fresh: tuple[str, ...]


def load_pretrained(model: nn.Module, pretrained: str, weights: Weights | None) -> Loaded | None:
    """Load into `model`, in place, what `TrialConfig.pretrained` says; None where it says "none".

    `weights` are those of the file it names. With "imagenet", a network without an encoder of timm stays at its random
    weights. Raises ValueError as `check_start` does.
    """
    if pretrained == "none":
        return None
    if pretrained == "imagenet":
        return load_imagenet(model)
    return load_start_weights(model, _given(weights, pretrained))


def check_start(config: ModelConfig, pretrained: str, weights: Weights | None) -> None:
    """Raise ValueError where the network of `config` cannot start as asked; no weight is allocated or downloaded."""
    if pretrained == "none":
        return
    with torch.device("meta"):
        model = build_model(config)
    if pretrained == "imagenet":
        for _, encoder in encoders(model):
            source(architecture(encoder))
    else:
        match(model, _given(weights, pretrained))


def load_start_weights(model: nn.Module, weights: Weights) -> Loaded:
    """Load into `model`, in place, what fits of `weights`; the rest stays as it is. Raises ValueError, see `match`."""
    return _copy(model, match(model, weights))


def check_whole(model: nn.Module, weights: Weights) -> None:
    """Raise ValueError unless `weights` are all tensors of `model` and no others."""
    own = model.state_dict()
    for name, tensor in own.items():
        if name not in weights:
            raise ValueError(f"they have no {name}")
        if weights[name].shape != tuple(tensor.shape):
            raise ValueError(f"{name} has the shape {weights[name].shape}, not {tuple(tensor.shape)}")
    if foreign := next((name for name in weights if name not in own), None):
        raise ValueError(f"the network has no {foreign}")


def load_imagenet(model: nn.Module) -> Loaded:
    """Load timm's weights into every encoder of timm in `model`, in place. Raises ValueError where timm has none."""
    found: dict[str, np.ndarray] = {}
    for prefix, encoder in encoders(model):
        weights = imagenet_weights(architecture(encoder))
        found |= _prefixed(prefix, fit_encoder(encoder, weights)) | standardization(model, encoder)
    return _copy(model, found)


def match(model: nn.Module, weights: Weights) -> dict[str, np.ndarray]:
    """What of `weights` goes where in `model`: values by the names of `model.state_dict()`.

    - Names of a whole network of this tool (`best.safetensors`): each tensor of the same name and shape; a head for
      another number of classes is left out. At least one weight of a layer must be among them.
    - Names of an encoder as timm has them: all that the encoder needs, see `fit_encoder`, and the mean and deviation of
      the images that timm's encoders are trained on.

    Raises ValueError where nothing fits.
    """
    own = model.state_dict()
    same = {name: array for name, array in weights.items() if name in own and array.shape == own[name].shape}
    if any(array.ndim > 1 for array in same.values()):
        return same
    found, reasons = {}, []
    for prefix, encoder in encoders(model):
        try:
            found |= _prefixed(prefix, fit_encoder(encoder, weights)) | standardization(model, encoder)
        except ValueError as error:
            reasons.append(str(error))
    if not found:
        first = next(iter(weights), "none")
        elsewhere = "; ".join(reasons) or "it has no encoder of timm either"
        raise ValueError(
            f"none of the file's {len(weights)} tensors (the first: {first!r}) has a name and a shape of this network; "
            f"{elsewhere}"
        )
    return found


def fit_encoder(encoder: nn.Module, weights: Weights) -> dict[str, np.ndarray]:
    """The values of timm's `encoder` in `weights`, which names them as timm's whole model does.

    The first convolution is adapted by timm to other channels: weights of RGB are summed for one channel, else repeated
    in turn and scaled by 3 / channels. Where group normalization has taken the place of batch normalization, it gets
    its scale and shift; the running statistics have no place there. Raises ValueError for the weights of another model.
    """
    name = architecture(encoder)
    with torch.device("meta"):
        known = create_model(name).state_dict()
    if foreign := next((tensor for tensor in weights if tensor not in known), None):
        raise ValueError(f"its encoder is timm's {name!r}, which has no {foreign!r}")
    flattened = {tensor.replace(".", "_", 1): tensor for tensor in known}
    parameters = {own for own, _ in encoder.named_parameters()}
    found = {}
    for own, tensor in encoder.state_dict().items():
        theirs = _timm_name(own, encoder)
        theirs = theirs if theirs in known else flattened.get(theirs, theirs)
        if theirs in weights:
            found[own] = _adapted(encoder, theirs, weights[theirs], tuple(tensor.shape))
        elif own in parameters:
            raise ValueError(f"its encoder is timm's {name!r}, and its {theirs!r} is not in the file")
    return found


def _timm_name(own: str, encoder: nn.Module) -> str:
    """The name of a tensor before the encoder was made to give features and to train on single images."""
    for prefix, module in encoder.named_modules():
        if isinstance(module, PooledBatchNorm) and own.startswith(f"{prefix}.norm."):
            own = f"{prefix}.{own.removeprefix(f'{prefix}.norm.')}"
    for body in BODIES:
        own = own.removeprefix(body)
    return own


def _adapted(encoder: nn.Module, name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape == shape:
        return array
    adapted = array
    if name in _first_convolutions(encoder) and array.ndim == len(shape) == 4:
        channels = _configuration(encoder)["input_size"][0]
        try:
            wanted = shape[1] * channels // array.shape[1]
            adapted = adapt_input_conv(wanted, torch.tensor(array), base_chans=channels).numpy()
        except NotImplementedError:
            pass
    if adapted.shape != shape:
        raise ValueError(f"its encoder has {name!r} of shape {shape}, in the file it is {array.shape}")
    return adapted


def standardization(model: nn.Module, encoder: nn.Module) -> dict[str, np.ndarray]:
    """Mean and deviation of the images that timm trained `encoder` on, for each channel of `model`'s images.

    Averaged where images have one channel; in turn where they have another number than timm's, as the weights of the
    first convolution are.
    """
    configuration, values = _configuration(encoder), {}
    for prefix, module in model.named_modules():
        if isinstance(module, Standardize):
            channels = len(module.mean)
            for part in ("mean", "std"):
                known = np.array(configuration[part])
                spread = np.full(1, known.mean()) if channels == 1 else np.resize(known, channels)
                values[f"{prefix}.{part}"] = spread.astype(np.float32)
    return values


def encoders(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Names and modules of the encoders in `model` that timm made."""
    found: list[str] = []
    for name, module in model.named_modules():
        made_by_timm = hasattr(module, "feature_info") and hasattr(module, "pretrained_cfg")
        if made_by_timm and not any(name.startswith(f"{outer}.") for outer in found):
            found.append(name)
            yield name, module


def architecture(encoder: nn.Module) -> str:
    """The name of timm's model that an encoder is."""
    return _configuration(encoder)["architecture"]


def _configuration(encoder: nn.Module) -> dict[str, Any]:
    return cast("dict[str, Any]", encoder.pretrained_cfg)


def _first_convolutions(encoder: nn.Module) -> tuple[str, ...]:
    first = _configuration(encoder).get("first_conv") or ()
    return tuple(f"{name}.weight" for name in ((first,) if isinstance(first, str) else first))


def _prefixed(prefix: str, found: Weights) -> dict[str, np.ndarray]:
    return {f"{prefix}.{name}": array for name, array in found.items()}


@torch.no_grad()
def _copy(model: nn.Module, found: Weights) -> Loaded:
    own = model.state_dict()
    for name, array in found.items():
        own[name].copy_(torch.tensor(array))
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    loaded = sum(size for name, size in sizes.items() if name in found)
    return Loaded(share=loaded / sum(sizes.values()), fresh=tuple(name for name in own if name not in found))


def _given(weights: Weights | None, pretrained: str) -> Weights:
    assert weights is not None, f"the data of a trial that starts from {pretrained} comes with its weights"
    return weights
