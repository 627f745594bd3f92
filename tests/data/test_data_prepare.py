"""From a path to TrialData: sizes, scales, facts, the locked test part."""

import numpy as np
import pytest

from search.data.input_size import MAX_AREA, choose_input_size, shrink_samples
from search.data.prepare import prepare_data
from search.data.samples import Samples
from search.errors import DataError


@pytest.fixture(scope="module")
def prepared():
    return prepare_data(None, seed=0)


def test_demo_is_uniform_at_its_own_size(prepared):
    facts = prepared.facts
    assert prepared.trial.uniform
    assert (facts.height, facts.width, prepared.trial.scale) == (64, 128, 1.0)
    assert (facts.channels, facts.classes, facts.objective, facts.rare_class) == (1, 5, (1, 2, 3, 4), 4)


def test_facts_are_those_of_the_training_part(prepared):
    masks = prepared.trial.train.masks
    assert prepared.facts.train_images == len(masks)
    assert prepared.facts.class_pixels == tuple(int((masks == index).sum()) for index in range(5))
    assert prepared.facts.class_images == tuple(int((masks == index).any(axis=(1, 2)).sum()) for index in range(5))


def test_the_locked_test_part_is_not_handed_out(prepared, demo):
    data = demo
    position = {stem: index for index, stem in enumerate(data.stems)}
    locked = [data.images[position[prepared.split.stems[index]]] for index in prepared.split.indices("test")]
    assert len(locked) > 0
    shown = {image.tobytes() for part in (prepared.trial.train, prepared.trial.validation) for image in part.images}
    assert not shown & {image.tobytes() for image in locked}
    assert len(shown) == prepared.facts.train_images + prepared.facts.validation_images
    assert prepared.fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("sizes", "requested", "expected"),
    [
        ([(64, 128)] * 3, None, (64, 128, 1.0)),
        ([(256, 256)] * 3, None, (256, 256, 1.0)),
        ([(100, 90)] * 3, None, (100, 90, 1.0)),
        ([(1024, 1024)] * 3, None, (256, 256, 0.5)),
        ([(512, 512)] * 3, None, (256, 256, 1.0)),
        ([(1080, 1920)] * 3, None, (192, 320, 1 / 3)),
        ([(100, 90), (110, 90), (120, 95)], None, (96, 64, 1.0)),
        ([(20, 20), (21, 20), (20, 20)], None, (32, 32, 1.0)),
        ([(10000, 10), (10001, 10), (10001, 10)], None, (2048, 32, 4096 / 10001)),
        ([(64, 128)] * 3, (32, 64), (32, 64, 1.0)),
        ([(256, 256)] * 3, (64, 64), (64, 64, 0.5)),
        ([(64, 128)] * 3, (128, 256), (128, 256, 1.0)),
    ],
)
def test_input_sizes(sizes, requested, expected):
    size = choose_input_size(np.array(sizes), requested)
    assert (size.height, size.width) == expected[:2]
    assert size.scale == pytest.approx(expected[2])


def test_auto_sizes_keep_their_promises(rng):
    for sizes in rng.integers(40, 3000, (200, 5, 2)):
        size = choose_input_size(sizes, None)
        assert size.height % 32 == size.width % 32 == 0
        assert size.height * size.width <= MAX_AREA
        scaled = np.median(sizes, axis=0) * size.scale
        assert (scaled <= 2 * np.array([size.height, size.width]) + 1e-6).all()
        assert size.scale <= 1


def test_input_size_below_the_smallest():
    with pytest.raises(DataError, match="at least 32 pixels a side, got 16x64"):
        choose_input_size(np.array([(64, 64)]), (16, 64))


def test_shrinking_averages_images_and_keeps_labels(rng):
    images, masks = rng.integers(0, 256, (4, 8, 8, 2)).astype(np.uint8), rng.choice([0, 3, 255], (4, 8, 8))
    small = shrink_samples(Samples(images=images, masks=masks.astype(np.uint8)), 0.5)
    assert isinstance(small.images, np.ndarray)
    expected = images.reshape(4, 4, 2, 4, 2, 2).mean(axis=(2, 4))
    assert np.abs(small.images - expected).max() <= 0.5
    assert set(np.unique(small.masks)) <= {0, 3, 255}


def test_images_of_many_channels_are_shrunk_channel_by_channel(rng):
    """OpenCV averages four at once and no more."""
    images, masks = rng.integers(0, 256, (2, 9, 12, 7)).astype(np.uint8), np.zeros((2, 9, 12), np.uint8)
    small = shrink_samples(Samples(images=images, masks=masks), 1 / 3).images
    assert isinstance(small, np.ndarray)
    expected = images.reshape(2, 3, 3, 4, 3, 7).mean(axis=(2, 4))
    assert small.shape == (2, 3, 4, 7)
    assert np.abs(small - expected).max() <= 0.5


def test_large_frames_train_shrunk_and_validate_native(folder, rng):
    images = rng.integers(0, 256, (12, 600, 640)).astype(np.uint8)
    prepared = prepare_data(folder(images=images, masks=images % 3), seed=0)
    trial = prepared.trial
    assert not trial.uniform
    assert (trial.facts.height, trial.facts.width) == (224, 256)
    assert trial.scale == pytest.approx(448 / 600)
    assert trial.train.images[0].shape == (448, 478, 1)
    assert trial.validation.images[0].shape == (600, 640, 1)


def test_objective_leaves_out_what_validation_lacks(folder, pairs):
    parts = ["train"] * 6 + ["validation"] * 3 + ["test"] * 3
    pairs[6:9, 1][pairs[6:9, 1] == 4] = 0
    table = "classes: [" + ", ".join(f"{{name: {name}, label: {label}}}" for label, name in enumerate("abcde")) + "]"
    rows = "\n".join(["stem,split", *(f"tile_{index:02d},{part}" for index, part in enumerate(parts))])
    prepared = prepare_data(folder(classes_yaml=f"{table}\nignored: [b]", splits_csv=rows), seed=0)
    assert prepared.facts.objective == (0, 2, 3)
    assert any("class 'e' is in 9 group(s) alone and absent from validation" in text for text in prepared.warnings)


def test_nothing_to_measure_is_said(folder, pairs):
    table = "classes: [{name: a, label: 0}, {name: b, label: 9}]\nignored: [a]\nvoid: [1, 2, 3, 4]"
    with pytest.raises(DataError, match="needs a class in the validation masks that is neither ignored nor void"):
        prepare_data(folder(classes_yaml=table), seed=0)


def test_folder_and_npz_agree(folder, npz, pairs):
    from_npz = prepare_data(npz(training_set=pairs), seed=3).trial
    from_folder = prepare_data(folder(), seed=3).trial
    assert from_npz.train.images.shape[1:] == from_folder.train.images.shape[1:] == (16, 24, 1)
    assert from_npz.uniform
    assert from_folder.uniform
