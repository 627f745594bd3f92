"""`python -m search.export STUDY --to DIR`: the best configuration and its weights, as files that need no study."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from search.command import run_command
from search.tuning.folder import DEFAULT_RESULTS, find_study
from search.tuning.study_options import ResultsOption, StorageOption, StudyArgument


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Write best.yaml and best.safetensors of a study's best trial to a folder of their own."""

    study: StudyArgument

    to: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The folder to write: new, or empty."""

    trial: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """This trial instead of the best one. Weights are kept for the best few only."""

    results: ResultsOption = DEFAULT_RESULTS

    storage: StorageOption = None


def main() -> None:
    """Choose the trial, write its two files, say what they are."""
    options = tyro.cli(ExportOptions, prog="python -m search.export")
    folder = find_study(options.study, options.results)
    from search.selection.export import plan_export, write_export
    from search.tuning.reading import read_study
    from spaces.losses import IgnoreBackground

    export = plan_export(read_study(folder, options.storage), options.trial)
    write_export(export, options.to)
    best = export.best
    print(f"trial {best.trial} of {best.study}, validation mIoU {best.miou:.4f} at epoch {best.epoch}")
    print(f"{options.to / 'best.yaml'}  the configuration, with what identifies its data and split")
    print(f"{options.to / 'best.safetensors'}  the weights of that epoch")
    if best.config.pretrained.startswith("sha256:"):
        print("it started from the weights of a file: search.train needs that file again, as --pretrained FILE")
    if isinstance(best.config.loss.background, IgnoreBackground):
        print("it never predicts the background: pixels of that class were left out of its training, and of the mIoU")


if __name__ == "__main__":
    run_command(main)
