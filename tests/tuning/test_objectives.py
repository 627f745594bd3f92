"""What a search may look for, and where a study of several objectives puts its trials."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection

from search.errors import StudyError, UserError
from search.training.outcome import NetworkCosts, TrialOutcome
from search.tuning.front import front_of, point_at, spread
from search.tuning.objectives import Objectives, parse_objectives
from search.tuning.options import RunOptions, What
from search.tuning.record import TrialRecord, best_of
from search.tuning.spec import read_spec
from search.tuning.storage import open_study, storage_url
from search.tuning.study import TrialStudy
from search.tuning.trial_folder import WEIGHTS_NAME, trial_folder
from search.tuning.weights import keep_best_weights
from tests.tuning.made_up import SPACE, engine_in, report, spec, study_in, study_on

SEVERAL: Objectives = ("miou", "latency", "parameters")
AGAINST_MACS: Objectives = ("miou", "macs")
HASH_BEFORE = "79cb710e388ba8facc41fa64499e99c3f2e4b21e255a545030bec1c03db0ae6b"


@pytest.mark.parametrize(
    ("text", "objectives"),
    [
        ("miou", ("miou",)),
        ("miou,latency", ("miou", "latency")),
        (" miou , macs,latency", ("miou", "macs", "latency")),
        ("miou,parameters,macs,latency", ("miou", "parameters", "macs", "latency")),
    ],
)
def test_what_may_be_searched_for(text: str, objectives: tuple) -> None:
    assert parse_objectives(text) == RunOptions(what=What(objectives=text)).objectives == objectives


@pytest.mark.parametrize(
    "text", ["", "latency", "latency,miou", "miou,", "miou,miou", "miou,macs,macs", "miou;macs", "miou,flops", "mIoU"]
)
def test_what_may_not_be_searched_for(text: str) -> None:
    with pytest.raises(UserError) as error:
        RunOptions(what=What(objectives=text)).check()
    assert str(error.value) == (
        "--objectives is miou, or miou and after it one or more of latency, macs, parameters, each once and joined by "
        f"commas, such as miou,latency; got {text!r}"
    )


# --- identity ------------------------------------------------------------------------------------------------------


def test_a_spec_from_before_objectives_is_read_and_keeps_its_hash(tmp_path: Path) -> None:
    """The hash is that of this spec before the field was there: stored studies are found by it."""
    spec().write(tmp_path)
    path = tmp_path / "spec.yaml"
    text = path.read_text()
    path.write_text(text.replace("objectives:\n- miou\n", ""))
    assert path.read_text() != text
    stored = read_spec(tmp_path)
    assert stored == spec()
    assert stored.identity_hash == HASH_BEFORE


def test_other_objectives_are_another_study(tmp_path: Path) -> None:
    assert spec().differences(spec(objectives=SEVERAL)) == [
        "objectives: the study has miou, asked for miou,latency,parameters"
    ]
    orders = (("miou",), ("miou", "macs", "latency"), ("miou", "latency", "macs"))
    assert len({spec(objectives=objectives).identity_hash for objectives in orders}) == 3
    spec(objectives=SEVERAL).write(tmp_path)
    assert read_spec(tmp_path) == spec(objectives=SEVERAL)


# --- the study -----------------------------------------------------------------------------------------------------


def train(
    study: TrialStudy,
    mious: list[float],
    latency: float,
    parameters: int = 100,
    *,
    point: str | None = None,
    width: int | None = None,
) -> TrialRecord:
    """Ask for a trial and report its epochs; its network is no other trial's unless a width is given."""
    chosen = None if point is None else (point, SPACE.points[point].config if point in SPACE.points else SPACE.default)
    number = study.ask(SPACE, seed=0, startup_trials=4, point=chosen).number
    config = SPACE.decode(study.record(number).params)
    network = config.model.model_copy(update={"width": width or 100 + number})
    study.set_config(number, config.model_copy(update={"model": network}))
    costs = NetworkCosts(latency=latency, macs=1000 * parameters, parameters=parameters)
    for epoch, miou in enumerate(mious, start=1):
        study.report(number, report(epoch, miou, costs if epoch == 1 else None))
    return study.record(number)


@pytest.fixture
def study(tmp_path: Path) -> TrialStudy:
    return study_in(tmp_path, SEVERAL)


