"""A trial once more, from its `best.yaml`: the same data, the same split, the same curve.

Importing this module does not import torch; training does.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from search.data.input_size import STEP
from search.data.prepare import PreparedData, prepare_data
from search.errors import DataError, StudyError
from search.files import UnwritableError, write_whole
from search.hashes import short_hash
from search.selection.export import check_empty
from search.training.loop_entry import train_in_worker
from search.training.outcome import EpochReport, IncompatibleWeightsError, NotFiniteError, best_report
from search.tuning.best import BestConfig, DataIdentity, read_best
from search.tuning.folder import BEST_NAME
from search.tuning.trial_folder import CHECKPOINT_NAME, WEIGHTS_NAME, trial_files


def prepare_again(identity: DataIdentity, path: Path | None, *, unlabelled: bool = True) -> PreparedData:
    """Prepare the data at `path` (None: the demo set) by the recorded recipe. Raises DataError where it differs.

    `unlabelled` False: the images without labels may differ, since nothing will be trained on them.
    """
    recipe = identity.split
    # Only automatic sizes are ever below the smallest that may be asked for: those come out again by themselves.
    size = identity.input_size if min(identity.input_size) >= STEP else None
    prepared = prepare_data(
        path, seed=recipe.seed, fractions=recipe.fractions, stratify=recipe.stratify, input_size=size
    )
    check_same(identity, prepared, "the generated demo set" if path is None else str(path), unlabelled=unlabelled)
    return prepared if unlabelled else prepared.without_unlabelled()


def check_same(identity: DataIdentity, prepared: PreparedData, given: str, *, unlabelled: bool = True) -> None:
    """Raise DataError unless data, cleaning, split, size and, if `unlabelled`, the images without labels agree."""
    if prepared.fingerprint != identity.fingerprint:
        raise DataError(
            f"a trial is reproduced on the data it was trained on, {identity.name} "
            f"(fingerprint {short_hash(identity.fingerprint)}); {given} is other data "
            f"({short_hash(prepared.fingerprint)}). Give that data with --data"
        )
    found = {
        "the removed outliers": (identity.removed_hash, prepared.audit.removed_hash),
        "the split": (identity.split_fingerprint, prepared.split.fingerprint),
        "the input size": (identity.input_size, (prepared.facts.height, prepared.facts.width)),
    }
    for what, (recorded, now) in found.items():
        if recorded != now:
            raise DataError(
                f"{what} of the trial cannot be made again from {given}: recorded {_short(recorded)}, now "
                f"{_short(now)}. Use the version of this tool, and the splits.csv, that the study was made with"
            )
    recorded, now = identity.unlabelled_fingerprint, prepared.unlabelled_fingerprint
    if unlabelled and recorded not in (None, now):
        misfit = prepared.unlabelled.misfit
        none = "none" if misfit is None else f"none that fit ({misfit})"
        raise DataError(
            "a trial with pseudo-labels is reproduced on the images without labels that it saw (fingerprint "
            f"{_short(recorded)}); {given} has {none if now is None else f'others ({_short(now)})'}. Give the data "
            "with that test_set or folder unlabelled/"
        )


def begin(best: BestConfig, target: Path) -> bool:
    """Make the folder of a training, or find the one that was interrupted; whether it continues.

    Raises StudyError where `target` holds anything else.
    """
    if continues(best, target):
        return True
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_whole(target / BEST_NAME, best.to_yaml())
    except OSError as error:
        raise StudyError(f"{target} cannot be written: {error.strerror}; choose another folder with --to") from error
    return False


def continues(best: BestConfig, target: Path) -> bool:
    """Whether `target` holds this training, interrupted. Raises StudyError where it holds anything else."""
    copy = target / BEST_NAME
    unfinished = (target / CHECKPOINT_NAME).is_file() or not (target / WEIGHTS_NAME).is_file()
    if copy.is_file() and unfinished and _asked(read_best(copy)) == _asked(best):
        return True
    check_empty(target)
    return False


def _asked(best: BestConfig) -> dict[str, Any]:
    """What a training is, without what came of it."""
    return best.model_dump(exclude={"miou", "epoch", "threads", "versions"})


def retrain(
    best: BestConfig,
    prepared: PreparedData,
    target: Path,
    *,
    threads: int,
    epochs: int | None = None,
    pictures_every: int = 0,
) -> Iterator[EpochReport]:
    """Train the configuration, a report an epoch; the best weights so far are in `target`.

    `epochs` ends earlier, on the same curve: the learning-rate schedule stays that of the trial. Epochs of an
    interrupted training in `target` are reported again. Raises StudyError where the training diverges, and where the
    disk is full.
    """
    files = trial_files(target, pictures_every)
    training = train_in_worker(best.config, prepared.trial, files, 0, threads)
    try:
        with told_as_unwritable(target):
            yield from islice(training, epochs)
    except NotFiniteError as error:
        raise StudyError(f"the training diverged where the trial did not: {error}") from error
    except IncompatibleWeightsError as error:
        raise StudyError(
            f"the network cannot start from its weights: {error}. Use the versions that the study was made with"
        ) from error
    files.checkpoint.unlink(missing_ok=True)


@contextmanager
def told_as_unwritable(target: Path) -> Iterator[None]:
    """Turn a full disk into a StudyError with the way out."""
    try:
        yield
    except UnwritableError as error:
        raise StudyError(f"{target} cannot be written: {error}; make room and give the same command again") from error


def choose_threads(best: BestConfig) -> int:
    """The recorded CPU threads, so that the curve is the same; all cores where none are recorded."""
    if best.threads is not None:
        return best.threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def verdict(best: BestConfig, reports: list[EpochReport]) -> str:
    """How the reached values compare with the recorded one."""
    top = best_report(reports)
    reached = f"best mIoU {top.miou:.4f} at epoch {top.epoch}"
    recorded = f"recorded {best.miou:.4f} at epoch {best.epoch}"
    again = next((report.miou for report in reports if report.epoch == best.epoch), None)
    if again is None:
        return f"{reached}; {recorded}, which this training did not reach"
    if again == best.miou:
        return f"{reached}; {recorded}: the same value to the last digit"
    return f"{reached}; {recorded}, now {again:.4f} there ({again - best.miou:+.4f}){_changed_versions(best)}"


def _changed_versions(best: BestConfig) -> str:
    changed = {package: was for package, was in best.versions.items() if version(package) != was}
    words = ", ".join(f"{package} {version(package)} (was {was})" for package, was in changed.items())
    return f"; with other versions: {words}" if words else ""


def _short(value: object) -> str:
    return f"{value[0]}x{value[1]}" if isinstance(value, tuple) else short_hash(str(value))
