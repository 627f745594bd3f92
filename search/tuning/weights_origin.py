"""Where a file of weights was trained, as far as the files around it tell."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from search.data.prepare import PreparedData
from search.errors import StudyError
from search.tuning.best import read_best
from search.tuning.folder import BEST_NAME
from search.tuning.spec import read_spec


def leak_warning(weights: Path, prepared: PreparedData) -> str | None:
    """What to warn of where `weights` were trained on this very data in another split; None where that is not known.

    Weights in a study's folder have its spec above them, exported ones a best.yaml beside them.
    """
    splits = [split for data, split in _origins(weights) if data == prepared.fingerprint]
    if not splits or prepared.split.fingerprint in splits:
        return None
    return (
        f"{weights.name} was trained on this data in another split: images that are now in the validation and the test "
        "part were among its training images, so every mIoU will be too high. Use the split of that study (its --seed "
        "and --stratify)"
    )


def _origins(weights: Path) -> Iterator[tuple[str, str]]:
    """The fingerprints of the data and of the split, of each source that can be read."""
    with suppress(StudyError):
        if (spec := read_spec(weights.resolve().parent.parent.parent)) is not None:
            yield spec.data_fingerprint, spec.split_fingerprint
    with suppress(StudyError):
        if (beside := weights.parent / BEST_NAME).is_file():
            data = read_best(beside).data
            yield data.fingerprint, data.split_fingerprint
