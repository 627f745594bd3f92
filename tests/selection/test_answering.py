"""From a study to its answer, in this process, on tiles that a tiny network learns a little of."""

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from search.data.locked_part import read_all_parts, read_locked_part
from search.data.prepare import PreparedData
from search.errors import StudyError
from search.selection.answer import Answer, read_answer
from search.selection.answering import (
    PlannedAnswer,
    choose_predictor,
    give_answer,
    open_locked_part,
    plan_answer,
    prepare,
    train,
)
from search.selection.export import plan_export
from search.selection.loading import load_ensemble
from search.selection.options import AnswerOptions
from search.selection.predictor import read_predictor
from search.selection.refitting import refit
from search.selection.reproduction import begin, prepare_again, retrain
from search.training.compute import Compute
from search.training.validation import objective, validate
from search.tuning.best import read_best
from search.tuning.openings import read_openings
from search.tuning.reading import read_study
from tests.tuning.in_this_process import InThisProcess
from tests.tuning.whole_search import asked, search, write_place

SERVER = InThisProcess()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = write_place(tmp_path_factory.mktemp("place"))
    search(asked(place, trials=3))
    return place


def options_in(place: Path, **changes: object) -> AnswerOptions:
    study = place / "results" / "tiny-tiles"
    options = AnswerOptions(study=str(study), top_k=2, seeds=2, executor="local", results=place / "results")
    return replace(options, **changes)


def planned_in(place: Path, **changes: object) -> PlannedAnswer:
    return plan_answer(options_in(place, **changes), place / "results" / "tiny-tiles", SERVER)


def answered(place: Path, **changes: object) -> tuple[PlannedAnswer, PreparedData, Answer]:
    planned = planned_in(place, **changes)
    prepared = prepare(planned, SERVER)
    assert not train(planned, prepared, lambda *_: nullcontext(), SERVER)
    assert planned.trainings.unfinished == 0
    choice = choose_predictor(planned, prepared, SERVER)
    test, openings = open_locked_part(planned, prepared, choice, SERVER)
    return planned, prepared, give_answer(planned, choice, test, openings)


@pytest.fixture(scope="module")
def given(place: Path) -> tuple[PlannedAnswer, PreparedData, Answer]:
    return answered(place)


@pytest.fixture
def copy(given: object, place: Path, tmp_path: Path) -> Path:
    """The place with its answer, to be changed."""
    return shutil.copytree(place, tmp_path / "place")


def test_every_system_is_trained_from_its_seeds(given, place: Path) -> None:
    planned, _, answer = given
    folders = sorted(path.name for path in (planned.folder / "trainings").iterdir())
    systems = [system.name for system in (*planned.plan.candidates, *planned.plan.baselines)]
    assert folders == sorted(f"{name}-seed-{seed}" for name in systems for seed in (1, 2))
    assert len(answer.retrained) == 2
    assert answer.optimism == pytest.approx(answer.search_value - np.mean(answer.retrained))
    assert answer.seed_noise is not None


def test_the_answer_is_read_back_as_it_was_given(given, place: Path) -> None:
    planned, _, answer = given
    assert read_answer(planned.study.folder) == answer


def test_what_is_exported_reaches_on_validation_what_the_answer_says(given) -> None:
    planned, prepared, answer = given
    predictor = read_predictor(planned.folder / "predictor")
    network = load_ensemble(predictor, planned.folder / "predictor")
    compute = Compute.here(predictor.members[0].config.budget)
    compute.place(network)
    assert objective(validate(network, prepared.trial, compute), prepared.facts) == answer.validation
    assert answer.validation == max(candidate.miou for candidate in answer.candidates)


def test_the_test_part_holds_what_the_split_put_aside(given) -> None:
    _, prepared, answer = given
    test = answer.test
    assert test is not None
    assert test.images == len(prepared.split.indices("test"))
    names = [system.name for system in test.systems]
    assert names[0] == answer.chosen
    assert f"trial-{answer.trial}" in names
    assert "default" in names
    assert [difference.against for difference in test.differences] == names[1:]
    truth = sum(sum(row) for row in test.confusion)
    assert truth == test.images * 16 * 16
    seeds = next(system for system in test.systems if system.name == f"trial-{answer.trial}")
    assert len(seeds.seeds) == 2
    assert seeds.miou.value == pytest.approx(np.mean(seeds.seeds))


def test_no_trial_ever_saw_the_test_part(given) -> None:
    """Its images are neither among those trained nor among those validated on."""
    _, prepared, _ = given
    parts = prepared.trial.train, prepared.trial.validation
    seen = {np.asarray(image).tobytes() for part in parts for image in part.images}
    part = read_locked_part(given[0].data, prepared)
    assert not seen & {np.asarray(image).tobytes() for image in part.samples.images}
    assert len(part.groups) == len(part)


