"""A machine with two GPUs and sixteen cores on which the default point trains as a table says; nothing is trained."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search.data.samples import TrialData
from search.tuning.packing import GpuFullError
from search.tuning.probe import GpuMemory, Mode
from spaces.config import TrialConfig
from tests.tuning.in_this_process import InThisProcess, Object

GB = 10**9
CORES, GPUS = 16, 2
THROUGHPUT = {1: 0.5, 2: 0.9, 4: 1.6, 8: 1.7}
"""Epochs a second of all trials on one GPU."""


@dataclass
class Machine:
    """Notes what the probe does; `full_from` trials on a GPU run out of memory, `reserved` is that of a network."""

    throughput: Mapping[int, float] = field(default_factory=lambda: THROUGHPUT)
    full_from: int = 100
    reserved: Callable[[TrialConfig], int] = lambda _: GB
    devices: list[str] = field(default_factory=list)
    parts: list[TrialData] = field(default_factory=list)
    timed: list[tuple[Mode, int, float]] = field(default_factory=list)
    server: "Server" = field(init=False)

    def __post_init__(self) -> None:
        self.server = Server(self)

    def install(self, patch: pytest.MonkeyPatch, gpus: int = GPUS) -> "Machine":
        install_timing(patch, type("OnThisMachine", (PretendedTiming,), {"machine": self}))
        patch.setattr(os, "sched_getaffinity", lambda _: set(range(CORES)), raising=False)
        patch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=256 * 2**30))
        patch.setenv("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(gpus))))
        return self


def install_timing(patch: pytest.MonkeyPatch, timing: type) -> None:
    """Put `timing` in the place of `Timing`."""
    for module in ("probe", "packing_probe"):
        patch.setattr(f"search.tuning.{module}.Timing", timing)


class Server(InThisProcess):
    """Notes the GPUs that each process sees."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def start(
        self, factory: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None
    ) -> Object:
        if environment:
            self._machine.devices.append(environment["CUDA_VISIBLE_DEVICES"])
        return super().start(factory, *arguments)


FAILED_FILE = "SEGTUNE_TEST_FAILED_FILE"


class ForkedTiming:
    """Stands for `Timing` in real forks. The first of four that train at once fails, as `fail` says."""

    def __init__(self, config: TrialConfig, *_: object) -> None:
        self._timing = PretendedTiming(config)

    def prepare(self, mode: Mode, threads: int) -> None:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
        self._timing.prepare(mode, threads)
        if threads == CORES // GPUS // 4:
            with suppress(FileExistsError):
                Path(os.environ[FAILED_FILE]).touch(exist_ok=False)
                self.fail()

    def seconds(self, least: float) -> float:
        return self._timing.seconds(least)

    def memory(self) -> GpuMemory:
        return self._timing.memory()

    def fail(self) -> None:
        raise GpuFullError("CUDA out of memory")


class DyingTiming(ForkedTiming):
    def fail(self) -> None:
        os._exit(1)


class PretendedTiming:
    """Stands for `Timing`. How many trials are on its GPU shows in the threads that it is given."""

    machine = Machine()

    def __init__(self, config: TrialConfig, *part: TrialData | tuple[int, int]) -> None:
        self._config = config
        self.machine.parts.extend(each for each in part if isinstance(each, TrialData))

    def prepare(self, mode: Mode, threads: int) -> None:
        self._mode, self._trials = mode, max(1, CORES // GPUS // threads)
        if self._trials >= self.machine.full_from:
            raise GpuFullError("CUDA out of memory")

    def seconds(self, least: float) -> float:
        self.machine.timed.append((self._mode, self._trials, least))
        faster = 1.5 if self._mode.precision == "bfloat16" else 1.0
        return self._trials / self.machine.throughput[self._trials] / faster

    def memory(self) -> GpuMemory:
        reserved = self.machine.reserved(self._config)
        return GpuMemory(reserved=reserved, taken=self._trials * (reserved + GB // 2), total=80 * GB)
