"""Which configurations an answer trains."""

from pathlib import Path

import pytest

from search.errors import StudyError
from search.selection.systems import Asked, Baselines, best_systems, estimated_seconds, make_plan
from search.tuning.reading import StoredStudy, read_study
from search.tuning.record import ranked
from tests.commands.studies import make_study
from tests.contracts.fake_training import facts


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return read_study(make_study(tmp_path_factory.mktemp("results"), trials=8, space="unet_family"))


def plan_of(study: StoredStudy, *, top: int = 2, baselines: Baselines = "default", seeds: int = 2):
    return make_plan(study, facts(), top=top, baselines=baselines, asked=Asked(seeds=seeds))


def test_the_best_trials_best_first(study: StoredStudy) -> None:
    best = ranked(study.records)[:3]
    systems = best_systems(study, 3)
    assert [system.trial for system in systems] == [record.number for record in best]
    assert [system.search_value for system in systems] == [record.best_value for record in best]
    assert systems[0].name == f"trial-{best[0].number}"


def test_equal_configurations_are_trained_once(study: StoredStudy) -> None:
    doubled = StoredStudy(folder=study.folder, spec=study.spec, records=[*study.records, *study.records])
    assert best_systems(doubled, 99) == best_systems(study, 99)


def test_a_study_without_an_epoch_has_no_answer(study: StoredStudy) -> None:
    empty = StoredStudy(folder=study.folder, spec=study.spec, records=[])
    with pytest.raises(StudyError, match="no trial of mars has finished an epoch yet"):
        best_systems(empty, 5)


def test_all_systems_from_one_seed_then_all_from_the_next(study: StoredStudy) -> None:
    plan = plan_of(study)
    names = [system.name for system in plan.systems if plan.trained_as(system) == system]
    assert [(training.system, training.config.seed) for training in plan.trainings] == [
        (name, seed) for seed in (1, 2) for name in names
    ]
    assert study.spec.seed == 0  # by that one the trials were chosen


def test_a_baseline_that_is_one_of_the_best_is_not_trained_twice(study: StoredStudy) -> None:
    every = plan_of(study, top=100)
    (default,) = every.baselines
    same = every.trained_as(default)
    assert same.trial == next(record.number for record in study.records if record.point == "default")
    assert "default" not in {training.system for training in every.trainings}
    other = every.model_copy(update={"candidates": tuple(each for each in every.candidates if each != same)})
    assert other.trained_as(default) == default
    assert [training.system for training in other.trainings].count("default") == 2


def test_the_baselines(study: StoredStudy) -> None:
    assert plan_of(study, baselines="none").baselines == ()
    (default,) = plan_of(study).baselines
    tried = next(record for record in study.records if record.point == "default")
    assert default.config.model == tried.config.model
    seeds = plan_of(study, baselines="seeds")
    names = [system.name for system in seeds.baselines]
    assert names[0] == "default"
    assert "report001_unet" in names
    trained = [training.system for training in seeds.trainings]
    assert (trained.count(seeds.trained_as(seeds.baselines[0]).name), trained.count("report001_unet")) == (2, 1)
    assert {system.config.budget for system in seeds.baselines} == {study.spec.budget}


def test_a_plan_is_known_by_all_that_decides_it(study: StoredStudy) -> None:
    assert plan_of(study).fingerprint == plan_of(study).fingerprint
    others = {plan_of(study, top=3), plan_of(study, seeds=3), plan_of(study, baselines="none")}
    assert len({plan.fingerprint for plan in (*others, plan_of(study))}) == 4


def test_estimates_are_the_trials_own_seconds_else_by_multiply_adds(study: StoredStudy) -> None:
    plan = plan_of(study, baselines="seeds")
    seconds = estimated_seconds(plan, study.records, {"report001_unet": 30}, default=(2.0, 10))
    epochs = study.spec.max_epochs
    assert seconds[plan.candidates[0].name] == pytest.approx(0.01 * epochs)
    assert seconds["default"] == 2.0 * epochs
    assert seconds["report001_unet"] == 6.0 * epochs


def test_a_space_that_is_gone_has_no_default(study: StoredStudy, tmp_path: Path) -> None:
    lost = study.spec.model_copy(update={"space": f"{tmp_path}/gone.py:tiny"})
    records = [record for record in study.records if record.point != "default"]
    with pytest.raises(StudyError, match=r"cannot be built: .*no file .*--baselines none"):
        plan_of(StoredStudy(folder=study.folder, spec=lost, records=records))
