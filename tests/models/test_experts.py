"""Experts: what they share, the threshold class, deep supervision, and calibration."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from models.experts import Experts, fit_calibration
from models.unet import UNet
from spaces.networks import ExpertsConfig, GroupNorm, UNetConfig

ARRANGEMENTS = pytest.mark.parametrize("arrangement", ["networks", "decoders"])
VOID = 255


def make(in_channels: int = 1, classes: int = 3, **options) -> Experts:
    config = ExpertsConfig(**{"in_channels": in_channels, "classes": classes, "depth": 3, "width": 4, **options})
    return Experts(config, in_channels=in_channels, classes=classes)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@ARRANGEMENTS
@pytest.mark.parametrize("threshold_class", [None, 0, 2])
@pytest.mark.parametrize("size", [(4, 8), (8, 4), (12, 20)])
def test_shapes_and_the_threshold_class(arrangement: str, threshold_class: int | None, size: tuple[int, int]) -> None:
    experts = make(in_channels=2, arrangement=arrangement, threshold_class=threshold_class)
    for network in (experts, experts.eval()):
        logits = network(torch.rand(2, 2, *size))
        assert logits.shape == (2, 3, *size)
        constant = [label for label in range(3) if not logits[:, label].any()]
        assert constant == ([] if threshold_class is None else [threshold_class])


@pytest.mark.parametrize(("threshold_class", "expected"), [(None, 3), (1, 2)])
def test_counts(threshold_class: int | None, expected: int) -> None:
    with torch.device("meta"):
        networks = make(arrangement="networks", threshold_class=threshold_class)
        decoders = make(arrangement="decoders", threshold_class=threshold_class)
        unet = UNet(UNetConfig(in_channels=1, classes=2, depth=3, width=4), in_channels=1, classes=1)
    assert count(networks) == expected * count(unet)
    assert count(decoders) == count(unet) + (expected - 1) * (count(unet.decoder) + count(unet.head))


def experts_touched(experts: Experts, loss: Tensor) -> tuple[set[str], set[str]]:
    """Of the parts that belong to one expert, and of the shared ones, those with a gradient."""
    experts.zero_grad()
    loss.backward()
    touched = [name for name, p in experts.named_parameters() if p.grad is not None and p.grad.any()]
    own = {name.split(".")[2] for name in touched if name.split(".")[1] in ("networks", "decoders", "heads")}
    return own, {name.split(".")[1] for name in touched} - {"networks", "decoders", "heads"}


@ARRANGEMENTS
def test_a_logit_trains_its_own_expert_only(arrangement: str) -> None:
    torch.manual_seed(0)
    experts = make(classes=4, arrangement=arrangement, threshold_class=1)
    shared = {"encoder", "bottleneck"} if arrangement == "decoders" else set()
    for label, expert in {0: "0", 2: "1", 3: "2"}.items():
        loss = experts(torch.rand(2, 1, 8, 8))[:, label].square().sum()
        assert experts_touched(experts, loss) == ({expert}, shared)


@ARRANGEMENTS
def test_deep_supervision_joins_the_experts_level_by_level(arrangement: str) -> None:
    experts = make(depth=4, deep_supervision=0.3, arrangement=arrangement, threshold_class=0, norm=GroupNorm())
    images = torch.rand(2, 1, 16, 24)
    outputs = experts(images)
    assert isinstance(outputs, tuple)
    assert [tuple(logits.shape) for logits in outputs] == [(2, 3, 16, 24), (2, 3, 8, 12), (2, 3, 4, 6)]
    assert not any(logits[:, 0].any() for logits in outputs)
    torch.testing.assert_close(experts.eval()(images), outputs[0])
    for level in range(3):
        own, _ = experts_touched(experts, experts.train()(images)[level][:, 2].square().sum())
        assert own == {"1"}


def test_experts_start_differently() -> None:
    torch.manual_seed(0)
    logits = make(arrangement="networks").eval()(torch.rand(1, 1, 8, 8))
    assert not torch.allclose(logits[:, 0], logits[:, 1])


# --- Calibration -----------------------------------------------------------------------------------------------------


def test_calibration_applies_in_evaluation_only() -> None:
    experts, images = make(norm=GroupNorm()), torch.rand(2, 1, 8, 8)
    before = experts(images)
    scale, shift = torch.tensor([2.0, 1.0, 0.5]), torch.tensor([0.0, -3.0, 1.0])
    experts.set_calibration(scale, shift)
    torch.testing.assert_close(experts(images), before)
    torch.testing.assert_close(experts.eval().raw(images), before)
    torch.testing.assert_close(experts(images), before * scale[:, None, None] + shift[:, None, None])


def test_calibration_is_saved_with_the_weights(tmp_path) -> None:
    experts, images = make(), torch.rand(1, 1, 8, 8)
    experts.set_calibration(torch.tensor([2.0, 1.0, 0.5]), torch.tensor([0.0, -3.0, 1.0]))
    save_file(experts.state_dict(), tmp_path / "weights.safetensors")
    loaded = make()
    loaded.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    torch.testing.assert_close(loaded.eval()(images), experts.eval()(images))
    assert {"scale", "shift"} <= experts.state_dict().keys() - dict(experts.named_parameters()).keys()


def test_the_threshold_class_stays_at_zero() -> None:
    experts = make(threshold_class=1)
    experts.set_calibration(torch.full((3,), 2.0), torch.full((3,), -1.0))
    assert experts.scale.tolist() == [2, 1, 2]
    assert experts.shift.tolist() == [-1, 0, -1]
    assert not experts.eval()(torch.rand(1, 1, 8, 8))[:, 1].any()


def test_a_calibration_has_one_value_a_class() -> None:
    with pytest.raises(ValueError, match=r"for each of 3 classes, got shapes \(2,\) and \(3,\)"):
        make().set_calibration(torch.ones(2), torch.zeros(3))


def synthetic(scale: list[float], shift: list[float], pixels: int = 200_000) -> tuple[Tensor, Tensor]:
    """Uncalibrated logits (P, K) whose softmax, once scaled and shifted, is the labels' distribution.

    With two classes and opposite calibrated logits the softmax of both is the sigmoid of twice either.
    """
    generator = torch.Generator().manual_seed(0)
    calibrated = 1.5 * torch.randn(pixels, generator=generator)
    labels = (torch.rand(pixels, generator=generator) < calibrated.sigmoid()).long()
    odds = torch.stack([-calibrated, calibrated], dim=1)
    return (odds - torch.tensor(shift)) / torch.tensor(scale), labels


def test_calibration_recovers_scale_and_shift() -> None:
    scale, shift = [0.4, 5.0], [1.0, -2.0]
    logits, labels = synthetic(scale, shift)
    found = fit_calibration(logits, labels)
    assert found[0].tolist() == pytest.approx(scale, rel=0.03)
    assert found[1].tolist() == pytest.approx(shift, rel=0.03)
    assert found[0].dtype == found[1].dtype == torch.float32


def test_calibration_leaves_void_out() -> None:
    logits, labels = synthetic([0.4, 5.0], [1.0, -2.0], pixels=2000)
    masks = torch.cat([labels.to(torch.uint8), torch.full((500,), VOID, dtype=torch.uint8)])
    with_void = fit_calibration(torch.cat([logits, 100 * torch.randn(500, 2)]), masks)
    torch.testing.assert_close(with_void, fit_calibration(logits, labels))


def test_calibration_lowers_the_binary_cross_entropy_to_its_minimum() -> None:
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(3, (3000,), generator=generator)
    logits = 1e3 * functional.one_hot(labels, 3) + 1e3 * torch.randn(3000, 3, generator=generator) - 7e3
    scale, shift = (values.double().requires_grad_() for values in fit_calibration(logits, labels))
    targets = functional.one_hot(labels, 3).double()
    loss = functional.binary_cross_entropy_with_logits(logits.double() * scale + shift, targets)
    by_scale, by_shift = torch.autograd.grad(loss, (scale, shift))
    assert (by_scale / logits.std()).abs().max() < 1e-3  # not 0: Platt's targets are not 0 and 1
    assert by_shift.abs().max() < 1e-3
    assert loss < functional.binary_cross_entropy(targets.mean(0).expand_as(targets), targets) - 0.05


def test_an_absent_class_and_a_constant_logit_keep_one_and_zero() -> None:
    torch.manual_seed(0)
    logits = torch.randn(400, 4)
    logits[:, 2] = 0
    labels = torch.randint(3, (400,))
    scale, shift = fit_calibration(logits, labels)
    assert (scale[2:] == 1).all()
    assert (shift[2:] == 0).all()
    assert (shift[:2] != 0).all()
    alone = fit_calibration(logits, torch.zeros(400, dtype=torch.long))
    assert alone[0].tolist() == [1, 1, 1, 1]
    nothing = fit_calibration(logits, torch.full((400,), VOID))
    assert nothing[1].tolist() == [0, 0, 0, 0]


def test_a_logit_that_is_wrong_keeps_a_positive_slope_and_the_class_share() -> None:
    torch.manual_seed(0)
    labels = (torch.rand(5000) < 0.2).long()
    right = torch.randn(5000) + 2 * labels
    scale, shift = fit_calibration(torch.stack([right, -right], dim=1), labels)
    assert (scale > 0).all()
    assert (scale < 0.01).all()
    assert shift.sigmoid().tolist() == pytest.approx([0.8, 0.2], abs=0.02)


def test_separable_classes_stay_finite() -> None:
    labels = torch.arange(100) % 2
    logits = torch.stack([1.0 - labels, labels - 0.5], dim=1) * 50
    scale, shift = fit_calibration(logits, labels)
    assert scale.isfinite().all()
    assert shift.isfinite().all()
    assert ((logits * scale + shift).argmax(1) == labels).all()
