"""One suite for both executors: whatever runs the trials, the study must say the same."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest

from search.errors import StudyError
from search.tuning.asha import goes_on
from search.tuning.engine import Engine, RunLimits
from search.tuning.fork_server import ForkServer
from search.tuning.local import run_local
from search.tuning.ray.environment import local_cluster
from search.tuning.ray.executor import run_ray
from search.tuning.record import TrialRecord
from search.tuning.resources import Resources
from search.tuning.runner import Worker
from search.tuning.spec import StudySpec
from search.tuning.storage import open_study, storage_url
from spaces.unet_family import unet_family
from tests.contracts import fake_training
from tests.tuning import made_up

optuna.logging.set_verbosity(logging.WARNING)

Run = Callable[[Engine, Worker, Path], None]


def _local(engine: Engine, worker: Worker, folder: Path) -> None:
    run_local(engine, worker)


def _ray(engine: Engine, worker: Worker, folder: Path) -> None:
    resources = Resources(concurrency=2, threads=1, gpus=0, gpus_per_trial=0.0)
    with ForkServer(modules=()) as server:
        run_ray(engine, worker, resources, folder / "search.log", server)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Ray cluster for the whole module: starting one takes longer than a search here."""
    log = tmp_path_factory.mktemp("ray") / "ray.log"
    with local_cluster(cpus=2, gpus=0, log=log):
        yield


