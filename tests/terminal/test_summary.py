"""What stands on the screen before and after a search, and that its commands do what they say."""

import io
import re
import shlex
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import tyro
from rich.console import Console

from search.terminal.commands import continuing_command, next_commands
from search.terminal.summary import (
    best_rows,
    class_words,
    configuration_words,
    device_words,
    print_data,
    print_estimates,
    print_missing,
    print_plan,
    print_result,
)
from search.training.outcome import TrialOutcome
from search.tuning.options import Budget, Execution, Networks, RunOptions, What
from search.tuning.packing import Packing
from search.tuning.plan import Plan, continued_spec, new_spec, prepare
from search.tuning.probe import Costs, Probe, Speed
from search.tuning.record import TrialRecord
from search.tuning.resources import Resources
from search.tuning.session import Result
from tests.tuning.in_this_process import InThisProcess
from tests.tuning.made_up import engine_in, measured, report, study_in

SPEED = Speed(precision="bfloat16", layout="channels_last", seconds_per_epoch=2.0)
PROBE = Probe(speed=SPEED, costs=Costs(parameters={"default": 484_000}, macs={"default": 288_000_000}))
AFTERWARDS = [
    *("look at every trial", "write all that came of it as one page", "choose, and measure on the locked test part"),
    *("take the best", "train it again"),
]
RESOURCES = Resources(concurrency=2, threads=1, gpus=0, gpus_per_trial=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles in a folder whose name a shell would take apart, and rich for markup."""
    folder = tmp_path_factory.mktemp("a place") / "[red] mars & more"
    folder.mkdir()
    rng = np.random.default_rng(3)
    masks = np.repeat(rng.integers(0, 3, (40, 4, 4)), 4, axis=1).repeat(4, axis=2)
    images = np.clip(80 * masks + rng.integers(0, 90, masks.shape), 0, 255)
    np.savez_compressed(folder / "tiles.npz", training_set=np.stack([images, masks], axis=1).astype(np.uint8))
    return folder / "tiles.npz"


def planned(options: RunOptions, **changes: object) -> Plan:
    prepared, space = prepare(options, InThisProcess())
    spec = new_spec(options, prepared, space, PROBE, RESOURCES)
    folder = options.what.results / options.study_name
    whole = Plan(
        options=options, folder=folder, prepared=prepared, space=space, resources=RESOURCES, spec=spec, continued=False
    )
    return replace(whole, **changes)


@pytest.fixture(scope="module")
def plan(data: Path) -> Plan:
    return planned(RunOptions(what=What(data=data, results=data.parent), budget=Budget(trials=20)))


def printed(show, *arguments: object, width: int | None = None) -> str:
    """What `show` prints: piped, or in a terminal of `width` columns."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=width is not None, width=width, color_system=None)
    show(console, *arguments)
    return file.getvalue()


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[TrialRecord]:
    """Complete, pruned, refused, and one to be continued."""
    folder = tmp_path_factory.mktemp("study")
    engine = engine_in(folder, trials=None)
    for outcome, values in (
        (TrialOutcome(kind="trained"), (0.3, 0.5, 0.4)),
        (TrialOutcome(kind="trained"), (0.2,)),
        (TrialOutcome(kind="over_limit", reason="too wide"), ()),
        (None, (0.35,)),
    ):
        assignment = engine.next_trial()
        assert assignment is not None
        on = all(engine.receive(assignment.number, report(epoch, value)) for epoch, value in enumerate(values, 1))
        if on and outcome is not None:
            engine.receive(assignment.number, outcome)
    engine.release_live()
    return study_in(folder).records()


def result(records: list[TrialRecord], *, finished: bool = False) -> Result:
    return Result(records=records, finished=finished, interrupted=False, seconds=725.0)


def test_before_a_search(plan: Plan, data: Path) -> None:
    lines = (printed(print_data, plan.options, plan.prepared) + printed(print_plan, plan)).splitlines()
    assert lines[0].startswith("data    tiles.npz: 40 images, 0 outliers removed, 0 groups of near-duplicates, 0 empty")
    assert lines[1] == "        24 train, 8 validation, 8 locked test, by groups; 5 classes, trained at 16x16"
    assert re.match(r" {8}background \d+\.\d% in 40 images, .*, big rock 0\.0% in 0 images$", lines[2])
    assert lines[3] == f"        {shlex.join(['uv', 'run', 'python', '-m', 'search.audit', str(data)])} has the details"
    command = shlex.join(["uv", "run", "python", "-m", "search.spaces", "unet_family", "--data", str(data)])
    assert lines[-4:] == [
        f"space   unet_family, 30 named points ({command} prints it)",
        "trials  2 at once (CPU, 1 thread each), 27 epochs each, pruned at epochs 3, 9; "
        "any number of multiply-adds an image",
        "        default point: 484 k parameters, 288 M multiply-adds, 2.0 s an epoch in bfloat16, channels_last",
        "        about 20 trials expected",
    ]


def on_gpus(gpus: int, concurrency: int, share: float) -> Resources:
    return Resources(concurrency=concurrency, threads=1, gpus=gpus, gpus_per_trial=share)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (RESOURCES, "CPU, 1 thread each"),
        (on_gpus(2, 2, 0.0), "CPU, 1 thread each"),  # --gpus-per-trial 0
        (on_gpus(1, 1, 1.0), "1 GPU"),
        (on_gpus(4, 2, 2.0), "4 GPU"),
        (on_gpus(2, 3, 0.5), "2 GPU"),
        (on_gpus(1, 4, 0.25), "4 on one GPU, 2.6 times one at a time"),
        (on_gpus(2, 8, 0.25), "4 on each of 2 GPUs, 2.6 times one at a time"),
        (on_gpus(2, 4, 0.5), "2 on each of 2 GPUs"),  # forced: this was not measured
    ],
)
def test_how_trials_share_gpus_is_said(plan: Plan, resources: Resources, words: str) -> None:
    known = measured(packing=Packing(trials_per_gpu=4, gain=2.63, stopped=""))
    assert device_words(resources, known) == words
    assert device_words(resources, measured()) == words.partition(", 2.6")[0]
    shown = replace(plan, resources=resources, spec=plan.spec.model_copy(update={"measured": known}))
    assert f"trials  {resources.concurrency} at once ({words}), 27 epochs each" in printed(print_plan, shown)


