"""What rungs compare where a space has several families of networks (decision 0013)."""

from pathlib import Path

import pytest

from search.tuning.engine import Engine
from spaces.all_families import all_families
from tests.contracts.fake_training import facts
from tests.tuning.made_up import engine_in, measured, report, study_in

FAMILIES = all_families(facts())
POINTS = ("recipe", "default", "light4mars", "report001_light4mars", "report001_light4mars_s")
"""Two U-Nets, and three of another family."""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    fitting = measured(fitting_points=POINTS, expected_trials=40)
    engine = engine_in(tmp_path, trials=None, space=FAMILIES, measured=fitting)
    for number in range(len(POINTS)):
        assignment = engine.next_trial()
        assert assignment is not None
        assert assignment.number == number
    return engine


def test_the_best_of_each_family_so_far_passes_the_first_rung(engine: Engine) -> None:
    values = {"recipe": 0.6, "default": 0.5, "light4mars": 0.2, "report001_light4mars": 0.1}
    decisions = {name: engine.receive(POINTS.index(name), report(1, value)) for name, value in values.items()}
    assert decisions == {"recipe": True, "default": False, "light4mars": True, "report001_light4mars": False}
    assert engine.receive(POINTS.index("report001_light4mars_s"), report(1, 0.3)), "better than its family"


def test_later_rungs_compare_all_families(engine: Engine, tmp_path: Path) -> None:
    recipe, other = POINTS.index("recipe"), POINTS.index("light4mars")
    for epoch in (1, 2, 3):
        assert engine.receive(recipe, report(epoch, 0.6))
    assert engine.receive(other, report(1, 0.2))
    assert engine.receive(other, report(2, 0.2))
    assert not engine.receive(other, report(3, 0.5))
    assert study_in(tmp_path).record(other).reason == "pruned at rung 3"
