"""Each loss term against a library or a literal float64 computation."""

import numpy as np
import pytest
import torch
from monai.losses.dice import DiceLoss, GeneralizedDiceLoss
from monai.losses.focal_loss import FocalLoss
from monai.losses.tversky import TverskyLoss
from segmentation_models_pytorch.losses import LovaszLoss
from torch import Tensor
from torch.nn import functional

from search.training.losses.background import background_penalty
from search.training.losses.lovasz import lovasz
from search.training.losses.overlap import GENERALIZED_DICE_CAP, dice, generalized_dice, tversky
from search.training.losses.pixels import Prediction, Truth
from search.training.losses.pixelwise import cross_entropy, focal

CLASSES = 5
ONES = torch.ones(CLASSES)
WEIGHTS = torch.tensor([0.292, 0.249, 0.296, 0.336, 3.827])


@pytest.fixture
def logits() -> Tensor:
    return 2 * torch.randn(2, CLASSES, 8, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels() -> Tensor:
    return torch.randint(0, CLASSES, (2, 8, 16), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.fixture
def labels_with_void(labels: Tensor) -> Tensor:
    """A quarter of the pixels void, and class 4 absent."""
    labels = labels.clone()
    labels[:, :2] = 255
    labels[labels == 4] = 3
    return labels


def valid_only(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(P, K) probabilities and (P,) labels of the labelled pixels, in float64."""
    keep = labels != 255
    probabilities = logits.double().softmax(1).movedim(1, -1)[keep]
    return probabilities, labels[keep].long()


def pair(logits: Tensor, labels: Tensor, weights: Tensor = ONES) -> tuple[Prediction, Truth]:
    return Prediction(logits=logits), Truth(labels=labels, class_weights=weights)


# --- Cross-entropy and focal -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_without_weights_is_torchs(logits: Tensor, labels_with_void: Tensor, smoothing: float) -> None:
    expected = functional.cross_entropy(logits, labels_with_void.long(), ignore_index=255, label_smoothing=smoothing)
    torch.testing.assert_close(cross_entropy(*pair(logits, labels_with_void), label_smoothing=smoothing), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weighted_cross_entropy_is_a_mean_over_pixels(
    logits: Tensor, labels_with_void: Tensor, smoothing: float
) -> None:
    probabilities, truth = valid_only(logits, labels_with_void)
    smooth = (1 - smoothing) * torch.eye(CLASSES).double()[truth] + smoothing / CLASSES
    expected = (WEIGHTS.double()[truth] * -(smooth * probabilities.log()).sum(1)).mean()
    value = cross_entropy(*pair(logits, labels_with_void, WEIGHTS), label_smoothing=smoothing)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_weighted_cross_entropy_is_not_torchs_weighted_mean(logits: Tensor, labels: Tensor) -> None:
    torchs = functional.cross_entropy(logits, labels.long(), weight=WEIGHTS)
    ratio = cross_entropy(*pair(logits, labels, WEIGHTS), label_smoothing=0) / torchs
    assert ratio.item() == pytest.approx(WEIGHTS[labels.long()].mean().item(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 4.0])
def test_focal_is_monais_softmax_form_times_classes(logits: Tensor, labels: Tensor, gamma: float) -> None:
    monais = FocalLoss(use_softmax=True, to_onehot_y=True, gamma=gamma)(logits, labels.unsqueeze(1))
    torch.testing.assert_close(focal(*pair(logits, labels), gamma=gamma), monais * CLASSES)


def test_focal_is_literal_with_weights_and_void(logits: Tensor, labels_with_void: Tensor) -> None:
    probabilities, truth = valid_only(logits, labels_with_void)
    own = probabilities.gather(1, truth[:, None])[:, 0]
    expected = (-WEIGHTS.double()[truth] * (1 - own) ** 2 * own.log()).mean()
    value = focal(*pair(logits, labels_with_void, WEIGHTS), gamma=2.0)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_focal_with_gamma_zero_is_cross_entropy(logits: Tensor, labels_with_void: Tensor) -> None:
    both = pair(logits, labels_with_void, WEIGHTS)
    torch.testing.assert_close(focal(*both, gamma=0.0), cross_entropy(*both, label_smoothing=0))


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
def test_focal_gradient_is_finite_where_the_network_is_certain(labels: Tensor, gamma: float) -> None:
    logits = (100.0 * functional.one_hot(labels.long(), CLASSES).movedim(-1, 1)).requires_grad_()
    focal(*pair(logits, labels), gamma=gamma).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


# --- Overlap ---------------------------------------------------------------------------------------------------------


def test_dice_with_every_class_present_is_monais(logits: Tensor, labels: Tensor) -> None:
    monais = DiceLoss(softmax=True, to_onehot_y=True, batch=True)(logits, labels.unsqueeze(1))
    torch.testing.assert_close(dice(*pair(logits, labels)), monais, rtol=1e-5, atol=1e-6)


def test_dice_averages_present_classes_over_valid_pixels(logits: Tensor, labels_with_void: Tensor) -> None:
    probabilities, truth = valid_only(logits, labels_with_void)
    losses = []
    for label in range(4):
        own = truth == label
        overlap, total = probabilities[own, label].sum(), probabilities[:, label].sum() + own.sum()
        losses.append(1 - 2 * overlap / total)
    expected = torch.stack(losses).mean().item()
    assert dice(*pair(logits, labels_with_void)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("beta", [0.3, 0.7])
def test_tversky_weighs_false_negatives_by_beta_as_monais(logits: Tensor, labels: Tensor, beta: float) -> None:
    monais = TverskyLoss(softmax=True, to_onehot_y=True, batch=True, alpha=1 - beta, beta=beta)
    expected = monais(logits, labels.unsqueeze(1))
    torch.testing.assert_close(tversky(*pair(logits, labels), beta=beta), expected, rtol=1e-5, atol=1e-6)


def test_tversky_with_beta_one_half_is_dice(logits: Tensor, labels_with_void: Tensor) -> None:
    both = pair(logits, labels_with_void)
    torch.testing.assert_close(tversky(*both, beta=0.5), dice(*both), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("exponent", [0.75, 1.5])
def test_focal_tversky_raises_the_loss_of_each_class(logits: Tensor, labels_with_void: Tensor, exponent: float) -> None:
    """By the authors' formula: 0.7 on false negatives, 0.3 on false positives, each class to the power, then a mean."""
    probabilities, truth = valid_only(logits, labels_with_void)
    losses = []
    for label in range(4):
        own, p = truth == label, probabilities[:, label]
        found, false_alarms, missed = p[own].sum(), p[~own].sum(), (1 - p[own]).sum()
        losses.append((1 - found / (found + 0.3 * false_alarms + 0.7 * missed)) ** exponent)
    value = tversky(*pair(logits, labels_with_void), beta=0.7, exponent=exponent)
    assert value.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)
    of_the_mean = tversky(*pair(logits, labels_with_void), beta=0.7) ** exponent
    assert value.item() != pytest.approx(of_the_mean.item(), rel=1e-5)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5])