def test_limits_and_missing_rungs_are_said(plan: Plan, data: Path) -> None:
    options = replace(
        plan.options,
        budget=Budget(max_epochs=1, time_budget="20m"),
        networks=Networks(max_params=1_000_000, max_macs=300_000_000),
    )
    text = printed(print_plan, planned(options, continued=True))
    assert "1 epoch each, never pruned; at most 300 M multiply-adds an image and 1 M parameters" in text
    assert f"continues the study in {data.parent}/unet_family-tiles\n" in text


@pytest.mark.parametrize(("budget", "warned"), [("53s", True), ("55s", False)])
def test_a_budget_shorter_than_a_trial_is_a_warning(plan: Plan, budget: str, warned: bool) -> None:
    options = replace(plan.options, budget=Budget(trials=20, max_epochs=27, time_budget=budget))
    text = printed(print_plan, planned(options))
    assert ("warning: a full trial of the default point takes about 54 s, longer than this run" in text) == warned


def test_of_many_classes_the_rarest_are_named(plan: Plan) -> None:
    entry = plan.prepared.audit.classes[0]
    counts = [entry.model_copy(update={"name": f"c{index}", "pixels": 100 - index}) for index in range(10)]
    words = class_words(plan.prepared.audit.model_copy(update={"classes": tuple(counts), "void_pixels": 45}))
    assert words.startswith("c2 9.8% in ")
    assert words.endswith("c9 9.1% in 40 images, and more frequent ones")


def test_a_dry_run_ends_with_estimates(plan: Plan) -> None:
    text = printed(print_estimates, plan)
    assert "a full trial of the default point takes 54 s, an average one under pruning about 22 s\n" in text
    assert re.search(r"^disk    about 25 MB in .*unet_family-tiles for networks", text, re.M)
    assert text.endswith("nothing was started: leave --dry-run out to search\n")


