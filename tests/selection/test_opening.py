"""The rule about the locked test part."""

import pytest

from search.errors import StudyError
from search.selection.answer import Opening
from search.selection.opening import check_may_open, is_settled, next_opening
from search.selection.systems import AnswerPlan, Asked, System
from spaces.config import TrialConfig
from spaces.unet_family import unet_family
from tests.contracts.fake_training import facts
from tests.selection.made_up import answer

CONFIG: TrialConfig = unet_family(facts()).default
PLAN = AnswerPlan(
    candidates=(System(name="trial-1", config=CONFIG, trial=1, search_value=0.5),),
    baselines=(),
    asked=Asked(seeds=2),
    first_seed=1,
)
OTHER = PLAN.model_copy(update={"asked": Asked(seeds=3)})


def opened(plan: AnswerPlan, miou: float | None = None) -> Opening:
    return Opening(time="2026-03-04T12:00:00+00:00", systems=2, plan=plan.fingerprint, miou=miou)


def test_a_first_look_is_free() -> None:
    check_may_open("mars", PLAN, [], reopen=False)
    opening = next_opening(PLAN, [], 3, reopen=False)
    assert opening is not None
    assert (opening.systems, opening.reopened, opening.plan) == (3, None, PLAN.fingerprint)


def test_what_was_cut_off_after_it_opened_goes_on_as_the_same_look() -> None:
    check_may_open("mars", PLAN, [opened(PLAN)], reopen=False)
    assert next_opening(PLAN, [opened(PLAN)], 3, reopen=False) is None


def test_what_was_seen_is_not_measured_again_and_again() -> None:
    seen = [opened(PLAN, miou=0.5)]
    with pytest.raises(StudyError, match=r"opened already .* and this very answer measured then: test mIoU 0\.5000"):
        check_may_open("mars", PLAN, seen, reopen=False)
    again = next_opening(PLAN, seen, 3, reopen=True)
    assert again is not None
    assert again.reopened == "--reopen"


def test_another_plan_may_not_look_again() -> None:
    with pytest.raises(StudyError, match=r"test part of mars was opened already \(2026-03-04T12:00:00.*--reopen"):
        check_may_open("mars", OTHER, [opened(PLAN)], reopen=False)


@pytest.mark.parametrize("plan", [PLAN, OTHER])
def test_reopening_is_recorded(plan: AnswerPlan) -> None:
    check_may_open("mars", plan, [opened(PLAN)], reopen=True)
    opening = next_opening(plan, [opened(PLAN)], 3, reopen=True)
    assert opening is not None
    assert opening.reopened == "--reopen"


def test_an_answer_is_that_of_one_plan() -> None:
    given = answer().model_copy(update={"plan": PLAN.fingerprint})
    assert is_settled(PLAN, given, reopen=False)
    assert not is_settled(PLAN, given, reopen=True)
    assert not is_settled(OTHER, given, reopen=False)
    assert not is_settled(PLAN, None, reopen=False)
