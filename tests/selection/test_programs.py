"""Programs compute what the network does, for batches of any size."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from models.ensemble import Ensemble
from search.selection.package.contents import ONNX_NAME, TORCH_NAME, Preprocessing
from search.selection.package.programs import MOST_DIFFERENCE, largest_difference, write_programs
from spaces.networks import UNetPlusPlusConfig
from tests.models.networks import small_networks
from tests.selection.packages import FORM, SIZE, random_network, tiny

SETTINGS = Preprocessing.of(FORM, SIZE)


def check(network: nn.Module, folder: Path) -> None:
    """Both programs are there, and agree with the network on images that were not used for their own check."""
    programs = write_programs(network, SETTINGS, folder)
    assert [program.problem for program in programs] == [None, None]
    assert all(program.difference < MOST_DIFFERENCE / 10 for program in programs)
    session = onnxruntime.InferenceSession(folder / ONNX_NAME, providers=["CPUExecutionProvider"])
    module = torch.export.load(folder / TORCH_NAME).module()
    for count in (1, 2, 5):
        images = torch.rand(count, 1, *SIZE, generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            expected = network(images)
            again = module(images)
        (found,) = session.run(["logits"], {"images": images.numpy()})
        for logits in (torch.from_numpy(found), again):
            assert logits.shape == expected.shape
            torch.testing.assert_close(logits.softmax(1), expected.softmax(1), atol=1e-4, rtol=0)
            assert (logits.argmax(1) != expected.argmax(1)).float().mean() < 1e-3


def test_an_ensemble_of_families_with_flips_and_excluded_classes(tmp_path: Path) -> None:
    models = (UNetPlusPlusConfig(in_channels=1, classes=5, depth=2, width=8), tiny())
    networks = [random_network(model, seed) for seed, model in enumerate(models)]
    flips = [(), (-1,), (-2, -1)]
    ensemble = Ensemble(networks, shares=[2, 1], temperatures=[1.5, 0.8], flips=flips, excluded=[0, 3]).eval()
    check(ensemble, tmp_path)
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / ONNX_NAME).metadata_props}
    assert Preprocessing.model_validate_json(metadata["preprocessing.json"]) == SETTINGS
    inside = {"preprocessing.json": ""}
    torch.export.load(tmp_path / TORCH_NAME, extra_files=inside)
    assert Preprocessing.model_validate_json(inside["preprocessing.json"]) == SETTINGS


@pytest.mark.exports
@pytest.mark.parametrize("name", list(small_networks()))
def test_every_family(name: str, tmp_path: Path) -> None:
    check(Ensemble([random_network(small_networks()[name])], excluded=[0]).eval(), tmp_path)


class Untraceable(nn.Module):
    """What it computes depends on values, which no graph can tell."""

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.cat([images] * 5, dim=1)
        return logits if float(images.mean()) > 0.5 else -logits


class Inexact(nn.Module):
    """Computes something else once it is traced."""

    def forward(self, images: Tensor) -> Tensor:
        sign = -3.0 if torch.compiler.is_exporting() else 3.0
        return torch.cat([sign * images * index for index in range(5)], dim=1)


def test_a_network_that_cannot_be_exported_says_why_and_leaves_no_file(tmp_path: Path) -> None:
    for program in write_programs(Untraceable(), SETTINGS, tmp_path):
        assert not program.written
        assert program.difference is None
        assert program.problem
        assert "\n" not in program.problem
    assert not list(tmp_path.iterdir())


def test_a_program_that_computes_something_else_is_not_kept(tmp_path: Path) -> None:
    for program in write_programs(Inexact(), SETTINGS, tmp_path):
        assert program.problem is not None
        assert "its probabilities differ by up to" in program.problem
    assert not list(tmp_path.iterdir())


def test_the_callers_random_numbers_stay(tmp_path: Path) -> None:
    network = nn.Conv2d(1, 5, 1)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    programs = write_programs(network.eval(), SETTINGS, tmp_path)
    assert all(program.written for program in programs)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.isfinite([program.difference for program in programs]).all()


def test_nan_anywhere_is_a_difference() -> None:
    same, nan = np.zeros((1, 2)), np.full((1, 2), np.nan)
    for pairs in ([(same, same), (nan, same)], [(nan, same), (same, same)]):
        assert np.isnan(largest_difference(pairs))
    assert largest_difference([(same, same), (same + 0.25, same)]) == 0.25
