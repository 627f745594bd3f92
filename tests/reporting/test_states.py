"""Reports of studies at every stage: empty, of one trial, running, all pruned; what is measured once and kept."""

import fcntl
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from search.reporting import measuring
from search.reporting.contents import write_report
from search.reporting.material import gather
from search.reporting.measurements import (
    Latency,
    Measurements,
    configuration_hash,
    read_measurements,
    write_measurements,
)
from search.reporting.networks import add_costs, add_latencies
from search.tuning.folder import LOCK_NAME, MEASURED_NAME, create_folder
from search.tuning.reading import read_study
from search.tuning.record import ranked
from tests.reporting.pages import Page
from tests.reporting.studies import real_spec, record, write_study
from tests.spaces.sampling import facts


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """A search that runs on the folder, as far as others can see."""
    with (folder / LOCK_NAME).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def page_of(folder: Path) -> Page:
    return Page.of(write_report(folder).read_text())


def test_a_study_without_a_trial(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    create_folder(folder)
    real_spec(facts()).write(folder)
    page = page_of(folder)
    assert "none yet" in page.text
    assert "No trial has finished an epoch yet." in page.text
    assert "The study has no audit.json that can be read." in page.text
    assert page.figures == []
    assert not (folder / "study.db").exists()


def test_a_study_of_one_trial(tmp_path: Path) -> None:
    page = page_of(write_study(tmp_path / "one", trials=1))
    assert "The only trial with a value" in page.text
    assert "Importances need at least 10 trials with a value; this study has 1." in page.text
    assert "over 1 trial with a value (trial 0)" in page.text


def test_a_study_in_which_all_trials_were_pruned(tmp_path: Path) -> None:
    page = page_of(write_study(tmp_path / "pruned", trials=8, all_pruned=True))
    assert "0 of 8 trials trained beyond the last rung" in page.text
    assert "trials that are pruned" in page.text


def test_a_study_whose_search_runs(tmp_path: Path) -> None:
    """Nothing is timed and nothing predicted beside it; its trial is shown as it stands."""
    folder = write_study(tmp_path / "live", trials=2, running=True, measured=False)
    before = read_study(folder).records
    with held(folder):
        page = page_of(folder)
    assert "The search is running: this page shows one moment of it" in page.text
    assert "1 running" in page.text
    assert "The time of an image is measured when a report is written while no search runs." in page.text
    assert "The weights of the best trial" in page.text
    assert read_measurements(folder, read_study(folder).spec.identity_hash).latencies == {}
    assert read_study(folder).records == before
    assert "1 to be continued" in page_of(folder).text


def test_what_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_study(tmp_path / "mars", trials=2, measured=False)
    first = write_report(folder).read_text()
    kept = (folder / MEASURED_NAME).read_bytes()
    monkeypatch.setattr(measuring, "importances", None)
    monkeypatch.setattr("search.reporting.networks.measure_cost", None)
    monkeypatch.setattr("search.reporting.networks.build_model", None)
    second = write_report(folder).read_text()
    assert (folder / MEASURED_NAME).read_bytes() == kept
    assert [figure["data"] for figure in Page.of(first).figures] == [
        figure["data"] for figure in Page.of(second).figures
    ]


def test_measurements_of_another_study_or_configuration_do_not_count(tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path / "mars", trials=1, measured=False))
    trials = ranked(study.records)
    costs = add_costs({}, trials, study.spec.facts)
    number = trials[0].number
    stale = {**costs, number: costs[number].model_copy(update={"configuration": "other", "macs": -1})}
    assert add_costs(stale, trials, study.spec.facts) == costs
    write_measurements(tmp_path, Measurements(identity="mine", costs=costs))
    assert read_measurements(tmp_path, "mine").costs == costs
    assert read_measurements(tmp_path, "theirs") == Measurements(identity="theirs")
    (tmp_path / MEASURED_NAME).write_text('{"version": 0}')
    assert read_measurements(tmp_path, "mine") == Measurements(identity="mine")


def test_times_of_another_machine_are_left_out() -> None:
    found = [record(number, {1: 0.5}) for number in range(4)]
    configuration = configuration_hash(found[0])
    here = Latency(configuration=configuration, seconds=1.0, threads=torch.get_num_threads(), machine=platform.node())
    known = {
        0: here,
        1: here.model_copy(update={"machine": "elsewhere"}),
        2: here.model_copy(update={"threads": here.threads + 1}),
        3: Latency(configuration=configuration, seconds=1.0, threads=here.threads),
    }
    same = [replace(trial, config_data=found[0].config_data) for trial in found]
    assert add_latencies(known, same, facts(), measure=False) == {0: here}


def test_weights_that_a_search_deletes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_study(tmp_path / "mars", trials=2, pictures=True)

    def deleted(path: Path) -> str:
        path.unlink()
        raise FileNotFoundError(path)

    monkeypatch.setattr(measuring, "file_hash", deleted)
    assert "are not kept, so that nothing can be predicted" in measuring.measure(gather(folder)).not_validated


def test_weights_of_another_trial_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_study(tmp_path / "mars", trials=2, pictures=True)
    material = gather(folder)
    known = read_measurements(folder, material.spec.identity_hash)
    assert known.validation is not None
    other = known.validation.model_copy(update={"trial": known.validation.trial + 1})
    write_measurements(folder, known.model_copy(update={"validation": other}))
    monkeypatch.setattr(measuring, "file_hash", None)
    assert "Nothing could be predicted" in measuring.measure(material).not_validated
