"""How many trials share one GPU, each in a process of its own: the decision, from what was measured."""

from collections.abc import Callable
from dataclasses import dataclass

from search.tuning.fork_server import WorkerDiedError
from spaces.schema import Config

WORTHWHILE_GAIN = 1.1
"""How much more twice as many trials must train in all: fewer at once make the comparisons of ASHA sounder."""

MEMORY_SHARE = 0.9
"""Share of a GPU's memory that trials may need: the rest is for fragmentation and the driver."""


class Packing(Config):
    """Measured once a study: `trials_per_gpu` at once on each GPU train `gain` times as much as one.

    `stopped` says why no more of them were tried.
    """

    trials_per_gpu: int
    gain: float
    stopped: str


class GpuFullError(Exception):
    """The memory of a GPU ran out. Unlike torch's own error it can be read where torch is not imported."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """A GPU on which `trials` trained the default point at the same time. Memory in bytes.

    `seconds` is the time of an epoch of each; `reserved` the most that torch reserved for one of them; `taken` what all
    processes held of the GPU's `total`, those of other users included.
    """

    trials: int
    seconds: float
    reserved: int
    taken: int
    total: int

    @property
    def throughput(self) -> float:
        """Epochs a second, of all trials together."""
        return self.trials / self.seconds

    @property
    def outside(self) -> int:
        """What is taken beside torch's reservations: CUDA contexts, libraries, other users."""
        return max(0, self.taken - self.trials * self.reserved)


@dataclass(frozen=True, kw_only=True)
class Room:
    """What bounds the number of trials on a GPU: `most` by the cores and the memory of the host, and its own memory.

    Each trial is taken to need `network_bytes`, which the largest admitted network reserves, and `data_bytes`.
    """

    most: int
    network_bytes: int
    data_bytes: int

    def misfit(self, trials: int, load: Load) -> str | None:
        """Why so many trials do not fit. What is taken outside torch is counted as growing with their number."""
        if trials > self.most:
            return f"{trials} are more than the cores or the memory of the host allow"
        trial = max(self.network_bytes, load.reserved) + self.data_bytes + load.outside / load.trials
        if trials * trial > MEMORY_SHARE * load.total:
            return f"{trials} of the largest networks might not fit into the GPU's memory"
        return None


def pack(measure: Callable[[int], Load], room: Room) -> tuple[Load, Packing]:
    """Measure one trial, then twice as many and so on, and choose; the load chosen, and what is recorded of it.

    Doubling ends where more do not fit, where in all they train less than `WORTHWHILE_GAIN` times as much, and where
    more than one run out of memory or die. Raises what `measure(1)` raises.
    """
    loads = [measure(1)]
    while (stopped := room.misfit(twice := 2 * loads[-1].trials, loads[-1])) is None:
        try:
            loads.append(measure(twice))
        except GpuFullError:
            stopped = f"{twice} ran out of the GPU's memory"
            break
        except WorkerDiedError:
            stopped = f"of {twice} a process died"
            break
        if loads[-1].throughput < WORTHWHILE_GAIN * loads[-2].throughput:
            stopped = f"{twice} train {loads[-1].throughput / loads[-2].throughput:.2f} times as much as half of them"
            break
    alone, *others = loads
    fitting = [alone, *(load for load in others if room.misfit(load.trials, load) is None)]
    chosen = fewest_worthwhile(fitting)
    gain = chosen.throughput / alone.throughput
    return chosen, Packing(trials_per_gpu=chosen.trials, gain=round(gain, 3), stopped=stopped)


def fewest_worthwhile(loads: list[Load]) -> Load:
    """The first load, fewest trials first, whose throughput is within `WORTHWHILE_GAIN` of the best."""
    best = max(load.throughput for load in loads)
    return next(load for load in loads if WORTHWHILE_GAIN * load.throughput >= best)
