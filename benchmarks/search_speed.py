"""What a search gets done in the same time: ours against stock Ray Tune (OptunaSearch, ASHAScheduler).

    uv run python benchmarks/search_speed.py --data PATH --time-budget 20m --json FILE --to docs/performance.md

Stock Ray Tune runs around the ordinary loop of `ordinary_loop.py`. Space, data, split, cores, trials at once, epochs,
rungs and the limit of a network's cost are ours. Ours runs twice: as it is, and without the default and the named
points, which stock Ray Tune does not have either. The budget counts from where Ray runs: reading the data is outside of
it, and in ours the probe and the import of torch too; `seconds` counts all. A trial that the time cuts off at a rung
which it passed counts as ended in both. Needs a machine that does nothing else for three times the budget.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from benchmarks.document import check_section, write_section
from benchmarks.speed_arms import machine
from benchmarks.trainings import today
from search.command import run_command
from search.files import write_whole
from search.tuning.reading import read_study
from search.tuning.spec import StudySpec

OURS, UNAIDED, STOCK = "ours", "ours, no warm start", "stock Ray Tune"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Compare two searches at equal wall-clock."""

    data: Path | None = None
    """An npz file or a folder. Default: the demo set."""

    space: str = "unet_family"
    """The space of all searches."""

    time_budget: str = "20m"
    """Time of each search."""

    seed: int = 0
    """Seed of all searches."""

    folder: Path | None = None
    """Where the searches are kept: those that are there already are not repeated. Default: nowhere."""

    json: Path | None = None
    """Where to write all figures."""

    to: Path | None = None
    """The page whose section `search speed` is written anew."""


def main() -> None:
    """Search three times, compare."""
    options = tyro.cli(Options)
    check_section(options.to, "search speed")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) if options.folder is None else options.folder
        arms = {OURS: kept(folder / "ours", lambda results: search(options, results, []))}
        study = folder / "ours" / "study"
        spec = read_study(study).spec
        unaided = ["--no-warm-start", *same_training(spec)]
        arms[UNAIDED] = kept(folder / "unaided", lambda results: search(options, results, unaided))
        arms[STOCK] = kept(folder / "stock", lambda results: stock(options, study, results))
    about = {**machine(), "date": today(), "space": options.space, "budget": options.time_budget}
    text = section(arms, about, spec)
    print(text)
    if options.json is not None:
        options.json.write_text(json.dumps({"about": about, "arms": arms}, indent=1) + "\n")
    if options.to is not None:
        write_section(options.to, "search speed", text)


def kept(results: Path, measure: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """What came of the search in `results`, which is done anew where it was cut off."""
    arm = results / "arm.json"
    if not arm.exists():
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir(parents=True)
        write_whole(arm, json.dumps(measure(results)))
    found = json.loads(arm.read_text())
    print(f"{results.name}: {words(found)}", flush=True)
    return found


def search(options: Options, results: Path, more: list[str]) -> dict[str, Any]:
    """Our search, as its command runs it."""
    command = [sys.executable, "-m", "search.run", "--space", options.space, "--time-budget", options.time_budget]
    command += ["--seed", str(options.seed), "--results", str(results), "--study", "study", *more]
    command += [] if options.data is None else ["--data", str(options.data)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    study = read_study(results / "study")
    trained = [record for record in study.records if record.values]
    trials = [
        {"epochs": record.epochs, "best": record.best_value, "ended": record.state in ("COMPLETE", "PRUNED")}
        for record in trained
    ]
    return measured(trials, seconds)


def same_training(spec: StudySpec) -> list[str]:
    """Options for what the first search has measured."""
    measured = spec.measured
    modes = ["--precision", measured.precision, "--layout", measured.layout]
    limit = [] if spec.macs_limit is None else ["--max-macs", str(spec.macs_limit)]
    return ["--max-epochs", str(spec.max_epochs), "--grace-epochs", str(spec.grace_epochs), *modes, *limit]


def stock(options: Options, study: Path, folder: Path) -> dict[str, Any]:
    """Stock Ray Tune with the epochs, rungs and trials at once of our study, in a process of its own, as ours is."""
    command = [sys.executable, "-m", "benchmarks.stock_search", "--study", str(study), "--folder", str(folder)]
    command += ["--time-budget", options.time_budget]
    command += [] if options.data is None else ["--data", str(options.data)]
    environment = {
        **os.environ,
        "RAY_worker_niceness": "0",  # Ray's workers have a low priority, ours the usual one
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a network that is refused reports none
    }
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    seconds = time.perf_counter() - started
    return measured(json.loads((folder / "trials.json").read_text()), seconds)


def measured(trials: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """What came of a search."""
    return {
        "seconds": round(seconds),
        "ended": sum(trial["ended"] for trial in trials),
        "begun": len(trials),
        "epochs": sum(trial["epochs"] for trial in trials),
        "best": max((trial["best"] for trial in trials), default=None),
        "trials": trials,
    }


def words(arm: dict[str, Any]) -> str:
    """One search, as a line of the terminal."""
    best = "none" if arm["best"] is None else f"{arm['best']:.4f}"
    return f"{arm['ended']} trials ended of {arm['begun']}, {arm['epochs']} epochs, best {best}, {arm['seconds']} s"


def section(arms: dict[str, dict[str, Any]], about: dict[str, Any], spec: StudySpec) -> str:
    """The table as Markdown."""
    lines = [
        f"Measured {about['date']} with `benchmarks/search_speed.py` on {about['device']}, {about['cores']} cores, "
        f"torch {about['torch']}: {about['budget']} each on `{about['space']}`, one seed, {spec.max_epochs} epochs, "
        f"rungs at {', '.join(map(str, spec.rungs))}.",
        "",
        "| search | trials ended | trials begun | epochs | best validation mIoU | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name, arm in arms.items():
        best = "" if arm["best"] is None else f"{arm['best']:.4f}"
        cells = [name, arm["ended"], arm["begun"], arm["epochs"], best, arm["seconds"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_command(main)
