"""What an export is made from: the study's answer, its best trial, or another one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from search.data.audit import Audit
from search.errors import StudyError
from search.selection.answer import PREDICTOR_FOLDER, REFITTED_FOLDER, Answer, answer_folder
from search.selection.opening import given_answer, openings_of
from search.selection.predictor import Member, Predictor, read_predictor
from search.selection.tasks import NETWORK
from search.tuning.best import BestConfig, best_config, read_best
from search.tuning.folder import AUDIT_NAME, BEST_NAME
from search.tuning.reading import StoredStudy
from search.tuning.record import TrialRecord, best_of, ranked
from search.tuning.trial_folder import WEIGHTS_NAME, trial_folder
from spaces.config import TrialConfig


@dataclass(frozen=True, kw_only=True)
class Export:
    """What a package is made from.

    `weights` says under which name each file of weights goes into it; `predictor` has these names. `answer` is that of
    the study where the predictor is the one it chose, else None; `openings` counts how often the study's locked test
    part was opened, whoever predicts.
    """

    study: StoredStudy
    best: BestConfig
    predictor: Predictor
    weights: Mapping[Path, str]
    audit: Audit | None
    answer: Answer | None = None
    openings: int = 0


def plan_export(
    study: StoredStudy, number: int | None = None, *, refitted: bool = False, storage: str | None = None
) -> Export:
    """What an export holds: the study's answer; trial `number`; or, without both, the best trial. Raises StudyError.

    `storage` is where the study's trials are, if not where its last run had them. `refitted`: the answer's
    configuration, trained once more on all labelled data. One network is `best.safetensors`. Of several, the one that
    counts most among those of the network in `best.yaml` has that name, and the others keep theirs.
    """
    answer = given_answer(study.folder, storage)
    if refitted:
        answer = refitted_answer(study, answer, number)
    openings = len(openings_of(study.folder, storage) if answer is None else answer.openings)
    if number is not None or answer is None:
        record = best_trial(study) if number is None else trained_trial(study, number)
        weights = kept_weights(study, record)
        member = Member(config=record.config, weights=WEIGHTS_NAME, origin=f"trial {record.number}")
        predictor, files, answer = Predictor(members=(member,)), {weights: WEIGHTS_NAME}, None
        best = exported_best(study, record)
    else:
        best = answered_best(study)
        folder = answer_folder(study.folder) / (REFITTED_FOLDER if refitted else PREDICTOR_FOLDER)
        predictor, files = renamed(read_predictor(folder), folder, best.config)
        check_there(files)
    return Export(
        study=study,
        best=best,
        predictor=predictor,
        weights=files,
        audit=read_audit(study.folder),
        answer=None if answer is None else answer.model_copy(update={"refitted": refitted}),
        openings=openings,
    )


def refitted_answer(study: StoredStudy, answer: Answer | None, number: int | None) -> Answer:
    """The answer as it stands for its configuration trained on all labelled data: measured was the single network.

    Raises StudyError where there is no such network, and where another one is asked for too.
    """
    if number is not None:
        raise StudyError("--refitted exports the answer's configuration, and --trial N a trial: give one of them")
    if answer is None or not answer.refitted:
        raise StudyError(
            f"{study.name} has no network that was trained on all labelled data; uv run python -m search.answer "
            f"{study.name} --refit trains it"
        )
    if answer.chosen == NETWORK:
        return answer
    validation = max(candidate.miou for candidate in answer.candidates if candidate.name == NETWORK)
    test = answer.test
    if test is not None:
        systems = sorted(test.systems, key=lambda system: system.name != NETWORK)
        test = test.model_copy(update={"systems": tuple(systems), "differences": ()})
    return answer.model_copy(update={"chosen": NETWORK, "validation": validation, "test": test})


def answered_best(study: StoredStudy) -> BestConfig:
    """The `best.yaml` of the answer: of the chosen configuration's best network. Raises StudyError."""
    best = read_best(answer_folder(study.folder) / BEST_NAME)
    check_form(study, best)
    return best


def check_form(study: StoredStudy, known: BestConfig) -> None:
    """Raise StudyError where a `best.yaml` does not say how images become what networks see."""
    if known.data.form is None:
        raise StudyError(
            f"{study.folder / BEST_NAME} is from before it recorded how images become what networks see, which a "
            "package needs; give the command of the search again: it writes the file anew, and trains nothing if the "
            "study is finished"
        )


