"""Class weights against published numbers and literal formulas, and the count that one of them needs."""

import numpy as np
import pytest
from pydantic import ValidationError

from search.data.dataset import SegmentationData
from search.data.facts import find_facts
from search.data.input_size import InputSize
from search.data.samples import VOID, Samples
from search.errors import DataError
from search.training.losses import class_weights
from spaces.facts import DataFacts
from spaces.losses import (
    BalancedWeights,
    ClassWeighting,
    ClassWeights,
    CrossEntropyTerm,
    EffectiveNumberWeights,
    LossConfig,
    MedianFrequencyWeights,
)

SHARES = (2426, 3354, 2371, 1836, 14)
IMAGES = (2087, 1281, 1160, 863, 63)
UNCAPPED = 1e6
EVERY = (ClassWeights(), BalancedWeights(), MedianFrequencyWeights(), EffectiveNumberWeights())
each_kind = pytest.mark.parametrize("config", EVERY, ids=[config.kind for config in EVERY])


def facts(
    pixels: tuple[int, ...] = SHARES, images: tuple[int, ...] | None = None, together: tuple[int, ...] | None = None
) -> DataFacts:
    """Facts of a data set; without more, every class is in every image."""
    return DataFacts(
        channels=1,
        class_names=tuple(f"class {index}" for index in range(len(pixels))),
        objective=(0,),
        height=8,
        width=8,
        train_images=3000,
        validation_images=1,
        class_pixels=pixels,
        class_images=(3000,) * len(pixels) if images is None else images,
        pixels_with_class=(sum(pixels),) * len(pixels) if together is None else together,
    )


def of_mean_one(*values: float) -> list[float]:
    return (np.array(values) / np.mean(values)).tolist()


# --- Published numbers -----------------------------------------------------------------------------------------------


def test_roots_of_the_published_frequencies() -> None:
    weights = class_weights(ClassWeights(exponent=0.5, cap=UNCAPPED), facts())
    assert weights == pytest.approx((0.292, 0.249, 0.296, 0.336, 3.83), rel=1e-2)


@pytest.mark.parametrize("config", [BalancedWeights(cap=UNCAPPED), ClassWeights(exponent=1, cap=UNCAPPED)])
def test_balanced_weights_are_scikit_learns(config: ClassWeighting) -> None:
    expected = of_mean_one(0.825, 0.596, 0.844, 1.090, 141.2)
    assert class_weights(config, facts()) == pytest.approx(expected, rel=0.015)


def test_median_frequencies_where_every_image_holds_every_class() -> None:
    expected = of_mean_one(0.977, 0.707, 1, 1.292, 167.4)
    assert class_weights(MedianFrequencyWeights(cap=UNCAPPED), facts()) == pytest.approx(expected, rel=0.015)


def test_median_frequencies_count_only_images_that_hold_a_class() -> None:
    """Class 2 is in a tenth of the images, and as large there as class 1 is everywhere."""
    weights = class_weights(MedianFrequencyWeights(), facts((6000, 2000, 200), together=(10000, 10000, 1000)))
    assert weights == pytest.approx(of_mean_one(0.2 / 0.6, 1, 1))


@pytest.mark.parametrize(
    ("beta", "published"),
    [(0.99, (0.815, 0.815, 0.815, 0.815, 1.738)), (0.999, (0.259, 0.313, 0.330, 0.392, 3.71))],
)
def test_effective_numbers_of_the_published_image_counts(beta: float, published: tuple[float, ...]) -> None:
    weights = class_weights(EffectiveNumberWeights(beta=beta), facts(images=IMAGES))
    assert weights == pytest.approx(published, rel=3e-3)


def test_effective_numbers_without_overlap_are_equal() -> None:
    assert class_weights(EffectiveNumberWeights(beta=0), facts(images=IMAGES)) == pytest.approx((1,) * 5)


# --- What holds for every kind ---------------------------------------------------------------------------------------


