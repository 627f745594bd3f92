"""Weights that a network starts from: a file's, of a network like it or of its encoder; or those that timm offers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from timm.models import adapt_input_conv, create_model
from torch import nn

from models.build import build_model
from models.frame import Framed, Standardize
from models.imagenet import imagenet_weights, source
from models.norms import PooledBatchNorm
from spaces.networks import ModelConfig

Weights = Mapping[str, np.ndarray]
"""Tensors by name, as a safetensors file holds them."""

BODIES = ("body.", "model.")
"""What timm puts before the names of some encoders when it makes them give features."""

LEAST_SHARE = 0.1
"""Share of a network's parameters that another network's weights must give: less is chance, such as a lone head."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was loaded: `share` of the network's parameters, by their number of values; names of the `fresh` others."""

    share: float
    fresh: tuple[str, ...]


def load_pretrained(model: nn.Module, pretrained: str, weights: Weights | None) -> Loaded | None:
    """Load into `model`, in place, what `TrialConfig.pretrained` says; None where it says "none".

    `weights` are those of the file it names. With "imagenet", a network without an encoder of timm stays at its random
    weights. Raises ValueError as `check_initial_weights` does.
    """
    if pretrained == "none":
        return None
    if pretrained == "imagenet":
        return load_imagenet(model)
    return load_initial_weights(model, _given(weights, pretrained))


def check_initial_weights(config: ModelConfig, pretrained: str, weights: Weights | None) -> None:
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


def load_initial_weights(model: nn.Module, weights: Weights) -> Loaded:
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
        found |= _prefixed(prefix, fit_encoder(model, encoder, weights)) | standardization(model, encoder)
    return _copy(model, found)


def match(model: nn.Module, weights: Weights) -> dict[str, np.ndarray]:
    """What of `weights` goes where in `model`: values by the names of `model.state_dict()`.

    - Names of a whole network of this tool (`best.safetensors`): each tensor of the same name and shape; a head for
      another number of classes is left out. Together they must be `LEAST_SHARE` of the network's parameters.
    - Names of an encoder as timm has them: all that the encoder needs, see `fit_encoder`, and the mean and deviation of
      the images that timm's encoders are trained on.

    Raises ValueError where nothing fits.
    """
    own = model.state_dict()
    same = {name: array for name, array in weights.items() if name in own and array.shape == own[name].shape}
    if any(array.ndim > 1 for array in same.values()):
        if (share := _share(model, same)) < LEAST_SHARE:
            raise ValueError(
                f"the file has {share:.2%} of this network's parameters by name and shape, and must have "
                f"{LEAST_SHARE:.0%} of them"
            )
        return same
    found, reasons = {}, []
    for prefix, encoder in encoders(model):
        try:
            found |= _prefixed(prefix, fit_encoder(model, encoder, weights)) | standardization(model, encoder)
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


def fit_encoder(model: nn.Module, encoder: nn.Module, weights: Weights) -> dict[str, np.ndarray]:
    """The values of timm's `encoder`, inside `model`, in `weights`, which names them as timm's whole model does.

    The first convolution is adapted by timm to other channels: weights of RGB are summed for one channel, else repeated
    in turn and scaled by 3 / channels. On patches the encoder begins as on the image averaged over each of them. Where
    group normalization has taken the place of batch normalization, it gets its scale and shift; the running statistics
    have no place there. Raises ValueError for the weights of another model.
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
            found[own] = _adapted(model, encoder, theirs, weights[theirs], tuple(tensor.shape))
        elif own in parameters:
            raise ValueError(f"its encoder is timm's {name!r}, and its {theirs!r} is not in the file")
    return found


def is_of(name: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a file with tensors of these names and `shapes` is of timm's model `name`.

    The first convolution may be for other channels, and the classifier for other classes, or be left out.
    """
    try:
        with torch.device("meta"):
            model = create_model(name)
    except RuntimeError:  # timm has no such model
        return False
    free = (*_layers(model, "first_conv"), *_layers(model, "classifier"))
    known = {tensor: tuple(values.shape) for tensor, values in model.state_dict().items()}
    classifier = _layers(model, "classifier")
    needed = {tensor for tensor, _ in model.named_parameters() if tensor.rpartition(".")[0] not in classifier}
    return needed <= set(shapes) <= set(known) and all(
        shape == known[tensor] for tensor, shape in shapes.items() if tensor.rpartition(".")[0] not in free
    )


def _timm_name(own: str, encoder: nn.Module) -> str:
    """The name of a tensor before the encoder was made to give features and to train on single images."""
    for prefix, module in encoder.named_modules():
        if isinstance(module, PooledBatchNorm) and own.startswith(f"{prefix}.norm."):
            own = f"{prefix}.{own.removeprefix(f'{prefix}.norm.')}"
    for body in BODIES:
        own = own.removeprefix(body)
    return own


def _adapted(model: nn.Module, encoder: nn.Module, name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape == shape:
        return array
    adapted = array
    if name.removesuffix(".weight") in _layers(encoder, "first_conv") and array.ndim == len(shape) == 4:
        framed = cast("Framed", model)
        channels = len(cast("Standardize", framed.standardize).mean)
        adapted = _to_patches(_to_channels(array, channels, encoder), framed.patch)
    if adapted.shape != shape:
        raise ValueError(f"its encoder has {name!r} of shape {shape}, in the file it is {array.shape}")
    return adapted


def _to_channels(kernels: np.ndarray, channels: int, encoder: nn.Module) -> np.ndarray:
    """Kernels (out, in, h, w) for images of `channels`, as timm makes them. Raises ValueError where timm cannot."""
    known = _configuration(encoder)["input_size"][0]
    if channels not in (1, known) and kernels.shape[1] != known:  # a stem that rearranges pixels has more inputs
        raise ValueError(
            f"timm cannot adapt its encoder's first convolution {kernels.shape} from {known} to {channels} channels"
        )
    return adapt_input_conv(channels, torch.tensor(kernels), base_chans=known).numpy()


def _to_patches(kernels: np.ndarray, patch: int) -> np.ndarray:
    """Kernels for the patches of `models.frame.to_patches`: each channel's, divided among its patch**2 positions."""
    return np.repeat(kernels, patch**2, axis=1) / patch**2


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


def _layers(model: nn.Module, part: str) -> tuple[str, ...]:
    """The names of timm's layers that are its `first_conv` or `classifier`."""
    names = _configuration(model).get(part) or ()
    return (names,) if isinstance(names, str) else tuple(names)


def _prefixed(prefix: str, found: Weights) -> dict[str, np.ndarray]:
    return {f"{prefix}.{name}": array for name, array in found.items()}


@torch.no_grad()
def _copy(model: nn.Module, found: Weights) -> Loaded:
    own = model.state_dict()
    for name, array in found.items():
        own[name].copy_(torch.tensor(array))
    return Loaded(share=_share(model, found), fresh=tuple(name for name in own if name not in found))


def _share(model: nn.Module, found: Weights) -> float:
    """The share of the network's parameters, by their number of values, that are in `found`."""
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return sum(size for name, size in sizes.items() if name in found) / sum(sizes.values())


def _given(weights: Weights | None, pretrained: str) -> Weights:
    assert weights is not None, f"the data of a trial that starts from {pretrained} comes with its weights"
    return weights
