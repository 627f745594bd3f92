"""A trial trained by the loop, with all that a search would have left of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from search.data.dataset import SegmentationData
from search.data.prepare import PreparedData, prepare_data
from search.training.loop import train
from search.training.outcome import EpochReport
from search.tuning.best import BestConfig, data_identity
from search.tuning.trial_folder import trial_files
from spaces.unet_family import unet_family
from tests.commands.tiles import write_tiles

EPOCHS = 2


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a search would have left of one trial."""

    data: Path
    prepared: PreparedData
    file: Path
    best: BestConfig
    curve: list[EpochReport]
    weights: dict[str, np.ndarray]


def train_trial(folder: Path, demo: SegmentationData) -> Trial:
    """Train a small U-Net for two epochs on a few tiles of the demo set."""
    path = write_tiles(folder / "tiles.npz", demo)
    prepared = prepare_data(path, seed=3)
    default = unet_family(prepared.facts).default
    config = default.model_copy(
        update={
            "model": default.model.model_copy(update={"width": 8, "depth": 3, "dropout": 0.1}),
            "budget": default.budget.model_copy(update={"max_epochs": EPOCHS}),
            "seed": 5,
        }
    )
    curve = list(train(config, prepared.trial, trial_files(folder)))
    top = max(curve, key=lambda report: report.miou)
    best = BestConfig(
        study="tiles",
        trial=7,
        miou=top.miou,
        epoch=top.epoch,
        config=config,
        data=data_identity("tiles", prepared),
        versions={},
        threads=1,
    )
    (folder / "best.yaml").write_text(best.to_yaml())
    weights = load_file(folder / "best.safetensors")
    return Trial(data=path, prepared=prepared, file=folder / "best.yaml", best=best, curve=curve, weights=weights)


def same(first: list[EpochReport], second: list[EpochReport]) -> bool:
    """Whether two curves are equal in everything but the time that they took."""
    return [report.model_copy(update={"seconds": 0.0}) for report in first] == [
        report.model_copy(update={"seconds": 0.0}) for report in second
    ]
