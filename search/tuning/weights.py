"""Disk space: weights are kept for the best trials and on the front, checkpoints for trials that may go on."""

from pathlib import Path

from search.tuning.front import front_of, spread
from search.tuning.objectives import MIOU_ALONE, Objectives
from search.tuning.record import TrialRecord, ranked
from search.tuning.trial_folder import CHECKPOINT_NAME, WEIGHTS_NAME, trial_folder


def keep_best_weights(
    study_folder: Path, records: list[TrialRecord], *, keep: int, objectives: Objectives = MIOU_ALONE
) -> None:
    """Delete the weights of all finished trials but the best `keep`, and every finished trial's checkpoint.

    With several objectives, up to `keep` more of the front stay beside these: the best of each objective, then those
    that are most alone among the ones that still have weights. What was deleted once does not come back.
    """
    # A trial that may go on takes no place: it keeps its files anyway, and it may still become infeasible.
    finished = [record for record in records if record.state not in ("RUNNING", "WAITING")]
    best = {record.number for record in ranked(finished)[:keep]}
    if len(objectives) > 1:
        stored = [record for record in front_of(finished, objectives) if _weights(study_folder, record).is_file()]
        others = [record.number for record in spread(stored, objectives) if record.number not in best]
        best |= set(others[:keep])
    for record in finished:
        folder = trial_folder(study_folder, record.number)
        (folder / CHECKPOINT_NAME).unlink(missing_ok=True)
        if record.number not in best:
            (folder / WEIGHTS_NAME).unlink(missing_ok=True)


def _weights(study_folder: Path, record: TrialRecord) -> Path:
    return trial_folder(study_folder, record.number) / WEIGHTS_NAME