def test_focal_tversky_gradient_is_finite_where_the_network_is_right(labels: Tensor, exponent: float) -> None:
    logits = (100.0 * functional.one_hot(labels.long(), CLASSES).movedim(-1, 1)).requires_grad_()
    value = tversky(*pair(logits, labels), beta=0.7, exponent=exponent)
    assert value.item() == pytest.approx(0, abs=2e-3)
    value.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_generalized_dice_with_every_class_present_is_monais(logits: Tensor, labels: Tensor) -> None:
    """Classes of unequal size, none ten times rarer than another: the cap of the weights plays no part."""
    labels = labels.clone()
    labels[0, :, :8][labels[0, :, :8] == 4] = 0
    counts = labels.long().flatten().bincount(minlength=CLASSES)
    assert counts.max() < GENERALIZED_DICE_CAP**0.5 * counts.min()
    monais = GeneralizedDiceLoss(softmax=True, to_onehot_y=True, batch=True, smooth_nr=0, smooth_dr=0)
    expected = monais(logits, labels.unsqueeze(1))
    torch.testing.assert_close(generalized_dice(*pair(logits, labels)), expected, rtol=1e-5, atol=1e-6)


def test_generalized_dice_caps_the_rarest_class_and_leaves_out_the_absent_one(
    logits: Tensor, labels_with_void: Tensor
) -> None:
    labels_with_void[labels_with_void == 3] = 0
    labels_with_void[0, 5, 5] = 3
    probabilities, truth = valid_only(logits, labels_with_void)
    counts = truth.bincount(minlength=CLASSES)
    assert counts[3] == 1
    assert counts[4] == 0
    assert counts.max() > 20
    weights = [1 / float(count) ** 2 for count in counts[:4]]
    weights[3] = 100 * min(weights)
    overlap = sum(weights[label] * probabilities[truth == label, label].sum() for label in range(4))
    total = sum(weights[label] * (probabilities[:, label].sum() + counts[label]) for label in range(4))
    value = generalized_dice(*pair(logits, labels_with_void))
    assert value.item() == pytest.approx(float(1 - 2 * overlap / total), rel=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_generalized_dice_of_void_is_zero_and_of_any_batch_finite(logits: Tensor, scale: float) -> None:
    for value in (255, 4):
        leaf = (scale * logits).requires_grad_()
        loss = generalized_dice(*pair(leaf, torch.full((2, 8, 16), value, dtype=torch.uint8)))
        gradient = torch.autograd.grad(loss, leaf)[0]
        assert gradient.isfinite().all()
        assert -1e-5 <= loss.item() <= 1 + 1e-5
        assert value != 255 or (loss.item() == 0 and not gradient.any())


# --- Lovasz ----------------------------------------------------------------------------------------------------------


def test_lovasz_and_its_gradient_are_the_references(logits: Tensor, labels_with_void: Tensor) -> None:
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value = lovasz(*pair(ours, labels_with_void))
    expected = LovaszLoss("multiclass", ignore_index=255)(theirs, labels_with_void.long())
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(value, ours), torch.autograd.grad(expected, theirs), rtol=1e-4, atol=1e-7
    )


def test_lovasz_of_hard_predictions_is_one_minus_the_mean_jaccard_index(labels: Tensor) -> None:
    predicted = labels.roll(1, dims=-1)
    hard = 1e4 * functional.one_hot(predicted.long(), CLASSES).movedim(-1, 1).float()
    jaccard = [
        ((labels == label) & (predicted == label)).sum() / ((labels == label) | (predicted == label)).sum()
        for label in range(CLASSES)
    ]
    expected = 1 - np.mean(jaccard)
    assert lovasz(*pair(hard, labels)).item() == pytest.approx(expected, rel=1e-5)


# --- Background ---------------------------------------------------------------------------------------------------


def test_background_penalty_is_literal(logits: Tensor, labels_with_void: Tensor) -> None:
    probabilities, truth = valid_only(logits, labels_with_void)
    background = probabilities[:, 0]
    miss, false_alarm = (1 - background[truth == 0]).mean(), background[truth != 0].mean()
    value = background_penalty(*pair(logits, labels_with_void), background=0, miss=0.3, false_alarm=1.7)
    assert value.item() == pytest.approx((0.3 * miss + 1.7 * false_alarm).item(), rel=1e-5)
