"""Which configurations an answer trains: the best trials of a search, and baselines to compare with."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from search.errors import StudyError
from search.selection.trainings import Training
from search.tuning.reading import StoredStudy
from search.tuning.record import TrialRecord, ranked
from spaces.config import TrialConfig
from spaces.facts import DataFacts
from spaces.presets import UnknownSpaceError, build_space
from spaces.schema import Config, Count

Baselines = Literal["default", "seeds", "none"]

DEFAULT = "default"


class System(Config):
    """A configuration that is trained from several seeds; `trial` is None for a baseline.

    `search_value` is the validation mIoU by which the search ranked the trial.
    """

    name: str
    config: TrialConfig
    trial: int | None = None
    search_value: float | None = None

    @property
    def words(self) -> str:
        """Its network, in a few words."""
        return self.config.model.words


class Asked(Config):
    """What decides an answer besides its systems: how many seeds, and what is tried on the validation part."""

    seeds: Count = 3
    ensemble: bool = True
    tta: bool = True
    calibrate: bool = True


class AnswerPlan(Config):
    """All that an answer depends on, apart from the data."""

    candidates: tuple[System, ...]
    baselines: tuple[System, ...]
    asked: Asked
    first_seed: int

    @property
    def systems(self) -> tuple[System, ...]:
        """Candidates and baselines."""
        return (*self.candidates, *self.baselines)

    @property
    def trainings(self) -> list[Training]:
        """Every training: all systems from the first seed, then all from the second."""
        return [
            Training(system=system.name, config=system.config.model_copy(update={"seed": self.first_seed + offset}))
            for offset in range(self.asked.seeds)
            for system in self.systems
            if offset < seeds_of(system, self.asked.seeds) and self.trained_as(system) == system
        ]

    def trained_as(self, system: System) -> System:
        """The first system of the same configuration: a baseline may be one of the best trials, too."""
        config = system.config.model_copy(update={"seed": self.first_seed})
        same = (other for other in self.systems if other.config.model_copy(update={"seed": self.first_seed}) == config)
        return next(same)

    @property
    def fingerprint(self) -> str:
        """sha256 of the plan: an answer is that of one plan."""
        return hashlib.sha256(self.to_yaml().encode()).hexdigest()


def seeds_of(system: System, seeds: int) -> int:
    """How many seeds a system is trained from: the systems of the reports, dozens, from one."""
    return seeds if system.trial is not None or system.name == DEFAULT else 1


def make_plan(study: StoredStudy, facts: DataFacts, *, top: int, baselines: Baselines, asked: Asked) -> AnswerPlan:
    """The plan of an answer to a search. Raises StudyError where no trial has trained.

    Seeds begin after the search's own: by that one its trials were chosen.
    """
    return AnswerPlan(
        candidates=tuple(best_systems(study, top)),
        baselines=tuple(baseline_systems(study, facts, baselines)),
        asked=asked,
        first_seed=study.spec.seed + 1,
    )


def best_systems(study: StoredStudy, top: int) -> list[System]:
    """The best `top` trials of different configurations, best first."""
    systems: list[System] = []
    for record in ranked(study.records):
        if len(systems) < top and all(record.config != system.config for system in systems):
            systems.append(
                System(
                    name=f"trial-{record.number}",
                    config=record.config,
                    trial=record.number,
                    search_value=record.best_value,
                )
            )
    if not systems:
        raise StudyError(
            f"no trial of {study.name} has finished an epoch yet, so there is nothing to choose from; let the search "
            "go on with the command that began it"
        )
    return systems


def baseline_systems(study: StoredStudy, facts: DataFacts, which: Baselines) -> list[System]:
    """What the answer is compared with, trained under the study's own budget. Raises StudyError."""
    if which == "none":
        return []
    points = {DEFAULT: default_config(study, facts)}
    if which == "seeds":
        points |= {name: point.config for name, point in build_space("seed_systems", facts).points.items()}
    return [System(name=name, config=under_budget(config, study)) for name, config in points.items()]


def default_config(study: StoredStudy, facts: DataFacts) -> TrialConfig:
    """The default point of the study's space."""
    tried = next((record for record in study.records if record.point == DEFAULT and record.config_data), None)
    if tried is not None:
        return tried.config
    try:
        return build_space(study.spec.space, facts).default
    except UnknownSpaceError as error:
        raise StudyError(
            f"the baseline is the default point of the study's space, which cannot be built: {error}. Give the command "
            "in the folder where the search was started, or --baselines none"
        ) from error


def under_budget(config: TrialConfig, study: StoredStudy) -> TrialConfig:
    """The configuration with the budget and the initial weights of the study's trials."""
    return config.model_copy(update={"budget": study.spec.budget, "pretrained": study.spec.pretrained})


def estimated_seconds(
    plan: AnswerPlan, records: Sequence[TrialRecord], macs: Mapping[str, int], *, default: tuple[float, int]
) -> dict[str, float]:
    """Seconds of a training of each system, at most: by the trial's own epochs, else by multiply-adds.

    `default` holds the measured seconds an epoch and the multiply-adds of the study's default point, `macs` those of
    systems that are no trial.
    """
    seconds_per_epoch, default_macs = default
    estimates = {}
    for system in plan.systems:
        epochs = system.config.budget.max_epochs
        if system.trial is not None:
            record = records[system.trial]
            each = record.seconds / max(1, len(record.curve))
        else:
            each = seconds_per_epoch * macs.get(system.name, default_macs) / default_macs
        estimates[system.name] = each * epochs
    return estimates
