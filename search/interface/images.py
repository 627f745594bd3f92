"""Images as callers have them: one, a stack, or a list of differing sizes."""

from collections.abc import Sequence

import numpy as np

from search.errors import DataError


def as_images(images: np.ndarray | Sequence[np.ndarray], channels: int) -> list[np.ndarray]:
    """Each image as (H, W, C) uint8. Raises DataError."""
    if isinstance(images, str) or not isinstance(images, np.ndarray | Sequence):
        return [checked(images, channels, "the image")]
    if not isinstance(images, np.ndarray):
        return [checked(image, channels, f"image {index}") for index, image in enumerate(images)]
    if images.ndim == 4:
        if not len(images):
            raise DataError(f"the stack of images {images.shape} is empty; an empty list gives an empty list")
        checked(images[0], channels, "each image of the stack")
        return list(images)
    return [checked(images, channels, "the image")]


def as_given(results: list[np.ndarray], images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray | list[np.ndarray]:
    """Results of `as_images`' images in the form of `images`: one, a stack, or a list."""
    if not isinstance(images, np.ndarray):
        return results
    if images.ndim < 4:
        return results[0]
    return np.stack(results)


def checked(image: object, channels: int, name: str) -> np.ndarray:
    """One image as (H, W, C) uint8, whatever its strides. Raises DataError that calls it by `name`."""
    if not isinstance(image, np.ndarray):
        raise DataError(
            f"images are numpy arrays (H, W, C) uint8; {name} is a {type(image).__name__}: numpy.array(image) makes "
            "one of an image of PIL"
        )
    if image.dtype != np.uint8:
        raise DataError(
            f"images are uint8, 0 to 255, as networks were trained; {name} is {image.dtype}. Values from 0 to 1: "
            "(255 * image).round().astype('uint8'); 16 bits: map them as docs/data.md says of training images"
        )
    whole = image[..., None] if image.ndim == 2 and channels == 1 else image
    if whole.ndim != 3 or whole.shape[2] != channels:
        raise DataError(
            f"this network takes images (H, W, {channels}), stacks (N, H, W, {channels}), or a list of images; {name} "
            f"has the shape {image.shape}{hint(image, channels)}"
        )
    if 0 in whole.shape:
        raise DataError(f"an image needs at least one pixel; {name} has the shape {image.shape}")
    return whole


def hint(image: np.ndarray, channels: int) -> str:
    """What to do about the shape, where that is known."""
    if image.ndim == 3 and image.shape[0] == channels:
        return ": channels come last, numpy.moveaxis(image, 0, -1)"
    if channels == 1 and image.ndim == 3 and image.shape[2] == 3:
        return ": it was trained on grey images, such as image.convert('L') of PIL"
    if channels == 1 and image.ndim == 3:
        return ": a stack of grey images needs a last axis, images[..., None]"
    if image.ndim == 3 and channels == 3 and image.shape[2] == 4:
        return ": leave out the alpha channel, image[..., :3]"
    return ""
