"""Properties of the split: groups stay together, shares are near, rare classes follow their rule, seeds decide."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.data.assignment import assign
from search.data.audit import Audit, audit, clean
from search.data.dataset import PARTS, SegmentationData
from search.data.split import FRACTIONS, Split, merge_groups, split
from search.data.split_tables import split_shares
from search.data.splits_table import read_table
from search.errors import DataError

CLASSES = 4
COMMON = 0


def data_of(groups: list[str | None], presence: np.ndarray, **changes) -> SegmentationData:
    """Images of 1x4 pixels: class 0 everywhere, classes 1..3 where `presence` (N, 3) says so."""
    masks = np.concatenate([np.zeros((len(groups), 1)), presence * np.arange(1, CLASSES)], axis=1)
    fields = {
        "images": np.zeros((len(groups), 1, CLASSES, 1), dtype=np.uint8),
        "masks": masks.astype(np.uint8)[:, None],
        "stems": tuple(f"s{index:03d}" for index in range(len(groups))),
        "groups": tuple(groups),
        "class_names": ("common", "first", "second", "third"),
        "labels": tuple(range(CLASSES)),
    }
    return SegmentationData(**(fields | changes))


def no_findings(data: SegmentationData, duplicates: tuple[tuple[str, ...], ...] = ()) -> Audit:
    """An audit that found these near-duplicates and nothing else."""
    return Audit(
        fingerprint=data.fingerprint, images=len(data), smallest=(1, 4), largest=(1, 4), channels=1, groups=0,
        outliers=(), removed_hash="", duplicates=duplicates, empty=(), classes=(), void_pixels=0, warnings=(),
    )  # fmt: skip


@st.composite
def data_sets(draw) -> tuple[SegmentationData, Audit]:
    """Data with groups of any size, unknown groups, classes of any rarity, and near-duplicates across groups."""
    count = draw(st.integers(5, 60))
    names = st.one_of(st.none(), st.integers(0, draw(st.integers(0, 30))).map(str))
    groups = draw(st.lists(names, min_size=count, max_size=count))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    data = data_of(groups, rng.random((count, 3)) < np.array(draw(st.tuples(*[st.sampled_from([0.02, 0.1, 0.5])] * 3))))
    chosen = rng.permutation(count)[: draw(st.integers(0, count // 4)) * 2]
    pairs = tuple((data.stems[a], data.stems[b]) for a, b in chosen.reshape(-1, 2))
    return data, no_findings(data, pairs)


def presence_by_part(data: SegmentationData, result: Split) -> np.ndarray:
    """Whether each part holds each class: (3, K) bool."""
    masks = np.asarray(data.masks)
    return np.array([[(masks[result.indices(part)] == k).any() for k in range(CLASSES)] for part in PARTS])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data_sets(), st.integers(0, 1000))
def test_groups_and_duplicates_stay_together_and_every_image_has_a_part(case, seed):
    data, report = case
    result = split(data, report, seed=seed)
    assert result.stems == data.stems
    assert all(len(result.indices(part)) for part in PARTS)
    if result.recipe.rule == "images":
        assert merge_groups(data, report).max() + 1 < 3
        return
    part_of = dict(zip(result.stems, result.parts, strict=True))
    for group in set(data.groups) - {None}:
        assert len({part for part, name in zip(result.parts, data.groups, strict=True) if name == group}) == 1
    for stems in report.duplicates:
        assert len({part_of[stem] for stem in stems}) == 1
    assert len(set(zip(result.groups, result.parts, strict=True))) == len(set(result.groups))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data_sets(), st.integers(0, 1000))
def test_a_class_goes_to_train_then_validation_then_test(case, seed):
    """Train holds every class, a part only what the parts before it hold; what is missing is said, once a class."""
    data, report = case
    result = split(data, report, seed=seed)
    groups = np.arange(len(data)) if result.recipe.rule == "images" else merge_groups(data, report)
    masks = np.asarray(data.masks)
    held = presence_by_part(data, result)
    for index in range(CLASSES):
        with_class = (masks == index).any(axis=(1, 2))
        if not with_class.any():
            continue
        count = len(np.unique(groups[with_class]))
        missing = [part for part, here in zip(PARTS, held[:, index], strict=True) if not here]
        said = [text for text in result.warnings if f"{data.class_names[index]!r} is in {count} group(s)" in text]
        assert missing in ([], ["test"], ["validation", "test"])
        assert missing or count >= 3
        assert len(said) == bool(missing)
        assert all(part in said[0] for part in missing)


@pytest.mark.parametrize(("groups", "parts"), [(1, {"train"}), (2, {"train", "validation"}), (3, set(PARTS))])
@pytest.mark.parametrize("seed", range(10))
def test_a_rare_class_follows_its_groups(groups, parts, seed):
    names = [f"g{index // 3}" for index in range(60)]
    presence = np.zeros((60, 3), dtype=bool)
    presence[: 3 * groups, 0] = True
    data = data_of(names, presence)
    result = split(data, no_findings(data), seed=seed)
    assert {result.parts[index] for index in np.flatnonzero(presence[:, 0])} == parts
    warned = [text for text in result.warnings if "'first'" in text]
    assert len(warned) == (groups < 3)
    if warned:
        assert f"is in {groups} group(s) alone and absent from" in warned[0]


@pytest.mark.parametrize("groups", range(3, 8))
@pytest.mark.parametrize("seed", range(3))
def test_no_part_is_empty_where_each_group_has_a_class_of_its_own(groups, seed):
    """Train would take every one of them, each being rarer than any part allows."""
    counts = np.column_stack([np.full(groups, 4), 4 * np.eye(groups, dtype=int)])
    parts = assign(counts, FRACTIONS, np.random.default_rng(seed))
    assert set(parts) == {0, 1, 2}
    assert (parts == 0).sum() == groups - 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(30, 300), st.integers(1, 12))
def test_shares_are_near_the_target(seed, count, largest):
    """Within the size of one group, and two points, of 60 / 20 / 20, for images and for each class that is not rare."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, largest + 1, count)
    classes = rng.binomial(sizes[:, None], [0.9, 0.3])
    counts = np.column_stack([sizes, classes])
    parts = assign(counts, FRACTIONS, rng)
    shares = np.array([counts[parts == part].sum(axis=0) for part in range(3)]) / counts.sum(axis=0)
    assert np.abs(shares - np.array(FRACTIONS)[:, None]).max() <= largest / counts.sum(axis=0).min() + 0.02


