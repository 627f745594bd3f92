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
from search.errors import DataError, StudyError
from search.selection.answer import Answer, read_answer
from search.selection.answering import (
    choose_predictor,
    give_answer,
    open_locked_part,
    prepare,
    train,
)
from search.selection.export import plan_export
from search.selection.loading import load_ensemble
from search.selection.opening import openings_of
from search.selection.options import AnswerOptions
from search.selection.planning import PlannedAnswer, plan_answer
from search.selection.predictor import read_predictor
from search.selection.refitting import refit
from search.selection.reproduction import begin, prepare_again, retrain
from search.selection.tasks import Choice
from search.training.compute import Compute
from search.training.validation import objective, validate
from search.tuning.best import read_best
from search.tuning.openings import read_openings, record_opening
from search.tuning.reading import read_study
from tests.tuning.in_this_process import InThisProcess
from tests.tuning.whole_search import asked, search, write_place

SERVER = InThisProcess()
STUDY = Path("results/tiny-tiles")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with a study, and no answer yet."""
    place = write_place(tmp_path_factory.mktemp("searched"))
    search(asked(place, trials=3))
    return place


@pytest.fixture(scope="module")
def place(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the answer is given."""
    return shutil.copytree(searched, tmp_path_factory.mktemp("answered") / "place")


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
    systems = {planned.plan.trained_as(system).name for system in planned.plan.systems}
    assert folders == sorted(f"{name}-seed-{seed}" for name in systems for seed in (1, 2))
    assert len(answer.retrained) == 2
    assert answer.search_best is not None
    assert len(answer.search_best.retrained) == 2
    assert answer.seed_noise is not None


def test_the_answer_is_read_back_as_it_was_given(given, place: Path) -> None:
    planned, _, answer = given
    assert read_answer(planned.study.folder) == answer
    (opening,) = openings_of(planned.study.folder, None)
    assert answer.test is not None
    assert opening == answer.openings[0].model_copy(update={"miou": answer.test.systems[0].miou.value})


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
    plan = given[0].plan
    own = next(system for system in plan.candidates if system.trial == answer.trial)
    same = [system.name for system in plan.systems if plan.trained_as(system) == own]
    assert [name for name in names if name in same] == [same[-1]]  # a baseline that is the winner stands there once
    assert "default" in names
    assert [difference.against for difference in test.differences] == names[1:]
    truth = sum(sum(row) for row in test.confusion)
    assert truth == test.images * 16 * 16
    seeds = next(system for system in test.systems if system.name == same[-1])
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
    with pytest.raises(StudyError, match=r"and this very answer measured then: test mIoU 0\.\d{4}: whoever looks"):
        planned_in(copy)
    assert plan_export(read_study(copy / STUDY)).openings == 1


def test_what_another_process_has_opened_meanwhile_is_not_opened(given, searched: Path, tmp_path: Path) -> None:
    planned = planned_in(shutil.copytree(searched, tmp_path / "place"))
    record_opening(planned.study.folder, {"time": "now", "systems": 1, "plan": "another"})
    with pytest.raises(StudyError, match=r"was opened already \(now\), for other trials"):
        open_locked_part(planned, given[1], made_choice(given), SERVER)


def test_a_look_that_was_cut_off_goes_on(
    given, searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when all is measured, before the answer is written."""
    again = shutil.copytree(searched, tmp_path / "place")
    kill_before_the_answer(monkeypatch, again)
    assert len(read_openings(again / STUDY)) == 1
    *_, answer = answered(again)
    assert [opening.reopened for opening in answer.openings] == [None]


def test_beside_new_networks_no_old_number_stands(given, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another answer is begun, and killed: an export takes the best trial, and tells of both looks."""
    kill_before_the_answer(monkeypatch, copy, seeds=1, top_k=1, reopen=True)
    assert read_answer(copy / STUDY) is None
    assert Answer.model_validate_json((copy / STUDY / "answer/earlier-1.json").read_text()) == given[2]
    export = plan_export(read_study(copy / STUDY))
    assert (export.answer, export.openings) == (None, 2)


def test_data_that_changed_during_the_training_is_not_measured_on(given, tmp_path: Path) -> None:
    planned, prepared, _ = given
    with np.load(planned.data) as file:
        changed = file["training_set"].copy()
    changed[0, 0, 0, 0] ^= 1
    np.savez_compressed(tmp_path / "changed.npz", training_set=changed)
    for read in (read_locked_part, read_all_parts):
        with pytest.raises(
            DataError, match=r"changed\.npz has changed since this command began .*what was trained is kept"
        ):
            read(tmp_path / "changed.npz", prepared)


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def kill_before_the_answer(monkeypatch: pytest.MonkeyPatch, place: Path, **changes: object) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("search.selection.answering.write_answer", killed)
        with pytest.raises(KeyboardInterrupt):
            answered(place, **changes)


def made_choice(given: tuple[PlannedAnswer, PreparedData, Answer]) -> Choice:
    planned, _, answer = given
    return Choice(system=planned.plan.candidates[0].name, candidates=answer.candidates, predictors={})


def test_reopening_is_shown_for_ever(given, copy: Path) -> None:
    *_, answer = answered(copy, seeds=1, top_k=1, reopen=True, ensemble=False)
    assert [opening.reopened for opening in answer.openings] == [None, "--reopen"]
    assert answer.seed_noise is None
    *_, third = answered(copy, seeds=1, top_k=2, reopen=True)
    assert [opening.reopened for opening in third.openings] == [None, "--reopen", "--reopen"]


def test_an_opening_is_recorded_before_anything_is_measured(given, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.selection.answering.measured_on", killed)
    with pytest.raises(KeyboardInterrupt):
        answered(copy, seeds=1, reopen=True)
    assert len(read_openings(copy / "results" / "tiny-tiles")) == 2


def test_the_same_plan_gives_the_same_answer(given, searched: Path, tmp_path: Path) -> None:
    *_, answer = answered(shutil.copytree(searched, tmp_path / "again"))
    assert answer.model_copy(update={"openings": given[2].openings}) == given[2]


def test_cut_off_and_continued_it_gives_the_same_answer(given, searched: Path, tmp_path: Path) -> None:
    again = shutil.copytree(searched, tmp_path / "again")
    planned = planned_in(again)
    source = planned.trainings
    assignment = source.next_trial()
    assert assignment is not None
    source.release_live()
    short = planned_in(again, time_budget="1s")
    prepared = prepare(short, SERVER)
    train(short, prepared, lambda *_: nullcontext(), SERVER)
    *_, answer = answered(again)
    assert answer.model_copy(update={"openings": given[2].openings}) == given[2]


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
