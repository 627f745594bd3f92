"""The mixture: what holds for every term, deep supervision, and the builder."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses.ds_loss import DeepSupervisionLoss
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from search.errors import DataError
from search.training.losses import SegmentationLoss, build_loss, distance_maps
from spaces.facts import DataFacts
from spaces.losses import (
    BackgroundPenalty,
    BoundaryTerm,
    ClassWeights,
    CrossEntropyTerm,
    DiceTerm,
    FocalTerm,
    IgnoreBackground,
    LossConfig,
    LovaszTerm,
    TverskyTerm,
)

CLASSES = 5
SINGLE = {
    "cross_entropy": LossConfig(cross_entropy=CrossEntropyTerm(weight=1, label_smoothing=0.1)),
    "focal": LossConfig(focal=FocalTerm(weight=1, gamma=0.5)),
    "dice": LossConfig(dice=DiceTerm(weight=1)),
    "tversky": LossConfig(tversky=TverskyTerm(weight=1)),
    "lovasz": LossConfig(lovasz=LovaszTerm(weight=1)),
    "boundary": LossConfig(boundary=BoundaryTerm(weight=1)),
}
MIXTURE = LossConfig(
    cross_entropy=CrossEntropyTerm(weight=0.3, label_smoothing=0.1),
    focal=FocalTerm(weight=0.2, gamma=0.5),
    dice=DiceTerm(weight=0.2),
    tversky=TverskyTerm(weight=0.1),
    lovasz=LovaszTerm(weight=0.15),
    boundary=BoundaryTerm(weight=0.05),
    class_weights=ClassWeights(),
)
EVERYTHING = MIXTURE.model_copy(update={"background": BackgroundPenalty(miss=0.4, false_alarm=0.6)})
CONFIGS = [*SINGLE.values(), EVERYTHING, MIXTURE.model_copy(update={"background": IgnoreBackground()})]
each_config = pytest.mark.parametrize("config", CONFIGS, ids=[*SINGLE, "everything", "ignore_background"])


def facts(background: int | None = 0) -> DataFacts:
    return DataFacts(
        channels=1,
        class_names=("nothing", "soil", "bedrock", "sand", "rock"),
        background=background,
        objective=(1, 2, 3, 4),
        height=16,
        width=32,
        train_images=100,
        validation_images=20,
        class_pixels=(2426, 3354, 2371, 1836, 14),
        class_images=(80, 60, 50, 40, 3),
    )


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits, and masks with void pixels and without class 3."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(3, CLASSES, 16, 32, generator=generator)
    coarse = torch.tensor([0, 1, 2, 4, 255], dtype=torch.uint8)[torch.randint(0, 5, (3, 4, 8), generator=generator)]
    return logits, coarse.repeat_interleave(4, 1).repeat_interleave(4, 2)


def maps_of(masks: Tensor) -> Tensor:
    return torch.from_numpy(distance_maps(masks.numpy(), CLASSES))


def evaluate(loss: SegmentationLoss, logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and its gradient."""
    logits = logits.clone().requires_grad_()
    value = loss(logits, masks, maps_of(masks))
    return value.detach(), torch.autograd.grad(value, logits)[0]


# --- What holds for every term ---------------------------------------------------------------------------------------


@each_config
def test_void_pixels_change_nothing_and_get_no_gradient(config: LossConfig) -> None:
    loss = build_loss(config, facts())
    logits, masks = batch()
    void = (masks == 255).unsqueeze(1)
    value, gradient = evaluate(loss, logits, masks)
    disturbed, _ = evaluate(loss, torch.where(void, -3 * logits, logits), masks)
    torch.testing.assert_close(disturbed, value)
    assert not gradient[void.expand_as(gradient)].any()
    assert gradient.any()


@each_config
def test_a_batch_of_void_has_loss_zero_and_gradient_zero(config: LossConfig) -> None:
    logits, masks = batch()
    value, gradient = evaluate(build_loss(config, facts()), logits, torch.full_like(masks, 255))
    assert value.item() == 0
    assert not gradient.any()


