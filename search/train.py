"""`python -m search.train best.yaml --data PATH`: train a configuration again, as its trial was trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from search.command import run_command
from search.errors import UserError


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Reproduce a trial from its best.yaml: the same data, split, seed and schedule.

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
    """End after so many epochs, on the same curve. Default: all that the trial was allowed."""

    def check(self) -> None:
        """Raise UserError for counts below 1."""
        for name, value in (("--threads", self.threads), ("--epochs", self.epochs)):
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, got {value}")


def main() -> None:
    """Read, prepare the data, train, compare with what was recorded."""
    options = tyro.cli(TrainOptions, prog="python -m search.train")
    options.check()
    from rich.console import Console

    from search.selection.reproduction import begin, choose_threads, prepare_again
    from search.selection.start import start_again
    from search.terminal.training import print_training
    from search.tuning.best import read_best

    best = read_best(options.config)
    target = options.to or Path(f"{best.study}-trial-{best.trial}")
    threads = options.threads or choose_threads(best)
    pseudo_labelled = best.config.augment.pseudo_labels is not None
    start = start_again(best.config, options.pretrained)
    prepared = prepare_again(best.data, options.data, unlabelled=pseudo_labelled).starting_from(start)
    continued = begin(best, target)
    console = Console(highlight=False)
    where = "continues in" if continued else "to"
    console.print(f"trial {best.trial} of {best.study}, CPU threads: {threads}, {where} {target}", soft_wrap=True)
    print_training(console, best, prepared, target, threads=threads, epochs=options.epochs)


if __name__ == "__main__":
    run_command(main)
