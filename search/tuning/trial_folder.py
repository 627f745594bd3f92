"""The files of one trial: `trials/NNNN/` in the study's folder."""

from pathlib import Path

from search.files import write_whole
from search.training.files import TrialFiles
from spaces.config import TrialConfig

CONFIG_NAME = "config.yaml"
CHECKPOINT_NAME = "checkpoint.pt"
WEIGHTS_NAME = "best.safetensors"
PICTURES_NAME = "pictures"


def trial_folder(study_folder: Path, number: int) -> Path:
    """Where a trial's files are."""
    return study_folder / "trials" / f"{number:04d}"


def trial_files(folder: Path, pictures_every: int = 0) -> TrialFiles:
    """What a training leaves in `folder`."""
    return TrialFiles(
        checkpoint=folder / CHECKPOINT_NAME,
        weights=folder / WEIGHTS_NAME,
        pictures=folder / PICTURES_NAME,
        pictures_every=pictures_every,
    )


def has_trials(study_folder: Path) -> bool:
    """Whether a study's folder holds the files of any trial."""
    folder = study_folder / "trials"
    return folder.is_dir() and any(folder.iterdir())


def write_config(study_folder: Path, number: int, config: TrialConfig) -> None:
    """Write what a worker reads to train the trial."""
    folder = trial_folder(study_folder, number)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / CONFIG_NAME, config.to_yaml())


def read_config(folder: Path) -> TrialConfig:
    """The configuration of the trial in `folder`."""
    return TrialConfig.from_yaml((folder / CONFIG_NAME).read_text())
