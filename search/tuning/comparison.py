"""What makes studies comparable, and the values that a comparison needs."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from search.errors import StudyError
from search.hashes import short_hash
from search.tuning.reading import StoredStudy
from search.tuning.record import TrialRecord, best_of, ranked

COMPARABLE = {
    "metric": "the metric",
    "data_fingerprint": "the data",
    "split_fingerprint": "the split into train, validation and test",
}
"""What must agree for two best values to mean the same."""


def check_comparable(studies: Sequence[StoredStudy]) -> None:
    """Raise StudyError where two studies measure on different data, splits or metrics."""
    first = studies[0]
    for key, words in COMPARABLE.items():
        for other in studies[1:]:
            mine, theirs = _identity(first, key), _identity(other, key)
            if mine != theirs:
                raise StudyError(
                    f"studies compare only on the same data, split and metric; {words} differs: {first.name} has "
                    f"{mine}, {other.name} has {theirs}. Search both with the same --data, --seed and --stratify"
                )


def _identity(study: StoredStudy, key: str) -> str:
    value = str(study.spec.model_dump()[key])
    return f"{study.spec.data_name} ({short_hash(value)})" if key == "data_fingerprint" else short_hash(value)


def best_record(study: StoredStudy) -> TrialRecord | None:
    """The best trial, None before the first epoch."""
    return best_of(study.records)


def best_after(records: Sequence[TrialRecord], seconds: float) -> float | None:
    """The best validation mIoU when all trials together had trained for `seconds`, None before the first epoch.

    Crashed and infeasible trials spend time and bring no value.
    """
    counted = {record.number for record in ranked(list(records))}
    best, spent = None, 0.0
    for number, took, value in epochs_in_order(records):
        spent += took
        if spent > seconds * (1 + 1e-9):
            break
        if number in counted:
            best = value if best is None else max(best, value)
    return best


def epochs_in_order(records: Sequence[TrialRecord]) -> Iterator[tuple[int, float, float]]:
    """Trial, seconds and mIoU of every epoch, in the order in which they ended.

    When an epoch ended follows from the trial's start and its epochs' durations; time between runs is not known.
    """
    ended = []
    for record in records:
        if record.started is None:
            continue
        elapsed = 0.0
        for report in record.curve:
            elapsed += report["seconds"]
            end = record.started + timedelta(seconds=elapsed)
            ended.append((end, record.number, report["seconds"], report["miou"]))
    yield from (entry[1:] for entry in sorted(ended))
