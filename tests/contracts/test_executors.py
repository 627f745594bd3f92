"""One suite for both executors: whatever runs the trials, the study must say the same."""

from pathlib import Path

import pytest

from search.tuning.asha import goes_on
from tests.contracts import fake_training
from tests.contracts.searching import LATE_RUNGS, Run, run_locally, search


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
    records = search(tmp_path, run_locally, trials=14)
    for record in records:
        for rung in (1, 3):
            before = [other.value_at(rung) for other in records[: record.number]]
            others = [value for value in before if value is not None]
            if record.epochs >= rung:
                survived = record.epochs > rung
                assert survived == goes_on(record.value_at(rung) or 0.0, others, 3)
