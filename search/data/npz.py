"""The npz form of the course: `training_set` (N, 2, H, W) of image and mask, optional `groups` and `test_set`."""

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np

from search.data.classes import MAX_CLASSES, Classes, to_indices
from search.data.dataset import IntensityRange, SegmentationData
from search.data.intensity import check_finite, own_range, to_uint8
from search.data.samples import VOID
from search.errors import DataError

MARS_CLASSES = ("background", "soil", "bedrock", "sand", "big rock")
BACKGROUND = 0
UNKNOWN_GROUP = -1
DEEP = "more than 8 bits"
LAYOUTS = "(N, 2, H, W), (N, 2, H, W, C), (N, 2, C, H, W) or (N, H, W, 2)"


def read_npz(path: Path) -> SegmentationData:
    """Read a file in the course's form. Label 0 is the background, and the objective ignores it.

    Images may be any number type: 8-bit values stay, floats within 0..1 are multiplied by 255, larger integers are
    mapped linearly from the file's own range. Raises DataError for whatever cannot be read so.
    """
    pairs = read_member(path, "training_set")
    images, masks = separate(pairs)
    stems = tuple(f"{index:05d}" for index in range(len(images)))
    check_finite(images, stems)
    intensity = intensity_range(images)
    if intensity is not None:
        images = to_uint8(images, intensity)
    labels = whole_labels(masks)
    classes = npz_classes(labels)
    return SegmentationData(
        images=np.ascontiguousarray(images.astype(np.uint8, copy=False)),
        masks=np.stack(to_indices(labels, classes, stems)),
        stems=stems,
        groups=read_groups(path, len(stems)),
        class_names=classes.names,
        labels=classes.labels,
        background=classes.background,
        ignored=classes.ignored,
        intensity=intensity,
    )


def read_test_images(path: Path, *, channels: int, intensity: IntensityRange | None) -> np.ndarray:
    """The unlabelled `test_set` as (M, H, W, C) uint8, mapped with the training images' range. M is 0 without one.

    Raises DataError where its channels or what its values are counted in are not those of the training images. Integers
    of more than 8 bits fit each other, whatever values occur in them.
    """
    images = read_member(path, "test_set") if "test_set" in member_names(path) else np.zeros((0, 0, 0), np.uint8)
    if images.ndim not in (3, 4):
        raise DataError(f"test_set needs the layout (M, H, W), (M, H, W, C) or (M, C, H, W); it has {images.shape}")
    images = channels_last(images)
    if not images.size:
        return np.zeros((0, 0, 0, channels), dtype=np.uint8)
    if images.shape[3] != channels:
        raise DataError(
            f"test_set needs the {channels} channel(s) of the training images; it has {images.shape[3]} in "
            f"{images.shape}. Convert it, or leave it out"
        )
    check_finite(images, [f"test {index}" for index in range(len(images))])
    found, needed = value_range(test_range(images, intensity)), value_range(intensity)
    if found != needed:
        raise DataError(
            f"test_set needs the range of values of the training images, {needed}; it has {found} "
            f"({images.min():.4g} to {images.max():.4g}). Store both alike, or leave test_set out"
        )
    if images.dtype != np.uint8:
        images = to_uint8(images, intensity or ((0.0, 255.0),) * channels)
    return np.ascontiguousarray(images)


def test_range(images: np.ndarray, training: IntensityRange | None) -> IntensityRange | None:
    """As `intensity_range`, but for wide integers beside wide integers that of the training images."""
    wide = images.dtype.kind in "iu" and images.dtype.itemsize > 1
    return training if wide and value_range(training) == DEEP else intensity_range(images)


def value_range(intensity: IntensityRange | None) -> str:
    """What pixel values are counted in, in words."""
    match set(intensity or ((0.0, 255.0),)):
        case ranges if ranges == {(0.0, 1.0)}:
            return "0 to 1"
        case ranges if ranges == {(0.0, 255.0)}:
            return "0 to 255"
        case _:
            return DEEP


def member_names(path: Path) -> list[str]:
    """Names of the arrays in the file. Raises DataError where it is no complete npz archive."""
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if not zipfile.is_zipfile(path):
        raise DataError(
            f"{path.name} is not a complete npz archive: it is truncated or of another format. Copy it again"
        )
    with np.load(path, allow_pickle=False) as archive:
        return list(archive.files)


