"""Two U-Nets in a row: what the second one sees, and which heads there are."""

import torch
from torch.nn import functional

from models.dual_unet import DualUNet
from models.frame import Framed
from models.unet import UNet
from spaces.networks import DualUNetConfig, UNetConfig


def make_config(**options) -> DualUNetConfig:
    return DualUNetConfig(**{"in_channels": 1, "classes": 5, "depth": 3, "width": 4, **options})


def make_network(config: DualUNetConfig) -> DualUNet:
    return DualUNet(config, in_channels=config.patched_channels, classes=config.classes)


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_are_those_of_two_u_nets():
    shape = UNetConfig(in_channels=1, classes=5, depth=5, width=32)
    with torch.device("meta"):
        first, second = (UNet(shape, in_channels=channels, classes=5) for channels in (1, 6))
        plain = make_network(make_config(depth=5, width=32))
        supervised = make_network(make_config(depth=5, width=32, deep_supervision=0.4))
    assert count(first) == 7_765_541
    assert count(second) == count(first) + 5 * 32 * 9
    assert count(plain) == count(supervised) == count(first) + count(second)


def test_the_second_sees_the_features_and_the_probabilities_of_the_first():
    torch.manual_seed(0)
    network = make_network(make_config()).eval()
    images, seen = torch.rand(2, 1, 8, 12), []
    network.second.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    logits = network(images)
    probabilities = functional.softmax(network.first(images), dim=1)
    torch.testing.assert_close(seen[0], torch.cat([images, probabilities], dim=1))
    assert torch.equal(logits, network.second(seen[0]))


def test_deep_supervision_returns_the_logits_of_the_first_in_training_only():
    torch.manual_seed(0)
    network = make_network(make_config(deep_supervision=0.4, depth=4))
    images, returned = torch.rand(2, 1, 16, 24), {}
    for name, part in network.named_children():
        part.register_forward_hook(lambda module, inputs, output, name=name: returned.update({name: output}))
    outputs = network(images)
    assert isinstance(outputs, tuple)
    assert [logits is returned[name] for logits, name in zip(outputs, ("second", "first"), strict=True)] == [True] * 2
    assert {tuple(logits.shape) for logits in outputs} == {(2, 5, 16, 24)}
    assert torch.equal(network.eval()(images), returned["second"])
    assert isinstance(make_network(make_config())(images), torch.Tensor)


def test_frame_crops_both_heads_to_the_image():
    config = make_config(deep_supervision=0.4, patch=2)
    outputs = Framed(make_network(config), config)(torch.rand(2, 1, 11, 19))
    assert [tuple(logits.shape) for logits in outputs] == [(2, 5, 11, 19), (2, 5, 6, 10)]


def test_gradients_reach_every_weight_through_the_second_alone():
    torch.manual_seed(0)
    network = make_network(make_config(width=8))
    functional.cross_entropy(network(torch.rand(4, 1, 16, 24)), torch.randint(5, (4, 16, 24))).backward()
    assert [name for name, p in network.named_parameters() if p.ndim > 1 and not p.grad.abs().max() > 0] == []
