"""K networks of one architecture as one: all take their step in the same few operations, each on its own batch.

Two forms. `VmappedNetwork` stacks parameters and buffers and maps the network over the stack (torch.func).
`GroupedNetwork` is one network of K times the channels whose convolutions have K groups; batch normalization, which
looks at each channel by itself, is K separate ones as it stands. Both take the K batches side by side as channels,
(N, K * C, H, W), and give K logits (N, classes, H, W).
"""

from collections.abc import Callable, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from models.unet import DecoderLevel

LAYERS_OF_ONE_CHANNEL = (nn.ReLU, nn.MaxPool2d, nn.Identity)
"""They look at each channel by itself, and have no parameters."""


class VmappedNetwork(nn.Module):
    """torch.func: one network, mapped over stacked parameters and buffers (K, ...) and over K batches."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.trials = len(networks)
        self.network = deepcopy(networks[0])
        parameters, buffers = stack_module_state(list(networks))
        for name, stacked in parameters.items():
            _replace(self.network, name, nn.Parameter(stacked.detach()))
        for name, stacked in buffers.items():
            _replace(self.network, name, stacked)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map (N, K * C, H, W) to K logits (N, classes, H, W). In training mode running statistics are updated."""
        stacks = dict(self.network.named_parameters()), dict(self.network.named_buffers())
        batches = images.unflatten(1, (self.trials, -1))
        return vmap(self._of_one, in_dims=(0, 0, 1))(*stacks, batches).unbind(0)

    def _of_one(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
        return functional_call(self.network, (parameters, buffers), (images,))

    def part(self, whole: Tensor, trial: int) -> Tensor:
        """Entry `trial` of a stack."""
        return whole[trial]


class GroupedNetwork(nn.Module):
    """Grouped convolutions: the channels of K networks side by side, those of one trial together.

    For U-Nets of plain blocks with batch normalization. Raises TypeError for layers that are not known to keep trials
    apart.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.trials = len(networks)
        self.network = _grouped(networks)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map (N, K * C, H, W) to K logits (N, classes, H, W). In training mode running statistics are updated."""
        return self.network(images).chunk(self.trials, dim=1)

    def part(self, whole: Tensor, trial: int) -> Tensor:
        """The rows of `trial`; the count of batches, which all trials share, as it is."""
        return whole.chunk(self.trials)[trial] if whole.ndim else whole


class GroupedLevel(nn.Module):
    """A decoder level that concatenates trial by trial: skip and upsampled feature of the first, of the second, ..."""

    def __init__(self, level: DecoderLevel, trials: int) -> None:
        super().__init__()
        self.trials = trials
        self.upsample, self.block = level.upsample, level.block

    def forward(self, below: Tensor, skip: Tensor, finer: Tensor | None) -> Tensor:
        """As `DecoderLevel`, of K times the channels."""
        pairs = zip(skip.chunk(self.trials, 1), self.upsample(below).chunk(self.trials, 1), strict=True)
        return self.block(torch.cat([feature for pair in pairs for feature in pair], dim=1))


FusedNetwork = VmappedNetwork | GroupedNetwork


def _grouped(networks: Sequence[nn.Module]) -> nn.Module:
    """The first network with each layer replaced by that of all."""
    whole = deepcopy(networks[0])
    for name, module in networks[0].named_modules():
        if isinstance(module, DecoderLevel):
            if module.gate is not None or module.join is not None:
                raise TypeError(
                    f"decoder level {name} has a gate or a fusion, which are not known to keep trials apart"
                )
            _replace(whole, name, GroupedLevel(whole.get_submodule(name), len(networks)))
        elif not list(module.children()):
            _replace(whole, name, _grouped_layer([network.get_submodule(name) for network in networks]))
    return whole


def _grouped_layer(layers: Sequence[nn.Module]) -> nn.Module:
    """One layer that does what `layers` do, each on its own channels."""
    first, trials = layers[0], len(layers)
    if isinstance(first, LAYERS_OF_ONE_CHANNEL):
        return deepcopy(first)
    whole = _wider(first, trials)
    for name, _ in [*first.named_parameters(), *first.named_buffers()]:
        parts = [layer.state_dict()[name] for layer in layers]
        joined = torch.cat(parts) if parts[0].ndim else parts[0].clone()
        _replace(whole, name, nn.Parameter(joined) if isinstance(getattr(first, name), nn.Parameter) else joined)
    return whole.train(first.training)


def _wider(layer: nn.Module, trials: int) -> nn.Module:
    """A layer of the kind of `layer` with `trials` times the channels, its weights to be replaced."""
    if isinstance(layer, nn.BatchNorm2d):
        return nn.BatchNorm2d(layer.num_features * trials, eps=layer.eps, momentum=layer.momentum)
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.groups == 1:
        wider: Callable[..., nn.Module] = nn.Conv2d if isinstance(layer, nn.Conv2d) else nn.ConvTranspose2d
        return wider(
            layer.in_channels * trials,
            layer.out_channels * trials,
            layer.kernel_size,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=trials,
            bias=layer.bias is not None,
        )
    raise TypeError(f"a layer {type(layer).__name__} is not known to keep trials apart")


def _replace(network: nn.Module, name: str, value: nn.Module | Tensor) -> None:
    """Put `value` where the module, parameter or buffer `name` is."""
    owner, _, own = name.rpartition(".")
    setattr(network.get_submodule(owner), own, value)
