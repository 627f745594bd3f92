"""Points of the preset spaces: what a sampler proposes is a configuration, and back."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cost import measure_cost
from spaces.config import AugmentConfig, BudgetConfig, PseudoLabels, TrialConfig
from spaces.domains import label
from spaces.facts import DataFacts
from spaces.families import several_families
from spaces.networks import DeepLabConfig, EncoderNetConfig, HybridConfig, NoNorm, ParallelDilated, UNetConfig
from spaces.presets import PRESETS
from spaces.reports import report_points
from spaces.seed_systems import seed_systems
from spaces.unet_family import ATROUS_RATES, default_patch, unet_family
from tests.spaces.pseudo_labels import with_pseudo_labels
from tests.spaces.sampling import VARIANTS, close, facts, sample

SPACE = unet_family(facts())
SPACES = {name: preset(facts()) for name, preset in PRESETS.items()}
SPACES["with_pseudo_labels"] = with_pseudo_labels(VARIANTS["unlabelled"])
unets = partial(several_families, families={"unet": {}}, points={}, default="unet")
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=200, deadline=None)
@given(SEEDS, st.sampled_from(sorted(SPACES)))
def test_every_sample_is_a_configuration_and_back(seed: int, name: str) -> None:
    space = SPACES[name]
    params = sample(space, seed)
    config = space.decode(params)
    again = space.encode(config)
    assert again.keys() == params.keys()
    assert space.decode(again).model_dump() == close(config)
    assert {name: type(value) for name, value in again.items()} == {name: type(v) for name, v in params.items()}


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_configuration_survives_yaml_exactly(seed: int) -> None:
    budget = BudgetConfig(max_epochs=9, patience=3, precision="bfloat16")
    config = SPACE.decode(sample(SPACE, seed), budget=budget, seed=seed)
    assert TrialConfig.from_yaml(config.to_yaml()) == config


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(sorted(VARIANTS)), st.sampled_from(sorted(PRESETS)))
def test_every_kind_of_data_has_every_space(seed: int, variant: str, preset: str) -> None:
    space = PRESETS[preset](VARIANTS[variant])
    assert space.decode(sample(space, seed)).model.classes == VARIANTS[variant].classes


@pytest.mark.parametrize("known", VARIANTS.values(), ids=list(VARIANTS))
@pytest.mark.parametrize("preset", ["unet_family", "all_families"])
def test_the_default_and_the_named_points_are_in_the_space(known: DataFacts, preset: str) -> None:
    space = PRESETS[preset](known)
    assert "recipe" in space.points
    for config in [space.default, *(point.config for point in space.points.values())]:
        assert space.decode(space.encode(config), budget=config.budget).model_dump() == close(config)
        assert (config.model.in_channels, config.model.classes) == (known.channels, known.classes)


NOT_IN_THE_REPORTS = {"report000_deeplabv3plus_rates", "report000_background_threshold"}


@pytest.mark.parametrize("known", VARIANTS.values(), ids=list(VARIANTS))
def test_every_system_of_the_reports_is_in_the_space_seed_systems(known: DataFacts) -> None:
    points = seed_systems(known).points
    assert points.keys() == report_points(known).keys()
    assert {name for name, point in points.items() if point.source is None} <= NOT_IN_THE_REPORTS


def test_no_two_systems_of_the_reports_are_the_same() -> None:
    configs = [point.config.to_yaml() for point in report_points(VARIANTS["unlabelled"]).values()]
    assert len(set(configs)) == len(configs)


PUBLISHED = {
    "report000_base": ("000, Table 1, Base Model", 0.3533, 0.06, 0.09),
    "report000_augmented": ("000, Table 1, Augmented Data", 0.3265, 0.4003, 0.37),
    "report000_focal": ("000, Table 1, Focal-Loss", 0.4419, 0.4890, 0.47),
    "report000_class_weights": ("000, Table 1, Bottle-Neck Enhancement", 0.5719, 0.5886, 0.58),
    "report000_bottleneck": ("000, Table 1, Bottle-Neck Enhancement", 0.5719, 0.5886, 0.58),
    "report000_deeplabv3plus": ("000, Table 1, DeepLabV3+", 0.5528, 0.3681, 0.44),
    "report001_unet": ("001, Table 1, Basic U-Net", 0.5921, 0.5243, 0.49276),
    "report001_aspp": ("001, Table 1, U-Net + ASPP", 0.6531, 0.6252, 0.58961),
    "report001_attention": ("001, Table 1, U-Net + Attention", 0.6902, 0.6381, 0.59113),
    "report001_unet_l_complex": ("001, Table 1, U-Net-L + Complex Aug", 0.6513, 0.6227, 0.61386),
    "report001_unet_l_mild": ("001, Table 1, U-Net-L (mild aug)", 0.7303, 0.6817, 0.6400),
}
"""Row, and mean IoU of training, validation and platform, as the two reports print them."""


def test_published_scores_stand_beside_their_rows() -> None:
    points = report_points(facts())
    sources = {name: point.source for name, point in points.items() if point.source is not None}
    found = {
        name: (f"{source.report}, {source.row}", source.train, source.validation, source.platform)
        for name, source in sources.items()
        if source.platform is not None
    }
    assert found == PUBLISHED
    assert points["report000_base"].words.endswith(
        "(report 000, Table 1, Base Model: platform 0.09, validation 0.06, train 0.3533)"
    )
    assert points["report001_light4mars"].words.endswith("(report 001, section 2: no score published)")


def test_only_the_large_unet_of_report_001_decays_as_the_report_says() -> None:
    points = report_points(VARIANTS["unlabelled"])
    optimizers = {name: point.config.optimizer for name, point in points.items() if name.startswith("report001")}
    decaying = {name for name, optimizer in optimizers.items() if optimizer.weight_decay > 0}
    large = {"report001_unet_l_mild", "report001_unet_l_complex", "report001_pseudo_labels"}
    assert decaying == {*large, "report001_adamw", "report001_lion"}
    assert all(optimizer.schedule == "constant" for optimizer in optimizers.values())
    assert {getattr(points[name].config.model, "width", None) for name in large} == {32}
    assert getattr(points["report001_unet"].config.model, "width", None) == 16


def test_the_best_of_report_000_normalizes_its_dilations_and_weighs_its_classes() -> None:
    points = report_points(facts())
    normalized = {
        name
        for name, point in points.items()
        if isinstance(point.config.model, UNetConfig)
        and isinstance(point.config.model.bottleneck, ParallelDilated)
        and point.config.model.bottleneck.normalized
    }
    best = {"class_weights", "deep_supervision", "more_blocks", "larger_blocks"}
    assert normalized == {f"report000_{name}" for name in best}
    assert points["report000_deeplabv3plus"].config.loss == points["report000_class_weights"].config.loss


@pytest.mark.parametrize("algorithm", ["sgd", "adam", "ranger"])
def test_optimizers_whose_decay_is_optional_may_have_none(algorithm: str) -> None:
    name = f"optimizer.{algorithm}.weight_decay"
    drawn = [params[name] for seed in range(200) if name in (params := sample(SPACE, seed))]
    assert 0.0 in drawn
    assert any(drawn)


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_families_share_their_loss_and_optimizer(seed: int) -> None:
    params = sample(SPACES["all_families"], seed)
    family = params["model"]
    own = {name.split(".")[1] for name in params if name.startswith("model.")}
    assert own <= {family, "initialization"}
    assert not any(str(family) in name for name in params if not name.startswith("model."))


def test_background_and_rare_class_have_parameters_only_where_they_exist() -> None:
    def names(variant: str) -> set[str]:
        space = unet_family(VARIANTS[variant])
        return set().union(*(sample(space, seed) for seed in range(20)))

    assert {"loss.background", "augment.copy_paste", "augment.oversample"} <= names("course")
    assert not any(name.startswith("loss.background") for name in names("no background"))
    assert not {"augment.copy_paste", "augment.oversample"} & names("no rare class")


def test_no_preset_searches_pseudo_labels() -> None:
    """But the space of what was published, which can express whatever was."""
    assert not any(
        PRESETS[name](VARIANTS["unlabelled"]).has_pseudo_labels for name in PRESETS.keys() - {"seed_systems"}
    )


def test_pseudo_labels_are_searched_where_they_are_asked_for_and_there_are_unlabelled_images() -> None:
    space = with_pseudo_labels(VARIANTS["unlabelled"])
    assert space.has_pseudo_labels
    assert space.default.augment.pseudo_labels is None
    configs = [space.decode(sample(space, seed)) for seed in range(40)]
    found = [config.augment.pseudo_labels for config in configs if config.augment.pseudo_labels is not None]
    assert 8 < len(found) < 32
    assert all(0.1 <= settings.weight <= 0.5 and settings.threshold in (0.8, 0.9, 0.95) for settings in found)
    without = with_pseudo_labels(facts())
    assert not without.has_pseudo_labels
    assert all(without.decode(sample(without, seed)).augment.pseudo_labels is None for seed in range(20))
    assert space.fingerprint != without.fingerprint
    assert space.fingerprint == with_pseudo_labels(facts(unlabelled_images=7)).fingerprint
    assert unets("a", VARIANTS["unlabelled"], pseudo_labels=True).has_pseudo_labels
    assert not unets("a", VARIANTS["unlabelled"]).has_pseudo_labels
    assert space.points.keys() == SPACE.points.keys()
    assert not SPACE.holds(configs[0].model_copy(update={"augment": AugmentConfig(pseudo_labels=PseudoLabels())}))


def test_configurations_and_facts_from_before_pseudo_labels_are_read() -> None:
    config, known = SPACE.default.model_dump(mode="json"), facts().model_dump(mode="json")
    del config["augment"]["pseudo_labels"], known["unlabelled_images"]
    assert TrialConfig.model_validate(config) == SPACE.default
    assert DataFacts.model_validate(known) == facts()


def test_atrous_rates_stay_inside_the_map() -> None:
    small = unet_family(VARIANTS["small"])
    rates = {
        small.decode(params).model.bottleneck.rates[-1]
        for params in (sample(small, seed) for seed in range(200))
        if params["model.bottleneck"] == "aspp"
    }
    assert rates
    assert max(rates) < 8


@pytest.mark.parametrize("variant", ["course", "small", "tiny", "odd", "large"])
def test_encoders_leave_a_map_at_the_default_patch(variant: str) -> None:
    """The coarsest has 2 positions a side, where three levels allow it; the dilated ones' rates fit theirs."""
    known = VARIANTS[variant]
    patch = default_patch(known)
    for preset in ("encoder_family", "deeplab_family"):
        space = PRESETS[preset](known)
        models = [space.decode(sample(space, seed)).model for seed in range(150)]
        for model in models:
            if isinstance(model, EncoderNetConfig):
                assert model.levels == 3 or min(known.height, known.width) / (patch * 2**model.levels) >= 2
            if isinstance(model, DeepLabConfig):
                assert model.rates in ATROUS_RATES[:2] or model.rates[-1] < max(known.height, known.width) / patch / 8


