"""`best.yaml`."""

from pathlib import Path

import numpy as np
import pytest

from search.data.prepare import PreparedData, prepare_data
from search.errors import StudyError
from search.tuning.best import BestConfig, best_config, data_identity, read_best
from tests.tuning.made_up import SPACE, report, study_in


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    path = tmp_path_factory.mktemp("data") / "tiles.npz"
    generator = np.random.default_rng(0)
    images, masks = generator.integers(0, 256, (30, 32, 64)), generator.integers(0, 3, (30, 32, 64))
    np.savez(path, training_set=np.stack([images, masks], axis=1).astype(np.uint8))
    return prepare_data(path, seed=3)


@pytest.fixture
def best(tmp_path: Path, prepared: PreparedData) -> BestConfig:
    study = study_in(tmp_path)
    number = study.ask(SPACE, seed=0, startup_trials=4, point=None).number
    study.set_config(number, SPACE.decode(study.record(number).params, seed=5))
    for epoch, value in enumerate((0.2, 0.1 + 0.2, 0.1), start=1):
        study.report(number, report(epoch, value))
    return best_config("mars", study.record(number), data_identity("tiles", prepared))


def test_best_survives_its_file_exactly(tmp_path: Path, best: BestConfig) -> None:
    (tmp_path / "best.yaml").write_text(best.to_yaml())
    assert read_best(tmp_path / "best.yaml") == best


def test_a_best_from_before_unlabelled_images_is_read(tmp_path: Path, best: BestConfig) -> None:
    path = tmp_path / "best.yaml"
    path.write_text(
        best.to_yaml().replace("  unlabelled_fingerprint: null\n", "").replace("    pseudo_labels: null\n", "")
    )
    assert "unlabelled" not in path.read_text()
    assert "pseudo" not in path.read_text()
    assert read_best(path) == best


def test_best_says_where_it_comes_from(best: BestConfig, prepared: PreparedData) -> None:
    assert (best.study, best.trial, best.miou, best.epoch, best.config.seed) == ("mars", 0, 0.1 + 0.2, 2, 5)
    assert best.data.fingerprint == prepared.fingerprint
    assert (best.data.removed, best.data.split.seed, best.data.input_size) == (0, 3, (32, 64))
    assert {"segtune", "torch"} <= best.versions.keys()


def test_what_the_split_was_stratified_on_is_recorded(tmp_path: Path, best: BestConfig, prepared: PreparedData) -> None:
    recipe = prepared.split.recipe.model_copy(update={"stratify": "dispersion-quantile"})
    changed = best.model_copy(update={"data": best.data.model_copy(update={"split": recipe})})
    path = tmp_path / "best.yaml"
    path.write_text(changed.to_yaml())
    assert read_best(path).data.split.stratify == "dispersion-quantile"
    path.write_text(best.to_yaml().replace("    stratify: presence\n", ""))
    assert "stratify" not in path.read_text()
    assert read_best(path) == best
    path.write_text(changed.to_yaml().replace("dispersion-quantile", "dispersed"))
    with pytest.raises(StudyError, match=r"data\.split\.stratify: .*'dispersion-literal'.* \(got 'dispersed'\)"):
        read_best(path)


def test_threads_are_those_of_the_epochs_up_to_the_best(tmp_path: Path, prepared: PreparedData) -> None:
    study = study_in(tmp_path)
    for threads, recorded in ((1, 2, 2), None), ((2, 2, 1), 2):
        number = study.ask(SPACE, seed=0, startup_trials=4, point=None).number
        study.set_config(number, SPACE.decode(study.record(number).params, seed=5))
        for epoch, (value, count) in enumerate(zip((0.2, 0.3, 0.1), threads, strict=True), start=1):
            study.report(number, report(epoch, value).model_copy(update={"threads": count}))
        best = best_config("mars", study.record(number), data_identity("tiles", prepared))
        assert best.threads == recorded


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("miou:", "score:"), "miou: Field required"),
        (lambda text: text.replace("depth: 4", "depth: 99"), r"config\.model\.unet\.depth: .* \(got 99\)"),
        (lambda text: text[:100], "is not a best.yaml of this version"),
        (lambda text: "", "is not a best.yaml of this version"),
        (lambda text: "\tx", "not valid YAML"),
    ],
)
def test_a_spoiled_file_says_what_is_wrong(tmp_path: Path, best: BestConfig, spoil, message: str) -> None:
    path = tmp_path / "best.yaml"
    path.write_text(spoil(best.to_yaml()))
    with pytest.raises(StudyError, match=message):
        read_best(path)


def test_a_missing_or_binary_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"best\.yaml cannot be read: No such file.*results/STUDY/best\.yaml"):
        read_best(tmp_path / "best.yaml")
    (tmp_path / "best.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(StudyError, match=r"is no best\.yaml: it is not text; give the best\.yaml beside the weights"):
        read_best(tmp_path / "best.yaml")
    with pytest.raises(StudyError, match="cannot be read"):
        read_best(tmp_path)