def test_demo_shares(demo):
    report = audit(demo)
    cleaned = clean(demo, report)
    for seed in range(5):
        result = split(cleaned, report, seed=seed)
        shares = [len(result.indices(part)) / len(cleaned) for part in PARTS]
        np.testing.assert_allclose(shares, FRACTIONS, atol=0.01)
        rocks = [sum((cleaned.masks[i] == 4).any() for i in result.indices(part)) for part in PARTS]
        np.testing.assert_allclose(np.array(rocks) / sum(rocks), FRACTIONS, atol=0.06)
        assert result.warnings == ()


def test_demo_shares_of_the_two_types(demo):
    report = audit(demo)
    cleaned = clean(demo, report)
    for seed in range(3):
        result = split(cleaned, report, seed=seed, stratify="dispersion-quantile")
        *_, well, non = split_shares(cleaned, result, "dispersion-quantile")
        assert (well.images, non.images) == (204, 204)
        np.testing.assert_allclose([well.parts, non.parts], [FRACTIONS] * 2, atol=0.03)
        assert result.warnings == ()


def test_the_seed_alone_decides():
    data = data_of([f"g{index // 2}" for index in range(80)], np.random.default_rng(0).random((80, 3)) < 0.4)
    first, again, other = (split(data, no_findings(data), seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_few_groups_are_split_by_image_and_said():
    data = data_of(["a", "b"] * 10, np.ones((20, 3)))
    result = split(data, no_findings(data), seed=0)
    assert result.recipe.rule == "images"
    assert [len(result.indices(part)) for part in PARTS] == [12, 4, 4]
    assert "a split by groups needs 3 groups, the data has 2" in result.warnings[0]


def test_near_duplicates_stay_together_where_groups_cannot():
    data = data_of(["a", "b"] * 10, np.ones((20, 3)))
    pairs = tuple((data.stems[index], data.stems[index + 2]) for index in range(0, 16, 4))
    result = split(data, no_findings(data, pairs), seed=0)
    assert result.recipe.rule == "images"
    assert all(result.parts[index] == result.parts[index + 2] for index in range(0, 16, 4))


def test_a_set_of_near_duplicates_that_would_outgrow_a_part_is_divided():
    data = data_of(["a", "b"] * 15, np.ones((30, 3)))
    result = split(data, no_findings(data, (data.stems[:28],)), seed=0)
    assert [len(result.indices(part)) for part in PARTS] == [18, 6, 6]


def test_a_group_too_large_is_said():
    data = data_of(["huge"] * 40 + ["a", "b"], np.ones((42, 3)))
    result = split(data, no_findings(data), seed=0)
    assert [len(result.indices(part)) for part in PARTS] == [40, 1, 1]
    assert any("the train part holds 95% of the images instead of 60%" in text for text in result.warnings)


def test_near_duplicates_join_groups_transitively():
    data = data_of(["a", "a", "b", None, None, "c"], np.ones((6, 3)))
    groups = merge_groups(data, no_findings(data, (("s001", "s002"), ("s002", "s003"))))
    assert groups[0] == groups[1] == groups[2] == groups[3]
    assert len(set(groups.tolist())) == 3


def test_a_predefined_split_is_taken_as_it_is():
    parts = tuple(PARTS[index % 3] for index in range(9))
    data = data_of(["a", "a"] + [None] * 7, np.ones((9, 3)), parts=parts)
    result = split(data, no_findings(data), seed=0)
    assert (result.parts, result.recipe.rule) == (parts, "predefined")
    assert result.warnings == ("splits.csv divides 1 group(s) or set(s) of near-duplicates; validation is optimistic",)


def test_a_predefined_split_needs_validation_and_may_lack_test():
    data = data_of([None] * 9, np.ones((9, 3)), parts=("train",) * 9)
    with pytest.raises(DataError, match=r"splits\.csv has none in validation"):
        split(data, no_findings(data), seed=0)
    data = data_of([None] * 9, np.ones((9, 3)), parts=("train", "validation", "train") * 3)
    assert "no test part" in split(data, no_findings(data), seed=0).warnings[-1]


@pytest.mark.parametrize("fractions", [(0.5, 0.2, 0.2), (1.0, 0.2, -0.2), (0.8, 0.2, 0.0)])
def test_fractions_that_are_none(fractions):
    data = data_of([None] * 9, np.ones((9, 3)))
    with pytest.raises(DataError, match="fractions of a split must be positive and sum to 1"):
        split(data, no_findings(data), seed=0, fractions=fractions)


def test_round_trips(tmp_path):
    data = data_of([f"g, {index // 2}" for index in range(40)], np.ones((40, 3)))
    result = split(data, no_findings(data), seed=5)
    result.write(tmp_path / "split.csv")
    assert (tmp_path / "split.csv").read_text().splitlines()[0] == "stem,split,group"
    rows = read_table(tmp_path / "split.csv", data.stems)
    assert [(row.part, row.group) for row in rows] == list(zip(result.parts, result.groups, strict=True))
    assert Split.from_yaml(result.to_yaml()) == result
