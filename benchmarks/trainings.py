"""Many trainings side by side on one split, each kept as soon as it is done: benchmarks of quality are made of these.

A benchmark that is cut off goes on with the trainings that are missing. It is fixed in epochs, not in seconds: other
work on the machine makes it later, not worse.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from search.data.samples import TrialData
from search.errors import UserError
from search.files import write_whole
from search.training.loop import train
from search.training.outcome import EpochReport, NotFiniteError
from search.tuning.trial_folder import trial_files
from spaces.config import TrialConfig

Result = dict[str, Any]
"""What a training came to, as JSON."""

_data: TrialData | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training: its arm, its seed, and a function that a process can be sent."""

    arm: str
    seed: int
    run: Callable[[TrialData], Result]


def run_all(
    jobs: Sequence[Job], data: TrialData, *, about: dict[str, Any], kept: Path, at_once: int
) -> list[dict[str, Any]]:
    """Run what `kept` does not hold yet; all results in the order of `jobs`, arm and seed among their entries.

    `about` says what all trainings share. Raises UserError where `kept` holds trainings under other conditions.
    """
    done = _read(kept, about)
    missing = [job for job in jobs if (job.arm, job.seed) not in done]
    context = get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=context, initializer=_take, initargs=(data,)) as pool:
        running = {pool.submit(_run, job): job for job in missing}
        for future in as_completed(running):
            job = running[future]
            done[job.arm, job.seed] = {"arm": job.arm, "seed": job.seed, **future.result()}
            write_whole(kept, json.dumps({"about": about, "runs": list(done.values())}, indent=1) + "\n")
            print(f"{len(done)}/{len(jobs)} {job.arm} seed {job.seed}: {_words(done[job.arm, job.seed])}", flush=True)
    return [done[job.arm, job.seed] for job in jobs]


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
    return job.run(_data)


def _read(kept: Path, about: dict[str, Any]) -> dict[tuple[str, int], Result]:
    if not kept.is_file():
        return {}
    content = json.loads(kept.read_text())
    if content["about"] != json.loads(json.dumps(about)):
        raise UserError(f"{kept} holds trainings under other conditions, {content['about']}; give another --json")
    return {(run["arm"], run["seed"]): run for run in content["runs"]}


def _words(result: Result) -> str:
    return result.get("diverged") or f"mIoU {result['miou']:.4f} in epoch {result['epoch']}, {result['seconds']:.0f} s"
