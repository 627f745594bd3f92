"""A split for people: a rich table of what each part holds, and the warnings."""

from dataclasses import dataclass

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from search.data.counts import pixel_counts
from search.data.dataset import PARTS, SegmentationData
from search.data.dispersion import TYPES, image_types
from search.data.split import Split
from search.data.stratification import Stratification


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many images are of a kind, and the share of them, 0 to 1, that each part holds, in the order of `PARTS`."""

    kind: str
    images: int
    parts: tuple[float, ...]


def format_split(data: SegmentationData, split: Split) -> RenderableType:
    """The split as a rich renderable, for a terminal or a file."""
    recipe = split.recipe
    title = Text(f"Split by {recipe.words}, seed {recipe.seed}", style="italic")
    table = Table()
    table.add_column("images")
    for header in ("number", *PARTS):
        table.add_column(header, justify="right")
    for share in split_shares(data, split, recipe.stratify):
        table.add_row(
            Text(share.kind), f"{share.images:,}", *(f"{part:.1%}" if share.images else "" for part in share.parts)
        )
    return Group(title, table, *(Text(f"warning: {warning}", style="yellow") for warning in split.warnings))


def split_shares(data: SegmentationData, split: Split, rule: Stratification) -> list[Share]:
    """What each part of a split of `data` holds: of all images, of those with each class, of each type by `rule`."""
    pixels = pixel_counts(data.masks)[:, : data.classes]
    kinds = [("all", np.ones(len(data), dtype=bool))]
    kinds += [(f"with {name}", pixels[:, index] > 0) for index, name in enumerate(data.class_names)]
    types = image_types(pixels, rule)
    if types is not None:
        kinds += zip(TYPES, types.columns.T, strict=True)
    held = np.array([np.isin(np.arange(len(data)), split.indices(part)) for part in PARTS])
    return [
        Share(kind=kind, images=int(member.sum()), parts=tuple((held & member).sum(axis=1) / max(1, member.sum())))
        for kind, member in kinds
    ]
