"""The file of an encoder leaves of a space the networks on that encoder."""

import numpy as np
import pytest
from timm.models import create_model

from models.pretrained import is_of
from search.data.initial_weights import InitialWeights
from search.errors import SpaceError
from search.tuning.encoder_file import fit_space
from spaces.all_families import all_families
from spaces.encoder_family import encoder_family
from spaces.encoders import encoders_of, only_encoders
from spaces.networks import EncoderConfig
from tests.spaces.sampling import facts, sample
from tests.tuning.in_this_process import InThisProcess

SHA = f"sha256:{'0' * 64}"


def shapes(name: str, **options: int) -> dict[str, tuple[int, ...]]:
    return {tensor: tuple(values.shape) for tensor, values in create_model(name, **options).state_dict().items()}


def file_of(names_and_shapes: dict[str, tuple[int, ...]]) -> InitialWeights:
    return InitialWeights(pretrained=SHA, weights={name: np.zeros(shape) for name, shape in names_and_shapes.items()})


def test_a_search_from_a_resnet18_draws_no_other_encoder() -> None:
    space = fit_space(encoder_family(facts()), file_of(shapes("resnet18")), InThisProcess())
    models = [space.decode(sample(space, seed)).model for seed in range(40)]
    assert {model.encoder for model in models if isinstance(model, EncoderConfig)} == {"resnet18"}
    assert {model.family for model in models} == {"encoder", "deeplab"}
    assert space.default.model.family == "encoder"
    assert space.fingerprint != encoder_family(facts()).fingerprint


def test_a_file_of_no_encoder_of_the_space_is_refused_with_a_way_out() -> None:
    foreign = {"conv1.weight": (64, 3, 7, 7)}
    with pytest.raises(SpaceError, match=r"are those of no encoder of the space encoder_family, .*encoder_axes\(facts"):
        fit_space(encoder_family(facts()), file_of(foreign), InThisProcess())


def test_networks_without_the_encoder_are_left_out() -> None:
    space = only_encoders(all_families(facts()), ("resnet18", "resnet50"))
    assert encoders_of(space) == ("resnet18", "resnet50")
    assert set(space.root["model"].options) == {"deeplab", "encoder", "rockseg_like", "hybrid"}
    assert {"report000_hybrid", "report000_deeplabv3plus_rates"} <= set(space.points)
    assert "report001_unet" not in space.points


@pytest.mark.parametrize("start", [InitialWeights(pretrained="imagenet"), InitialWeights(pretrained="none")])
def test_other_starts_leave_the_space_as_it_is(start: InitialWeights) -> None:
    space = encoder_family(facts())
    assert fit_space(space, start, InThisProcess()) is space


def test_which_model_of_timm_a_file_is_of() -> None:
    file = shapes("resnet18")
    assert is_of("resnet18", file)
    assert is_of("resnet18", shapes("resnet18", in_chans=1, num_classes=7))
    assert is_of("resnet18", {n: s for n, s in file.items() if not n.startswith("fc") and "num_batches" not in n})
    assert not is_of("resnet34", file)  # it has all of these tensors, and more
    assert not is_of("resnet18", shapes("resnet34"))
    assert not is_of("mobilenetv3_small_075", shapes("mobilenetv3_small_050"))  # the same names
    assert not is_of("no_such_model", file)
