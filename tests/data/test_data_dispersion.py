"""The dispersion of an image, the two types, and splits that give every part its share of both."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from search.data.dataset import PARTS, SegmentationData
from search.data.dispersion import ImageTypes, dispersion, image_types, largest_dispersion, type_warnings
from search.data.samples import VOID
from search.data.split import FRACTIONS, merge_groups, split
from search.data.split_tables import format_split, split_shares
from search.data.stratification import DispersionRule
from search.errors import DataError
from tests.data.test_data_split import data_of, data_sets, no_findings, presence_by_part

RULES: tuple[DispersionRule, ...] = ("dispersion", "dispersion-threshold", "dispersion-quantile")


def types_of(counts: list[list[int]], rule: DispersionRule) -> ImageTypes:
    found = image_types(np.array(counts), rule)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("counts", "all_classes", "present_only"),
    [
        ([7, 0, 0, 0, 0], 0.4, 0.0),
        ([0, 0, 0, 0, 7], 0.4, 0.0),
        ([3, 3, 0, 0, 0], 0.06**0.5, 0.0),  # ((.5 - .2)^2 * 2 + .2^2 * 3) / 5 = .06
        ([19, 1, 0, 0, 0], 0.141**0.5, 0.45),  # (.75^2 + .15^2 + .2^2 * 3) / 5 = .141; (.95 - .05) / 2
        ([0, 0, 9, 0, 1], 0.124**0.5, 0.4),  # (.7^2 + .1^2 + .2^2 * 3) / 5 = .124
        ([8, 1, 1, 0, 0], 0.092**0.5, (0.98 / 9) ** 0.5),  # .66 / 5 - .04 = .092; .66 / 3 - 1 / 9 = .98 / 9
        ([2, 2, 2, 2, 2], 0.0, 0.0),
        ([0, 0, 0, 0, 0], 0.0, 0.0),
    ],
)
def test_dispersions_by_hand(counts, all_classes, present_only):
    assert dispersion(np.array([counts])) == pytest.approx(all_classes, abs=1e-11)
    assert dispersion(np.array([counts]), present_only=True) == pytest.approx(present_only, abs=1e-11)


@settings(max_examples=100, derandomize=True)
@given(st.integers(2, 12).flatmap(lambda k: st.lists(st.integers(0, 10**5), min_size=k, max_size=k)))
def test_no_image_exceeds_one_of_a_single_class(counts):
    classes = len(counts)
    one = dispersion(np.eye(classes, dtype=int)[:1])
    assert one == pytest.approx(largest_dispersion(classes), abs=1e-11)
    assert dispersion(np.array([counts])) <= one
    order = np.random.default_rng(0).permutation(classes)
    np.testing.assert_array_equal(dispersion(np.array([counts])), dispersion(np.array([counts])[:, order]))


@pytest.mark.parametrize(("classes", "largest"), [(2, 0.5), (3, 0.471405), (4, 0.433013), (5, 0.4), (21, 0.212959)])
def test_the_largest_dispersion(classes, largest):
    assert largest_dispersion(classes) == pytest.approx(largest, abs=1e-6)


IMAGES = [[100, 0, 0, 0, 0], [95, 5, 0, 0, 0], [94, 6, 0, 0, 0], [89, 11, 0, 0, 0], [97, 1, 1, 1, 0], [50, 50, 0, 0, 0]]


@pytest.mark.parametrize(
    ("rule", "threshold", "non_segmented"),
    [
        ("dispersion-literal", 0.45, [0, 0, 0, 0, 0, 0]),
        ("dispersion", 0.45, [1, 1, 0, 0, 0, 0]),
        ("dispersion-threshold", 0.35, [1, 1, 1, 0, 1, 0]),
        ("dispersion-quantile", None, [1, 1, 0, 0, 1, 0]),
    ],
)
def test_types_by_each_rule(rule, threshold, non_segmented):
    found = types_of([*IMAGES, [0, 0, 0, 0, 0]], rule)
    assert found.non_segmented.tolist() == [*map(bool, non_segmented), True]
    if threshold is not None:
        assert found.threshold == pytest.approx(threshold, abs=1e-12)


def test_presence_knows_no_types():
    assert image_types(np.array(IMAGES), "presence") is None


@pytest.mark.parametrize(("classes", "fires"), [(2, True), (3, True), (4, False), (5, False), (9, False)])
def test_the_literal_rule_can_fire_for_three_classes_at_most(classes, fires):
    found = types_of([*np.eye(classes, dtype=int).tolist(), [1] * classes], "dispersion-literal")
    assert found.non_segmented.any() == fires
    warnings = type_warnings(found)
    assert len(warnings) == (not fires)
    if not fires:
        assert f"the fractions of {classes} classes have a standard deviation of at most" in warnings[0]
        assert f"{largest_dispersion(classes):.4f}, and the published threshold is 0.45" in warnings[0]


def test_the_threshold_means_the_same_share_for_any_number_of_classes():
    """One class of p among K, the rest even: (Kp - 1) / (K - 1) of the largest dispersion, 7/8 at p = (7K + 1) / 8K."""
    for classes in (2, 3, 5, 8):
        others = classes - 1
        exact = [(7 * classes + 1) * others, *[others] * others]
        below = [exact[0] - others, *[others + 1] * others]
        assert exact[0] / sum(exact) == (7 * classes + 1) / (8 * classes)
        assert types_of([exact, below], "dispersion-threshold").non_segmented.tolist() == [True, False]


def test_the_quantile_divides_where_fixed_thresholds_do_not():
    shares = [[50 + step, 50 - step, 0, 0, 0] for step in range(10)]
    assert not types_of(shares, "dispersion").told_apart
    found = types_of(shares, "dispersion-quantile")
    assert found.non_segmented.tolist() == [False] * 5 + [True] * 5
    assert type_warnings(found) == []
    most_alike = types_of([[5, 5, 0]] * 7 + [[6, 4, 0], [7, 3, 0]], "dispersion-quantile")
    assert most_alike.non_segmented.tolist() == [False] * 7 + [True] * 2


@pytest.mark.parametrize(
    ("counts", "rule", "message"),
    [
        (
            [[6, 4, 0], [5, 5, 0]],
            "dispersion",
            "--stratify dispersion finds Well-seg images alone (dispersions 0.0000 to 0.1000, Non-seg from 0.4500), so "
            "that the split is that of presence; --stratify dispersion-quantile divides at the median",
        ),
        (
            [[6, 0, 0], [0, 0, 0]],
            "dispersion-quantile",
            "--stratify dispersion-quantile finds Non-seg images alone (dispersions 0.4714 to 0.4714, Non-seg from "
            "0.4714), so that the split is that of presence",
        ),
        (
            [[0, 0, 0], [0, 0, 0]],
            "dispersion-quantile",
            "--stratify dispersion-quantile finds Non-seg images alone (dispersions 0.0000 to 0.0000, Non-seg from "
            "0.0000), so that the split is that of presence",
        ),
    ],
)
def test_one_type_alone_is_said(counts, rule, message):
    assert type_warnings(types_of(counts, rule)) == [message]


def terrain(groups: int, one_sided: np.ndarray) -> SegmentationData:
    """Three images of 1x40 pixels a group, all of class 0 and 1: 39 to 1 where `one_sided` (G,) is true, else half."""
    edge = np.where(np.repeat(one_sided, 3), 39, 20)
    masks = (np.arange(40) >= edge[:, None]).astype(np.uint8)[:, None]
    names: list[str | None] = [f"g{index // 3}" for index in range(3 * groups)]
    blank = np.zeros((3 * groups, 1, 40, 1), dtype=np.uint8)
    return data_of(names, np.zeros((3 * groups, 3)), images=blank, masks=masks)


def worst_type(data: SegmentationData, stratify, rule: DispersionRule) -> float:
    """The largest deviation of a type's share from 60 / 20 / 20, over five seeds, parts and both types."""
    results = [split(data, no_findings(data), seed=seed, stratify=stratify) for seed in range(5)]
    shares = [share.parts for result in results for share in split_shares(data, result, rule)[-2:]]
    return float(np.abs(np.array(shares) - FRACTIONS).max())