def exported_best(study: StoredStudy, record: TrialRecord) -> BestConfig:
    """The `best.yaml` of a trial. Raises StudyError where the study does not know enough of its data."""
    known = read_identity(study)
    check_form(study, known)
    best = best_config(known.study, record, known.data)
    return best.model_copy(update={"versions": known.versions})


def renamed(predictor: Predictor, folder: Path, config: TrialConfig) -> tuple[Predictor, dict[Path, str]]:
    """The predictor in `folder` with the names that its files get, and these by file."""
    counted = [member.share for member in predictor.members if member.config == config]
    members, files = [], {}
    for member in predictor.members:
        own = member.config == config and member.share == max(counted)
        first = own and WEIGHTS_NAME not in files.values()
        name = WEIGHTS_NAME if first or len(predictor.members) == 1 else other_name(member.weights)
        name = files.setdefault(folder / member.weights, name)
        members.append(member.model_copy(update={"weights": name}))
    return predictor.model_copy(update={"members": tuple(members)}), files


def other_name(name: str) -> str:
    """The name of a file of weights that is not the one of `best.yaml`."""
    return f"other-{name}" if name == WEIGHTS_NAME else name


def check_there(files: Mapping[Path, str]) -> None:
    """Raise StudyError where a file of the answer's weights is missing."""
    if missing := [path for path in files if not path.is_file()]:
        raise StudyError(
            f"the study's answer needs {missing[0]}, which is not there; bring it back, or export one trial with "
            "--trial N"
        )


def read_audit(folder: Path) -> Audit | None:
    """The audit of the study's data, None where the folder holds none that can be read."""
    try:
        return Audit.model_validate_json((folder / AUDIT_NAME).read_bytes())
    except (OSError, ValueError):
        return None


def check_empty(target: Path) -> None:
    """Raise StudyError unless `target` is a folder that is new or empty."""
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists():
        what = "is not empty" if target.is_dir() else "is a file"
        raise StudyError(f"--to needs a new or an empty folder, so that nothing is overwritten; {target} {what}")


def best_trial(study: StoredStudy) -> TrialRecord:
    """The best trial. Raises StudyError where none has finished an epoch."""
    best = best_of(study.records)
    if best is None:
        raise StudyError(
            f"no trial of {study.name} has finished an epoch yet, so there is nothing to export; let the search go on "
            "with the command that began it"
        )
    return best


def trained_trial(study: StoredStudy, number: int) -> TrialRecord:
    """The trial `number`. Raises StudyError where there is none, or it never finished an epoch."""
    count = len(study.records)
    if not 0 <= number < count:
        has = f"has the trials 0 to {count - 1}" if count else "has no trials yet"
        raise StudyError(f"there is no trial {number}: {study.name} {has}")
    record = study.records[number]
    if record.best_value is None:
        reason = record.reason.strip().splitlines()[-1] if record.reason.strip() else record.state.lower()
        raise StudyError(f"trial {number} never finished an epoch ({reason}); choose another --trial")
    return record


def kept_weights(study: StoredStudy, record: TrialRecord) -> Path:
    """The weights of a trial. Raises StudyError where they were deleted, naming the trials that still have theirs."""
    path = _weights(study, record)
    if path.is_file():
        return path
    kept = [str(other.number) for other in ranked(study.records) if _weights(study, other).is_file()]
    raise StudyError(
        f"weights are kept for the best trials only (--keep of the search), and those of trial {record.number} are not "
        f"there; kept are, best first: {', '.join(kept) or 'none'}. Export one of these with --trial"
    )


def read_identity(study: StoredStudy) -> BestConfig:
    """The study's own best.yaml, which knows data and split. Raises StudyError where the search was cut before it."""
    path = study.folder / BEST_NAME
    if not path.is_file():
        raise StudyError(
            f"{path} is written when a search ends, and is not there yet; continue the search until it ends, or end it "
            "with Ctrl-C"
        )
    return read_best(path)


def _weights(study: StoredStudy, record: TrialRecord) -> Path:
    return trial_folder(study.folder, record.number) / WEIGHTS_NAME
