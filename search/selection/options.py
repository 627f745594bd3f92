"""The options of `python -m search.answer`, and the rules that they must obey. Imports nothing heavy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from search.errors import UserError
from search.tuning.folder import DEFAULT_RESULTS
from search.tuning.options import Executor, Flag, parse_concurrency, parse_duration, parse_gpu_share
from search.tuning.study_options import ResultsOption, StorageOption, StudyArgument


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """Train the best trials of a study again, choose on validation, measure once on the locked test part.

    Ctrl-C ends it cleanly; the same command continues it. What comes out is in STUDY/answer.
    """

    study: StudyArgument

    top_k: int = 5
    """How many of the best trials are trained again."""

    seeds: int = 3
    """From how many new seeds each of them is trained."""

    baselines: Literal["default", "seeds", "none"] = "default"
    """What the answer is compared with on the test part: the space's default configuration, as often trained; or the
    systems of the two reports too, each trained once, dozens; or nothing."""

    ensemble: bool = True
    """Try an ensemble of the networks; it is the answer only where it beats the best of them on validation."""

    tta: bool = True
    """Try to predict flipped images too, and to take the mean."""

    calibrate: bool = True
    """Fit a temperature to each network, so that probabilities mean what they say."""

    time_budget: Annotated[str | None, tyro.conf.arg(metavar="TIME", help_behavior_hint="")] = None
    """Time for the training of this run, such as 20m or 1.5h; the next run continues it. Default: until it is done."""

    reopen: Flag = False
    """Measure on the test part again, though it was opened before. That is recorded, and shown from then on."""

    refit: Flag = False
    """Train the chosen configuration once more on all labelled data, for use. The number stays the one measured."""

    dry_run: Flag = False
    """Print what would be trained and how long that takes, and start nothing."""

    data: Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")] = None
    """The data of the study, anywhere. Default: where its last run found it."""

    pretrained: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """The safetensors file that the study's networks started from. Default: where its last run found it."""

    executor: Executor = "ray"
    """ray: several trainings at once. local: one after the other in this process."""

    concurrency: str = "auto"
    """Trainings at once: auto, or a number."""

    gpus_per_trial: str = "auto"
    """Share of a GPU for each training, such as 0.5. auto: as the study measured."""

    results: ResultsOption = DEFAULT_RESULTS

    storage: StorageOption = None

    def check(self) -> None:
        """Raise UserError for values that nothing could run with."""
        for name, value in (("--top-k", self.top_k), ("--seeds", self.seeds)):
            if value < 1:
                raise UserError(f"{name} must be at least 1, got {value}")
        _ = (self.seconds, self.trials_at_once, self.gpu_share)  # each raises what it refuses

    @property
    def seconds(self) -> float | None:
        """Seconds for the trainings of this run, None for no limit."""
        return None if self.time_budget is None else parse_duration(self.time_budget)

    @property
    def trials_at_once(self) -> int | None:
        """Trainings at once, None for automatic."""
        return 1 if self.executor == "local" else parse_concurrency(self.concurrency)

    @property
    def gpu_share(self) -> float | None:
        """Share of a GPU a training, None for automatic."""
        return parse_gpu_share(self.gpus_per_trial)