@each_config
@pytest.mark.parametrize("scale", [0.0, 1e4, -1e4])
def test_extreme_logits_and_single_classes_stay_finite(config: LossConfig, scale: float) -> None:
    loss = build_loss(config, facts())
    logits, masks = batch()
    for truth in (masks, torch.full_like(masks, 4), torch.zeros_like(masks)):
        value, gradient = evaluate(loss, scale * logits, truth)
        assert value.isfinite()
        assert gradient.isfinite().all()


@each_config
def test_autocast_and_memory_format_do_not_matter(config: LossConfig) -> None:
    loss = build_loss(config, facts())
    logits, masks = batch()
    logits = logits.bfloat16()
    expected, _ = evaluate(loss, logits.float(), masks)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, gradient = evaluate(loss, logits.to(memory_format=torch.channels_last), masks.long())
    assert value.dtype == torch.float32
    assert gradient.dtype == torch.bfloat16
    torch.testing.assert_close(value, expected)


@each_config
def test_images_in_another_order_have_the_same_loss(config: LossConfig) -> None:
    loss = build_loss(config, facts())
    logits, masks = batch()
    torch.testing.assert_close(evaluate(loss, logits.flip(0), masks.flip(0))[0], evaluate(loss, logits, masks)[0])


@each_config
def test_a_step_against_the_gradient_lowers_the_loss(config: LossConfig) -> None:
    loss = build_loss(config, facts())
    logits, masks = batch()
    value, gradient = evaluate(loss, logits, masks)
    slope = gradient.square().sum()
    step = 1e-2 / slope.sqrt()
    lower, _ = evaluate(loss, logits - step * gradient, masks)
    assert (value - lower).item() == pytest.approx((step * slope).item(), rel=0.1)


