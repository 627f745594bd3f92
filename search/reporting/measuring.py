"""Measuring what a report needs beyond the study, once: the networks' costs, importances, the validation images."""

from dataclasses import replace
from pathlib import Path

from search.errors import UserError
from search.reporting.material import Material
from search.reporting.measurements import (
    Importances,
    Measurements,
    Validation,
    file_hash,
    read_measurements,
    trials_hash,
    write_measurements,
)
from search.reporting.networks import add_costs, add_latencies
from search.reporting.validation import validate_trial
from search.selection.reproduction import prepare_again
from search.tuning.importance import importances
from search.tuning.record import TrialRecord
from search.tuning.trial_folder import WEIGHTS_NAME, trial_folder


def measure(material: Material, data: Path | None = None) -> Material:
    """The material with all measurements, those of the last report where they still hold; keeps them for the next.

    `data` is where the data is, None for where it was when the search ran. While the search runs nothing is timed and
    nothing predicted: both would take its time. Raises DataError where `data` is given and is not the study's.
    """
    folder, facts = material.study.folder, material.spec.facts
    known = read_measurements(folder, material.spec.identity_hash)
    trials = material.ranked
    timed = not material.running and "latency" not in material.spec.objectives  # that one has the search measured
    validation = _validation(material, known.validation, data)
    measured = Measurements(
        identity=known.identity,
        costs=add_costs(known.costs, trials, facts),
        latencies=add_latencies(known.latencies, trials, facts, measure=timed),
        importances=_importances(material, known.importances),
        validation=validation if isinstance(validation, Validation) else None,
    )
    if measured != known:
        write_measurements(folder, measured)
    return replace(material, measured=measured, not_validated=validation if isinstance(validation, str) else "")


def _importances(material: Material, known: Importances | None) -> Importances:
    trials = trials_hash(material.records)
    if known is not None and known.trials == trials:
        return known
    return Importances(trials=trials, entries=importances(material.records, material.parameters))


def _validation(material: Material, known: Validation | None, data: Path | None) -> Validation | str:
    """The best trial on the validation images, or the sentence that says why there is none."""
    best = next(iter(material.ranked), None)
    if best is None:
        return "No trial has finished an epoch yet."
    weights = trial_folder(material.study.folder, best.number) / WEIGHTS_NAME
    try:
        return _validated(material, best, weights, known, data)
    except FileNotFoundError:
        if weights.is_file():
            raise
        return f"The weights of the best trial, {best.number}, are not kept, so that nothing can be predicted."


def _validated(
    material: Material, best: TrialRecord, weights: Path, known: Validation | None, data: Path | None
) -> Validation | str:
    """As `_validation`. Raises FileNotFoundError where the weights are not there, or a search has just deleted them."""
    weights.stat()
    if known is not None and known.trial == best.number and known.weights == file_hash(weights):
        return known
    if material.running:
        return "The search is running: its images are predicted when a report is written after its end."
    if material.best_problem:
        return f"Nothing could be predicted: {material.best_problem}. The search writes best.yaml anew when it goes on."
    if material.best is None:
        return (
            "The search was cut before it wrote best.yaml, which knows how the data was split: let it go on, and end."
        )
    try:
        prepared = prepare_again(material.best.data, data or _recorded_data(material), unlabelled=False)
        return validate_trial(best, weights, prepared)
    except UserError as error:
        if data is not None:
            raise
        return f"Nothing could be predicted: {error}. Another place of the data is given with --data."


def _recorded_data(material: Material) -> Path | None:
    """Where the data was at the last run, None for the demo set."""
    path = material.runs[-1].get("data") if material.runs else None
    return None if path is None else Path(path)
