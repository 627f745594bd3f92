"""What systems reach, with intervals: known answers, what must change nothing, how often intervals hold the truth."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chi2

from benchmarks.made_up_groups import CLASSES, RARE, World
from search.errors import DataError
from search.selection.answer import FEWEST_GROUPS, Interval, SystemScore
from search.selection.bootstrap import Score, score, seed_noise
from search.training.metrics import iou_per_class, mean_iou
from tests.selection.drawing import NAMES, drawn


def one_image_a_group(*matrices: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(matrices, np.int64), np.arange(len(matrices))


def test_values_are_those_of_the_objective() -> None:
    """On data with an ignored class, and one that the truth does not hold but networks predict."""
    rng = np.random.default_rng(0)
    confusions = rng.integers(0, 50, (40, 5, 5))
    confusions[:, 3] = 0
    found = score({"one": [confusions]}, np.arange(40) // 3, class_names="abcde", ignored=(0,), resamples=50)
    total = torch.tensor(confusions.sum(0))
    one = found.systems["one"]
    assert one.miou.value == pytest.approx(mean_iou(total, (1, 2, 4), (0,)), rel=1e-12)
    per_class = iou_per_class(total, (0,)).tolist()
    assert [each.iou.value if each.iou else None for each in one.classes] == [
        None, *(pytest.approx(per_class[index]) for index in (1, 2)), None, pytest.approx(per_class[4])
    ]  # fmt: skip
    assert [each.groups for each in one.classes] == [14, 14, 14, 0, 14]
    assert (found.images, found.groups) == (40, 14)


def test_a_system_of_several_networks_is_their_mean() -> None:
    confusions, places = drawn()
    found = score({"one": confusions[:1], "three": confusions[1:]}, places, class_names=NAMES, resamples=500)
    alone = [score({"it": [each]}, places, class_names=NAMES, resamples=50).systems["it"] for each in confusions]
    three = found.systems["three"]
    assert three.seeds == tuple(each.miou.value for each in alone[1:])
    assert three.miou.value == pytest.approx(np.mean(three.seeds))
    assert found.systems["one"].seeds == ()
    (difference,) = found.differences
    assert difference.against == "three"
    assert difference.difference.value == pytest.approx(alone[0].miou.value - np.mean(three.seeds))


def test_differences_are_narrower_than_of_systems_on_other_images() -> None:
    confusions, places = drawn(groups=60, holders=40)
    found = score({"one": confusions[:1], "two": confusions[1:2]}, places, class_names=NAMES, resamples=1000)
    widths = [width(each.miou) for each in found.systems.values()]
    assert width(found.differences[0].difference) < 0.8 * math.hypot(*widths)


def ends(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


def width(interval: Interval) -> float:
    low, high = ends(interval)
    return high - low


def test_equal_systems_do_not_differ() -> None:
    confusions, places = drawn(holders=4)
    found = score({"a": confusions[:2], "b": confusions[:2]}, places, class_names=NAMES, resamples=300)
    difference = found.differences[0].difference
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_a_system_that_is_better_in_every_group_is_better() -> None:
    confusions, places = drawn(groups=8, holders=6)
    worse = confusions[0]
    mistakes = worse * (1 - np.eye(CLASSES, dtype=np.int64))
    better = worse - mistakes // 2
    better[:, range(CLASSES), range(CLASSES)] += (mistakes // 2).sum(2)
    found = score({"better": [better], "worse": [worse]}, places, class_names=NAMES, resamples=1000)
    assert found.differences[0].difference.low > 0


def test_perfect_predictions_leave_no_doubt() -> None:
    confusions, places = one_image_a_group(*[[[3 + index, 0], [0, 9]] for index in range(6)])
    one = score({"one": [confusions]}, places, class_names="ab", resamples=100).systems["one"]
    assert (one.miou.value, one.miou.low, one.miou.high) == (1, 1, 1)


def test_under_five_groups_there_is_no_interval() -> None:
    for groups in (1, FEWEST_GROUPS - 1):
        confusions, places = one_image_a_group(*[[[5 + index, 1], [2, 7]] for index in range(groups)])
        found = score({"a": [confusions], "b": [confusions]}, places, class_names="xy", resamples=50)
        a = found.systems["a"]
        for each in (a.miou, found.differences[0].difference, *(one.iou for one in a.classes)):
            assert each is not None
            assert each.low is None
            assert each.high is None
        assert 0 < a.miou.value < 1


def test_groups_that_hold_no_class_that_counts_are_no_evidence() -> None:
    matrices = [[[5, 1], [2, 7]]] * 4 + [[[9, 0], [0, 0]]] * 10
    confusions, places = one_image_a_group(*matrices)
    one = score({"one": [confusions]}, places, class_names="xy", ignored=(0,), resamples=50).systems["one"]
    assert one.miou.low is None


def test_a_class_in_four_groups_has_no_interval_and_is_named() -> None:
    confusions, places = drawn(holders=FEWEST_GROUPS - 1)
    one = score({"one": confusions[:1]}, places, class_names=NAMES, resamples=200).systems["one"]
    assert one.classes[RARE].groups == 4
    assert one.classes[RARE].iou is not None
    assert one.classes[RARE].iou.low is None
    assert all(each.iou is not None and each.iou.low is not None for each in one.classes[:RARE])
    assert one.miou.low is not None
    assert stored(one).thin == ("big rock",)
    enough = score({"one": drawn(holders=5)[0][:1]}, drawn(holders=5)[1], class_names=NAMES, resamples=200)
    assert stored(enough.systems["one"]).thin == ()


def stored(one: Score) -> SystemScore:
    """The score as the answer keeps it."""
    return SystemScore(
        name="one", words="one network", miou=one.miou, classes=one.classes, readings={}, validation=0.5
    )  # fmt: skip


def test_no_class_that_counts_is_refused() -> None:
    confusions, places = one_image_a_group([[4, 1], [0, 0]])
    with pytest.raises(DataError, match="at least one class that counts"):
        score({"one": [confusions]}, places, class_names="ab", ignored=(0,))


def test_networks_are_measured_on_the_same_truth() -> None:
    confusions, places = drawn(groups=6, holders=2)
    with pytest.raises(AssertionError, match="differ in their truth"):
        score({"a": confusions[:1], "b": confusions[1:2, ::-1]}, places, class_names=NAMES)


def test_the_order_of_images_and_the_unit_of_area_change_nothing() -> None:
    confusions, places = drawn(holders=4)
    systems = {"a": confusions[:1], "b": confusions[1:]}
    found = score(systems, places, class_names=NAMES, resamples=200)
    order = np.random.default_rng(1).permutation(len(places))
    turned = {name: networks[:, order] for name, networks in systems.items()}
    assert score(turned, places[order], class_names=NAMES, resamples=200) == found
    larger = {name: 3 * networks for name, networks in systems.items()}
    assert score(larger, places, class_names=NAMES, resamples=200) == found
    named = np.array([f"drive {place:03}" for place in places])
    assert score(systems, named, class_names=NAMES, resamples=200) == found


def test_the_order_of_groups_changes_an_end_by_chance_alone() -> None:
    confusions, places = drawn(groups=50, holders=30)
    first, other = (
        score({"a": confusions[:1]}, labels, class_names=NAMES, resamples=4000).systems["a"].miou
        for labels in (places, places.max() - places)
    )
    assert np.abs(np.subtract(ends(first), ends(other))).max() < 0.05 * width(first)


def test_the_seed_decides() -> None:
    confusions, places = drawn()
    first, again, other = (
        score({"a": confusions[:1]}, places, class_names=NAMES, resamples=300, seed=seed) for seed in (4, 4, 5)
    )
    assert first == again
    assert first.systems["a"].miou != other.systems["a"].miou
    assert first.systems["a"].miou.value == other.systems["a"].miou.value


@given(
    matrices=st.integers(1, 14).flatmap(lambda images: arrays(np.int64, (images, 3, 3), elements=st.integers(0, 6))),
    group_count=st.integers(1, 9),
    seed=st.integers(0, 100),
)
def test_intervals_are_in_order_and_within_their_range(matrices: np.ndarray, group_count: int, seed: int) -> None:
    matrices[0, 1, 1] += 1
    groups = np.random.default_rng(seed).integers(0, group_count, len(matrices))
    systems = {"a": [matrices], "b": [np.roll(matrices, 1, axis=2), matrices]}
    found = score(systems, groups, class_names="abc", ignored=(0,), resamples=60, seed=seed)
    ious = [each.iou for one in found.systems.values() for each in one.classes if each.iou is not None]
    for each in (*(one.miou for one in found.systems.values()), *ious):
        assert 0 <= each.value <= 1
        assert each.low is None or each.high is None or 0 <= each.low <= each.high <= 1
    difference = found.differences[0].difference
    assert difference.low is None or difference.high is None or -1 <= difference.low <= difference.high <= 1


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """120 test parts of 40 groups: the tolerance is two and a half standard errors. Over images far fewer hold it."""
    world = World(skill=((2.2, 1.6, 1.9, 0.6), (2.4, 1.7, 2.0, 0.9)))
    truth = world.true_values(40, 20, [slice(0, 1), slice(1, 2)], population=20_000)
    expected = np.array([truth[0, 0], truth[0, 0] - truth[1, 0]])
    rng = np.random.default_rng(0)
    intervals: dict[str, list[np.ndarray]] = {"groups": [], "images": []}
    values = []
    for _ in range(120):
        confusions, places = world.draw(40, 20, rng)
        for way, labels in {"groups": places, "images": np.arange(len(places))}.items():
            found = score({"a": confusions[:1], "b": confusions[1:]}, labels, class_names=NAMES, resamples=400)
            both = found.systems["a"].miou, found.differences[0].difference
            intervals[way].append(np.array([ends(each) for each in both]))
        values.append([each.value for each in both])
    held = {way: inside(np.array(all_ends), expected) for way, all_ends in intervals.items()}
    assert (held["groups"] >= 0.90).all(), held
    assert (held["images"] < 0.86).all(), held
    mean_width = np.diff(intervals["groups"], axis=-1).mean(0)[:, 0]
    assert (mean_width < 1.3 * 2 * 1.96 * np.std(values, axis=0)).all(), "no wider than needed"


def inside(all_ends: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How many of the intervals (R, 2, 2) hold the truth (2,)."""
    return ((all_ends[..., 0] <= truth) & (truth <= all_ends[..., 1])).mean(0)


def test_seed_noise_pools_what_is_within_configurations() -> None:
    noise = seed_noise([[1.0, 3.0], [10.0, 10.0, 13.0], [500.0]])
    assert noise is not None
    assert noise.degrees == 3
    assert noise.deviation == pytest.approx(math.sqrt(8 / 3))
    assert noise.low == pytest.approx(math.sqrt(8 / chi2.ppf(0.975, 3)))
    assert noise.high == pytest.approx(math.sqrt(8 / chi2.ppf(0.025, 3)))


def test_one_seed_has_no_noise() -> None:
    assert seed_noise([[0.5], [0.7]]) is None
    assert seed_noise([]) is None
    same = seed_noise([[0.5, 0.5]])
    assert same is not None
    assert (same.deviation, same.low, same.high) == (0, 0, 0)


def test_the_interval_of_seed_noise_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(rng.normal(0, 5, (1000, 4, 1)), 0.3, (1000, 4, 3))
    found = [seed_noise(each.tolist()) for each in values]
    inside = [noise is not None and noise.low <= 0.3 <= noise.high for noise in found]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)
