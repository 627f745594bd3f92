"""A loaded network predicts what the search measured, on images of any size, and says what it cannot take."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.build import build_model
from search.errors import DataError, StudyError, UserError
from search.interface.loading import load, load_model
from search.interface.model import Model
from search.selection.answer import write_answer
from search.selection.export import best_trial
from search.selection.predictor import Member, Predictor
from search.training.checkpoint import load_weights
from search.training.metrics import confusion_matrix
from search.training.validation import objective
from search.training.windows import native_logits
from search.tuning.trial_folder import trial_folder
from tests.commands.trained import Trial
from tests.interface.conftest import STUDY
from tests.selection.made_up import answer


@pytest.fixture(scope="module")
def model(trial: Trial) -> Model:
    return load_model(trial.file.parent, device="cpu")


@pytest.fixture(scope="module")
def images(trial: Trial) -> np.ndarray:
    """The validation images, (N, 64, 128, 1)."""
    return np.asarray(trial.prepared.trial.validation.images)


def test_the_recorded_value_comes_out_again(trial: Trial, model: Model, images: np.ndarray) -> None:
    predicted = model.predict(images)
    assert isinstance(predicted, np.ndarray)
    assert (predicted.shape, predicted.dtype) == (images.shape[:3], np.uint8)
    truth = np.array(trial.prepared.trial.validation.masks)
    facts = trial.prepared.facts
    confusion = confusion_matrix(torch.tensor(predicted), torch.tensor(truth), facts.classes)
    assert objective(confusion, facts) == pytest.approx(trial.best.miou, abs=1e-6)


def test_one_image_a_stack_and_a_list_are_predicted_alike(model: Model, images: np.ndarray) -> None:
    stack = model.predict(images[:3])
    listed = model.predict(list(images[:3]))
    assert isinstance(listed, list)
    for index in range(3):
        single = model.predict(images[index])
        np.testing.assert_array_equal(single, stack[index])
        np.testing.assert_array_equal(single, listed[index])
        np.testing.assert_array_equal(single, model.predict(images[index, ..., 0]))
    np.testing.assert_array_equal(model.predict([images[0, ..., 0]])[0], stack[0])
    assert model.predict([]) == []


def test_strides_do_not_matter(model: Model, images: np.ndarray) -> None:
    turned = images[0][:, ::-1]
    np.testing.assert_array_equal(model.predict(turned), model.predict(turned.copy()))


def test_probabilities_add_up_and_agree_with_the_prediction(model: Model, images: np.ndarray) -> None:
    several = [images[0], np.vstack([images[1], images[2]])]
    for shares, mask in zip(model.probabilities(several), model.predict(several), strict=True):
        assert (shares.shape, shares.dtype) == ((*mask.shape, 5), np.float32)
        np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)
        np.testing.assert_array_equal(shares.argmax(-1), mask)


@pytest.mark.parametrize(
    ("rows", "columns", "scale"),
    [(1, 1, 1.0), (20, 200, 1.0), (100, 150, 1.0), (128, 256, 1.0), (256, 300, 0.5), (64, 128, 0.5)],
)
def test_other_sizes_go_by_windows_at_the_scale_of_training(
    trial: Trial, model: Model, rows: int, columns: int, scale: float
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (rows, columns, 1), np.uint8)
    network = build_model(trial.best.config.model).eval()
    load_weights(trial.file.with_name("best.safetensors"), network)
    logits = native_logits(network, image, trial.prepared.facts, scale=scale)
    expected = logits.softmax(0).movedim(0, -1).numpy()
    shrinking = replace(model, scale=scale)
    np.testing.assert_allclose(shrinking.probabilities(image), expected, atol=1e-5)
    assert np.asarray(shrinking.predict(image)).shape == (rows, columns)


def test_images_of_several_sizes_come_back_in_their_order(model: Model, images: np.ndarray) -> None:
    small, wide = images[1][:40], np.hstack([images[2], images[3]])
    mixed = [images[0], small, images[1], images[2], wide, images[3]]
    masks = model.predict(mixed)
    assert [mask.shape for mask in masks] == [image.shape[:2] for image in mixed]
    for image, mask in zip(mixed, masks, strict=True):
        assert (model.predict(image) == mask).mean() > 0.999  # another batch rounds differently


GREY = np.zeros((64, 128, 1), np.uint8)
WRONG = {
    "floats": (GREY / 255.0, "images are uint8, 0 to 255, as networks were trained; the image is float64"),
    "16 bits": (GREY.astype(np.uint16), "the image is uint16"),
    "colours": (np.zeros((64, 128, 3), np.uint8), r"takes images \(H, W, 1\).*\(64, 128, 3\): .*image.convert\('L'\)"),
    "channels first": (np.zeros((1, 64, 128), np.uint8), r"channels come last, numpy.moveaxis\(image, 0, -1\)"),
    "a grey stack": (np.zeros((7, 64, 128), np.uint8), r"grey images needs a last axis, images\[..., None\]"),
    "a stack of colours": (np.zeros((2, 64, 128, 3), np.uint8), "each image of the stack has the shape"),
    "an empty stack": (np.zeros((0, 64, 128, 1), np.uint8), "is empty"),
    "no pixel": (np.zeros((0, 128, 1), np.uint8), "an image needs at least one pixel"),
    "one in a list": ([GREY, GREY[..., 0] / 2], "image 1 is float64"),
    "no array": (["a.png"], "image 0 is a str: numpy.array"),
    "an image of PIL": (Image.new("L", (128, 64)), r"the image is a Image: numpy.array\(image\) makes one"),
    "a path": (Path("a.png"), "the image is a PosixPath: numpy.array"),
    "a name": ("a.png", "the image is a str: numpy.array"),
    "nothing": (None, "the image is a NoneType: numpy.array"),
    "one axis": (np.zeros(5, np.uint8), r"the image has the shape \(5,\)"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_images_are_told(model: Model, wrong: np.ndarray | list, message: str) -> None:
    for call in (model.predict, model.probabilities):
        with pytest.raises(DataError, match=message):
            call(wrong)


def test_an_export_is_what_it_was(trial: Trial, model: Model) -> None:
    assert model.class_names == ("background", "soil", "bedrock", "sand", "big rock")
    assert (model.input_size, model.channels) == ((64, 128), 1)
    assert not model.network.training
    assert re.fullmatch(r"<Model .*, trial 7 of tiles: 5 classes, 64x128, on cpu>", repr(model))
    assert load_model(str(trial.file.parent), trial=7).class_names == model.class_names
    with pytest.raises(StudyError, match="holds trial 7 of tiles alone; trial 3 is in its study"):
        load_model(trial.file.parent, trial=3)


def test_a_study_gives_its_best_network(made_up: Path, tmp_path: Path, no_programs: None) -> None:
    study = load(STUDY, made_up)
    assert study.best is not None
    exported = load_model(study.export(tmp_path / "best"))
    for source in (study, made_up / STUDY, STUDY):
        model = load_model(source, results=made_up)
        assert model.class_names == study.class_names
        assert f"trial {study.best.trial} of {STUDY}" in repr(model)
        np.testing.assert_array_equal(model.predict(GREY), exported.predict(GREY))


def test_another_trial_can_be_named(made_up: Path) -> None:
    study = load(STUDY, made_up)
    ranking = sorted(study.trials, key=lambda record: -(record.best_value or 0))
    second = ranking[1].number
    assert f"trial {second} of {STUDY}" in repr(load_model(study, trial=second))
    with pytest.raises(StudyError, match=f"those of trial {ranking[-1].number} are not there; kept are, best first"):
        load_model(study, trial=ranking[-1].number)
    with pytest.raises(StudyError, match="there is no trial 9"):
        load_model(study, trial=9)


def test_what_is_neither_is_told(made_up: Path) -> None:
    with pytest.raises(StudyError, match="there is no study 'mars'"):
        load_model("mars", results=made_up)


@pytest.mark.parametrize("content", [b"", b"no weights"])
def test_spoiled_weights_are_told(trial: Trial, tmp_path: Path, content: bytes) -> None:
    shutil.copy(trial.file, tmp_path)
    (tmp_path / "best.safetensors").write_bytes(content)
    with pytest.raises(StudyError, match="the weights of trial 7 of tiles cannot be loaded"):
        load_model(tmp_path)


def test_weights_of_another_network_are_told(made_up: Path, trial: Trial, tmp_path: Path) -> None:
    record = best_trial(load(STUDY, made_up).stored)
    shutil.copy(trial.file, tmp_path / "best.yaml")
    shutil.copy(trial_folder(made_up / STUDY, record.number) / "best.safetensors", tmp_path)
    with pytest.raises(StudyError, match="does not hold the weights of trial 7 of tiles"):
        load_model(tmp_path)


def test_a_study_with_an_answer_gives_that(made_up: Path, tmp_path: Path, no_programs: None) -> None:
    folder = shutil.copytree(made_up / STUDY, tmp_path / STUDY)
    study = load(folder)
    record = best_trial(study.stored)
    place = folder / "answer/predictor"
    place.mkdir(parents=True)
    shutil.copy(trial_folder(folder, record.number) / "best.safetensors", place / "one.safetensors")
    member = Member(config=record.config, weights="one.safetensors", origin="one")
    predictor = Predictor(members=(member, member), flips=("none", "horizontal"), excluded=(0,))
    (place / "predictor.yaml").write_text(predictor.to_yaml())
    (folder / "answer/best.yaml").write_text((folder / "best.yaml").read_text())
    write_answer(folder, answer())
    model = load_model(load(folder))
    assert f"an ensemble of 2 networks, over 2 flips of the image, the answer of {STUDY}" in repr(model)
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 1), np.uint8)
    shares = np.asarray(model.probabilities(image))
    assert shares[..., 0].max() < 1e-6
    packaged = load_model(load(folder).export(tmp_path / "package"))
    np.testing.assert_allclose(np.asarray(packaged.probabilities(image)), shares, atol=1e-6)
    assert "trial" in repr(load_model(load(folder), trial=record.number))


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cuda:", "cpu:", "cpu:1", ""])
def test_a_device_that_is_not_there_is_told(trial: Trial, device: str) -> None:
    with pytest.raises(UserError, match=f"device is auto, cpu, cuda, .* got '{device}'"):
        load_model(trial.file.parent, device=device)
