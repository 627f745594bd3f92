"""How many trials a machine runs at once."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from search.errors import UserError
from search.tuning.resources import Resources, count_gpus, most_per_gpu, packed, plan_resources

GIB = 2**30
Machine = pytest.MonkeyPatch


def machine(patch: pytest.MonkeyPatch, *, cores: int, memory: int = 256, gpus: int = 0) -> None:
    """Pretend to be a machine with so many cores, GiB of free memory and GPUs."""
    patch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    patch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=memory * GIB))
    patch.setenv("CUDA_VISIBLE_DEVICES", ",".join(str(index) for index in range(gpus)))


def planned(concurrency: int | None = None, gpus_per_trial: float | None = None) -> tuple[int, int, float]:
    found = plan_resources(concurrency=concurrency, gpus_per_trial=gpus_per_trial)
    return found.concurrency, found.threads, found.gpus_per_trial


@pytest.mark.parametrize(
    ("cores", "memory", "expected"),
    [
        (1, 16, (1, 1)),
        (2, 16, (2, 1)),
        (4, 16, (4, 1)),
        (64, 256, (8, 8)),
        (8, 4, (2, 4)),
        (8, 1, (1, 8)),
        (3, 4, (2, 1)),
    ],
)
def test_on_a_cpu_as_many_as_cores_and_memory_allow(monkeypatch, cores: int, memory: int, expected) -> None:
    machine(monkeypatch, cores=cores, memory=memory)
    assert planned() == (*expected, 0.0)


def test_a_number_that_is_asked_for_is_taken(monkeypatch) -> None:
    machine(monkeypatch, cores=4, memory=1)
    assert planned(1) == (1, 4, 0.0)
    assert planned(3) == (3, 1, 0.0)
    assert planned(16) == (16, 1, 0.0)


@pytest.mark.parametrize(
    ("gpus", "share", "expected"),
    [
        (1, None, (1, 16, 1.0)),
        (4, None, (4, 4, 1.0)),
        (1, 0.25, (4, 4, 0.25)),
        (2, 0.6, (2, 8, 0.6)),  # a trial's share is of one GPU: two never fit on one
        (4, 2.0, (2, 8, 2.0)),
        (3, 2.0, (1, 16, 2.0)),
        (1, 0.1, (10, 1, 0.1)),
    ],
)
def test_on_gpus_as_many_as_shares_fit(monkeypatch, gpus: int, share: float | None, expected) -> None:
    machine(monkeypatch, cores=16, gpus=gpus)
    assert planned(gpus_per_trial=share) == expected


@pytest.mark.parametrize(
    ("gpus", "concurrency", "share"), [(1, 1, 1.0), (1, 4, 0.25), (2, 3, 0.5), (4, 2, 1.0), (2, 2, 1.0), (1, 3, 1 / 3)]
)
def test_a_number_of_trials_shares_the_gpus_evenly(monkeypatch, gpus: int, concurrency: int, share: float) -> None:
    machine(monkeypatch, cores=16, gpus=gpus)
    found = plan_resources(concurrency=concurrency, gpus_per_trial=None)
    assert (found.concurrency, found.gpus_per_trial) == (concurrency, share)
    assert found == plan_resources(concurrency=concurrency, gpus_per_trial=found.gpus_per_trial)


@pytest.mark.parametrize(
    ("cores", "memory", "gpus", "most"),
    [(16, 256, 1, 16), (16, 256, 2, 8), (16, 256, 3, 5), (3, 256, 2, 1), (2, 256, 4, 1), (16, 16, 2, 5), (16, 2, 2, 1)],
)
def test_a_trial_on_a_gpu_needs_a_core_and_memory(monkeypatch, cores: int, memory: int, gpus: int, most: int) -> None:
    machine(monkeypatch, cores=cores, memory=memory, gpus=gpus)
    assert most_per_gpu(plan_resources(concurrency=None, gpus_per_trial=None)) == most


@pytest.mark.parametrize("gpus", [1, 2, 3, 8])
@pytest.mark.parametrize("cores", [1, 2, 7, 16, 100])
def test_packed_trials_fit_into_what_ray_was_started_with(monkeypatch, cores: int, gpus: int) -> None:
    machine(monkeypatch, cores=cores, gpus=gpus, memory=1000)
    before = plan_resources(concurrency=None, gpus_per_trial=None)
    for trials in range(1, most_per_gpu(before) + 1):
        found = packed(before, trials)
        assert found.concurrency == trials * gpus
        assert found.concurrency * found.threads <= before.cores
        assert found.gpus_per_trial * trials == pytest.approx(1)
    assert packed(before, 1) == before


def test_more_trials_than_cores_have_a_thread_each(monkeypatch) -> None:
    """A study that goes on with what was measured on a machine with more cores."""
    machine(monkeypatch, cores=4, gpus=2)
    found = packed(plan_resources(concurrency=None, gpus_per_trial=None), 8)
    assert found == Resources(concurrency=16, threads=1, gpus=2, gpus_per_trial=0.125)


@pytest.mark.parametrize(
    ("gpus", "concurrency", "share", "message"),
    [
        (0, None, 0.5, "--gpus-per-trial 0.5 needs a GPU and none was found; leave it at auto to train on the CPU"),
        (
            1,
            None,
            2.0,
            r"--gpus-per-trial 2 is more than the GPUs that were found, 1; ask for at most 1, or for a share",
        ),
        (2, None, 1.5, r"--gpus-per-trial above 1 is a whole number, got 1\.5"),
        (1, 4, 1.0, "--concurrency 4 with --gpus-per-trial 1 does not fit, at most 1 at once would; lower one of them"),
        (
            2,
            5,
            0.5,
            r"--concurrency 5 with --gpus-per-trial 0\.5 does not fit, at most 4 at once would; lower one of them",
        ),
    ],
)
def test_what_a_machine_cannot_serve_is_refused(monkeypatch, gpus, concurrency, share, message: str) -> None:
    machine(monkeypatch, cores=8, gpus=gpus)
    with pytest.raises(UserError, match=message):
        plan_resources(concurrency=concurrency, gpus_per_trial=share)


def test_no_share_of_a_gpu_is_allowed_without_one(monkeypatch) -> None:
    machine(monkeypatch, cores=2)
    assert plan_resources(concurrency=None, gpus_per_trial=0.0) == Resources(
        concurrency=2, threads=1, gpus=0, gpus_per_trial=0.0
    )


@pytest.mark.parametrize(
    ("visible", "count"), [("", 0), ("-1", 0), ("0", 1), ("0,1", 2), ("GPU-5f1,MIG-7a", 2), (" 2 , 3 ", 2)]
)
def test_visible_gpus_are_counted(monkeypatch, visible: str, count: int) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert count_gpus() == count


def test_gpus_are_counted_as_the_driver_lists_them(monkeypatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    listing = (
        "GPU 0: NVIDIA H200 (UUID: GPU-1)\n  MIG 1g.18gb Device 0: (UUID: MIG-2)\nGPU 1: NVIDIA H200 (UUID: GPU-3)\n"
    )
    monkeypatch.setattr("shutil.which", lambda _: "/bin/nvidia-smi")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=listing))
    assert count_gpus() == 2
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert count_gpus() == 0
