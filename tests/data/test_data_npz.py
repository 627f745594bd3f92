"""The course's npz form: every layout and number type gives the same data."""

import numpy as np
import pytest

from search.data.npz import read_npz, read_test_images
from search.data.samples import VOID
from search.errors import DataError

LAYOUTS = {
    "N2HW": lambda pairs: pairs,
    "N2HW1": lambda pairs: pairs[..., None],
    "N21HW": lambda pairs: pairs[:, :, None],
    "NHW2": lambda pairs: np.moveaxis(pairs, 1, 3),
    "float 0-255": lambda pairs: pairs.astype(np.float64),
    "int64": lambda pairs: pairs.astype(np.int64),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_reads_the_same(npz, pairs, layout):
    data = read_npz(npz(training_set=LAYOUTS[layout](pairs)))
    np.testing.assert_array_equal(data.images, pairs[:, 0, :, :, None])
    np.testing.assert_array_equal(data.masks, pairs[:, 1])
    assert data.class_names == ("background", "soil", "bedrock", "sand", "big rock")
    assert data.background == 0
    assert data.ignored == (0,)
    assert data.groups == (None,) * 12


def test_floats_up_to_one_are_scaled(npz, pairs):
    floats = pairs.astype(np.float32)
    floats[:, 0] /= 255
    data = read_npz(npz(training_set=floats))
    np.testing.assert_array_equal(data.images[..., 0], pairs[:, 0])
    assert data.intensity == ((0.0, 1.0),)


def test_sixteen_bits_use_the_files_own_range(npz, pairs):
    deep = pairs.astype(np.uint16)
    deep[:, 0] = 1000 + 100 * pairs[:, 0].astype(np.uint16)
    data = read_npz(npz(training_set=deep))
    np.testing.assert_array_equal(data.images[..., 0], pairs[:, 0])
    assert data.intensity == ((1000.0, 26500.0),)


def test_long_groups_keep_every_digit_and_nan_is_unknown(npz, pairs):
    groups = np.array([20260101.0, np.inf, np.nan, 0.5] + [20260103.0] * 8)
    names = read_npz(npz(training_set=pairs, groups=groups)).groups
    assert names == ("20260101", None, None, "0.5") + ("20260103",) * 8


def test_groups_are_text_and_minus_one_is_unknown(npz, pairs):
    groups = np.array([-1, 3, 3] + [30078] * 9)
    data = read_npz(npz(training_set=pairs, groups=groups))
    assert data.groups == (None, "3", "3") + ("30078",) * 9


def test_other_labels_become_named_classes_and_255_is_void(npz, pairs):
    pairs[:, 1] = np.array([0, 7, 9, 200, 255])[pairs[:, 1]]
    data = read_npz(npz(training_set=pairs))
    assert data.class_names == ("class_0", "class_7", "class_9", "class_200")
    assert data.labels == (0, 7, 9, 200)
    np.testing.assert_array_equal(data.masks == VOID, pairs[:, 1] == 255)
    np.testing.assert_array_equal(data.masks == 2, pairs[:, 1] == 9)


def test_test_images_are_read_apart(npz, pairs):
    path = npz(training_set=pairs, test_set=pairs[:5, 0])
    np.testing.assert_array_equal(read_test_images(path, channels=1, intensity=None), pairs[:5, 0, :, :, None])
    for empty in (npz(training_set=pairs), npz(training_set=pairs, test_set=pairs[:0, 0])):
        assert read_test_images(empty, channels=1, intensity=None).shape == (0, 0, 0, 1)


def test_test_images_take_the_range_of_the_training_images(npz, pairs):
    path = npz(training_set=pairs, test_set=pairs[:5, 0] / 510)
    images = read_test_images(path, channels=1, intensity=((0.0, 1.0),))
    np.testing.assert_array_equal(images[..., 0], np.rint(pairs[:5, 0] / 2))
    deep = npz(training_set=pairs, test_set=pairs[:5, 0].astype(np.uint16) * 10)
    images = read_test_images(deep, channels=1, intensity=((0.0, 1275.0),))
    np.testing.assert_array_equal(images[..., 0], np.clip(2 * pairs[:5, 0].astype(int), 0, 255))


@pytest.mark.parametrize(
    ("change", "intensity", "message"),
    [
        (lambda images: images[..., None].repeat(3, 3), None, "needs the 1 channel.*has 3 in"),
        (lambda images: images[0, 0], None, r"needs the layout .* it has \(24,\)"),
        (lambda images: images / 255, None, r"needs the range of values .*, 0 to 255; it has 0 to 1 \(0 to 1\)"),
        (lambda images: images * 10.0, None, "pixels as floats must lie within"),
        (lambda images: images.astype(int) * 10, None, "0 to 255; it has more than 8 bits"),
        (lambda images: images, ((0.0, 4000.0),), "more than 8 bits; it has 0 to 255"),
        (lambda images: images, ((0.0, 1.0),), "0 to 1; it has 0 to 255"),
        (lambda images: np.full(images.shape, np.nan), None, "pixels must be finite"),
    ],
)
def test_test_images_unlike_the_training_images_are_refused(npz, pairs, change, intensity, message):
    path = npz(training_set=pairs, test_set=change(pairs[:5, 0]))
    with pytest.raises(DataError, match=message):
        read_test_images(path, channels=1, intensity=intensity)


def test_fingerprint_follows_the_content_alone(npz, pairs, tmp_path):
    path = npz(training_set=pairs)
    before = read_npz(path).fingerprint
    assert read_npz(path.rename(tmp_path / "other.npz")).fingerprint == before
    assert read_npz(npz(training_set=pairs, groups=np.arange(12))).fingerprint != before
    for plane in (0, 1):
        changed = pairs.copy()
        changed[3, plane, 2, 2] = (changed[3, plane, 2, 2] + 1) % 5
        assert read_npz(npz(training_set=changed)).fingerprint != before


def test_arrays_are_read_only(npz, pairs):
    data = read_npz(npz(training_set=pairs))
    for array in (data.images, data.masks, data.samples([0, 2]).images):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