@pytest.fixture(params=[_local, _ray], ids=["local", "ray"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param is _ray:
        request.getfixturevalue("cluster")
    return request.param


FITTING = ("default", "report001_unet", "report000_base", "report000_focal")
SPEC = made_up.spec(space="unet_family", facts=fake_training.facts(), measured=made_up.measured(fitting_points=FITTING))
LATE_RUNGS = SPEC.model_copy(update={"grace_epochs": 3})


def search(
    folder: Path, run: Run, *, trials: int, check=fake_training.admit, spec: StudySpec = SPEC
) -> list[TrialRecord]:
    study = open_study(storage_url(folder, None), "test", spec.objectives)
    study.release_all()
    limits = RunLimits(trials=trials, deadline=None, keep=3)
    engine = Engine(study, unet_family(fake_training.facts()), spec, folder, limits)
    meter = fake_training.measure if len(spec.objectives) > 1 else None
    worker = Worker(data=fake_training.data(), trainer=fake_training.train, check=check, threads=1, meter=meter)
    run(engine, worker, folder)
    return open_study(storage_url(folder, None), "test", spec.objectives).records()


def test_search_tells_every_trial_the_truth(tmp_path: Path, run: Run) -> None:
    records = search(tmp_path, run, trials=14)
    assert len(records) == 14
    assert {record.state for record in records} == {"COMPLETE", "PRUNED"}
    for record in records:
        assert record.values == {e: pytest.approx(fake_training.value(record.config, e)) for e in record.values}
        assert list(record.values) == list(range(1, record.epochs + 1))
        assert record.epochs == 9 if record.state == "COMPLETE" else record.epochs in (1, 3)
    assert [record.point for record in records[:3]] == ["default", "report001_unet", "report000_base"]
    assert {record.sampled_by for record in records[3:]} <= {"near the best", "tpe"}


def test_costs_are_measured_once_a_trial_and_told(tmp_path: Path, run: Run) -> None:
    """Also of one that crashes after its first epoch and is tried again."""
    (tmp_path / "fault-1").write_text("error 2 1")
    spec = LATE_RUNGS.model_copy(update={"objectives": ("miou", "latency", "macs")})
    records = search(tmp_path, run, trials=5, spec=spec)
    assert [record.retries for record in records] == [0, 1, 0, 0, 0]
    assert {record.state for record in records} <= {"COMPLETE", "PRUNED"}
    for record in records:
        assert record.costs == fake_training.costs(record.config).model_dump()
        assert [report["costs"] is None for report in record.curve] == [False, *[True] * (record.epochs - 1)]
        assert list(record.values) == list(range(1, record.epochs + 1))


def test_only_the_best_weights_stay(tmp_path: Path, run: Run) -> None:
    records = search(tmp_path, run, trials=8)
    best = sorted(records, key=lambda record: -(record.best_value or 0))[:3]
    kept = sorted(int(path.parent.name) for path in tmp_path.glob("trials/*/best.safetensors"))
    assert kept == sorted(record.number for record in best)
    assert not list(tmp_path.glob("trials/*/checkpoint.pt"))


def test_faults_end_as_told(tmp_path: Path, run: Run) -> None:
    """NaN and memory are constraints, one crash is retried from the checkpoint, two are a failure."""
    for number, plan in enumerate(["nan 1 9", "memory 1 9", "error 2 1", "error 1 9", "kill 1 1"]):
        if run is _ray or not plan.startswith("kill"):
            (tmp_path / f"fault-{number}").write_text(plan)
    records = search(tmp_path, run, trials=6)
    assert [(record.state, record.feasible) for record in records[:2]] == [("PRUNED", False)] * 2
    assert records[2].retries == 1
    assert records[2].state in ("COMPLETE", "PRUNED")
    assert list(records[2].values) == list(range(1, records[2].epochs + 1))
    assert records[3].state == "FAIL"
    assert "a bug in the model" in records[3].reason
    assert records[4].retries == (1 if run is _ray else 0)
    assert records[4].state in ("COMPLETE", "PRUNED")


def test_a_trial_goes_on_when_its_actor_was_killed(tmp_path: Path, cluster: None) -> None:
    (tmp_path / "fault-0").write_text("kill-actors 2 1")
    records = search(tmp_path, _ray, trials=1, spec=LATE_RUNGS)
    assert (records[0].retries, records[0].state) == (1, "COMPLETE")
    assert list(records[0].values) == list(range(1, 10))


def test_a_search_ends_and_loses_nothing_when_no_worker_can_be_forked(tmp_path: Path, cluster: None) -> None:
    """The worker dies with the server: it cannot be replaced, and no other trial is tried in vain."""
    (tmp_path / "fault-0").write_text("kill-server 2 1")
    with pytest.raises(StudyError, match=r"has died, (?s:.)* the same command continues them"):
        search(tmp_path, _ray, trials=4, spec=LATE_RUNGS)
    records = open_study(storage_url(tmp_path, None), "test").records()
    assert (records[0].state, list(records[0].values), records[0].retries) == ("WAITING", [1], 0)
    assert "FAIL" not in {record.state for record in records}
    assert search(tmp_path, _ray, trials=1, spec=LATE_RUNGS)[0].state == "COMPLETE"


def test_a_full_disk_ends_the_search_and_loses_nothing(tmp_path: Path, run: Run) -> None:
    """The disk is full before any rung, so that no other trial can have stopped the one that meets it."""
    (tmp_path / "fault-0").write_text("disk 2 9")
    with pytest.raises(StudyError, match=r"cannot be written: .*No space left on device(?s:.)*make room"):
        search(tmp_path, run, trials=4, spec=LATE_RUNGS)
    cut = open_study(storage_url(tmp_path, None), "test").record(0)
    assert (cut.state, list(cut.values), cut.retries) == ("WAITING", [1], 0)
    (tmp_path / "fault-0").unlink()
    records = search(tmp_path, run, trials=4, spec=LATE_RUNGS)
    assert {record.state for record in records} <= {"COMPLETE", "PRUNED"}
    assert list(records[0].values) == list(range(1, records[0].epochs + 1))


def test_limits_are_told_and_never_trained(tmp_path: Path, run: Run) -> None:
    records = search(tmp_path, run, trials=8, check=fake_training.refuse_wide)
    wide = [record for record in records if fake_training.too_wide(record.config)]
    assert wide
    assert all((record.state, record.feasible, record.epochs) == ("PRUNED", False, 0) for record in wide)


def test_a_search_goes_on_where_it_was(tmp_path: Path, run: Run) -> None:
    search(tmp_path, run, trials=3)
    assert len(search(tmp_path, run, trials=6)) == 6


def test_decisions_replay_from_the_record(tmp_path: Path) -> None:
    """With one trial at a time, every decision equals the pure rule applied to the trials before."""
    records = search(tmp_path, _local, trials=14)
    for record in records:
        for rung in (1, 3):
            before = [other.value_at(rung) for other in records[: record.number]]
            others = [value for value in before if value is not None]
            if record.epochs >= rung:
                survived = record.epochs > rung
                assert survived == goes_on(record.value_at(rung) or 0.0, others, 3)
