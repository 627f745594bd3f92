"""The answer of a search: what was chosen, and what it reaches on the locked test part. Read by exports and reports."""

from pathlib import Path

from search.errors import StudyError
from search.files import write_whole
from spaces.schema import Config

ANSWER_FOLDER = "answer"
ANSWER_NAME = "answer.json"
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

    `plan` is the fingerprint of what was measured: the same answer, cut off and continued, is one look.
    """

    time: str
    systems: int
    reopened: str | None = None
    plan: str = ""


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


class Answer(Config):
    """What `search.answer` found.

    `trial` is the chosen configuration's. `search_value` is the mIoU by which the search ranked it, `retrained` the
    validation mIoU of the same configuration from other seeds: the difference of the first and the mean of the others
    is how optimistic the search was. `seed_noise` is the standard deviation between seeds of one configuration, pooled
    over the retrained ones, None with one seed; `seed_noise_range` is the 95 % interval of that deviation. `test` is
    None where the data has no test part. `plan` is the fingerprint of what was trained and tried.
    """

    study: str
    trial: int
    search_value: float
    retrained: tuple[float, ...]
    seed_noise: float | None
    candidates: tuple[Candidate, ...]
    chosen: str
    validation: float
    openings: tuple[Opening, ...]
    test: LockedTest | None
    class_names: tuple[str, ...]
    refitted: bool = False
    seed_noise_range: tuple[float, float] | None = None
    plan: str = ""

    @property
    def optimism(self) -> float:
        """The search's own best value minus the mean of the retrained ones."""
        return self.search_value - sum(self.retrained) / len(self.retrained)


def answer_folder(study_folder: Path) -> Path:
    """Where the answer of a study is, or will be."""
    return study_folder / ANSWER_FOLDER


def write_answer(study_folder: Path, answer: Answer) -> None:
    """Write `answer/answer.json`, whole or not at all."""
    write_whole(answer_folder(study_folder) / ANSWER_NAME, answer.model_dump_json(indent=2))


def read_answer(study_folder: Path) -> Answer | None:
    """The answer of the study in `study_folder`, None where there is none yet. Raises StudyError."""
    path = answer_folder(study_folder) / ANSWER_NAME
    try:
        return Answer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StudyError(f"{path} is not an answer of this version of the tool: {error}") from error
