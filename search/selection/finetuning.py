"""A second stage of training: on from the best weights, at a tenth of the rate, on rigidly moved images (report 001).

Importing this module does not import torch; training does.
"""

from collections.abc import Iterator
from pathlib import Path

from search.data.initial_weights import InitialWeights
from search.data.prepare import PreparedData
from search.errors import UserError
from search.files import write_whole
from search.selection.reproduction import retrain, told_as_unwritable
from search.training.loop_entry import validate_initial_weights
from search.training.outcome import EpochReport, best_report
from search.tuning.best import BestConfig, installed_versions, read_best
from search.tuning.folder import BEST_NAME
from search.tuning.trial_folder import CHECKPOINT_NAME
from spaces.config import TrialConfig

RATE_DIVISOR = 10
EPOCH_DIVISOR = 3

MOST_BELOW = 0.05
"""How far below the recorded mIoU the start weights may be: another machine or precision rounds differently."""


def finetuned(config: TrialConfig, pretrained: str, epochs: int | None = None) -> TrialConfig:
    """The configuration that trains on from the weights that `pretrained` names, as `TrialConfig` has it.

    Images are flipped, zoomed, shifted and rotated, at strength 1, and nothing else is done to them: no deformation,
    no photometric change, no mixing, no pasting. The learning rate is a tenth, without a warm-up, on the same schedule
    over `epochs`, by default a third of the trial's, without patience. Everything else stays.
    """
    changes = {
        "geometric": "mild",
        "strength": 1.0,
        "photometric": False,
        "mixing": "none",
        "copy_paste": 0.0,
    }
    rate = config.optimizer.learning_rate / RATE_DIVISOR
    length = epochs or max(1, config.budget.max_epochs // EPOCH_DIVISOR)
    return TrialConfig.model_validate(
        {
            **dict(config),
            "augment": config.augment.model_copy(update=changes),
            "optimizer": config.optimizer.model_copy(update={"learning_rate": rate, "warmup_epochs": 0}),
            "budget": config.budget.model_copy(update={"max_epochs": length, "patience": None}),
            "pretrained": pretrained,
        }
    )


def starting_point(best: BestConfig, weights: InitialWeights, *, threads: int, epochs: int | None = None) -> BestConfig:
    """The `best.yaml` of a fine-tuning before its first epoch: `miou` is the recorded one, at epoch 0.

    Its study is named NAME-finetuned: what comes of it is no trial of that study.
    """
    return best.model_copy(
        update={
            "study": f"{best.study}-finetuned",
            "config": finetuned(best.config, weights.pretrained, epochs),
            "epoch": 0,
            "threads": threads,
            "versions": installed_versions(),
        }
    )


def measure_start(
    start: BestConfig, prepared: PreparedData, weights: InitialWeights, *, threads: int
) -> tuple[BestConfig, PreparedData]:
    """The starting point with its mIoU as measured now, and the data with the weights.

    Raises UserError where the weights are of another network, or far below what is recorded of them.
    """
    ready = prepared.starting_from(weights)
    before = validate_initial_weights(start.config, ready.trial, threads)
    if before < start.miou - MOST_BELOW:
        raise UserError(
            f"fine-tuning needs the weights that best.yaml tells of; it records mIoU {start.miou:.4f}, and these reach "
            f"{before:.4f} on the same validation part. Give best.yaml and best.safetensors of one finished training; "
            "search.export writes both"
        )
    return start.model_copy(update={"miou": before}), ready


def finetune(
    start: BestConfig, prepared: PreparedData, target: Path, *, threads: int, pictures_every: int = 0
) -> Iterator[EpochReport]:
    """Train on, a report an epoch; `best.yaml` in `target` always tells of the weights that are there.

    `prepared` holds the start weights. Raises StudyError as `retrain` does.
    """
    told = _told_epoch(target)
    reports: list[EpochReport] = []
    for report in retrain(start, prepared, target, threads=threads, pictures_every=pictures_every):
        reports.append(report)
        if report is best_report(reports) and report.epoch > told:
            with told_as_unwritable(target):
                write_whole(target / BEST_NAME, _reached(start, reports).to_yaml())
        yield report


def comparison(start: BestConfig, reports: list[EpochReport], weights: Path) -> str:
    """What fine-tuning brought on the validation part; `weights` is the file that it started from."""
    best = best_report(reports)
    gain = best.miou - start.miou
    values = f"mIoU {start.miou:.4f} before, {best.miou:.4f} at its best epoch, {best.epoch} of {len(reports)}"
    if gain <= 0:
        return f"fine-tuning did not help on validation ({gain:+.4f}): {values}; keep the old weights, {weights}"
    return (
        f"fine-tuning gained {gain:+.4f} on validation: {values}. The epoch was chosen on the same images, so a small "
        "gain may be chance"
    )


def _told_epoch(target: Path) -> int:
    """The epoch whose weights an interrupted fine-tuning left, 0 where there is none: no earlier one comes back."""
    interrupted = (target / CHECKPOINT_NAME).is_file() and (target / BEST_NAME).is_file()
    return read_best(target / BEST_NAME).epoch if interrupted else 0


def _reached(start: BestConfig, reports: list[EpochReport]) -> BestConfig:
    counts = {report.threads for report in reports}
    threads = counts.pop() if len(counts) == 1 else None
    return start.model_copy(update={"miou": reports[-1].miou, "epoch": reports[-1].epoch, "threads": threads})