ENOUGH = 7
"""Groups: one in train and one in validation for each of three rare classes, and one is left for test."""


@settings(max_examples=60, derandomize=True)
@given(data_sets(), st.integers(0, 1000), st.sampled_from(RULES))
def test_types_divide_no_group_and_take_no_class_from_a_part(case, seed, rule):
    data, report = case
    groups = merge_groups(data, report)
    result, presence = (split(data, report, seed=seed, stratify=way) for way in (rule, "presence"))
    assert result.recipe.rule == presence.recipe.rule
    if result.recipe.rule == "images":
        return
    assert (
        len(np.unique(np.stack([groups, [PARTS.index(part) for part in result.parts]]), axis=1).T) == groups.max() + 1
    )
    if groups.max() + 1 >= ENOUGH:
        assert set(result.parts) == set(PARTS)
        assert presence_by_part(data, result).sum() >= presence_by_part(data, presence).sum()
    told = [text for text in result.warnings if text.startswith(("Well-seg", "Non-seg"))]
    shares = split_shares(data, result, rule)[-2:]
    assert len(told) == sum(share.images > 0 and min(share.parts) == 0 for share in shares)


@pytest.mark.parametrize("rule", RULES)
def test_types_have_their_shares_which_presence_alone_does_not_give(rule):
    data = terrain(60, np.arange(60) % 4 == 0)
    assert worst_type(data, rule, rule) < 0.01
    assert worst_type(data, "presence", rule) > 0.1


