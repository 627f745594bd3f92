"""How many trials share a GPU, decided on made-up measurements."""

import pickle

import pytest

from search.tuning.fork_server import WorkerDiedError
from search.tuning.packing import GpuFullError, Load, Packing, Room, fewest_worthwhile, pack

GB = 10**9


def load(trials: int, throughput: float, *, reserved: int = GB, context: int = 0, foreign: int = 0) -> Load:
    """A GPU of 80 GB on which so many trials reach a throughput, each with a context of its own."""
    taken = trials * (reserved + context) + foreign
    return Load(trials=trials, seconds=trials / throughput, reserved=reserved, taken=taken, total=80 * GB)


def room(most: int = 64, network: int = GB, data: int = 0) -> Room:
    return Room(most=most, network_bytes=network, data_bytes=data)


Table = dict[int, float | Exception]


def packed(table: Table, bounds: Room, **memory: int) -> tuple[list[int], Load, Packing]:
    """What was measured, the load chosen and what is recorded, where so many trials have these throughputs."""
    asked: list[int] = []

    def measure(trials: int) -> Load:
        asked.append(trials)
        found = table[trials]
        if isinstance(found, Exception):
            raise found
        return load(trials, found, **memory)

    return asked, *pack(measure, bounds)


@pytest.mark.parametrize(
    ("throughputs", "measured", "chosen"),
    [
        ({1: 1.0, 2: 1.9, 4: 3.5, 8: 6.0, 16: 6.2}, [1, 2, 4, 8, 16], 8),  # saturates
        ({1: 1.0, 2: 1.05}, [1, 2], 1),
        ({1: 1.0, 2: 0.7}, [1, 2], 1),  # they only disturb each other
        ({1: 1.0, 2: 1.5, 4: 1.2}, [1, 2, 4], 2),
        ({1: 1.0, 2: 1.09, 4: 5.0}, [1, 2], 1),  # what a doubling more would bring is not asked
        ({1: 1.0, 2: 1.11, 4: 1.22}, [1, 2, 4], 2),
    ],
)
def test_as_many_as_raise_the_throughput(throughputs: Table, measured: list[int], chosen: int) -> None:
    asked, best, packing = packed(throughputs, room())
    assert (asked, best.trials, packing.trials_per_gpu) == (measured, chosen, chosen)
    assert best.seconds == chosen / throughputs[chosen]
    assert packing.gain == throughputs[chosen]
    assert (
        packing.stopped
        == f"{asked[-1]} train {throughputs[asked[-1]] / throughputs[asked[-2]]:.2f} times as much "
        + ("as half of them")
    )


LINEAR: Table = {trials: float(trials) for trials in (1, 2, 4, 8, 16, 32, 64)}


@pytest.mark.parametrize(("most", "chosen"), [(1, 1), (3, 2), (4, 4), (7, 4), (8, 8)])
def test_no_more_than_cores_and_host_memory_allow(most: int, chosen: int) -> None:
    asked, best, packing = packed(LINEAR, room(most))
    assert best.trials == asked[-1] == chosen
    assert packing.stopped == f"{2 * chosen} are more than the cores or the memory of the host allow"


@pytest.mark.parametrize(
    ("bounds", "memory", "chosen"),
    [
        (room(network=GB), {}, 64),  # 64 of 1 GB: under 72 GB
        (room(network=4 * GB), {}, 16),  # what the largest network takes counts, not the default that is measured
        (room(network=9 * GB), {}, 8),  # just 90 %
        (room(network=9 * GB, data=1), {}, 4),
        (room(network=0), {"reserved": 9 * GB}, 8),
        (room(network=4 * GB), {"context": GB}, 8),  # 16 of 5 GB do not fit
        (room(network=4 * GB), {"foreign": 30 * GB}, 2),  # as if others grew as well: 4 of 4 GB and 60 GB
        (room(network=40 * GB), {}, 1),
        (room(network=200 * GB), {}, 1),
    ],
)
def test_no_more_than_fit_into_the_gpu(bounds: Room, memory: dict[str, int], chosen: int) -> None:
    asked, best, packing = packed(LINEAR, bounds, **memory)
    assert best.trials == asked[-1] == chosen
    host = "are more than the cores" if chosen == 64 else "of the largest networks might not fit"
    assert packing.stopped.startswith(f"{2 * chosen} {host}")


def test_memory_that_grew_while_it_was_measured_is_not_chosen() -> None:
    def measure(trials: int) -> Load:
        return load(trials, trials, reserved=40 * GB if trials == 4 else GB)

    best, packing = pack(measure, room())
    assert best.trials == packing.trials_per_gpu == 2


def test_more_than_work_end_the_doubling() -> None:
    for error, stopped in (
        (GpuFullError("CUDA out of memory"), "4 ran out of the GPU's memory"),
        (WorkerDiedError("the worker process died"), "of 4 a process died"),
    ):
        asked, best, packing = packed({1: 1.0, 2: 1.6, 4: error}, room())
        assert (asked, best.trials) == ([1, 2, 4], 2)
        assert packing == Packing(trials_per_gpu=2, gain=1.6, stopped=stopped)


def test_one_trial_must_work() -> None:
    for error in (GpuFullError("CUDA out of memory"), WorkerDiedError("the worker process died")):
        with pytest.raises(type(error)):
            packed({1: error}, room())
    with pytest.raises(ValueError, match="a mistake"):
        packed({1: 1.0, 2: ValueError("a mistake")}, room())


@pytest.mark.parametrize(
    ("throughputs", "chosen"),
    [((1.0, 2.0, 2.1), 2), ((1.0, 1.05, 1.15), 2), ((1.0, 1.05, 1.02), 1), ((1.0, 3.0, 4.0), 4), ((2.0,), 1)],
)
def test_noise_does_not_add_trials(throughputs: tuple[float, ...], chosen: int) -> None:
    loads = [load(2**index, throughput) for index, throughput in enumerate(throughputs)]
    assert fewest_worthwhile(loads).trials == chosen


def test_a_full_gpu_is_told_across_processes() -> None:
    assert str(pickle.loads(pickle.dumps(GpuFullError("CUDA out of memory")))) == "CUDA out of memory"
