"""Trials are packed on pretended GPUs, from the probe to the plan of a study that goes on."""

from dataclasses import replace
from pathlib import Path

import pytest

from search.training.device import batches
from search.tuning.fork_server import ForkServer
from search.tuning.options import Execution, RunOptions
from search.tuning.packing import Packing
from search.tuning.packing_probe import CHUNK_PIXELS, STEADY_SECONDS, data_bytes, largest_admitted, probe_packing
from search.tuning.plan import Plan, plan, prepare, resources_of
from search.tuning.probe import Costs, Mode, Probe, Speed
from search.tuning.resources import Resources
from spaces.config import TrialConfig
from spaces.domains import Choice
from spaces.space import NamedPoint, SearchSpace
from tests.contracts.fake_training import data
from tests.tuning.made_up import SPACE
from tests.tuning.pretended_gpus import FAILED_FILE, GB, DyingTiming, ForkedTiming, Machine, install_timing
from tests.tuning.whole_search import asked, write_place

MODE = Mode("bfloat16", "contiguous")
PROBE = Probe(
    speed=Speed(precision="bfloat16", layout="contiguous", seconds_per_epoch=7.0),
    costs=Costs(parameters={}, macs={"default": 100, "wide": 900, "narrow": 20, "focal": 100}),
)
TWO_GPUS = Resources(concurrency=2, threads=8, gpus=2, gpus_per_trial=1.0)
FITTING = ("default", "wide", "narrow")


def probed(machine: Machine, fitting: tuple[str, ...] = FITTING) -> tuple[Probe, Resources]:
    return probe_packing(PROBE, SPACE, data(), fitting, TWO_GPUS, machine.server)


def test_trials_are_packed_as_far_as_it_is_worthwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine().install(monkeypatch)
    found, resources = probed(machine)
    stopped = "8 train 1.06 times as much as half of them"
    assert found.packing == Packing(trials_per_gpu=4, gain=3.2, stopped=stopped)
    assert found.speed == replace(PROBE.speed, seconds_per_epoch=4 / 1.6 / 1.5)
    assert found.costs is PROBE.costs
    assert resources == Resources(concurrency=8, threads=2, gpus=2, gpus_per_trial=0.25)
    assert machine.timed == [(MODE, trials, STEADY_SECONDS) for trials in (1, 2, 4, 8) for _ in range(trials)]


def test_processes_are_kept_and_all_on_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine().install(monkeypatch)
    probed(machine)
    assert machine.devices == ["0"] * (1 + 8)  # the largest network, then the default point up to eight times


def test_memory_is_that_of_the_largest_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def reserved(config: TrialConfig) -> int:
        return 30 * GB if config == SPACE.points["wide"].config else GB

    machine = Machine(reserved=reserved).install(monkeypatch)
    assert probed(machine)[1].gpus_per_trial == 0.5  # four of 30 GB do not fit into 80 GB
    assert probed(machine, fitting=("default", "narrow"))[1].gpus_per_trial == 0.25


def test_one_trial_a_gpu_where_the_largest_network_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    found, resources = probed(Machine(full_from=1).install(monkeypatch))
    stopped = "the largest admitted network does not train alone: CUDA out of memory"
    assert found == replace(PROBE, packing=Packing(trials_per_gpu=1, gain=1.0, stopped=stopped))
    assert resources == TWO_GPUS


def test_running_out_of_memory_ends_the_doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    found, resources = probed(Machine(full_from=4).install(monkeypatch))
    assert found.packing == Packing(trials_per_gpu=2, gain=1.8, stopped="4 ran out of the GPU's memory")
    assert resources == Resources(concurrency=4, threads=4, gpus=2, gpus_per_trial=0.5)