def read_member(path: Path, name: str) -> np.ndarray:
    """One array of the file; nothing is ever unpickled. Raises DataError."""
    names = member_names(path)
    if name not in names:
        raise DataError(f"an npz file needs an array named {name!r}; {path.name} holds {names}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            array = np.asarray(archive[name])
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"arrays must be plain numbers; {name!r} in {path.name} is pickled Python objects, which are never "
                "loaded because they can run code. Save it again as an array of one number type"
            ) from error
        raise DataError(f"{name!r} in {path.name} is truncated or damaged: {first_line(error)}") from error
    if array.dtype.kind not in "buif":
        raise DataError(f"{name!r} in {path.name} must hold numbers, it holds {array.dtype}")
    return array


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its type."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def separate(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W, C) and masks (N, H, W) of a training set in any of the layouts. Raises DataError."""
    if pairs.ndim in (4, 5) and pairs.shape[1] == 2:
        images, masks = channels_last(pairs[:, 0]), channels_last(pairs[:, 1])
    elif pairs.ndim == 4 and pairs.shape[3] == 2:
        images, masks = pairs[..., :1], pairs[..., 1:]
    else:
        raise DataError(f"training_set needs the layout {LAYOUTS} of images and masks; it has {pairs.shape}")
    if 0 in pairs.shape:
        raise DataError(f"training_set holds no image: its shape is {pairs.shape}")
    if masks.shape[3] > 1 and not (masks == masks[..., :1]).all():
        raise DataError(f"a mask needs one channel; those of training_set {pairs.shape} hold several that differ")
    return images, masks[..., 0]


def channels_last(array: np.ndarray) -> np.ndarray:
    """(N, H, W), (N, H, W, C) or (N, C, H, W) as (N, H, W, C); a channel axis is one of at most 4 values."""
    if array.ndim == 3:
        return array[..., None]
    return np.moveaxis(array, 1, 3) if array.shape[1] <= 4 < array.shape[3] else array


def intensity_range(images: np.ndarray) -> IntensityRange | None:
    """The range that becomes 0..255, None where values are within 0..255 already. Raises DataError for odd floats."""
    if images.dtype == np.uint8:
        return None
    low, high = float(images.min()), float(images.max())
    if images.dtype.kind == "f" and low >= 0 and high <= 1:
        return ((0.0, 1.0),) * images.shape[3]
    if low >= 0 and high <= 255:
        return None if images.dtype.kind != "f" else ((0.0, 255.0),) * images.shape[3]
    if images.dtype.kind == "f":
        raise DataError(f"pixels as floats must lie within 0..1 or 0..255; found {low:.4g} to {high:.4g}. Rescale them")
    return own_range(images)


def whole_labels(masks: np.ndarray) -> np.ndarray:
    """Masks as integer labels. Raises DataError for NaN, fractions and values outside 0..255."""
    if masks.dtype == np.uint8:
        return masks
    labels = np.nan_to_num(masks.astype(np.float64), nan=-1).astype(np.int64)
    if not (labels == masks).all() or labels.min() < 0 or labels.max() > VOID:
        raise DataError(
            f"labels in a mask must be whole numbers from 0 to 255; training_set has {masks.dtype} masks from "
            f"{masks.min():.4g} to {masks.max():.4g}. Store labels, not grey values, in training_set[:, 1]"
        )
    return labels


def npz_classes(masks: np.ndarray) -> Classes:
    """The Mars classes where labels lie within 0..4, else one class a label found; 255 is void, 0 always a class."""
    labels = np.flatnonzero(np.bincount(masks.ravel(), minlength=VOID + 1)[:VOID]).tolist()
    if not labels or max(labels) < len(MARS_CLASSES):
        names, labels = MARS_CLASSES, list(range(len(MARS_CLASSES)))
    else:
        labels = sorted({BACKGROUND, *labels})
        names = tuple(f"class_{label}" for label in labels)
    if len(labels) > MAX_CLASSES:
        raise DataError(f"at most {MAX_CLASSES} classes are possible; training_set holds {len(labels)} labels")
    return Classes(names=names, labels=tuple(labels), void=(VOID,), background=BACKGROUND, ignored=(BACKGROUND,))


def read_groups(path: Path, count: int) -> tuple[str | None, ...]:
    """The group of each pair as text, None for -1 and where the file has no groups. Raises DataError."""
    if "groups" not in member_names(path):
        return (None,) * count
    groups = read_member(path, "groups")
    if groups.shape != (count,):
        raise DataError(f"groups needs one number for each of the {count} training pairs; its shape is {groups.shape}")
    return tuple(group_name(group) for group in groups.tolist())


def group_name(group: float) -> str | None:
    """A group's number as text, every digit of it; None for -1 and for what is no number, which stand for unknown."""
    if group == UNKNOWN_GROUP or not math.isfinite(group):
        return None
    return str(int(group)) if group == int(group) else repr(group)