def test_warnings_are_shown_as_they_are(plan: Plan) -> None:
    """The name of a file is no markup: [/x] would end the program, [red] would vanish."""
    audit = plan.prepared.audit.model_copy(update={"warnings": ("the image [/x] [red] is " + "very " * 30 + "odd",)})
    warned = replace(plan.prepared, audit=audit)
    assert f"        warning: {audit.warnings[0]}\n" in printed(print_data, plan.options, warned)
    narrow = printed(print_data, plan.options, warned, width=60)
    assert "[/x] [red]" in narrow
    assert all(len(line) <= 60 for line in narrow.splitlines() if "uv run" not in line)
    assert all(line.startswith(("data    ", "        ")) for line in narrow.splitlines())


def test_piped_output_is_plain_and_never_wrapped(plan: Plan, records: list[TrialRecord]) -> None:
    shown = [(print_data, plan.options, plan.prepared), (print_plan, plan), (print_result, plan, result(records))]
    for show, *arguments in shown:
        piped = printed(show, *arguments)
        assert "\x1b" not in piped
        wide = printed(show, *arguments, width=500)
        assert len(piped.splitlines()) == len(wide.splitlines())


def test_commands_and_paths_are_one_line_in_a_narrow_terminal(plan: Plan, records: list[TrialRecord]) -> None:
    """What is copied from a terminal must be one command."""
    lines = printed(print_result, plan, result(records), width=60).splitlines()
    commands = [line.strip() for line in lines if "uv run" in line]
    assert commands == [command for command, _ in next_commands(plan, result(records))]
    assert str(plan.folder / "best.yaml") in lines[lines.index(commands[0].rjust(len(commands[0]) + 8)) - 2]


def test_the_best_trials_stand_first(records: list[TrialRecord]) -> None:
    rows = best_rows(records)
    assert [row[:4] for row in rows] == [
        ("0", "0.5000", "2/3", "complete"),
        ("3", "0.3500", "1/1", "to be continued"),
        ("1", "0.2000", "1/1", "pruned"),
    ]
    assert rows[0][4] == "default: unet 16x4 batch; adamw 1.0e-03; focal:1.00; flip"
    assert best_rows(records, 1) == rows[:1]


def test_after_a_search(plan: Plan, records: list[TrialRecord]) -> None:
    lines = printed(print_result, plan, result(records)).splitlines()
    assert lines[1].split() == ["trial", "mIoU", "best", "at", "state", "configuration"]
    assert "trials  4 (1 complete, 1 pruned, 1 refused, 1 to be continued) in 12:05" in lines
    assert f"best    {plan.folder}/best.yaml" in lines
    at = lines.index("best    " + str(plan.folder / "best.yaml"))
    assert lines[at + 1] == "next    # continue this search"
    assert lines[at + 2].startswith("        uv run python -m search.run --space unet_family --data '")
    assert lines[at + 3 :: 2] == [f"        # {purpose}" for purpose in AFTERWARDS]
    assert all(line.startswith("        uv run python -m search.") for line in lines[at + 2 :: 2])


def test_after_a_search_in_which_nothing_trained(plan: Plan) -> None:
    lines = printed(print_result, plan, result([])).splitlines()
    assert lines[1:3] == ["no trial has finished an epoch yet", "trials  0 in 12:05"]
    assert lines[3::2] == ["next    # continue this search", *(f"        # {purpose}" for purpose in AFTERWARDS[:2])]


def test_a_finished_search_is_not_continued(plan: Plan, records: list[TrialRecord]) -> None:
    purposes = [purpose for _, purpose in next_commands(plan, result(records, finished=True))]
    assert purposes == AFTERWARDS


def test_commands_survive_a_shell(plan: Plan, records: list[TrialRecord]) -> None:
    """Paths with blanks, brackets and ampersands stay one word."""
    words = {words[4]: words for command, _ in next_commands(plan, result(records)) if (words := shlex.split(command))}
    assert str(plan.options.what.data) in words["search.run"]
    assert words["search.dashboard"][5:] == words["search.report"][5:] == [str(plan.folder)]
    assert words["search.export"][5:] == [str(plan.folder), "--to", "best-of-unet_family-tiles"]
    assert words["search.train"][5:] == [str(plan.folder / "best.yaml"), "--data", str(plan.options.what.data)]


