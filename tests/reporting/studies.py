"""Studies for reports: single records by hand, and a study that looks as a real one does, with all its files."""

import math
import platform
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from search.data.audit import Audit, ClassCount
from search.data.split import SplitRecipe
from search.reporting.measurements import (
    Example,
    Importances,
    Latency,
    Measurements,
    NetworkCost,
    Validation,
    configuration_hash,
    file_hash,
    trials_hash,
    write_measurements,
)
from search.reporting.networks import TIMED_TRIALS
from search.reporting.validation import data_uri
from search.training.palette import colored
from search.tuning.asha import goes_on
from search.tuning.best import DataIdentity, best_config
from search.tuning.folder import AUDIT_NAME, BEST_NAME, append_run, create_folder
from search.tuning.importance import FEWEST_TRIALS, Importance
from search.tuning.reading import StoredStudy, read_study
from search.tuning.record import (
    CONFIG,
    CURVE,
    OVER_LIMIT,
    PASSED_RUNG,
    POINT,
    REASON,
    SAMPLED_BY,
    TrialRecord,
    best_of,
    ranked,
)
from search.tuning.spec import StudySpec
from search.tuning.storage import open_storage
from search.tuning.trial_folder import WEIGHTS_NAME, trial_folder
from spaces.domains import Choice, Domain, Float
from spaces.facts import DataFacts
from spaces.space import Params, SearchSpace
from spaces.unet_family import unet_family
from tests.spaces.sampling import draw, facts
from tests.tuning import made_up

NOON = datetime(2026, 3, 4, 12)

ODD_NAMES = ("background", "<script>alert(1)</script>", "<b>bold</b> & $x$", "quote \" and ' %{x}", "</script><i>")


def record(number: int, values: dict[int, float] | None = None, **changes: Any) -> TrialRecord:
    """A trial of these values by epoch, two seconds each, complete unless told otherwise."""
    values = values or {}
    curve = [{"epoch": epoch, "miou": value, "seconds": 2.0, "class_iou": [value]} for epoch, value in values.items()]
    fields = {
        "number": number,
        "state": "COMPLETE",
        "params": {},
        "values": values,
        "curve": curve,
        "config_data": {"number": number},
        "point": None,
        "sampled_by": "tpe",
        "reason": "",
        "retries": 0,
        "passed_rung": 0,
        "feasible": True,
        "refused": False,
        "started": NOON + timedelta(minutes=number),
    }
    return TrialRecord(**{**fields, **changes})


def real_spec(known: DataFacts, **changes: Any) -> StudySpec:
    return made_up.spec(
        **{
            "space": "unet_family", "data_name": "mars", "max_epochs": 27, "grace_epochs": 3, "patience": 13,
            "facts": known, "measured": made_up.measured(default_macs=100, default_parameters=100), **changes,
        }
    )  # fmt: skip


def quality(params: Params, generator: np.random.Generator) -> float:
    """What a configuration reaches: the learning rate counts most, then the width, then the normalization."""
    algorithm = params["optimizer"]
    rate = float(params[f"optimizer.{algorithm}.learning_rate"])
    off = (math.log10(rate) + 2.7) ** 2
    width = math.log2(float(params["model.width"])) / 30
    norm = {"batch": 0.05, "group": 0.04}.get(str(params["model.norm"]), 0.0)
    return max(0.05, 0.45 + width + norm - 0.09 * off + generator.normal(0, 0.01))


def curve(reached: float, epochs: int, classes: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    found = []
    for epoch in range(1, epochs + 1):
        miou = float(np.clip(reached * (1 - 0.7 * 0.8**epoch) + generator.normal(0, 0.004), 0.01, 0.99))
        shares = [None, *np.clip(miou + np.linspace(0.2, -0.2, classes - 1), 0.01, 0.99).tolist()]
        found.append(
            {
                "epoch": epoch, "miou": miou, "class_iou": shares, "readings": {}, "train_loss": 1 / epoch,
                "learning_rate": 0.001, "seconds": 4.0 + float(generator.random()), "threads": 1,
            }
        )  # fmt: skip
    return found


def distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.labels)
    if isinstance(domain, Float):
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    return IntDistribution(domain.low, domain.high, log=domain.log, step=domain.step)


