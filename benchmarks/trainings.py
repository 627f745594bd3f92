"""Many trainings side by side on one split, each kept as soon as it is done: benchmarks of quality are made of these.

A benchmark that is cut off goes on with the trainings that are missing. It is fixed in epochs, not in seconds: other
work on the machine makes it later, not worse.
"""

import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from search.data.prepare import PreparedData
from search.data.samples import TrialData
from search.files import write_whole
from search.training.compute import default_device
from search.training.loop import train
from search.training.outcome import EpochReport, NotFiniteError
from search.tuning.probe import PRECISIONS
from search.tuning.trial_folder import trial_files
from spaces.config import Precision, TrialConfig

Result = dict[str, Any]
"""What a training came to, as JSON."""

_data: TrialData | None = None


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """What such benchmarks are all asked."""

    data: Path | None = None
    """An npz file or a folder. Default: the demo set."""

    at_once: int = 2
    """Trainings at once, one thread each."""

    precision: Precision = PRECISIONS[0]
    """What `search.run` prints that it chose on this machine."""

    to: Path | None = None
    """Where to write the table as Markdown."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training: its arm, its configuration, and how it is trained, as a function that a process can be sent."""

    arm: str
    config: TrialConfig
    run: Callable[[TrialConfig, TrialData], Result]

    @property
    def key(self) -> str:
        """What tells whether a kept training is this one: the arm, and a hash of all that the configuration says."""
        return f"{self.arm} {hashlib.sha256(self.config.model_dump_json().encode()).hexdigest()[:16]}"


def run_all(jobs: Sequence[Job], prepared: PreparedData, *, kept: Path, at_once: int) -> list[Result]:
    """Run what the file `kept` does not hold yet; all results in the order of `jobs`.

    A training is the same where arm, configuration, data, split, device, and torch are. An error ends all, after what
    was running is kept.
    """
    about = conditions(prepared)
    done = {run["key"]: run for run in _read(kept) if run["about"] == about}
    others = [run for run in _read(kept) if run["about"] != about]
    missing = [job for job in jobs if job.key not in done]
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(at_once, mp_context=context, initializer=_take, initargs=(prepared.trial,)) as pool,
        _ended(pool),
    ):
        running = {pool.submit(_run, job): job for job in missing}
        for future in as_completed(running):
            job = running[future]
            identity = {"key": job.key, "arm": job.arm, "seed": job.config.seed, "about": about, "date": today()}
            done[job.key] = identity | future.result()
            write_whole(kept, json.dumps({"runs": [*others, *done.values()]}, indent=1) + "\n")
            words = f"{job.arm}, seed {job.config.seed}: {_words(done[job.key])}"
            print(f"{len(done)} of {len(jobs)}: {words}", flush=True)
    return [done[job.key] for job in jobs]


def conditions(prepared: PreparedData) -> dict[str, str]:
    """What must agree for two trainings to be compared, apart from their configurations."""
    return {
        "data": prepared.fingerprint,
        "split": prepared.split.fingerprint,
        "unlabelled": prepared.unlabelled_fingerprint or "none",
        "device": device_name(),
        "torch": torch.__version__.partition("+")[0],
    }


def device_name() -> str:
    """The GPU's name, or "CPU"."""
    return torch.cuda.get_device_name() if default_device().type == "cuda" else "CPU"


def publish(text: str, to: Path | None) -> None:
    """Print a page, and write it where it is wanted."""
    print(text)
    if to is not None:
        to.write_text(text)


def today() -> str:
    """The date."""
    return time.strftime("%Y-%m-%d")


def measured_words(results: Sequence[Result]) -> str:
    """When, on what and for how long the trainings ran, as a sentence for a page."""
    dates = sorted({result["date"] for result in results})
    about = results[0]["about"]
    epochs = sorted({result["epochs"] for result in results if "epochs" in result})
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    lengths = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    seeds = sorted({result["seed"] for result in results})
    numbers = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    return f"Measured {span} on a {about['device']}, torch {about['torch']}: {lengths} epochs, {numbers}."


def spread(values: Sequence[float], form: str = ".3f") -> str:
    """Mean ± standard deviation, the mean alone of a single value, "diverged" where there is none."""
    if not values:
        return "diverged"
    deviation = f" ± {statistics.stdev(values):{form.lstrip('+')}}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{form}}{deviation}"


def train_once(config: TrialConfig, data: TrialData) -> Result:
    """Train `config` on one thread, to its end."""
    with tempfile.TemporaryDirectory() as folder:
        return train_in(config, data, Path(folder))


def train_in(config: TrialConfig, data: TrialData, folder: Path) -> Result:
    """Train `config` on one thread; `best.safetensors` of its best epoch stays in `folder`."""
    reports: list[EpochReport] = []
    try:
        reports.extend(train(config, data, trial_files(folder), 0, 1))
    except NotFiniteError as error:
        return {"diverged": str(error), "curve": [report.miou for report in reports]}
    best = max(reports, key=lambda report: (report.miou, -report.epoch))
    return {
        "miou": best.miou,
        "epoch": best.epoch,
        "epochs": len(reports),
        "last_miou": reports[-1].miou,
        "class_iou": best.class_iou,
        "readings": best.readings,
        "seconds": round(sum(report.seconds for report in reports), 1),
        "curve": [round(report.miou, 4) for report in reports],
    }


def by_arm(results: Sequence[Result]) -> Iterator[tuple[str, list[Result]]]:
    """The results of each arm, arms in the order of their first one."""
    for arm in dict.fromkeys(result["arm"] for result in results):
        yield arm, [result for result in results if result["arm"] == arm]


def _take(data: TrialData) -> None:
    global _data
    _data = data


def _run(job: Job) -> Result:
    assert _data is not None, "the pool's processes take the data when they start"
    return job.run(job.config, _data)


@contextmanager
def _ended(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Drop what has not begun where the block fails."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _read(kept: Path) -> list[Result]:
    return json.loads(kept.read_text())["runs"] if kept.is_file() else []


def _words(result: Result) -> str:
    return result.get("diverged") or f"mIoU {result['miou']:.4f} in epoch {result['epoch']}, {result['seconds']:.0f} s"