def test_optuna_is_told_all_values_of_a_complete_trial(tmp_path: Path, study: TrialStudy) -> None:
    train(study, [0.2, 0.6, 0.5], 12.5, 300)
    train(study, [0.3], 9.0)
    train(study, [0.1], 9.0)
    study.tell_complete(0, "trained")
    study.tell_pruned(1, "pruned at rung 1")
    study.tell_violation(2, "not_finite", 1.0, "the loss became nan")
    optuna_study = optuna.load_study(study_name="test", storage=storage_url(tmp_path, None))
    assert optuna_study.directions == [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE, StudyDirection.MINIMIZE]
    assert optuna_study.metric_names == ["mIoU", "latency (ms)", "parameters"]
    assert [trial.values for trial in optuna_study.trials] == [[0.6, 12.5, 300.0], None, None]
    assert [trial.number for trial in optuna_study.best_trials] == [0]
    records = study_in(tmp_path, SEVERAL).records()
    assert [record.values for record in records] == [{1: 0.2, 2: 0.6, 3: 0.5}, {1: 0.3}, {1: 0.1}]
    assert [(record.best_value, record.best_epoch) for record in records] == [(0.6, 2), (0.3, 1), (0.1, 1)]
    assert records[0].costs == {"latency": 12.5, "macs": 300_000, "parameters": 300}
    assert best_of(records) == records[0]


def test_an_epoch_is_counted_once_and_the_costs_first_told_stay() -> None:
    study = study_on(InMemoryStorage(), SEVERAL)
    number = train(study, [0.3], 5.0).number
    again = NetworkCosts(latency=7.0, macs=1, parameters=1)
    study.report(number, report(1, 0.9, again))
    study.release(number)
    study.ask(SPACE, seed=0, startup_trials=4, point=None)
    study.report(number, report(2, 0.2))
    record = study.record(number)
    assert (record.values, record.costs["latency"]) == ({1: 0.3, 2: 0.2}, 5.0)


def test_trials_without_costs_have_none(tmp_path: Path) -> None:
    """As in all studies of mIoU alone, those from before there were costs included."""
    study = study_in(tmp_path)
    number = study.ask(SPACE, seed=0, startup_trials=4, point=None).number
    assert study.record(number).costs == {}
    study.report(number, report(1, 0.5))
    assert study.record(number).costs == {}


def test_trials_of_one_network_share_its_latency(tmp_path: Path) -> None:
    """The median of what they measured. Optuna keeps what was known when a trial ended; reports keep their own."""
    study = study_in(tmp_path, SEVERAL)
    for latency, width in ((9.0, 8), (4.0, 16), (3.0, 8)):
        train(study, [0.5], latency, width=width)
    study.tell_complete(0, "trained")
    train(study, [0.5], 5.0, width=8)
    records = study.records()
    assert [record.costs["latency"] for record in records] == [5.0, 4.0, 5.0, 5.0]
    assert [record.curve[0]["costs"]["latency"] for record in records] == [9.0, 4.0, 3.0, 5.0]
    assert study.record(2) == records[2]
    assert study.points_at(1, but=1) == [point_at(records[0], 1, SEVERAL)] * 3
    assert study._study.trials[0].values == [0.5, 6.0, 100.0]


def test_where_trials_stand_at_a_rung() -> None:
    """The best value so far, and half the latency is as much anywhere; who ended early stands at later rungs."""
    study = study_on(InMemoryStorage(), SEVERAL)
    train(study, [0.2, 0.6, 0.5], 8.0)
    train(study, [0.3], 2.0)
    study.tell_complete(0, "early_stopped")
    (slow,), fast = study.points_at(9, but=99), study.points_at(1, but=0)[0]
    assert slow[0] == 0.6
    assert fast[0] == 0.3
    assert fast[1] - slow[1] == pytest.approx(2 * 0.6931471805599453)
    assert fast[2] == slow[2]
    assert study.points_at(9, but=0) == []
    assert point_at(study.record(1), 2, SEVERAL) is None


def test_a_storage_with_a_study_of_other_objectives_is_refused(tmp_path: Path, study: TrialStudy) -> None:
    with pytest.raises(StudyError, match="the storage already holds another study named 'test'"):
        open_study(storage_url(tmp_path, None), "test")


# --- the front -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def five() -> list[TrialRecord]:
    """Best, on the front, dominated, fast, and one that would be best if it had not failed."""
    study = study_on(InMemoryStorage(), SEVERAL)
    for mious, latency in (([0.7], 40.0), ([0.6, 0.5], 20.0), ([0.5], 30.0), ([0.1], 5.0), ([0.9], 1.0)):
        train(study, mious, latency)
    study.tell_violation(4, "not_finite", 1.0, "the loss became nan")
    return study.records()


