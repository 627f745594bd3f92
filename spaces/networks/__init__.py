"""Configurations of networks: one class a family, told apart by `family`, and the parts they are made of."""

from typing import Annotated

from pydantic import Field

from spaces.networks.encoders import (
    DeepLabConfig,
    EncoderConfig,
    EncoderNetConfig,
    FPNDecoder,
    HybridConfig,
    Light4MarsConfig,
    RockSegLikeConfig,
    UNetDecoder,
    UNetPlusPlusDecoder,
)
from spaces.networks.network import NetworkConfig
from spaces.networks.parts import (
    ASPP,
    AdditiveGate,
    BatchNorm,
    Bottleneck,
    BranchFusion,
    Gate,
    GlobalAttention,
    GroupNorm,
    InstanceNorm,
    LayerNorm2d,
    NoNorm,
    Norm,
    OktayGridGate,
    ParallelDilated,
    TransformerBlocks,
    WeightStandardization,
    WindowAttention,
)
from spaces.networks.unets import (
    ConvolutionalConfig,
    DualUNetConfig,
    ExpertsConfig,
    UNetConfig,
    UNetPlusPlusConfig,
    UNetShape,
    UWNetConfig,
)

ModelConfig = Annotated[
    UNetConfig
    | UNetPlusPlusConfig
    | UWNetConfig
    | DualUNetConfig
    | ExpertsConfig
    | DeepLabConfig
    | EncoderNetConfig
    | RockSegLikeConfig
    | HybridConfig
    | Light4MarsConfig,
    Field(discriminator="family"),
]
"""Any network."""

__all__ = [
    "ASPP",
    "AdditiveGate",
    "BatchNorm",
    "Bottleneck",
    "BranchFusion",
    "ConvolutionalConfig",
    "DeepLabConfig",
    "DualUNetConfig",
    "EncoderConfig",
    "EncoderNetConfig",
    "ExpertsConfig",
    "FPNDecoder",
    "Gate",
    "GlobalAttention",
    "GroupNorm",
    "HybridConfig",
    "InstanceNorm",
    "LayerNorm2d",
    "Light4MarsConfig",
    "ModelConfig",
    "NetworkConfig",
    "NoNorm",
    "Norm",
    "OktayGridGate",
    "ParallelDilated",
    "RockSegLikeConfig",
    "TransformerBlocks",
    "UNetConfig",
    "UNetDecoder",
    "UNetPlusPlusConfig",
    "UNetPlusPlusDecoder",
    "UNetShape",
    "UWNetConfig",
    "WeightStandardization",
    "WindowAttention",
]
