"""Small trials on scenes of dark soil and bright rocks, and what came of them."""

from itertools import islice
from pathlib import Path

import numpy as np
import torch

from search.data.samples import VOID, Samples, TrialData
from search.training.compute import Compute
from search.training.loop import train
from search.training.outcome import EpochReport, TrialOutcome
from search.tuning.trial_folder import trial_files
from spaces.config import AugmentConfig, BudgetConfig, OptimizerConfig, TrialConfig
from spaces.facts import DataFacts
from spaces.losses import CrossEntropyTerm, LossConfig
from spaces.networks import UNetConfig

CPU = Compute(device=torch.device("cpu"), precision="float32")
CROSS_ENTROPY = LossConfig(cross_entropy=CrossEntropyTerm(weight=1.0))
SMALL = UNetConfig(in_channels=1, classes=3, depth=2, width=4, convs=1)


def facts(height: int = 32, width: int = 64, images: int = 8) -> DataFacts:
    return DataFacts(
        channels=1,
        class_names=("background", "soil", "rock"),
        background=0,
        ignored=(0,),
        objective=(1, 2),
        height=height,
        width=width,
        train_images=images,
        validation_images=4,
        class_pixels=(100, 5000, 400),
        class_images=(images, images, images),
    )


def scene(height: int, width: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Dark soil, a bright rock somewhere, a stripe without meaning."""
    mask = np.ones((height, width), np.uint8)
    top, left = generator.integers(0, height // 2), generator.integers(0, width // 2)
    mask[top : top + height // 3, left : left + width // 3] = 2
    mask[:2], mask[-2:] = 0, VOID
    image = np.where(mask == 2, 170, 80) + generator.integers(-30, 30, mask.shape)
    return image.astype(np.uint8)[..., None], mask


def data(images: int = 8, height: int = 32, width: int = 64) -> TrialData:
    generator = np.random.default_rng(1)

    def samples(count: int) -> Samples:
        scenes = [scene(height, width, generator) for _ in range(count)]
        return Samples(images=np.stack([i for i, _ in scenes]), masks=np.stack([m for _, m in scenes]))

    return TrialData(train=samples(images), validation=samples(4), facts=facts(height, width, images))


def config(
    *,
    model: UNetConfig = SMALL,
    loss: LossConfig = CROSS_ENTROPY,
    augment: AugmentConfig | None = None,
    epochs: int = 5,
    patience: int | None = None,
    seed: int = 3,
    **optimizer: object,
) -> TrialConfig:
    return TrialConfig(
        model=model,
        loss=loss,
        optimizer=OptimizerConfig.model_validate({"batch_size": 4, "ema_decay": 0.9, **optimizer}),
        augment=augment or AugmentConfig(),
        budget=BudgetConfig(max_epochs=epochs, patience=patience),
        seed=seed,
    )


def run(
    folder: Path, config: TrialConfig, *, epochs: int | None = None, known: int = 0, on: TrialData | None = None
) -> tuple[list[EpochReport], TrialOutcome | None]:
    """Train in `folder`: to the end, or as a search that loses interest after `epochs` reports."""
    folder.mkdir(exist_ok=True)
    training = train(config, on or data(), trial_files(folder), known)
    if epochs is not None:
        reports = list(islice(training, epochs))
        training.close()
        return reports, None
    reports = []
    while True:
        try:
            reports.append(next(training))
        except StopIteration as end:
            return reports, end.value


def curve(reports: list[EpochReport]) -> list[dict]:
    return [report.model_dump(exclude={"seconds"}) for report in reports]


def weights_of(folder: Path) -> bytes:
    return (folder / "best.safetensors").read_bytes()


def of_many_sizes(scale: float = 1.0) -> TrialData:
    """Training images of three sizes around the training size, validation images of sizes of their own."""
    generator = np.random.default_rng(2)

    def samples(sizes: list[tuple[int, int]]) -> Samples:
        scenes = [scene(height, width, generator) for height, width in sizes]
        return Samples(images=tuple(image for image, _ in scenes), masks=tuple(mask for _, mask in scenes))

    train_part = samples([(32, 64), (48, 70), (20, 40)] * 3)
    return TrialData(train=train_part, validation=samples([(50, 90), (24, 64), (32, 30)]), facts=facts(), scale=scale)