def test_the_front_has_what_nothing_dominates_best_first(five: list[TrialRecord]) -> None:
    assert [record.number for record in front_of(five, SEVERAL)] == [0, 1, 3]
    assert [record.number for record in front_of(five, ("miou",))] == [0]
    assert front_of([], SEVERAL) == []


def test_of_equal_trials_the_earlier_is_on_the_front() -> None:
    study = study_on(InMemoryStorage(), SEVERAL)
    for _ in range(2):
        train(study, [0.5], 10.0)
    assert [record.number for record in front_of(study.records(), SEVERAL)] == [0]


def test_a_spread_front_has_its_ends_first(five: list[TrialRecord]) -> None:
    assert [record.number for record in spread(front_of(five, SEVERAL), SEVERAL)] == [0, 3, 1]


def test_neighbours_are_those_of_the_whole_front() -> None:
    """Two trials are the front: neighbours of either are proposed."""
    study = study_on(InMemoryStorage(), AGAINST_MACS)
    for point, miou, parameters in (("wide", 0.9, 900), ("focal", 0.1, 100), ("default", 0.05, 500)):
        number = train(study, [miou], 1.0, parameters, point=point).number
        study.tell_pruned(number, "pruned at rung 1")
    parents = study.records()
    origins = []
    for _ in range(24):
        record = study.ask(SPACE, seed=5, startup_trials=99, point=None)
        assert record.sampled_by == "near the best"
        shared = [sum(record.params.get(k) == v for k, v in parent.params.items()) for parent in parents]
        origins.append(shared[:2].index(max(shared[:2])))
        study.tell_failed(record.number, "not wanted")
    assert 6 <= sum(origins) <= 18


def test_proposals_depend_on_seed_and_number_alone() -> None:
    """One process or many: neighbours of the front and TPE propose the same."""

    def history(storage: InMemoryStorage, reopening: bool) -> list[tuple]:
        found, study = [], study_on(storage, AGAINST_MACS)
        for number in range(9):
            study = study_on(storage, AGAINST_MACS) if reopening else study
            record = train(study, [0.1 * (number % 4)], 1.0, 100 + 37 * (number % 5))
            study.tell_complete(record.number, "trained")
            found.append((record.params, record.sampled_by))
        return found

    one = history(InMemoryStorage(), reopening=False)
    assert one == history(InMemoryStorage(), reopening=True)
    assert {origin for _, origin in one} == {"near the default", "near the best", "tpe"}


# --- the engine ----------------------------------------------------------------------------------------------------


def test_a_rung_judges_by_fronts(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=None, objectives=AGAINST_MACS)
    went_on = []
    for miou, parameters in ((0.6, 500), (0.5, 600), (0.2, 100), (0.7, 900), (0.1, 150)):
        assignment = engine.next_trial()
        assert assignment is not None
        costs = NetworkCosts(macs=parameters, parameters=parameters)
        went_on.append(engine.receive(assignment.number, report(1, miou, costs)))
    assert went_on == [True, False, True, True, False]
    assert study_in(tmp_path, AGAINST_MACS).record(1).reason == "pruned at rung 1"


def test_weights_of_the_best_and_of_the_front_stay(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=None, keep=2, grace_epochs=9, objectives=AGAINST_MACS)
    for miou, parameters in ((0.6, 500), (0.59, 501), (0.5, 480), (0.4, 200), (0.1, 100), (0.05, 700)):
        assignment = engine.next_trial()
        assert assignment is not None
        (Path(assignment.folder) / WEIGHTS_NAME).write_text("x")
        costs = NetworkCosts(macs=parameters, parameters=parameters)
        engine.receive(assignment.number, report(1, miou, costs))
        engine.receive(assignment.number, TrialOutcome(kind="early_stopped"))
    kept = sorted(int(path.parent.name) for path in tmp_path.glob(f"trials/*/{WEIGHTS_NAME}"))
    assert kept == [0, 1, 3, 4]  # the two best, and of the front (0, 2, 3, 4) the cheapest, then the widest gap


def test_what_was_deleted_takes_no_place_among_the_front(tmp_path: Path, five: list[TrialRecord]) -> None:
    finished = [replace(record, state="COMPLETE") for record in five]
    for number in (1, 2):
        trial_folder(tmp_path, number).mkdir(parents=True)
        (trial_folder(tmp_path, number) / WEIGHTS_NAME).write_text("x")
    keep_best_weights(tmp_path, finished, keep=1, objectives=SEVERAL)
    assert sorted(path.parent.name for path in tmp_path.glob("trials/*/*")) == ["0001"]
