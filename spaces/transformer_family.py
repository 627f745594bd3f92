"""The space `transformer_family`: published and plain transformers for small images."""

from spaces.deeplab_family import encoder_norm_axes
from spaces.domains import Branch, Choice, Float
from spaces.facts import DataFacts
from spaces.families import Axes, several_families
from spaces.reports import report_points
from spaces.space import SearchSpace
from spaces.unet_family import attention_axes, patch_axes, unet_axes


def transformer_family(facts: DataFacts) -> SearchSpace:
    """Light4Mars, a stand-in for RockSeg, and U-Nets with windowed or global attention at the bottleneck."""
    attending = {**unet_axes(facts), "bottleneck": Branch(attention_axes(), default="global_attention")}
    families = {"light4mars": light4mars_axes(facts), "rockseg_like": rockseg_axes(facts), "unet": attending}
    return several_families("transformer_family", facts, families, report_points(facts), default="light4mars")


def light4mars_axes(facts: DataFacts) -> Axes:
    """Light4Mars as published, and without its shared normalization, doubled residual and unmasked padding."""
    return {
        **patch_axes(facts),
        "patch": 1,  # its first stage halves the resolution already
        "width": Choice((8, 16, 32), default=8),
        "layers": Choice((1, 2), default=1),
        "window": Choice((4, 7), default=7),
        "drop_path": Float(0.0, 0.2, default=0.1),
        "shared_norm": Choice((True, False), default=True),
        "double_residual": Choice((True, False), default=True),
        "masked_padding": Choice((False, True), default=False),
    }


def rockseg_axes(facts: DataFacts) -> Axes:
    """The stand-in for RockSeg."""
    return {
        **patch_axes(facts),
        "encoder": Choice(("resnet10t", "resnet18", "resnet34"), default="resnet10t"),
        "norm": encoder_norm_axes(),
        "width": Choice((128, 256), default=128),
        "blocks": Choice((1, 2, 4), default=2),
        "heads": Choice((4, 8), default=4),
        "mlp_ratio": Choice((2.0, 4.0), default=4.0),
        "drop_path": Float(0.0, 0.2, default=0.0),
        "fusion_width": Choice((32, 64), default=32),
    }