@pytest.mark.parametrize("void", [(), (4,), range(12)], ids=["none", "one image", "some"])
def test_the_literal_split_is_that_of_presence_and_says_so(void):
    """Also where images have no label, and are Non-seg by every rule."""
    data = terrain(60, np.arange(60) % 4 == 0)
    masks = np.array(data.masks)
    masks[list(void)] = VOID
    data = replace(data, masks=masks)
    literal, presence = (
        split(data, no_findings(data), seed=1, stratify=way) for way in ("dispersion-literal", "presence")
    )
    assert literal.parts == presence.parts
    assert presence.warnings == ()
    assert [text for text in literal.warnings if "4 classes" in text and "at most 0.4330" in text]
    assert (literal.recipe.stratify, presence.recipe.stratify) == ("dispersion-literal", "presence")


def test_a_type_in_few_groups_is_said_where_it_is_missing():
    data = terrain(30, np.arange(30) < 2)
    result = split(data, no_findings(data), seed=0, stratify="dispersion")
    assert {result.parts[index] for index in range(6)} == {"train", "validation"}
    assert result.warnings == ("Non-seg images are in 2 group(s) alone and absent from test",)


def test_a_predefined_split_is_not_stratified():
    data = data_of([None] * 9, np.ones((9, 3)), parts=PARTS * 3)
    with pytest.raises(DataError, match=r"--stratify dispersion decides which .*, and splits\.csv says that already"):
        split(data, no_findings(data), seed=0, stratify="dispersion")


def test_the_table_shows_parts_types_and_warnings():
    data = terrain(60, np.arange(60) % 4 == 0)
    text = shown(data, split(data, no_findings(data), seed=0, stratify="dispersion"))
    assert "Split by groups, stratified on dispersion, seed 0" in text
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    assert ["Non-seg", "45", "60.0%", "20.0%", "20.0%"] in cells
    assert ["with third", "0", "", "", ""] in cells
    presence = shown(data, split(data, no_findings(data), seed=0))
    assert "Split by groups, seed 0" in presence
    assert "Non-seg" not in presence
    literal = shown(data, split(data, no_findings(data), seed=0, stratify="dispersion-literal"))
    assert "warning: --stratify dispersion-literal calls no labelled image Non-seg" in literal


def shown(data: SegmentationData, result) -> str:
    console = Console(width=200, file=StringIO())
    console.print(format_split(data, result))
    return console.file.getvalue()
