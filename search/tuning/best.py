"""`best.yaml`: the best configuration with all that is needed to train it again on the same data and split."""

from importlib.metadata import version
from pathlib import Path

from search.data.form import DataForm
from search.data.prepare import PreparedData
from search.data.split import SplitRecipe
from search.errors import StudyError
from search.tuning.record import TrialRecord
from spaces.config import TrialConfig
from spaces.schema import Config, Count

PACKAGES = ("segtune", "torch", "timm", "albumentations", "optuna", "ray")


class DataIdentity(Config):
    """Which data, cleaned how, split how, at which size. No path: the same data may lie anywhere.

    `unlabelled_fingerprint` is that of the images without labels, None where there were none. `form` is what networks
    need to be used on other files of the same kind, None in a file from before it was recorded.
    """

    name: str
    fingerprint: str
    removed: int
    removed_hash: str
    split: SplitRecipe
    split_fingerprint: str
    input_size: tuple[int, int]
    unlabelled_fingerprint: str | None = None
    form: DataForm | None = None


class BestConfig(Config):
    """One trained configuration and where it comes from. `miou` is the validation mIoU of its best epoch.

    `threads` counts the CPU threads it was trained with, up to its best epoch; None where they changed on the way.
    """

    study: str
    trial: int
    miou: float
    epoch: int
    config: TrialConfig
    data: DataIdentity
    versions: dict[str, str]
    threads: Count | None = None


def data_identity(name: str, prepared: PreparedData) -> DataIdentity:
    """What identifies prepared data."""
    return DataIdentity(
        name=name,
        fingerprint=prepared.fingerprint,
        removed=len(prepared.audit.outliers),
        removed_hash=prepared.audit.removed_hash,
        split=prepared.split.recipe,
        split_fingerprint=prepared.split.fingerprint,
        input_size=(prepared.facts.height, prepared.facts.width),
        unlabelled_fingerprint=prepared.unlabelled_fingerprint,
        form=prepared.form,
    )


def best_config(study: str, record: TrialRecord, data: DataIdentity) -> BestConfig:
    """The `best.yaml` of a trial that has reported at least one epoch."""
    assert record.best_value is not None, f"trial {record.number} has no value"
    return BestConfig(
        study=study,
        trial=record.number,
        miou=record.best_value,
        epoch=record.best_epoch,
        config=record.config,
        data=data,
        versions=installed_versions(),
        threads=record.threads,
    )


def installed_versions() -> dict[str, str]:
    """The version of each package that may change a curve."""
    return {package: version(package) for package in PACKAGES}


def read_best(path: Path) -> BestConfig:
    """Read a `best.yaml`. Raises StudyError."""
    try:
        return BestConfig.from_yaml(path.read_text())
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror}; a study's is in its folder, such as results/STUDY/best.yaml"
        raise StudyError(text) from error
    except UnicodeDecodeError as error:
        raise StudyError(f"{path} is no best.yaml: it is not text; give the best.yaml beside the weights") from error
    except ValueError as error:
        raise StudyError(f"{path} is not a best.yaml of this version: {error}") from error
