"""What is refused before it trains."""

from dataclasses import replace

import numpy as np

from search.tuning.limits import UNFIT, CostLimits
from spaces.config import TrialConfig
from spaces.networks import EncoderNetConfig, FPNDecoder, ModelConfig, UNetConfig
from spaces.unet_family import unet_family
from tests.spaces.sampling import facts

NO_LIMIT = CostLimits(max_params=None, max_macs=None, height=64, width=128)


def config(model: ModelConfig) -> TrialConfig:
    return unet_family(facts()).default.model_copy(update={"model": model})


def test_without_limits_everything_that_can_be_built_is_admitted() -> None:
    assert NO_LIMIT.refuse(config(UNetConfig(in_channels=1, classes=5, depth=5, width=64))) is None


def test_limits_are_said_with_what_is_over_them() -> None:
    large = config(UNetConfig(in_channels=1, classes=5, depth=5, width=64))
    parameters = CostLimits(max_params=1_000_000, max_macs=None, height=64, width=128)
    macs = CostLimits(max_params=None, max_macs=1_000_000, height=64, width=128)
    assert parameters.refuse(large) == "31.04 M parameters are over the limit of 1.00 M"
    assert str(macs.refuse(large)).endswith("M multiply-adds an image are over the limit of 1 M")


def test_parts_that_do_not_go_together_are_refused() -> None:
    """timm's ConvNeXt has no features at stride 2, which a pyramid of four levels needs: only building it shows."""
    apart = EncoderNetConfig(in_channels=1, classes=5, encoder="convnext_atto", levels=4, decoder=FPNDecoder())
    assert str(NO_LIMIT.refuse(config(apart))).startswith("no such network: an fpn decoder joins four levels")


def test_an_encoder_that_timm_does_not_know_is_refused() -> None:
    unknown = EncoderNetConfig(in_channels=1, classes=5, encoder="resnet_18")
    assert "did you mean" in str(NO_LIMIT.refuse(config(unknown)))


def test_a_network_that_the_files_weights_do_not_fit_is_refused() -> None:
    wide = config(UNetConfig(in_channels=1, classes=5, depth=2, width=8))
    weights = {"network.stem.weight": np.zeros((8, 1, 3, 3), np.float32)}
    limits = replace(NO_LIMIT, initial_weights=weights)
    started = wide.model_copy(update={"pretrained": f"sha256:{'0' * 64}"})
    assert str(limits.refuse(started)).startswith(f"{UNFIT}: none of the file's 1 tensors")
    assert limits.refuse(wide) is None


def test_an_encoder_that_timm_has_no_weights_of_is_refused() -> None:
    """Whether they can be downloaded is no question of the configuration."""
    nowhere = config(EncoderNetConfig(in_channels=1, classes=5, encoder="mobilenetv3_large_075"))
    started = nowhere.model_copy(update={"pretrained": "imagenet"})
    assert NO_LIMIT.refuse(started) == f"{UNFIT}: timm has no pretrained weights of 'mobilenetv3_large_075'"
    assert NO_LIMIT.refuse(nowhere) is None