@pytest.mark.parametrize(("start", "given"), [("my weights", ["--pretrained", "my weights"]), ("imagenet", [])])
def test_a_training_needs_the_file_that_the_trial_started_from(
    plan: Plan, records: list[TrialRecord], start: str, given: list[str]
) -> None:
    options = replace(plan.options, what=replace(plan.options.what, pretrained=start))
    commands = [shlex.split(command) for command, _ in next_commands(replace(plan, options=options), result(records))]
    (train,) = [words for words in commands if words[4] == "search.train"]
    assert train[8:] == given


@pytest.mark.parametrize(
    ("pretrained", "words"),
    [
        ("none", None),
        ("imagenet", "timm's weights where they have an encoder of timm, else at random"),
        (f"sha256:{'a' * 64}", "my weights, as far as it fits (sha256:aaaaaaaaaaaa)"),
    ],
)
def test_the_plan_says_where_networks_start(plan: Plan, pretrained: str, words: str | None) -> None:
    options = replace(plan.options, what=replace(plan.options.what, pretrained="my weights"))
    spec = plan.spec.model_copy(update={"pretrained": pretrained})
    found = [
        line.strip()
        for line in printed(print_plan, replace(plan, options=options, spec=spec)).splitlines()
        if "networks start from" in line
    ]
    assert found == ([] if words is None else [f"networks start from {words}"])


def test_encoders_without_weights_are_named() -> None:
    assert printed(print_missing, {"a": "timm has no pretrained weights of 'a'"}) == (
        "        warning: timm has no pretrained weights of 'a': networks on it are refused\n"
    )


def test_a_trial_says_how_much_of_it_was_given(records: list[TrialRecord]) -> None:
    def words(share: float | None) -> str:
        entry = {**records[0].curve[0], "pretrained": share} if records[0].curve else {"pretrained": share}
        return configuration_words(replace(records[0], curve=[entry]))

    assert words(0.6119).endswith("; flip; 61% pretrained")
    assert words(0.0).endswith("; flip; 0% pretrained")
    assert words(None).endswith("; flip")


EVERYTHING = RunOptions(
    what=What(
        space="my space.py:own",
        data=Path("some data.npz"),
        input_size="128x256",
        pretrained="my weights.safetensors",
        study="two words",
        results=Path("else where"),
        storage="postgresql://user@host/db?a=1&b=2",
        seed=7,
        stratify="dispersion",
        objectives="miou,latency",
    ),
    budget=Budget(trials=30, time_budget="1.5h", max_epochs=18, grace_epochs=2, reduction_factor=2, no_warm_start=True),
    networks=Networks(max_params=10**6, max_macs=10**9),
    execution=Execution(
        executor="local",
        concurrency="3",
        gpus_per_trial="0.5",
        precision="bfloat16",
        layout="contiguous",
        keep=9,
        pictures=5,
        track=("tensorboard", "wandb"),
    ),
)


def parsed(command: str) -> RunOptions:
    start, words = command.split(" python -m search.run ")
    options = tyro.cli(RunOptions, args=shlex.split(words))
    assert start == " ".join(["uv run", *(f"--extra {name}" for name in options.execution.track)])
    return options


@pytest.mark.parametrize("options", [RunOptions(), EVERYTHING])
def test_the_continuing_command_asks_for_the_very_same(options: RunOptions) -> None:
    assert parsed(continuing_command(options)) == options


def test_no_option_is_forgotten() -> None:
    """An option added later must be in EVERYTHING, hence in the command."""
    groups, defaults = asdict(EVERYTHING), asdict(RunOptions())
    same = {name for group in groups for name, value in groups[group].items() if value == defaults[group][name]}
    assert same == {"dry_run"}


def test_the_continuing_command_continues_the_study(plan: Plan) -> None:
    again = parsed(continuing_command(plan.options))
    prepared, space = prepare(again, InThisProcess())
    assert continued_spec(again, prepared, space, plan.spec) == plan.spec


def test_a_dry_run_is_continued_by_a_search() -> None:
    assert parsed(continuing_command(RunOptions(execution=Execution(dry_run=True)))) == RunOptions()
