"""How many trials run at once, and what each of them gets. Imports no torch."""

import math
import os
import shutil
import subprocess
from dataclasses import dataclass, replace

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

    @property
    def cores(self) -> int:
        """CPU threads of all trials."""
        return self.concurrency * self.threads


def plan_resources(*, concurrency: int | None, gpus_per_trial: float | None) -> Resources:
    """What this machine allows; None means automatic. Raises UserError for a request that it cannot serve."""
    gpus = count_gpus()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = _even_share(gpus, concurrency) if gpus_per_trial is None else gpus_per_trial
    _check_share(share, gpus)
    most = _trials_that_fit(share, gpus)
    if concurrency is None:
        by_device = min(cores, MAX_AUTO_CONCURRENCY) if most is None else most
        by_memory = int(psutil.virtual_memory().available // WORKER_BYTES)
        concurrency = max(1, min(by_device, by_memory))
    elif most is not None and concurrency > most:
        raise UserError(
            f"--concurrency {concurrency} with --gpus-per-trial {share:g} does not fit, at most {most} at once would; "
            "lower one of them, or leave --gpus-per-trial at auto"
        )
    return Resources(concurrency=concurrency, threads=max(1, cores // concurrency), gpus=gpus, gpus_per_trial=share)


def most_per_gpu(resources: Resources) -> int:
    """How many trials a GPU may be given: each needs a core, to launch its work, and memory of the host; at least 1."""
    by_memory = int(psutil.virtual_memory().available // WORKER_BYTES)
    return max(1, min(resources.cores, by_memory) // resources.gpus)


def packed(resources: Resources, trials_per_gpu: int) -> Resources:
    """`resources`, one trial a GPU, with so many on each GPU instead; the same cores are divided among them."""
    if trials_per_gpu == 1:
        return resources
    concurrency = trials_per_gpu * resources.gpus
    threads = max(1, resources.cores // concurrency)
    return replace(resources, concurrency=concurrency, threads=threads, gpus_per_trial=1 / trials_per_gpu)


def _even_share(gpus: int, concurrency: int | None) -> float:
    """A whole GPU for each trial; where more trials are asked for than there are GPUs, the same part for all."""
    if not gpus:
        return 0.0
    return 1.0 if concurrency is None else 1 / math.ceil(concurrency / gpus)


def _check_share(share: float, gpus: int) -> None:
    if share > 0 and not gpus:
        raise UserError(
            f"--gpus-per-trial {share:g} needs a GPU and none was found; leave it at auto to train on the CPU"
        )
    if share > 1 and share != int(share):
        raise UserError(f"--gpus-per-trial above 1 is a whole number, got {share:g}")
    if share > gpus:
        raise UserError(
            f"--gpus-per-trial {share:g} is more than the GPUs that were found, {gpus}; ask for at most {gpus}, "
            "or for a share such as 0.5"
        )


def _trials_that_fit(share: float, gpus: int) -> int | None:
    """How many trials with this share fit on the GPUs, each share on one GPU; None where none is used."""
    if share == 0:
        return None
    return gpus // int(share) if share > 1 else gpus * int(1 / share + 1e-9)


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
