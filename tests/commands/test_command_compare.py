import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from search.compare import main
from search.tuning.comparison import best_after
from search.tuning.reading import read_records
from search.tuning.record import TrialRecord
from tests.commands.studies import Commands, make_study
from tests.tuning.made_up import report, spec

NOON = datetime(2026, 1, 1, 12)


def record(number: int, start: float, values: list[float], **changes: object) -> TrialRecord:
    """A trial that started `start` seconds after noon and took two seconds an epoch."""
    curve = [report(epoch, value).model_dump() for epoch, value in enumerate(values, start=1)]
    plain = TrialRecord(
        number=number,
        state="COMPLETE",
        params={},
        values=dict(enumerate(values, start=1)),
        curve=curve,
        config_data=None,
        point=None,
        sampled_by="tpe",
        reason="",
        retries=0,
        passed_rung=0,
        feasible=True,
        refused=False,
        started=NOON + timedelta(seconds=start),
    )
    return replace(plain, **changes)


def test_best_after_follows_the_clock_not_the_numbers():
    """Two at once: epochs end at 2 (trial 0), 3 (trial 1), 4 (trial 0), 5 (trial 1)."""
    records = [record(0, 0, [0.1, 0.4]), record(1, 1, [0.3, 0.2])]
    assert [best_after(records, spent) for spent in (1.9, 2, 4, 6, 8, 99)] == [None, 0.1, 0.3, 0.4, 0.4, 0.4]


@pytest.mark.parametrize("changes", [{"state": "FAIL"}, {"feasible": False}])
def test_crashed_and_infeasible_trials_spend_time_without_value(changes):
    records = [record(0, 0, [0.9], **changes), record(1, 5, [0.2])]
    assert best_after(records, 2) is None
    assert best_after(records, 4) == 0.2


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, results: Path) -> Path:
    folder = tmp_path_factory.mktemp("two")
    shutil.copytree(results / "mars", folder / "long")
    make_study(folder, "short", trials=1)
    for name, changes in (
        ("resplit", {"split_fingerprint": "q" * 64}),
        ("elsewhere", {"data_fingerprint": "e" * 64, "data_name": "moon"}),
    ):
        (folder / name).mkdir()
        spec(**changes).write(folder / name)
    return folder


def test_a_comparison_shows_values_effort_and_differences(commands: Commands, two: Path):
    assert commands.run(main, "short", "long", "--results", two) == 0
    lines = {line.split("  ")[0]: line.split()[-1] for line in commands.out.splitlines() if line}
    short, long = read_records(two / "short"), read_records(two / "long")
    best = max(value for record in long for value in record.values.values())
    assert lines["best mIoU"] == f"{best:.4f}"
    assert lines["epochs in all"] == str(sum(record.epochs for record in long))
    assert sum(name.startswith("best after") for name in lines) >= 1
    assert "(100%)" in commands.out
    widths = [max(records, key=lambda trial: trial.best_value or 0).config.model.width for records in (short, long)]
    rows = [line.split()[1:] for line in commands.out.splitlines() if line.startswith("model.width")]
    assert rows == ([[str(width) for width in widths]] if widths[0] != widths[1] else [])
    assert "optimizer.batch_size" not in commands.out


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("resplit", "the split into train, validation and test differs: short has p, resplit has qqqqqqqqqqqq"),
        ("elsewhere", "the data differs: short has fake (d), elsewhere has moon (eeeeeeeeeeee)"),
    ],
)
def test_other_data_or_splits_are_refused(commands: Commands, two: Path, other: str, message: str):
    assert commands.run(main, "short", other, "--results", two) == 2
    assert commands.err == (
        f"error: studies compare only on the same data, split and metric; {message}. "
        "Search both with the same --data, --seed and --stratify\n"
    )
    assert commands.out == ""


@pytest.mark.parametrize("studies", [["short"], ["short", "short"], []])
def test_one_study_is_no_comparison(commands: Commands, two: Path, studies: list[str]):
    assert commands.run(main, *studies, "--results", two) == 2
    assert commands.err.startswith("error: a comparison needs two or more different studies, got ")


def test_an_unknown_study_names_those_there_are(commands: Commands, two: Path):
    assert commands.run(main, "short", "nix", "--results", two) == 2
    assert commands.err == (f"error: there is no study 'nix'; studies under {two}: elsewhere, long, resplit, short\n")
