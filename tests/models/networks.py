"""One or two small configurations of every family: what the shared tests go over."""

from spaces.networks import (
    BranchFusion,
    DeepLabConfig,
    DualUNetConfig,
    EncoderNetConfig,
    ExpertsConfig,
    FPNDecoder,
    GroupNorm,
    HybridConfig,
    Light4MarsConfig,
    ModelConfig,
    RockSegLikeConfig,
    UNetConfig,
    UNetDecoder,
    UNetPlusPlusConfig,
    UNetPlusPlusDecoder,
    UWNetConfig,
)


def small_networks(in_channels: int = 1, classes: int = 5) -> dict[str, ModelConfig]:
    """Name -> configuration."""
    data = {"in_channels": in_channels, "classes": classes}
    shape = {**data, "depth": 3, "width": 8}
    return {
        "unet": UNetConfig(**shape),
        "unet_fusion": UNetConfig(**shape, patch=2, fusion=BranchFusion(merge="gated", attention="cbam")),
        "unet_plus_plus": UNetPlusPlusConfig(**shape, deep_supervision=0.3),
        "uw_net": UWNetConfig(**data, width=8),
        "dual_unet": DualUNetConfig(**shape, deep_supervision=0.3, input_norm=True),
        "expert_networks": ExpertsConfig(**shape, arrangement="networks"),
        "expert_decoders": ExpertsConfig(**shape, deep_supervision=0.3, threshold_class=0),
        "deeplab_v3": DeepLabConfig(**data, version="v3", encoder="resnet10t", width=16, output_stride=8),
        "deeplab_v3plus": DeepLabConfig(**data, encoder="resnet10t", width=16, norm=GroupNorm()),
        "encoder_unet": EncoderNetConfig(**data, encoder="mobilenetv3_small_050", decoder=UNetDecoder(width=8)),
        "encoder_unet_plus_plus": EncoderNetConfig(
            **data, encoder="resnet10t", levels=3, decoder=UNetPlusPlusDecoder(width=8), initialization="glorot_uniform"
        ),
        "encoder_fpn": EncoderNetConfig(
            **data, encoder="mobilenetv3_small_050", levels=5, decoder=FPNDecoder(width=32)
        ),
        "rockseg_like": RockSegLikeConfig(**data, encoder="resnet10t", width=16, blocks=1, fusion_width=8),
        "hybrid": HybridConfig(**data, encoder="resnet10t", width=16, decoder_width=8),
        "hybrid_decoder": HybridConfig(
            **data, encoder="resnet10t", width=8, decoder_width=8, pyramid_at="decoder", output_stride=8
        ),
        "light4mars": Light4MarsConfig(**data),
        "light4mars_clean": Light4MarsConfig(
            **data, window=4, shared_norm=False, double_residual=False, masked_padding=True
        ),
    }
