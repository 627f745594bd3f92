"""Disk space: weights are kept for the best trials only, checkpoints for trials that may go on."""

from pathlib import Path

from search.tuning.record import TrialRecord, ranked
from search.tuning.trial_folder import CHECKPOINT_NAME, WEIGHTS_NAME, trial_folder


def keep_best_weights(study_folder: Path, records: list[TrialRecord], *, keep: int) -> None:
    """Delete the weights of all finished trials but the best `keep`, and every finished trial's checkpoint."""
    # A trial that may go on takes no place: it keeps its files anyway, and it may still become infeasible.
    finished = [record for record in records if record.state not in ("RUNNING", "WAITING")]
    best = {record.number for record in ranked(finished)[:keep]}
    for record in finished:
        folder = trial_folder(study_folder, record.number)
        (folder / CHECKPOINT_NAME).unlink(missing_ok=True)
        if record.number not in best:
            (folder / WEIGHTS_NAME).unlink(missing_ok=True)
