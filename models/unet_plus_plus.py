"""U-Net++: a U-Net whose skips are filled with nested blocks."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from models.blocks import encode, make_block
from models.layers import Layers
from spaces.networks import UNetPlusPlusConfig


class UNetPlusPlus(nn.Module):
    """U-Net++ (Zhou et al. 2018, arXiv 1807.10165): X(i, j) = block([X(i, 0..j-1), up X(i+1, j-1)]).

    Level i has `width * 2**i` channels at stride 2**i; X(i, 0) are the encoder's blocks. See `models.frame`.
    """

    def __init__(self, config: UNetPlusPlusConfig, *, in_channels: int, classes: int) -> None:
        super().__init__()
        self.stride = 2 ** (config.depth - 1)
        layers = Layers.of(config)
        channels = [config.width * 2**level for level in range(config.depth)]
        self.encoder = nn.ModuleList(
            make_block("none", above, here, config.convs, layers) for above, here in pairwise([in_channels, *channels])
        )
        self.columns = nn.ModuleList(
            NestedColumn(channels[: config.depth - before], before + 1, config.convs, layers)
            for before in range(config.depth - 1)
        )
        self.head = NestedHead(config, classes)

    def forward(self, features: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map (N, in_channels, H, W), multiples of `stride`, to logits (N, classes, H, W).

        With deep supervision and in training mode: a tuple, those of X(0, depth-1) first, then those of
        X(0, depth-2), ..., X(0, 1), all of this shape.
        """
        rows = [[encoded] for encoded in encode(self.encoder, features)]
        for column in self.columns:
            # The last row ends here: no later node has its resolution.
            rows = [[*row, node] for row, node in zip(rows[:-1], column(rows), strict=True)]
        return self.head(rows[0][1:])


class NestedColumn(nn.Module):
    """The nodes X(0, j), X(1, j), ... of one `column` j, from 1 up; `channels` are those of the column before."""

    def __init__(self, channels: list[int], column: int, convs: int, layers: Layers) -> None:
        super().__init__()
        self.nodes = nn.ModuleList(
            make_block("none", column * here + below, here, convs, layers) for here, below in pairwise(channels)
        )
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, rows: list[list[Tensor]]) -> list[Tensor]:
        """X(i, j) for each i but the last of `rows`, whose row i is X(i, 0..j-1), each (N, C_i, H / 2**i, W / 2**i)."""
        return [
            node(torch.cat([*row, self.upsample(below[-1])], dim=1))
            for node, (row, below) in zip(self.nodes, pairwise(rows), strict=True)
        ]


class NestedHead(nn.Module):
    """1x1 convolutions to logits: one on X(0, depth-1), and with deep supervision one on each other X(0, j), j > 0."""

    def __init__(self, config: UNetPlusPlusConfig, classes: int) -> None:
        super().__init__()
        self.main = nn.Conv2d(config.width, classes, kernel_size=1)
        self.auxiliary = (
            nn.ModuleList(nn.Conv2d(config.width, classes, kernel_size=1) for _ in range(config.depth - 2))
            if config.deep_supervision is not None
            else None
        )

    def forward(self, nodes: list[Tensor]) -> Tensor | tuple[Tensor, ...]:
        """Logits of the last of `nodes`, X(0, 1), X(0, 2), ...; in training the others' too, from right to left."""
        *poorer, best = nodes
        if self.auxiliary is None or not self.training:
            return self.main(best)
        return (self.main(best), *(head(node) for head, node in zip(self.auxiliary, reversed(poorer), strict=True)))
