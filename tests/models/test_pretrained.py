"""Networks that start from given weights: timm itself says what an encoder of those weights gives."""

import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.numpy import save_file
from timm.models import create_model, get_pretrained_cfg
from torch import Tensor, nn

from models.build import build_model
from models.imagenet import UnreachableError, fetch
from models.pretrained import Loaded, check_initial_weights, encoders, load_initial_weights, load_pretrained
from search.training.checkpoint import load_weights, pack_weights
from spaces.networks import (
    DeepLabConfig,
    EncoderConfig,
    EncoderNetConfig,
    GroupNorm,
    HybridConfig,
    ModelConfig,
    RockSegLikeConfig,
    UNetConfig,
)

DATA: dict[str, Any] = {"in_channels": 1, "classes": 4}
ON_RESNET: dict[str, EncoderConfig] = {
    "encoder": EncoderNetConfig(**DATA, encoder="resnet10t"),
    "deeplab": DeepLabConfig(**DATA, encoder="resnet10t", width=16),
    "rockseg_like": RockSegLikeConfig(**DATA, encoder="resnet10t", width=16, blocks=1),
    "hybrid": HybridConfig(**DATA, encoder="resnet10t", width=16, decoder_width=8),
}
NETWORK = ON_RESNET["encoder"]
UNET = UNetConfig(**DATA, depth=3, width=4)


def timm_weights(name: str) -> dict[str, np.ndarray]:
    """Weights of timm's model of which none is what it is born with, statistics included."""
    generator = np.random.default_rng(len(name))
    return {
        tensor: np.asarray(values.numpy() + generator.uniform(0.1, 0.2, values.shape), values.numpy().dtype)
        for tensor, values in create_model(name).state_dict().items()
    }


RESNET = timm_weights("resnet10t")
SHA = f"sha256:{'0' * 64}"


def changed(config: EncoderConfig, **fields: object) -> EncoderConfig:
    return type(config).model_validate({**config.model_dump(), **fields})


def built(config: ModelConfig) -> nn.Module:
    torch.manual_seed(3)
    return build_model(config)


def started(config: ModelConfig, weights: Mapping[str, np.ndarray]) -> tuple[nn.Module, Loaded]:
    model = built(config)
    return model, load_initial_weights(model, weights)


def of_encoder(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if "encoder" in name]


def images(channels: int) -> Tensor:
    return torch.rand(2, channels, 64, 96, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def reference(name: str, weights: Mapping[str, np.ndarray], pixels: Tensor) -> list[Tensor]:
    """Features of timm's own model with `weights`, which timm itself loads, of images as timm normalizes them."""
    channels = pixels.shape[1]
    tensors = {tensor: torch.tensor(array) for tensor, array in weights.items()}
    model = create_model(
        name, pretrained=True, features_only=True, in_chans=channels, pretrained_cfg_overlay={"state_dict": tensors}
    )
    known = cast("dict[str, tuple[float, ...]]", model.pretrained_cfg)
    mean, std = (np.array(known[part]) for part in ("mean", "std"))
    places = [index % 3 for index in range(channels)]
    mean, std = (mean.mean(), std.mean()) if channels == 1 else (mean[places], std[places])
    mean, std = (torch.tensor(part, dtype=torch.float32).reshape(-1, 1, 1) for part in (mean, std))
    return model.eval()((pixels - mean) / std)


@torch.no_grad()
def features(model: nn.Module, pixels: Tensor) -> list[Tensor]:
    """What the encoder inside `model` gives for images in 0 to 1."""
    ((_, encoder),) = encoders(model)
    return encoder.eval()(cast("nn.Module", model.standardize)(pixels))


@pytest.mark.parametrize("config", ON_RESNET.values(), ids=list(ON_RESNET))
def test_an_encoder_is_timms_wherever_it_sits(config: EncoderConfig) -> None:
    model, loaded = started(config, RESNET)
    assert of_encoder(loaded.fresh) == []
    assert 0 < loaded.share < 1
    with torch.no_grad():
        assert model.eval()(images(1)).shape == (2, 4, 64, 96)
    if not isinstance(config, HybridConfig | DeepLabConfig):  # those are dilated, and see other pixels
        deepest = features(model, images(1))[-1]
        whole = [tensor for tensor in reference("resnet10t", RESNET, images(1)) if tensor.shape == deepest.shape]
        torch.testing.assert_close(deepest, whole[0])


@pytest.mark.parametrize(
    ("name", "channels"),
    [("resnet10t", 1), ("resnet10t", 3), ("resnet10t", 5), ("mobilenetv3_small_050", 1), ("convnext_atto", 1)],
)
def test_other_channels_are_taken_as_timm_takes_them(name: str, channels: int) -> None:
    weights = RESNET if name == "resnet10t" else timm_weights(name)
    model, loaded = started(changed(NETWORK, encoder=name, in_channels=channels), weights)
    assert of_encoder(loaded.fresh) == []
    mine, theirs = features(model, images(channels)), reference(name, weights, images(channels))
    for feature, expected in zip(mine, theirs, strict=False):
        torch.testing.assert_close(feature, expected)


def test_statistics_of_pooled_maps_find_their_layer() -> None:
    """Selective kernels normalize a pooled map, which this tool does by a layer of another name."""
    weights = timm_weights("skresnet18")
    model, loaded = started(changed(NETWORK, encoder="skresnet18"), weights)
    assert of_encoder(loaded.fresh) == []
    torch.testing.assert_close(features(model, images(1))[-1], reference("skresnet18", weights, images(1))[3])


def test_group_normalization_gets_scale_and_shift() -> None:
    model, loaded = started(changed(NETWORK, norm=GroupNorm()), RESNET)
    assert of_encoder(loaded.fresh) == []
    ((_, encoder),) = encoders(model)
    normalization = encoder.get_submodule("layer1.0.bn1")
    assert isinstance(normalization, nn.GroupNorm)
    assert np.array_equal(normalization.weight.detach().numpy(), RESNET["layer1.0.bn1.weight"])
    assert np.array_equal(normalization.bias.detach().numpy(), RESNET["layer1.0.bn1.bias"])


def test_all_but_the_encoder_starts_as_it_would() -> None:
    model, loaded = started(NETWORK, RESNET)
    random = built(NETWORK).state_dict()
    decoder = [name for name in loaded.fresh if "decoder" in name]
    assert decoder
    assert all(torch.equal(model.state_dict()[name], random[name]) for name in loaded.fresh)
    assert loaded.share == pytest.approx(
        1 - sum(p.numel() for n, p in model.named_parameters() if n in loaded.fresh) / count(model)
    )


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_standardization_is_part_of_the_weights(tmp_path: Path) -> None:
    """A trained network is loaded, and trained further, with the one that it was trained on."""
    model, _ = started(NETWORK, RESNET)
    (tmp_path / "best.safetensors").write_bytes(pack_weights(model))
    again = build_model(NETWORK)
    load_weights(tmp_path / "best.safetensors", again)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(images(1)), model.eval()(images(1)), rtol=0, atol=0)
    assert float(again.state_dict()["standardize.mean"]) == pytest.approx((0.485 + 0.456 + 0.406) / 3)