def write_study(
    folder: Path,
    *,
    trials: int = 40,
    seed: int = 0,
    class_names: tuple[str, ...] | None = None,
    all_pruned: bool = False,
    running: bool = False,
    pictures: bool = False,
    measured: bool = True,
) -> Path:
    """Write a study of `unet_family` on made-up curves, with pruning, refusals and failures.

    `measured`: with made-up costs, which take seconds to measure. `pictures`: with made-up predictions.
    """
    known = facts() if class_names is None else facts(class_names=class_names)
    space = unet_family(known)
    study_spec = real_spec(known)
    create_folder(folder)
    study_spec.write(folder)
    url = f"journal://{folder / 'study.journal'}"  # a file of lines: a database takes a second for three trials
    append_run(folder, {"started": "2026-03-04T12:00:00+00:00", "data": str(folder / "gone.npz"), "storage": url})
    (folder / AUDIT_NAME).write_text(audit(known).to_json())
    study = optuna.create_study(study_name=folder.name, storage=open_storage(url), direction="maximize")
    generator = np.random.default_rng(seed)
    made = Maker(space, study_spec, generator, all_pruned=all_pruned)
    study.add_trials([made.trial(number) for number in range(trials)])
    if running and trials:
        study.add_trial(made.running(trials))
    finish(folder)
    if measured:
        write_measurements(folder, made_up_measurements(read_study(folder), pictures=pictures))
    return folder


class Maker:
    """Trials of a space one after the other, pruned by ASHA's own rule."""

    def __init__(self, space: SearchSpace, spec: StudySpec, generator: np.random.Generator, *, all_pruned: bool):
        self._space, self._spec, self._generator, self._all_pruned = space, spec, generator, all_pruned
        self._at_rung: dict[int, list[float]] = {rung: [] for rung in spec.rungs}
        self._started = NOON

    def _point(self) -> tuple[Params, dict[str, BaseDistribution]]:
        known: dict[str, BaseDistribution] = {}

        def suggest(name: str, domain: Domain):
            known[name] = distribution(domain)
            return draw(domain, self._generator)

        return self._space.sample(suggest), known

    def trial(self, number: int) -> optuna.trial.FrozenTrial:
        params, known = self._point()
        attributes = {
            CONFIG: self._space.decode(params, budget=self._spec.budget).model_dump(mode="json"),
            SAMPLED_BY: "tpe" if number else "named point",
            **({POINT: "default"} if number == 0 else {}),
        }
        if number % 9 == 5:
            attributes[REASON] = f"{number}.25 M parameters are over the limit of 5.00 M"
            return create_trial(
                state=TrialState.PRUNED, params=params, distributions=known, user_attrs=attributes,
                constraints={OVER_LIMIT: 1.0},
            )  # fmt: skip
        if number % 13 == 7:
            attributes[REASON] = "Traceback (most recent call last):\n  File <model>\nRuntimeError: a <b>bug</b>"
            return create_trial(state=TrialState.FAIL, params=params, distributions=known, user_attrs=attributes)
        reports, passed, stopped = self._train(quality(params, self._generator))
        attributes |= {
            CURVE: reports,
            PASSED_RUNG: passed,
            REASON: f"pruned at rung {stopped}" if stopped else "trained",
        }
        values = {report["epoch"]: report["miou"] for report in reports}
        made = create_trial(
            state=TrialState.PRUNED if stopped else TrialState.COMPLETE, params=params, distributions=known,
            user_attrs=attributes, intermediate_values=values, value=max(values.values()),
        )  # fmt: skip
        return self._timed(made, sum(report["seconds"] for report in reports))

    def running(self, number: int) -> optuna.trial.FrozenTrial:
        params, known = self._point()
        reports = curve(0.4, 2, self._spec.facts.classes, self._generator)
        config = self._space.decode(params, budget=self._spec.budget).model_dump(mode="json")
        made = create_trial(
            state=TrialState.RUNNING, params=params, distributions=known,
            user_attrs={CONFIG: config, SAMPLED_BY: "near the best", CURVE: reports},
            intermediate_values={report["epoch"]: report["miou"] for report in reports},
        )  # fmt: skip
        return self._timed(made, 8.0)

    def _train(self, reached: float) -> tuple[list[dict[str, Any]], int, int]:
        """The reports of a trial, the last rung that it passed, and the one at which it stopped (0: none)."""
        reports = curve(reached, self._spec.max_epochs, self._spec.facts.classes, self._generator)
        passed = 0
        for rung in self._spec.rungs:
            best = max(report["miou"] for report in reports[:rung])
            others = self._at_rung[rung]
            if self._all_pruned or not goes_on(best, others, self._spec.reduction_factor):
                others.append(best)
                return reports[:rung], passed, rung
            others.append(best)
            passed = rung
        return reports, passed, 0

    def _timed(self, trial: optuna.trial.FrozenTrial, seconds: float) -> optuna.trial.FrozenTrial:
        trial.datetime_start = self._started
        self._started += timedelta(seconds=seconds)
        if trial.state.is_finished():
            trial.datetime_complete = self._started
        return trial


