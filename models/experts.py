"""One expert a class: each logit says "this class or not", and calibration makes the logits comparable."""

import torch
from torch import Tensor, nn

from models.layers import Layers
from models.unet import Decoder, Encoder, Head, UNet, coarsest_stride, make_bottleneck_level
from spaces.networks import ExpertsConfig

MOST_STEPS = 100
LEAST_SLOPE = 1e-3
"""Of a calibration, in standard deviations of the logit: an expert that is worse than chance is all but silenced."""


class Experts(nn.Module):
    """One-vs-rest experts (report 000's proposal), each a U-Net or a decoder of its own; see `models.frame`.

    In evaluation mode logits come out as logit * `scale` + `shift` of their class, the buffers (K,) of
    `set_calibration`, which are saved with the weights. The threshold class has no expert: its logit is 0.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, config: ExpertsConfig, *, in_channels: int, classes: int) -> None:
        super().__init__()
        self.stride = coarsest_stride(config)
        self.threshold_class = config.threshold_class
        experts = classes - (config.threshold_class is not None)
        arrangement = SeparateNetworks if config.arrangement == "networks" else SeparateDecoders
        self.experts = arrangement(config, in_channels, experts)
        self.register_buffer("scale", torch.ones(classes))
        self.register_buffer("shift", torch.zeros(classes))

    def forward(self, features: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map (N, in_channels, H, W), multiples of `stride`, to logits (N, classes, H, W), calibrated in evaluation.

        With deep supervision and in training mode: a tuple, those logits first, then the coarser decoder levels' at
        their own resolution.
        """
        logits = self.raw(features)
        if self.training or not isinstance(logits, Tensor):
            return logits
        return logits * self.scale.view(1, -1, 1, 1) + self.shift.view(1, -1, 1, 1)

    def raw(self, features: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What `forward` gives, without the calibration."""
        outputs = self.experts(features)
        if isinstance(outputs[0], Tensor):
            return self._join(outputs)
        return tuple(self._join(level) for level in zip(*outputs, strict=True))

    def set_calibration(self, scale: Tensor, shift: Tensor) -> None:
        """Take over what `fit_calibration` found, each (K,); the threshold class keeps 1 and 0.

        Raises ValueError where there is not one value a class.
        """
        if scale.shape != self.scale.shape or shift.shape != self.shift.shape:
            raise ValueError(
                f"a calibration has one scale and one shift for each of {len(self.scale)} classes, got shapes "
                f"{tuple(scale.shape)} and {tuple(shift.shape)}"
            )
        self.scale.copy_(scale)
        self.shift.copy_(shift)
        if self.threshold_class is not None:
            self.scale[self.threshold_class] = 1
            self.shift[self.threshold_class] = 0

    def _join(self, logits: tuple[Tensor, ...]) -> Tensor:
        """Logits (N, 1, H, W) of each expert to (N, classes, H, W)."""
        columns = list(logits)
        if self.threshold_class is not None:
            columns.insert(self.threshold_class, torch.zeros_like(columns[0]))
        return torch.cat(columns, dim=1)


class SeparateNetworks(nn.Module):
    """One U-Net an expert."""

    def __init__(self, config: ExpertsConfig, in_channels: int, experts: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(UNet(config, in_channels=in_channels, classes=1) for _ in range(experts))

    def forward(self, features: Tensor) -> tuple[Tensor | tuple[Tensor, ...], ...]:
        """What each U-Net gives for (N, in_channels, H, W)."""
        return tuple(network(features) for network in self.networks)


class SeparateDecoders(nn.Module):
    """One encoder and bottleneck, and for each expert a decoder and a head."""

    def __init__(self, config: ExpertsConfig, in_channels: int, experts: int) -> None:
        super().__init__()
        layers = Layers.of(config)
        self.encoder = Encoder(config, in_channels, layers)
        self.bottleneck = make_bottleneck_level(config, layers)
        self.decoders = nn.ModuleList(Decoder(config, layers) for _ in range(experts))
        self.heads = nn.ModuleList(Head(config, classes=1) for _ in range(experts))

    def forward(self, features: Tensor) -> tuple[Tensor | tuple[Tensor, ...], ...]:
        """What each decoder's head gives for (N, in_channels, H, W)."""
        skips, features = self.encoder(features)
        features = self.bottleneck(features)
        return tuple(head(decoder(features, skips)) for decoder, head in zip(self.decoders, self.heads, strict=True))


@torch.no_grad()
def fit_calibration(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift of each class, each (K,) float32, by Platt scaling (Platt 1999) of uncalibrated logits.

    One logistic regression a class, of "this class or not" on its logit, with Platt's targets, which keep it finite
    where the logit separates both. A class that no label or every label names, or whose logit is constant as that of
    the threshold class, keeps 1 and 0.

    Args:
        logits: (P, K) of any floating type, as `Experts.raw` gives them
        labels: (P,) integers; what is no class, such as VOID, is left out
    """
    classes = logits.shape[1]
    counted = (labels >= 0) & (labels < classes)
    logits, labels = logits[counted], labels[counted]
    lines = [_fit_line(logits[:, label].double(), labels == label) for label in range(classes)]
    scale, shift = torch.tensor(lines, dtype=torch.float32, device=logits.device).unbind(1)
    return scale, shift


def _fit_line(logit: Tensor, own: Tensor) -> tuple[float, float]:
    """Slope and intercept of the log odds of `own` (P,) in `logit` (P,)."""
    positives = int(own.sum())
    negatives = len(own) - positives
    if not positives or not negatives or not (spread := logit.std().item()):
        return 1.0, 0.0
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    targets = low + (high - low) * own.double()
    centre = logit.mean().item()
    standardized = (logit - centre) / spread
    constant = torch.ones_like(logit)
    slope, intercept = _regress(torch.stack([standardized, constant], dim=1), targets, torch.zeros_like(logit)).tolist()
    if slope < LEAST_SLOPE:
        slope = LEAST_SLOPE
        intercept = _regress(constant[:, None], targets, slope * standardized).item()
    return slope / spread, intercept - slope * centre / spread


def _regress(inputs: Tensor, targets: Tensor, offset: Tensor) -> Tensor:
    """Weights (D,) of the logistic regression of `targets` (P,) on `inputs` (P, D), by Newton's method.

    A step that does not lower the loss is halved until it does.
    """

    def loss(weights: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(offset + inputs @ weights, targets)

    weights = inputs.new_zeros(inputs.shape[1])
    ridge = 1e-12 * torch.eye(len(weights), dtype=inputs.dtype, device=inputs.device)
    for _ in range(MOST_STEPS):
        probability = torch.sigmoid(offset + inputs @ weights)
        gradient = inputs.T @ (probability - targets) / len(targets)
        if gradient.abs().max() < 1e-10:
            break
        variance = probability * (1 - probability)
        step = torch.linalg.solve((inputs * variance[:, None]).T @ inputs / len(targets) + ridge, gradient)
        before = loss(weights)
        while loss(weights - step) > before and step.abs().max() > 1e-12:
            step = step / 2
        weights = weights - step
    return weights
