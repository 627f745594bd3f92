"""The objective and the course's readings, against golden values and torchmetrics."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.classification import MulticlassJaccardIndex

from search.training.metrics import (
    confusion_matrix,
    fg_masked,
    iou_per_class,
    keras_masked,
    mean_iou,
    standard_fg,
)

CLASSES = 5


def matrix(truth: list[int], predicted: list[int], classes: int = CLASSES) -> Tensor:
    return confusion_matrix(torch.tensor([[predicted]]), torch.tensor([[truth]]), classes)


GOLDEN = matrix([0, 0, 0, 1, 1, 2, 2, 3], [0, 1, 1, 1, 0, 2, 2, 3])


def test_golden_values_of_the_three_readings() -> None:
    assert keras_masked(GOLDEN) == pytest.approx(0.625)
    assert fg_masked(GOLDEN) == pytest.approx(5 / 6)
    assert standard_fg(GOLDEN) == pytest.approx(0.75)


def test_the_objective_on_the_courses_data_is_fg_masked_over_the_classes_of_the_truth() -> None:
    assert mean_iou(GOLDEN, classes=(1, 2, 3), ignored=(0,)) == pytest.approx(5 / 6)
    assert mean_iou(GOLDEN, classes=(0, 1, 2, 3)) == pytest.approx((1 / 4 + 1 / 4 + 1 + 1) / 4)


def test_a_class_predicted_but_absent_from_truth_counts_zero_in_fg_masked_alone() -> None:
    confusion = matrix([1, 1, 2, 2], [1, 4, 2, 2])
    assert fg_masked(confusion) == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert mean_iou(confusion, classes=(1, 2), ignored=(0,)) == pytest.approx((1 / 2 + 1) / 2)


def test_predictions_on_ignored_truth_cost_nothing() -> None:
    assert fg_masked(matrix([0, 0, 1, 2], [1, 2, 1, 2])) == 1.0
    assert standard_fg(matrix([0, 0, 1, 2], [1, 2, 1, 2])) == pytest.approx(0.5)


def test_one_foreground_pixel_predicted_as_background_is_a_cliff_for_keras() -> None:
    right, wrong = [1] * 100 + [2, 3, 4], [0] + [1] * 99 + [2, 3, 4]
    assert keras_masked(matrix(right, right)) == 1.0
    assert keras_masked(matrix(right, wrong)) == pytest.approx((0 + 0.99 + 3) / 5)
    assert fg_masked(matrix(right, wrong)) == pytest.approx((0.99 + 3) / 4)


def test_nothing_valid_is_zero() -> None:
    empty = matrix([255, 255], [0, 1])
    assert empty.sum() == 0
    assert [fg_masked(empty), keras_masked(empty), standard_fg(empty), mean_iou(empty, (1, 2))] == [0, 0, 0, 0]


def test_void_is_left_out_and_rows_are_the_truth() -> None:
    confusion = matrix([0, 1, 1, 255, 2], [0, 2, 1, 0, 2], classes=3)
    assert confusion.dtype == torch.int64
    assert confusion.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]


def test_logits_of_either_memory_format_count_as_their_argmax() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, CLASSES, 6, 8, generator=generator)
    truth = torch.randint(0, CLASSES, (3, 6, 8), generator=generator, dtype=torch.uint8)
    expected = confusion_matrix(logits.argmax(1), truth, CLASSES)
    for outputs in (logits, logits.to(memory_format=torch.channels_last)):
        assert torch.equal(confusion_matrix(outputs, truth, CLASSES), expected)
    assert torch.equal(confusion_matrix(logits.argmax(1), truth.long(), CLASSES), expected)


def test_reading_a_matrix_does_not_change_it() -> None:
    for confusion in (GOLDEN.clone(), GOLDEN.double()):
        iou_per_class(confusion, ignored=(0,))
        assert torch.equal(confusion.long(), GOLDEN)


labels = st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(truth=labels, seed=st.integers(0, 2**31), background=st.booleans())
def test_masked_reading_is_torchmetrics_jaccard_index(truth: list[int], seed: int, background: bool) -> None:
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(truth)) < 0.5
    predicted = np.where(wrong, rng.integers(0, CLASSES, len(truth)), truth)
    ours = matrix(truth, predicted.tolist())
    oracle = MulticlassJaccardIndex(CLASSES, average="none", ignore_index=0 if background else None)
    per_class = oracle(torch.from_numpy(predicted), torch.tensor(truth))
    torch.testing.assert_close(
        iou_per_class(ours, ignored=(0,) if background else ()).nan_to_num(0)[1:],
        per_class[1:].double(),
        rtol=1e-6,
        atol=0,
    )
    if background:
        macro = MulticlassJaccardIndex(CLASSES, average="macro", ignore_index=0)
        expected = macro(torch.from_numpy(predicted), torch.tensor(truth)).nan_to_num(0)  # NaN where nothing is valid
        assert fg_masked(ours) == pytest.approx(expected.item())


@settings(max_examples=30, deadline=None)
@given(truth=labels, seed=st.integers(0, 2**31), cut=st.integers(0, 60))
def test_matrices_of_parts_add_up(truth: list[int], seed: int, cut: int) -> None:
    predicted = np.random.default_rng(seed).integers(0, CLASSES, len(truth)).tolist()
    parts = matrix(truth[:cut], predicted[:cut]) + matrix(truth[cut:], predicted[cut:])
    assert torch.equal(parts, matrix(truth, predicted))
    assert parts.sum() == len(truth)


@settings(max_examples=30, deadline=None)
@given(truth=labels, seed=st.integers(0, 2**31), order=st.permutations(range(1, CLASSES)))
def test_renaming_foreground_classes_changes_no_reading(truth: list[int], seed: int, order: list[int]) -> None:
    predicted = np.random.default_rng(seed).integers(0, CLASSES, len(truth)).tolist()
    names = [0, *order]
    renamed = matrix([names[label] for label in truth], [names[label] for label in predicted])
    plain = matrix(truth, predicted)
    for reading in (fg_masked, keras_masked, standard_fg):
        assert reading(renamed) == pytest.approx(reading(plain))
        assert 0 <= reading(plain) <= 1