def test_without_weights_the_standardization_is_the_identity() -> None:
    pixels = images(1)
    assert torch.equal(cast("nn.Module", built(NETWORK).standardize)(pixels), pixels)


@pytest.mark.parametrize("config", [NETWORK, UNET], ids=["encoder", "unet"])
def test_a_network_of_the_same_kind_is_continued(config: ModelConfig) -> None:
    trained = build_model(config)
    weights = {name: tensor.numpy() for name, tensor in trained.state_dict().items()}
    model, loaded = started(config, weights)
    assert loaded == Loaded(share=1.0, fresh=())
    with torch.no_grad():
        assert torch.equal(model.eval()(images(1)), trained.eval()(images(1)))


def test_a_head_for_other_classes_is_left_fresh() -> None:
    weights = {name: tensor.numpy() for name, tensor in build_model(UNET).state_dict().items()}
    other = UNET.model_copy(update={"classes": 7})
    model, loaded = started(other, weights)
    assert loaded.fresh == ("network.head.main.weight", "network.head.main.bias")
    assert all(torch.equal(model.state_dict()[name], built(other).state_dict()[name]) for name in loaded.fresh)
    assert loaded.share == 1 - (7 * 4 + 7) / count(model)


def test_of_a_network_with_other_parts_those_in_common_fit() -> None:
    weights = {name: tensor.numpy() for name, tensor in build_model(UNET).state_dict().items()}
    _, loaded = started(UNET.model_copy(update={"convs": 3}), weights)
    assert 0.1 < loaded.share < 1


def test_weights_of_less_than_a_tenth_of_a_network_are_refused() -> None:
    """A convolution of the same name and shape, such as a head, does not make a network of the same kind."""
    weights = {name: tensor.numpy() for name, tensor in build_model(UNET).state_dict().items()}
    for config, part in [(UNET, "network.head"), (UNET.model_copy(update={"depth": 5}), "network")]:
        some = {name: array for name, array in weights.items() if name.startswith(part)}
        with pytest.raises(
            ValueError, match=r"the file has \d\.\d\d% of this network's parameters .* have 10% of them"
        ):
            check_initial_weights(config, SHA, some)