def audit(known: DataFacts) -> Audit:
    return Audit(
        fingerprint="d", images=420, smallest=(64, 128), largest=(64, 128), channels=1, groups=70,
        outliers=("<img src=x>", "demo_2"), removed_hash="r", duplicates=(("a", "b"),), empty=(),
        classes=tuple(
            ClassCount(name=name, label=index, pixels=pixels, images=images, ignored=index in known.ignored)
            for index, (name, pixels, images) in enumerate(
                zip(known.class_names, known.class_pixels, known.class_images, strict=True)
            )
        ),
        void_pixels=100, warnings=("only 6 images hold <i>the rare class</i>",),
    )  # fmt: skip


IDENTITY = DataIdentity(
    name="mars", fingerprint="d", removed=0, removed_hash="r", split_fingerprint="p", input_size=(64, 128),
    split=SplitRecipe(rule="groups", fractions=(0.6, 0.2, 0.2), seed=0),
)  # fmt: skip


def finish(folder: Path) -> None:
    """Write the best.yaml of a search that has ended."""
    best = best_of(read_study(folder).records)
    if best is not None:
        (folder / BEST_NAME).write_text(best_config(folder.name, best, IDENTITY).to_yaml())


def made_up_measurements(study: StoredStudy, *, pictures: bool) -> Measurements:
    """Costs that rise with the width of the network; with `pictures` the best trial has weights, and predictions."""
    costs, latencies, trials = {}, {}, ranked(study.records)
    for place, trial in enumerate(trials):
        width, configuration = trial.config.model.width, configuration_hash(trial)
        costs[trial.number] = NetworkCost(
            configuration=configuration, parameters=3000 * width**2 + trial.number, macs=200_000 * width**2
        )
        if place < TIMED_TRIALS:
            seconds = 0.002 + 0.0005 * width
            latencies[trial.number] = Latency(
                configuration=configuration,
                seconds=seconds,
                threads=torch.get_num_threads(),
                machine=platform.node(),
            )
    validation = None
    if pictures and trials:
        weights = trial_folder(study.folder, trials[0].number) / WEIGHTS_NAME
        weights.parent.mkdir(parents=True)
        weights.write_bytes(b"weights")
        validation = made_up_validation(trials[0].number, file_hash(weights), study.spec.facts)
    shares = [
        Importance(name=name, mean=0.3 / place, spread=0.03, trials=len(trials))
        for place, name in enumerate(DECISIVE, 1)
    ]
    known = Importances(
        trials=trials_hash(study.records), entries=tuple(shares if len(trials) >= FEWEST_TRIALS else ())
    )
    return Measurements(
        identity=study.spec.identity_hash,
        costs=costs,
        latencies=latencies,
        importances=known,
        validation=validation,
    )


DECISIVE = (
    *("optimizer", "model.dropout", "augment.strength", "model.width", "model.norm", "optimizer.schedule"),
    *("loss.dice.u", "model.bottleneck", "augment.mixing"),
)
"""Parameters whose importance is made up: more than figures show, a pair of numbers, one that not every trial has."""


def made_up_validation(trial: int, weights: str, known: DataFacts) -> Validation:
    generator = np.random.default_rng(1)
    confusion = generator.integers(0, 400, (known.classes, known.classes)) + 3000 * np.eye(known.classes, dtype=int)
    return Validation(
        trial=trial, weights=weights, confusion=tuple(tuple(row) for row in confusion.tolist()), counted=30,
        worst=tuple(example(index, 0.1 + 0.05 * index, generator) for index in range(4)),
        best=tuple(example(index, 1.0 - 0.02 * index, generator) for index in range(4)),
    )  # fmt: skip


def example(index: int, miou: float, generator: np.random.Generator) -> Example:
    truth = generator.integers(0, 5, (4, 8)).astype(np.uint8).repeat(32, 0).repeat(32, 1)
    predicted = np.roll(truth, 20, axis=1)
    grey = np.repeat(generator.integers(0, 255, (128, 256, 1), dtype=np.uint8), 3, axis=2)
    return Example(
        stem=f"<tile_{index}>", miou=miou, wrong=1 - miou, image=data_uri(grey), truth=data_uri(colored(truth)),
        prediction=data_uri(colored(predicted)), differing=data_uri(grey // 3),
    )  # fmt: skip
