"""Images that came after the search, mapped to what networks were trained on: channels, range of values."""

import numpy as np

from search.data.dataset import IntensityRange
from search.data.form import DataForm
from search.data.intensity import check_finite, to_uint8
from search.data.npz import DEEP, value_range
from search.errors import DataError


def as_trained(image: np.ndarray, form: DataForm, name: str) -> np.ndarray:
    """An image (H, W, C) of any number type as networks saw those of `form`: (H, W, C) uint8.

    Raises DataError that calls the image `name` where it has other channels, or values counted in something else.
    """
    if image.shape[2] != form.channels:
        raise DataError(
            f"the network takes images of {form.channels} channel(s), as those it was trained on; {name} has "
            f"{image.shape[2]}. Convert it (an alpha channel counts)"
        )
    check_finite([image], [name])
    return eight_bits(image, form.intensity, name)


def eight_bits(image: np.ndarray, intensity: IntensityRange | None, name: str) -> np.ndarray:
    """An image (H, W, C) as uint8, mapped by the range of the training images; values outside are clipped.

    Images of 8 bits stay as they are; where training images were wide integers or deep floats they are refused, since
    the same scene has other values in them. Raises DataError.
    """
    counted_in = value_range(intensity)
    if counted_in == DEEP and intensity is not None:
        if image.dtype.itemsize == 1:
            raise misfit(name, f"images of {DEEP}", f"{image.dtype} values")
        return to_uint8(image, intensity)
    if image.dtype == np.uint8:
        return image
    top = 1.0 if counted_in == "0 to 1" and image.dtype.kind == "f" else 255.0
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > top:
        raise misfit(name, f"values from 0 to {top:.0f}", f"{image.dtype} values from {low:.6g} to {high:.6g}")
    return to_uint8(image, ((0.0, top),) * image.shape[2])


def misfit(name: str, needed: str, found: str) -> DataError:
    """The refusal of an image whose values are counted in something else."""
    return DataError(
        f"the network was trained on {needed}; {name} has {found}. Give the file that images were made from, or "
        "convert it as the training images were"
    )
