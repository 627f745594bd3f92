"""`python -m search.train best.yaml --data PATH`: train a configuration again, as its trial was, or fine-tune it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from search.command import run_command
from search.errors import UserError

if TYPE_CHECKING:
    from search.tuning.best import BestConfig


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Reproduce a trial from its best.yaml: the same data, split, seed and schedule. Or train it further (--finetune).

    On the same machine, device and number of threads the curve is the same, too. Ctrl-C ends the training; the same
    command continues it.
    """

    config: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="BEST.YAML")]
    """A best.yaml: of a study's folder, or written by search.export."""

    data: Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")] = None
    """The data the trial was trained on, anywhere. Default: the generated demo set."""

    pretrained: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """The safetensors file that the trial started from, where it started from one."""

    to: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder for the weights: new, or empty. Default: STUDY-trial-N."""

    threads: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """CPU threads. Default: those recorded in best.yaml, with which the curve is the same."""

    epochs: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """End after so many epochs, on the same curve. Default: all that the trial was allowed. With --finetune: how many
    epochs are trained on; default: a third of the trial's."""

    finetune: Annotated[Path | None, tyro.conf.arg(metavar="WEIGHTS", help_behavior_hint="")] = None
    """Train on from these weights, the best.safetensors that belongs to BEST.YAML: rigid augmentation, a tenth of the
    learning rate. Default: train again from the start."""

    pictures: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Draw predictions for a few validation images every so many epochs. Default: none."""

    def check(self) -> None:
        """Raise UserError for counts below 1, and for options that exclude each other."""
        for name, value in (("--threads", self.threads), ("--epochs", self.epochs), ("--pictures", self.pictures)):
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, got {value}")
        if self.finetune is not None and self.pretrained is not None:
            raise UserError("--finetune starts from its own weights; leave out --pretrained")


def main() -> None:
    """Read, prepare the data, train, compare with what was recorded or with what it started from."""
    options = tyro.cli(TrainOptions, prog="python -m search.train")
    options.check()
    from search.selection.reproduction import choose_threads
    from search.tuning.best import read_best

    best = read_best(options.config)
    threads = options.threads or choose_threads(best)
    if options.finetune is None:
        train_again(options, best, threads)
    else:
        train_on(options, best, options.finetune, threads)


def train_again(options: TrainOptions, best: "BestConfig", threads: int) -> None:
    """Repeat the training, and compare with what was recorded."""
    from rich.console import Console

    from search.selection.initial_weights import initial_weights_again
    from search.selection.reproduction import begin, prepare_again
    from search.terminal.training import print_training

    target = options.to or Path(f"{best.study}-trial-{best.trial}")
    start = initial_weights_again(best.config, options.pretrained)
    prepared = prepare_again(best.data, options.data, unlabelled=best.config.augment.pseudo_labels is not None)
    prepared = prepared.starting_from(start)
    continued = begin(best, target)
    console = Console(highlight=False)
    console.print(f"trial {best.trial} of {best.study}, {place(target, threads, continued)}", soft_wrap=True)
    print_training(
        console,
        best,
        prepared,
        target,
        threads=threads,
        epochs=options.epochs,
        pictures_every=options.pictures or 0,
    )


def train_on(options: TrainOptions, best: "BestConfig", file: Path, threads: int) -> None:
    """Fine-tune from the weights in `file`, and compare with them."""
    from rich.console import Console

    from search.data.initial_weights import read_weights
    from search.selection.finetuning import measure_start, starting_point
    from search.selection.reproduction import begin, continues, prepare_again
    from search.terminal.training import print_finetuning

    target = options.to or Path(f"{best.study}-trial-{best.trial}-finetuned")
    weights = read_weights(file, "--finetune")
    start = starting_point(best, weights, threads=threads, epochs=options.epochs)
    continues(start, target)  # before anything is measured: whether the folder can be used at all
    prepared = prepare_again(best.data, options.data, unlabelled=best.config.augment.pseudo_labels is not None)
    start, prepared = measure_start(start, prepared, weights, threads=threads)
    continued = begin(start, target)
    console = Console(highlight=False)
    where = place(target, threads, continued)
    console.print(f"fine-tuning trial {best.trial} of {best.study}, {where}", soft_wrap=True)
    print_finetuning(
        console,
        start,
        prepared,
        target,
        weights=file,
        threads=threads,
        pictures_every=options.pictures or 0,
    )


def place(target: Path, threads: int, continued: bool) -> str:
    """Where and how a training runs, in words."""
    return f"CPU threads: {threads}, {'continues in' if continued else 'to'} {target}"


if __name__ == "__main__":
    run_command(main)
