"""A trial that starts from given weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from search.training.outcome import IncompatibleWeightsError
from tests.training.trials import config, curve, data, run

SHA = f"sha256:{'0' * 64}"


def test_a_trial_starts_from_the_weights_that_come_with_the_data(tmp_path: Path) -> None:
    first, _ = run(tmp_path / "first", config(epochs=2))
    given = replace(data(), initial_weights=load_file(tmp_path / "first" / "best.safetensors"))
    pretrained = config(epochs=3).model_copy(update={"pretrained": SHA})
    whole, _ = run(tmp_path / "whole", pretrained, on=given)
    assert [report.pretrained for report in whole] == [1.0] * 3
    assert [report.pretrained for report in first] == [None] * 2
    assert whole[0].train_loss < first[0].train_loss
    begun, _ = run(tmp_path / "torn", pretrained, on=given, epochs=1)
    rest, _ = run(tmp_path / "torn", pretrained, on=given, known=1)
    assert curve(begun + rest) == curve(whole)
    random, _ = run(tmp_path / "random", config(epochs=2), on=given)
    assert curve(random) == curve(first)


def test_weights_of_another_network_end_the_trial_before_it_begins(tmp_path: Path) -> None:
    given = replace(data(), initial_weights={"conv1.weight": np.zeros((4, 1, 3, 3), np.float32)})
    with pytest.raises(IncompatibleWeightsError, match=r"none of the file's 1 tensors \(the first: 'conv1\.weight'\)"):
        run(tmp_path, config().model_copy(update={"pretrained": SHA}), on=given)
    assert list(tmp_path.iterdir()) == []
