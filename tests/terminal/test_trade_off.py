"""The front on the screen."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from search.terminal.trade_off import cost_text, objective_words, print_front
from search.training.outcome import NetworkCosts
from search.tuning.objectives import Objectives
from search.tuning.trial_folder import WEIGHTS_NAME
from tests.tuning.made_up import engine_in, report, study_in

OBJECTIVES: Objectives = ("miou", "latency", "macs")


def printed(folder: Path, objectives: Objectives = OBJECTIVES) -> list[str]:
    console = Console(file=io.StringIO(), color_system=None)
    print_front(console, folder, study_in(folder, objectives).records(), objectives)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The best, one that is dominated, a fast one that waits."""
    engine = engine_in(tmp_path, trials=None, grace_epochs=9, objectives=OBJECTIVES)
    for miou, latency, macs in ((0.5, 12.345, 2_900_000_000), (0.4, 13.0, 3_000_000_000), (0.3, 1.0, 80_000_000)):
        assignment = engine.next_trial()
        assert assignment is not None
        (Path(assignment.folder) / WEIGHTS_NAME).write_text("x")
        engine.receive(assignment.number, report(1, miou, NetworkCosts(latency=latency, macs=macs, parameters=1)))
    engine.release_live()
    (tmp_path / "trials/0000" / WEIGHTS_NAME).unlink()
    return tmp_path


def test_every_trial_of_the_front_is_listed(folder: Path) -> None:
    headers, first, second, words = printed(folder)
    assert headers.split("  ")[0] == "trial"
    assert [cell.strip() for cell in headers.split("  ") if cell] == [
        *("trial", "mIoU", "latency (ms)", "multiply-adds", "state", "weights", "network")
    ]
    assert first.split()[:7] == ["0", "0.5000", "12.3", "2.9", "G", "to", "be"]
    assert "deleted" in first
    assert second.split()[:5] == ["2", "0.3000", "1", "80", "M"]
    assert "kept" in second
    assert "search.export --trial N" in words


def test_nothing_is_listed_where_nothing_has_trained(tmp_path: Path) -> None:
    assert printed(tmp_path) == []


def test_costs_and_objectives_in_words() -> None:
    assert cost_text("latency", 0.98765) == "0.988"
    assert cost_text("parameters", 483_000.0) == "483 k"
    assert objective_words(OBJECTIVES) == "mIoU against latency (ms), multiply-adds"
