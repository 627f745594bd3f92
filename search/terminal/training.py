"""One training in the terminal: a line an epoch that stays, a progress bar where there is a terminal."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from search.data.prepare import PreparedData
from search.selection.finetuning import comparison, finetune
from search.selection.reproduction import retrain, verdict
from search.training.outcome import EpochReport
from search.tuning.best import BestConfig
from search.tuning.trial_folder import WEIGHTS_NAME
from search.words import duration_text


def print_training(
    console: Console,
    best: BestConfig,
    prepared: PreparedData,
    target: Path,
    *,
    threads: int,
    epochs: int | None,
    pictures_every: int = 0,
) -> None:
    """Train, showing every epoch; then what was reached, and where the weights are."""
    allowed = best.config.budget.max_epochs
    total = allowed if epochs is None else min(epochs, allowed)
    training = retrain(best, prepared, target, threads=threads, epochs=epochs, pictures_every=pictures_every)
    reports = _shown(console, _with_start(console, training), total)
    console.print(verdict(best, reports), soft_wrap=True)
    console.print(f"weights of the best epoch: {target / WEIGHTS_NAME}", soft_wrap=True)


def print_finetuning(
    console: Console,
    start: BestConfig,
    prepared: PreparedData,
    target: Path,
    *,
    weights: Path,
    threads: int,
    pictures_every: int = 0,
) -> None:
    """Fine-tune from the file `weights`, showing every epoch; then what it brought, and where the new weights are."""
    total, rate = start.config.budget.max_epochs, start.config.optimizer.learning_rate
    console.print(f"rigid augmentation, rate {rate:.2e}; epoch 0 is {weights} as it is", soft_wrap=True)
    console.print(f"epoch {0:>{len(str(total))}}/{total}  mIoU {start.miou:.4f}", soft_wrap=True)
    training = finetune(start, prepared, target, threads=threads, pictures_every=pictures_every)
    reports = _shown(console, training, total)
    console.print(comparison(start, reports, weights), soft_wrap=True)
    console.print(f"weights of the best epoch: {target / WEIGHTS_NAME}", soft_wrap=True)


def _with_start(console: Console, training: Iterator[EpochReport]) -> Iterator[EpochReport]:
    """The same reports; how much of the network started from given weights is told before the first."""
    for report in training:
        if report.pretrained is not None and report.epoch == 1:
            console.print(f"{report.pretrained:.0%} of the parameters started from given weights", soft_wrap=True)
        yield report


def _shown(console: Console, training: Iterator[EpochReport], total: int) -> list[EpochReport]:
    """All reports of a training, each printed when it comes."""
    reports: list[EpochReport] = []
    columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("epochs", total=total)
        for report in training:
            reports.append(report)
            console.print(epoch_line(report, total), soft_wrap=True)
            progress.update(task, completed=report.epoch)
    return reports


def epoch_line(report: EpochReport, total: int) -> str:
    """One epoch in words."""
    return (
        f"epoch {report.epoch:>{len(str(total))}}/{total}  mIoU {report.miou:.4f}  loss {report.train_loss:.4f}  "
        f"rate {report.learning_rate:.2e}  {duration_text(report.seconds)}"
    )