@each_kind
def test_weights_have_mean_one_and_rarer_classes_weigh_more(config: ClassWeighting) -> None:
    weights = np.array(class_weights(config, facts(images=(900, 950, 800, 700, 12))))
    assert weights.mean() == pytest.approx(1)
    assert (np.diff(weights[np.argsort(SHARES)]) <= 1e-12).all()


@pytest.mark.parametrize("cap", [1, 3, 10, 100])
@pytest.mark.parametrize("kind", [ClassWeights, BalancedWeights, MedianFrequencyWeights])
def test_no_weight_is_above_the_cap(kind: type[BalancedWeights], cap: float) -> None:
    weights = np.array(class_weights(kind(cap=cap), facts()))
    assert weights.mean() == pytest.approx(1)
    assert weights.max() / weights.min() == pytest.approx(min(cap, 15.5 if kind is ClassWeights else 239.6), rel=1e-2)


@each_kind
def test_absent_and_excluded_classes_weigh_one_and_do_not_shift_the_others(config: ClassWeighting) -> None:
    weights = class_weights(config, facts((500, 0, 100, 300), (9, 0, 4, 7), (900, 0, 500, 800)), excluded=(0,))
    assert weights[0] == weights[1] == 1
    assert weights[2:] == pytest.approx(class_weights(config, facts((100, 300), (4, 7), (500, 800))))


@each_kind
def test_without_any_pixel_every_class_weighs_one(config: ClassWeighting) -> None:
    assert class_weights(config, facts((0, 0), (0, 0))) == (1, 1)


def test_without_class_weights_every_class_weighs_one() -> None:
    assert class_weights(None, facts()) == (1,) * 5


# --- Configuration ---------------------------------------------------------------------------------------------------


@each_kind
def test_every_kind_is_read_as_written(config: ClassWeighting) -> None:
    loss = LossConfig(cross_entropy=CrossEntropyTerm(weight=1), class_weights=config)
    assert LossConfig.from_yaml(loss.to_yaml()) == loss


def test_weights_written_before_there_were_kinds_are_powers() -> None:
    read = LossConfig.from_yaml("{cross_entropy: {weight: 1}, class_weights: {exponent: 0.7, cap: 10}}")
    assert read.class_weights == ClassWeights(exponent=0.7, cap=10)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"kind": "cubic"}, "does not match any of the expected tags: 'power', 'balanced'"),
        ({"kind": "balanced", "exponent": 0.5}, "Extra inputs are not permitted"),
        ({"kind": "effective_number", "beta": 1.0}, "less than 1"),
    ],
)
def test_what_is_no_class_weight_is_refused(weights: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LossConfig.model_validate({"cross_entropy": {"weight": 1}, "class_weights": weights})


# --- The count that median frequencies need --------------------------------------------------------------------------


def test_median_frequencies_need_the_count() -> None:
    with pytest.raises(DataError, match=r"need pixels_with_class.*read the data again, or choose"):
        class_weights(MedianFrequencyWeights(), facts(together=()))


def test_the_count_has_an_entry_for_each_class() -> None:
    with pytest.raises(ValidationError, match="pixels_with_class needs one entry for each of the 5 classes"):
        facts(together=(1, 2))


def test_facts_count_the_labelled_pixels_of_images_that_hold_a_class() -> None:
    masks = np.zeros((3, 4, 5), np.uint8)
    masks[0, 0], masks[0, 1] = VOID, 1
    masks[1, 2:] = 2
    images = np.zeros((3, 4, 5, 1), np.uint8)
    data = SegmentationData(
        images=images,
        masks=masks,
        stems=("x", "y", "z"),
        groups=(None,) * 3,
        class_names=("a", "b", "c", "d"),
        labels=(0, 1, 2, 3),
    )
    part = Samples(images=images, masks=masks)
    found = find_facts(data, part, part, InputSize(height=4, width=5, scale=1.0))
    assert found.class_pixels == (10 + 10 + 20, 5, 10, 0)
    assert found.pixels_with_class == (15 + 20 + 20, 15, 20, 0)