@pytest.mark.parametrize(
    ("timing", "stopped"), [(ForkedTiming, "4 ran out of the GPU's memory"), (DyingTiming, "of 4 a process died")]
)
def test_one_process_of_several_may_fail(monkeypatch, tmp_path: Path, timing: type[ForkedTiming], stopped: str) -> None:
    install_timing(monkeypatch, timing)
    monkeypatch.setenv(FAILED_FILE, str(tmp_path / "failed"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with ForkServer(modules=("tests.tuning.pretended_gpus",)) as server:
        found, resources = probe_packing(PROBE, SPACE, data(), FITTING, TWO_GPUS, server)
    assert (tmp_path / "failed").exists()
    assert found.packing == Packing(trials_per_gpu=2, gain=1.8, stopped=stopped)
    assert resources.gpus_per_trial == 0.5


def test_a_batch_counts_not_an_image() -> None:
    batch_size = Choice((16, 64), default=16)
    plain = SearchSpace(
        name="a", root={**SPACE.root, "optimizer": {**SPACE.root["optimizer"], "batch_size": batch_size}}
    )
    batches = SPACE.default.optimizer.model_copy(update={"batch_size": 64})
    twice = NamedPoint(config=SPACE.default.model_copy(update={"optimizer": batches}), note="")
    wide = SPACE.points["wide"]
    space = replace(plain, points={"wide": wide, "batches": twice})
    probe = replace(PROBE, costs=Costs(parameters={}, macs={"default": 100, "wide": 300, "batches": 100}))
    assert largest_admitted(probe, space, ("default", "wide", "batches")) == twice.config
    assert largest_admitted(probe, space, ("default", "wide")) == wide.config
    assert largest_admitted(probe, space, ()) == space.default


def test_the_data_counts_where_it_lies_on_the_gpu() -> None:
    whole = data()
    assert data_bytes(whole) == 8 * 64 * 128 * 2
    assert data_bytes(replace(whole, facts=whole.facts.model_copy(update={"height": 32}))) == 0


def test_as_many_pixels_are_augmented_at_once_as_in_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CHUNK_PIXELS == batches.CHUNK_PIXELS
    monkeypatch.setattr("search.tuning.packing_probe.CHUNK_PIXELS", 5 * 64 * 128 - 1)
    monkeypatch.setattr("search.tuning.probe.PROBED_BATCHES", 0)
    machine = Machine().install(monkeypatch)
    probed(machine)
    assert {len(part.train) for part in machine.parts} == {5}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_place(tmp_path_factory.mktemp("place"))


def planned(place: Path, machine: Machine, study: str, **execution: str) -> Plan:
    options = asked(place)
    options = RunOptions(
        what=replace(options.what, study=study),
        budget=options.budget,
        execution=Execution(**{"executor": "ray"} | execution),
    )
    found = plan(options, *prepare(options, machine.server), resources_of(options), machine.server)
    if not found.continued:
        found.folder.mkdir(parents=True, exist_ok=True)
        found.spec.write(found.folder)
    return found


def trials(found: Plan) -> tuple[int, int, float]:
    return found.resources.concurrency, found.resources.threads, found.resources.gpus_per_trial


def test_a_study_begins_and_goes_on_with_what_was_measured(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine().install(monkeypatch)
    begun = planned(place, machine, "goes-on")
    measured = begun.spec.measured
    assert trials(begun) == (8, 2, 0.25)
    assert measured.packing is not None
    assert (measured.packing.trials_per_gpu, measured.packing.gain, measured.concurrency) == (4, 3.2, 8)
    assert (measured.precision, measured.seconds_per_epoch) == ("bfloat16", pytest.approx(4 / 1.6 / 1.5))
    machine.timed.clear()
    on = planned(place, machine, "goes-on")
    assert on.continued
    assert on.spec == begun.spec
    assert trials(on) == (8, 2, 0.25)
    assert trials(planned(place, machine, "goes-on", concurrency="2")) == (2, 8, 1.0)
    assert trials(planned(place, machine, "goes-on", gpus_per_trial="0.5")) == (4, 4, 0.5)
    assert trials(planned(place, machine, "goes-on", executor="local")) == (1, 16, 1.0)
    assert trials(planned(place, machine.install(monkeypatch, gpus=1), "goes-on")) == (4, 4, 0.25)
    assert trials(planned(place, machine.install(monkeypatch, gpus=0), "goes-on")) == (8, 2, 0.0)
    assert not machine.timed


@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        ({"concurrency": "2"}, (2, 8, 1.0)),
        ({"gpus_per_trial": "1"}, (2, 8, 1.0)),
        ({"executor": "local"}, (1, 16, 1.0)),
    ],
)
def test_what_is_asked_for_is_not_measured(place: Path, monkeypatch, execution: dict[str, str], expected) -> None:
    machine = Machine(throughput={1: 0.5}).install(monkeypatch)
    begun = planned(place, machine, f"forced-{'-'.join(execution)}", **execution)
    assert trials(begun) == expected
    assert begun.spec.measured.packing is None
    assert begun.spec.measured.seconds_per_epoch == pytest.approx(2.0 / 1.5)


def test_a_core_a_gpu_leaves_nothing_to_measure(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.tuning.pretended_gpus.CORES", 3)
    begun = planned(place, Machine().install(monkeypatch), "few-cores")
    assert trials(begun) == (2, 1, 1.0)
    assert begun.spec.measured.packing is None
