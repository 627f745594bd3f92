"""Costs, classes, failures, times and images, as numbers."""

from dataclasses import replace

import numpy as np
import torch

from search.data.samples import Samples
from search.reporting.charts import KIND_STYLES
from search.reporting.classes import Matrix, Score, class_scores, shares
from search.reporting.effort import Reason, failure_title, numbers_text, reasons, seconds_by_kind
from search.reporting.history import Point
from search.reporting.images import swatches
from search.reporting.slices import MARKS, kinds_text
from search.reporting.trade_offs import front
from search.reporting.validation import confusions, extremes, image_mious, shown_sizes
from tests.contracts import fake_training
from tests.reporting.studies import record

FACTS = fake_training.facts()
"""Three classes, the first ignored."""


def test_the_front_is_what_nothing_beats() -> None:
    assert front([(1, 0.5), (2, 0.4), (2, 0.7), (3, 0.7), (4, 0.9)]) == {0, 2, 4}
    assert front([(1, 0.5), (1, 0.5)]) == {0}
    assert front([]) == set()


def test_scores_are_those_of_the_best_epoch_and_of_classes_that_count() -> None:
    def report(epoch: int, miou: float) -> dict:
        return {"epoch": epoch, "miou": miou, "seconds": 1.0, "class_iou": [None, miou + 0.1, None]}

    trial = record(4, {1: 0.3, 2: 0.6, 3: 0.5}, curve=[report(1, 0.3), report(2, 0.6), report(3, 0.5)])
    assert class_scores([trial, record(5, {1: 0.2})], FACTS) == [Score(trial=4, iou=(0.7, None))]


def test_a_confusion_matrix_in_shares_leaves_out_ignored_and_absent_classes() -> None:
    found = shares(((9, 9, 9), (1, 6, 3), (0, 0, 0)), FACTS)
    assert found == Matrix(rows=(1,), shares=((0.1, 0.6, 0.3),), counts=((1, 6, 3),))


def test_reasons_that_differ_in_numbers_are_one() -> None:
    refused = {"refused": True, "feasible": False, "state": "PRUNED"}
    failed = {"state": "FAIL"}
    trials = [
        record(0, {1: 0.5}),
        record(1, reason="5.31 M parameters are over the limit of 5.00 M", **refused),
        record(2, reason="17.2 M parameters are over the limit of 5.00 M", **refused),
        record(3, reason="Traceback\n  File x\nRuntimeError: line 3\n", **failed),
        record(4, {1: 0.1}, reason="", feasible=False, state="PRUNED"),
    ]
    assert reasons(trials) == [
        Reason(kind="failed", reason="RuntimeError: line 3", numbers=(3,)),
        Reason(kind="failed", reason="no reason was recorded", numbers=(4,)),
        Reason(kind="refused", reason="… M parameters are over the limit of … M", numbers=(1, 2)),
    ]
    assert reasons(trials[:1]) == []


def test_failures_and_refusals_are_counted_apart() -> None:
    failed = Reason(kind="failed", reason="a bug", numbers=(3,))
    refused = Reason(kind="refused", reason="too large", numbers=(1, 2))
    assert failure_title([failed]) == "1 trial failed"
    assert failure_title([failed, refused]) == "1 trial failed and 2 trials were refused"
    assert failure_title([replace(refused, numbers=(1,))]) == "1 trial was refused"


def test_a_legend_says_which_classes_it_leaves_out() -> None:
    names = tuple(f"class {index}" for index in range(22))
    shown = swatches(FACTS.model_copy(update={"class_names": names}))
    assert [swatch.words for swatch in shown[19:22]] == ["class 19", "2 more classes; colours repeat", "differs"]
    assert not [swatch for swatch in swatches(FACTS) if "more" in swatch.words]


def test_the_marks_of_a_slice_are_named() -> None:
    def point(kind: str) -> Point:
        return Point(number=0, kind=kind, value=0.5, epoch=1, epochs=1)

    assert kinds_text([point("pruned"), point("complete")]) == "blue circles: complete, orange diamonds: pruned"
    live = [point(kind) for kind in ("running", "to be continued")]
    assert kinds_text(live) == "green triangles: running, sky blue triangles: to be continued"
    assert set(MARKS) == set(KIND_STYLES) - {"refused", "failed"}


def test_many_numbers_are_cut() -> None:
    assert numbers_text((1, 2)) == "1, 2"
    assert numbers_text(range(11)) == "0, 1, 2, 3, 4, 5, 6, 7 and 3 more"


def test_time_by_kind() -> None:
    trials = [
        record(0, {1: 0.5, 2: 0.5}),
        record(1, {1: 0.5}),
        record(2, {1: 0.5}, state="PRUNED"),
        record(3, {1: 0.5}, state="FAIL"),
        record(4, refused=True, feasible=False, state="PRUNED"),
        record(5, {1: 0.4}, state="WAITING"),
    ]
    assert seconds_by_kind(trials, running=True) == {
        "complete": 6, "pruned": 2, "refused": 0, "failed": 2, "to be continued": 2,
    }  # fmt: skip
    assert seconds_by_kind([], running=False) == {}


def test_worst_and_best_never_share_an_image() -> None:
    same = [(1, 1)] * 6
    assert extremes([0.5, None, 0.1, 0.9, 0.3, 0.7], same, 2) == ([2, 4], [3, 5])
    assert extremes([0.5, 0.1, 0.9], same, 2) == ([1], [2])
    assert extremes([None, 0.4], same, 4) == ([1], [])
    assert extremes([None], same, 4) == ([], [])


def test_of_images_that_are_equal_those_that_show_more_come_first() -> None:
    """All right, twice one class and twice two; all wrong, one small and one large."""
    values = [1.0, 1.0, 1.0, 0.0, 0.0, 0.5]
    sizes = [(1, 9), (2, 4), (2, 8), (1, 3), (1, 7), (1, 1)]
    assert extremes(values, sizes, 2) == ([4, 3], [2, 1])


def test_images_are_measured_one_by_one_and_add_up() -> None:
    """Truths: half soil and half rock; all background, which does not count; soil with a void pixel."""
    truth = np.array([[[1, 1, 2, 2]], [[0, 0, 0, 0]], [[1, 255, 1, 1]]], np.uint8)
    predicted = [
        np.array([[1, 2, 2, 2]], np.uint8),
        np.array([[1, 1, 1, 1]], np.uint8),
        np.array([[1, 0, 1, 1]], np.uint8),
    ]
    images = np.zeros((3, 1, 4, 1), np.uint8)
    data = replace(fake_training.data(), validation=Samples(images=images, masks=truth))
    matrices = confusions(predicted, data)
    assert torch.equal(matrices[0], torch.tensor([[0, 0, 0], [0, 1, 1], [0, 0, 2]]))
    assert image_mious(matrices, FACTS) == [(1 / 2 + 2 / 3) / 2, None, 1.0]
    assert int(matrices.sum()) == 11
    assert shown_sizes(matrices, FACTS) == [(2, 4), (0, 0), (1, 3)]
