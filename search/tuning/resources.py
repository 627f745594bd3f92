"""How many trials run at once, and what each of them gets. Imports no torch."""

import os
import shutil
import subprocess
from dataclasses import dataclass

import psutil

from search.errors import UserError

WORKER_BYTES = 1_700_000_000
"""Memory of a worker process with torch and a small trial (1.3 to 1.7 GB measured)."""

MAX_AUTO_CONCURRENCY = 8
"""ASHA compares trials with those before them: very wide searches on one CPU only dilute it."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """`concurrency` trials at once, each with `threads` CPU threads and, with GPUs, `gpus_per_trial` of one."""

    concurrency: int
    threads: int
    gpus: int
    gpus_per_trial: float


def plan_resources(*, concurrency: int | None, gpus_per_trial: float | None) -> Resources:
    """What this machine allows; None means automatic. Raises UserError for a request that it cannot serve."""
    gpus = count_gpus()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if gpus_per_trial is not None and not gpus and gpus_per_trial > 0:
        raise UserError(
            f"--gpus-per-trial {gpus_per_trial:g} needs a GPU and none was found; leave it at auto to train on the CPU"
        )
    share = (1.0 if gpus_per_trial is None else gpus_per_trial) if gpus else 0.0
    if concurrency is None:
        by_device = int(gpus / share) if share else min(cores, MAX_AUTO_CONCURRENCY)
        by_memory = int(psutil.virtual_memory().available // WORKER_BYTES)
        concurrency = max(1, min(by_device, by_memory))
    return Resources(concurrency=concurrency, threads=max(1, cores // concurrency), gpus=gpus, gpus_per_trial=share)


def count_gpus() -> int:
    """NVIDIA GPUs that this process may use, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([entry for entry in visible.split(",") if entry.strip() and entry.strip() != "-1"])
    executable = shutil.which("nvidia-smi")
    if executable is None:
        return 0
    listing = subprocess.run([executable, "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
