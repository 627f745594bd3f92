"""Temperatures: found again where they are known."""

import pytest
import torch

from search.selection.temperature import fit_temperature


def calibration_error(probabilities: torch.Tensor, truth: torch.Tensor, *, bins: int = 15) -> float:
    """The expected calibration error of probabilities (P, K) on class indices (P,): Naeini et al. 2015, equal bins."""
    confidence, predicted = probabilities.max(1)
    right = (predicted == truth).double()
    places = (confidence * bins).long().clamp(max=bins - 1)
    count = torch.bincount(places, minlength=bins).double()
    sums = [torch.bincount(places, weights=values.double(), minlength=bins) for values in (right, confidence)]
    return float((sums[0] - sums[1]).abs().sum() / count.sum())


def drawn(scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are `scale` times those that the labels were drawn by."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 4, generator=generator)
    truth = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return scale * logits, truth


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_scale_of_the_logits_is_found(scale: float) -> None:
    logits, truth = drawn(scale)
    assert fit_temperature(logits, truth) == pytest.approx(scale, rel=0.03)


def test_the_calibration_error_falls_to_nothing() -> None:
    logits, truth = drawn(3.0)
    assert calibration_error(logits.softmax(1), truth) > 0.1
    assert calibration_error((logits / fit_temperature(logits, truth)).softmax(1), truth) < 0.01


def test_sure_and_right_or_sure_and_wrong() -> None:
    sure = torch.eye(3)
    assert calibration_error(sure, torch.tensor([0, 1, 2])) == 0
    assert calibration_error(sure, torch.tensor([1, 2, 0])) == 1