ENCODER = r"its encoder is timm's 'resnet10t', "
MISFITS = {
    "another encoder": (NETWORK, timm_weights("mobilenetv3_small_050"), ENCODER + r"which has no 'conv_stem\.weight'"),
    "a larger one of the same kind": (
        changed(NETWORK, encoder="resnet10t"),
        {**RESNET, "layer1.1.conv1.weight": RESNET["layer1.0.conv1.weight"]},
        ENCODER + r"which has no 'layer1\.1\.conv1\.weight'",
    ),
    "a part of it": (
        NETWORK,
        {name: array for name, array in RESNET.items() if not name.startswith("layer2")},
        ENCODER + r"and its 'layer2\.0\.conv1\.weight' is not in the file",
    ),
    "other shapes": (
        NETWORK,
        {**RESNET, "layer1.0.conv1.weight": RESNET["layer1.0.conv1.weight"][:, :1]},
        r"its encoder has 'layer1\.0\.conv1\.weight' of shape \(64, 64, 3, 3\), in the file it is \(64, 1, 3, 3\)",
    ),
    "a first convolution of patches": (
        changed(NETWORK, in_channels=5),
        {**RESNET, "conv1.0.weight": np.zeros((24, 12, 3, 3), np.float32)},
        r"timm cannot adapt its encoder's first convolution \(24, 12, 3, 3\) from 3 to 5 channels",
    ),
    "no encoder": (UNET, RESNET, r"none of the file's 86 tensors .*'conv1\.0\.weight'.*no encoder of timm either"),
    "another width": (
        UNET,
        {n: t.numpy() for n, t in build_model(UNET.model_copy(update={"width": 8})).state_dict().items()},
        r"has a name and a shape of this network",
    ),
}


@pytest.mark.parametrize(("config", "weights", "message"), MISFITS.values(), ids=list(MISFITS))
def test_what_does_not_fit_is_refused_before_and_at_the_start(
    config: ModelConfig, weights: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_initial_weights(config, SHA, weights)
    with pytest.raises(ValueError, match=message):
        load_pretrained(built(config), SHA, weights)


def test_what_fits_is_not_refused() -> None:
    check_initial_weights(NETWORK, SHA, RESNET)
    check_initial_weights(NETWORK, "none", None)
    check_initial_weights(UNET, "imagenet", None)
    assert load_pretrained(built(NETWORK), "none", None) is None


# --- weights of timm: there is no hub to download from here, a cache stands for what was downloaded ------------------


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, empty, and a hub that refuses connections."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    path = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix("https://huggingface.co")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + path)
    return tmp_path


def cached(hub: Path, name: str, weights: dict[str, np.ndarray]) -> Path:
    """Put weights where the hub's client would."""
    known = get_pretrained_cfg(name)
    assert known is not None
    folder = hub / f"models--{str(known.hf_hub_id).replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    file = folder / "snapshots" / ("0" * 40) / "model.safetensors"
    save_file(weights, file)
    return file


@pytest.mark.parametrize("channels", [1, 3])
def test_timms_weights_are_those_of_the_file_that_it_offers(hub: Path, channels: int) -> None:
    cached(hub, "resnet10t", RESNET)
    config = changed(NETWORK, in_channels=channels)
    downloaded = built(config)
    state = torch.get_rng_state()
    loaded = load_pretrained(downloaded, "imagenet", None)
    assert torch.equal(torch.get_rng_state(), state)
    from_file, of_file = started(config, RESNET)
    assert loaded == of_file
    mine, theirs = downloaded.state_dict(), from_file.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_a_network_without_an_encoder_starts_at_random() -> None:
    model = built(UNET)
    loaded = load_pretrained(model, "imagenet", None)
    assert loaded is not None
    assert loaded.share == 0
    assert all(torch.equal(tensor, built(UNET).state_dict()[name]) for name, tensor in model.state_dict().items())


def test_an_encoder_of_which_timm_has_no_weights_is_refused(hub: Path) -> None:
    config = changed(NETWORK, encoder="mobilenetv3_large_075")
    reason = "timm has no pretrained weights of 'mobilenetv3_large_075'"
    with pytest.raises(ValueError, match=reason):
        check_initial_weights(config, "imagenet", None)
    with pytest.raises(ValueError, match=reason):
        load_pretrained(built(config), "imagenet", None)
    cached(hub, "resnet10t", RESNET)
    assert fetch(["resnet10t", "mobilenetv3_large_075"]) == {"mobilenetv3_large_075": reason}


def test_a_hub_that_refuses_is_told_at_once(hub: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    cached(hub, "resnet10t", RESNET)
    refused = r"of resnet18 are not in the cache, and http://127.*/resnet18\.a1_in1k/.* cannot be reached: ConnectError"
    with pytest.raises(UnreachableError, match=refused):
        fetch(["resnet10t", "resnet18"])
    assert "Retry" not in caplog.text


def test_a_hub_that_may_not_be_asked_is_told(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnreachableError, match="cannot be reached: OfflineModeIsEnabled"):
        fetch(["resnet10t"])
    cached(hub, "resnet10t", RESNET)
    assert fetch(["resnet10t"]) == {}


def test_a_spoiled_download_is_told(hub: Path) -> None:
    file = cached(hub, "resnet10t", RESNET)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UnreachableError, match="the weights of resnet10t cannot be read: SafetensorError"):
        fetch(["resnet10t"])
