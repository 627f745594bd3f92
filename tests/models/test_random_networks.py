"""Any configuration of our own blocks that can be written down builds, costs and takes a step."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.build import build_model
from models.cost import measure_cost
from spaces.networks import (
    ASPP,
    AdditiveGate,
    BatchNorm,
    BranchFusion,
    DualUNetConfig,
    ExpertsConfig,
    GlobalAttention,
    GroupNorm,
    InstanceNorm,
    LayerNorm2d,
    NoNorm,
    OktayGridGate,
    ParallelDilated,
    UNetConfig,
    UNetPlusPlusConfig,
    UWNetConfig,
    WeightStandardization,
    WindowAttention,
)

heads = st.sampled_from([1, 2])
ratios = st.sampled_from([0.0, 0.25, 0.5, 1.0])
drop_paths = st.sampled_from([0.0, 0.2])
rates = st.lists(st.integers(1, 8), min_size=1, max_size=4).map(tuple)

norms = st.one_of(
    st.sampled_from([BatchNorm(), InstanceNorm(), LayerNorm2d(), WeightStandardization(), NoNorm()]),
    st.builds(GroupNorm, groups=st.integers(1, 16)),
)
gates = st.one_of(st.none(), st.builds(OktayGridGate, ratio=ratios), st.builds(AdditiveGate, ratio=ratios))
bottlenecks = st.one_of(
    st.none(),
    st.builds(ASPP, rates=rates, width=st.integers(1, 8)),
    st.builds(ParallelDilated, rates=rates, fusion=st.sampled_from(["add", "concat"]), normalized=st.booleans()),
    st.builds(WindowAttention, blocks=heads, heads=heads, window=st.integers(1, 7), drop_path=drop_paths),
    st.builds(GlobalAttention, blocks=heads, heads=heads, drop_path=drop_paths),
)
data = {
    "in_channels": st.integers(1, 4),
    "classes": st.integers(2, 6),
    "patch": st.sampled_from([1, 2, 4]),
    "input_norm": st.booleans(),
}
blocks = {
    **data,
    "width": st.integers(1, 8),
    "activation": st.sampled_from(["relu", "leaky_relu", "silu", "mish"]),
    "norm": norms,
    "dropout": st.sampled_from([0.0, 0.3]),
}
levels = {
    **blocks,
    "depth": st.integers(2, 4),
    "convs": st.integers(1, 3),
    "deep_supervision": st.sampled_from([None, 0.3]),
}
unets = {
    **levels,
    "upsampling": st.sampled_from(["tconv2", "tconv3", "upconv3", "upcat"]),
    "residual": st.sampled_from(["none", "post_add", "pre_act"]),
    "gate": gates,
    "bottleneck": bottlenecks,
    "context": st.sampled_from([None, "gc", "avg_mul"]),
    "squeeze_excitation": st.booleans(),
}
fusions = st.builds(
    BranchFusion,
    merge=st.sampled_from(["concat", "add", "gated"]),
    attention=st.sampled_from(["none", "se", "cbam", "spatial"]),
)
arrangements = st.sampled_from(["networks", "decoders"])
configs = st.one_of(
    st.builds(UNetConfig, **unets, fusion=st.none() | fusions),
    st.builds(UNetPlusPlusConfig, **levels),
    st.builds(UWNetConfig, **blocks),
    st.builds(DualUNetConfig, **unets),
    st.builds(ExpertsConfig, **unets, arrangement=arrangements),
)


@settings(max_examples=20, deadline=None)
@given(
    config=configs,
    batch=st.integers(1, 2),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    mixed=st.booleans(),
)
def test_builds_costs_and_takes_a_step(config, batch, height, width, mixed):
    torch.manual_seed(0)
    model = build_model(config)
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        outputs = model(torch.rand(batch, config.in_channels, height, width))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    assert {len(logits) for logits in outputs} == {batch}
    assert {logits.shape[1] for logits in outputs} == {config.classes}
    assert outputs[0].shape[2:] == (height, width)
    assert (len(outputs) > 1) <= (config.auxiliary_weight is not None)
    sum(logits.float().square().mean() for logits in outputs).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    cost = measure_cost(config, height, width)
    assert cost.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert cost.macs > 0
