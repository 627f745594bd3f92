"""The loss that a trial trains with: a weighted sum of terms, over one or several heads of the network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from search.data.samples import VOID
from search.training.losses.boundary import boundary
from search.training.losses.pixels import Prediction, Truth

HEAD_DECAY = 0.5


@dataclass(frozen=True, kw_only=True)
class Term:
    """One term of a mixture: `value` gives a scalar, `weight` what it counts."""

    weight: float
    value: Callable[[Prediction, Truth], Tensor]


class SegmentationLoss(nn.Module):
    """A mixture of loss terms on logits, computed in float32 under any autocast.

    With deep supervision of weight d the loss is L(main) + d * (L(aux_1) + L(aux_2) / 2 + L(aux_3) / 4 + ...),
    auxiliary heads ordered from the finest to the coarsest (with d = 1/2 this is monai's `DeepSupervisionLoss`). The
    sum is not normalized. A head of lower resolution meets the nearest labels. Auxiliary heads leave the boundary term
    out: its maps belong to the full resolution.

    With `one_vs_rest` each logit is one class against the rest, and probabilities are sigmoids.

    A batch without a labelled pixel has loss 0 and gradient 0.
    """

    class_weights: Tensor
    boundary_channels: Tensor

    def __init__(
        self,
        terms: Sequence[Term],
        *,
        class_weights: Sequence[float],
        boundary_weight: float = 0.0,
        ignored_background: int | None = None,
        deep_supervision: float | None = None,
        one_vs_rest: bool = False,
    ) -> None:
        super().__init__()
        self.terms = tuple(terms)
        self.boundary_weight = boundary_weight
        self.ignored_background = ignored_background
        self.deep_supervision = deep_supervision
        self.one_vs_rest = one_vs_rest
        channels = torch.ones(len(class_weights))
        if ignored_background is not None:
            channels[ignored_background] = 0
        self.register_buffer("class_weights", torch.tensor(class_weights, dtype=torch.float32), persistent=False)
        self.register_buffer("boundary_channels", channels.view(1, -1, 1, 1), persistent=False)

    @property
    def needs_distance_maps(self) -> bool:
        """Whether `forward` needs the `distance_maps` of its masks."""
        return self.boundary_weight > 0

    def forward(self, outputs: Tensor | Sequence[Tensor], masks: Tensor, distance_maps: Tensor | None = None) -> Tensor:
        """Scalar float32 loss.

        Args:
            outputs: logits (N, K, H, W), or with deep supervision (main, aux_1, aux_2, ...), aux_i (N, K, h_i, w_i)
            masks: (N, H, W) integer class indices; what is no class, such as VOID, is left out of every term
            distance_maps: (N, K, H, W) float32, needed if `needs_distance_maps`

        Raises:
            ValueError: distance maps are needed and missing, or heads and `deep_supervision` disagree.
        """
        main, auxiliary = self._heads(outputs)
        with torch.autocast(main.device.type, enabled=False):
            labels = self.labels(masks)
            loss = self._main_loss(main, labels, distance_maps)
            for index, logits in enumerate(auxiliary):
                prediction, truth = self._pair(logits, _nearest(labels, logits.shape[-2:]))
                loss = loss + self._head_weight(index) * self._mixture(prediction, truth)
        return loss

    def _heads(self, outputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        if isinstance(outputs, Tensor):
            return outputs, ()
        if self.deep_supervision is None and len(outputs) > 1:
            raise ValueError(f"a loss built without deep_supervision takes one head, the network gave {len(outputs)}")
        return outputs[0], outputs[1:]

    def _head_weight(self, index: int) -> float:
        return (self.deep_supervision or 0.0) * HEAD_DECAY**index

    def labels(self, masks: Tensor) -> Tensor:
        """`masks` as the terms see them: an ignored background is VOID."""
        if self.ignored_background is None:
            return masks
        return masks.masked_fill(masks == self.ignored_background, VOID)

    def _pair(self, logits: Tensor, labels: Tensor) -> tuple[Prediction, Truth]:
        prediction = Prediction(logits=logits, one_vs_rest=self.one_vs_rest)
        return prediction, Truth(labels=labels, class_weights=self.class_weights)

    def _main_loss(self, logits: Tensor, labels: Tensor, distances: Tensor | None) -> Tensor:
        prediction, truth = self._pair(logits, labels)
        loss = self._mixture(prediction, truth)
        if not self.needs_distance_maps:
            return loss
        if distances is None:
            raise ValueError("this mixture holds a boundary term: pass the distance maps of the masks")
        return loss + self.boundary_weight * boundary(prediction, truth, distances * self.boundary_channels)

    def _mixture(self, prediction: Prediction, truth: Truth) -> Tensor:
        values = [term.weight * term.value(prediction, truth) for term in self.terms]
        return torch.stack(values).sum() if values else prediction.logits.float().sum() * 0.0


def _nearest(labels: Tensor, size: torch.Size) -> Tensor:
    """`labels` (N, H, W) at `size` (h, w): the label under the centre of each coarse pixel."""
    (height, width), (rows, columns) = labels.shape[-2:], size
    if (height, width) == (rows, columns):
        return labels
    row = (2 * torch.arange(rows, device=labels.device) + 1) * height // (2 * rows)
    column = (2 * torch.arange(columns, device=labels.device) + 1) * width // (2 * columns)
    return labels[:, row[:, None], column]
