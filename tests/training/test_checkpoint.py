"""The files of a trial: whole or not at all, and never believed when damaged."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from search.files import write_whole
from search.training.checkpoint import load_checkpoint, load_weights, pack_checkpoint, pack_weights


def state() -> dict:
    generator = torch.Generator().manual_seed(0)
    tensors = {"weight": torch.randn(40, 50, generator=generator), "step": torch.tensor(3.0)}
    return {"model": tensors, "average": None, "reports": [{"epoch": 1, "miou": 0.25}, {"epoch": 2, "miou": 0.5}]}


def network(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width))


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    assert load_checkpoint(path) is None
    write_whole(path, pack_checkpoint(state()))
    found = load_checkpoint(path)
    assert found is not None
    assert torch.equal(found["model"]["weight"], state()["model"]["weight"])
    assert (found["average"], found["reports"]) == (None, state()["reports"])
    assert list(tmp_path.iterdir()) == [path]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "a digest alone": lambda whole: whole[:32],
    "cut in half": lambda whole: whole[: len(whole) // 2],
    "one byte short": lambda whole: whole[:-1],
    "a block of zeros in a tensor": lambda whole: whole[:4000] + bytes(512) + whole[4512:],
    "one bit turned in the header": lambda whole: whole[:40] + bytes([whole[40] ^ 1]) + whole[41:],
    "all zeros": lambda whole: bytes(len(whole)),
    "another file": lambda whole: b"x" * 5000,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_state_is_no_state(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoint.pt"
    write_whole(path, pack_checkpoint(state()))
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert load_checkpoint(path) is None
    assert caplog.messages == [f"the checkpoint {path} is spoiled, the trial begins anew"]


def test_weights_come_back_and_fit_no_other_network(tmp_path: Path) -> None:
    path, written, read = tmp_path / "best.safetensors", network(), network()
    written.to(memory_format=torch.channels_last)
    write_whole(path, pack_weights(written))
    load_weights(path, read)
    assert all(torch.equal(read.state_dict()[name], value) for name, value in written.state_dict().items())
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_weights(path, network(width=5))
