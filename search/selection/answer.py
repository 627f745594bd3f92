"""The answer of a search: what was chosen, and what it reaches on the locked test part. Read by exports and reports."""

from itertools import count
from pathlib import Path
from statistics import fmean
from typing import Annotated

from pydantic import Field

from search.errors import StudyError
from search.files import write_whole
from spaces.schema import Config

ANSWER_FOLDER = "answer"
ANSWER_NAME = "answer.json"
EARLIER_NAME = "earlier-{}.json"
PREDICTOR_FOLDER, REFITTED_FOLDER = "predictor", "refitted"
"""In a study's folder: `answer/answer.json`, `answer/predictor/` with `predictor.yaml` and its weights, which is what
was measured, and `answer/refitted/`, of the same form, trained once more on all labelled data.
"""

FEWEST_GROUPS = 5
"""With fewer groups there is no interval (decision 0019)."""


class Interval(Config):
    """A value with the interval that holds the true one in 95 of 100 such tests; None where none can be given."""

    value: float
    low: float | None = None
    high: float | None = None


class ClassScore(Config):
    """A class on the test part. `groups` counts those whose truth holds it: under five there is no interval.

    `iou` is None where the test truth does not hold the class, or the objective ignores it.
    """

    name: str
    groups: int
    iou: Interval | None


class SystemScore(Config):
    """One system on the test part: the chosen one, the ensemble, a baseline.

    `miou` is that of the predictor, or the mean over `seeds`, the mIoU of each network trained from another seed (empty
    where there is but one predictor). `validation` is the mean on the validation part.
    """

    name: str
    words: str
    miou: Interval
    classes: tuple[ClassScore, ...]
    readings: dict[str, float]
    seeds: tuple[float, ...] = ()
    validation: float

    @property
    def thin(self) -> tuple[str, ...]:
        """Classes of the mean in so few groups that these alone decide a good part of the mIoU: say so beside it."""
        return tuple(each.name for each in self.classes if each.iou is not None and each.groups < FEWEST_GROUPS)


class Difference(Config):
    """How much better the answer is than a baseline, on the same images of the test part."""

    against: str
    difference: Interval

    @property
    def tells_apart(self) -> bool:
        """Whether the interval leaves zero out."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and not low <= 0 <= high


class Opening(Config):
    """One look at the locked test part. `reopened` is what --reopen was needed for, None at the first.

    `plan` is the fingerprint of what was measured: the same answer, cut off and continued, is one look. `miou` is what
    the answer reached; None until that was seen.
    """

    time: str
    systems: int
    reopened: str | None = None
    plan: str = ""
    miou: float | None = None


class LockedTest(Config):
    """What was measured on the locked test part. `systems[0]` is the predictor that is exported."""

    images: int
    groups: int
    systems: tuple[SystemScore, ...]
    differences: tuple[Difference, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Of the exported predictor: rows truth, columns prediction, pixels."""


class Candidate(Config):
    """A predictor that was tried on the validation part, and its mIoU there."""

    name: str
    words: str
    miou: float


class SearchBest(Config):
    """The best trial of a search: the validation mIoU `value` by which it came first, and `retrained`, from new seeds.

    Whether another trial is chosen in the end or not: among the retrained values the chosen one's are lucky, too.
    """

    trial: int
    value: float
    retrained: Annotated[tuple[float, ...], Field(min_length=1)]

    @property
    def optimism(self) -> float:
        """How much the search promised too much."""
        return self.value - fmean(self.retrained)


class Answer(Config):
    """What `search.answer` found.

    `trial` is the chosen configuration's, `retrained` its validation mIoU from new seeds. `search_best` is None where
    the search's best trial could not be trained again. `seed_noise` is the standard deviation between seeds of one
    configuration, pooled over the retrained ones, None with one seed; `seed_noise_range` is the 95 % interval of that
    deviation. `failed` says which trainings failed, and how. `test` is None where the data has no test part. `plan` is
    the fingerprint of what was trained and tried.
    """

    study: str
    trial: int
    retrained: tuple[float, ...]
    search_best: SearchBest | None
    seed_noise: float | None
    candidates: tuple[Candidate, ...]
    chosen: str
    validation: float
    openings: tuple[Opening, ...]
    test: LockedTest | None
    class_names: tuple[str, ...]
    refitted: bool = False
    seed_noise_range: tuple[float, float] | None = None
    failed: tuple[str, ...] = ()
    plan: str = ""

    @property
    def seed_noise_words(self) -> str:
        """`0.0141 (95 % interval 0.0070 to 0.0900)`."""
        if self.seed_noise is None:
            return "unknown"
        text = f"{self.seed_noise:.4f}"
        if self.seed_noise_range is None:
            return text
        low, high = self.seed_noise_range
        return f"{text} (95 % interval {low:.4f} to {high:.4f})"


def answer_folder(study_folder: Path) -> Path:
    """Where the answer of a study is, or will be."""
    return study_folder / ANSWER_FOLDER


def write_answer(study_folder: Path, answer: Answer) -> None:
    """Write `answer/answer.json`, whole or not at all."""
    write_whole(answer_folder(study_folder) / ANSWER_NAME, answer.model_dump_json(indent=2))


def set_aside_answer(study_folder: Path) -> None:
    """Rename the answer before another one takes its place: beside new networks its numbers would be wrong."""
    folder = answer_folder(study_folder)
    if (folder / ANSWER_NAME).is_file():
        number = next(number for number in count(1) if not (folder / EARLIER_NAME.format(number)).exists())
        (folder / ANSWER_NAME).rename(folder / EARLIER_NAME.format(number))


def read_answer(study_folder: Path) -> Answer | None:
    """The answer of the study in `study_folder`, None where there is none yet. Raises StudyError."""
    path = answer_folder(study_folder) / ANSWER_NAME
    try:
        return Answer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StudyError(f"{path} is not an answer of this version of the tool: {error}") from error
