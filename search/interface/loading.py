"""`search.load` and `search.load_model`. Importing this module imports nothing heavy."""

from pathlib import Path
from typing import TYPE_CHECKING

from search.interface.quiet import quiet_imports
from search.tuning.folder import DEFAULT_RESULTS, find_study

if TYPE_CHECKING:
    from search.interface.model import Model
    from search.interface.study import Study


def load(study: str | Path, results: str | Path = DEFAULT_RESULTS, *, storage: str | None = None) -> "Study":
    """The study in a folder, or of a name under `results`, as it is now; nothing is written.

    `storage` is the Optuna storage of its trials; None: where its last run stored them. Load it again to see what a
    search has done since. Raises StudyError where there is none.

    Example:
        >>> study = load("unet_family-demo")
        >>> len(study.trials)
        5
        >>> study.trials[study.best.trial].best_value == study.best.miou
        True
    """
    with quiet_imports():
        from search.interface.study import study_in

    return study_in(find_study(str(study), Path(results)), storage)


def load_model(
    source: "Study | str | Path",
    *,
    trial: int | None = None,
    results: str | Path = DEFAULT_RESULTS,
    device: str = "auto",
) -> "Model":
    """A trained network that predicts: from what `search.export` or `search.train` wrote, or from a study.

    `source` is such a folder, a Study, or the folder or name of one. Of a study it is its answer, else the best trial,
    or trial number `trial`, if its weights were kept. `device` is "auto" (a GPU where there is one), "cpu", "cuda",
    "cuda:1", ...
    Raises StudyError where files are missing or do not belong together, UserError for a device that is not there.

    Example:
        >>> model = load_model("unet_family-demo")
        >>> model.class_names
        ('background', 'soil', 'rock')
        >>> model.predict(image).shape == image.shape[:2]
        True
    """
    with quiet_imports():
        from search.interface.model import build
        from search.interface.study import Study, study_in
        from search.interface.trained import is_export, trained_by, trained_in

    if isinstance(source, Study):
        return build(trained_by(source, trial), device)
    if is_export(Path(source)):
        return build(trained_in(Path(source), trial), device)
    return build(trained_by(study_in(find_study(str(source), Path(results))), trial), device)