def test_the_same_command_again_changes_nothing(given, copy: Path) -> None:
    planned = planned_in(copy)
    assert planned.settled
    assert len(read_openings(planned.study.folder)) == 1


def test_another_plan_may_not_open_it_even_where_the_answer_was_deleted(given, copy: Path) -> None:
    with pytest.raises(StudyError, match="was opened already"):
        planned_in(copy, seeds=1)
    shutil.rmtree(copy / "results" / "tiny-tiles" / "answer")
    with pytest.raises(StudyError, match="was opened already"):
        planned_in(copy, seeds=1)
    assert not planned_in(copy).settled  # the same plan may be measured again: it is the same look


def test_reopening_is_shown_for_ever(given, copy: Path) -> None:
    *_, answer = answered(copy, seeds=1, top_k=1, reopen=True, ensemble=False)
    assert [opening.reopened for opening in answer.openings] == [None, "--reopen"]
    assert answer.seed_noise is None
    *_, third = answered(copy, seeds=1, top_k=2, reopen=True)
    assert [opening.reopened for opening in third.openings] == [None, "--reopen", "--reopen"]


def test_an_opening_is_recorded_before_anything_is_measured(given, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("search.selection.answering.measured_on", killed)
    with pytest.raises(KeyboardInterrupt):
        answered(copy, seeds=1, reopen=True)
    assert len(read_openings(copy / "results" / "tiny-tiles")) == 2


def test_the_same_plan_gives_the_same_answer(given, place: Path, tmp_path: Path) -> None:
    again = shutil.copytree(place, tmp_path / "again")
    shutil.rmtree(again / "results" / "tiny-tiles" / "answer")
    *_, answer = answered(again)
    assert answer == given[2]


def test_cut_off_and_continued_it_gives_the_same_answer(given, place: Path, tmp_path: Path) -> None:
    again = shutil.copytree(place, tmp_path / "again")
    shutil.rmtree(again / "results" / "tiny-tiles" / "answer")
    planned = planned_in(again)
    source = planned.trainings
    assignment = source.next_trial()
    assert assignment is not None
    source.release_live()
    short = planned_in(again, time_budget="1s")
    prepared = prepare(short, SERVER)
    train(short, prepared, lambda *_: nullcontext(), SERVER)
    *_, answer = answered(again)
    assert answer == given[2]


def test_the_answers_best_yaml_gives_its_network_again(given, tmp_path: Path) -> None:
    planned, _, answer = given
    best = read_best(planned.folder / "best.yaml")
    assert best.trial == answer.trial
    assert best.miou == max(answer.retrained)
    assert best.config.seed in (1, 2)
    prepared = prepare_again(best.data, planned.data)
    begin(best, tmp_path / "again")
    reports = list(retrain(best, prepared, tmp_path / "again", threads=best.threads or 1))
    assert [report.miou for report in reports] == [best.miou]


def test_refitting_trains_on_everything_and_keeps_the_number(given, copy: Path) -> None:
    planned = planned_in(copy, refit=True)
    prepared = prepare(planned, SERVER)
    assert planned.answer is not None
    refitted = refit(planned, prepared, planned.answer, lambda *_: nullcontext(), SERVER)
    assert refitted is not None
    assert refitted == planned.answer.model_copy(update={"refitted": True})
    assert read_answer(planned.study.folder) == refitted
    everything = read_all_parts(planned.data, prepared)
    assert len(everything.train) == len(prepared.split.stems)
    study = read_study(planned.study.folder)
    export = plan_export(study, refitted=True)
    (member,) = export.predictor.members
    assert member.origin == "trained on all labelled data"
    assert export.answer is not None
    assert export.answer.refitted
    assert export.answer.test is not None
    assert export.answer.test.systems[0].name == "network"
    (weights,) = export.weights
    assert load_file(weights).keys() == load_file(next((planned.folder / "network").glob("*.safetensors"))).keys()
    measured = plan_export(study)
    assert measured.answer is not None
    assert not measured.answer.refitted


def test_what_was_never_refitted_is_not_exported_so(given) -> None:
    study = read_study(given[0].study.folder)
    with pytest.raises(StudyError, match=r"search\.answer tiny-tiles --refit trains it"):
        plan_export(study, refitted=True)
    with pytest.raises(StudyError, match="give one of them"):
        plan_export(study, 0, refitted=True)


def test_data_without_a_test_part_is_answered_by_validation_alone(given, place: Path, monkeypatch) -> None:
    planned, prepared, _ = given
    choice = choose_predictor(planned, prepared, SERVER)
    monkeypatch.setattr("search.selection.answering.has_locked_part", lambda _: False)
    test, openings = open_locked_part(replace(planned, openings=()), prepared, choice, SERVER)
    assert (test, openings) == (None, ())


def test_reports_are_valid_json_for_every_training(given) -> None:
    planned, *_ = given
    for path in planned.folder.rglob("reports.json"):
        assert [report["epoch"] for report in json.loads(path.read_text())] == [1]
