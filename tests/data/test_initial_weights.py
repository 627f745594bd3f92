"""The file of weights to start from: read without torch, told apart by its bytes."""

import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save, save_file

from search.data.initial_weights import InitialWeights, read_initial_weights
from search.data.prepare import prepare_data
from search.errors import UserError

WEIGHTS = {"conv1.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.array(7)}


def test_a_file_is_named_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(WEIGHTS, path)
    start = read_initial_weights(str(path))
    assert start.pretrained == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert start.weights is not None
    assert start.weights.keys() == WEIGHTS.keys()
    assert all(np.array_equal(start.weights[name], WEIGHTS[name]) for name in WEIGHTS)
    assert not start.whole_network
    save_file({f"network.{name}": array for name, array in WEIGHTS.items()}, path)
    assert read_initial_weights(str(path)).whole_network
    assert read_initial_weights(str(path)).pretrained != start.pretrained


@pytest.mark.parametrize("name", ["none", "imagenet"])
def test_what_is_no_file(name: str) -> None:
    assert read_initial_weights(name) == InitialWeights(pretrained=name)


def header_of(kind: str) -> bytes:
    header = f'{{"a":{{"dtype":"{kind}","shape":[1],"data_offsets":[0,2]}}}}'.encode()
    return struct.pack("<Q", len(header)) + header + b"\0\0"


def of_torch(path: Path, *, old: bool) -> bytes:
    torch.save({"a": torch.zeros(1)}, path, _use_new_zipfile_serialization=not old)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lambda path: of_torch(path, old=False),
            r"is a pickle, .*may run code when it is read.*save_file\(torch\.load",
        ),
        (lambda path: of_torch(path, old=True), "is a pickle"),
        (lambda path: pickle.dumps({"a": 1}), "is a pickle"),
        (lambda path: b"", "takes a file with weights; .* is empty, as a download that failed is"),
        (lambda path: b"\x00" * 100, r"takes a safetensors file; .* is none \(.*converted by: uv run python -c"),
        (lambda path: save(WEIGHTS)[:-4], "takes a safetensors file; .* is none"),
        (lambda path: save({}), r"takes a file with weights; .* holds no tensor: give another file"),
        (lambda path: header_of("BF16"), r"32 or 16 bit floats; .* holds others \(BF16\): convert them"),
    ],
    ids=["torch", "old torch", "pickle", "empty", "zeros", "cut", "no tensors", "bfloat16"],
)
def test_what_cannot_be_started_from(tmp_path: Path, content, message: str) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content(path))
    with pytest.raises(UserError, match=f"^--pretrained .*{message}"):
        read_initial_weights(str(path))


@pytest.mark.parametrize(("name", "reason"), [("nowhere", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UserError, match=f"takes none, imagenet or a safetensors file; .* cannot be read: {reason}"):
        read_initial_weights(str(tmp_path / name))


def test_weights_travel_with_the_data() -> None:
    prepared = prepare_data(None, seed=0)
    given = prepared.starting_from(InitialWeights(pretrained="sha256:0", weights=WEIGHTS))
    assert (prepared.pretrained, given.pretrained) == ("none", "sha256:0")
    assert given.trial.initial_weights is WEIGHTS
    assert given.trial.nbytes == prepared.trial.nbytes + 6 * 4 + 8
