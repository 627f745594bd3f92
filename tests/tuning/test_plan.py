"""From options and measurements to the spec of a study, begun or continued."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.data.initial_weights import InitialWeights
from search.data.prepare import PreparedData, prepare_data
from search.data.stratification import Stratification
from search.data.unlabelled import Unlabelled
from search.errors import SpaceError, StudyError, UserError
from search.tuning.options import Budget, Execution, Networks, RunOptions, What
from search.tuning.plan import check_encoders, check_places, continued_spec, new_spec, prepare
from search.tuning.probe import Costs, Probe, Speed
from search.tuning.resources import Resources
from search.tuning.spec import StudySpec
from spaces.all_families import all_families
from spaces.encoder_family import encoder_family
from spaces.space import SearchSpace
from spaces.unet_family import unet_family
from tests.spaces import pseudo_labels
from tests.spaces.pseudo_labels import with_pseudo_labels
from tests.tuning.in_this_process import InThisProcess

PROBE = Probe(
    speed=Speed(precision="float32", layout="channels_last", seconds_per_epoch=1.0),
    costs=Costs(parameters={"default": 100}, macs={"default": 1000}),
)
RESOURCES = Resources(concurrency=2, threads=1, gpus=0, gpus_per_trial=0.0)


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    return prepare_data(None, seed=0)


@pytest.fixture(scope="module")
def space(prepared: PreparedData) -> SearchSpace:
    return unet_family(prepared.facts)


@pytest.fixture
def begin(prepared: PreparedData, space: SearchSpace):
    def spec(**budget: Any) -> StudySpec:
        return new_spec(RunOptions(budget=Budget(**budget)), prepared, space, PROBE, RESOURCES)

    return spec


@pytest.mark.parametrize(
    ("budget", "epochs", "rungs", "patience"),
    [
        ({}, 45, (5, 15), 22),
        ({"max_epochs": 9}, 9, (1, 3), 4),
        ({"max_epochs": 9, "grace_epochs": 5}, 9, (5,), 5),
        ({"max_epochs": 1}, 1, (), 1),
        ({"trials": 3, "reduction_factor": 2}, 27, (6, 12, 24), 13),
    ],
)
def test_what_was_not_asked_for_follows(begin, budget: dict, epochs: int, rungs: tuple, patience: int) -> None:
    spec = begin(**budget)
    assert (spec.max_epochs, spec.rungs, spec.patience) == (epochs, rungs, patience)


def test_what_is_searched_for_is_in_the_spec(prepared: PreparedData, space: SearchSpace) -> None:
    options = RunOptions(what=What(objectives="miou,parameters,latency"))
    begun = new_spec(options, prepared, space, PROBE, RESOURCES)
    assert begun.objectives == ("miou", "parameters", "latency")
    assert continued_spec(options, prepared, space, begun) is begun


def test_a_grace_period_over_the_epochs_that_follow_is_refused(begin) -> None:
    with pytest.raises(UserError, match="--grace-epochs must not be over --max-epochs, got 30 over 27"):
        begin(trials=3, grace_epochs=30)


def continued(stored: StudySpec, prepared: PreparedData, space: SearchSpace, **options: Any) -> StudySpec:
    return continued_spec(RunOptions(**options), prepared, space, stored)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"budget": Budget(trials=100, time_budget="9h")},
        {"budget": Budget(max_epochs=45, grace_epochs=5)},
        {"what": What(study="other name")},
    ],
)
def test_how_long_and_where_may_change(begin, prepared, space, options: dict) -> None:
    stored = begin()
    assert continued(stored, prepared, space, **options) is stored


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"budget": Budget(max_epochs=9)}, "max_epochs: the study has 45, asked for 9"),
        ({"budget": Budget(grace_epochs=1)}, "grace_epochs: the study has 5, asked for 1"),
        ({"budget": Budget(reduction_factor=2)}, "reduction_factor: the study has 3, asked for 2"),
        ({"budget": Budget(no_warm_start=True)}, "warm_start: the study has True, asked for False"),
        ({"networks": Networks(max_params=5)}, "max_params: the study has None, asked for 5"),
        ({"networks": Networks(max_macs=5)}, "max_macs: the study has None, asked for 5"),
        ({"what": What(seed=4)}, "seed: the study has 0, asked for 4"),
        ({"what": What(objectives="miou,macs")}, "objectives: the study has miou, asked for miou,macs"),
        ({"execution": Execution(precision="bfloat16")}, "precision: the study has float32, asked for bfloat16"),
        ({"execution": Execution(layout="contiguous")}, "layout: the study has channels_last, asked for contiguous"),
    ],
)
def test_another_study_under_the_name_shows_what_differs(begin, prepared, space, options: dict, line: str) -> None:
    with pytest.raises(StudyError) as error:
        continued(begin(), prepared, space, **options)
    assert str(error.value).splitlines() == [
        "the study 'unet_family-demo' exists and is another one:",
        f"  {line}",
        "Use another --study name, or the options it was started with; uv run python -m search.delete removes it",
    ]


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """Thirty tiles whose classes are drawn pixel by pixel, so that no class prevails."""
    path, generator = tmp_path / "tiles.npz", np.random.default_rng(0)
    images, masks = generator.integers(0, 256, (30, 32, 64)), generator.integers(0, 5, (30, 32, 64))
    np.savez(path, training_set=np.stack([images, masks], axis=1).astype(np.uint8))
    return path


def begin_and_ask(tiles: Path, space: SearchSpace, stratify: Stratification) -> tuple[PreparedData, StudySpec]:
    """Begin a study stratified on presence, continue it with `stratify`."""
    plain, asked = (RunOptions(what=What(data=tiles, stratify=way)) for way in ("presence", stratify))
    stored = new_spec(plain, prepare(plain, InThisProcess())[0], space, PROBE, RESOURCES)
    prepared = prepare(asked, InThisProcess())[0]
    return prepared, continued_spec(asked, prepared, space, stored)


def test_another_stratification_is_another_study_and_named(tiles, space) -> None:
    with pytest.raises(StudyError) as error:
        begin_and_ask(tiles, space, "dispersion-quantile")
    _, split, stratify, _ = str(error.value).splitlines()
    assert split.startswith("  split_fingerprint: the study has ")
    assert stratify == "  stratify: the study has presence, asked for dispersion-quantile"


def test_the_same_split_by_another_rule_is_the_same_study(tiles, space) -> None:
    prepared, stored = begin_and_ask(tiles, space, "dispersion-literal")
    assert any("calls no labelled image Non-seg" in warning for warning in prepared.warnings)
    assert stored.stratify == "presence"


def test_a_space_that_changed_is_another_study(begin, prepared, space) -> None:
    with pytest.raises(StudyError, match="  space_fingerprint: the study has"):
        continued(begin(), prepared, replace(space, points={}))


@pytest.fixture(scope="module")
def beside(prepared: PreparedData) -> Callable[[str], PreparedData]:
    """The demo set with three images without labels, of this fingerprint."""
    facts = prepared.facts.model_copy(update={"unlabelled_images": 3})
    trial = replace(prepared.trial, facts=facts, unlabelled=prepared.trial.train.images[:3])

    def with_unlabelled(fingerprint: str) -> PreparedData:
        unlabelled = Unlabelled(images=prepared.trial.train.images[:3], found=3, fingerprint=fingerprint)
        return replace(prepared, trial=trial, unlabelled=unlabelled)

    return with_unlabelled


def test_other_unlabelled_images_are_another_study_where_the_space_has_pseudo_labels(beside, space) -> None:
    resources = Resources(concurrency=2, threads=1, gpus=0, gpus_per_trial=0.0)
    first = beside("a" * 64)
    both = with_pseudo_labels(first.facts)
    stored = new_spec(RunOptions(), first, both, PROBE, resources)
    assert continued(stored, first, both) is stored
    with pytest.raises(StudyError, match=r"  unlabelled_fingerprint: the study has a{12}, asked for b{12}"):
        continued(stored, beside("b" * 64), both)
    indifferent = new_spec(RunOptions(), first, space, PROBE, resources)
    assert indifferent.unlabelled_fingerprint is None
    assert continued(indifferent, beside("b" * 64), space) is indifferent


def test_a_space_with_pseudo_labels_needs_unlabelled_images(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "from tests.spaces.pseudo_labels import with_pseudo_labels\n"
        "def mine(facts):\n"
        "    return with_pseudo_labels(facts.model_copy(update={'unlabelled_images': 1}))\n"
    )
    tiles = np.random.default_rng(0).integers(0, 4, (30, 2, 32, 64), np.uint8)
    np.savez(tmp_path / "tiles.npz", training_set=tiles)
    what = What(space=f"{own}:mine", data=tmp_path / "tiles.npz", results=tmp_path, study="a")
    with pytest.raises(SpaceError, match=r"has augment\.pseudo_labels, and the data has no images without labels; add"):
        prepare(RunOptions(what=what), InThisProcess())
    np.savez(tmp_path / "tiles.npz", training_set=tiles, test_set=tiles[:, 0] / 255)
    with pytest.raises(SpaceError, match=r"no images without labels that fit \(test_set needs the range of values"):
        prepare(RunOptions(what=what), InThisProcess())


def test_a_space_without_pseudo_labels_carries_no_unlabelled_images(tmp_path: Path) -> None:
    tiles = np.random.default_rng(0).integers(0, 4, (30, 2, 32, 64), np.uint8)
    np.savez(tmp_path / "tiles.npz", training_set=tiles, test_set=tiles[:5, 1])
    for name, carried in (("unet_family", 0), (f"{pseudo_labels.__file__}:with_pseudo_labels", 5)):
        what = What(space=name, data=tmp_path / "tiles.npz", results=tmp_path, study="a")
        prepared, _ = prepare(RunOptions(what=what), InThisProcess())
        assert len(prepared.trial.unlabelled) == len(prepared.unlabelled.images) == carried
        assert prepared.facts.unlabelled_images == 5


def test_a_space_is_the_same_wherever_its_file_lies(begin, prepared, space) -> None:
    stored = begin().model_copy(update={"space": "there/own.py:mine"})
    assert continued(stored, prepared, space, what=What(space="here/own.py:mine")) is stored


def test_folder_and_storage_are_reached_before_anything_is_measured(tmp_path) -> None:
    check_places(RunOptions(what=What(results=tmp_path, study="a", storage=f"journal://{tmp_path / 'log'}")))
    assert (tmp_path / "a" / "trials").is_dir()
    with pytest.raises(StudyError, match="the storage journal:///nowhere/log cannot be opened"):
        check_places(RunOptions(what=What(results=tmp_path, study="a", storage="journal:///nowhere/log")))


SHA = f"sha256:{'a' * 64}"
OF_AN_ENCODER = InitialWeights(pretrained=SHA, weights={"conv1.weight": np.zeros(1)})
OF_A_NETWORK = InitialWeights(pretrained=SHA, weights={"network.head.main.weight": np.zeros(1)})


def test_where_networks_start_is_part_of_a_study(begin, prepared, space) -> None:
    with pytest.raises(StudyError, match="  pretrained: the study has none, asked for sha256:aaaaaaaaaaaa\n"):
        continued(begin(), prepared.starting_from(OF_A_NETWORK), space)


@pytest.mark.parametrize("start", [InitialWeights(pretrained="imagenet"), OF_AN_ENCODER], ids=["imagenet", "file"])
def test_an_encoders_weights_need_an_encoder(prepared: PreparedData, start: InitialWeights) -> None:
    with pytest.raises(
        SpaceError, match=r"need networks with an encoder of timm, and the space unet_family has none: "
    ):
        check_encoders(unet_family(prepared.facts), start)
    check_encoders(encoder_family(prepared.facts), start)
    check_encoders(all_families(prepared.facts), start)


@pytest.mark.parametrize("start", [InitialWeights(pretrained="none"), OF_A_NETWORK], ids=["none", "network"])
def test_other_starts_need_none(prepared: PreparedData, start: InitialWeights) -> None:
    check_encoders(unet_family(prepared.facts), start)


def test_a_file_that_is_not_there_is_said_before_the_data_is_read(tmp_path) -> None:
    options = RunOptions(what=What(data=tmp_path / "no data", pretrained=str(tmp_path / "no weights")))
    with pytest.raises(UserError, match="no weights cannot be read"):
        prepare(options, InThisProcess())
