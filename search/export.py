"""`python -m search.export STUDY --to DIR`: the answer, or the best trial, as files that need no study."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from search.command import run_command
from search.tuning.folder import DEFAULT_RESULTS, find_study
from search.tuning.options import Flag
from search.tuning.study_options import ResultsOption, StorageOption, StudyArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from search.selection.export import Export
    from search.selection.package.programs import Program


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Write what a study found to a folder of its own: configuration, weights, programs, a model card, a script.

    That is the answer of search.answer where there is one, else the best trial.
    """

    study: StudyArgument

    to: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The folder to write: new, or empty."""

    trial: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """This trial instead of the answer or the best one. Weights are kept for the best few only."""

    refitted: Flag = False
    """The network that search.answer --refit trained on all labelled data, in place of what was measured."""

    license: Annotated[str, tyro.conf.arg(metavar="NAME")] = "unknown"
    """The licence that the model card names, such as mit or cc-by-4.0."""

    results: ResultsOption = DEFAULT_RESULTS

    storage: StorageOption = None


def main() -> None:
    """Choose what to export, write it, say what each file is."""
    options = tyro.cli(ExportOptions, prog="python -m search.export")
    folder = find_study(options.study, options.results)
    from search.selection.export import check_empty, plan_export
    from search.tuning.reading import read_study

    export = plan_export(
        read_study(folder, options.storage), options.trial, refitted=options.refitted, storage=options.storage
    )
    check_empty(options.to)
    best = export.best
    print(f"trial {best.trial} of {best.study}, validation mIoU {best.miou:.4f} at epoch {best.epoch}", flush=True)
    if export.answer is not None:
        print(f"the study's answer: {export.predictor.words}{test_words(export)}", flush=True)
    from search.selection.package.write import write_package

    programs = write_package(export, options.to, options.license)
    for name, words in described(export, programs):
        print(f"{options.to / name}  {words}")
    for line in notes(export, programs):
        print(line)


def test_words(export: "Export") -> str:
    """What the answer reached on the locked test part."""
    assert export.answer is not None
    test = export.answer.test
    if test is None:
        return ", without a locked test"
    from search.selection.package.card_results import interval_text

    return f", test mIoU {interval_text(test.systems[0].miou)}"


def described(export: "Export", programs: "tuple[Program, ...]") -> "Iterator[tuple[str, str]]":
    """Each file of the package, and what it is."""
    from search.selection.package.contents import CARD_NAME, HASHES_NAME, PREPROCESSING_NAME, SCRIPT_NAME
    from search.selection.package.programs import agreement
    from search.selection.predictor import PREDICTOR_NAME
    from search.tuning.folder import BEST_NAME

    yield BEST_NAME, "the configuration, with what identifies its data and split"
    for member in export.predictor.members:
        epoch = "" if export.answer is not None else " at that epoch"
        yield member.weights, f"the weights of {member.origin}{epoch}"
    yield PREDICTOR_NAME, "which networks predict, and how they are averaged"
    for program in programs:
        if program.difference is not None:
            yield program.name, f"the same as a program for {program.words}, checked: {agreement(program)}"
    yield PREPROCESSING_NAME, "classes, and what is done to images before and after the network"
    yield SCRIPT_NAME, "predicts masks; needs numpy and onnxruntime or torch alone"
    yield CARD_NAME, "the model card; its licence field is that of --license"
    yield HASHES_NAME, "sha256 of every file, of data, split and configuration; versions"


def notes(export: "Export", programs: "tuple[Program, ...]") -> "Iterator[str]":
    """What a user should know besides."""
    from spaces.losses import IgnoreBackground

    for program in programs:
        if not program.written:
            yield f"there is no {program.name}: the network cannot be exported for {program.words}: {program.problem}"
    if export.best.config.pretrained.startswith("sha256:"):
        yield "it started from the weights of a file: search.train needs that file again, as --pretrained FILE"
    if any(isinstance(member.config.loss.background, IgnoreBackground) for member in export.predictor.members):
        yield "it never predicts the background: pixels of that class were left out of its training, and of the mIoU"


if __name__ == "__main__":
    run_command(main)
