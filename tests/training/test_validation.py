"""One confusion matrix over the whole validation part, however it is cut into batches."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.build import build_model
from search.data.samples import VOID, Samples, TrialData
from search.training.compute import Compute
from search.training.metrics import confusion_matrix
from search.training.validation import class_ious, objective, predict, readings, validate
from tests.training.trials import CPU, SMALL, data, facts, of_many_sizes


def longer(images: int) -> TrialData:
    """A validation part of `images` tiles, random labels among them void ones."""
    generator = np.random.default_rng(5)
    shape = (images, 32, 64)
    masks = generator.choice(np.array([0, 1, 2, VOID], np.uint8), shape)
    return replace(data(), validation=Samples(images=generator.integers(0, 256, (*shape, 1), np.uint8), masks=masks))


def network() -> nn.Module:
    torch.manual_seed(0)
    return build_model(SMALL.model_copy(update={"dropout": 0.5}))


@pytest.mark.parametrize("images", [1, 16, 37])
def test_every_labelled_pixel_counts_once(images: int) -> None:
    made, model = longer(images), network()
    whole = validate(model, made, CPU)
    assert not model.training
    masks = np.asarray(made.validation.masks)
    assert whole.sum(1).tolist() == [int((masks == label).sum()) for label in range(3)]
    singles = [
        replace(made, validation=Samples(images=made.validation.images[i : i + 1], masks=masks[i : i + 1]))
        for i in range(images)
    ]
    assert torch.equal(whole, torch.stack([validate(model, single, CPU) for single in singles]).sum(0))


def test_bfloat16_moves_few_pixels() -> None:
    made, model = longer(8), network()
    rough = Compute(device=CPU.device, precision="bfloat16")
    exact, rounded = validate(model, made, CPU), validate(model, made, rough)
    assert not torch.equal(exact, torch.zeros_like(exact))
    assert int((exact - rounded).abs().sum()) < 0.02 * int(exact.sum())


def test_what_a_matrix_says() -> None:
    """Class 0 has no meaning: what is predicted there costs nothing; class 2 is neither there nor predicted."""
    confusion = torch.tensor([[5, 5, 0], [1, 3, 0], [0, 0, 0]])
    assert class_ious(confusion, facts()) == (0.0, 0.75, None)
    assert objective(confusion, facts()) == 0.75
    assert readings(confusion, 0) == {
        "fg_masked": 0.75,
        "keras_masked": 0.375,
        "standard_fg": pytest.approx(3 / (3 + 1 + 5)),
    }
    assert readings(confusion, None) == {}
    assert not math.isnan(objective(torch.zeros(3, 3, dtype=torch.int64), facts()))


@pytest.mark.parametrize("made", [longer(5), of_many_sizes(0.6)], ids=["batches", "windows"])
def test_predictions_are_what_the_matrix_counts(made: TrialData) -> None:
    model = network()
    predicted = predict(model, made, CPU)
    masks = made.validation.masks
    assert [mask.shape for mask in predicted] == [mask.shape for mask in masks]
    assert {mask.dtype for mask in predicted} == {np.dtype(np.uint8)}
    counted = [
        confusion_matrix(torch.tensor(mask)[None], torch.tensor(truth)[None], 3)
        for mask, truth in zip(predicted, masks, strict=True)
    ]
    assert torch.equal(torch.stack(counted).sum(0), validate(model, made, CPU))
