"""Losses of logits that are one class against the rest each, against torch's binary losses and literal computations."""

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from search.training.losses import SegmentationLoss
from search.training.losses.background import background_penalty
from search.training.losses.boundary import boundary
from search.training.losses.build import build_loss
from search.training.losses.lovasz import lovasz
from search.training.losses.mixture import Term
from search.training.losses.overlap import dice, tversky
from search.training.losses.pixels import Prediction, Truth
from search.training.losses.pixelwise import cross_entropy, focal
from spaces.facts import DataFacts
from spaces.losses import CrossEntropyTerm, DiceTerm, FocalTerm, LossConfig

CLASSES = 4
ONES = torch.ones(CLASSES)
WEIGHTS = torch.tensor([0.3, 0.2, 2.7, 0.8])
VOID = 255


@pytest.fixture
def logits() -> Tensor:
    return 2 * torch.randn(2, CLASSES, 6, 10, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels() -> Tensor:
    """With void pixels, and without class 3."""
    values = torch.tensor([0, 1, 2, VOID], dtype=torch.uint8)
    return values[torch.randint(0, 4, (2, 6, 10), generator=torch.Generator().manual_seed(1))]


def pair(logits: Tensor, labels: Tensor, weights: Tensor = ONES) -> tuple[Prediction, Truth]:
    return Prediction(logits=logits, one_vs_rest=True), Truth(labels=labels, class_weights=weights)


def labelled(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(P, K) logits and one-hot labels of the labelled pixels, in float64."""
    keep = labels != VOID
    return logits.double().movedim(1, -1)[keep], functional.one_hot(labels[keep].long(), CLASSES).double()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [ONES, WEIGHTS], ids=["plain", "weighted"])
def test_cross_entropy_is_torchs_binary_one_summed_over_classes(
    logits: Tensor, labels: Tensor, smoothing: float, weights: Tensor
) -> None:
    kept, one_hot = labelled(logits, labels)
    target = one_hot * (1 - smoothing) + smoothing / 2
    losses = functional.binary_cross_entropy_with_logits(kept, target, reduction="none")
    expected = (losses * weights.double()).sum(1).mean()
    value = cross_entropy(*pair(logits, labels, weights), label_smoothing=smoothing)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_is_torchvisions_sigmoid_focal_summed_over_classes(logits: Tensor, labels: Tensor, gamma: float) -> None:
    kept, one_hot = labelled(logits, labels)
    losses = sigmoid_focal_loss(kept, one_hot, alpha=-1, gamma=gamma, reduction="none")
    expected = (losses * WEIGHTS.double()).sum(1).mean()
    assert focal(*pair(logits, labels, WEIGHTS), gamma=gamma).item() == pytest.approx(expected.item(), rel=1e-5)


def test_focal_with_gamma_zero_is_cross_entropy(logits: Tensor, labels: Tensor) -> None:
    both = pair(logits, labels, WEIGHTS)
    torch.testing.assert_close(focal(*both, gamma=0.0), cross_entropy(*both, label_smoothing=0))


def test_dice_and_tversky_take_sigmoids(logits: Tensor, labels: Tensor) -> None:
    kept, one_hot = labelled(logits, labels)
    probabilities, present = kept.sigmoid(), [0, 1, 2]
    overlap = (probabilities * one_hot).sum(0)
    ratio = 2 * overlap / (probabilities.sum(0) + one_hot.sum(0))
    assert dice(*pair(logits, labels)).item() == pytest.approx((1 - ratio[present]).mean().item(), rel=1e-5)
    index = overlap / (overlap + 0.3 * (probabilities.sum(0) - overlap) + 0.7 * (one_hot.sum(0) - overlap))
    value = tversky(*pair(logits, labels), beta=0.7)
    assert value.item() == pytest.approx((1 - index[present]).mean().item(), rel=1e-5)


def test_boundary_and_background_penalty_take_sigmoids(logits: Tensor, labels: Tensor) -> None:
    kept, one_hot = labelled(logits, labels)
    distances = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
    expected = (kept.sigmoid() * distances.double().movedim(1, -1)[labels != VOID]).mean()
    assert boundary(*pair(logits, labels), distances).item() == pytest.approx(expected.item(), rel=1e-4)
    background, is_background = kept[:, 0].sigmoid(), one_hot[:, 0] > 0
    expected = 0.3 * (1 - background[is_background]).mean() + 1.7 * background[~is_background].mean()
    value = background_penalty(*pair(logits, labels), background=0, miss=0.3, false_alarm=1.7)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_lovasz_of_hard_sigmoids_is_one_minus_the_mean_jaccard_index(labels: Tensor) -> None:
    everywhere = torch.full((2, CLASSES, 6, 10), 1e4)
    everywhere[:, 1] = -1e4  # classes may overlap: softmax could not say this
    one_hot = labelled(everywhere, labels)[1]
    jaccard = [one_hot[:, 0].mean(), 0, one_hot[:, 2].mean()]
    assert lovasz(*pair(everywhere, labels)).item() == pytest.approx(1 - float(sum(jaccard)) / 3, rel=1e-5)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_values_and_gradients_stay_finite_at_extreme_logits(logits: Tensor, labels: Tensor, size: float) -> None:
    logits = (size * logits).requires_grad_()
    both = pair(logits, labels)
    value = cross_entropy(*both, label_smoothing=0.1) + focal(*both, gamma=0.5) + dice(*both) + lovasz(*both)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    "term", [lambda p, t: cross_entropy(p, t, label_smoothing=0.1), lambda p, t: focal(p, t, gamma=2)]
)
def test_void_pixels_count_nowhere(logits: Tensor, labels: Tensor, term) -> None:
    void = (labels == VOID).unsqueeze(1)
    torch.testing.assert_close(term(*pair(torch.where(void, -3 * logits, logits), labels)), term(*pair(logits, labels)))
    assert term(*pair(logits, torch.full_like(labels, VOID))).item() == 0


def facts() -> DataFacts:
    return DataFacts(
        channels=1,
        class_names=("nothing", "soil", "sand", "rock"),
        background=0,
        objective=(1, 2, 3),
        height=6,
        width=10,
        train_images=10,
        validation_images=2,
        class_pixels=(30, 30, 30, 10),
        class_images=(10, 10, 10, 3),
    )


MIXTURE = LossConfig(cross_entropy=CrossEntropyTerm(weight=0.5), focal=FocalTerm(weight=0.3), dice=DiceTerm(weight=0.2))


def test_build_loss_passes_the_mode_to_every_head_and_term(logits: Tensor, labels: Tensor) -> None:
    built = build_loss(MIXTURE, facts(), deep_supervision=0.5, one_vs_rest=True)
    both = pair(logits, labels)
    one = 0.5 * cross_entropy(*both, label_smoothing=0) + 0.3 * focal(*both, gamma=2) + 0.2 * dice(*both)
    torch.testing.assert_close(built((logits, logits), labels), 1.5 * one)
    assert not torch.isclose(build_loss(MIXTURE, facts())(logits, labels), one)


def test_bfloat16_logits_are_computed_in_float32(logits: Tensor, labels: Tensor) -> None:
    loss = SegmentationLoss([Term(weight=1, value=dice)], class_weights=[1.0] * CLASSES, one_vs_rest=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(logits.bfloat16(), labels)
    torch.testing.assert_close(value, dice(*pair(logits.bfloat16().float(), labels)))


def test_no_value_travels_to_the_host() -> None:
    """Under fake tensors whatever needs a value (`.item()`, a boolean index) raises."""
    with FakeTensorMode():
        logits = torch.randn(2, CLASSES, 6, 10, requires_grad=True)
        build_loss(MIXTURE, facts(), one_vs_rest=True)(logits, torch.zeros(2, 6, 10, dtype=torch.uint8)).backward()
    assert logits.grad is not None
