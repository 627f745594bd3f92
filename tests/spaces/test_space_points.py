"""Points of the preset spaces: what a sampler proposes is a configuration, and back."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces.config import AugmentConfig, BudgetConfig, PseudoLabels, TrialConfig
from spaces.facts import DataFacts
from spaces.families import several_families
from spaces.networks import NoNorm
from spaces.presets import PRESETS
from spaces.reports import report_points
from spaces.seed_systems import seed_systems
from spaces.unet_family import unet_family
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


def test_every_system_of_the_reports_is_in_the_space_seed_systems() -> None:
    points = seed_systems(facts()).points
    assert points.keys() == report_points(facts()).keys()
    assert all(point.source is not None for name, point in points.items() if name != "report000_deeplabv3plus_rates")


def test_no_two_systems_of_the_reports_are_the_same() -> None:
    configs = [point.config.to_yaml() for point in report_points(facts()).values()]
    assert len(set(configs)) == len(configs)


def test_published_scores_stand_beside_their_rows() -> None:
    points = report_points(facts())
    base, best = points["report000_base"], points["report001_unet_l_mild"]
    assert base.words.endswith("(report 000, Table 1, Base Model: platform 0.09, validation 0.06)")
    assert best.source is not None
    assert (best.source.platform, best.source.validation) == (0.64, 0.6817)
    assert points["report001_light4mars"].words.endswith("(report 001, section 2: no score published)")


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
