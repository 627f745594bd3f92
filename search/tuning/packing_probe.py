"""Measuring how many trials share one GPU: processes that train the default point on it at the same time.

What is decided is tested on made-up measurements; nothing of this has run on a GPU (docs/decisions/0016).
"""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from search.data.samples import TrialData
from search.tuning.fork_server import Fork, ForkServer, WorkerDiedError, at_once
from search.tuning.packing import GpuFullError, Load, Packing, Room, pack
from search.tuning.probe import GpuMemory, Mode, Probe, Timing, probed_part, seconds_in, start_timing
from search.tuning.resources import Resources, most_per_gpu, packed
from spaces.config import TrialConfig
from spaces.space import SearchSpace

CHUNK_PIXELS = 2**22
"""Pixels that a trial augments at once on a GPU: as in `search.training.device.batches`, which imports torch."""

STEADY_SECONDS = 2.0
"""Each process trains at least so long for a measurement: they begin some milliseconds apart."""


def probe_packing(
    probe: Probe,
    space: SearchSpace,
    data: TrialData,
    fitting_points: Sequence[str],
    resources: Resources,
    server: ForkServer,
) -> tuple[Probe, Resources]:
    """`probe` and `resources`, of one trial a GPU, with as many on each GPU as raise the throughput.

    Measured on the first GPU, with the threads that a trial has where all GPUs are packed; how GPUs slow each other
    down is not. The largest admitted network is taken to be `largest_admitted`, and trains alone for an epoch first.
    """
    crowd = Crowd(probe, data, resources, server)
    largest = largest_admitted(probe, space, fitting_points)
    try:
        room = Room(most=most_per_gpu(resources), network_bytes=crowd.reserved(largest), data_bytes=data_bytes(data))
    except (GpuFullError, WorkerDiedError) as error:
        stopped = f"the largest admitted network does not train alone: {error}"
        return replace(probe, packing=Packing(trials_per_gpu=1, gain=1.0, stopped=stopped)), resources
    with ExitStack() as stack:
        forks: list[Fork] = []

        def measure(trials: int) -> Load:
            forks.extend(stack.enter_context(crowd.start(space.default)) for _ in range(trials - len(forks)))
            return crowd.load(forks)

        load, packing = pack(measure, room)
    speed = replace(probe.speed, seconds_per_epoch=load.seconds)
    return replace(probe, speed=speed, packing=packing), packed(resources, packing.trials_per_gpu)


class Crowd:
    """Processes on the first GPU, in the mode that was the fastest."""

    def __init__(self, probe: Probe, data: TrialData, resources: Resources, server: ForkServer) -> None:
        self._mode = Mode(probe.speed.precision, probe.speed.layout)
        self._data, self._resources, self._server = data, resources, server

    def start(self, config: TrialConfig) -> Fork:
        """A process for `config`, on enough of the data to augment as many pixels at once as a trial does."""
        chunk = math.ceil(CHUNK_PIXELS / (self._data.facts.height * self._data.facts.width))
        part = probed_part(self._data, config.optimizer.batch_size, least=chunk)
        return start_timing(self._server, config, self._data, part, self._resources, place=0)

    def reserved(self, config: TrialConfig) -> int:
        """Bytes that torch reserves for a trial of `config`."""
        with self.start(config) as fork:
            fork.call(Timing.prepare, self._mode, self._resources.threads)
            memory: GpuMemory = fork.call(Timing.memory)
        return memory.reserved

    def load(self, forks: Sequence[Fork]) -> Load:
        """The GPU while all of these train, and no others."""
        threads = packed(self._resources, len(forks)).threads
        seconds = seconds_in(self._mode, threads, forks, STEADY_SECONDS)
        memories: list[GpuMemory] = at_once(forks, Timing.memory)
        return Load(
            trials=len(forks),
            seconds=seconds,
            reserved=max(memory.reserved for memory in memories),
            taken=max(memory.taken for memory in memories),
            total=memories[0].total,
        )


def largest_admitted(probe: Probe, space: SearchSpace, fitting_points: Sequence[str]) -> TrialConfig:
    """Of the default and the named points that fit the limits, the one with the most multiply-adds a batch.

    A sampled network may be larger than all of these, up to the limit.
    """
    candidates = {"default": space.default} | {
        name: point.config for name, point in space.points.items() if name in fitting_points
    }
    return candidates[max(candidates, key=lambda name: probe.costs.macs[name] * candidates[name].optimizer.batch_size)]


def data_bytes(data: TrialData) -> int:
    """What a trial holds of the data on its GPU: the training part, where images need not be cut."""
    return sum(array.nbytes for array in (*data.train.images, *data.train.masks)) if data.uniform else 0
