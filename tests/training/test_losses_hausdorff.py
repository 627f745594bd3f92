"""The Hausdorff loss against monai's, and against scipy's distances where void or absence matter."""

import numpy as np
import pytest
import torch
from monai.losses.hausdorff_loss import HausdorffDTLoss
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from search.training.losses import build_loss
from search.training.losses.hausdorff import hausdorff, squared_distances
from search.training.losses.pixels import Prediction, Truth
from spaces.facts import DataFacts
from spaces.losses import DiceTerm, HausdorffTerm, IgnoreBackground, LossConfig

CLASSES = 3
SIZE = (12, 20)
DIAGONAL = float(np.hypot(*SIZE))


def batch() -> tuple[Tensor, Tensor]:
    """Logits whose decisions form patches, and masks of patches that hold every class in every image."""
    generator = torch.Generator().manual_seed(0)
    coarse = 4 * torch.randn(2, CLASSES, 3, 5, generator=generator)
    masks = torch.randint(0, CLASSES, (2, 3, 5), generator=generator, dtype=torch.uint8)
    masks[:, 0, :3] = torch.arange(3, dtype=torch.uint8)
    return enlarge(coarse), enlarge(masks)


def enlarge(values: Tensor) -> Tensor:
    return values.repeat_interleave(4, -2).repeat_interleave(4, -1)


def value(logits: Tensor, masks: Tensor) -> Tensor:
    return hausdorff(Prediction(logits=logits), Truth(labels=masks, class_weights=torch.ones(CLASSES)))


def test_with_every_class_present_it_and_its_gradient_are_monais() -> None:
    logits, masks = batch()
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    monais = HausdorffDTLoss(include_background=True, softmax=True, to_onehot_y=True)
    loss, expected = value(ours, masks), monais(theirs, masks.unsqueeze(1)) / DIAGONAL**2
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-8)
    assert loss.item() > 1e-3
    torch.testing.assert_close(
        torch.autograd.grad(loss, ours), torch.autograd.grad(expected, theirs), rtol=1e-4, atol=1e-9
    )


def test_void_pixels_and_absent_classes_take_no_part() -> None:
    logits, masks = batch()
    masks[masks == 2] = 1
    masks[:, 3:9, 2:14] = 255
    logits[:, 0, 3:9, 2:14] += 20
    valid = (masks != 255).numpy()
    probabilities = logits.double().softmax(1).numpy()
    losses = []
    for label in range(2):
        p, y = probabilities[:, label] * valid, (masks == label).numpy()
        squares = np.stack([_squares(plane > 0.5) for plane in p]) + np.stack([_squares(plane) for plane in y])
        losses.append(((p - y) ** 2 * squares)[valid].mean())
    assert value(logits, masks).item() == pytest.approx(np.mean(losses) / DIAGONAL**2, rel=1e-5)
    disturbed = torch.where((masks == 255).unsqueeze(1), -3 * logits, logits)
    torch.testing.assert_close(value(disturbed, masks), value(logits, masks))


def _squares(region: np.ndarray) -> np.ndarray:
    if region.all() or not region.any():
        return np.zeros(region.shape)
    return distance_transform_edt(region) ** 2 + distance_transform_edt(~region) ** 2


def test_a_far_error_costs_more_than_a_near_one() -> None:
    """One truth, and an equally large false patch beside it or across the image."""
    masks = torch.zeros(1, *SIZE, dtype=torch.uint8)
    masks[0, 4:8, 2:6] = 1
    near, far = masks.clone(), masks.clone()
    near[0, 4:8, 6:9], far[0, 4:8, 15:18] = 1, 1
    costs = [value(20.0 * torch.stack([wrong == label for label in range(3)], 1), masks) for wrong in (near, far)]
    assert costs[1] > 5 * costs[0]
    perfect = 100.0 * torch.stack([masks == label for label in range(3)], 1)
    assert value(perfect, masks).item() == pytest.approx(0, abs=1e-9)


def test_regions_without_a_boundary_have_no_distance() -> None:
    assert not squared_distances(torch.ones(1, 1, 4, 5, dtype=torch.bool)).any()
    assert not squared_distances(torch.zeros(1, 1, 4, 5, dtype=torch.bool)).any()


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("label", [255, 0, 2])
def test_single_classes_and_extreme_logits_stay_finite(scale: float, label: int) -> None:
    logits, masks = batch()
    leaf = (scale * logits).requires_grad_()
    loss = value(leaf, torch.full_like(masks, label))
    gradient = torch.autograd.grad(loss, leaf)[0]
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert label != 255 or (loss.item() == 0 and not gradient.any())


def test_the_builder_adds_it_to_every_head_with_the_background_left_out() -> None:
    logits, masks = batch()
    facts = DataFacts(
        channels=1,
        class_names=("nothing", "soil", "rock"),
        background=0,
        objective=(1, 2),
        height=SIZE[0],
        width=SIZE[1],
        train_images=9,
        validation_images=3,
        class_pixels=(10, 20, 30),
        class_images=(9, 9, 9),
    )
    config = LossConfig(dice=DiceTerm(weight=0.4), hausdorff=HausdorffTerm(weight=0.6), background=IgnoreBackground())
    assert config.weights == {"dice": 0.4, "hausdorff": 0.6}
    alone = LossConfig(dice=DiceTerm(weight=1), background=IgnoreBackground())
    heads, labels = (logits, logits[..., ::4, ::4]), masks.masked_fill(masks == 0, 255)
    rest = build_loss(alone, facts, deep_supervision=0.5)(heads, masks)
    distances = value(heads[0], labels) + 0.5 * value(heads[1], labels[..., ::4, ::4])
    loss = build_loss(config, facts, deep_supervision=0.5)(heads, masks)
    torch.testing.assert_close(loss, 0.4 * rest + 0.6 * distances)