def test_a_pyramid_on_the_decoder_may_have_large_rates() -> None:
    space = PRESETS["hybrid_family"](facts())
    models = [space.decode(sample(space, seed)).model for seed in range(100)]
    assert any(isinstance(m, HybridConfig) and m.pyramid_at == "decoder" and m.rates[-1] >= 12 for m in models)


DEFAULT_COST = 73e6
"""Multiply-adds of the U-Net that a search starts from; networks of up to three times as many are admitted."""


@pytest.mark.parametrize("family", ["deeplab", "encoder", "rockseg_like", "hybrid", "experts"])
def test_the_default_of_each_family_fits_the_limit_of_a_search(family: str) -> None:
    space = SPACES["all_families"]
    params = space.sample(lambda name, domain: family if name == "model" else label(domain.default))
    assert measure_cost(space.decode(params).model, 64, 128).macs < 3 * DEFAULT_COST


@pytest.mark.parametrize(
    ("variant", "sizes", "default"),
    [("course", (1, 2), 2), ("odd", None, 1), ("small", None, 1), ("large", (1, 2, 4), 2)],
)
def test_patches_leave_32_of_them_a_side(variant: str, sizes: tuple[int, ...] | None, default: int) -> None:
    space = unet_family(VARIANTS[variant])
    assert space.default.model.patch == default
    assert getattr(space.root["model"]["patch"], "options", None) == sizes


