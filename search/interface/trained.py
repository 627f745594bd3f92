"""What predicts, where its weights are, and what must be known of the data that it was trained on. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path

from search.data.form import DataForm
from search.errors import StudyError
from search.interface.study import Study
from search.selection.answer import PREDICTOR_FOLDER, answer_folder
from search.selection.export import best_trial, kept_weights, trained_trial
from search.selection.package.contents import PREPROCESSING_NAME, read_preprocessing
from search.selection.predictor import PREDICTOR_NAME, Member, Predictor, read_predictor
from search.tuning.best import BestConfig, read_best
from search.tuning.folder import BEST_NAME
from search.tuning.trial_folder import WEIGHTS_NAME
from spaces.config import TrialConfig


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A predictor, the folder of its weights, the form of its data, and the size (height, width) of its training.

    `words` says where it comes from.
    """

    predictor: Predictor
    folder: Path
    form: DataForm
    input_size: tuple[int, int]
    words: str


def is_export(folder: Path) -> bool:
    """Whether `folder` is what `search.export` or `search.train` writes, not a study."""
    written = (WEIGHTS_NAME, PREDICTOR_NAME)
    return (folder / BEST_NAME).is_file() and any((folder / name).is_file() for name in written)


def trained_in(folder: Path, trial: int | None = None) -> Trained:
    """What was exported to `folder`, or trained there.

    Raises StudyError where another `trial` is asked for than the one that is there.
    """
    best = read_best(folder / BEST_NAME)
    if trial not in (None, best.trial):
        raise StudyError(f"{folder} holds trial {best.trial} of {best.study} alone; trial {trial} is in its study")
    words = f"trial {best.trial} of {best.study}"
    packaged = (folder / PREDICTOR_NAME).is_file() and (folder / PREPROCESSING_NAME).is_file()
    return Trained(
        predictor=read_predictor(folder) if packaged else one_network(best.config, words),
        folder=folder,
        form=read_preprocessing(folder).form if packaged else form_of(best),
        input_size=best.data.input_size,
        words=words,
    )


def trained_by(study: Study, trial: int | None = None) -> Trained:
    """A study's answer, else its best trial, or another one. Raises StudyError where weights are gone."""
    form = study_form(study)
    if trial is None and study.answer is not None:
        folder = answer_folder(study.folder) / PREDICTOR_FOLDER
        return Trained(
            predictor=read_predictor(folder),
            folder=folder,
            form=form,
            input_size=study.input_size,
            words=f"the answer of {study.name}",
        )
    record = best_trial(study.stored) if trial is None else trained_trial(study.stored, trial)
    words = f"trial {record.number} of {study.name}"
    return Trained(
        predictor=one_network(record.config, words),
        folder=kept_weights(study.stored, record).parent,
        form=form,
        input_size=study.input_size,
        words=words,
    )


def one_network(config: TrialConfig, words: str) -> Predictor:
    """A trial's network, plainly decoded."""
    return Predictor(members=(Member(config=config, weights=WEIGHTS_NAME, origin=words),))


def study_form(study: Study) -> DataForm:
    """The form of a study's data, as far as it has been written down."""
    path = study.folder / BEST_NAME
    known = read_best(path).data.form if path.is_file() else None
    names = study.class_names
    return known or DataForm(channels=study.spec.facts.channels, class_names=names, labels=tuple(range(len(names))))


def form_of(best: BestConfig) -> DataForm:
    """The form of the data of a `best.yaml`; one from before it was recorded knows how many classes there are alone."""
    model = best.config.model
    names = tuple(f"class {index}" for index in range(model.classes))
    return best.data.form or DataForm(channels=model.in_channels, class_names=names, labels=tuple(range(model.classes)))