@each_config
def test_no_value_travels_to_the_host(config: LossConfig) -> None:
    """Under fake tensors whatever needs a value (`.item()`, a boolean index) raises."""
    with FakeTensorMode():
        loss = build_loss(config, facts(), deep_supervision=0.4)
        heads = [torch.randn(2, CLASSES, 16 // scale, 32 // scale, requires_grad=True) for scale in (1, 2)]
        masks = torch.zeros(2, 16, 32, dtype=torch.uint8)
        loss(heads, masks, torch.zeros(2, CLASSES, 16, 32)).backward()
    assert heads[0].grad is not None


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    values=st.lists(st.sampled_from([0, 1, 2, 3, 4, 255]), min_size=1, max_size=6),
    scale=st.floats(0, 50),
)
def test_overlap_losses_lie_between_zero_and_one(seed: int, values: list[int], scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.tensor(values, dtype=torch.uint8)[torch.randint(0, len(values), (1, 6, 7), generator=generator)]
    logits = scale * torch.randn(1, CLASSES, 6, 7, generator=generator)
    for name in ("dice", "tversky", "lovasz"):
        value, gradient = evaluate(build_loss(SINGLE[name], facts()), logits, masks)
        assert -1e-5 <= value.item() <= 1 + 1e-5
        assert gradient.isfinite().all()


# --- Mixture, background, deep supervision ---------------------------------------------------------------------------


def test_a_mixture_is_the_weighted_sum_of_its_terms() -> None:
    logits, masks = batch()
    mixture = MIXTURE.model_copy(update={"class_weights": None})
    weights = {"cross_entropy": 0.3, "focal": 0.2, "dice": 0.2, "tversky": 0.1, "lovasz": 0.15, "boundary": 0.05}
    expected = sum(
        weight * evaluate(build_loss(SINGLE[name], facts()), logits, masks)[0] for name, weight in weights.items()
    )
    torch.testing.assert_close(evaluate(build_loss(mixture, facts()), logits, masks)[0], expected)


@pytest.mark.parametrize("name", [*SINGLE])
def test_class_weights_apply_to_cross_entropy_and_focal_alone(name: str) -> None:
    weighted = SINGLE[name].model_copy(update={"class_weights": ClassWeights()})
    values = [evaluate(build_loss(config, facts()), *batch())[0].item() for config in (SINGLE[name], weighted)]
    assert (values[0] != values[1]) == (name in ("cross_entropy", "focal"))


@pytest.mark.parametrize("name", [*SINGLE])
def test_ignored_background_is_void_in_every_term(name: str) -> None:
    logits, masks = batch()
    config = SINGLE[name].model_copy(update={"background": IgnoreBackground()})
    value, gradient = evaluate(build_loss(config, facts()), logits, masks)
    without, expected = evaluate(build_loss(SINGLE[name], facts()), logits, masks.masked_fill(masks == 0, 255))
    torch.testing.assert_close(value, without)
    torch.testing.assert_close(gradient, expected)
    assert not gradient.movedim(1, -1)[masks == 0].any()


def test_background_penalty_adds_to_the_mixture() -> None:
    logits, masks = batch()
    value = evaluate(build_loss(EVERYTHING, facts()), logits, masks)[0]
    plain = evaluate(build_loss(MIXTURE, facts()), logits, masks)[0]
    background = logits.softmax(1)[:, 0]
    miss, false_alarm = (1 - background[masks == 0]).mean(), background[(masks != 0) & (masks != 255)].mean()
    torch.testing.assert_close(value - plain, 0.4 * miss + 0.6 * false_alarm)


def test_deep_supervision_of_one_half_is_monais() -> None:
    _, masks = batch()
    heads = [batch(seed)[0] for seed in range(3)]
    plain = build_loss(SINGLE["dice"], facts())
    expected = DeepSupervisionLoss(lambda logits, truth: plain(logits, truth[:, 0]))(heads, masks.unsqueeze(1))
    value = build_loss(SINGLE["dice"], facts(), deep_supervision=0.5)(heads, masks)
    torch.testing.assert_close(value, expected)


def test_auxiliary_heads_skip_the_boundary_and_meet_nearest_labels() -> None:
    _, masks = batch()
    main, coarse = batch()[0], torch.randn(3, CLASSES, 6, 10, generator=torch.Generator().manual_seed(5))
    both = LossConfig(dice=DiceTerm(weight=0.8), boundary=BoundaryTerm(weight=0.2))
    small = functional.interpolate(masks.unsqueeze(1).float(), size=(6, 10), mode="nearest-exact")[:, 0].to(torch.uint8)
    expected = build_loss(both, facts())(main, masks, maps_of(masks))
    expected = expected + 0.3 * 0.8 * build_loss(SINGLE["dice"], facts())(coarse, small)
    value = build_loss(both, facts(), deep_supervision=0.3)((main, coarse), masks, maps_of(masks))
    torch.testing.assert_close(value, expected)


def test_a_boundary_alone_leaves_auxiliary_heads_without_gradient() -> None:
    _, masks = batch()
    heads = [batch(seed)[0].requires_grad_() for seed in range(2)]
    build_loss(SINGLE["boundary"], facts(), deep_supervision=0.3)(heads, masks, maps_of(masks)).backward()
    assert heads[0].grad is not None
    assert heads[0].grad.any()
    assert heads[1].grad is not None
    assert not heads[1].grad.any()


def test_several_heads_need_a_weight() -> None:
    logits, masks = batch()
    with pytest.raises(ValueError, match="without deep_supervision takes one head, the network gave 2"):
        build_loss(SINGLE["dice"], facts())((logits, logits), masks)


def test_only_a_boundary_term_needs_distance_maps() -> None:
    logits, masks = batch()
    assert not any(build_loss(SINGLE[name], facts()).needs_distance_maps for name in SINGLE if name != "boundary")
    loss = build_loss(SINGLE["boundary"], facts())
    assert loss.needs_distance_maps
    with pytest.raises(ValueError, match="pass the distance maps"):
        loss(logits, masks)


@pytest.mark.parametrize("background", [BackgroundPenalty(), IgnoreBackground()])
def test_a_background_treatment_needs_a_background(background: BackgroundPenalty | IgnoreBackground) -> None:
    config = SINGLE["dice"].model_copy(update={"background": background})
    with pytest.raises(DataError, match=r"declares none among nothing, soil.*drop loss.background, or name"):
        build_loss(config, facts(background=None))


def test_a_loss_has_no_state_to_save() -> None:
    assert not build_loss(EVERYTHING, facts()).state_dict()