def change(name: str, value: object) -> dict:
    return {**SPACE.encode(SPACE.default), name: value}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (change("model.colour", 1), "unknown or inactive parameters: model.colour"),
        (change("model.norm.group.groups", 8), "unknown or inactive parameters: model.norm.group.groups"),
        (change("model.depth", 9), "model.depth = 9 is not in its domain"),
        (change("model.depth", 4.0), "model.depth = 4.0 is not in its domain"),
        (change("model.depth", True), "model.depth = True is not in its domain"),
        (change("model.dropout", float("nan")), "model.dropout = nan is not in its domain"),
        (change("model.activation", "gelu"), "model.activation = 'gelu' is not in its domain"),
        (change("model.squeeze_excitation", 1), "model.squeeze_excitation = 1 is not in its domain"),
        (change("loss.lovasz", True), "the parameter loss.lovasz.u is missing"),
        ({}, "the parameter model.patch is missing"),
    ],
)
def test_wrong_parameters_are_refused_by_name(params: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        SPACE.decode(params)


def test_what_a_space_cannot_express_is_refused_by_name() -> None:
    default = SPACE.default
    for part, update, message in [
        ("model", {"norm": NoNorm()}, "model.norm = 'none' is outside one of batch"),
        ("model", {"width": 12}, "model.width = 12 is outside"),
        ("model", {"classes": 7}, "model.classes is 7; this space fixes it at 5"),
        ("optimizer", {"learning_rate": 1.0}, "optimizer.adamw.learning_rate = 1.0 is outside 0.0001..0.005"),
    ]:
        config = default.model_copy(update={part: getattr(default, part).model_copy(update=update)})
        with pytest.raises(ValueError, match=f"^{message}"):
            SPACE.encode(config)


SHA = f"sha256:{'0123456789abcdef' * 4}"


@pytest.mark.parametrize("pretrained", ["none", "imagenet", SHA])
def test_pretrained_weights_are_the_studys_as_budget_and_seed_are(pretrained: str) -> None:
    config = SPACE.decode(sample(SPACE, 1), pretrained=pretrained)
    assert config.pretrained == pretrained
    assert SPACE.holds(config)
    assert TrialConfig.from_yaml(config.to_yaml()) == config


@pytest.mark.parametrize(
    "pretrained", ["", "ImageNet", "weights.safetensors", SHA[:-1], f"{SHA}0", SHA.upper(), f"{SHA}\n"]
)
def test_weights_are_named_by_a_hash_or_a_word(pretrained: str) -> None:
    with pytest.raises(ValueError, match="pretrained: String should match pattern"):
        SPACE.decode(sample(SPACE, 1), pretrained=pretrained)
