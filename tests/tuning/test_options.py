"""The options of a search: every refusal says the rule, the value and the way out."""

from pathlib import Path

import pytest

from search.errors import UserError
from search.tuning.folder import study_folder
from search.tuning.options import Budget, Execution, Networks, RunOptions, What, check_grace, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("20m", 1200), ("1.5h", 5400), ("2d", 172_800), (" 0.5m ", 30), ("7 m", 420)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0h", "-1h", "1w", "h", "1:30", "1,5h", "1e3", "nan", "inf", "1h30m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--time-budget is a time over zero such as 90s, 20m or 1\.5h, got") as error:
        parse_duration(text)
    assert repr(text) in str(error.value)


def test_the_defaults_can_be_searched_with() -> None:
    options = RunOptions()
    options.check()
    assert (options.study_name, options.time_budget) == ("unet_family-demo", 240.0)
    assert (options.concurrency, options.gpus_per_trial, options.input_size) == (None, None, None)


@pytest.mark.parametrize(
    ("budget", "data", "seconds"),
    [
        (Budget(), None, 240.0),
        (Budget(), Path("tiles.npz"), 3600.0),
        (Budget(trials=5), None, None),
        (Budget(trials=5, time_budget="1m"), None, 60.0),
    ],
)
def test_the_time_of_a_run(budget: Budget, data: Path | None, seconds: float | None) -> None:
    assert RunOptions(what=What(data=data), budget=budget).time_budget == seconds


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (What(study="mine", data=Path("a/tiles.npz")), "mine"),
        (What(data=Path("a/tiles.npz")), "unet_family-tiles"),
        (What(space="own/net.py:small", data=Path("frames/")), "small-frames"),
        (What(space="own/net.py:_mine", data=Path("火星.npz")), "mine"),
        (What(data=Path("a/my tiles (1).npz")), "unet_family-my-tiles-1"),
    ],
)
def test_the_name_of_a_study(what: What, name: str) -> None:
    assert RunOptions(what=what).study_name == name
    assert study_folder(Path("results"), name).name == name


def test_values_that_are_given_are_read() -> None:
    options = RunOptions(what=What(input_size="128x256"), execution=Execution(concurrency="3", gpus_per_trial="0.5"))
    assert (options.input_size, options.concurrency, options.gpus_per_trial) == ((128, 256), 3, 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (RunOptions(budget=Budget(trials=0)), "--trials must be at least 1, got 0"),
        (RunOptions(budget=Budget(max_epochs=0)), "--max-epochs must be at least 1, got 0"),
        (RunOptions(budget=Budget(grace_epochs=-1)), "--grace-epochs must be at least 1, got -1"),
        (RunOptions(networks=Networks(max_params=0)), "--max-params must be at least 1, got 0"),
        (RunOptions(networks=Networks(max_macs=0)), "--max-macs must be at least 1, got 0"),
        (RunOptions(execution=Execution(keep=0)), "--keep must be at least 1, got 0"),
        (RunOptions(execution=Execution(pictures=0)), "--pictures must be at least 1, got 0"),
        (RunOptions(budget=Budget(reduction_factor=1)), "--reduction-factor must be at least 2, got 1"),
        (RunOptions(what=What(seed=-1)), "--seed must be between 0 and 4294967295, got -1"),
        (RunOptions(what=What(seed=2**32)), "--seed must be between 0 and 4294967295, got 4294967296"),
        (RunOptions(budget=Budget(time_budget="soon")), "--time-budget is a time over zero .*, got 'soon'"),
        (
            RunOptions(budget=Budget(max_epochs=3, grace_epochs=4)),
            "--grace-epochs must not be over --max-epochs, got 4",
        ),
        (RunOptions(execution=Execution(concurrency="0")), "--concurrency is auto or a whole .*, got '0'"),
        (RunOptions(execution=Execution(concurrency="2.5")), "--concurrency is auto or a whole .*, got '2.5'"),
        (RunOptions(execution=Execution(gpus_per_trial="half")), "--gpus-per-trial is auto or .*, got 'half'"),
        (RunOptions(execution=Execution(gpus_per_trial="-1")), "--gpus-per-trial is auto or .*, got '-1'"),
        (RunOptions(execution=Execution(gpus_per_trial="nan")), "--gpus-per-trial is auto or .*, got 'nan'"),
        (RunOptions(what=What(input_size="128")), "--input-size is auto or HEIGHTxWIDTH .*, got '128'"),
        (RunOptions(what=What(input_size="128x")), "--input-size is auto or HEIGHTxWIDTH in pixels.*, got '128x'"),
        (RunOptions(what=What(input_size="128x256x3")), "--input-size is auto or .*, got '128x256x3'"),
    ],
)
def test_what_no_search_could_run_with_is_refused(options: RunOptions, message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        options.check()


def test_a_grace_period_may_be_a_whole_trial() -> None:
    check_grace(9, 9)
    check_grace(None, 9)
    check_grace(9, None)
